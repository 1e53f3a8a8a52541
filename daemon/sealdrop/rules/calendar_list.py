"""The list of a country's holidays: replaceable, versioned data.

A CSV file with the columns ``date,what,name``. The first row ``begins`` the range and names the source, the last one
``ends`` it, and each ``holiday`` between them stands on its day, in order. It is read with our own reader, and
everything wrong with it is reported at once: a day that is none, out of order, twice, outside the range, or a year of
the range without a single holiday, which is what a calendar looks like that was only half brought up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.rules.csv_text import read_records
from sealdrop.rules.lines import Fault
from sealdrop.rules.profile import Bounds, Dialect
from sealdrop.rules.working_days import Calendar

HEADER = ["date", "what", "name"]
PROBLEMS = 50  # reported at once
_KINDS = ("begins", "holiday", "ends")

_Row = tuple[int, date, str, str]  # line, day, what, name


def parse_calendar(chunks: Iterable[bytes], where: str = "") -> Calendar:
    """Read a calendar.

    Args:
        chunks: the file.
        where: its name, for messages.

    Raises:
        ConfigurationError: everything that is wrong, by line.
    """
    problems: list[Problem] = []
    rows: list[_Row] = []
    for line, cells in _records(chunks, problems):
        row = _row(line, cells)
        if isinstance(row, str):
            problems.append(Problem(path=f"line {line}", what=row))
        else:
            rows.append(row)
    if not problems:
        problems += [Problem(path=f"line {line}", what=what) for line, what in _together(rows)]
    if problems:
        raise ConfigurationError(problems[:PROBLEMS], where=where)
    return Calendar(
        source=rows[0][3],
        first=rows[0][1],
        last=rows[-1][1],
        holidays={day: name for _, day, _, name in rows[1:-1]},
        where=where,
    )


def _records(chunks: Iterable[bytes], problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header."""
    begun = False
    for run in read_records(chunks, Dialect(), Bounds()):
        if isinstance(run, Fault):
            problems.append(Problem(path=f"line {run.line or 1}", what=run.message))
            continue
        for line, cells in zip(run.lines, run.rows, strict=True):
            if begun:
                yield line, cells
            elif cells != HEADER:
                problems.append(Problem(path=f"line {line}", what=f"the first line must be {','.join(HEADER)}"))
            begun = True


def _row(line: int, cells: list[str]) -> _Row | str:
    """Read one row; return what is wrong with it instead, if anything is."""
    if len(cells) != len(HEADER):
        return f"{len(cells)} cells where {len(HEADER)} belong"
    day, what, name = cells
    if what not in _KINDS:
        return f"what must be one of {', '.join(_KINDS)}"
    if not name and what != "ends":
        return "the name is missing" if what == "holiday" else "the source is missing"
    try:
        return line, date.fromisoformat(day), what, name
    except ValueError:
        return "not a day of the calendar, such as 2026-12-25"


def _together(rows: list[_Row]) -> Iterator[tuple[int, str]]:
    """Look at what no single row can tell."""
    if [row[2] for row in rows[:1] + rows[1:][-1:]] != ["begins", "ends"]:
        yield rows[-1][0] if rows else 1, "the first row must begin the range and the last one must end it"
        return
    for before, (line, day, what, _) in pairwise(rows):
        if what == "begins" or before[2] == "ends":
            yield line, "the range begins and ends once"
        elif day < before[1] and what == "ends":
            yield line, "the range ends before what it must contain"
        elif day < before[1]:
            yield line, "out of order, or before the range begins"
        elif day == before[1] and before[2] == "holiday" and what == "holiday":
            yield line, "this day is listed twice"
    listed = {day.year for _, day, what, _ in rows if what == "holiday"}
    for year in range(rows[0][1].year + 1, rows[-1][1].year):
        if year not in listed:
            yield rows[-1][0], f"a gap: the whole of {year} has no holiday"
