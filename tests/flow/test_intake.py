"""Intake: what is complete, what is claimed, and what is said, once, when nothing can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sealdrop.core.errors import NoSpace
from sealdrop.core.readiness import Observation, Protocol, ReadinessPolicy
from sealdrop.core.submission import SubmissionId
from sealdrop.flow import intake as module
from sealdrop.flow.once import Once
from sealdrop.flow.setup import OutboxSetup
from sealdrop.ports.intake import LeftAlone
from support.fake_house import RENAME, FakeHouse, make_kind
from support.fakes import PlainSealer
from support.memory_spool import MemoryOutbox

QUIET = ReadinessPolicy(protocol=Protocol.QUIET, quiet_seconds=10, alarm_seconds=60)
MARKER = ReadinessPolicy(protocol=Protocol.MARKER, alarm_seconds=60)


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def wait_by(house: FakeHouse, policy: ReadinessPolicy) -> None:
    """Let the house's outbox tell complete from incomplete by another policy."""
    house.change(outboxes=tuple(replace(one, readiness=policy) for one in house.setup.outboxes))


def names(house: FakeHouse) -> list[str]:
    return [record.submission.file_name for record in house.records()]


def second_kind(house: FakeHouse, **kind: object) -> tuple[MemoryOutbox, PlainSealer]:
    """Give the house a second outbox, of a kind of its own with keys of its own."""
    outbox, sealer = MemoryOutbox("exit", house.disk), PlainSealer(house.disk)
    other = make_kind("exit", house.validator, sealer, **kind)  # type: ignore[arg-type] # a test names them
    house.change(
        kinds={**house.setup.kinds, "exit": other},
        outboxes=(*house.setup.outboxes, OutboxSetup(outbox=outbox, kind="exit", readiness=RENAME)),
    )
    return outbox, sealer


# -- completeness ----------------------------------------------------------------------------------------------


def test_what_is_renamed_in_is_claimed_by_the_first_look(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.run()

    assert names(house) == ["a.csv"]
    assert house.outbox.waiting() == []


def test_a_zero_byte_file_is_never_claimed_by_a_single_look(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"")
    run = house.once()

    assert run.line.intake.sweep() == 10
    assert house.outbox.waiting() == ["a.csv"]
    assert run.line.intake.waiting() == {"adt": 1}
    house.clock.pass_seconds(10)
    run.line.intake.sweep()
    assert house.outbox.waiting() == []


def test_a_quiet_file_is_claimed_after_the_quiet_period_from_our_first_look(house: FakeHouse) -> None:
    wait_by(house, QUIET)
    house.outbox.drop("a.csv")
    run = house.once()

    assert run.line.intake.sweep() == 10
    house.clock.pass_seconds(9)
    assert run.line.intake.sweep() == 1
    house.clock.pass_seconds(1)
    assert run.line.intake.sweep() is None
    assert house.outbox.waiting() == []


def test_a_quiet_period_of_nothing_still_takes_two_looks(house: FakeHouse) -> None:
    wait_by(house, replace(QUIET, quiet_seconds=0.0))
    house.outbox.drop("a.csv")
    run = house.once()

    assert run.line.intake.sweep() == 0
    assert house.outbox.waiting() == ["a.csv"]
    run.line.intake.sweep()
    assert house.outbox.waiting() == []


def test_the_file_that_may_be_complete_soonest_decides_when_to_look_again(house: FakeHouse) -> None:
    wait_by(house, QUIET)
    house.outbox.drop("a.csv")
    run = house.once()
    run.line.intake.sweep()
    house.clock.pass_seconds(4)
    house.outbox.drop("b.csv")
    house.outbox.drop("c.csv")

    assert run.line.intake.sweep() == 6


def test_a_marked_file_is_claimed_with_its_marker(house: FakeHouse) -> None:
    wait_by(house, MARKER)
    house.outbox.drop("a.csv")
    run = house.once()
    assert run.line.intake.sweep() is None

    house.outbox.drop("a.csv.done", b"")
    run.line.intake.sweep()

    assert house.outbox.waiting() == []


def test_one_that_waits_too_long_is_an_incident_until_it_goes(house: FakeHouse) -> None:
    wait_by(house, MARKER)
    house.outbox.drop("a.csv")
    run = house.once()
    run.line.intake.sweep()
    house.clock.pass_seconds(60)
    for _ in range(3):
        run.line.intake.sweep()

    assert house.journal.texts() == [
        "outbox adt: 'a.csv' waits for its completion marker. Ask its producer whether it is done"
    ]
    house.outbox.drop("a.csv.done", b"")
    run.line.intake.sweep()
    run.line.intake.sweep()
    assert len(house.journal.texts("incident-over")) == 1


def test_a_flood_of_late_files_is_no_flood_of_incidents(house: FakeHouse) -> None:
    wait_by(house, MARKER)
    for n in range(module.MOST_SAID + 10):
        house.outbox.drop(f"{n}.csv")
    run = house.once()
    run.line.intake.sweep()
    house.clock.pass_seconds(60)
    run.line.intake.sweep()

    assert len(run.desk.incidents.open()) == module.MOST_SAID


# -- claiming --------------------------------------------------------------------------------------------------


def test_files_are_claimed_in_the_order_in_which_they_got_their_names(house: FakeHouse) -> None:
    for name in ("c.csv", "a.csv", "b.csv"):
        house.outbox.drop(name)
    house.run()

    assert names(house) == ["c.csv", "a.csv", "b.csv"]


def test_a_file_that_is_gone_or_replaced_since_the_look_is_passed_over(house: FakeHouse) -> None:
    house.change_kind(max_active_files=1)
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        house.outbox.drop(name)
    run = house.once()
    run.line.intake.sweep()
    assert run.line.intake.hungry()

    del house.disk.files[house.outbox.folder / "b.csv"]
    house.outbox.drop("c.csv", b"accept\nreplaced")
    _work_off(run)
    run.line.intake.sweep()
    _work_off(run)

    assert names(house) == ["a.csv", "d.csv"]
    run.line.intake.sweep()
    _work_off(run)
    assert names(house) == ["a.csv", "d.csv", "c.csv"]


def _work_off(run: Once) -> None:
    while (job := run.desk.board.take_any()) is not None:
        run.line.pipeline.work(job)


def test_no_more_is_claimed_than_the_kind_has_room_for(house: FakeHouse) -> None:
    house.change_kind(max_active_files=3)
    for n in range(5):
        house.outbox.drop(f"{n}.csv")
    run = house.once()
    run.line.intake.sweep()

    assert house.outbox.waiting() == ["3.csv", "4.csv"]
    assert run.line.intake.waiting() == {"adt": 2}
    _work_off(run)
    run.line.intake.sweep()
    assert house.outbox.waiting() == []
    assert house.outbox.looks == 1, "what was seen complete is claimed without another look"


def test_no_more_bytes_are_claimed_than_the_kind_has_room_for(house: FakeHouse) -> None:
    house.change_kind(max_active_bytes=15)
    for n in range(5):
        house.outbox.drop(f"{n}.csv", b"accept\n---")
    run = house.once()
    run.line.intake.sweep()

    assert house.outbox.waiting() == ["2.csv", "3.csv", "4.csv"]


class Crowd:
    """An outbox with very many complete files that only yields them, and counts how many are claimed."""

    def __init__(self, files: int) -> None:
        self.name = "adt"
        self.files = set(range(files))
        self.claimed: list[int] = []
        self.looks = 0

    def look(self) -> Iterator[Observation | LeftAlone]:
        self.looks += 1
        for n in sorted(self.files, reverse=True):
            yield Observation(name=f"{n}.csv", size=1, mtime_ns=0, ctime_ns=n, device=1, inode=n)

    def claim(self, observed: Observation, _submission: object) -> bool:
        self.files.discard(observed.inode)
        self.claimed.append(observed.inode)
        return True

    def fetch(self, *_: object) -> None:
        raise NotImplementedError

    def publish_result(self, *_: object) -> None:
        raise NotImplementedError


def test_a_backlog_is_taken_in_batches_of_the_oldest_two_looks_each(house: FakeHouse) -> None:
    crowd = Crowd(module.BATCH + 500)
    house.change_kind(max_active_files=10**6)
    house.change(outboxes=(OutboxSetup(outbox=crowd, kind="adt", readiness=RENAME),))
    run = house.once()

    run.line.intake.sweep()
    assert crowd.claimed == list(range(module.BATCH))
    assert run.line.intake.waiting() == {"adt": 500}
    assert crowd.looks == 2
    run.line.intake.sweep()
    assert len(crowd.claimed) == module.BATCH + 500
    assert crowd.looks == 4


class SlowOutbox(MemoryOutbox):
    """An outbox that takes three seconds to look at."""

    house: FakeHouse

    def look(self) -> Iterator[Observation | LeftAlone]:
        self.house.clock.pass_seconds(3)
        return super().look()


def test_after_a_long_look_the_next_one_waits_four_times_as_long(house: FakeHouse) -> None:
    slow = SlowOutbox("adt", house.disk)
    slow.house = house
    house.change(outboxes=(OutboxSetup(outbox=slow, kind="adt", readiness=RENAME),))
    run = house.once()
    run.line.intake.sweep()

    assert run.line.intake.sweep() == 12
    assert slow.looks == 1
    house.clock.pass_seconds(12)
    run.line.intake.sweep()
    assert slow.looks == 2


def test_higher_kinds_are_looked_at_first(house: FakeHouse) -> None:
    outbox, _ = second_kind(house, priority=5)
    house.outbox.drop("low.csv")
    outbox.drop("high.csv")
    house.run()

    assert names(house) == ["high.csv", "low.csv"]


# -- what a large or hostile folder does ------------------------------------------------------------------------


class Torn(Crowd):
    """A large folder whose reading misses an older file, while a younger one that came with it is seen."""

    def look(self) -> Iterator[Observation | LeftAlone]:
        old, young = 10**6, 10**6 + 1
        for one in super().look():
            if not (
                self.looks == 1 and isinstance(one, Observation) and one.inode == old
            ):  # renamed in behind the reader
                yield one
        if self.looks == 1:
            self.files |= {young}
            yield Observation(name=f"{young}.csv", size=1, mtime_ns=0, ctime_ns=young, device=1, inode=young)


def test_an_older_file_that_a_reading_missed_is_still_claimed_before_a_younger_one(house: FakeHouse) -> None:
    torn = Torn(module.ONE_READ + 1)
    torn.files |= {10**6}
    house.change_kind(max_active_files=10**6)
    house.change(outboxes=(OutboxSetup(outbox=torn, kind="adt", readiness=RENAME),))
    run = house.once()

    run.line.intake.sweep()
    run.line.intake.sweep()

    assert torn.claimed.index(10**6) < torn.claimed.index(10**6 + 1)


def test_of_very_many_incomplete_files_only_the_oldest_are_remembered(
    house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SEEN", 100)
    crowd = Crowd(1_000)
    house.change_kind(max_active_files=10**6)
    house.change(outboxes=(OutboxSetup(outbox=crowd, kind="adt", readiness=QUIET),))
    run = house.once()

    for _ in range(3):
        run.line.intake.sweep()
        house.clock.pass_seconds(QUIET.quiet_seconds)

    assert crowd.claimed == list(range(100)), "the oldest first, the others once these are gone"
    assert run.line.intake.waiting() == {"adt": 900}
    for _ in range(30):
        run.line.intake.sweep()
        house.clock.pass_seconds(QUIET.quiet_seconds)
    assert crowd.claimed == list(range(1_000))


def test_a_claim_that_meets_a_full_disk_is_made_when_there_is_room(house: FakeHouse) -> None:
    class Full(MemoryOutbox):
        full = True

        def claim(self, observed: Observation, submission: SubmissionId) -> bool:
            if self.full:
                raise NoSpace("no space left", where="work")
            return super().claim(observed, submission)

    full = Full("adt", house.disk)
    house.change(outboxes=(OutboxSetup(outbox=full, kind="adt", readiness=RENAME),))
    full.drop("a.csv")
    run = house.once()

    assert run.line.intake.sweep() == house.setup.sweep_seconds
    assert [one.subject for one in run.desk.incidents.open()] == ["free space for adt"]
    full.full = False
    run.line.intake.sweep()

    assert full.waiting() == []
    assert run.desk.incidents.open() == ()
