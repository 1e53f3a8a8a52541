"""A whole ledger in memory: ``ports.ledger.Ledger`` without a disk, for tests of the flow.

It keeps the contract to the letter (the same tests run against it and the real one) by the plainest means: one list of
events, and every answer a search through it. ``fail_next`` makes the next append fail as a dying disk would; while
``full`` is set, appends find no room.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

from sealdrop.core.errors import NoSpace, Refused, StorageFailure
from sealdrop.core.events import AgentEvent
from sealdrop.core.lifecycle import Record, State, apply
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.clock import Clock
from sealdrop.ports.ledger import AGENT_STREAM, Committed, Entry

_REFUSED = {State.REJECTED, State.DUPLICATE, State.SET_ASIDE, State.UNDELIVERABLE, State.FAILED}


class MemoryLedger:
    """The append-only truth, for as long as the object lives."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Committed] = []
        self._clock = clock
        self._lock = threading.RLock()
        self._records: dict[SubmissionId, Record] = {}
        self._stopped: str | None = None
        self._failing: str | None = None
        self.full = False

    def fail_next(self, reason: str = "the disk failed") -> None:
        """Make the next append fail; the ledger takes nothing more after that."""
        self._failing = reason

    def append(self, *entries: Entry) -> Sequence[Committed]:
        with self._lock:
            if not entries:
                return ()
            staged = dict(self._records)
            at = self._clock.now()
            committed = [
                self._step(staged, entry, at, number) for number, entry in enumerate(entries, len(self.events) + 1)
            ]
            self._stopped = self._stopped or self._failing
            if self._stopped is not None:
                raise StorageFailure(self._stopped, where="the ledger in memory")
            if self.full:
                message = "there is no room left"
                raise NoSpace(message, where="the ledger in memory")
            self._records = staged
            self.events.extend(committed)
            return committed

    def record(self, submission: SubmissionId) -> Record | None:
        with self._lock:
            return self._records.get(submission)

    def open_records(self) -> Iterator[Record]:
        yield from [record for record in self._in_order() if not record.terminal]

    def recent(self, limit: int) -> Sequence[Record]:
        return self._in_order()[::-1][: max(limit, 0)]

    def history(self, stream: str) -> Iterator[Committed]:
        with self._lock:
            found = [committed for committed in self.events if committed.stream == stream]
        yield from found

    def find_ids(self, prefix: str, limit: int) -> Sequence[SubmissionId]:
        found = [one.submission.id for one in self._in_order() if one.submission.id.startswith(prefix.lower())]
        return found[: max(limit, 0)]

    def earlier_equal(self, kind: str, sha256: str, since: datetime, before: SubmissionId) -> SubmissionId | None:
        return max(
            (
                record.submission.id
                for record in self._in_order()
                if record.submission.id < before
                and (record.submission.kind, record.submission.sha256) == (kind, sha256)
                and record.submission.claimed_at >= since
                and (record.state not in _REFUSED)
            ),
            default=None,
        )

    def newest_delivered(self, kind: str, ordering_keys: Sequence[str]) -> SubmissionId | None:
        return max(
            (
                record.submission.id
                for record in self._in_order()
                if any(leg.receipt is not None for leg in record.legs)
                and record.submission.kind == kind
                and not set(ordering_keys).isdisjoint(record.ordering_keys)
            ),
            default=None,
        )

    def newest_id(self) -> SubmissionId | None:
        with self._lock:
            return max(self._records, default=None)

    def counts(self) -> dict[str, int]:
        states = [record.state.value for record in self._in_order()]
        return {state: states.count(state) for state in sorted(set(states))}

    def close(self) -> None:
        with self._lock:
            self._stopped = self._stopped or "the ledger is closed"

    def _in_order(self) -> list[Record]:
        with self._lock:
            return [self._records[one] for one in sorted(self._records)]

    def _step(self, staged: dict[SubmissionId, Record], entry: Entry, at: datetime, number: int) -> Committed:
        of_agent = isinstance(entry.event, AgentEvent)
        if of_agent != (entry.stream == AGENT_STREAM) or not (of_agent or is_submission_id(entry.stream)):
            raise Refused(f"{type(entry.event).__name__} does not belong into stream {entry.stream!a}")
        record = None
        if not isinstance(entry.event, AgentEvent):
            stream = SubmissionId(entry.stream)
            record = staged[stream] = apply(staged.get(stream), stream, entry.event, at)
        return Committed(sequence=number, stream=entry.stream, at=at, event=entry.event, record=record)
