"""The folder of an outbox, opened anew for each use and proven to be the one we know.

A folder that is gone, or is another one (removed and made again, unmounted so that the mount point shows), is a
``TemporaryFailure`` that names it. A new folder is taken over when it proves proper, and said once; an empty mount
point never is. The folder is not kept open, or nobody could unmount it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sealdrop.adapters.durable import Folder, shown
from sealdrop.core.errors import StorageFailure, TemporaryFailure
from sealdrop.core.submission import SubmissionId

#: A producer of our group reads its results.
_RESULT_MODE = 0o640


class Place:
    """One folder on the disk, known by device and inode.

    Args:
        path: the folder; its last component is no link.
        proper: raises one of our errors unless the opened folder may be used (right device, renames work).
    """

    def __init__(self, path: Path, proper: Callable[[Folder], None]) -> None:
        self.path = path
        self._proper = proper
        self._known: tuple[int, int] | None = None

    def open(self) -> Folder:
        """Open the folder; the caller closes it.

        Raises:
            TemporaryFailure: it is gone, unreadable, or not the one we know.
        """
        try:
            folder = Folder.open(self.path)
        except StorageFailure as error:
            message = f"the outbox {error.what}"
            raise TemporaryFailure(
                message.replace("outbox cannot", "agent cannot"), where=error.where, hint=error.hint
            ) from error
        try:
            self._recognise(folder)
        except BaseException:
            folder.close()
            raise
        return folder

    def _recognise(self, folder: Folder) -> None:
        identity = folder.identity
        if identity == self._known:
            return
        before = self._known
        try:
            self._proper(folder)
        except StorageFailure as error:
            message = f"the folder there now cannot serve as outbox: {error.what}"
            raise TemporaryFailure(message, where=shown(self.path), hint=error.hint) from error
        self._known = identity
        if before is not None:
            message = "the outbox is another folder than before; the new one is used from the next look on"
            raise TemporaryFailure(message, where=shown(self.path), hint="Nothing to do if you replaced it on purpose")


def publish(results: Path, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
    """Write result files for the producer, each whole, in the given order; see ``Outbox.publish_result``.

    Raises:
        TemporaryFailure: the results folder cannot be written.
    """
    try:
        with Folder.open(results) as folder:
            named = [(f"{file_name}.{submission}{suffix}", data) for suffix, data in files]
            folder.replace_all(named, mode=_RESULT_MODE)
    except StorageFailure as error:
        message = f"the producer's results cannot be written: {error.what}"
        raise TemporaryFailure(message, where=error.where, hint=error.hint) from error


def remove_empty_claim(work: Folder, submission: SubmissionId, inner: str) -> None:
    """Remove the folders of a claim that did not happen; what cannot be removed now is removed at the next start."""
    with suppress(StorageFailure):
        with work.child(submission) as home:
            home.remove_empty(inner)
        work.remove_empty(submission)
