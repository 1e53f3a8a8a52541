"""The line that a finding is about, with a caret under the cell: for whoever stands before the file with a terminal.

A view shows no more than privacy allows: a cell is shown when it certainly belongs to a public column, of a header what
the profile knows; every other cell is ``•••``, so that the line keeps its shape. Where quotes or delimiters are what is
wrong, nobody can say which cell is whose, and the whole line is shown only when nothing in the profile is private.
Control characters are escaped, long lines cut around the cell, and no more than ``LINE_BYTES`` of a line are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from unicodedata import combining, east_asian_width

from sealdrop.core.verdict import Finding
from sealdrop.rules.findings import printable
from sealdrop.rules.lines import CODECS
from sealdrop.rules.profile import Profile

LINE_BYTES = 64 * 1024  # kept of one line
WIDTH = 80  # columns of a view, its number aside
CELL_WIDTH = 48  # columns of the cell under the caret
HIDDEN = "•••"
_BEFORE = 30  # columns kept before the cell when a line is cut
_NO_PLACE = (
    "header.",
    "sheet.trailing-columns",
    "row.width",
)  # the cells are not where they belong, or there are too many


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One cell as written: its text with quotes, and whether its end is certain."""

    text: str
    closed: bool


class LineViews:
    """Shows lines of one file.

    Args:
        profile: what the file should be.
        lines: the wanted lines and the first one, from ``pick_lines``.
    """

    def __init__(self, profile: Profile, lines: dict[int, bytes]) -> None:
        self._profile = profile
        self._lines = lines
        self._private = any(column.privacy != "public" for column in profile.columns) or (
            profile.extra_columns == "allow"
        )
        if profile.header == "none":
            self._names = [column.name for column in profile.columns]
        else:
            self._names = [self._bare(cell.text) for cell in self._cells(1)]

    def of(self, finding: Finding) -> list[str]:
        """Return the line of a finding and, where it names a cell, a line with carets; nothing without a line."""
        if finding.line is None or finding.line not in self._lines:
            return []
        cells = self._cells(finding.line)
        shown = list(self._shown(finding, cells))
        delimiter = printable(self._profile.dialect.delimiter)
        target = self._target(finding.column)
        number = f"{finding.line:>6} | "
        if target is None or target >= len(shown):
            return [number + _head(delimiter.join(shown), WIDTH)]
        before = "".join(text + delimiter for text in shown[:target])
        cell = _head(shown[target], CELL_WIDTH)
        after = "".join(delimiter + text for text in shown[target + 1 :])
        if _width(before + cell + after) > WIDTH:
            before = _tail(before, _BEFORE)
            after = _head(after, WIDTH - _width(before + cell))
        mark = " " * _width(before) + "^" * max(1, _width(cell))
        return [number + before + cell + after, f"{'':6} | {mark}"]

    def _cells(self, number: int) -> list[_Cell]:
        """Part a line at its delimiters, as far as its quotes let that be done."""
        raw = self._lines.get(number, b"")
        text = raw.decode(CODECS[self._profile.dialect.encoding], "backslashreplace").removeprefix("\ufeff")
        return list(_parted(text, self._profile.dialect.delimiter, self._profile.dialect.quote))

    def _shown(self, finding: Finding, cells: Sequence[_Cell]) -> Iterator[str]:
        """Return what may be shown of each cell."""
        for place, cell in enumerate(cells):
            if not cell.text or not self._private:
                yield printable(cell.text)
            elif finding.line == 1 and self._profile.header != "none":
                yield printable(cell.text) if self._profile.column(self._bare(cell.text)) else HIDDEN
            elif self._certain(finding, cells) and cell.closed and self._public(place):
                yield printable(cell.text)
            else:
                yield HIDDEN

    def _certain(self, finding: Finding, cells: Sequence[_Cell]) -> bool:
        """Tell whether each cell stands at its column's place: the line begins a row that could be read."""
        fits = len(cells) == len(self._names) or (len(cells) < len(self._names) and not cells[-1].closed)
        return fits and finding.record is not None and not finding.rule.startswith(_NO_PLACE)

    def _public(self, place: int) -> bool:
        column = self._profile.column(self._names[place])
        return column is not None and column.privacy == "public" and self._names.count(column.name) == 1

    def _target(self, column: str | None) -> int | None:
        """Return the position of a finding's column; None when it names none of this file."""
        if column in self._names:
            return self._names.index(column)
        number = (column or "").removeprefix("column ")
        return int(number) - 1 if number.isdecimal() else None

    def _bare(self, text: str) -> str:
        quote = self._profile.dialect.quote
        inside = text[1:-1] if len(text) > 1 and text.startswith(quote) and text.endswith(quote) else text
        return inside.replace(quote * 2, quote)


def pick_lines(chunks: Iterable[bytes], wanted: Collection[int]) -> dict[int, bytes]:
    """Return the wanted physical lines of a file, and always the first; of a long one its beginning.

    Lines are counted as ``lines`` counts them: each ends with LF, CRLF or a lone CR.
    """
    numbers = {1, *wanted}
    last = max(numbers)
    found: dict[int, bytes] = {}
    number, held, half = 1, bytearray(), False
    for chunk in chunks:
        data = chunk.removeprefix(b"\n") if half else chunk
        half = chunk.endswith(b"\r")
        pieces = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for place, piece in enumerate(pieces):
            if number in numbers:
                held += piece[: LINE_BYTES - len(held)]
            if place < len(pieces) - 1:
                if number in numbers:
                    found[number] = bytes(held)
                    held.clear()
                number += 1
        if number > last:
            break
    if number in numbers:
        found[number] = bytes(held)
    return found


def _parted(text: str, delimiter: str, quote: str) -> Iterator[_Cell]:
    position = 0
    while True:
        end = position
        closed = True
        if text.startswith(quote, position):
            end = _closing(text, quote, position + 1)
            closed = end > 0
            end = end or len(text)
        end = text.find(delimiter, end)
        end = len(text) if end < 0 else end
        yield _Cell(text=text[position:end], closed=closed)
        if end >= len(text):
            return
        position = end + len(delimiter)


def _closing(text: str, quote: str, position: int) -> int:
    """Return the place after a closing quote; 0 when there is none in this line."""
    while (at := text.find(quote, position)) >= 0:
        if not text.startswith(quote, at + 1):
            return at + 1
        position = at + 2
    return 0


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _head(text: str, width: int) -> str:
    """Return the beginning of a text that fits a width, with an ellipsis where something is left out."""
    if _width(text) <= width:
        return text
    ends = accumulate(map(_width, text))
    return "".join(char for char, end in zip(text, ends, strict=True) if end < width) + "…"


def _tail(text: str, width: int) -> str:
    """Return the end of a text in the same way."""
    return _head(text[::-1], width)[::-1]
