"""Time, identity and chance: the only source of any of them in the product."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sealdrop.core.submission import SubmissionId


class Clock(Protocol):
    """Time and identity; the only source of either in the product."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for intervals."""
        ...

    def new_id(self) -> SubmissionId:
        """Return a new id. It MUST sort after every id this process gave out or was told of."""
        ...

    def never_before(self, last: SubmissionId) -> None:
        """Make every later id sort after ``last`` (the newest id the ledger knows)."""
        ...

    def random(self) -> float:
        """Return a number in [0, 1) for jitter."""
        ...
