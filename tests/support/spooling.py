"""A spool with one outbox, a clock that starts now and stands still, and short ways to drop, claim and file."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sealdrop.adapters.outbox import Convention, FolderOutbox
from sealdrop.adapters.spool import FolderSpool, make_layout
from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId, make_id
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Filing
from support.manual_clock import ManualClock

_numbers = itertools.count(1)


def new_id() -> SubmissionId:
    """Return an id that sorts after every earlier one of this process."""
    return make_id(datetime(2026, 1, 1, tzinfo=UTC), next(_numbers))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Place:
    """One root with the outbox ``adt``."""

    def __init__(self, root: Path, convention: Convention | None = None) -> None:
        self.root = root
        self.clock = ManualClock(datetime.now(UTC))
        self.convention = convention or Convention()
        make_layout(root)
        self.outbox = root / "outbox" / "adt"
        (self.outbox / "results").mkdir(parents=True)
        self.work = root / "work" / "adt"

    def folder_outbox(self) -> FolderOutbox:
        """Return a fresh outbox, as a start of the agent would make."""
        return FolderOutbox("adt", self.outbox, self.root, convention=self.convention, clock=self.clock)

    def spool(self) -> FolderSpool:
        """Return a fresh spool, as a start of the agent would make."""
        return FolderSpool(self.root)

    def drop(self, name: str, data: bytes = b"content") -> Path:
        """Drop a file by rename, as a well-behaved producer does."""
        path = self.outbox / name
        temporary = self.outbox / ".dropping.part"
        temporary.write_bytes(data)
        temporary.rename(path)
        return path

    def claimed(self, name: str = "a.csv", data: bytes = b"content") -> SubmissionId:
        """Drop and claim a file."""
        self.drop(name, data)
        submission = new_id()
        assert self.folder_outbox().claim(observe(self.outbox / name), submission)
        return submission


@contextmanager
def on_another_mount(here: Path) -> Iterator[Path]:
    """Give an empty folder in memory, which is never the file system that ``here`` is on."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        assert folder.stat().st_dev != here.stat().st_dev, "tests need a temporary folder that is not in /dev/shm"
        yield folder
    finally:
        shutil.rmtree(folder)


def observe(path: Path, *, marked: bool = False) -> Observation:
    """Return what a look says of one file."""
    status = path.lstat()
    return Observation(
        name=path.name,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        device=status.st_dev,
        inode=status.st_ino,
        marked=marked,
    )


def filing(submission: SubmissionId, data: bytes = b"content", **changes: object) -> Filing:
    """Return an order to file ``a.csv`` under ``sent``."""
    values: dict[str, object] = {
        "submission": submission,
        "outbox": "adt",
        "file_name": "a.csv",
        "sha256": sha256(data),
        "to": "sent",
        "day": "2026-01-01",
        "evidence": (("receipt.json", b"{}"),),
        **changes,
    }
    return Filing(**values)  # type: ignore[arg-type] # a test names the fields it varies


def listing(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def tree(folder: Path) -> list[str]:
    """Return every path below a folder that is no directory, relative and sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def names(seen: list[Observation | LeftAlone], kind: type) -> set[str]:
    """Return the names of one kind of answer of a look."""
    return {one.name for one in seen if isinstance(one, kind)}
