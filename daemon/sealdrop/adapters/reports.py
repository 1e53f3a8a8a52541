"""The shelf of imported reports: ``reports/<sha256>.csv`` and, once it counts, ``reports/<sha256>.keys`` beside it.

A ``.keys`` file holds the sixteen-byte keys of the report's communications, sorted and each once; it appears whole,
after the copy is durable, and only then is the report known. Nothing is ever changed: equal bytes are equal names. A
copy without keys is what an import left that was refused or died, and does no harm.

A look-up reads an index from end to end when many keys are wanted, else it bisects, so that it costs little either way
and holds no index in memory. Fails with ``StorageFailure`` when the folder or an index cannot be read.
"""

from __future__ import annotations

import mmap
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from sealdrop.adapters.durable import Folder, guarding, make_dirs, read_foreign
from sealdrop.core.errors import Unacceptable
from sealdrop.ports.reports import TakenReport

KEY_BYTES = 16
_CHUNK = KEY_BYTES * 16_384
_STEPS = 32  # a bisection costs about as much as reading so many keys
_INDEX = re.compile(r"[0-9a-f]{64}\.keys")


class ReportShelf:
    """Implements ``ports.reports.Reports``.

    Args:
        folder: of the reports; made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, file: Path, max_bytes: int) -> TakenReport:
        """See ``Reports.take``."""
        if not self._folder.is_dir():
            make_dirs(self._folder)
        try:
            source = file.parent.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise Unacceptable("there is no such folder", where=str(file.parent)) from error
        with Folder.open(source) as there, Folder.open(self._folder) as shelf, shelf.draft() as draft:
            reading = read_foreign(there, file.name, draft.write, max_bytes=max_bytes)
            draft.keep(_content(reading.sha256))
        return TakenReport(sha256=reading.sha256, path=self._folder / _content(reading.sha256))

    def index(self, taken: TakenReport, keys: Iterable[bytes]) -> int:
        """See ``Reports.index``."""
        ordered = sorted(set(keys))
        with Folder.open(self._folder) as shelf:
            shelf.replace(_index(taken.sha256), b"".join(ordered))
        return len(ordered)

    def forget(self, taken: TakenReport) -> None:
        """See ``Reports.forget``."""
        with Folder.open(self._folder) as shelf:
            if shelf.stat(_index(taken.sha256)) is None:
                shelf.remove(_content(taken.sha256))

    def known(self) -> KnownReports:
        """See ``Reports.known``."""
        if not self._folder.is_dir():
            return KnownReports(())
        with Folder.open(self._folder) as shelf:
            names = [name for name in shelf.names() if _INDEX.fullmatch(name)]
        return KnownReports(tuple(self._folder / name for name in names))


class KnownReports:
    """Implements ``ports.reports.Known``.

    Args:
        indexes: files of keys.
    """

    def __init__(self, indexes: tuple[Path, ...]) -> None:
        self._indexes = indexes

    @property
    def reports(self) -> int:
        """See ``Known.reports``."""
        return len(self._indexes)

    def without(self, wanted: Mapping[bytes, int]) -> Mapping[bytes, int]:
        """See ``Known.without``."""
        left = dict(wanted)
        for index in self._indexes:
            if not left:
                break
            with guarding("read", index), index.open("rb") as file:
                count = index.stat().st_size // KEY_BYTES
                if len(left) * _STEPS < count:
                    _bisect(file, count, left)
                else:
                    _read(file, left)
        return left


def _bisect(file: BinaryIO, count: int, left: dict[bytes, int]) -> None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:

        def at(place: int) -> bytes:
            return data[place * KEY_BYTES : (place + 1) * KEY_BYTES]

        for key in list(left):
            place = bisect_left(range(count), key, key=at)
            if place < count and at(place) == key:
                del left[key]


def _read(file: BinaryIO, left: dict[bytes, int]) -> None:
    while chunk := file.read(_CHUNK):
        for place in range(0, len(chunk), KEY_BYTES):
            left.pop(chunk[place : place + KEY_BYTES], None)


def _content(sha256: str) -> str:
    return f"{sha256}.csv"


def _index(sha256: str) -> str:
    return f"{sha256}.keys"
