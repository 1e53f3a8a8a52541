r"""Reading key files and secrets: what an administrator or the service manager put on the disk for us alone.

``read_secret`` never follows a link, never blocks on a FIFO, and takes only a regular file that belongs to us or root
and is closed to everybody else. ``read_line`` is for passwords and passphrases: one line, whose end (``\n`` or
``\r\n``) is taken off; anything further is refused rather than guessed at. ``read_small`` is for public files, which
may be open to all and reached by a link.

Fails with ``Unfit``, which every caller turns into an error of its own: what is unfit about the file, to follow its
name, and what to do. It never carries anything of what a file holds.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Unfit(Exception):
    """A file will not do.

    Args:
        what: what is wrong with it, to follow its name. hint: what to do next.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def read_secret(path: Path, max_bytes: int) -> bytes:
    """Return what a file holds that nobody else may reach.

    Raises:
        Unfit: missing, a link, no regular file, somebody else's, open to others, empty or longer than ``max_bytes``.
    """
    return _read(path, max_bytes, secret=True)


def read_line(path: Path, max_bytes: int) -> bytes:
    """Return the one line that a secret file holds, without its end.

    Raises:
        Unfit: as ``read_secret``; or it holds no line, or more than one.
    """
    data = _read(path, max_bytes, secret=True, beyond=len(b"\r\n"))
    line = data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    if not line:
        raise Unfit("holds an empty line", "Write the secret into it as one line")
    if any(byte in line for byte in b"\n\r\0"):
        raise Unfit("holds more than one line", "Write the secret into it as one line, nothing else")
    if len(line) > max_bytes:
        raise _too_long(max_bytes)
    return line


def read_small(path: Path, max_bytes: int) -> bytes:
    """Return what a public file holds.

    Raises:
        Unfit: missing, no regular file, empty or longer than ``max_bytes``.
    """
    return _read(path, max_bytes, secret=False)


def why_exposed(status: os.stat_result) -> str | None:
    """Return what is wrong with the owner or mode of a secret file, or None."""
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to user {status.st_uid}"
    # A credential of the service manager may be root's with an access list, whose mask then shows as the group's bits.
    harmless = stat.S_IRGRP if (status.st_uid, status.st_gid) == (0, 0) else 0
    if stat.S_IMODE(status.st_mode) & 0o077 & ~harmless:
        return f"is open to others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _read(path: Path, max_bytes: int, *, secret: bool, beyond: int = 0) -> bytes:
    try:
        fd = os.open(path, _READ | (os.O_NOFOLLOW if secret else 0))
    except OSError as error:
        if secret and path.is_symlink():
            raise Unfit("is a symbolic link", "Name the secret file itself") from error
        raise Unfit(_unreadable(error), "Put the file there, readable for the agent's user") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("is no regular file", "Name a file")
        exposed = why_exposed(status) if secret else None
        if exposed is not None:
            raise Unfit(exposed, "Make the agent's user its owner, and its mode 0600")
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(max_bytes + beyond + 1)
    except OSError as error:
        raise Unfit(_unreadable(error), "Check the disk") from error
    finally:
        os.close(fd)
    if not data:
        raise Unfit("is empty", "Put the secret or key into it")
    if len(data) > max_bytes + beyond:
        raise _too_long(max_bytes)
    return data


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {os.strerror(error.errno or 0)}"


def _too_long(max_bytes: int) -> Unfit:
    return Unfit(f"is longer than {max_bytes} bytes", "Name the right file")
