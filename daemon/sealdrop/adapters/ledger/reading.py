"""The reading half of the ledger, the same for the agent and for a reader beside it.

Records are folded from the events, never read from a table. Iterators fetch a page at a time and hold nothing between
pages, so a slow consumer blocks nobody; an event committed meanwhile may or may not be seen.

``ReadOnlyLedger`` works while the agent runs and when it is down. Under the rollback journal a second connection is
safe, and each of its reads is one short statement that a commit waits for (up to 30 s, then the agent
would stop: that is why nothing here ever holds a read open).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from sealdrop.adapters.ledger.checks import quick_check
from sealdrop.adapters.ledger.derived import fold_step
from sealdrop.adapters.ledger.rows import Head, Row, decode, head_of, moment, origin, stamp
from sealdrop.adapters.ledger.schema import connect_reader
from sealdrop.adapters.ledger.store import Store, translating
from sealdrop.core.events import AgentEvent
from sealdrop.core.lifecycle import Record
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.ledger import Committed

#: What may begin an id; anything else finds nothing, whatever it contains.
_PREFIX = re.compile(r"[0-9a-z]{0,26}")
_BEYOND = "~"  # sorts after every character of an id


class LedgerReads:
    """Everything of the port that only reads. Safe for any number of threads: one at a time uses the connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._identity = store.identity()

    def record(self, submission: SubmissionId) -> Record | None:
        """Return the fold of one submission, or None."""
        with self._lock:
            return self._fold(submission)

    def open_records(self) -> Iterator[Record]:
        """Yield every record that is not terminal, in id order."""
        after = ""
        while page := self._page_of_open(after):
            for one in page:
                record = self.record(SubmissionId(one))
                if record is not None and not record.terminal:
                    yield record
            after = page[-1]

    def recent(self, limit: int) -> Sequence[Record]:
        """Return the newest ``limit`` records by id, newest first."""
        with self._lock:
            ids = self._store.newest_ids(max(limit, 0))
        records = (self.record(SubmissionId(one)) for one in ids)
        return [record for record in records if record is not None]

    def history(self, stream: str) -> Iterator[Committed]:
        """Yield the events of one stream, oldest first."""
        record: Record | None = None
        after = 0
        while page := self._page_of_stream(stream, after):
            for row in page:
                event = decode(row)
                if not isinstance(event, AgentEvent):
                    record = fold_step(record, row, event)
                yield Committed(sequence=row.sequence, stream=stream, at=moment(row.at), event=event, record=record)
            after = page[-1].sequence

    def find_ids(self, prefix: str, limit: int) -> Sequence[SubmissionId]:
        """Return ids that start with ``prefix`` in any case, oldest first."""
        start = prefix.lower()
        if not _PREFIX.fullmatch(start):
            return []
        with self._lock:
            found = self._store.ids_between(start, start + _BEYOND, max(limit, 0))
        return [SubmissionId(one) for one in found]

    def earlier_equal(self, kind: str, sha256: str, since: datetime, before: SubmissionId) -> SubmissionId | None:
        """Return the newest submission before ``before`` with equal bytes and kind, claimed since ``since``."""
        with self._lock:
            found = self._store.earlier_equal(kind, sha256, stamp(since), before)
        return None if found is None else SubmissionId(found)

    def newest_delivered(self, kind: str, ordering_keys: Sequence[str]) -> SubmissionId | None:
        """Return the largest id among the delivered or sent submissions of ``kind`` that share any of the keys."""
        with self._lock:
            found = self._store.newest_delivered(kind, ordering_keys)
        return None if found is None else SubmissionId(found)

    def newest_id(self) -> SubmissionId | None:
        """Return the largest id known, or None."""
        with self._lock:
            found = self._store.newest_ids(1)
        return SubmissionId(found[0]) if found else None

    def counts(self) -> dict[str, int]:
        """Return how many submissions are in each state; states without any are left out."""
        with self._lock:
            return self._store.tallies()

    def export_head(self) -> Head:
        """Return the end of the ledger now. Kept off this host, it proves later that nothing before it changed."""
        with self._lock:
            rows = self._store.newest_rows(1)
        return head_of(self._identity, rows[0] if rows else origin(self._identity))

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with self._lock:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _page_of_open(self, after: str) -> list[str]:
        with self._lock:
            return self._store.open_ids(after)

    def _page_of_stream(self, stream: str, after: int) -> list[Row]:
        with self._lock:
            return self._store.stream_rows(stream, after)

    def _fold(self, submission: str) -> Record | None:
        """Fold one submission. The caller holds the lock."""
        record: Record | None = None
        after = 0
        while page := self._store.stream_rows(submission, after):
            for row in page:
                record = fold_step(record, row, decode(row))
            after = page[-1].sequence
        return record


class ReadOnlyLedger(LedgerReads):
    """A ledger opened for reading only: for the command line, beside the agent or without it."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing ledger and check its schema and its end.

        Raises:
            Refused: it is not a ledger of a known version. LedgerBroken: it is damaged or was tampered with.
            StorageFailure: it is missing or unreadable, or an unfinished commit waits for the agent to roll it back.
        """
        with translating(path, "open the ledger"):
            connection = connect_reader(path)
        store = Store(connection, path)
        try:
            quick_check(store)
            return cls(store)
        except BaseException:
            store.close()
            raise
