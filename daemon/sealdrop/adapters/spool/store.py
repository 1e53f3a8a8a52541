"""The spool on a local file system: private copies of claimed files, and their one rename to ``sent/`` or ``failed/``.

    work/<outbox>/<id>/{dropped/<file name>, content, sealed}   →   sent|failed/<day>/<file name>.<id>/

Promises: the bytes that are validated, sealed and sent are ours alone, because the producer may keep a descriptor to
what he dropped; a snapshot is whole, or it is not there; filing is one rename and may be repeated at any point.

Fails with ``StorageFailure`` when our own disk cannot be trusted, ``NoSpace`` when it is full. Whether ``work``,
``sent`` and ``failed`` are on one mount is proven by real renames when it is constructed. Nothing is made then:
an empty mount point must not become a spool (``make_layout`` makes one on purpose).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sealdrop.adapters.durable import (
    Folder,
    guarding,
    is_leftover,
    keep,
    make_dirs,
    probe_rename,
    read_foreign,
    remove,
    shown,
)
from sealdrop.adapters.spool.filing import (
    COMING,
    CONTENT,
    DROPPED,
    SEALED,
    UNSEALED,
    drop_unkept,
    kept_name,
    settle,
    was_written_late,
)
from sealdrop.core.errors import ConfigurationError, NotYet, Problem, StorageFailure, Unacceptable
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.spool import Claimed, FiledAs, Filing, Snapshot

LAYOUT = ("outbox", "work", "sent", "failed", "results", "status")


def make_layout(root: Path) -> None:
    """Make the folders of a spool that are missing, each durably and private.

    Raises:
        NoSpace, StorageFailure: one could not be made.
    """
    for name in LAYOUT:
        if not (root / name).is_dir():
            make_dirs(root / name)


class FolderSpool:
    """Implements ``ports.spool.Spool``.

    Args:
        root: holds ``work/``, ``sent/`` and ``failed/``.

    Raises:
        ConfigurationError: a folder is missing, or not all are on one mount; all problems at once.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._work = root / "work"
        self._synced_days: set[tuple[str, str]] = set()
        problems = [problem for to in ("sent", "failed") if (problem := self._problem(to)) is not None]
        if problems:
            raise ConfigurationError(problems, where=shown(root))
        # Only what an earlier process left may be cleared away: a claim of this one may be under way.
        self._inherited = frozenset(submission for submission, _ in self._ids())

    def claimed(self) -> Iterator[Claimed]:
        """See ``Spool.claimed``.

        A folder that a dead process was filing has no ``dropped/`` any more; it is named by the one file in it that is
        not ours, so that an incomplete ledger cannot make it invisible.
        """
        for submission, outbox in sorted(self._ids()):
            home = self._open_home(submission, outbox)
            if home is None:
                continue  # filed meanwhile
            with home:
                names = set(home.names())
                name = self._claimed_name(home, names, inherited=submission in self._inherited)
            if name is not None:
                yield Claimed(
                    submission=submission,
                    outbox=outbox,
                    file_name=name,
                    has_content=CONTENT in names,
                    has_sealed=SEALED in names,
                )
            elif submission in self._inherited:
                with Folder.open(self._work / outbox) as folder:
                    folder.remove_empty(submission)

    def snapshot(self, claimed: Claimed, max_bytes: int) -> Snapshot:
        """See ``Spool.snapshot``."""
        with self._home(claimed.submission, claimed.outbox) as home:
            home.clear_leftovers()
            if home.stat(DROPPED) is None:
                if home.stat(COMING) is not None:
                    message = "the claimed file is still in an outbox on another mount"
                    raise NotYet(message, where=shown(home.path), hint="Configure that outbox again until it is empty")
                message = "the claimed file is gone"
                raise Unacceptable(message, where=shown(home.path), hint="Find out who removed it")
            with home.child(DROPPED) as dropped, home.draft() as draft:
                reading = read_foreign(dropped, claimed.file_name, draft.write, max_bytes=max_bytes)
                draft.keep(CONTENT)
        path = self.content(claimed.submission, claimed.outbox)
        return Snapshot(size=reading.size, sha256=reading.sha256, path=path, lease=reading.lease)

    def content(self, submission: SubmissionId, outbox: str) -> Path:
        """See ``Spool.content``."""
        return self._work / outbox / submission / CONTENT

    def kept(self, submission: SubmissionId, outbox: str, file_name: str, filed: str | None) -> Path | None:
        """See ``Spool.kept``. Looked for in the order in which filing moves it, so that no step of that hides it."""
        home, name = self._work / outbox / submission, kept_name(file_name)
        for path in (home / CONTENT, home / name):
            if _is_file(path):
                return path
        folder = f"{file_name}.{submission}"
        where = Path(filed) if filed is not None else self._found("sent", folder) or self._found("failed", folder)
        if where is None or not _is_file(self._root / where / name):
            return None
        return self._root / where / name

    def intact(self, submission: SubmissionId, outbox: str, sha256: str) -> bool:
        """See ``Spool.intact``."""
        path = self.content(submission, outbox)
        with guarding("read", path):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(fd, "rb", buffering=0) as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == sha256

    def sealed(self, submission: SubmissionId, outbox: str) -> Path:
        """See ``Spool.sealed``."""
        return self._work / outbox / submission / SEALED

    def unsealed_target(self, submission: SubmissionId, outbox: str) -> Path:
        """See ``Spool.unsealed_target``."""
        target = self._work / outbox / submission / UNSEALED
        remove(target)
        return target

    def keep_sealed(self, submission: SubmissionId, outbox: str) -> None:
        """See ``Spool.keep_sealed``. Having kept it before counts as success."""
        target = self._work / outbox / submission / UNSEALED
        sealed = self.sealed(submission, outbox)
        if not keep(target, sealed) and not sealed.exists():
            message = "the sealer left nothing to keep"
            raise StorageFailure(message, where=shown(target), hint="Start the agent again; the file is sealed anew")

    def file_away(self, filing: Filing) -> FiledAs:
        """See ``Spool.file_away`` and ``filing``."""
        home = self._open_home(filing.submission, filing.outbox)
        if home is not None:
            with home:
                settle(home, filing)
            self._move(filing)
        where = self._filed(filing)
        with Folder.open(self._root / where) as folder:
            drop_unkept(folder, filing)
            return FiledAs(folder=str(where), late_write=was_written_late(folder, filing))

    def free_bytes(self) -> int:
        """See ``Spool.free_bytes``. Without a free inode nothing more can be written, so there are none."""
        with guarding("look at", self._root):
            status = os.statvfs(self._root)
        if status.f_files and not status.f_favail:
            return 0
        return status.f_bavail * status.f_frsize

    def probe(self) -> None:
        """Prove by real renames that a folder in ``work/`` can still be filed; they leave nothing.

        Raises:
            NoSpace, StorageFailure: it cannot.
        """
        with Folder.open(self._work) as work:
            for to in ("sent", "failed"):
                with Folder.open(self._root / to) as target:
                    probe_rename(work, target)

    def _problem(self, to: str) -> Problem | None:
        try:
            with Folder.open(self._work) as work, Folder.open(self._root / to) as target:
                probe_rename(work, target)
        except StorageFailure as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EXDEV:
                hint = "Keep work, sent and failed on one mount; two bind mounts of one file system do not do"
                return Problem(path="spool.root", what=f"work and {to} are not on one mount", hint=hint)
            return Problem(path="spool.root", what=f"{error.where}: {error.what}", hint=error.hint)
        return None

    def _ids(self) -> list[tuple[SubmissionId, str]]:
        """Return id and outbox of every folder in ``work/``; claims are bounded, so this list is too."""
        found: list[tuple[SubmissionId, str]] = []
        with Folder.open(self._work) as work:
            for outbox in work.names():
                if not outbox.startswith("."):
                    with work.child(outbox) as folder:
                        found += [(SubmissionId(name), outbox) for name in folder.names() if is_submission_id(name)]
        return found

    def _home(self, submission: SubmissionId, outbox: str) -> Folder:
        return Folder.open(self._work / outbox / submission)

    def _open_home(self, submission: SubmissionId, outbox: str) -> Folder | None:
        try:
            return self._home(submission, outbox)
        except StorageFailure as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def _claimed_name(self, home: Folder, names: set[str], *, inherited: bool) -> str | None:
        for place in (COMING, DROPPED):
            if place not in names:
                continue
            with home.child(place) as inner:
                if inherited:
                    inner.clear_leftovers()
                for name in inner.names():
                    if not is_leftover(name):
                        return name
            if inherited:
                home.remove_empty(place)
        if inherited:
            home.clear_leftovers()
        others = names - {COMING, DROPPED, CONTENT, SEALED, UNSEALED}
        left = sorted(name for name in others if not is_leftover(name)) or sorted(names & {CONTENT, SEALED})
        return left[0] if left else None

    def _move(self, filing: Filing) -> None:
        with Folder.open(self._root / filing.to) as to, to.make(filing.day) as day:
            if (filing.to, filing.day) not in self._synced_days:
                to.sync()  # a process that died between making the day's folder and syncing it must not cost us a file
                self._synced_days.add((filing.to, filing.day))
            with Folder.open(self._work / filing.outbox) as work:
                work.move(filing.submission, day, _folder_name(filing))

    def _filed(self, filing: Filing) -> Path:
        """Return where a submission was filed, relative to the root: that day, or the day an earlier process saw."""
        name = _folder_name(filing)
        here = Path(filing.to) / filing.day / name
        if (self._root / here).is_dir():
            return here
        there = self._found(filing.to, name)
        if there is not None:
            return there
        message = "the submission is neither in work nor filed"
        hint = "Find out who moved it; look for its id in the whole spool"
        raise StorageFailure(message, where=shown(self._work / filing.outbox / filing.submission), hint=hint)

    def _found(self, to: str, name: str) -> Path | None:
        """Return where a folder was filed, relative to the root, on whatever day; the newest days first."""
        with Folder.open(self._root / to) as folder:
            for day in reversed(folder.names()):
                if (self._root / to / day / name).is_dir():
                    return Path(to) / day / name
        return None


def _is_file(path: Path) -> bool:
    with guarding("look at", path):
        try:
            return stat.S_ISREG(path.lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def _folder_name(filing: Filing) -> str:
    return f"{filing.file_name}.{filing.submission}"
