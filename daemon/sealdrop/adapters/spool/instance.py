"""One agent per spool: a lock file kept open, so the kernel lets go of it however the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from sealdrop.adapters.durable import PRIVATE_FILE, guarding, shown
from sealdrop.core.errors import Refused

_NAME = ".lock"


class InstanceLock:
    """Held from construction until ``close`` or the end of the process. Programs that we start do not inherit it.

    Args:
        root: root of the spool, which holds ``work/``.

    Raises:
        Refused: another agent holds it; the message names its process id.
        StorageFailure: the lock file cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        path = root / "work" / _NAME
        with guarding("open", path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            with guarding("lock", path):
                self._take(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the lock; safe to call twice. The file stays: removing it would let two agents lock two files."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            message = f"another agent is at work on this spool (process {holder})"
            raise Refused(
                message, where=shown(path), hint="Stop it first, or give this one a spool of its own"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)
