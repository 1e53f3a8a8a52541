"""An outbox on another mount (a share, another disk): claimed by a rename inside it, then copied, verified, removed.

    NAME  →  .claimed/NAME.<id>                         ours; the producer no longer finds it
          →  work/<outbox>/<id>/dropped/NAME            copied, synced, read back and equal
          →  removed from the share

Where a step is cut (the share goes away, the process dies), ``look`` shows the file again from ``.claimed/``, and the
next claim carries on from there under a new id. A copy that was made but whose original could not be removed must not
be taken twice, even when the submission has long been filed: a note in ``work/<outbox>/.copied/`` says so. It is
written as ``<id>.copying`` before the copy gets its name and renamed to ``<id>`` after; a note of a copy that never
got its name is dropped by the constructor.

Another host may write without our kernel knowing, so there is no lease: the producer must say when a file is
complete, by rename or by marker. Another local disk has leases, so there the quiet protocol will do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealdrop.adapters.durable import (
    Folder,
    file_system,
    is_leftover,
    is_remote,
    lease_available,
    probe_rename,
    read_foreign,
    shown,
    why_not_a_file,
)
from sealdrop.adapters.outbox.looking import CLAIMED, RESULTS, Convention, Looker
from sealdrop.adapters.outbox.place import Place, publish, remove_empty_claim
from sealdrop.core.errors import (
    ConfigurationError,
    NotYet,
    Problem,
    StorageFailure,
    TemporaryFailure,
    Unacceptable,
)
from sealdrop.core.readiness import Observation, Protocol
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import LeftAlone

_NOTES = ".copied"
_ID_LENGTH = 26


class RemoteOutbox:
    """Implements ``ports.intake.Outbox`` for a folder that is not on the mount of the spool.

    Args:
        name: configured name, also of the folder in ``work/``.
        folder: the outbox.
        root: root of the spool, which holds ``work/``.
        convention: what names mean.
        protocol: how the producer says that a file is complete.
        clock: tells stale names.
        results: where the producer's answers go; by default ``results/`` in the outbox.

    Raises:
        ConfigurationError: the quiet protocol where no lease can be had.
        NoSpace, StorageFailure: ``work/<name>/`` cannot be made.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        root: Path,
        *,
        convention: Convention,
        protocol: Protocol,
        clock: Clock,
        results: Path | None = None,
    ) -> None:
        self._name = name
        self._convention = convention
        self._clock = clock
        self._results = results or folder / RESULTS
        self._looker = Looker(convention)
        self._work = root / "work" / name
        if protocol is Protocol.QUIET and not _leases(folder):
            problem = Problem(
                path=f"outbox.{name}.protocol",
                what=f"nothing proves that nobody writes to {shown(folder)} any more",
                hint="Use the rename or marker protocol there",
            )
            raise ConfigurationError([problem])
        with Folder.open(root / "work") as work:
            with work.make(name) as ours, ours.make(_NOTES) as notes:
                self._inherited = _settle_notes(ours, notes)
            work.sync()
        self._place = Place(folder, self._prove_mounted)
        self._kind: str | None = None
        self._refused: dict[str, Unacceptable] = {}

    @property
    def name(self) -> str:
        """Configured name of the outbox."""
        return self._name

    def probe(self) -> None:
        """Prove that the folder is there and that a file can be renamed in it.

        Raises:
            TemporaryFailure: the folder is gone, replaced or refuses.
        """
        with self._place.open() as folder, self._sharing(), folder.make(CLAIMED) as claimed:
            probe_rename(folder, claimed)

    def look(self) -> Iterator[Observation | LeftAlone]:
        """See ``Outbox.look``. What is in ``.claimed/`` comes first, and hides a new file of the same name."""
        with self._place.open() as folder, self._sharing():
            unfinished: set[str] = set()
            for seen in self._unfinished(folder):
                unfinished.add(seen.name)
                yield seen
            for seen in self._looker.look(folder, self._clock.now().timestamp()):
                if seen.name not in unfinished:
                    yield seen

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        """See ``Outbox.claim`` and the module text."""
        with self._place.open() as folder, self._sharing(), folder.make(CLAIMED) as claimed:
            original = f"{observed.name}.{submission}"
            if not _take(folder, claimed, observed, original):
                return False
            with Folder.open(self._work) as work, work.child(_NOTES) as notes:
                try:
                    self._copy(claimed, original, work, notes, observed, submission)
                except NotYet:
                    return False
                except Unacceptable as reason:
                    if not _grew(claimed.stat(original), observed):
                        self._refused[original] = reason
                    return False
                finally:
                    remove_empty_claim(work, submission)
                with suppress(StorageFailure):  # it is ours and noted; ``look`` removes what is left on the share
                    claimed.remove(original)
                    notes.remove(submission)
                    if observed.marked and self._convention.marker is not None:
                        folder.remove(observed.name + self._convention.marker)
        return True

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        """See ``Outbox.publish_result``."""
        publish(self._results, file_name, submission, files)

    def _copy(
        self,
        claimed: Folder,
        original: str,
        work: Folder,
        notes: Folder,
        observed: Observation,
        submission: SubmissionId,
    ) -> None:
        with work.make(submission) as home, home.make("dropped") as dropped, dropped.draft() as draft:
            leases = not is_remote(claimed.path)
            reading = read_foreign(claimed, original, draft.write, max_bytes=observed.size, leases=leases)
            if draft.digest_on_disk() != reading.sha256:
                message = "the copy on our disk is not what was written"
                raise StorageFailure(message, where=shown(dropped.path), hint="Check the disk")
            notes.write_new(f"{submission}.copying", b"")
            draft.keep(observed.name)
            notes.move(f"{submission}.copying", notes, submission)

    def _unfinished(self, folder: Folder) -> Iterator[Observation | LeftAlone]:
        """Yield what was claimed but not copied; remove what was copied but not removed."""
        with Folder.open(self._work) as work, work.child(_NOTES) as notes:
            if folder.stat(CLAIMED) is None:
                return
            with folder.child(CLAIMED) as claimed:
                for original in claimed.names():
                    name, submission = original[: -_ID_LENGTH - 1], original[-_ID_LENGTH:]
                    status = claimed.stat(original)
                    if not is_submission_id(submission) or status is None:
                        continue
                    if notes.stat(submission) is not None:
                        claimed.remove(original)
                        notes.remove(submission)
                        continue
                    yield self._judge(original, name, status)
            for spent in self._inherited:
                notes.remove(spent)  # its original went, and we died before the note did
            self._inherited = frozenset()

    def _judge(self, original: str, name: str, status: os.stat_result) -> Observation | LeftAlone:
        refused = self._refused.get(original)
        kind = why_not_a_file(status)
        if kind is not None or refused is not None:
            reason = refused.what if refused is not None else f"it is {kind}, not a regular file"
            hint = f"It waits in {CLAIMED}/ of the outbox; remove it there, or mend it and drop it again"
            return LeftAlone(name=name, reason=reason, hint=hint)
        return Observation(
            name=name,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            device=status.st_dev,
            inode=status.st_ino,
            marked=self._convention.marker is not None,  # it was, or it would not have been claimed
        )

    def _prove_mounted(self, folder: Folder) -> None:
        """Refuse the bare mount point: it is on our own mount, or on another kind of file system than the share was."""
        kind = file_system(folder.path)
        with Folder.open(self._work) as work:
            same_device = work.identity[0] == folder.identity[0]
        if same_device or self._kind not in {None, kind}:
            message = f"nothing is mounted there now (the file system is {kind})"
            raise StorageFailure(
                message, where=shown(folder.path), hint="Mount it; on our own mount it is no remote outbox"
            )
        self._kind = kind

    @contextmanager
    def _sharing(self) -> Iterator[None]:
        """What goes wrong on the share is temporary; what goes wrong on our own disk stays what it is."""
        try:
            yield
        except StorageFailure as error:
            if error.where.startswith(shown(self._work)):
                raise
            raise TemporaryFailure(error.what, where=error.where, hint=error.hint) from error


def _take(folder: Folder, claimed: Folder, observed: Observation, original: str) -> bool:
    """Rename the observed file to ``.claimed/<original>``, from the outbox or from an earlier claim that was cut."""
    for earlier in claimed.names():
        if earlier[: -_ID_LENGTH - 1] == observed.name and _is(claimed.stat(earlier), observed):
            return earlier == original or claimed.move(earlier, claimed, original)
    return _is(folder.stat(observed.name), observed) and folder.move(observed.name, claimed, original)


def _is(status: os.stat_result | None, observed: Observation) -> bool:
    return status is not None and (status.st_dev, status.st_ino) == (observed.device, observed.inode)


def _grew(status: os.stat_result | None, observed: Observation) -> bool:
    return status is not None and status.st_size > observed.size


def _leases(folder: Path) -> bool:
    try:
        return not is_remote(folder) and lease_available(folder)
    except StorageFailure:
        return False


def _settle_notes(work: Folder, notes: Folder) -> frozenset[str]:
    """Decide what half-written notes meant, while nobody can have filed the copy; return the notes that stand."""
    for note in notes.names():
        submission, _, copying = note.partition(".")
        if is_leftover(note) or (copying and not _has_copy(work, submission)):
            notes.remove(note)
        elif copying:
            notes.move(note, notes, submission)
    return frozenset(notes.names())


def _has_copy(work: Folder, submission: str) -> bool:
    if work.stat(submission) is None:
        return False
    with work.child(submission) as home:
        if home.stat("dropped") is None:
            return False
        with home.child("dropped") as dropped:
            return any(not is_leftover(name) for name in dropped.names())
