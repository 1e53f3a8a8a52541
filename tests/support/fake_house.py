"""A whole house of fakes: one outbox, one kind, one route to one far end, and whatever a test changes about it.

``FakeHouse.next_process`` ends the process: what it remembered is gone, what is durable (ledger, disk, notes of what is
in hand, far end) stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sealdrop.core.lifecycle import Record, State
from sealdrop.core.naming import DEFAULT
from sealdrop.core.order import OrderPolicy
from sealdrop.core.readiness import Protocol, ReadinessPolicy
from sealdrop.core.retry import RetryPolicy
from sealdrop.core.submission import LegPlan
from sealdrop.flow.line import World
from sealdrop.flow.once import Once
from sealdrop.flow.setup import DuplicatePolicy, KindSetup, OutboxSetup, RouteSetup, Setup
from sealdrop.ports.intake import Hints
from sealdrop.ports.rules import Validator
from sealdrop.ports.sealing import Sealer
from sealdrop.ports.transport import Transport
from support.fakes import BurningLedger, FakeClock, ListJournal, PlainSealer, WordValidator
from support.far_end import FarEnd
from support.memory_disk import Fuse, MemoryDisk
from support.memory_spool import ROOT, MemoryHand, MemoryOutbox, MemorySpool

RENAME = ReadinessPolicy(protocol=Protocol.RENAME)


def make_route(
    name: str,
    *transports: Transport,
    retry: RetryPolicy | None = None,
    max_parallel: int = 2,
    max_waiting_files: int = 10_000,
) -> RouteSetup:
    """Return a route that pauses 10, 20, 40 … seconds, at most half an hour, without chance."""
    return RouteSetup(
        name=name,
        transports=transports,
        retry=retry or RetryPolicy(jitter=0.0),
        max_parallel=max_parallel,
        max_waiting_files=max_waiting_files,
    )


def make_kind(
    name: str,
    validator: Validator,
    sealer: Sealer,
    *,
    routes: Sequence[str] = ("relay",),
    order: OrderPolicy = OrderPolicy.NONE,
    priority: int = 0,
    max_bytes: int = 1_000_000,
    max_active_files: int = 1_000,
    max_active_bytes: int = 10**9,
    duplicates: DuplicatePolicy = DuplicatePolicy.SEND,
    duplicate_window: timedelta = timedelta(days=7),
    patience: timedelta = timedelta(days=2),
    keep: str = "content",
    output_name: str = DEFAULT,
) -> KindSetup:
    """Return a kind that owes one leg to each route, called like it."""
    return KindSetup(
        name=name,
        priority=priority,
        legs=tuple(LegPlan(name=route, route=route) for route in routes),
        validator=validator,
        sealer=sealer,
        key_set="test keys",
        order=order,
        max_bytes=max_bytes,
        max_active_files=max_active_files,
        max_active_bytes=max_active_bytes,
        duplicates=duplicates,
        duplicate_window=duplicate_window,
        patience=patience,
        keep=keep,
        output_name=output_name,
    )


def make_setup(
    kinds: Sequence[KindSetup],
    routes: Sequence[RouteSetup],
    outboxes: Sequence[OutboxSetup],
    *,
    hints: tuple[Hints, ...] = (),
    reserve_bytes: int = 0,
    settings_sha256: str = "1" * 64,
) -> Setup:
    """Return a setup with small pools."""
    return Setup(
        environment="live",
        settings_sha256=settings_sha256,
        outboxes=tuple(outboxes),
        kinds={kind.name: kind for kind in kinds},
        routes={route.name: route for route in routes},
        reserve_bytes=reserve_bytes,
        sweep_seconds=5.0,
        stuck_seconds=60.0,
        check_workers=2,
        seal_workers=2,
        hints=hints,
    )


class FakeHouse:
    """One outbox ``adt`` of kind ``adt`` with a route ``relay`` to one far end; a test changes what it varies."""

    def __init__(self, **kind: object) -> None:
        self.fuse = Fuse()
        self.disk = MemoryDisk(self.fuse)
        self.clock = FakeClock()
        self.ledger = BurningLedger(self.clock, self.fuse)
        self.journal = ListJournal()
        self.spool = MemorySpool(self.disk)
        self.hand = MemoryHand(self.disk)
        self.outbox = MemoryOutbox("adt", self.disk)
        self.validator = WordValidator(self.disk)
        self.sealer = PlainSealer(self.disk)
        self.far = FarEnd("far", self.disk, self.clock)
        self.setup = make_setup(
            [make_kind("adt", self.validator, self.sealer, **kind)],  # type: ignore[arg-type] # a test names them
            [make_route("relay", self.far)],
            [OutboxSetup(outbox=self.outbox, kind="adt", readiness=RENAME)],
        )

    def change(self, **changes: object) -> None:
        """Change fields of the setup."""
        self.setup = replace(self.setup, **changes)  # type: ignore[arg-type] # a test names them

    def change_kind(self, **changes: object) -> None:
        """Change fields of the kind."""
        kind = replace(self.setup.kinds["adt"], **changes)  # type: ignore[arg-type] # a test names them
        self.change(kinds={**self.setup.kinds, "adt": kind})

    @property
    def world(self) -> World:
        return World(ledger=self.ledger, journal=self.journal, spool=self.spool, clock=self.clock, hand=self.hand)

    def next_process(self) -> None:
        """Let the process end."""
        self.fuse.put_out()
        self.clock.next_process()
        self.hand = MemoryHand(self.disk, self.hand.trace)

    def once(self, patience: float = 0.0) -> Once:
        """Return an inline run in a new process."""
        self.next_process()
        return Once(self.world, self.setup, pause=self.clock.pass_seconds, patience=patience)

    def run(self, patience: float = 0.0) -> Once:
        """Work off what is there; return the run, for a look at its desk."""
        run = self.once(patience)
        run.run()
        return run

    def records(self) -> list[Record]:
        """Return all records, oldest first."""
        return list(self.ledger.recent(1_000_000))[::-1]

    def record(self, file_name: str) -> Record:
        """Return the newest record of a file name."""
        return next(one for one in self.ledger.recent(1_000_000) if one.submission.file_name == file_name)

    def state(self, file_name: str) -> State | None:
        """Return where a file's newest submission stands; None while there is none."""
        found = (one.state for one in self.ledger.recent(1_000_000) if one.submission.file_name == file_name)
        return next(found, None)

    def booked(self, file_name: str) -> list[str]:
        """Return the names of the events of a file's newest submission, oldest first."""
        return [type(one.event).__name__ for one in self.ledger.history(self.record(file_name).submission.id)]

    def filed(self, to: str) -> list[str]:
        """Return the folders under ``sent`` or ``failed``, by name."""
        return sorted({path.relative_to(ROOT / to).parts[1] for path in self.disk.under(ROOT / to)})
