"""Reading files of somebody else, who may be slow, careless or hostile.

Promises: never follows a link, never blocks on a FIFO or device, never reads more than was allowed, needs memory
independent of the file's size, and never returns a mixture: a file that changed while it was read is ``NotYet``.
The proof that it did not change is a read lease; where there is none, the file is read twice, because times are too
coarse to tell (two writes within one tick leave equal times) and writers through a memory map leave none at all.

``Unacceptable`` says that the thing can never be taken. What to do then is left to the caller.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealdrop.adapters.durable.descriptors import close_read
from sealdrop.adapters.durable.folder import Folder
from sealdrop.adapters.durable.lease import Lease, read_lease
from sealdrop.adapters.durable.trouble import failure, guarding, shown
from sealdrop.core.errors import NotYet, Unacceptable

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20  # bytes
_READ_TRIES = 3  # a read error that lasts condemns one file, not the agent

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read: size in bytes, lower-case hex SHA-256, and whether a lease proved that nobody wrote meanwhile."""

    size: int
    sha256: str
    lease: bool


def why_not_a_file(status: os.stat_result) -> str | None:
    """Return what a thing is when it is not a regular file, or None."""
    kind = stat.S_IFMT(status.st_mode)
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "not a regular file")


def read_foreign(
    folder: Folder,
    name: str,
    sink: Callable[[memoryview], None],
    *,
    max_bytes: int,
    leases: bool = True,
) -> Reading:
    """Read a whole file into ``sink``, chunk by chunk, while hashing.

    Args:
        folder: where it is.
        name: its name in there.
        sink: takes each chunk; it may be called for bytes of a reading that then fails.
        max_bytes: a larger file is refused, by its size before it is read, or while it grows.
        leases: False where a lease would prove nothing (another host may write).

    Raises:
        NotYet: a writer has it open, or it changed meanwhile.
        Unacceptable: gone, not a regular file, more than one link, unreadable, or too large.
        NoSpace: out of descriptors or memory.
    """
    where = folder.path / name
    _check(_look(folder, name), where, max_bytes)
    fd = _open(folder, name)
    try:
        with guarding("look at", where):
            before = os.fstat(fd)
        _check(before, where, max_bytes)
        if leases:
            with read_lease(fd, where) as lease:
                return _read_settled(fd, where, sink, before, max_bytes, lease)
        return _read_settled(fd, where, sink, before, max_bytes, Lease(fd, held=False))
    finally:
        close_read(fd)


def _look(folder: Folder, name: str) -> os.stat_result:
    status = folder.stat(name)
    if status is not None and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        status = folder.stat(name)  # a rename going on elsewhere may show two links for an instant
    if status is None:
        message = "the file is gone"
        raise Unacceptable(message, where=shown(folder.path / name), hint="Find out who removed it")
    return status


def _check(status: os.stat_result, where: Path, max_bytes: int) -> None:
    kind = why_not_a_file(status)
    if kind is not None:
        message = f"{kind}, not a regular file"
        raise Unacceptable(message, where=shown(where), hint="Drop the file itself")
    if status.st_nlink > 1:
        message = f"the file has {status.st_nlink} names (hard links), so somebody else can still reach it"
        raise Unacceptable(message, where=shown(where), hint="Drop a copy, not a link")
    if status.st_size > max_bytes:
        message = f"{status.st_size} bytes are more than the {max_bytes} allowed"
        raise Unacceptable(message, where=shown(where), hint="Split the file, or raise the limit of its kind")


def _open(folder: Folder, name: str) -> int:
    where = folder.path / name
    try:
        return os.open(name, _OPEN, dir_fd=folder.fd)
    except OSError as error:
        if error.errno == errno.EAGAIN:  # somebody else's write lease on it
            message = "somebody else holds a lease on the file"
            raise NotYet(message, where=shown(where)) from error
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
            raise failure(error, "open", where) from error
        message = f"cannot be read ({errno.errorcode.get(error.errno or 0, 'error')})"
        hint = "Give the agent's user the right to read what is dropped"
        raise Unacceptable(message, where=shown(where), hint=hint) from error


def _read_settled(
    fd: int, where: Path, sink: Callable[[memoryview], None], before: os.stat_result, max_bytes: int, lease: Lease
) -> Reading:
    reading = _read(fd, where, sink, before.st_size, max_bytes, lease)
    if not lease.held and _read(fd, where, lambda _: None, before.st_size, max_bytes, lease) != reading:
        raise _changed(where)
    with guarding("look at", where):
        after = os.fstat(fd)
    if _identity(after) != _identity(before) or reading.size != before.st_size or lease.broken:
        raise _changed(where)
    return reading


def _read(
    fd: int, where: Path, sink: Callable[[memoryview], None], expected: int, max_bytes: int, lease: Lease
) -> Reading:
    buffer = memoryview(bytearray(min(_CHUNK, expected + 1)))
    digest = hashlib.sha256()
    size = 0
    while got := _pread(fd, where, buffer, size):
        size += got
        if size > max_bytes:
            message = f"the file grew beyond the {max_bytes} bytes allowed"
            raise Unacceptable(message, where=shown(where), hint="Split the file, or raise the limit of its kind")
        digest.update(buffer[:got])
        sink(buffer[:got])
        if lease.broken:
            raise _changed(where)
    return Reading(size=size, sha256=digest.hexdigest(), lease=lease.held)


def _pread(fd: int, where: Path, buffer: memoryview, offset: int) -> int:
    for left in reversed(range(_READ_TRIES)):
        try:
            return os.preadv(fd, [buffer], offset)
        except OSError as error:
            if left == 0:
                message = f"reading fails ({errno.errorcode.get(error.errno or 0, 'error')})"
                hint = "Look in the kernel log, check the disk, then drop the file again"
                raise Unacceptable(message, where=shown(where), hint=hint) from error
    return 0


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _changed(where: Path) -> NotYet:
    return NotYet("the file changed while it was read", where=shown(where))
