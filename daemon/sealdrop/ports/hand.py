"""What is in hand: which submissions workers are busy with, remembered beyond the death of the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sealdrop.core.submission import SubmissionId


class InHand(Protocol):
    """Notes what each worker is doing, so that the next start can tell which file a dead process was busy with.

    It outlives the process, not the machine: a power cut is the fault of no file.
    """

    def begin(self, submission: SubmissionId, doing: str) -> int:
        """Note that a worker took a submission in hand; return the slot to end it with. MUST be thread-safe.

        Raises:
            StorageFailure: the note cannot be written.
        """
        ...

    def end(self, slot: int) -> None:
        """Forget a slot. MUST be thread-safe.

        Raises:
            StorageFailure: the note cannot be removed.
        """
        ...

    def left(self) -> Sequence[tuple[SubmissionId, str]]:
        """Return what an earlier process had in hand when it died: each submission, and what was being done."""
        ...

    def clear(self) -> None:
        """Forget what an earlier process left, once it is booked. What this process has in hand stays.

        Raises:
            StorageFailure: the notes cannot be removed.
        """
        ...
