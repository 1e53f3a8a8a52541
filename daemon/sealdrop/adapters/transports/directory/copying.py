"""The temporary copy in the folder: written, synced, read back from where it lies, and equal.

A sealed file that is no longer what was sealed is a ``PermanentFailure``, one that cannot be read a
``StorageFailure``; what the folder refuses is a failure of this transport (``far_side``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress

from sealdrop.adapters.durable import Folder, guarding
from sealdrop.adapters.transports.directory.far_side import CHUNK, READ, FarSide
from sealdrop.core.errors import PermanentFailure, TemporaryFailure
from sealdrop.ports.transport import Parcel


def make_copy(far: FarSide, folder: Folder, name: str, parcel: Parcel, progress: Callable[[int], None]) -> None:
    """Write the copy under a temporary name, sync it, read it back; it is proven when this returns.

    Raises:
        TemporaryFailure, RouteUnusable, PermanentFailure, StorageFailure: as the module says.
    """
    with far.guarding("make the copy"):
        fd = far.create(folder, name)
    try:
        _write(far, fd, parcel, progress)
        with far.guarding("sync the copy"):
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from where it lies
        _read_back(far, fd, parcel, progress)
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        raise
    with far.guarding("close the copy"):
        os.close(fd)  # network file systems report late
    progress(parcel.size)


def _read_back(far: FarSide, fd: int, parcel: Parcel, progress: Callable[[int], None]) -> None:
    hasher, at = hashlib.sha256(), 0
    while True:
        with far.guarding("read the copy back"):
            chunk = os.pread(fd, CHUNK, at)
        if not chunk:
            break
        hasher.update(chunk)
        at += len(chunk)
        progress(parcel.size)
    if hasher.hexdigest() != parcel.sha256:
        hint = "It is sent again; when it happens twice suspect the storage"
        raise TemporaryFailure("other bytes came back than were written", where=far.where(parcel), hint=hint)


def _write(far: FarSide, fd: int, parcel: Parcel, progress: Callable[[int], None]) -> None:
    """Copy the sealed file, making sure that it is what was sealed."""
    hasher, done = hashlib.sha256(), 0
    with guarding("open the sealed file", parcel.path):
        source = os.open(parcel.path, READ)
    try:
        while True:
            with guarding("read the sealed file", parcel.path):
                chunk = os.read(source, CHUNK)
            if not chunk or done > parcel.size:
                break
            hasher.update(chunk)
            left = memoryview(chunk)
            with far.guarding("write the copy"):
                while left:
                    left = left[os.write(fd, left) :]
            done += len(chunk)
            progress(min(done, parcel.size))
    finally:
        os.close(source)
    if (hasher.hexdigest(), done) != (parcel.sha256, parcel.size):
        hint = "Nothing became visible. Find out who changes files of the spool, then resubmit"
        raise PermanentFailure("the sealed file is no longer what was sealed", where=far.where(parcel), hint=hint)
