"""Bytes to whole lines of text: encoding, byte order mark, line ends, and what is not text at all.

The reader takes chunks of any size, works on blocks of ``BLOCK_BYTES`` and never holds more than one block and one
unfinished line, so memory is independent of the file's size and the chunks' boundaries never show. A line ends with LF,
CRLF or a lone CR, and each counts as one physical line, as a text editor counts. Lines come in batches for speed.

What cannot be read ends the stream with one ``Fault`` that says where; the lines before it have been given out. What is
merely not as the profile demands (a byte order mark) is a ``Fault`` that does not end it. Which line ends are right is
left to ``csv_text``, because inside quotes they are content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sealdrop.rules.profile import Bounds, Dialect

BLOCK_BYTES = 64 * 1024
HEAD_BYTES = 16  # enough to recognise a byte order mark and the signatures below; a block is never shorter

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
CODECS = {"utf-8": "utf-8", "ascii": "ascii", "windows-1252": "cp1252"}
_ENDS = re.compile(r"(\r\n|\r|\n)")
_SIGNATURES = (
    (b"PK\x03\x04", "a workbook or other ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"-----BEGIN PGP", "an OpenPGP message; sealing is done here, not before"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong with the text itself.

    Args:
        rule: registered id. message: one sentence that holds no content.
        line: physical line, from 1; None for the file as a whole.
        field: position of the cell in its record, from 0, when it is certain.
        fatal: nothing sensible can follow, and nothing does.
    """

    rule: str
    message: str
    line: int | None = None
    field: int | None = None
    fatal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A batch of consecutive lines.

    Args:
        first: physical number of the first one.
        texts: without their ends.
        ends: one kind for all, or one for each; the last line of a file may have none ("").
        quoted: the quote character occurs somewhere in the batch.
    """

    first: int
    texts: Sequence[str]
    ends: str | Sequence[str]
    quoted: bool


def read_lines(
    chunks: Iterable[bytes], dialect: Dialect, bounds: Bounds, block_bytes: int = BLOCK_BYTES
) -> Iterator[Lines | Fault]:
    """Yield the lines of a file in order, and faults where they are; nothing after a fatal one."""
    blocks = _blocks(chunks, max(block_bytes, HEAD_BYTES))
    head = next(blocks, b"")
    for fault in _recognise(head, dialect):
        yield fault
        if fault.fatal:
            return
    decoder = _Decoder(dialect, bounds)
    rest = b""
    for block in chain((head.removeprefix(_UTF8_BOM),), blocks):
        data = rest + block
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1  # a last CR may be half a CRLF
        yield from decoder.decode(data[:cut])
        rest = data[cut:]
        if len(rest) > bounds.line_bytes + 1 and not decoder.failed:  # one more: that CR
            yield decoder.too_long()
        if decoder.failed:
            return
    yield from decoder.decode(rest)


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut and join chunks to blocks of one size; only the last one may be shorter."""
    parts: list[bytes] = []
    length = 0
    for chunk in chunks:
        view = memoryview(chunk)
        while length + len(view) >= size:
            parts.append(bytes(view[: size - length]))
            yield b"".join(parts)
            view = view[size - length :]
            parts, length = [], 0
        if view:
            parts.append(bytes(view))
            length += len(view)
    if parts:
        yield b"".join(parts)


def _recognise(head: bytes, dialect: Dialect) -> Iterator[Fault]:
    """Look at the first block: is it text, and has it a byte order mark?"""
    if head.startswith(_UTF16_BOMS) or _looks_utf16(head):
        yield Fault(rule="csv.utf-16", message="the file is UTF-16 text (as “Unicode text” exports are)")
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            yield Fault(rule="file.not-csv", message=f"the file is {what}")
    marked = head.startswith(_UTF8_BOM)
    if marked and dialect.bom == "forbidden":
        message = "the file begins with a byte order mark"
        yield Fault(rule="csv.bom-forbidden", message=message, line=1, fatal=False)
    if head and not marked and dialect.bom == "required":
        message = "the file does not begin with a byte order mark"
        yield Fault(rule="csv.bom-missing", message=message, line=1, fatal=False)


class _Decoder:
    """The state of one reading: the number of the next line, and whether it has failed."""

    def __init__(self, dialect: Dialect, bounds: Bounds) -> None:
        self.failed = False
        self._line = 1
        self._dialect = dialect
        self._codec = CODECS[dialect.encoding]
        self._bound = bounds.line_bytes

    def decode(self, data: bytes) -> Iterator[Lines | Fault]:
        """Yield the lines of ``data``, which begins at a line's start; at the first bad byte, those before its line."""
        bad = self._first_bad(data)
        if bad is None:
            yield from self._lines(data.decode(self._codec))
            return
        start = max(data.rfind(b"\n", 0, bad), data.rfind(b"\r", 0, bad)) + 1
        yield from self._lines(data[:start].decode(self._codec))
        if self.failed:
            return
        ends = (data.find(b"\n", bad), data.find(b"\r", bad))
        end = min((end for end in ends if end >= 0), default=len(data))
        yield self.too_long() if end - start > self._bound else self._bad_byte(data[start:bad], data[bad])

    def too_long(self) -> Fault:
        """End the reading at a line beyond its bound."""
        return self._fail("csv.line-too-long", f"the line is longer than {self._bound} bytes")

    def _first_bad(self, data: bytes) -> int | None:
        nul = data.find(0)
        try:
            data.decode(self._codec)
        except UnicodeDecodeError as error:
            return error.start if nul < 0 else min(nul, error.start)
        return None if nul < 0 else nul

    def _bad_byte(self, before: bytes, byte: int) -> Fault:
        text = before.decode(self._codec)
        field = text.count(self._dialect.delimiter) if self._dialect.quote not in text else None
        where = f"character {len(text) + 1} of the line"
        if byte == 0:
            return self._fail("csv.nul", f"{where} is NUL", field)
        return self._fail("csv.encoding", f"{where} (byte 0x{byte:02X}) is not {self._dialect.encoding} text", field)

    def _lines(self, text: str) -> Iterator[Lines | Fault]:
        if not text:
            return
        texts, ends = _split(text)
        within = self._within(texts)
        if within:
            ends = ends if isinstance(ends, str) else ends[:within]
            yield Lines(first=self._line, texts=texts[:within], ends=ends, quoted=self._dialect.quote in text)
        self._line += within
        if within < len(texts):
            yield self.too_long()

    def _within(self, texts: Sequence[str]) -> int:
        """Count the lines before the first one beyond the bound; a character takes four bytes at most."""
        if max(map(len, texts)) * 4 <= self._bound:
            return len(texts)
        return next((i for i, text in enumerate(texts) if len(text.encode(self._codec)) > self._bound), len(texts))

    def _fail(self, rule: str, message: str, field: int | None = None) -> Fault:
        self.failed = True
        return Fault(rule=rule, message=message, line=self._line, field=field)


def _looks_utf16(head: bytes) -> bool:
    """Tell whether every other byte of the first four is NUL, as in UTF-16 text without a byte order mark."""
    zeros = [byte == 0 for byte in head[:4]]
    return zeros in ([False, True, False, True], [True, False, True, False])


def _split(text: str) -> tuple[list[str], str | list[str]]:
    """Split text into lines and their ends; one kind for all where that is so."""
    feeds, returns = text.count("\n"), text.count("\r")
    end = "\n" if returns == 0 else "\r\n"
    if text.endswith(end) and (returns == 0 or text.count("\r\n") == feeds == returns):
        texts = text.split(end)
        texts.pop()
        return texts, end
    pieces = _ENDS.split(text)
    if pieces[-1] == "":
        return pieces[:-1:2], pieces[1::2]
    return pieces[::2], [*pieces[1::2], ""]
