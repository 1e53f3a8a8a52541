"""The folder that files are delivered to, and what its file system refuses, in our words.

The folder must exist and be a real one; it is never made. What the *far* side refuses (full, read-only, gone) is a
failure of this transport, not of our own disk: ``TemporaryFailure``, or ``RouteUnusable`` when a person must act.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealdrop.adapters.durable import Folder, shown
from sealdrop.core.errors import RouteUnusable, StorageFailure, TemporaryFailure
from sealdrop.ports.transport import Parcel

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
CHUNK = 1024 * 1024  # bytes

_NEEDS_A_PERSON = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryOptions:
    """One directory transport.

    Args:
        name: of it.
        folder: that files are delivered to; absolute, and it must exist.
        file_mode: permissions of what we deliver; wider only when the receiver reads with another account.
    """

    name: str
    folder: Path
    file_mode: int = 0o600


class FarSide:
    """The folder of one transport."""

    def __init__(self, options: DirectoryOptions) -> None:
        self.path = options.folder
        self._file_mode = options.file_mode

    def open(self) -> Folder:
        """Open the folder; the caller closes it.

        Raises:
            TemporaryFailure, RouteUnusable: it cannot be opened now, or needs a person.
        """
        with self.guarding("open the folder"):
            return Folder.open(self.path)

    def create(self, folder: Folder, name: str) -> int:
        """Make a new file and return its descriptor, open for reading and writing.

        Raises:
            OSError: the system refused.
        """
        return os.open(name, CREATE, self._file_mode, dir_fd=folder.fd)

    @contextmanager
    def guarding(self, doing: str) -> Iterator[None]:
        """Turn what the far side's file system refuses into a failure of this transport.

        Raises:
            TemporaryFailure, RouteUnusable: it refused what is ``doing``.
        """
        try:
            yield
        except OSError as error:
            raise self.failed(error, doing) from error
        except StorageFailure as error:
            if isinstance(error.__cause__, OSError):
                raise self.failed(error.__cause__, doing) from error
            raise

    def failed(self, error: OSError, doing: str, *, certain: bool = False) -> TemporaryFailure:
        """Return the failure for an error of the system; ``certain`` as in ``TemporaryFailure``."""
        what, where = f"cannot {doing}: {error.strerror}", shown(self.path)
        if error.errno in _NEEDS_A_PERSON:
            hint = "Check that it is mounted, and its owner and mode"
            return RouteUnusable(what, where=where, hint=hint, certain=certain)
        return TemporaryFailure(what, where=where, hint="It is tried again; check its space", certain=certain)

    def where(self, parcel: Parcel) -> str:
        """Name the folder and a submission, for messages."""
        return f"{shown(self.path)}, submission {parcel.submission}"
