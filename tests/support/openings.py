"""Learning from the kernel whether anybody opens a file, to prove that nobody did."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from support.waiting import wait_until


class Openings(FileSystemEventHandler):
    """Counts how often a file is opened, by whomever, while the block lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = 0
        self._observer = Observer()
        self._observer.schedule(self, str(path.parent), event_filter=[FileOpenedEvent])

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._opened += Path(str(event.src_path)) == self._path

    def by_others(self) -> int:
        """Open it once, which shows that openings are seen, and return how many came before.

        Raises:
            AssertionError: our own opening was not seen.
        """
        before = self._opened
        self._path.open("rb").close()
        wait_until(lambda: self._opened > before, what="the notice of our own opening")
        return self._opened - 1

    def __enter__(self) -> Self:
        self._observer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.stop()
        self._observer.join()
