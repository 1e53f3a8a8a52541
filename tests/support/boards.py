"""Boards for tests: records in every stage, and a board over two kinds and two routes in one thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sealdrop.core import events as ev
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Record
from sealdrop.core.order import OrderPolicy
from sealdrop.core.submission import SubmissionId, make_id
from sealdrop.flow.board import Board
from sealdrop.flow.gates import Gates
from sealdrop.flow.jobs import Arrival, route_lane
from sealdrop.flow.setup import Setup
from sealdrop.ports.spool import Claimed
from support import lifecycles as lc
from support.fake_house import make_kind, make_route, make_setup
from support.fakes import FakeClock, PlainSealer, WordValidator
from support.far_end import FarEnd
from support.manual_clock import START
from support.memory_disk import MemoryDisk

RELAY = route_lane("relay")


def number(n: int) -> SubmissionId:
    return make_id(START, n)


def accepted(*legs: str, keys: Iterable[str] = ()) -> ev.Accepted:
    event = lc.accepted(*legs)
    plans = tuple(replace(plan, route=plan.name) for plan in event.legs)
    return replace(event, legs=plans, ordering_keys=tuple(keys))


def make(
    n: int, *then: ev.Event, kind: str = "adt", keys: Iterable[str] = (), legs: Iterable[str] = ("relay",)
) -> Record:
    """Return a sealed record of size 10, after what happened then."""
    record = lc.after(lc.claimed(), accepted(*legs, keys=keys), lc.SEALED, *then)
    return replace(record, submission=replace(record.submission, id=number(n), kind=kind))


def claimed(n: int, kind: str = "adt") -> Record:
    record = lc.after(lc.claimed())
    return replace(record, submission=replace(record.submission, id=number(n), kind=kind))


def deferred(n: int, until: datetime, kind: str = "adt", keys: Iterable[str] = ()) -> Record:
    later = replace(lc.deferred(leg="relay"), not_before=until)
    return make(n, lc.started(leg="relay"), later, kind=kind, keys=keys)


def held(record: Record, reason: HoldReason = HoldReason.OPERATOR) -> Record:
    return replace(record, holds=(Hold(reason=reason, text="held"),))


def arrival(n: int, *, kind: str = "adt", tries: int = 0, size: int = 10) -> Arrival:
    found = Claimed(submission=number(n), outbox=kind, file_name="a.csv", has_content=False, has_sealed=False)
    return Arrival(claimed=found, kind=kind, size=size, tries=tries)


class CountingClock(FakeClock):
    """Counts how often it is asked for the time: once for each plan, and once for all that stand in its way."""

    asked = 0

    def now(self) -> datetime:
        self.asked += 1
        return super().now()


class Place:
    """A board over two kinds (``exit`` goes before ``adt``) and two routes, in one thread."""

    def __init__(self, order: OrderPolicy = OrderPolicy.SUPERSEDE) -> None:
        self.clock = CountingClock()
        self.gates = Gates(self.clock)
        self.earlier = 0
        disk = MemoryDisk()
        self.validator, self.sealer = WordValidator(disk), PlainSealer(disk)
        self.relay = [FarEnd("first", disk, self.clock), FarEnd("second", disk, self.clock)]
        self.portal = FarEnd("third", disk, self.clock)
        self.setup = self.make_setup(order)
        self.board = Board(self.setup, self.gates, self.clock, self._on_earlier)

    def make_setup(self, order: OrderPolicy, **kind: int) -> Setup:
        kinds = [
            make_kind(name, self.validator, self.sealer, order=order, priority=priority, **kind)  # type: ignore[arg-type]
            for name, priority in (("adt", 0), ("exit", 5))
        ]
        return make_setup(kinds, [make_route("relay", *self.relay), make_route("portal", self.portal)], [])

    def _on_earlier(self) -> None:
        self.earlier += 1

    def drain(self) -> list[SubmissionId]:
        """Take everything that can be taken now."""
        taken = []
        while (job := self.board.take_any()) is not None:
            taken.append(job.submission)
        return taken
