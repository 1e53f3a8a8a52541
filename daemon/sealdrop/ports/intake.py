"""The outbox side: what a folder shows, how a file becomes ours, how the producer gets its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.spool import Claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A name in the outbox that is not taken (link, device, dangerous or unknown name), and why."""

    name: str
    reason: str
    hint: str


class Outbox(Protocol):
    """One folder that a producer fills."""

    @property
    def name(self) -> str:
        """Configured name of the outbox."""
        ...

    def look(self) -> Iterator[Observation | LeftAlone]:
        """Yield what is in the folder now, oldest name order not guaranteed.

        MUST NOT open, follow or block on anything; MUST use memory independent of the number of files;
        MUST skip names of ours (``results/``, ``.claimed/``, ``.refused/``) and the names of completion markers.

        Raises:
            TemporaryFailure: the folder is gone, replaced or unreadable; other outboxes go on.
        """
        ...

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        """Make the file ours by one rename, durably; from then on ``Spool.claimed`` knows of it.

        On the spool's mount the rename is into ``work/<outbox>/<submission>/dropped/``; on another one it is inside the
        outbox, and ``fetch`` brings the bytes in. MUST be quick, whatever the file's size: the agent's loop waits for
        it. MUST return False when the file is gone or is no longer the observed inode. Whatever was moved is ours:
        should somebody have swapped the name in that instant, ``fetch`` or ``Spool.snapshot`` judges what it is. A
        completion marker is removed only after the claim is durable. A claimed file is never put back.

        Raises:
            TemporaryFailure: the folder refuses the rename; other outboxes go on.
            NoSpace, StorageFailure: our side of it could not be written or synced.
        """
        ...

    def fetch(self, claimed: Claimed, max_bytes: int) -> None:
        """Bring a claimed file into ``work/<outbox>/<submission>/dropped/`` if it is not there, and prove the copy.

        Comes before ``Spool.snapshot``, in a worker's thread, and may take long. MUST be callable from several
        threads for different files, and MUST be harmless when repeated, by this process or a later one. The original
        is removed only after the copy is durable and proven, and MUST never be taken a second time.

        Raises:
            NotYet: a writer still has it open, or it changed while being copied.
            Unacceptable: as ``Spool.snapshot``; the file waits in the outbox, where the error says.
            TemporaryFailure: the outbox cannot be reached or read now.
            NoSpace, StorageFailure: the copy could not be made durable.
        """
        ...

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        """Write the producer's result files (suffix, content) atomically under ``results/``.

        The names are ``<file_name>.<submission><suffix>``; writing the same result twice MUST be harmless.

        Raises:
            TemporaryFailure: the results folder cannot be written; the submission itself is not affected.
        """
        ...


class Hints(Protocol):
    """Something that says "look sooner". It may lose every hint; no file may depend on it."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to call ``wake`` from another thread whenever a look may be worthwhile."""
        ...

    def stop(self) -> None:
        """Stop calling; MUST be safe to call twice."""
        ...

    def alive(self) -> bool:
        """Tell whether hints can still come; the flow restarts a dead one and says so once."""
        ...
