"""What is too large to be a file: made as a stream, judged in bounded memory, and one finding instead of thousands."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from sealdrop.core.verdict import Verdict
from sealdrop.rules.engine import ENOUGH, check
from sealdrop.rules.findings import LIMIT_PER_RULE
from sealdrop.rules.identifiers import own_ids, user_id_number, user_id_text
from sealdrop.rules.profile import Profile
from support.rule_cases import ADT_HEADER, OWN, U1, profile, srvs

HEADER = f"{ADT_HEADER}\n".encode()
MEGABYTE = 1 << 20
MOST_MEMORY = 16 * MEGABYTE  # of one reading


class Stream:
    """Counts what is taken of a stream that does not end by itself."""

    def __init__(self, start: bytes, again: Callable[[int], bytes], size: int) -> None:
        self.taken = 0
        self.size = size
        self._start = start
        self._again = again

    def __call__(self) -> Iterator[bytes]:
        left, number, data = self.size, 0, self._start
        while left > 0:
            self.taken += len(data)
            left -= len(data)
            yield data
            data, number = self._again(number), number + 1


def judge(stream: Stream, by: Profile | None = None) -> tuple[Verdict, int]:
    """Judge a stream as a file of 256 MiB; return the verdict and the most memory that took."""
    tracemalloc.start()
    try:
        verdict = check(
            profile=by or profile(), srvs=srvs(), own=own_ids(OWN), chunks=stream, file_name="a.csv", size=MEGABYTE
        )
        return verdict, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def constant(text: bytes) -> Callable[[int], bytes]:
    return lambda _number: text


ENDLESS = {
    "one line of two gigabytes": (HEADER, b"x" * MEGABYTE, "csv.line-too-long", 2),
    "one line of two gigabytes from the start": (b"", b"x" * MEGABYTE, "csv.line-too-long", 1),
    "a million columns": (HEADER, b"," * MEGABYTE, "csv.line-too-long", 2),
    "one quoted cell of two gigabytes": (HEADER + b'"', b"x" * MEGABYTE, "csv.line-too-long", 2),
    "one quoted cell over a hundred million lines": (HEADER + b'"', b"x\n" * MEGABYTE, "csv.unbalanced-quote", 2),
    "one quoted cell of doubled quotes": (HEADER + b'"', b'""\n' * MEGABYTE, "csv.unbalanced-quote", 2),
    "nothing but NUL": (HEADER, bytes(1000) + b"\n", "csv.nul", 2),
    "nothing but quotes": (HEADER, b'"' * MEGABYTE, "csv.line-too-long", 2),
    "a workbook": (b"PK\x03\x04", b"x" * MEGABYTE, "file.not-csv", None),
}


@pytest.mark.parametrize("name", list(ENDLESS))
def test_one_finding_at_once_and_nothing_more_is_read(name: str) -> None:
    start, again, rule, line = ENDLESS[name]
    stream = Stream(start, constant(again), 2 << 30)
    verdict, memory = judge(stream)

    assert [(one.rule, one.line) for one in verdict.findings] == [(rule, line)]
    assert (verdict.rejecting, verdict.suppressed) == (1, 0)
    assert stream.taken <= 4 * MEGABYTE
    assert memory < MOST_MEMORY


def test_a_row_of_many_columns_within_its_line_is_one_finding() -> None:
    verdict, _ = judge(Stream(HEADER, constant(b"," * 60_000 + b"\n"), 1_000_000))

    assert [(one.rule, one.line) for one in verdict.findings] == [("csv.too-many-columns", 2)]


ALIKE = {
    "empty rows": (b"\n", "csv.empty-row"),
    "rows with a cell too many": (b"a,b,c,d,e\n", "row.width"),
    "rows with trailing separators": (f"{U1},7.1,1,2,\n".encode(), "sheet.trailing-columns"),
}


@pytest.mark.parametrize("name", list(ALIKE))
def test_very_many_alike_mistakes_are_counted_and_few_are_kept(name: str) -> None:
    row, rule = ALIKE[name]
    count = min(200_000 // len(row), ENOUGH - 1)
    by = profile(columns__user_id__key=False, columns__srv__key=False, bounds__min_rows=0)
    verdict, memory = judge(Stream(HEADER, constant(row * count), len(HEADER) + len(row) * count), by)

    assert [one.rule for one in verdict.findings] == [rule] * LIMIT_PER_RULE
    assert verdict.rejecting == count
    assert memory < MOST_MEMORY


def test_a_file_of_mistakes_alone_is_not_read_to_its_end() -> None:
    stream = Stream(HEADER, constant(b"\n" * 1000), 2 << 30)
    verdict, memory = judge(stream)

    assert [one.rule for one in verdict.findings] == ["csv.empty-row"] * LIMIT_PER_RULE + ["file.too-much-wrong"]
    assert (verdict.findings[-1].line, verdict.rejecting) == (ENOUGH + 1, ENOUGH + 1)
    assert stream.taken <= 4 * MEGABYTE
    assert memory < MOST_MEMORY


def test_empty_rows_count_against_the_bound_of_rows_where_they_are_allowed() -> None:
    by = profile(severities={"csv.empty-row": "warn"}, bounds__rows=1000)
    stream = Stream(HEADER, constant(b"\n" * 1000), 2 << 30)
    verdict, _ = judge(stream, by)

    assert [(one.rule, one.line) for one in verdict.findings][-1] == ("row.too-many", 1002)
    assert stream.taken <= 4 * MEGABYTE


def test_memory_does_not_grow_with_rows_whose_keys_all_differ() -> None:
    first = user_id_number(U1)
    by = profile(guards=None, ordering__column="reference", reference__source="none", columns__reference__required=True)
    header = b"reference," + HEADER

    def rows(number: int) -> bytes:
        block = range(number * 400, number * 400 + 400)
        ids = (user_id_text(first + place % 65536) for place in block)
        return "".join(
            f"SR-1,{user},{'7.1' if place < 65536 else '7.2'},{place + 1},{place + 2}\n"
            for user, place in zip(ids, block, strict=True)
        ).encode()

    peaks = []
    for size in (500_000, 4_000_000):
        stream = Stream(header, rows, size)
        verdict, memory = judge(stream, by)
        peaks.append(memory)
        assert verdict.findings == ()
        assert verdict.records > size / 60

    assert peaks[1] < peaks[0] + 2 * MEGABYTE
