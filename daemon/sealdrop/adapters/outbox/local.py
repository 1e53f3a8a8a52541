"""An outbox on the spool's own mount: a file becomes ours by one rename.

``claim`` makes ``work/<outbox>/<id>/dropped/``, renames the file into it and syncs both directories. What was moved is
ours from then on and never put back, whatever it turned out to be: somebody may have swapped the name between our last
look and the rename. ``claim`` answers True, and ``Spool.snapshot`` judges what was moved without following it.

A completion marker is removed after the claim is durable. A process that died in between left the marker behind,
where it would call the *next* file of that name complete; the constructor removes such markers, telling them by their
change time: the claim's rename gave the file a later one.

Fails with ``TemporaryFailure`` when the folder is gone, replaced or refuses the rename: other outboxes go on.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sealdrop.adapters.durable import Folder, probe_rename, shown
from sealdrop.adapters.outbox.looking import RESULTS, Convention, Looker
from sealdrop.adapters.outbox.place import Place, publish, remove_empty_claim
from sealdrop.core.errors import ConfigurationError, Problem, StorageFailure, TemporaryFailure
from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId, is_submission_id
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Claimed

#: The folder says no. Our own disk is not in doubt.
_REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ESTALE, errno.ENOTDIR}


class FolderOutbox:
    """Implements ``ports.intake.Outbox`` for a folder on the mount of the spool.

    Args:
        name: configured name, also of the folder in ``work/``.
        folder: the outbox.
        root: root of the spool, which holds ``work/``.
        convention: what names mean.
        clock: tells stale names.
        results: where the producer's answers go; by default ``results/`` in the outbox.

    Raises:
        ConfigurationError: outbox and spool are not on one mount.
        NoSpace, StorageFailure: ``work/<name>/`` cannot be made.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        root: Path,
        *,
        convention: Convention,
        clock: Clock,
        results: Path | None = None,
    ) -> None:
        self._name = name
        self._convention = convention
        self._clock = clock
        self._results = results or folder / RESULTS
        self._looker = Looker(convention)
        self._work = root / "work" / name
        with Folder.open(root / "work") as work:
            work.make(name).close()
            work.sync()  # a process that died between making and syncing it must not cost us a claim
        self._place = Place(folder, self._prove_rename)
        with suppress(TemporaryFailure):  # a folder that is not there yet is for ``look`` to report
            self._open_on_one_mount().close()
            self._remove_spent_markers()

    @property
    def name(self) -> str:
        """Configured name of the outbox."""
        return self._name

    def probe(self) -> None:
        """Prove that a file of the outbox can be claimed, by a real rename that leaves nothing.

        Raises:
            TemporaryFailure: the folder is gone, replaced or refuses. ConfigurationError: not on one mount.
        """
        with self._open_on_one_mount() as folder:
            try:
                self._prove_rename(folder)
            except StorageFailure as error:
                message = f"nothing can be claimed: {error.what}"
                raise TemporaryFailure(message, where=error.where, hint=error.hint) from error

    def look(self) -> Iterator[Observation | LeftAlone]:
        """See ``Outbox.look``."""
        with self._place.open() as folder:
            try:
                yield from self._looker.look(folder, self._clock.now().timestamp())
            except StorageFailure as error:
                raise TemporaryFailure(error.what, where=error.where, hint=error.hint) from error

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        """See ``Outbox.claim`` and the module text."""
        with self._place.open() as folder, Folder.open(self._work) as work:
            if not _is_still(folder, observed):
                return False
            if not self._take(folder, work, observed.name, submission):
                return False
            if observed.marked and self._convention.marker is not None:
                _remove_marker(folder, observed.name + self._convention.marker)
        return True

    def fetch(self, claimed: Claimed, max_bytes: int) -> None:
        """See ``Outbox.fetch``: the claim's rename has brought the file in."""

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        """See ``Outbox.publish_result``."""
        publish(self._results, file_name, submission, files)

    def _take(self, folder: Folder, work: Folder, name: str, submission: SubmissionId) -> bool:
        taken = False
        try:
            with work.make(submission) as home, home.make("dropped") as dropped:
                taken = folder.rename(name, dropped, name)
                if taken:
                    dropped.sync()
                    folder.sync()
        except StorageFailure as error:
            if _errno(error) not in _REFUSALS:
                raise
            message = f"the outbox refuses the claim: {error.what}"
            raise TemporaryFailure(message, where=error.where, hint=error.hint) from error
        finally:
            if not taken:
                remove_empty_claim(work, submission, "dropped")
        return taken

    def _prove_rename(self, folder: Folder) -> None:
        with Folder.open(self._work) as work:
            probe_rename(folder, work)

    def _open_on_one_mount(self) -> Folder:
        """Open the folder; being on another mount is a mistake only a person can mend, and is said so at the start."""
        try:
            return self._place.open()
        except TemporaryFailure as error:
            if _errno(error) != errno.EXDEV:
                raise
            problem = Problem(
                path=f"outbox.{self._name}",
                what=f"{shown(self._place.path)} and {shown(self._work)} are not on one mount",
                hint="Put the outbox under the spool's root, or declare it as remote; two bind mounts do not do",
            )
            raise ConfigurationError([problem]) from error

    def _remove_spent_markers(self) -> None:
        marker = self._convention.marker
        if marker is None:
            return
        with self._place.open() as folder, Folder.open(self._work) as work:
            for submission in filter(is_submission_id, work.names()):
                with work.child(submission) as home:
                    if home.stat("dropped") is None:
                        continue  # being filed, so its marker went long ago
                    with home.child("dropped") as dropped:
                        for name in dropped.names():
                            ours, mark = dropped.stat(name), folder.stat(name + marker)
                            if ours is not None and mark is not None and mark.st_ctime_ns <= ours.st_ctime_ns:
                                _remove_marker(folder, name + marker)


def _is_still(folder: Folder, observed: Observation) -> bool:
    status = folder.stat(observed.name)
    return status is not None and (status.st_dev, status.st_ino) == (observed.device, observed.inode)


def _errno(error: BaseException | None) -> int | None:
    """Return the number of the system's error that is at the bottom of ours."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error.errno if error is not None else None


def _remove_marker(folder: Folder, name: str) -> None:
    """Remove a spent marker; one that cannot be removed is reported by ``look`` when it is old."""
    with suppress(StorageFailure):
        folder.remove(name)
