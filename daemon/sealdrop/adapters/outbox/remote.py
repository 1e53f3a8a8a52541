"""An outbox on another mount (a share, another disk): claimed by a rename inside it, brought in later.

    NAME  →  .claimed/NAME.<id>                         claim: the producer no longer finds it
          →  work/<outbox>/<id>/coming/NAME             an empty file stands for it: the submission is ours
          →  work/<outbox>/<id>/dropped/NAME            fetch: copied, synced, read back and equal
          →  removed from the share

The claim is short, because the agent's loop waits for it; the copy may take long, and a worker makes it. A claim cut
between its two steps is shown again by ``look`` from ``.claimed/``, and the next claim carries on from there under a
new id. A copy that was made but whose original could not be removed must not be taken twice, even when the submission
has long been filed: a note ``work/<outbox>/.copied/<id>`` says so, from before ``coming/`` goes until the original is
gone. What can never be taken moves to ``.refused/`` of the outbox and stays there; nobody but its owner removes it.

Another host may write without our kernel knowing, so there is no lease: the producer must say when a file is
complete, by rename or by marker. Another local disk has leases, so there the quiet protocol will do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealdrop.adapters.durable import (
    Draft,
    Folder,
    Reading,
    file_system,
    is_remote,
    lease_available,
    probe_rename,
    read_foreign,
    shown,
    why_not_a_file,
)
from sealdrop.adapters.outbox.looking import CLAIMED, REFUSED, RESULTS, Convention, Looker
from sealdrop.adapters.outbox.place import Place, publish, remove_empty_claim
from sealdrop.core.errors import ConfigurationError, Problem, StorageFailure, TemporaryFailure, Unacceptable
from sealdrop.core.readiness import Observation, Protocol
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Claimed

_NOTES = ".copied"
_COMING = "coming"
_ID_LENGTH = 26
#: Errors that say something of the file; any other says something of the share.
_OF_THE_FILE = {errno.EACCES, errno.EPERM}


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
                notes.clear_leftovers()
                self._inherited = frozenset(notes.names())
            work.sync()
        self._place = Place(folder, self._prove_mounted)
        self._kind: str | None = None
        self._cut: dict[tuple[int, int], str] = {}  # claims that were cut, as the newest look saw them

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
            if not self._take(folder, claimed, observed, f"{observed.name}.{submission}"):
                return False
            with Folder.open(self._work) as work:
                try:
                    with work.make(submission) as home, home.make(_COMING) as coming:
                        coming.write_new(observed.name, b"")
                except BaseException:
                    remove_empty_claim(work, submission, _COMING)
                    raise
            if observed.marked and self._convention.marker is not None:
                with suppress(StorageFailure):  # it is removed with the original
                    folder.remove(observed.name + self._convention.marker)
        return True

    def fetch(self, claimed: Claimed, max_bytes: int) -> None:
        """See ``Outbox.fetch`` and the module text."""
        name, submission = claimed.file_name, claimed.submission
        with Folder.open(self._work) as work, work.child(submission) as home:
            if home.stat(_COMING) is None:
                return  # it has come
            with self._place.open() as folder, self._sharing():
                self._copy(folder, home, f"{name}.{submission}", name, max_bytes)
                with work.child(_NOTES) as notes:
                    notes.write_new(submission, b"")
                _came(home, name)
                try:
                    self._remove_original(folder, f"{name}.{submission}", name)
                except StorageFailure:
                    return  # it is ours and noted; ``look`` removes what is left on the share
            with work.child(_NOTES) as notes:
                notes.remove(submission)

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        """See ``Outbox.publish_result``."""
        publish(self._results, file_name, submission, files)

    def _copy(self, folder: Folder, home: Folder, original: str, name: str, max_bytes: int) -> None:
        """Make the copy unless an earlier fetch did: under its name it is whole."""
        with home.make("dropped") as dropped:
            dropped.clear_leftovers()
            if dropped.stat(name) is None:
                with dropped.draft() as draft:
                    reading = self._read(folder, original, draft, max_bytes)
                    if draft.digest_on_disk() != reading.sha256:
                        message = "the copy on our disk is not what was written"
                        raise StorageFailure(message, where=shown(dropped.path), hint="Check the disk")
                    draft.keep(name)
        home.sync()  # a process that died between making and syncing dropped/ must not cost us the copy

    def _read(self, folder: Folder, original: str, draft: Draft, max_bytes: int) -> Reading:
        refused = folder.stat(f"{REFUSED}/{original}") is not None  # by a process that died before it was booked
        with folder.make(REFUSED if refused else CLAIMED) as place:
            try:
                leases = not is_remote(place.path)
                return read_foreign(place, original, draft.write, max_bytes=max_bytes, leases=leases)
            except Unacceptable as reason:
                cause = reason.__cause__
                if isinstance(cause, OSError) and cause.errno not in _OF_THE_FILE:
                    raise TemporaryFailure(reason.what, where=reason.where, hint=reason.hint) from reason
                if place.stat(original) is None:
                    raise
                with folder.make(REFUSED) as refuse:
                    if not refused:
                        place.move(original, refuse, original)
                    where = shown(refuse.path / original)
                raise Unacceptable(reason.what, where=where, hint=reason.hint) from reason

    def _remove_original(self, folder: Folder, original: str, name: str) -> None:
        """Remove what was copied, and its marker should the claim have died before it did."""
        with folder.make(CLAIMED) as claimed:
            ours = claimed.stat(original)
            marker = name + self._convention.marker if self._convention.marker is not None else None
            mark = folder.stat(marker) if marker is not None else None
            if marker is not None and mark is not None and ours is not None and mark.st_ctime_ns <= ours.st_ctime_ns:
                folder.remove(marker)  # an older one than our rename; a newer one is the next file's
            claimed.remove(original)

    def _unfinished(self, folder: Folder) -> Iterator[Observation | LeftAlone]:
        """Yield what a cut claim left; remove what was copied but not removed; pass over what is still to be fetched.

        ``coming/`` is looked at before the note, because a fetch under way makes the note before ``coming/`` goes.
        """
        self._cut = {}
        originals: set[str] = set()
        with Folder.open(self._work) as work, work.child(_NOTES) as notes:
            if folder.stat(CLAIMED) is None:
                return
            with folder.child(CLAIMED) as claimed:
                for original in claimed.names():
                    name, submission = original[: -_ID_LENGTH - 1], original[-_ID_LENGTH:]
                    originals.add(submission)
                    if not is_submission_id(submission) or _is_coming(work, submission, name):
                        continue
                    if notes.stat(submission) is not None:
                        claimed.remove(original)
                        notes.remove(submission)
                        continue
                    status = claimed.stat(original)
                    if status is not None:
                        self._cut[status.st_dev, status.st_ino] = original
                        yield self._judge(name, status)
            for spent in self._inherited - originals:
                notes.remove(spent)  # its original went, and we died before the note did
            self._inherited &= originals

    def _judge(self, name: str, status: os.stat_result) -> Observation | LeftAlone:
        kind = why_not_a_file(status)
        if kind is not None:
            hint = f"It waits in {CLAIMED}/ of the outbox; remove it there, or mend it and drop it again"
            return LeftAlone(name=name, reason=f"it is {kind}, not a regular file", hint=hint)
        return Observation(
            name=name,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            device=status.st_dev,
            inode=status.st_ino,
            marked=self._convention.marker is not None,  # it was, or it would not have been claimed
        )

    def _take(self, folder: Folder, claimed: Folder, observed: Observation, original: str) -> bool:
        """Rename the observed file to ``.claimed/<original>``, from the outbox or from a claim that was cut."""
        cut = self._cut.get((observed.device, observed.inode))
        if cut is not None and _is(claimed.stat(cut), observed):
            return claimed.move(cut, claimed, original)
        return _is(folder.stat(observed.name), observed) and folder.move(observed.name, claimed, original)

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


def _is(status: os.stat_result | None, observed: Observation) -> bool:
    return status is not None and (status.st_dev, status.st_ino) == (observed.device, observed.inode)


def _leases(folder: Path) -> bool:
    try:
        return not is_remote(folder) and lease_available(folder)
    except StorageFailure:
        return False


def _is_coming(work: Folder, submission: str, name: str) -> bool:
    """Tell whether a claimed file is still to be fetched."""
    return work.stat(f"{submission}/{_COMING}/{name}") is not None


def _came(home: Folder, name: str) -> None:
    """Take away durably what stood for the file."""
    with home.child(_COMING) as coming:
        coming.clear_leftovers()
        coming.unlink(name)
    home.remove_empty(_COMING)
    home.sync()
