"""The ledger: the append-only truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sealdrop.core.events import AgentEvent, Event
from sealdrop.core.lifecycle import Record
from sealdrop.core.submission import SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event to be appended: its stream is a submission id, or ``agent``."""

    stream: str
    event: Event | AgentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """An event in the ledger. ``record`` is the fold after it, None for the agent's own stream."""

    sequence: int
    stream: str
    at: datetime
    event: Event | AgentEvent
    record: Record | None


AGENT_STREAM = "agent"


class LedgerReader(Protocol):
    """The reading half: also of a ledger whose agent does not run. It MUST NOT block a writer for long."""

    def record(self, submission: SubmissionId) -> Record | None:
        """Return the fold of one submission, or None."""
        ...

    def open_records(self) -> Iterator[Record]:
        """Yield every record that is not terminal, in id order, without reading the history of closed ones."""
        ...

    def recent(self, limit: int) -> Sequence[Record]:
        """Return the newest ``limit`` records by id, newest first."""
        ...

    def history(self, stream: str) -> Iterator[Committed]:
        """Yield the events of one stream, oldest first."""
        ...

    def find_ids(self, prefix: str, limit: int) -> Sequence[SubmissionId]:
        """Return ids that start with ``prefix``, for people who type the first letters."""
        ...

    def earlier_equal(self, kind: str, sha256: str, since: datetime, before: SubmissionId) -> SubmissionId | None:
        """Return the newest submission before ``before`` with equal bytes and kind, claimed since ``since``.

        Only submissions that are open, delivered or sent count: a rejected or failed one may be dropped again.
        """
        ...

    def newest_delivered(self, kind: str, ordering_keys: Sequence[str]) -> SubmissionId | None:
        """Return the largest id among the submissions of ``kind`` that share any of the keys and have landed.

        One landed leg is enough, whatever became of the others.

        It is what keeps an older version from landing after a newer one; MUST NOT scan history.
        """
        ...

    def newest_id(self) -> SubmissionId | None:
        """Return the largest id known, or None."""
        ...

    def counts(self) -> dict[str, int]:
        """Return how many submissions are in each state, without scanning history."""
        ...

    def close(self) -> None:
        """Finish what is queued and close; MUST be safe to call twice."""
        ...


class Ledger(LedgerReader, Protocol):
    """The append-only truth. One writer; group commit."""

    def append(self, *entries: Entry) -> Sequence[Committed]:
        """Append all entries or none, and return when they are durable.

        The writer runs ``lifecycle.apply`` inside the commit, so two callers cannot both move a submission.

        Raises:
            StaleTransition: the lifecycle has no such step from the present state; nothing was appended.
            NoSpace: the disk is full; nothing was appended, and the ledger takes more as soon as there is room.
            StorageFailure: the commit failed; the ledger takes nothing more.
        """
        ...
