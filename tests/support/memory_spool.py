"""The local side in memory: outboxes, the spool and the notes of what is in hand, over one ``MemoryDisk``.

They keep the ports' contracts, crash-repeatability included: each method may be killed between any two of its steps
and called again by the next process. ``Script`` makes a method raise once, twice, or as often as a test says.
"""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sealdrop.core.errors import StorageFailure, Unacceptable
from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Claimed, FiledAs, Filing, Snapshot
from support.memory_disk import MemoryDisk, digest

ROOT = Path("/root")
MARKER = ".done"


class Script:
    """Errors to come, by what they interrupt."""

    def __init__(self) -> None:
        self._coming: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.lasting: dict[str, Exception] = {}

    def add(self, act: str, *errors: Exception) -> None:
        """Let the next calls of ``act`` raise these, one each."""
        self._coming[act].extend(errors)

    def play(self, act: str) -> None:
        """Raise what is due for ``act``, if anything."""
        if act in self.lasting:
            raise self.lasting[act]
        if self._coming[act]:
            raise self._coming[act].popleft()


class MemoryOutbox:
    """``ports.intake.Outbox``. What ``drop`` brought in keeps its inode until it is dropped anew."""

    def __init__(self, name: str, disk: MemoryDisk) -> None:
        self._name = name
        self._disk = disk
        self._inodes: dict[str, int] = {}
        self._dropped = 0
        self.folder = ROOT / "outbox" / name
        self.results = ROOT / "results" / name
        self.script = Script()
        self.left_alone: list[LeftAlone] = []
        self.looks = 0

    @property
    def name(self) -> str:
        return self._name

    def drop(self, name: str, data: bytes = b"accept\n") -> None:
        """Drop a file as a producer does, by renaming it in."""
        self._dropped += 1
        self._inodes[name] = self._dropped
        self._disk.files[self.folder / name] = data

    def waiting(self) -> list[str]:
        """Return the names in the folder."""
        return self._disk.names(self.folder)

    def look(self) -> Iterator[Observation | LeftAlone]:
        self.looks += 1
        self.script.play("look")
        yield from self.left_alone
        names = self.waiting()
        for name in reversed(names):  # the port promises no order
            if not name.endswith(MARKER):
                yield self._observe(name, marked=name + MARKER in names)

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        self.script.play("claim")
        path = self.folder / observed.name
        if path not in self._disk.files or self._inodes.get(observed.name) != observed.inode:
            return False
        self._disk.rename(path, _home(self._name, submission) / "dropped" / observed.name)
        self._disk.remove(self.folder / (observed.name + MARKER))
        return True

    def fetch(self, *_: object) -> None:
        self.script.play("fetch")

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        self.script.play("publish")
        for suffix, data in files:
            self._disk.replace(self.results / f"{file_name}.{submission}{suffix}", data)

    def _observe(self, name: str, *, marked: bool) -> Observation:
        inode = self._inodes.setdefault(name, 0)
        return Observation(
            name=name,
            size=len(self._disk.read(self.folder / name)),
            mtime_ns=0,
            ctime_ns=inode,
            device=1,
            inode=inode,
            marked=marked,
        )


class MemorySpool:
    """``ports.spool.Spool``."""

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self.script = Script()
        self.free = 10**9

    def claimed(self) -> Iterator[Claimed]:
        work = ROOT / "work"
        ids = sorted({(path.relative_to(work).parts[1], path.relative_to(work).parts[0]) for path in self._under(work)})
        for submission, outbox in ids:
            home = _home(outbox, SubmissionId(submission))
            names = self._disk.names(home)
            dropped = self._disk.names(home / "dropped")
            own = [name for name in names if name not in {"dropped", "content", "sealed", "sealed.part"}]
            yield Claimed(
                submission=SubmissionId(submission),
                outbox=outbox,
                file_name=(dropped or own or names)[0],
                has_content="content" in names,
                has_sealed="sealed" in names,
            )

    def snapshot(self, claimed: Claimed, max_bytes: int) -> Snapshot:
        self.script.play("snapshot")
        home = _home(claimed.outbox, claimed.submission)
        data = self._disk.files.get(home / "dropped" / claimed.file_name)
        if data is None:
            message = "the claimed file is gone"
            raise Unacceptable(message, where=claimed.file_name)
        if len(data) > max_bytes:
            message = f"it has {len(data)} bytes; at most {max_bytes} are taken"
            raise Unacceptable(message, where=claimed.file_name)
        self._disk.write(home / "content", data)
        return Snapshot(size=len(data), sha256=digest(data), path=home / "content", lease=True)

    def content(self, submission: SubmissionId, outbox: str) -> Path:
        return _home(outbox, submission) / "content"

    def kept(self, submission: SubmissionId, outbox: str, file_name: str, filed: str | None) -> Path | None:
        self.script.play("kept")
        home = _home(outbox, submission)
        name = f"{file_name}.{submission}"
        folders = [
            path.parent for to in ("sent", "failed") for path in self._under(ROOT / to) if path.parent.name == name
        ]
        if filed is not None:
            folders = [ROOT / filed]
        places = [home / "content", home / file_name, *(folder / file_name for folder in folders)]
        return next((path for path in places if path in self._disk.files), None)

    def intact(self, submission: SubmissionId, outbox: str, sha256: str) -> bool:
        return digest(self._disk.read(self.content(submission, outbox))) == sha256

    def sealed(self, submission: SubmissionId, outbox: str) -> Path:
        return _home(outbox, submission) / "sealed"

    def unsealed_target(self, submission: SubmissionId, outbox: str) -> Path:
        target = _home(outbox, submission) / "sealed.part"
        self._disk.remove(target)
        return target

    def keep_sealed(self, submission: SubmissionId, outbox: str) -> None:
        self.script.play("keep")
        home = _home(outbox, submission)
        self._disk.rename(home / "sealed.part", home / "sealed")

    def file_away(self, filing: Filing) -> FiledAs:
        self.script.play("file")
        home = _home(filing.outbox, filing.submission)
        folder = f"{filing.to}/{filing.day}/{filing.file_name}.{filing.submission}"
        if self._under(home):
            self._settle(home, filing)
            self._disk.rename(home, ROOT / folder)
        if not self._under(ROOT / folder):
            message = "the submission is neither in work nor filed"
            raise StorageFailure(message, where=folder)
        self._drop_unkept(ROOT / folder, filing)
        late = bool(filing.sha256) and bool(self._under(ROOT / folder / "dropped"))
        return FiledAs(folder=folder, late_write=late)

    def free_bytes(self) -> int:
        return self.free

    def _settle(self, home: Path, filing: Filing) -> None:
        for name, data in filing.evidence:
            self._disk.write(home / name, data)
        self._disk.remove(home / "sealed.part")
        if not filing.sha256:
            return
        if home / "content" in self._disk.files:
            self._disk.rename(home / "content", home / filing.file_name)
        dropped = home / "dropped" / filing.file_name
        if dropped in self._disk.files and digest(self._disk.read(dropped)) == filing.sha256:
            self._disk.remove(dropped)

    def _drop_unkept(self, folder: Path, filing: Filing) -> None:
        if filing.to == "sent" and filing.keep != "content":
            self._disk.remove(folder / filing.file_name)
        if filing.to == "failed" or filing.keep != "sealed":
            self._disk.remove(folder / "sealed")

    def _under(self, folder: Path) -> list[Path]:
        return self._disk.under(folder)


class MemoryHand:
    """``ports.hand.InHand``. ``trace`` is what outlives the process: give it to the next one."""

    def __init__(self, disk: MemoryDisk, trace: dict[int, tuple[SubmissionId, str]] | None = None) -> None:
        self._fuse = disk.fuse
        self.trace = {} if trace is None else trace
        self._left = dict(self.trace)
        self._slots = itertools.count(max(self.trace, default=0) + 1)

    def begin(self, submission: SubmissionId, doing: str) -> int:
        slot = next(self._slots)
        self.trace[slot] = (submission, doing)
        self._fuse.burn(f"after noting {doing} in hand")
        return slot

    def end(self, slot: int) -> None:
        self._fuse.burn("before noting the end")
        self.trace.pop(slot, None)

    def left(self) -> Sequence[tuple[SubmissionId, str]]:
        return tuple(self._left.values())

    def clear(self) -> None:
        for slot in self._left:
            self.end(slot)
        self._left = {}


def _home(outbox: str, submission: SubmissionId) -> Path:
    return ROOT / "work" / outbox / submission
