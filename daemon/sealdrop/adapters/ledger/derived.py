"""What the derived tables say of a submission: a pure function of its record.

They exist so that no question of the flow ever scans history. None of it is truth: the same functions fill the tables
during a commit, fill them anew after their version changed, and are what verification compares them with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sealdrop.adapters.ledger.rows import Row, decode, moment, stamp
from sealdrop.core.codec import canonical
from sealdrop.core.errors import LedgerBroken, StaleTransition
from sealdrop.core.events import AgentEvent, Event
from sealdrop.core.lifecycle import Record, State, apply
from sealdrop.ports.ledger import AGENT_STREAM

#: States whose bytes are in our care or have landed: equal ones are duplicates. What was refused may be dropped again.
STANDING = frozenset(
    {
        State.CLAIMED,
        State.ACCEPTED,
        State.SEALED,
        State.DEFERRED,
        State.PARTLY_DELIVERED,
        State.DELIVERED,
        State.SENT,
    }
)
#: What JSON leaves as it is: printable ASCII but for the quotation mark and the backslash.
_UNCHANGED = re.compile(r"[ !#-\[\]-~]*")


class SubmissionRow(NamedTuple):
    """One row of the table of submissions, in the order of its columns."""

    id: str
    outbox: str
    kind: str
    file_name: str
    sha256: str
    claimed_at: str
    state: str
    changed_at: str
    events: int
    open: int
    standing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one commit does to one submission: the record before (None: it is new) and after."""

    before: Record | None
    after: Record


def text(value: str) -> str:
    """Return a text fit for a column: ASCII, distinct for distinct input, unchanged for plain names.

    File names may hold surrogate escapes, which SQLite cannot store as text.
    """
    return value if _UNCHANGED.fullmatch(value) else canonical(value)[1:-1]


def submission_row(record: Record) -> SubmissionRow:
    """Return the row of a record."""
    submission = record.submission
    return SubmissionRow(
        id=submission.id,
        outbox=text(submission.outbox),
        kind=text(submission.kind),
        file_name=text(submission.file_name),
        sha256=text(submission.sha256),
        claimed_at=stamp(submission.claimed_at),
        state=record.state.value,
        changed_at=stamp(record.changed_at),
        events=record.events,
        open=int(not record.terminal),
        standing=int(record.state in STANDING),
    )


def landed_keys(change: Change) -> list[tuple[str, str, str]]:
    """Return (kind, key, submission) for every ordering key with which a submission has just landed."""
    after, before = change.after, change.before
    if not _has_landed(after) or (before is not None and _has_landed(before)):
        return []
    kind = text(after.submission.kind)
    return [(kind, text(key), after.submission.id) for key in after.ordering_keys]


def _has_landed(record: Record) -> bool:
    """Tell whether any of it is at a far end: what was abandoned after landing in part has landed, too."""
    return any(leg.receipt is not None for leg in record.legs)


def tally_changes(changes: list[Change]) -> dict[str, int]:
    """Return by how much the number of submissions in each state changes."""
    tallies: dict[str, int] = {}
    for change in changes:
        state = change.after.state.value
        tallies[state] = tallies.get(state, 0) + 1
        if change.before is not None:
            earlier = change.before.state.value
            tallies[earlier] = tallies.get(earlier, 0) - 1
    return {state: number for state, number in tallies.items() if number}


@dataclass(slots=True)
class Folding:
    """Folds the interleaved rows of many submissions, in ledger order, and remembers only the open ones."""

    open: dict[str, Record] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def step(self, row: Row) -> Record | None:
        """Fold one row; return the record when this row closed the submission, else None.

        Raises:
            LedgerBroken: the row cannot be understood, or its step is impossible.
        """
        event = decode(row)
        if row.stream == AGENT_STREAM:
            return None
        if row.stream in self.closed:
            raise _impossible(row, "the submission was closed before")
        record = fold_step(self.open.get(row.stream), row, event)
        if not record.terminal:
            self.open[row.stream] = record
            return None
        self.open.pop(row.stream, None)
        self.closed.add(row.stream)
        return record

    def finals(self, rows: Iterator[Row]) -> Iterator[Record]:
        """Yield the last record of every submission: closed ones as they close, then the open ones.

        Raises:
            LedgerBroken: as in ``step``.
        """
        for row in rows:
            closed = self.step(row)
            if closed is not None:
                yield closed
        yield from self.open.values()


def fold_step(record: Record | None, row: Row, event: Event | AgentEvent) -> Record:
    """Return the record after a stored row.

    Raises:
        LedgerBroken: the lifecycle has no such step, which a ledger of ours never holds.
    """
    if isinstance(event, AgentEvent):
        raise _impossible(row, "an event of the agent in a submission's stream")
    try:
        return apply(record, row.stream, event, moment(row.at))
    except (StaleTransition, ValueError) as error:
        raise _impossible(row, str(error)) from error


def _impossible(row: Row, why: str) -> LedgerBroken:
    return LedgerBroken(
        f"{row.type} of {row.stream!a} cannot follow what is before it: {why}",
        where=f"ledger row {row.sequence}",
        hint="Run sealdrop ledger verify",
    )
