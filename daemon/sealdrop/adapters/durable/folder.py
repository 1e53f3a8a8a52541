"""A directory held open, and files that appear in it whole or not at all.

Names are resolved against the open directory with ``O_NOFOLLOW``, so nobody can swap a folder for a link between two
of our steps. ``openat2`` would be stricter still, but the sandbox of our unit makes it ENOSYS.

A new file has a temporary name in the same directory until it is written, synced and closed without an error; then it
is renamed (or linked, where nothing may be replaced) and the directory is synced. Nothing half-made stays behind on
any branch; what a killed process leaves is recognised by its name (``is_leftover``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from sealdrop.adapters.durable.descriptors import close_read, sync_fd
from sealdrop.adapters.durable.trouble import guarding, shown
from sealdrop.core.errors import StorageFailure

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}")
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: A file system that has no notion of syncing a directory (some network ones) says one of these.
_NO_SYNC = {errno.EINVAL, errno.EOPNOTSUPP}


def is_leftover(name: str) -> bool:
    """Tell whether a name is a temporary one of this module, left by a process that was killed."""
    return _TEMPORARY.fullmatch(name) is not None


class Folder:
    """A directory held open: its names are looked up in *it*, never again through a path.

    Args:
        fd: of the open directory; closed by ``close``.
        where: its path, or the parts of it.
    """

    __slots__ = ("fd", "where")

    def __init__(self, fd: int, *where: str | Path) -> None:
        self.fd = fd
        self.where = where

    @property
    def path(self) -> Path:
        """Where it was when it was opened, for messages."""
        return Path(*self.where)

    def guard(self, doing: str, *names: str) -> guarding:
        """Return ``guarding`` for something in this directory, or for itself when nothing is named."""
        return guarding(doing, *self.where, *names)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a directory; its last component must not be a symbolic link.

        Raises:
            StorageFailure: it is missing, no directory, a link, or not readable.
        """
        with guarding("open folder", path):
            return cls(os.open(path, _OPEN_FOLDER), path)

    def child(self, name: str) -> Folder:
        """Open a directory in this one, not following a link.

        Raises:
            StorageFailure: it is missing, no directory, a link, or not readable.
        """
        with self.guard("open folder", name):
            return Folder(os.open(name, _OPEN_FOLDER, dir_fd=self.fd), *self.where, name)

    def make(self, name: str, mode: int = PRIVATE_FOLDER) -> Folder:
        """Open a directory in this one, making it durably when it is missing.

        Raises:
            NoSpace, StorageFailure: it could not be made or opened.
        """
        with self.guard("make folder", name):
            try:
                os.mkdir(name, mode, dir_fd=self.fd)
            except FileExistsError:
                made = False
            else:
                os.chmod(name, mode, dir_fd=self.fd)  # mkdir let the umask take bits away
                made = True
        if made:
            self.sync()
        return self.child(name)

    def sync(self) -> None:
        """Make every earlier change of names in this directory durable.

        Raises:
            StorageFailure: the sync failed.
        """
        try:
            sync_fd(self.fd, *self.where)
        except StorageFailure as error:
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_SYNC):
                raise

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: what stays when the path leads elsewhere.

        Raises:
            StorageFailure: the system refused to say.
        """
        with self.guard("look at"):
            status = os.fstat(self.fd)
        return status.st_dev, status.st_ino

    def stat(self, name: str) -> os.stat_result | None:
        """Return what ``lstat`` says of a name in this directory, or None when there is no such name.

        Raises:
            StorageFailure: the system refused to say.
        """
        with self.guard("look at", name):
            try:
                return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def names(self) -> list[str]:
        """Return the names in this directory, sorted. For our own small folders; an outbox is streamed instead.

        Raises:
            StorageFailure: it cannot be read.
        """
        with self.guard("list"), os.scandir(self.fd) as entries:
            return sorted(entry.name for entry in entries)

    def rename(self, name: str, into: Folder, new_name: str) -> bool:
        """Rename without syncing; what is at the target is replaced. Return False when the source is gone.

        Raises:
            NoSpace, StorageFailure: the system refused.
        """
        with self.guard("rename", name):
            try:
                os.rename(name, new_name, src_dir_fd=self.fd, dst_dir_fd=into.fd)
            except FileNotFoundError:
                return False
            return True

    def move(self, name: str, into: Folder, new_name: str) -> bool:
        """Rename, then sync both directories; return False when the source is gone.

        The target is synced first: on a file system without a journal a cut may show both names, never neither.

        Raises:
            NoSpace: nothing was moved. StorageFailure: nothing was moved, or a sync failed.
        """
        if not self.rename(name, into, new_name):
            return False
        into.sync()
        if into.fd != self.fd:
            self.sync()
        return True

    def unlink(self, name: str) -> bool:
        """Remove a file or link without syncing; return False when it was gone already.

        Raises:
            StorageFailure: it could not be removed.
        """
        with self.guard("remove", name):
            try:
                os.unlink(name, dir_fd=self.fd)
            except FileNotFoundError:
                return False
        return True

    def remove(self, name: str) -> bool:
        """Remove a file or link durably; return False when it was gone already.

        Raises:
            StorageFailure: it could not be removed, or the sync failed.
        """
        if not self.unlink(name):
            return False
        self.sync()
        return True

    @contextmanager
    def draft(self, mode: int = PRIVATE_FILE) -> Iterator[Draft]:
        """Begin a file under a temporary name; unless it was kept, nothing of it stays.

        Raises:
            NoSpace, StorageFailure: it could not be made.
        """
        name = f".tmp-{secrets.token_hex(8)}"
        with self.guard("create", name):
            fd = os.open(name, _CREATE, mode, dir_fd=self.fd)
        draft = Draft(self, name, fd)
        try:
            with self.guard("set the mode of", name):
                os.fchmod(fd, mode)  # open let the umask take bits away
            yield draft
        finally:
            draft.discard()

    def write_new(self, name: str, data: bytes, *, mode: int = PRIVATE_FILE) -> bool:
        """Write a whole file durably; return False and change nothing when the name is taken.

        Raises:
            NoSpace: nothing is there under the name. StorageFailure: nothing, or (a failed sync) the whole file.
        """
        with self.draft(mode) as draft:
            draft.write(data)
            return draft.keep_new(name)

    def replace(self, name: str, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
        """Write a whole file durably, in place of whatever is there under the name.

        Raises:
            NoSpace, StorageFailure: the old file is there unchanged, or (a failed sync) either of the two.
        """
        with self.draft(mode) as draft:
            draft.write(data)
            draft.keep(name)

    def replace_all(self, files: Iterable[tuple[str, bytes]], *, mode: int = PRIVATE_FILE) -> None:
        """``replace`` several files, each whole and in the given order, with one sync of the directory for all.

        Raises:
            NoSpace, StorageFailure: some of them may have been replaced.
        """
        for name, data in files:
            with self.draft(mode) as draft:
                draft.write(data)
                draft.keep_unsynced(name)
        self.sync()

    def remove_empty(self, name: str) -> bool:
        """Remove a directory in this one unless it holds something; return whether it is gone. Not synced.

        Raises:
            StorageFailure: the system refused for another reason.
        """
        with self.guard("remove", name):
            try:
                os.rmdir(name, dir_fd=self.fd)
            except FileNotFoundError:
                return True
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    return False
                raise
        return True

    def clear_leftovers(self) -> int:
        """Remove the temporary files of killed processes; return how many. Only while nobody else writes here.

        Raises:
            StorageFailure: one could not be removed.
        """
        return sum(self.remove(name) for name in self.names() if is_leftover(name))

    def close(self) -> None:
        """Let go of the directory; safe to call twice."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            close_read(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Draft:
    """A file being written under a temporary name; made by ``Folder.draft``."""

    __slots__ = ("_fd", "_folder", "_gone", "name")

    def __init__(self, folder: Folder, name: str, fd: int) -> None:
        self._folder = folder
        self.name = name
        self._fd = fd
        self._gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises:
            NoSpace, StorageFailure: not all of them could be written.
        """
        left = memoryview(data)
        with self._folder.guard("write", self.name):
            while left:
                left = left[os.write(self._fd, left) :]

    def digest_on_disk(self) -> str:
        """Sync the file, drop it from the page cache, read it back, and return its SHA-256 in lower-case hex.

        Raises:
            StorageFailure: a sync or read failed.
        """
        self._sync()
        with self._folder.guard("read back", self.name):
            fd = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder.fd)
            with os.fdopen(fd, "rb", buffering=0) as written:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                return hashlib.file_digest(written, "sha256").hexdigest()

    def keep(self, name: str) -> None:
        """Sync the file and give it its final name, replacing what is there; sync the directory.

        Raises:
            StorageFailure: a sync, close or rename failed.
        """
        self.keep_unsynced(name)
        self._folder.sync()

    def keep_unsynced(self, name: str) -> None:
        """``keep``, leaving the sync of the directory to the caller, who has more to do in it.

        Raises:
            StorageFailure: a sync, close or rename failed.
        """
        self._finish()
        if not self._folder.rename(self.name, self._folder, name):
            message = "the temporary file was removed by somebody else"
            raise StorageFailure(message, where=shown(self._folder.path), hint="Find out who removes files here")
        self._gone = True

    def keep_new(self, name: str) -> bool:
        """Sync the file and give it its final name unless that is taken; sync the directory.

        A hard link is the step that refuses: unlike a rename it never replaces.

        Raises:
            StorageFailure: a sync, close or link failed.
        """
        self._finish()
        folder = self._folder
        with folder.guard("create", name):
            try:
                os.link(self.name, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd, follow_symlinks=False)
            except FileExistsError:
                return False
            os.unlink(self.name, dir_fd=folder.fd)
        self._gone = True
        folder.sync()
        return True

    def discard(self) -> None:
        """Close and remove what was not kept. Errors are moot here: the caller is told of the first one already."""
        with suppress(OSError):
            if self._fd >= 0:
                os.close(self._fd)
        self._fd = -1
        if not self._gone:
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self._folder.fd)

    def _finish(self) -> None:
        self._sync()
        fd, self._fd = self._fd, -1  # whatever close says, the descriptor is gone
        with self._folder.guard("close", self.name):
            os.close(fd)

    def _sync(self) -> None:
        sync_fd(self._fd, *self._folder.where, self.name)
