"""The ledger on SQLite: the append-only truth behind ``ports.ledger.Ledger``.

``append`` returns when its events are on the disk. The step is tried with ``lifecycle.apply`` inside the commit, on the
newest record, so no two callers can both move a submission. Open records are kept in memory (bounded); a record is
always what its events fold to.

A full disk stops nothing for good: the commit is rolled back, tried again with what the ballast gives up, and when
that is used up its callers get ``NoSpace``; the next append tries anew. Any other failed commit ends the ledger.

Opening checks, in time that does not grow with history: one writer, version, schema and triggers, the chain of the last
rows, and, when given, that the end exported earlier is still part of it. The whole history is ``verify``'s to check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from sealdrop.adapters.durable import shown
from sealdrop.adapters.ledger.ballast import Ballast
from sealdrop.adapters.ledger.checks import all_rows, quick_check
from sealdrop.adapters.ledger.derived import Change, Folding
from sealdrop.adapters.ledger.opening import lock, make
from sealdrop.adapters.ledger.reading import LedgerReads
from sealdrop.adapters.ledger.rows import Encoded, Head, Row, chain, encode, origin
from sealdrop.adapters.ledger.schema import connect_writer
from sealdrop.adapters.ledger.store import Store, translating
from sealdrop.adapters.ledger.writer import GroupWriter, Request
from sealdrop.core.errors import LedgerBroken, NoSpace, Refused, StorageFailure
from sealdrop.core.events import AgentEvent
from sealdrop.core.lifecycle import Record, apply
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.clock import Clock
from sealdrop.ports.ledger import AGENT_STREAM, Committed, Entry

CACHED_RECORDS = 20_000  # open records kept in memory; more are folded again when asked for


@dataclass(slots=True)
class _Group:
    """What one transaction will hold, as it is put together."""

    tip: bytes
    sequence: int
    rows: list[Row] = field(default_factory=list)
    before: dict[str, Record | None] = field(default_factory=dict)
    after: dict[str, Record] = field(default_factory=dict)

    def add(self, at: datetime, stream: str, event: Encoded) -> int:
        """Chain one more row; return its sequence number."""
        self.sequence += 1
        row = chain(self.tip, self.sequence, at, stream, event)
        self.rows.append(row)
        self.tip = row.hash
        return self.sequence


class SqliteLedger(LedgerReads):
    """The one writer of a ledger, and its readers within the same process."""

    def __init__(self, store: Store, clock: Clock, lock_fd: int) -> None:
        super().__init__(store)
        self._clock = clock
        self._lock_fd = lock_fd
        self._cache: dict[str, Record] = {}
        newest = self._newest()
        self._sequence = newest.sequence
        self._tip = newest.hash
        self._ballast = Ballast(store.path)
        self._ballast.fill(clock.monotonic())
        self._writer = GroupWriter(self._commit, shown(store.path))

    @classmethod
    def open(cls, path: Path, clock: Clock, *, create: bool = True, expected: Head | None = None) -> Self:
        """Open the ledger for writing, making it when it is missing and ``create`` allows.

        Args:
            path: the database file; its folder exists and is on a local file system.
            clock: gives the times of events, and a new ledger its identity.
            create: False when a ledger must be there already.
            expected: an end of this ledger that was exported earlier.

        Raises:
            Refused: another process writes to it, or it is no ledger of a known version.
            LedgerBroken: it is missing though it must exist, damaged, tampered with, or older than ``expected``.
            NoSpace: there is no room to make it or to bring it up to date; nothing was changed.
            StorageFailure: the file system or SQLite refused.
        """
        lock_fd = lock(path)
        try:
            store = _opened(path, clock, create=create)
            try:
                quick_check(store, expected)
                if not store.derived_is_current():
                    _rebuild(store)
                return cls(store, clock, lock_fd)
            except BaseException:
                store.close()
                raise
        except BaseException:
            os.close(lock_fd)
            raise

    def append(self, *entries: Entry) -> Sequence[Committed]:
        """Append all entries or none, and return when they are durable.

        Raises:
            StaleTransition: the lifecycle has no such step from the present state; nothing was appended.
            Refused: an entry does not belong into its stream; nothing was appended.
            NoSpace: the disk is full and the ballast used up; nothing was appended, and it may be tried again.
            StorageFailure: the commit failed, or the ledger is closed; it takes nothing more.
        """
        if not entries:
            return ()
        for entry in entries:
            _check_stream(entry)
        encoded = tuple(encode(entry.event) for entry in entries)
        return self._writer.append(Request(entries=entries, encoded=encoded))

    def record(self, submission: SubmissionId) -> Record | None:
        """Return the fold of one submission, or None."""
        known = self._cache.get(submission)
        if known is not None:
            return known
        with self._lock:  # keeps commits out, so what is folded here is the newest
            record = self._fold(submission)
            if record is not None:
                self._remember({submission: record})
        return record

    def close(self) -> None:
        """Finish what is queued, close the file and let the lock go; safe to call twice."""
        self._writer.close()
        super().close()
        lock_fd, self._lock_fd = self._lock_fd, -1
        if lock_fd >= 0:
            os.close(lock_fd)

    # --- in the writer's thread ----------------------------------------------------------------------------

    def _commit(self, requests: Sequence[Request]) -> Sequence[Sequence[Committed] | Refused]:
        group = _Group(tip=self._tip, sequence=self._sequence)
        answers: list[Sequence[Committed] | Refused] = []
        for request in requests:
            try:
                answers.append(self._stage(request, group))
            except Refused as refusal:
                answers.append(refusal)
        if group.rows:
            changes = [Change(before=group.before[stream], after=after) for stream, after in group.after.items()]
            with self._lock:
                self._write(group.rows, changes)
                self._remember(group.after)
            self._tip, self._sequence = group.tip, group.sequence
            if not self._ballast.whole:
                self._ballast.fill(self._clock.monotonic())
        return answers

    def _write(self, rows: Sequence[Row], changes: Sequence[Change]) -> None:
        """Commit; on a full disk with what the ballast gives up. The caller holds the lock.

        Raises:
            NoSpace: nothing was added. StorageFailure: what the file holds is unknown.
        """
        while True:
            try:
                self._store.commit(rows, changes)
            except NoSpace as full:
                if self._newest().hash != self._tip:
                    raise StorageFailure(f"{full.what}, and it was not taken back", where=full.where) from full
                if not self._ballast.release(self._clock.monotonic()):
                    raise
            else:
                return

    def _newest(self) -> Row:
        return [origin(self._identity), *self._store.newest_rows(1)][-1]

    def _stage(self, request: Request, group: _Group) -> Sequence[Committed]:
        """Try every step of a request in memory; the group takes it in only when all are possible."""
        at = self._clock.now()
        before: dict[str, Record | None] = {}
        after: dict[str, Record] = {}
        records: list[Record | None] = []
        for entry in request.entries:
            if isinstance(entry.event, AgentEvent):
                records.append(None)
                continue
            stream = entry.stream
            if stream not in before:
                before[stream] = group.after.get(stream) or self.record(SubmissionId(stream))
            after[stream] = apply(after.get(stream, before[stream]), stream, entry.event, at)
            records.append(after[stream])
        for stream, record in after.items():
            group.before.setdefault(stream, before[stream])
            group.after[stream] = record
        return [
            Committed(sequence=group.add(at, entry.stream, encoded), stream=entry.stream, at=at, event=entry.event,
                      record=record)
            for entry, encoded, record in zip(request.entries, request.encoded, records, strict=True)
        ]  # fmt: skip

    def _remember(self, records: Mapping[str, Record]) -> None:
        """Keep open records at hand and forget closed ones. The caller holds the lock."""
        for stream, record in records.items():
            if record.terminal:
                self._cache.pop(stream, None)
            else:
                self._cache[stream] = record
        while len(self._cache) > CACHED_RECORDS:
            del self._cache[next(iter(self._cache))]


def rebuild(path: Path) -> None:
    """Fill the derived tables of a ledger anew from its events, while no agent runs on it.

    Raises:
        Refused: an agent runs on it. LedgerBroken: the events themselves do not fold.
        StorageFailure: the file system or SQLite refused; the old tables are unchanged.
    """
    lock_fd = lock(path)
    try:
        with translating(path, "open the ledger"):
            store = Store(connect_writer(path), path)
        try:
            quick_check(store)
            _rebuild(store)
        finally:
            store.close()
    finally:
        os.close(lock_fd)


def _opened(path: Path, clock: Clock, *, create: bool) -> Store:
    if not path.exists():
        if not create:
            raise LedgerBroken(
                "the ledger is missing",
                where=shown(path),
                hint="Restore the newest backup, or run sealdrop init for a new instance",
            )
        make(path, clock)
    with translating(path, "open the ledger"):
        return Store(connect_writer(path), path)


def _rebuild(store: Store) -> None:
    finals = Folding().finals(all_rows(store))
    store.rebuild(Change(before=None, after=record) for record in finals)


def _check_stream(entry: Entry) -> None:
    """Raise ``Refused`` unless agent events are in the agent's stream and all others in that of a submission."""
    of_agent = isinstance(entry.event, AgentEvent)
    if (entry.stream != AGENT_STREAM) if of_agent else not is_submission_id(entry.stream):
        raise Refused(f"{type(entry.event).__name__} does not belong into stream {entry.stream!a}", where="ledger")
