"""Ballast: room kept beside the ledger, given up piece by piece when a commit finds the disk full.

What is under way can then still be booked: outcomes of deliveries, filings, what an operator does. In pieces, because
whatever else fills the disk would take all of it at once. Its content is chance, so that no file system stores it in
less room than it claims. It is made again when there is room for twice as much.

Nothing here fails: without ballast a full disk is met sooner, and ``NoSpace`` is what tells of that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BALLAST = 1 << 20  # bytes: more than a thousand events with their journal
PIECE = 1 << 17  # bytes given up at a time; more than a commit usually needs
LOOK_AGAIN = 30.0  # seconds between two looks whether there is room for it again

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE = 0o600
_BLOCK = 512  # bytes that ``st_blocks`` counts in, on every file system


class Ballast:
    """The ballast of one ledger; only its writer calls.

    Args:
        ledger: path of the ledger; the ballast is beside it.
    """

    def __init__(self, ledger: Path) -> None:
        self._path = ledger.with_name(f"{ledger.name}.ballast")
        self._not_before = 0.0
        self.whole = False

    def fill(self, now: float) -> None:
        """Make it whole if there is room.

        Args:
            now: seconds that never go back; soon after a look there is none.
        """
        if now < self._not_before:
            return
        self._not_before = now + LOOK_AGAIN
        with suppress(OSError), self._opened() as fd:
            status = os.fstat(fd)
            self.whole = min(status.st_size, status.st_blocks * _BLOCK) >= BALLAST
            room = os.fstatvfs(fd)
            if self.whole or room.f_bavail * room.f_frsize < 2 * BALLAST:
                return
            for at in range(0, BALLAST, PIECE):
                os.pwrite(fd, os.urandom(PIECE), at)
            os.fsync(fd)
            self.whole = os.fstat(fd).st_size >= BALLAST

    def release(self, now: float) -> bool:
        """Give up one piece; return whether there was one."""
        self._not_before = now + LOOK_AGAIN
        self.whole = False
        released = False
        with suppress(OSError), self._opened() as fd:
            size = os.fstat(fd).st_size
            if size:
                os.ftruncate(fd, max(0, size - PIECE))
                os.fsync(fd)  # some file systems let nobody have freed blocks before that is durable
                released = True
        return released

    @contextmanager
    def _opened(self) -> Iterator[int]:
        fd = os.open(self._path, _OPEN, _MODE)
        try:
            yield fd
        finally:
            os.close(fd)
