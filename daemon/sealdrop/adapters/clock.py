"""The clock of the machine: time, identity and chance for everything else.

Ids sort by claim time and strictly one after the other, whatever the wall clock does: each is made to sort after the
last one given out or told of. Randomness comes from the kernel. Cannot fail.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime

from sealdrop.core.submission import RANDOM_BITS, SubmissionId, make_id


class SystemClock:
    """``ports.clock.Clock`` on the system's clocks; safe for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: SubmissionId | None = None
        self._chance = secrets.SystemRandom()

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for intervals."""
        return time.monotonic()

    def new_id(self) -> SubmissionId:
        """Return a new id, sorting after every one given out or told of."""
        with self._lock:
            self._last = make_id(self.now(), secrets.randbits(RANDOM_BITS), after=self._last)
            return self._last

    def never_before(self, last: SubmissionId) -> None:
        """Make every later id sort after ``last``."""
        with self._lock:
            self._last = max(last, self._last or last)

    def random(self) -> float:
        """Return a number in [0, 1) for jitter."""
        return self._chance.random()
