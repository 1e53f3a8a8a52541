"""What is in hand: a trace, left behind by a process that dies, of what it was working on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sealdrop.core.submission import SubmissionId


class InHand(Protocol):
    """Notes of work in hand that survive the death of the process (not a power cut, which is nobody's fault)."""

    def begin(self, submission: SubmissionId, doing: str) -> int:
        """Note that work begins; return the slot to hand to ``end``. MUST be cheap: no sync."""
        ...

    def end(self, slot: int) -> None:
        """Note that the work is over, well or not."""
        ...

    def left(self) -> Sequence[tuple[SubmissionId, str]]:
        """Return what an earlier process had in hand when it died."""
        ...

    def clear(self) -> None:
        """Forget what an earlier process left."""
        ...
