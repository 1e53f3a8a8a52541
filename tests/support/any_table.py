"""Any table of valid rows under a profile, written in its dialect; and what breaks a single cell for certain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import assert_never

from hypothesis import strategies as st

from sealdrop.rules.identifiers import user_id_number, user_id_text
from sealdrop.rules.profile import Column, Profile
from support.rule_cases import U1, srvs

_FIRST = user_id_number(U1)
_FORMULA = re.compile("[\\s\"'\u00a0\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20\u2212]")
_ALPHABET = "abcXYZ 019.,;|~\"'\té€()=-"
_DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))

Row = dict[str, str]


def _exact(digits: str) -> bool:
    """Tell whether no spreadsheet is suspected of having rounded a number."""
    return len(digits) <= 15 or bool(digits[15:].strip("0"))


@cache
def _variants(role: str) -> list[str]:
    """Return the Variants that a User Role may send."""
    listed = srvs().variants.values()
    return [one.srv for one in listed if not role or not one.user_roles or role in one.user_roles]


def _texts(column: Column, profile: Profile) -> st.SearchStrategy[str]:
    hidden = {"\t"} | ({profile.dialect.delimiter, profile.dialect.quote} if _bare(profile) else set())
    alphabet = [char for char in _ALPHABET if char not in hidden]
    low = max(column.min or 1, 1)
    drawn = st.text(alphabet, min_size=low, max_size=min(column.max or 40, 40))
    return drawn.filter(lambda text: not _FORMULA.match(text) and text != "END")


def _bare(profile: Profile) -> bool:
    return profile.dialect.quoting == "forbidden"


def _cells(column: Column, profile: Profile, role: str) -> st.SearchStrategy[str]:
    """Draw valid values of a column."""
    user = st.integers(0, 0xFFFF).map(lambda number: user_id_text(_FIRST + number))
    other = st.integers(0, 2**64 - 1).map(user_id_text)
    match column.type:
        case "text":
            return _texts(column, profile)
        case "code":
            return st.sampled_from(column.codes)
        case "integer":
            return st.integers(max(column.min or 0, 1), column.max or 10**15 - 1).map(str).filter(_exact)
        case "user-id":
            return _either_case(column, user if column.own else other)
        case "request-id":
            counter = st.integers(0, 2**64 - 1).map(str).filter(_exact)
            return _either_case(column, st.tuples(user if column.own else other, other, counter).map(":".join))
        case "event-reference":
            return st.integers(0, 10**20 - 1).map(str).filter(_exact)
        case "srv":
            return st.sampled_from([*_variants(role), *column.codes])
        case "date":
            return _DAYS.map(date.isoformat)
        case "date-time":
            return st.datetimes(datetime(2000, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z")  # noqa: DTZ001 - UTC is written
        case "moment":
            moments = st.datetimes(datetime(2000, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z")  # noqa: DTZ001 - the same
            return st.one_of(_DAYS.map(date.isoformat), moments)
        case _ as unreachable:
            assert_never(unreachable)


def _either_case(column: Column, drawn: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    either = {"upper": str.upper, "lower": str.lower}.get(column.case or "")
    return drawn.map(either) if either else st.one_of(drawn, drawn.map(str.lower))


@st.composite
def rows_of(draw: st.DrawFn, profile: Profile, most: int = 6) -> list[Row]:
    """Draw valid rows: keys differ, references agree, what is compared stands in order."""
    drawn: list[Row] = []
    seen: set[tuple[str, ...]] = set()
    keys = _keys(profile)
    reference = draw(_texts(profile.columns[0], profile)) if profile.reference.source == "column" else ""
    for _ in range(draw(st.integers(max(profile.bounds.min_rows, 1), max(profile.bounds.min_rows, most)))):
        row = draw(_row(profile, reference))
        names = [[_normal(profile, name, row[name]) for name in key] for key in keys]
        marks = {(str(place), *values) for place, values in enumerate(names)}
        if seen.isdisjoint(marks):
            drawn.append(row)
            seen |= marks
    return drawn


def _keys(profile: Profile) -> list[list[str]]:
    keys = [column.name for column in profile.columns if column.key]
    named = profile.exit_quarantine
    decided = [[named.event_reference, named.request_id]] if profile.kind == "exit-quarantine" else []
    return decided + ([keys] if keys else [])


def _normal(profile: Profile, name: str, value: str) -> str:
    column = profile.column(name)
    assert column is not None
    if column.type in ("user-id", "request-id"):
        return value.upper()
    return (value.lstrip("0") or "0") if column.type == "event-reference" and value else value


@st.composite
def _row(draw: st.DrawFn, profile: Profile, reference: str) -> Row:
    row: Row = {}
    for column in profile.columns:
        role = row.get(profile.adt.user_role, "") if profile.kind == "adt" else ""
        if not column.required and draw(st.booleans()):
            row[column.name] = ""
        elif profile.reference.source == "column" and column.name == profile.reference.column:
            row[column.name] = reference
        else:
            row[column.name] = draw(_cells(column, profile, role))
    if profile.kind == "adt":
        low, high = sorted((int(row[profile.adt.warning]), int(row[profile.adt.quarantine])))
        row |= {profile.adt.warning: str(low), profile.adt.quarantine: str(high)}
    for one in profile.compare:
        if row[one.left] and row[one.right]:
            row[one.left], row[one.right] = sorted((row[one.left], row[one.right]), key=_moment)
    return row


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "")).replace(tzinfo=None)


@st.composite
def order_of(draw: st.DrawFn, profile: Profile, rows: Sequence[Row]) -> list[str]:
    """Draw an order of columns in which rows may be written; optional columns that nobody fills may be left out."""
    names = [column.name for column in profile.columns]
    if profile.header != "any-order":
        return names
    unused = [
        column.name
        for column in profile.columns
        if not column.required and not any(row[column.name] for row in rows) and draw(st.booleans())
    ]
    return list(draw(st.permutations([name for name in names if name not in unused])))


@st.composite
def text_of(draw: st.DrawFn, profile: Profile, order: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    """Draw one way of writing rows in the profile's dialect."""
    dialect = profile.dialect
    special = {dialect.delimiter, dialect.quote, "\r", "\n"}
    end = {"lf": "\n", "crlf": "\r\n"}.get(dialect.line_ends) or draw(st.sampled_from(["\n", "\r\n"]))

    def cell(text: str) -> str:
        wanted = dialect.quoting == "required" or not special.isdisjoint(text)
        if not wanted and (dialect.quoting == "forbidden" or not draw(st.booleans())):
            return text
        return f"{dialect.quote}{text.replace(dialect.quote, dialect.quote * 2)}{dialect.quote}"

    lines = [] if profile.header == "none" else [list(order)]
    lines += [[row[name] for name in order] for row in rows]
    if profile.trailer:
        blank = [""] * (profile.trailer.count_position - 2)
        lines.append([profile.trailer.marker, *blank, str(len(rows))])
    text = end.join(dialect.delimiter.join(map(cell, line)) for line in lines)
    codec = {"utf-8": "utf-8", "ascii": "ascii", "windows-1252": "cp1252"}[dialect.encoding]
    marked = dialect.bom == "required" or (dialect.bom == "allowed" and draw(st.booleans()))
    return (b"\xef\xbb\xbf" if marked else b"") + (text + end).encode(codec)


def breakages(column: Column) -> list[str]:
    """Return values that are certainly wrong in a column, each in one way only."""
    most = column.max or 0
    wrong = {
        "text": ["a\x07b", "=1+1", "@a", *(["x" * (most + 1)] if column.type == "text" and most else [])],
        "code": ["no such code", "\x07"],
        "integer": ["x", "01", "-1", "1.0", "1E+6", "9" * 41, *([str(most + 1)] if most else [])],
        "user-id": ["90-B3", "90B3D51F30010000", " 90-B3-D5-1F-30-01-00-00"],
        "request-id": ["1:2:3", "90-B3-D5-1F-30-01-00-00", "1.8E+19"],
        "event-reference": ["1" * 21, "12x", "1.23E+19"],
        "srv": ["7", "07.1", "x", "01-May", "4.1"],
        "date": ["2026-02-29", "24/11/2026", "2026-11-24T00:00:00Z"],
        "date-time": ["2026-11-24", "2026-11-24T25:00:00Z", "2026-11-24T00:00:00"],
        "moment": ["2026-02-29", "tomorrow", "2026-11-24T00:00:00+01:00"],
    }[column.type]
    own = ["90-B3-D5-1F-30-02-00-00"] if column.own and column.type == "user-id" else []
    return [*wrong, *own, *([""] if column.required else [])]
