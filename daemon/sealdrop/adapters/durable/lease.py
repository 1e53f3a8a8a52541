"""Read leases: the kernel's proof that no writer has a file open, and its word when one comes.

While a lease is held, whoever opens the file for writing or truncates it is made to wait (``lease-break-time``, 45 s
by default) until it is released, and we are told. By default that message is a signal whose default action *kills the
process*. Here it is addressed to the very thread that holds the lease, which has it blocked; whether a break began is
asked of the kernel instead. So leases work in any thread, and no signal handler of the process is touched.

A lease needs a local file system, and the file's owner or CAP_LEASE. Where there is none, ``Lease.held`` is False and
the completeness protocol stands alone. See fcntl(2), section *Leases*.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealdrop.adapters.durable.trouble import guarding, shown
from sealdrop.core.errors import NotYet

_F_SETOWN_EX = 15  # the fcntl module does not name it; the number is the same on every architecture but MIPS, PA-RISC
_F_OWNER_TID = 0
_LEASE_SIGNAL = {signal.SIGIO}


class Lease:
    """A lease on an open file, or the knowledge that none could be had."""

    __slots__ = ("_fd", "held")

    def __init__(self, fd: int, *, held: bool) -> None:
        self._fd = fd
        self.held = held

    @property
    def broken(self) -> bool:
        """True when somebody has begun to open the file for writing or to truncate it."""
        return self.held and fcntl.fcntl(self._fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK


@contextmanager
def read_lease(fd: int, where: Path) -> Iterator[Lease]:
    """Hold a read lease on an open file for the block, if there can be one.

    Args:
        fd: the file, open for reading only.
        where: its path, for messages.

    Raises:
        NotYet: a writer has the file open.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEASE_SIGNAL)
    try:
        lease = Lease(fd, held=_take(fd, where))
        try:
            yield lease
        finally:
            if lease.held:
                with suppress(OSError):
                    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    finally:
        # A pending signal would act the moment it is unblocked; after the release no other can come.
        while signal.sigtimedwait(_LEASE_SIGNAL, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _take(fd: int, where: Path) -> bool:
    try:
        fcntl.fcntl(fd, _F_SETOWN_EX, struct.pack("ii", _F_OWNER_TID, threading.get_native_id()))
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            message = "a writer still has the file open"
            raise NotYet(message, where=shown(where)) from error
        return False  # not ours and no CAP_LEASE, a file system without leases, or a sandbox that forbids them
    return True


def lease_available(path: Path) -> bool:
    """Tell whether we may lease a file, or, for a folder, a file of our own in it. For diagnosis.

    A file that a writer has open at this moment counts as one that can be leased.

    Raises:
        StorageFailure: the path cannot be opened, or nothing can be created in the folder.
    """
    with guarding("try a read lease on", path):
        if path.is_dir():
            sample, name = tempfile.mkstemp(prefix=".tmp-lease-", dir=path)
            os.close(sample)
            try:
                return lease_available(Path(name))
            finally:
                Path(name).unlink()
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            with read_lease(fd, path) as lease:
                return lease.held
        except NotYet:
            return True
        finally:
            os.close(fd)
