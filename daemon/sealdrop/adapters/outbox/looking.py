"""Looking at an outbox: a stream of what is there, each name judged by ``lstat`` alone.

Promises: opens, follows and blocks on nothing; memory does not grow with the number of files. A name is *in progress*
(a configured suffix, a leading dot), *ours* (``results/``, ``.claimed/``, ``.refused/``), a *marker*, *left alone* with
a reason, or an observation.

Names in progress and markers whose file is missing are passed over in silence until they have not changed for
``Convention.stale_seconds``: then somebody has forgotten them, and they are left alone with a reason. A file with
several links is left alone at the second look in a row, because a producer that publishes by link and unlink shows
two names for an instant.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sealdrop.adapters.durable import Folder, guarding, is_leftover, why_not_a_file
from sealdrop.core.file_names import danger
from sealdrop.core.readiness import Observation
from sealdrop.ports.intake import LeftAlone

#: Folders of ours inside an outbox.
RESULTS = "results"
CLAIMED = ".claimed"
REFUSED = ".refused"
_OURS = frozenset({RESULTS, CLAIMED, REFUSED})
#: How many files with several links are remembered between looks; beyond it they are reported at the first look.
_MAX_LINKED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What names mean in one outbox.

    Args:
        accept: globs, matched with case; a name that matches none is left alone.
        in_progress: suffixes of names that the producer is still writing under.
        marker: suffix of completion markers; None when the outbox has none.
        stale_seconds: age from which a name in progress or an orphan marker is reported.
    """

    accept: tuple[str, ...] = ("*",)
    in_progress: tuple[str, ...] = (".part", ".tmp", ".filepart")
    marker: str | None = None
    stale_seconds: float = 3600.0


class Looker:
    """Looks at one outbox, remembering only which files had several links at the last look."""

    def __init__(self, convention: Convention) -> None:
        self._convention = convention
        self._linked: frozenset[tuple[int, int]] = frozenset()

    def look(self, folder: Folder, now: float) -> Iterator[Observation | LeftAlone]:
        """Yield what is in the folder.

        Args:
            folder: the outbox, held open.
            now: seconds since the epoch, to tell stale names by their change time.

        Raises:
            StorageFailure: it cannot be read.
        """
        linked: set[tuple[int, int]] = set()
        with guarding("look into", folder.path), os.scandir(folder.fd) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # withdrawn meanwhile
                seen = self._judge(folder, entry.name, status, now, linked)
                if seen is not None:
                    yield seen
        self._linked = frozenset(linked)

    def _judge(
        self, folder: Folder, name: str, status: os.stat_result, now: float, linked: set[tuple[int, int]]
    ) -> Observation | LeftAlone | None:
        if is_leftover(name) or (name in _OURS and stat.S_ISDIR(status.st_mode)):
            return None
        kind = why_not_a_file(status)
        if kind is not None:
            return LeftAlone(name=name, reason=f"it is {kind}, not a regular file", hint="Drop the file itself")
        unfinished = self._unfinished(folder, name)
        if unfinished is not None:
            stale = now - status.st_ctime >= self._convention.stale_seconds
            return LeftAlone(name=name, reason=unfinished, hint="Finish or remove it") if stale else None
        if self._is_marker(name):
            return None
        return self._unfit(folder, name, status, linked) or self._observe(folder, name, status, linked)

    def _unfinished(self, folder: Folder, name: str) -> str | None:
        """Return what is said of a stale name in progress or orphan marker, or None when the name is neither."""
        if name.startswith("."):
            return "its name begins with a dot, so it counts as not finished, and it has not changed for long"
        if name.endswith(self._convention.in_progress):
            return "its name says that it is not finished, and it has not changed for long"
        if self._is_marker(name) and folder.stat(name.removesuffix(self._convention.marker or "")) is None:
            return "it marks a file that is not there as complete"
        return None

    def _is_marker(self, name: str) -> bool:
        marker = self._convention.marker
        return marker is not None and name.endswith(marker) and name != marker

    def _unfit(
        self, folder: Folder, name: str, status: os.stat_result, linked: set[tuple[int, int]]
    ) -> LeftAlone | None:
        why = danger(name)
        if why is not None:
            hint = "Drop it again under a plain name: letters, digits, dot, dash and underscore are always right"
            return LeftAlone(name=name, reason=f"its name {why}", hint=hint)
        if not any(fnmatchcase(name, glob) for glob in self._convention.accept):
            reason = f"its name fits none of {', '.join(self._convention.accept)}"
            return LeftAlone(name=name, reason=reason, hint="Mend the name, or the outbox's accept setting")
        if status.st_nlink > 1:
            identity = (status.st_dev, status.st_ino)
            if identity in self._linked or len(linked) >= _MAX_LINKED:
                reason = f"it has {status.st_nlink} names (hard links), so somebody else can still reach it"
                linked.add(identity)
                return LeftAlone(name=name, reason=reason, hint="Drop a copy, not a link")
            linked.add(identity)
            return None
        if not os.access(name, os.R_OK, dir_fd=folder.fd, effective_ids=True, follow_symlinks=False):
            owner = (
                f"it belongs to uid {status.st_uid} and gid {status.st_gid} with mode {stat.S_IMODE(status.st_mode):o}"
            )
            hint = "Give the agent's user the right to read it, and the producer a umask that does so from now on"
            gone = folder.stat(name) is None  # what is gone may not be read either
            return None if gone else LeftAlone(name=name, reason=f"we may not read it: {owner}", hint=hint)
        return None

    def _observe(
        self, folder: Folder, name: str, status: os.stat_result, linked: set[tuple[int, int]]
    ) -> Observation | None:
        if (status.st_dev, status.st_ino) in linked:
            return None
        marker = self._convention.marker
        return Observation(
            name=name,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            device=status.st_dev,
            inode=status.st_ino,
            marked=marker is not None and _is_file(folder.stat(name + marker)),
        )


def _is_file(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISREG(status.st_mode)
