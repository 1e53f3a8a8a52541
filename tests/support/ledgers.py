"""Ledgers for tests: short and long histories, and the tools of somebody who tampers with the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.adapters.ledger.rows import Row, row_hash
from sealdrop.core import events as ev
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.ledger import Entry, Ledger
from support import lifecycles as lc

#: A whole life: seven events from the claim to sent/.
LIFE: tuple[ev.Event, ...] = (lc.accepted(), lc.SEALED, lc.started(), lc.commit(), lc.delivered(), lc.FILED)


#: An event of the agent's own.
RESUMED = ev.RouteResumed(route="relay", by="uid 1000")


def claimed_now(clock: Clock, *, kind: str = "adt", sha256: str = "ab" * 32) -> tuple[SubmissionId, ev.Claimed]:
    """Return a new id and the first event of its submission."""
    one = clock.new_id()
    return one, lc.claimed(replace(lc.SUBMISSION, id=one, kind=kind, sha256=sha256, claimed_at=clock.now()))


def claim(ledger: Ledger, clock: Clock, *then: ev.Event, kind: str = "adt", sha256: str = "ab" * 32) -> SubmissionId:
    """Book a new submission and what happens to it, one append an event."""
    one, first = claimed_now(clock, kind=kind, sha256=sha256)
    for event in (first, *then):
        ledger.append(Entry(stream=one, event=event))
    return one


def make_ledger(path: Path, clock: Clock, lives: int = 3) -> list[SubmissionId]:
    """Make a closed ledger of whole lives (seven rows each)."""
    begun = [claimed_now(clock) for _ in range(lives)]
    with SqliteLedger.open(path, clock) as ledger:
        ledger.append(*[Entry(stream=one, event=event) for one, first in begun for event in (first, *LIFE)])
    return [one for one, _ in begun]


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as an attacker who knows SQLite: the triggers are out of the way, and back afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        triggers = sql.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            sql.execute(f"DROP TRIGGER {name}")
        yield sql
        for _, statement in triggers:
            sql.execute(statement)


def recompute(sql: sqlite3.Connection, first: int) -> None:
    """Make the chain whole again from a row on, as an attacker who knows how it is made."""
    rows = [
        Row(*one) for one in sql.execute("SELECT * FROM events WHERE sequence >= ? ORDER BY sequence", (first - 1,))
    ]
    tip = rows[0].hash
    for row in rows[1:]:
        chained = row._replace(previous=tip)
        tip = row_hash(chained)
        sql.execute(
            "UPDATE events SET previous = ?, hash = ? WHERE sequence = ?", (chained.previous, tip, row.sequence)
        )
