"""The outbox side: what a folder shows, how a file becomes ours, how the producer gets its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId


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
        MUST skip names of ours (``results/``, ``.claimed/``) and the names of completion markers.

        Raises:
            TemporaryFailure: the folder is gone, replaced or unreadable; other outboxes go on.
        """
        ...

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        """Move the file into ``work/<outbox>/<submission>/dropped/`` by one rename and sync both directories.

        MUST return False when the file is gone or is no longer the observed inode. Whatever was moved is ours: should
        somebody have swapped the name in that instant, ``Spool.snapshot`` judges what it is. A completion marker is
        removed only after the claim is durable. A claimed file is never put back.

        Raises:
            TemporaryFailure: the folder refuses the rename; other outboxes go on.
            NoSpace, StorageFailure: our side of it could not be written or synced.
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
