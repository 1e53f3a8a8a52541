"""The flow as a state machine: drop, crash anywhere, restart, pass time, every remote fault, operators, receivers.

One inline run (``Once``) is a process. Ledger, disk, notes of what is in hand and far ends are durable; a crash strikes
between any two steps of theirs, and the next process starts from what they hold. After every rule the invariants of
``RELIABILITY``'s kind are checked: every file in exactly one place, at most one appearance each, never an older version
after a newer one, nothing "delivered" that was not there. In the end, with a healthy far end and enough time,
everything is filed, or held with a reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sealdrop.core.errors import NoSpace, Refused
from sealdrop.core.events import AgentEvent, Event, Released
from sealdrop.core.holds import HoldReason, Lifter
from sealdrop.core.lifecycle import Record, State, fold
from sealdrop.core.order import OrderPolicy
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.operations import Operations
from sealdrop.flow.setup import DuplicatePolicy, OutboxSetup
from sealdrop.ports.ledger import Entry
from support.fake_house import RENAME, FakeHouse, make_kind, make_route, make_setup
from support.far_end import FarEnd, Fault
from support.memory_disk import Died
from support.memory_spool import ROOT, MemoryOutbox

KINDS = {
    "adt": OrderPolicy.SUPERSEDE,
    "exit": OrderPolicy.CLAIM_ORDER,
    "other": OrderPolicy.NONE,
}
WORDS = ("accept", "accept", "accept", "warn", "hold", "reject")
MOST_ACTIVE = 3
ENOUGH = 4 * 3600.0


some_kind = st.sampled_from(["adt", "adt", "adt", "exit", "exit", "other"])
some_keys = st.sampled_from(["1", "1", "2", "1,2"])
some_far = st.sampled_from([0, 0, 0, 1, 2])


class Model(RuleBasedStateMachine):
    """See module text."""

    def __init__(self) -> None:
        super().__init__()
        self.house = FakeHouse()
        disk, clock = self.house.disk, self.house.clock
        self.second = FarEnd("second", disk, clock)
        self.fars = (self.house.far, self.second)
        self.outboxes = {name: MemoryOutbox(name, disk) for name in KINDS}
        kinds = tuple(
            make_kind(
                name,
                self.house.validator,
                self.house.sealer,
                order=order,
                routes=("relay", "portal") if name == "exit" else ("relay",),
                duplicates=DuplicatePolicy.HOLD if name == "adt" else DuplicatePolicy.SEND,
                max_active_files=MOST_ACTIVE,
            )
            for name, order in KINDS.items()
        )
        self.portal = FarEnd("portal", disk, clock)
        self.house.setup = make_setup(
            kinds,
            (make_route("relay", *self.fars), make_route("portal", self.portal)),
            tuple(OutboxSetup(outbox=self.outboxes[name], kind=name, readiness=RENAME) for name in KINDS),
        )
        self.dropped: dict[bytes, int] = {}
        self.let_out_of_order: set[SubmissionId] = set()
        self.numbers = self.repeats = 0

    @property
    def all_fars(self) -> tuple[FarEnd, ...]:
        return (*self.fars, self.portal)

    # -- what producers do ---------------------------------------------------------------------------------

    @rule(kind=some_kind, word=st.sampled_from(WORDS), keys=some_keys)
    def drop(self, kind: str, word: str, keys: str) -> None:
        self.numbers += 1
        data = f"{word} {keys}\n{self.numbers}".encode()
        self.outboxes[kind].drop(f"{self.numbers}.csv", data)
        self.dropped[data] = 1

    @rule(kind=some_kind, keys=some_keys, steps=st.integers(min_value=20, max_value=60))
    def drop_and_crash(self, kind: str, keys: str, steps: int) -> None:
        self.drop(kind, "accept", keys)
        self.crash(steps)

    @rule(kind=some_kind, keys=some_keys, fault=st.sampled_from(Fault))
    def drop_and_run_into_trouble(self, kind: str, keys: str, fault: Fault) -> None:
        self.house.far.faults.append(fault)
        self.drop(kind, "accept", keys)
        self.house.run()

    @rule(kind=some_kind)
    @precondition(lambda self: self.dropped)
    def drop_again(self, kind: str) -> None:
        data = max(self.dropped, key=lambda one: int(one.partition(b"\n")[2]))
        self.repeats += 1
        self.outboxes[kind].drop(f"again{self.repeats}.csv", data)
        self.dropped[data] += 1

    # -- what the agent does -------------------------------------------------------------------------------

    @rule(patience=st.sampled_from([0.0, 15.0, 60.0]))
    def run(self, patience: float) -> None:
        self.house.run(patience)

    @rule(steps=st.integers(min_value=0, max_value=120))
    def crash(self, steps: int) -> None:
        run = self.house.once()
        self.house.fuse.light(steps)
        with suppress(Died):
            run.run()
        self.house.next_process()

    @rule(commits=st.integers(min_value=0, max_value=20))
    def run_until_the_disk_is_full(self, commits: int) -> None:
        self.house.ledger.room = commits
        with suppress(NoSpace):  # it ends the run only where the run itself has something to book
            self.house.run()
        self.house.ledger.make_room()

    @rule(seconds=st.sampled_from([1.0, 20.0, 300.0, 3600.0]))
    def pass_time(self, seconds: float) -> None:
        self.house.clock.pass_seconds(seconds)

    # -- what the far ends do ------------------------------------------------------------------------------

    @rule(far=some_far, faults=st.lists(st.sampled_from(Fault), min_size=1, max_size=2))
    def trouble(self, far: int, faults: list[Fault]) -> None:
        self.all_fars[far].faults.extend(faults)

    @rule(far=some_far, fault=st.sampled_from([Fault.UNREACHABLE, Fault.CUT_EARLY]))
    def trouble_when_looking(self, far: int, fault: Fault) -> None:
        self.all_fars[far].find_faults.append(fault)

    @rule(far=some_far, down=st.booleans(), locked=st.booleans())
    def outage(self, far: int, *, down: bool, locked: bool) -> None:
        self.all_fars[far].down = down
        self.all_fars[far].locked = locked

    @rule(far=some_far, at_once=st.booleans())
    def receiver(self, far: int, *, at_once: bool) -> None:
        self.all_fars[far].take_away()
        self.all_fars[far].takes_at_once = at_once

    @rule(far=some_far)
    def execute_late(self, far: int) -> None:
        self.all_fars[far].execute_late()

    # -- what operators do ---------------------------------------------------------------------------------

    @rule(number=st.integers(min_value=0, max_value=20))
    @precondition(lambda self: self.house.records())
    def retry(self, number: int) -> None:
        run = self.house.run()
        records = self.house.records()
        with suppress(Refused):
            Operations(run, self.house.ledger).retry(records[number % len(records)].submission.id, "uid 1", "tried")

    @rule(route=st.sampled_from(["relay", "portal"]))
    def retry_route(self, route: str) -> None:
        Operations(self.house.run(), self.house.ledger).retry_route(route, "uid 1", "the server is back")

    @rule(number=st.integers(min_value=0, max_value=20))
    def release(self, number: int) -> None:
        """Lift a hold as a careful person would: with an unknown outcome only after finding nothing over there."""
        held = [
            record for record in self.house.records() if any(hold.lifter is Lifter.OPERATOR for hold in record.holds)
        ]
        if not held:
            return
        record = held[number % len(held)]
        reason = next(hold.reason for hold in record.holds if hold.lifter is Lifter.OPERATOR)
        if reason is HoldReason.UNKNOWN_OUTCOME and self.appearances_of(record):
            return
        if reason is HoldReason.OUT_OF_ORDER:
            self.let_out_of_order.add(record.submission.id)
        released = Released(reason=reason, by="uid 1", why="looked at it")
        self.house.ledger.append(Entry(stream=record.submission.id, event=released))

    # -- what must always hold -----------------------------------------------------------------------------

    @invariant()
    def every_dropped_file_is_in_exactly_one_place(self) -> None:
        places: Counter[bytes] = Counter()
        seen: set[tuple[Path, bytes]] = set()
        for path, data in self.house.disk.files.items():
            place = path if path.is_relative_to(ROOT / "outbox") else _home(path)
            if data in self.dropped and (place, data) not in seen:
                seen.add((place, data))
                places[data] += 1
        assert places == self.dropped

    @invariant()
    def nothing_appears_twice_or_half(self) -> None:
        for far in self.all_fars:
            times = Counter(one.submission for one in far.appearances)
            assert not [submission for submission, number in times.items() if number > 1]
        for record in self.house.records():
            relay = [one for far in self.fars for one in far.appearances if one.submission == record.submission.id]
            assert len(relay) <= 1
            for one in self.appearances_of(record):
                assert record.seal is not None
                assert (one.sha256, one.remote_name) == (record.seal.sha256, record.seal.remote_name)

    @invariant()
    def an_older_version_never_appears_after_a_newer_one(self) -> None:
        records = {record.submission.id: record for record in self.house.records()}
        for far in self.all_fars:
            newest: dict[tuple[str, str], SubmissionId] = {}
            for one in far.appearances:
                record = records[one.submission]
                kind = record.submission.kind
                if KINDS[kind] is OrderPolicy.NONE or one.submission in self.let_out_of_order:
                    continue
                for key in record.ordering_keys:
                    assert newest.get((kind, key), one.submission) <= one.submission
                    newest[kind, key] = one.submission

    @invariant()
    def delivered_means_it_was_there(self) -> None:
        for record in self.house.records():
            if record.state in {State.DELIVERED, State.SENT}:
                there = {one.remote_name for one in self.appearances_of(record)}
                assert record.seal is not None
                assert there == {record.seal.remote_name}

    @invariant()
    def what_is_superseded_is_covered_and_does_not_land(self) -> None:
        records = {record.submission.id: record for record in self.house.records()}
        for record in records.values():
            if record.superseded_by is not None:
                assert record.state not in {State.DELIVERED, State.SENT}
                assert set(record.ordering_keys) <= set(records[record.superseded_by].ordering_keys)

    def the_ledger_folds(self) -> None:
        histories: defaultdict[str, list[tuple[datetime, Event]]] = defaultdict(list)
        for one in self.house.ledger.events:
            if not isinstance(one.event, AgentEvent):
                histories[one.stream].append((one.at, one.event))
        for record in self.house.records():
            assert fold(record.submission.id, histories[record.submission.id]) == record

    def teardown(self) -> None:
        for far in self.all_fars:
            far.execute_late()
            far.heal()
        for _ in range(3):  # what is settled in one round may be sent in the next
            self.house.clock.pass_seconds(ENOUGH)
            run = self.house.run(ENOUGH)
            for route in ("relay", "portal"):
                Operations(run, self.house.ledger).retry_route(route, "uid 1", "all is well")
        stuck = self.stuck()
        for kind, outbox in self.outboxes.items():
            waiting = [record for record in stuck if record.submission.kind == kind and not record.holds]
            assert outbox.waiting() == [] or len(waiting) >= MOST_ACTIVE
        self.every_dropped_file_is_in_exactly_one_place()
        self.nothing_appears_twice_or_half()
        self.an_older_version_never_appears_after_a_newer_one()
        self.delivered_means_it_was_there()
        self.what_is_superseded_is_covered_and_does_not_land()
        self.the_ledger_folds()
        booked = {one.submission.id for one in self.house.records()}
        assert {claimed.submission for claimed in self.house.spool.claimed()} <= booked
        for record in self.house.records():
            assert record.terminal or record in stuck

    # -- helpers -------------------------------------------------------------------------------------------

    def appearances_of(self, record: Record) -> list:  # type: ignore[type-arg]
        return [one for far in self.all_fars for one in far.appearances if one.submission == record.submission.id]

    def stuck(self) -> list[Record]:
        """Return those held, and those that order lets wait for one of these: older ones, or perhaps visible ones."""
        records = [record for record in self.house.records() if not record.terminal]
        stuck = [record for record in records if record.holds]
        for record in records:  # oldest first: who waits for a waiting one is found in the same pass
            if record not in stuck and any(_stands_before(other, record) for other in stuck):
                stuck.append(record)
        return stuck


def _stands_before(other: Record, record: Record) -> bool:
    return (
        (other.submission.id < record.submission.id or any(leg.uncertain for leg in other.legs))
        and other.submission.kind == record.submission.kind
        and bool(set(other.ordering_keys) & set(record.ordering_keys))
    )


def _home(path: Path) -> Path:
    """Return the folder of a submission that a file lies in."""
    return ROOT.joinpath(*path.relative_to(ROOT).parts[:3])


Model.TestCase.settings = settings(max_examples=250, stateful_step_count=40)
TestModel = pytest.mark.timeout(600)(Model.TestCase)  # seconds when it passes, minutes while a failure is made small
