"""A clock that stands still until it is told to go on, with ids that can be foretold."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sealdrop.core.submission import SubmissionId, make_id

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class ManualClock:
    """``ports.clock.Clock`` for tests. Safe for any number of threads.

    Args:
        now: where it stands at first. chance: what ``random`` always returns.
    """

    def __init__(self, now: datetime = START, chance: float = 0.5) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._elapsed = 0.0
        self._last: SubmissionId | None = None
        self._given = 0
        self._chance = chance

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def new_id(self) -> SubmissionId:
        with self._lock:
            self._given += 1
            self._last = make_id(self._now, self._given, after=self._last)
            return self._last

    def never_before(self, last: SubmissionId) -> None:
        with self._lock:
            self._last = max(last, self._last or last)

    def random(self) -> float:
        return self._chance

    def advance(self, by: timedelta) -> None:
        """Let time pass: both clocks go on."""
        with self._lock:
            self._now += by
            self._elapsed += by.total_seconds()

    def set(self, now: datetime) -> None:
        """Correct the wall clock, forth or back; the monotonic one does not notice."""
        with self._lock:
            self._now = now
