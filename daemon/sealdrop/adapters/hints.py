"""Hints from inotify, through watchdog: they make the next sweep sooner, and nothing depends on them.

Only what can mean a complete file is asked of the kernel: a file closed after writing, and a rename in. watchdog's own
masks ask for renames *out* as well and hold each of them back for half a second, and everything behind it, to find
its other half; every claim is a rename out, so every claim would delay the next file's hint.

What cannot be hinted is left to the sweep: hard links, files on file systems that another host may change (they are
not watched at all), what was lost when the kernel's queue overflowed (that itself is a hint), and a folder that is
missing. ``alive`` turns False when a thread of the watch died, or a folder came, went or was replaced since ``start``;
stopping and starting then watches what is there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

from sealdrop.adapters.durable import is_remote
from sealdrop.core.errors import StorageFailure

_OVERFLOW_LOGGER = "watchdog.observers.inotify_c"
#: The folder's own end is asked for because watchdog ends the watch on it.
_ARRIVALS = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_ONLYDIR
)
_STOP_SECONDS = 5.0


class WatchHints:
    """Implements ``ports.intake.Hints`` for the folders of several outboxes."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._watch: _Watch | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """See ``Hints.start``. Where the kernel grants no watch, there are no hints and ``alive`` is False."""
        self.stop()
        with suppress(OSError):  # no more inotify instances for this user
            self._watch = _Watch(self._folders, wake)

    def stop(self) -> None:
        """See ``Hints.stop``."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()

    def alive(self) -> bool:
        """See ``Hints.alive``."""
        return self._watch is not None and self._watch.alive()


class _Watch:
    """One start of the hints, with its threads and what it found on the disk."""

    def __init__(self, folders: Sequence[Path], wake: Callable[[], None]) -> None:
        self._overflow = _OverflowFilter(wake)
        self._observer = _ArrivalObserver()
        logger = logging.getLogger(_OVERFLOW_LOGGER)
        logger.addFilter(self._overflow)
        self._observer.start()
        self._found = {folder: _identity(folder) for folder in folders}
        self._local = [folder for folder, identity in self._found.items() if identity is not None and _is_local(folder)]
        handler = _Wake(wake)
        for folder in filter(_is_readable, self._local):
            with suppress(OSError):  # gone again, or out of watches: ``alive`` tells
                self._observer.schedule(handler, os.fspath(folder), recursive=False)

    def alive(self) -> bool:
        if not (self._observer.is_alive() and self._observer.reading):
            return False
        if any(_identity(folder) != identity for folder, identity in self._found.items()):
            return False
        wanted = sum(map(_is_readable, self._local))  # what is still the same folder is still local
        return sum(emitter.is_alive() for emitter in self._observer.emitters) == wanted

    def stop(self) -> None:
        logging.getLogger(_OVERFLOW_LOGGER).removeFilter(self._overflow)
        self._observer.stop()
        self._observer.join(_STOP_SECONDS)


class _ArrivalEmitter(InotifyEmitter):
    """watchdog's emitter with a mask of our own."""

    def get_event_mask_from_filter(self) -> Mask:
        return _ARRIVALS


class _ArrivalObserver(BaseObserver):
    """watchdog's ``InotifyObserver``, which would choose its own emitter."""

    def __init__(self) -> None:
        self._inotify = InotifyFD()
        self._inotify.start()
        super().__init__(_ArrivalEmitter, inotify_fd=self._inotify)

    @property
    def reading(self) -> bool:
        """True while the thread that reads from the kernel lives."""
        return self._inotify.is_alive()

    def on_thread_stop(self) -> None:
        super().on_thread_stop()
        self._inotify.stop()
        self._inotify.join(_STOP_SECONDS)


class _Wake(FileSystemEventHandler):
    """Turns any event into one call."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - the sweep finds out what happened
        self._wake()


class _OverflowFilter(logging.Filter):
    """Takes the warning that events were lost for what it is, a reason to look; it does not reach the journal."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def filter(self, record: logging.LogRecord) -> bool:
        if "overflow" not in record.getMessage():
            return True
        self._wake()
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_local(folder: Path) -> bool:
    """Tell whether the kernel hears of every arrival. Reads the table of mounts, so it is asked once for a folder."""
    try:
        return folder.is_dir() and not is_remote(folder)
    except StorageFailure:
        return False


def _is_readable(folder: Path) -> bool:
    """Tell whether we may watch a folder; watchdog itself is silent when we may not."""
    return os.access(folder, os.R_OK)
