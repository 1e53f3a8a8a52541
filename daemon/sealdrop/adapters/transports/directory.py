"""Delivery into a local or mounted folder, with the same contract as over a network.

Look; temporary copy under a hidden name of ours; sync; read back and compare SHA-256; ``commit``; publish without
overwriting; sync the folder; look again. Publishing is one atomic rename that refuses an existing target
(``RENAME_NOREPLACE``), and a hard link where the file system cannot do that.

The folder must exist and be a real one; it is never made. What the *far* side refuses (full, read-only, gone) is a
failure of this transport, not of our own disk: ``TemporaryFailure``, or ``RouteUnusable`` when a person must act. Only
a sealed file that cannot be read is a ``StorageFailure``.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sealdrop.adapters.durable import Folder, guarding, shown
from sealdrop.core.delivery import Absent, Conflict, Found, Look, Outcome, ProofLevel, Receipt
from sealdrop.core.errors import PermanentFailure, RouteUnusable, SealdropError, StorageFailure, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, ProbeResult, ProbeStep, Traits

CHUNK = 1024 * 1024
MAX_NAME_BYTES = 255
STALE_AFTER = 24 * 3600.0  # seconds after which a temporary copy that nobody owns may be swept
_OURS = re.compile(r"\.sealdrop-([0-7][0-9a-hjkmnp-tv-z]{25})-([0-9]+|[a-z])(-w)?")
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_RENAME_NOREPLACE = 1
_CANNOT_REFUSE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_BY_RENAME = "rename that refuses an existing target"
_BY_LINK = "hard link, then removal of the temporary name"
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


class _There(NamedTuple):
    """What is under the final name: whether it is ours, else in words what it is."""

    equal: bool
    detail: str = ""


class DirectoryTransport:
    """Delivers to one folder. Callable from several threads."""

    def __init__(self, options: DirectoryOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock

    @property
    def name(self) -> str:
        """Configured name of the transport."""
        return self._options.name

    @property
    def traits(self) -> Traits:
        """It can always look and always read back."""
        return Traits(can_look=True, best_proof=ProofLevel.DIGEST)

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        """See the port.

        Raises:
            TemporaryFailure, PermanentFailure, StorageFailure: as the port says.
        """
        self._check_name(parcel)
        with self._folder() as folder:
            temporary = _temporary(parcel.submission, str(parcel.attempt))
            with self._far("remove old copies"):
                _remove(folder, [_temporary(parcel.submission, str(n)) for n in range(1, parcel.attempt + 1)])
            there = self._compare(folder, parcel)
            if there is not None:
                progress(parcel.size)
                return self._already(there, parcel)
            try:
                self._copy(folder, temporary, parcel, progress)
                commit(ProofLevel.DIGEST)
                return self._publish(folder, temporary, parcel)
            finally:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder.fd)

    def find(self, parcel: Parcel) -> Look:
        """See the port.

        Raises:
            TemporaryFailure, RouteUnusable: as the port says.
        """
        self._check_name(parcel)
        with self._folder() as folder:
            there = self._compare(folder, parcel)
            withdrawn = False
            for number in range(1, parcel.attempt + 1):
                with self._far("withdraw our copy"):
                    withdrawn |= self._withdraw(folder, _temporary(parcel.submission, str(number)))
            if there is None and not withdrawn:
                there = self._compare(folder, parcel)
        if there is None:
            return Absent(withdrawn=withdrawn)
        return Found(receipt=self._already(there, parcel)) if there.equal else Conflict(detail=there.detail)

    def probe(self) -> ProbeResult:
        """Try every step with a tiny file; never raises for a failing step."""
        steps: list[ProbeStep] = []
        name = "folder"
        trial_id = self._clock.new_id()
        first, second = _temporary(trial_id, "a"), _temporary(trial_id, "b")
        try:
            with self._folder() as folder:
                steps.append(ProbeStep(name=name, ok=True, detail=f"{shown(self._options.folder)} is there"))
                name = "write and read back"
                steps.append(ProbeStep(name=name, ok=True, detail=self._try_writing(folder, first)))
                name = "publishing"
                steps.append(ProbeStep(name=name, ok=True, detail=self._try_publishing(folder, first, second)))
        except SealdropError as error:
            steps.append(ProbeStep(name=name, ok=False, detail=str(error)))
        return ProbeResult(steps=tuple(steps))

    def sweep(self, open_ids: Collection[SubmissionId] = ()) -> int:
        """Remove old temporary copies of ours whose submissions are not open; returns how many.

        Raises:
            TemporaryFailure, RouteUnusable: it could not be done now.
        """
        with self._folder() as folder, self._far("sweep old copies"):
            names = []
            for name in folder.names():
                ours = _OURS.fullmatch(name)
                if ours and SubmissionId(ours.group(1)) not in open_ids:
                    found = folder.stat(name)
                    age = self._clock.now().timestamp() - found.st_mtime if found else 0
                    if age > STALE_AFTER:
                        names.append(name)
            return _remove(folder, names)

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def _copy(self, folder: Folder, temporary: str, parcel: Parcel, progress: Callable[[int], None]) -> None:
        """Write the temporary copy, sync it, read it back; it is proven when this returns."""
        with self._far("make the copy"):
            fd = os.open(temporary, _CREATE, self._options.file_mode, dir_fd=folder.fd)
        try:
            self._write(fd, parcel, progress)
            with self._far("sync the copy"):
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from where it lies
            self._read_back(fd, parcel, progress)
        except BaseException:
            with suppress(OSError):
                os.close(fd)
            raise
        with self._far("close the copy"):
            os.close(fd)  # network file systems report late
        progress(parcel.size)

    def _read_back(self, fd: int, parcel: Parcel, progress: Callable[[int], None]) -> None:
        hasher, at = hashlib.sha256(), 0
        while True:
            with self._far("read the copy back"):
                chunk = os.pread(fd, CHUNK, at)
            if not chunk:
                break
            hasher.update(chunk)
            at += len(chunk)
            progress(parcel.size)
        if hasher.hexdigest() != parcel.sha256:
            hint = "It is sent again; when it happens twice suspect the storage"
            raise TemporaryFailure("other bytes came back than were written", where=self._where(parcel), hint=hint)

    def _write(self, fd: int, parcel: Parcel, progress: Callable[[int], None]) -> None:
        """Copy the sealed file, making sure that it is what was sealed."""
        hasher, done = hashlib.sha256(), 0
        with guarding("open the sealed file", parcel.path):
            source = os.open(parcel.path, _READ)
        try:
            while True:
                with guarding("read the sealed file", parcel.path):
                    chunk = os.read(source, CHUNK)
                if not chunk or done > parcel.size:
                    break
                hasher.update(chunk)
                left = memoryview(chunk)
                with self._far("write the copy"):
                    while left:
                        left = left[os.write(fd, left) :]
                done += len(chunk)
                progress(min(done, parcel.size))
        finally:
            os.close(source)
        if (hasher.hexdigest(), done) != (parcel.sha256, parcel.size):
            hint = "Nothing became visible. Find out who changes files of the spool, then resubmit"
            raise PermanentFailure("the sealed file is no longer what was sealed", where=self._where(parcel), hint=hint)

    def _publish(self, folder: Folder, temporary: str, parcel: Parcel) -> Receipt:
        """Give the copy its final name without overwriting, make that durable, and look again."""
        try:
            how = _rename_new(folder, temporary, parcel.remote_name)
        except FileExistsError as error:
            there = self._compare(folder, parcel)
            if there is None:
                what = "something was under the final name for a moment"
                raise TemporaryFailure(what, where=self._where(parcel), certain=True) from error
            return self._already(there, parcel)
        except OSError as error:
            raise self._failed(error, "publish the copy", certain=True) from error
        with self._far("sync the folder"):
            folder.sync()
            seen = folder.stat(parcel.remote_name)
        if seen is not None and seen.st_size != parcel.size:
            what = f"it was published, but a file of {seen.st_size} bytes is there instead of {parcel.size}"
            raise TemporaryFailure(what, where=self._where(parcel), hint="Find out what became of it")
        outcome = Outcome.SENT if seen is not None else Outcome.TAKEN
        return self._receipt(parcel, outcome, f"{parcel.size} bytes read back, SHA-256 equal", published_by=how)

    def _compare(self, folder: Folder, parcel: Parcel) -> _There | None:
        """Compare what is under the final name; None when nothing is."""
        with self._far("look at the final name"):
            try:
                fd = os.open(parcel.remote_name, _READ, dir_fd=folder.fd)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENXIO):
                    return _There(equal=False, detail="a link or special file is there")
                raise
            try:
                return _judge(fd, parcel)
            finally:
                os.close(fd)

    def _withdraw(self, folder: Folder, name: str) -> bool:
        """Remove our copy. True only when that proves that it was never published.

        Where publishing is a hard link, the copy stays behind for a moment after it, so its presence proves nothing.
        Renaming it first tells the two kinds of file system apart.
        """
        aside = name + "-w"
        with suppress(FileNotFoundError):
            atomic = _rename_new(folder, name, aside) != _BY_LINK
            os.unlink(aside, dir_fd=folder.fd)
            folder.sync()
            return atomic
        return False

    def _try_writing(self, folder: Folder, name: str) -> str:
        content = b"sealdrop trial"
        with self._far("write a trial file"):
            fd = os.open(name, _CREATE, self._options.file_mode, dir_fd=folder.fd)
            try:
                os.write(fd, content)
                os.fsync(fd)
                equal = os.pread(fd, CHUNK, 0) == content
            finally:
                os.close(fd)
                os.unlink(name, dir_fd=folder.fd)
        if not equal:
            raise TemporaryFailure("other bytes came back than were written", where=shown(self._options.folder))
        return "written, synced, read back and removed"

    def _try_publishing(self, folder: Folder, first: str, second: str) -> str:
        with self._far("publish a trial file"):
            try:
                for name in (first, second):
                    os.close(os.open(name, _CREATE, self._options.file_mode, dir_fd=folder.fd))
                with suppress(FileExistsError):
                    _rename_new(folder, first, second)
                    raise RouteUnusable("an existing file would be overwritten", where=shown(self._options.folder))
                os.unlink(second, dir_fd=folder.fd)
                return _rename_new(folder, first, second)
            finally:
                _remove(folder, [first, second])

    def _already(self, there: _There, parcel: Parcel) -> Receipt:
        if there.equal:
            return self._receipt(parcel, Outcome.FOUND, "found under the final name, SHA-256 equal")
        hint = "It is never overwritten. Find out what it is"
        raise PermanentFailure(f"the final name is taken: {there.detail}", where=self._where(parcel), hint=hint)

    def _receipt(self, parcel: Parcel, outcome: Outcome, detail: str, *, published_by: str = "") -> Receipt:
        path = self._options.folder / parcel.remote_name
        facts = {"proof": detail, "path": shown(path)}
        if published_by:
            facts["published_by"] = published_by
        return Receipt(
            transport=self.name,
            location=path.absolute().as_uri(),
            remote_name=parcel.remote_name,
            size=parcel.size,
            sha256=parcel.sha256,
            proof=ProofLevel.DIGEST,
            outcome=outcome,
            proven_at=self._clock.now(),
            facts=facts,
        )

    def _folder(self) -> Folder:
        with self._far("open the folder"):
            return Folder.open(self._options.folder)

    @contextmanager
    def _far(self, doing: str) -> Iterator[None]:
        """Turn what the far side's file system refuses into a failure of this transport."""
        try:
            yield
        except OSError as error:
            raise self._failed(error, doing) from error
        except StorageFailure as error:
            if isinstance(error.__cause__, OSError):
                raise self._failed(error.__cause__, doing) from error
            raise

    def _failed(self, error: OSError, doing: str, *, certain: bool = False) -> TemporaryFailure:
        what, where = f"cannot {doing}: {error.strerror}", shown(self._options.folder)
        if error.errno in _NEEDS_A_PERSON:
            return RouteUnusable(
                what, where=where, hint="Check that it is mounted, and its owner and mode", certain=certain
            )
        return TemporaryFailure(what, where=where, hint="It is tried again; check its space", certain=certain)

    def _check_name(self, parcel: Parcel) -> None:
        name = parcel.remote_name
        bad = "/" in name or name in ("", ".", "..") or any(ord(char) < ord(" ") or char == "\x7f" for char in name)
        if bad or len(os.fsencode(name)) > MAX_NAME_BYTES:
            hint = "Mend the template of remote names"
            raise PermanentFailure("the remote name is not one plain name", where=self._where(parcel), hint=hint)

    def _where(self, parcel: Parcel) -> str:
        return f"{shown(self._options.folder)}, submission {parcel.submission}"


def _rename_new(folder: Folder, old: str, new: str) -> str:
    """Rename within a folder, never replacing; returns how.

    Raises:
        FileExistsError: the target is there; nothing changed. OSError: anything else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rename: Callable[..., int] = libc.renameat2
    if rename(folder.fd, os.fsencode(old), folder.fd, os.fsencode(new), _RENAME_NOREPLACE) == 0:
        return _BY_RENAME
    code = ctypes.get_errno()
    if code not in _CANNOT_REFUSE:
        raise OSError(code, os.strerror(code), old)
    os.link(old, new, src_dir_fd=folder.fd, dst_dir_fd=folder.fd, follow_symlinks=False)
    os.unlink(old, dir_fd=folder.fd)
    return _BY_LINK


def _temporary(submission: SubmissionId, mark: str) -> str:
    return f".sealdrop-{submission}-{mark}"


def _remove(folder: Folder, names: list[str]) -> int:
    removed = 0
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder.fd)
            removed += 1
    return removed


def _judge(fd: int, parcel: Parcel) -> _There:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return _There(equal=False, detail="a folder or special file is there")
    if found.st_size != parcel.size:
        return _There(equal=False, detail=f"a file of {found.st_size} bytes is there, ours has {parcel.size}")
    hasher = hashlib.sha256()
    while chunk := os.read(fd, CHUNK):
        hasher.update(chunk)
    if hasher.hexdigest() == parcel.sha256:
        return _There(equal=True)
    return _There(equal=False, detail="a file of equal size with other bytes is there")
