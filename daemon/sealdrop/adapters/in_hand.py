"""What workers have in hand, in one small file that outlives the process.

A fixed number of 64-byte slots, each holding ``<id> <doing>`` padded with spaces, or spaces only. A note is one
``pwrite`` without a sync: the page cache survives the death of the process, which is all that is wanted, and a note
costs microseconds. After a power cut the file may tell of work that was done long before; at worst that counts one
recovery too many for a file.

The file has its full size from the start, so a full disk cannot stop a note. A slot that cannot be read (torn, or
written by somebody else) is ignored: it is evidence against a file, and no evidence is better than a wrong one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from sealdrop.adapters.durable import PRIVATE_FILE, guarding, shown
from sealdrop.core.errors import StorageFailure
from sealdrop.core.submission import SubmissionId, is_submission_id

SLOTS = 256
SLOT_BYTES = 64
_EMPTY = b" " * (SLOT_BYTES - 1) + b"\n"


class InHandFile:
    """Implements ``ports.hand.InHand``.

    Args:
        path: the file; made when missing.

    Raises:
        StorageFailure: it cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with guarding("open", path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
            content = os.pread(self._fd, SLOTS * SLOT_BYTES, 0)
        slots = [content[at : at + SLOT_BYTES] for at in range(0, SLOTS * SLOT_BYTES, SLOT_BYTES)]
        self._left = {slot: note for slot, raw in enumerate(slots) if (note := _parse(raw)) is not None}
        self._free = [slot for slot in reversed(range(SLOTS)) if slot not in self._left]
        with guarding("write", path):
            os.pwrite(self._fd, b"".join(raw if slot in self._left else _EMPTY for slot, raw in enumerate(slots)), 0)

    def begin(self, submission: SubmissionId, doing: str) -> int:
        """See ``InHand.begin``.

        Raises:
            StorageFailure: all slots are taken, or the note cannot be written.
        """
        with self._lock:
            if not self._free:
                message = f"more than {SLOTS} submissions are in hand"
                raise StorageFailure(message, where=shown(self._path), hint="Configure fewer workers")
            slot = self._free.pop()
        self._write(slot, f"{submission} {doing}".encode("ascii", "replace")[: SLOT_BYTES - 1])
        return slot

    def end(self, slot: int) -> None:
        """See ``InHand.end``."""
        self._write(slot, b"")
        with self._lock:
            self._free.append(slot)

    def left(self) -> Sequence[tuple[SubmissionId, str]]:
        """See ``InHand.left``."""
        return tuple(self._left.values())

    def clear(self) -> None:
        """See ``InHand.clear``."""
        left, self._left = self._left, {}
        for slot in left:
            self.end(slot)

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _write(self, slot: int, note: bytes) -> None:
        with guarding("write", self._path):
            os.pwrite(self._fd, note.ljust(SLOT_BYTES - 1) + b"\n", slot * SLOT_BYTES)


def _parse(raw: bytes) -> tuple[SubmissionId, str] | None:
    """Return a slot's note, or None when it is empty or not one of ours."""
    if len(raw) != SLOT_BYTES or not raw.endswith(b"\n") or not raw.isascii():
        return None
    submission, _, doing = raw.decode("ascii").strip().partition(" ")
    return (SubmissionId(submission), doing) if is_submission_id(submission) else None
