"""A probe's steps: everything a delivery does in the folder, with a tiny file that does not stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from sealdrop.adapters.durable import Folder, shown
from sealdrop.adapters.transports.directory.far_side import CHUNK, FarSide
from sealdrop.adapters.transports.directory.names import remove, rename_new, temporary
from sealdrop.core.errors import RouteUnusable, SealdropError, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.transport import ProbeStep


def try_out(far: FarSide, trial: SubmissionId) -> Iterator[ProbeStep]:
    """Yield the steps up to the first that fails; never raises for a failing step."""
    name = "folder"
    first, second = temporary(trial, "a"), temporary(trial, "b")
    try:
        with far.open() as folder:
            yield ProbeStep(name=name, ok=True, detail=f"{shown(far.path)} is there")
            name = "write and read back"
            yield ProbeStep(name=name, ok=True, detail=_try_writing(far, folder, first))
            name = "publishing"
            yield ProbeStep(name=name, ok=True, detail=_try_publishing(far, folder, first, second))
    except SealdropError as error:
        yield ProbeStep(name=name, ok=False, detail=str(error))


def _try_writing(far: FarSide, folder: Folder, name: str) -> str:
    content = b"sealdrop trial"
    with far.guarding("write a trial file"):
        fd = far.create(folder, name)
        try:
            os.write(fd, content)
            os.fsync(fd)
            equal = os.pread(fd, CHUNK, 0) == content
        finally:
            os.close(fd)
            os.unlink(name, dir_fd=folder.fd)
    if not equal:
        raise TemporaryFailure("other bytes came back than were written", where=shown(far.path))
    return "written, synced, read back and removed"


def _try_publishing(far: FarSide, folder: Folder, first: str, second: str) -> str:
    with far.guarding("publish a trial file"):
        try:
            for name in (first, second):
                os.close(far.create(folder, name))
            with suppress(FileExistsError):
                rename_new(folder, first, second)
                raise RouteUnusable("an existing file would be overwritten", where=shown(far.path))
            os.unlink(second, dir_fd=folder.fd)
            return rename_new(folder, first, second)
        finally:
            remove(folder, [first, second])
