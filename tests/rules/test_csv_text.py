"""The reader tells what is there and where, or says in one fault why it cannot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealdrop.rules.csv_text import Run, read_records
from sealdrop.rules.lines import Fault, Lines, read_lines
from sealdrop.rules.profile import Bounds, Dialect
from support.rule_cases import cut

Record = tuple[int, list[str]]

_CELL = st.text(alphabet='ab7.,;"\r\n é€', max_size=6)
_TABLE = st.lists(st.lists(_CELL, min_size=1, max_size=4), max_size=12)


def read(
    data: bytes, dialect: Mapping[str, str] | None = None, *, bounds: Bounds | None = None, block: int = 16
) -> tuple[list[Record], list[Fault]]:
    records: list[Record] = []
    faults: list[Fault] = []
    spoken = Dialect.model_validate(dialect or {})
    for item in read_records([data], spoken, bounds or Bounds(), block):
        if isinstance(item, Run):
            records += zip(item.lines, item.rows, strict=True)
        else:
            faults.append(item)
    return records, faults


def written(table: Sequence[Sequence[str]], end: str) -> str:
    """Write as RFC 4180 says; Python's own writer leaves a lone CR unquoted when lines end with LF."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text

    return "".join(",".join(map(cell, row)) + end for row in table)


def physical_lines(text: str) -> int:
    """Count line breaks without the reader's own means."""
    return text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


@settings(max_examples=200)
@given(table=_TABLE, end=st.sampled_from(["\n", "\r\n"]), block=st.integers(16, 80))
def test_it_agrees_with_python_on_well_formed_text(table: list[list[str]], end: str, block: int) -> None:
    text = written(table, end)
    expected = [row or [""] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    records, faults = read(text.encode(), block=block)

    assert expected == [row for _, row in records]
    assert faults == []


@settings(max_examples=200)
@given(table=_TABLE, end=st.sampled_from(["\n", "\r\n"]), block=st.integers(16, 80))
def test_its_line_numbers_are_those_of_an_independent_count(table: list[list[str]], end: str, block: int) -> None:
    rows = [written([row], end) for row in table]
    expected = [1 + physical_lines("".join(rows[:place])) for place in range(len(rows))]
    records, _ = read("".join(rows).encode(), block=block)

    assert expected == [line for line, _ in records]


_ANY_BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xff", b"\0", b"\xef\xbb\xbf", b"a,b\n"]
        ),
        max_size=80,
    ).map(b"".join),
)
_TIGHT = Bounds(line_bytes=24, field_bytes=12, columns=5)


@settings(max_examples=200)
@given(data=_ANY_BYTES, places=st.lists(st.integers(0, 400), max_size=8), block=st.integers(16, 60))
def test_neither_chunks_nor_blocks_change_what_is_read(data: bytes, places: list[int], block: int) -> None:
    def flat(chunks: Iterator[bytes], size: int) -> list[object]:
        found: list[object] = []
        for item in read_records(chunks, Dialect(), _TIGHT, size):
            found += zip(item.lines, item.rows, strict=True) if isinstance(item, Run) else [item]
        return found

    assert flat(iter([data]), 1 << 20) == flat(cut(data, places), block)


@settings(max_examples=200)
@given(data=_ANY_BYTES)
def test_nothing_follows_a_fatal_fault_and_little_is_said(data: bytes) -> None:
    items = list(read_records([data], Dialect(), _TIGHT, 16))
    fatal = [place for place, item in enumerate(items) if isinstance(item, Fault) and item.fatal]

    assert fatal in ([], [len(items) - 1])


@settings(max_examples=200)
@example(data=b"a\n" + b"x" * 25 + b"\n\xff\n", block=1 << 16)
@example(data=b"a\n\xff" + b"x" * 25 + b"\n", block=1 << 16)
@given(data=_ANY_BYTES, block=st.integers(16, 60))
def test_lines_end_with_a_fatal_fault_too_and_are_all_there_before_it(data: bytes, block: int) -> None:
    items = list(read_lines([data], Dialect(), _TIGHT, block))
    lines = [item for item in items if isinstance(item, Lines)]
    text = b"".join(
        text.encode() + (batch.ends if isinstance(batch.ends, str) else batch.ends[place]).encode()
        for batch in lines
        for place, text in enumerate(batch.texts)
    )
    fatal = [place for place, item in enumerate(items) if isinstance(item, Fault) and item.fatal]

    assert fatal in ([], [len(items) - 1])
    assert data.removeprefix(b"\xef\xbb\xbf").startswith(text)
    assert fatal or text == data.removeprefix(b"\xef\xbb\xbf")


_FAULTS: dict[str, tuple[bytes, dict[str, str], str, int | None, int | None]] = {
    "a quote never closed, at the line where it opened": (b'a,b\nc,"d\ne\nf\n', {}, "csv.unbalanced-quote", 2, 1),
    "a quote closed by another cell's quote, at the line where it opened": (
        b'a,b\nc,"d\ne,"f"\n', {}, "csv.unbalanced-quote", 2, 1,
    ),
    "text after a closing quote": (b'a,b\nc,"d"e\n', {}, "csv.text-after-quote", 2, 1),
    "a quote inside a bare cell": (b'a,b"c\n', {}, "csv.stray-quote", 1, 1),
    "a NUL": (b"a,b\nc,d\0\n", {}, "csv.nul", 2, 1),
    "a byte that is not UTF-8": (b"a,b\nc\xff,d\n", {}, "csv.encoding", 2, 0),
    "a bad byte behind a quote, where the cell is uncertain": (b'a,b\n"c,"\xff\n', {}, "csv.encoding", 2, None),
    "a bad byte before a NUL": (b"\xff\0\n", {}, "csv.encoding", 1, 0),
    "a NUL before a bad byte": (b"a,\0\xff\n", {}, "csv.nul", 1, 1),
    "UTF-8 where ASCII belongs": ("a,é\n".encode(), {"encoding": "ascii", "bom": "forbidden"}, "csv.encoding", 1, 1),
    "a byte that Windows-1252 leaves open": (
        b"a,\x81\n", {"encoding": "windows-1252", "bom": "forbidden"}, "csv.encoding", 1, 1,
    ),
    "CR alone": (b"a,b\rc,d\r", {}, "csv.line-ends-wrong", 1, None),
    "CRLF where LF belongs": (b"a,b\r\n", {"line_ends": "lf"}, "csv.line-ends-wrong", 1, None),
    "LF after CRLF": (b"a,b\r\nc,d\n", {}, "csv.line-ends-mixed", 2, None),
    "UTF-16 with a byte order mark": ("a,b\n".encode("utf-16"), {}, "csv.utf-16", None, None),
    "UTF-16 without one, little end first": ("a,b\n".encode("utf-16-le"), {}, "csv.utf-16", None, None),
    "UTF-16 without one, big end first": ("a,b\n".encode("utf-16-be"), {}, "csv.utf-16", None, None),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, "file.not-csv", None, None),
    "an OpenPGP message": (b"-----BEGIN PGP MESSAGE-----\n", {}, "file.not-csv", None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_FAULTS))
@pytest.mark.parametrize("block", [16, 1 << 16])
def test_it_finds(name: str, block: int) -> None:
    data, dialect, rule, line, field = _FAULTS[name]
    _, faults = read(data, dialect, block=block)

    assert [(rule, line, field)] == [(fault.rule, fault.line, fault.field) for fault in faults]


def test_a_runaway_quote_is_said_where_it_opened_before_the_whole_file_is_swallowed() -> None:
    data = b'a,b\nc,"d\n' + b"e,f\n" * 5000
    records, faults = read(data, bounds=Bounds(field_bytes=100))

    assert records == [(1, ["a", "b"])]
    assert [(fault.rule, fault.line) for fault in faults] == [("csv.unbalanced-quote", 2)]


def test_what_is_true_of_every_line_is_said_once() -> None:
    _, faults = read(b"a\n" + b"b\r\n" * 500)

    assert [fault.rule for fault in faults] == ["csv.line-ends-mixed"]


def test_reading_goes_on_after_mixed_line_ends() -> None:
    records, _ = read(b'a\r"b\rc"\r\nd\ne')

    assert records == [(1, ["a"]), (2, ["b\rc"]), (4, ["d"]), (5, ["e"])]


def test_a_byte_order_mark_is_no_part_of_the_first_cell() -> None:
    assert read(b"\xef\xbb\xbfa,b\n") == ([(1, ["a", "b"])], [])


def test_windows_1252_and_other_delimiters_and_quotes_are_read() -> None:
    records, faults = read(
        b"'\x80;1';b\n", {"encoding": "windows-1252", "bom": "forbidden", "delimiter": ";", "quote": "'"}
    )

    assert (records, faults) == ([(1, ["€;1", "b"])], [])


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("content", [b"x", "é".encode()])
def test_bounds_hold_to_the_byte(extra: int, end: bytes, content: bytes) -> None:
    line = content * (24 // len(content)) + b"x" * extra
    bounds = Bounds(line_bytes=24, field_bytes=24)
    _, faults = read(b"a\n" + line + end, bounds=bounds)
    rules = [fault.rule for fault in faults if fault.rule != "csv.line-ends-mixed"]

    assert ["csv.line-too-long"] * extra == rules


def test_a_line_that_never_ends_stops_the_reading_at_its_bound() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    items = list(read_records(endless(), Dialect(), Bounds()))

    assert [Fault(rule="csv.line-too-long", message="the line is longer than 65536 bytes", line=1)] == items
    assert taken <= 3


def test_a_cell_within_quotes_has_the_same_bound() -> None:
    bounds = Bounds(field_bytes=8)
    _, faults = read(b'a,"12345678"\nb,"12345""789"\n', bounds=bounds)

    assert [(fault.rule, fault.line, fault.field) for fault in faults] == [("csv.field-too-long", 2, 1)]


def test_a_million_columns_are_one_fault() -> None:
    _, faults = read(b"a\n" + b"," * 1_000_000 + b"\n", bounds=Bounds(line_bytes=2_000_000), block=1 << 16)

    assert [(fault.rule, fault.line) for fault in faults] == [("csv.too-many-columns", 2)]


def test_quoting_is_demanded_or_forbidden_as_the_dialect_says() -> None:
    _, missing = read(b'"a","b"\n"c",d\ne,f\n', {"quoting": "required"})
    _, forbidden = read(b'a,"b"\n"c",d\n', {"quoting": "forbidden"})

    assert [(fault.rule, fault.line, fault.field) for fault in missing] == [("csv.quote-missing", 2, 1)]
    assert [(fault.rule, fault.line, fault.field) for fault in forbidden] == [("csv.quote-forbidden", 1, 1)]


def test_a_missing_byte_order_mark_is_said_and_reading_goes_on() -> None:
    records, faults = read(b"a\n", {"bom": "required"})

    assert records == [(1, ["a"])]
    assert [(fault.rule, fault.line) for fault in faults] == [("csv.bom-missing", 1)]


def test_an_empty_file_has_no_records_and_no_faults() -> None:
    assert read(b"") == ([], [])
    assert read(b"", {"bom": "required"}) == ([], [])
