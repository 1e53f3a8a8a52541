"""The line: intake, stages, delivery and pipeline, put together for one setup.

A reload makes a new line over the same board, books and spool; the old one is let go once its workers are home.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.delivery import Delivery
from sealdrop.flow.gates import Gates
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.intake import Intake
from sealdrop.flow.pipeline import Pipeline
from sealdrop.flow.recovery import Recovery
from sealdrop.flow.setup import Setup
from sealdrop.flow.stages import Stages
from sealdrop.ports.clock import Clock
from sealdrop.ports.hand import InHand
from sealdrop.ports.ledger import Ledger
from sealdrop.ports.people import Journal, Meter
from sealdrop.ports.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What stays the same for the life of the process."""

    ledger: Ledger
    journal: Journal
    spool: Spool
    clock: Clock
    hand: InHand
    meter: Meter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is remembered in memory for the life of the process."""

    books: Books
    incidents: Incidents
    gates: Gates
    board: Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Everything that works by one setup."""

    setup: Setup
    intake: Intake
    pipeline: Pipeline
    recovery: Recovery


def make_desk(world: World, setup: Setup, on_earlier: Callable[[], None]) -> Desk:
    """Put together what is remembered in memory.

    Args:
        world: what stays the same.
        setup: the first setup.
        on_earlier: called when a timer appears that is earlier than all others.
    """
    gates = Gates(world.clock)
    return Desk(
        books=Books(world.ledger, world.journal),
        incidents=Incidents(world.clock, world.journal),
        gates=gates,
        board=Board(setup, gates, world.clock, on_earlier),
    )


def make_line(world: World, desk: Desk, setup: Setup, stopping: Callable[[], bool]) -> Line:
    """Put a line together.

    Args:
        world: what stays the same.
        desk: what is remembered.
        setup: what the line works by.
        stopping: tells whether uploads are to be called off before they become visible.
    """
    books, board, incidents = desk.books, desk.board, desk.incidents
    spool, clock = world.spool, world.clock
    stages = Stages(setup, books=books, board=board, spool=spool, clock=clock, incidents=incidents)
    delivery = Delivery(
        setup,
        books=books,
        board=board,
        gates=desk.gates,
        spool=spool,
        clock=clock,
        incidents=incidents,
        stopping=stopping,
        meter=world.meter,
    )
    return Line(
        setup=setup,
        intake=Intake(setup, books=books, board=board, spool=spool, clock=clock, incidents=incidents),
        pipeline=Pipeline(
            stages=stages, delivery=delivery, books=books, board=board, incidents=incidents, hand=world.hand
        ),
        recovery=Recovery(
            setup, books=books, board=board, spool=spool, clock=clock, incidents=incidents, hand=world.hand
        ),
    )
