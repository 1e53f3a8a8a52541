"""Lines to records: RFC 4180 in the profile's dialect, with the truth about where everything stands.

Records come in runs, each with the physical line it begins on, so that quoted line breaks never shift a number. A
batch of lines without a quote takes a short way through ``str.split``; every other one is read line by line, by the
same rules. What is promised: the same bytes give the same runs and faults whatever the chunks were.

A quote that is never closed is reported at the line where it *opened*: at the end of the file, when the cell passes its
bound, or when text follows the closing quote on a later line, which then belongs to another cell. Such a fault ends
the stream. What can be read nevertheless (mixed line ends, a stray quote) is reported once and reading goes on.
Nothing here judges a cell's content; that is ``engine``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sealdrop.rules.lines import BLOCK_BYTES, Fault, Lines, read_lines
from sealdrop.rules.profile import Bounds, Dialect

_END_NAMES = {"\n": "LF", "\r\n": "CRLF", "\r": "CR alone"}
_WANTED_ENDS = {"lf": ("\n",), "crlf": ("\r\n",), "either": ("\n", "\r\n")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive records.

    Args:
        lines: physical line on which each record begins, from 1.
        rows: the cells of each record; an empty line is one empty cell.
    """

    lines: Sequence[int]
    rows: Sequence[list[str]]


def read_records(
    chunks: Iterable[bytes], dialect: Dialect, bounds: Bounds, block_bytes: int = BLOCK_BYTES
) -> Iterator[Run | Fault]:
    """Yield the records of a file in order, and faults where they are.

    After a fatal fault nothing follows; the records before it have been given out.
    """
    reader = _Reader(dialect, bounds)
    for item in read_lines(chunks, dialect, bounds, block_bytes):
        if isinstance(item, Fault):
            yield item
            if item.fatal:
                return
            continue
        for result in reader.take(item):
            yield result
            if isinstance(result, Fault) and result.fatal:
                return
    yield from reader.finish()


class _Reader:
    """The state between lines: a record begun and not yet complete, and what has been said already."""

    def __init__(self, dialect: Dialect, bounds: Bounds) -> None:
        self._dialect = dialect
        self._bounds = bounds
        self._codec_width = 1 if dialect.encoding != "utf-8" else 4  # most bytes of one character
        self._end: str | None = None
        self._said: set[str] = set()
        self._cells: list[str] = []
        self._began = 0  # line on which the record began
        self._open = False  # inside a quoted cell
        self._parts: list[str] = []  # of that cell
        self._held = 0  # bytes in those parts
        self._opened = 0  # line on which that quote opened
        self._faults: list[Fault] = []

    def take(self, batch: Lines) -> Iterator[Run | Fault]:
        """Read one batch of lines."""
        short = self._short_way(batch)
        if short is not None:
            yield short
            return
        lines: list[int] = []
        rows: list[list[str]] = []
        for place, text in enumerate(batch.texts):
            number = batch.first + place
            end = batch.ends if isinstance(batch.ends, str) else batch.ends[place]
            complete = self._line(text, end, number)
            if complete:
                self._judge(end, number)
            if self._faults:
                if rows:
                    yield Run(lines=lines, rows=rows)
                    lines, rows = [], []
                yield from sorted(self._faults, key=lambda fault: fault.fatal)  # after a fatal one nobody asks for more
                self._faults = []
            if complete:
                lines.append(self._began)
                rows.append(self._cells)
                self._cells = []
        if rows:
            yield Run(lines=lines, rows=rows)

    def finish(self) -> Iterator[Fault]:
        """Say what the end of the file reveals."""
        if self._open:
            yield self._unbalanced("the quote opened here is never closed")

    def _short_way(self, batch: Lines) -> Run | None:
        """Read a batch that holds no quote and nothing to complain of; None when it must be read line by line."""
        end = batch.ends
        if batch.quoted or self._open or self._dialect.quoting == "required" or not isinstance(end, str):
            return None
        if end != self._end and (self._end is not None or end not in _WANTED_ENDS[self._dialect.line_ends]):
            return None
        delimiter = self._dialect.delimiter
        if max(map(len, batch.texts)) * self._codec_width > self._bounds.field_bytes:
            return None
        rows = [text.split(delimiter) for text in batch.texts]
        if max(map(len, rows)) > self._bounds.columns:
            return None
        self._end = end
        return Run(lines=range(batch.first, batch.first + len(rows)), rows=rows)

    def _line(self, text: str, end: str, number: int) -> bool:
        """Read one physical line into the record under way; True when that completes it."""
        if not self._open:
            self._began = number
            self._cells = []
            if self._dialect.quote not in text:
                self._cells = text.split(self._dialect.delimiter)
                if self._dialect.quoting == "required" and text:
                    self._once("csv.quote-missing", "a cell is not quoted", number, 0)
                return True
        position = self._cell(text, 0, number) if not self._open else self._inside(text, 0)
        while 0 <= position < len(text):
            if text[position] != self._dialect.delimiter:
                self._after_quote(number)
                return False
            position = self._cell(text, position + 1, number)
        if position < 0:
            self._hold(end)
            if self._held > self._bounds.field_bytes:
                bound = self._bounds.field_bytes
                self._faults.append(self._unbalanced(f"the quote opened here is still open {bound} bytes later"))
        return position >= 0

    def _cell(self, text: str, position: int, number: int) -> int:
        """Read one cell; return the place after it, or -1 when the line ends inside its quotes."""
        if not text.startswith(self._dialect.quote, position):
            return self._bare(text, position, number)
        if self._dialect.quoting == "forbidden":
            self._once("csv.quote-forbidden", "a cell is quoted", number, len(self._cells))
        self._open = True
        self._parts = []
        self._held = 0
        self._opened = number
        return self._inside(text, position + 1)

    def _bare(self, text: str, position: int, number: int) -> int:
        """Read a cell without quotes around it; return where it ends."""
        end = text.find(self._dialect.delimiter, position)
        end = len(text) if end < 0 else end
        cell = text[position:end]
        if self._dialect.quote in cell:
            message = "a quote stands inside a cell that is not quoted"
            self._faults.append(
                Fault(rule="csv.stray-quote", message=message, line=number, field=len(self._cells), fatal=False)
            )
        if self._dialect.quoting == "required":
            self._once("csv.quote-missing", "a cell is not quoted", number, len(self._cells))
        self._cells.append(cell)
        return end

    def _inside(self, text: str, position: int) -> int:
        """Read on inside a quoted cell; return the place after the closing quote, or -1 when the line ends first."""
        quote = self._dialect.quote
        while True:
            at = text.find(quote, position)
            if at < 0:
                self._hold(text[position:])
                return -1
            if not text.startswith(quote, at + 1):
                self._cells.append("".join((*self._parts, text[position:at])))
                self._open = False
                return at + 1
            self._hold(text[position : at + 1])
            position = at + 2

    def _hold(self, part: str) -> None:
        self._parts.append(part)
        self._held += self._size(part)

    def _after_quote(self, number: int) -> None:
        if self._opened == number:
            message = "text follows the closing quote of a cell"
            self._faults.append(
                Fault(rule="csv.text-after-quote", message=message, line=number, field=len(self._cells) - 1)
            )
            return
        self._cells.pop()
        self._faults.append(self._unbalanced(f"the quote opened here takes in the lines up to {number}"))

    def _judge(self, end: str, number: int) -> None:
        """Check a complete record against the bounds, and its line end against the profile."""
        bounds = self._bounds
        if len(self._cells) > bounds.columns:
            message = f"the row has {len(self._cells)} cells, more than {bounds.columns}"
            self._faults.append(Fault(rule="csv.too-many-columns", message=message, line=self._began))
        for place, cell in enumerate(self._cells):
            if self._size(cell) > bounds.field_bytes:
                message = f"the cell is longer than {bounds.field_bytes} bytes"
                self._faults.append(Fault(rule="csv.field-too-long", message=message, line=self._began, field=place))
                break
        if not end:
            return
        if self._end is None:
            self._end = end
            if end not in _WANTED_ENDS[self._dialect.line_ends]:
                message = f"lines end with {_END_NAMES[end]}, not with {self._dialect.line_ends.upper()}"
                if self._dialect.line_ends == "either":
                    message = f"lines end with {_END_NAMES[end]}, not with LF or CRLF"
                self._once("csv.line-ends-wrong", message, number)
        elif end != self._end:
            message = f"the line ends with {_END_NAMES[end]}, the lines before with {_END_NAMES[self._end]}"
            self._once("csv.line-ends-mixed", message, number)

    def _once(self, rule: str, message: str, line: int, field: int | None = None) -> None:
        """Say something that would be true of a thousand lines for the first one only."""
        if rule not in self._said:
            self._said.add(rule)
            self._faults.append(Fault(rule=rule, message=message, line=line, field=field, fatal=False))

    def _unbalanced(self, message: str) -> Fault:
        return Fault(rule="csv.unbalanced-quote", message=message, line=self._opened, field=len(self._cells))

    def _size(self, text: str) -> int:
        """Bytes of ``text`` in the file, quotes not counted."""
        return len(text) if text.isascii() or self._codec_width == 1 else len(text.encode())
