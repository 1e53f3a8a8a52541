"""What the system refused, in our words: ``NoSpace`` when a resource ran out, else ``StorageFailure``.

Every block that touches the disk runs inside ``guarding``, so no ``OSError`` leaves it. The sentence names the path
(escaped: a name may hold anything), the system's own words and the errno's name, and what to do about it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from sealdrop.core.errors import NoSpace, StorageFailure

#: Something ran out, which comes back by itself: stop taking on work, do not stop the agent.
_EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}

_HINTS = {
    errno.ENOSPC: "Free space or inodes on this file system",
    errno.EDQUOT: "Raise the quota of the agent's user",
    errno.EMFILE: "Raise LimitNOFILE of the unit",
    errno.ENFILE: "Raise fs.file-max of the host",
    errno.EROFS: "Look in the kernel log why it is read-only, mend the file system, then start the agent again",
    errno.EIO: "Look in the kernel log, check the disk, then start the agent again",
    errno.EACCES: "Give the agent's user access to it",
    errno.EPERM: "Give the agent's user access to it, and look for an immutable flag (lsattr)",
    errno.EXDEV: "Keep everything under one root on one mount; two bind mounts of one file system do not do",
    errno.ELOOP: "Put the real thing there, not a symbolic link",
    errno.ENOTDIR: "Put a real folder there, neither a file nor a symbolic link",
    errno.ENOENT: "Make it again (sealdrop init), or mount what belongs there",
}


def shown(name: str | Path) -> str:
    """Return a file name fit for a message: one line of printable ASCII, whatever bytes the name holds."""
    return ascii(str(name))[1:-1]


def failure(error: OSError, doing: str, where: str | Path) -> StorageFailure:
    """Turn an error of the system into ours: ``NoSpace`` when a resource ran out, else ``StorageFailure``.

    Args:
        error: what the system said.
        doing: what was tried, to follow "cannot".
        where: the path concerned.
    """
    code = error.errno or 0
    kind = NoSpace if code in _EXHAUSTED else StorageFailure
    name = errno.errorcode.get(code, str(code))
    return kind(f"cannot {doing}: {os.strerror(code)} ({name})", where=shown(where), hint=_HINTS.get(code, ""))


class guarding:  # noqa: N801 - reads as a statement, like contextlib.suppress
    """Let only our errors out of a block that talks to the file system.

    A hundred such blocks guard each file, so entering one costs next to nothing (a generator, and a path put together
    in vain, took an eighth of the agent's time in Python).

    Args:
        doing: what is tried, to follow "cannot".
        where: the path concerned, or its parts, which are put together only for a message.

    Raises:
        NoSpace: a resource ran out. StorageFailure: anything else the system refused.
    """

    __slots__ = ("_doing", "_where")

    def __init__(self, doing: str, *where: str | Path) -> None:
        self._doing = doing
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise failure(error, self._doing, Path(*self._where)) from error
