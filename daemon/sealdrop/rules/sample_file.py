"""A correct file of a profile: to show a producer what is wanted, and to show that the profile can be met at all.

Values are guessed by the type of each column and taken when the column's own checks accept them; a column's ``example``
comes first. The finished file is judged by the profile like any other, so what is returned is accepted, and a profile
that no guess satisfies is refused with the finding that stood in the way. Nothing random: the same profile gives the
same file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sealdrop.core.errors import Refused
from sealdrop.rules.cells import Cell
from sealdrop.rules.engine import check
from sealdrop.rules.identifiers import OwnIds, user_id_text
from sealdrop.rules.lines import CODECS
from sealdrop.rules.profile import Column, Profile
from sealdrop.rules.srv_list import SrvList

ROWS = 3  # of a sample, when the profile leaves it open
MOST_ROWS = 1000
HINT = "Give the columns of the profile an example that fits."
_FIRST_USER = 0x90B3D51F30010000
_DEVICE = "90-B3-D5-1F-30-00-00-02"
_DAY = date(2026, 11, 24)
_TRIES = 20  # candidates from one guess: numbers that follow, a longer list of Variants
_FINE = frozenset({"id.own-unknown"})  # findings that say nothing against the file
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFile:
    """A file and a name that fits it."""

    name: str
    data: bytes


def sample_file(profile: Profile, srvs: SrvList, own: OwnIds) -> SampleFile:
    """Make a correct file.

    Args:
        profile: what it must be.
        srvs: the Service Reference Variants in use.
        own: User IDs that are ours; when there are none, made-up ones are used.

    Raises:
        Refused: no guess satisfies the profile; says which column, or which finding.
    """
    count = max(profile.bounds.min_rows, min(ROWS, profile.bounds.rows))
    if count > MOST_ROWS:
        raise Refused(f"the profile wants {count} rows, more than a sample has", where=profile.name)
    text = "".join(_lines(profile, _Guesses(profile, srvs, own), count))
    name = sample_name(profile)
    try:
        data = text.encode(CODECS[profile.dialect.encoding])
    except UnicodeEncodeError as error:
        what = f"the names or examples cannot be written in {profile.dialect.encoding}"
        raise Refused(what, where=profile.name) from error
    data = _BOM + data if profile.dialect.bom == "required" else data
    verdict = check(profile=profile, srvs=srvs, own=own, chunks=lambda: [data], file_name=name, size=len(data))
    for finding in verdict.findings:
        if finding.rule not in _FINE:
            where = f"{profile.name}, column {finding.column}" if finding.column else profile.name
            raise Refused(f"no sample can be guessed: {finding.message} ({finding.rule})", where=where, hint=HINT)
    return SampleFile(name=name, data=data)


def sample_name(profile: Profile) -> str:
    """Return a name for a file of this profile.

    Raises:
        Refused: no guess fits the pattern.
    """
    stems = (f"{profile.name}-sample", f"{profile.name.upper()}_2026-11-24", f"{profile.name}_20261124", "sample", "A1")
    guesses = [stem + suffix for stem in stems for suffix in (".csv", ".CSV", ".txt", "")]
    for name in (profile.file_name.example, *guesses):
        if name is not None and re.fullmatch(profile.file_name.pattern, name):
            return name
    hint = "Give file_name.example in the profile."
    raise Refused("no file name can be guessed that fits the pattern", where=profile.name, hint=hint)


def _lines(profile: Profile, guesses: _Guesses, count: int) -> Iterator[str]:
    end = "\r\n" if profile.dialect.line_ends == "crlf" else "\n"
    if profile.header != "none":
        yield _written([column.name for column in profile.columns], profile) + end
    for number in range(count):
        yield _written(guesses.row(number), profile) + end
    if profile.trailer:
        cells = [profile.trailer.marker] + [""] * (profile.trailer.count_position - 1)
        cells[profile.trailer.count_position - 1] = str(count)
        yield _written(cells, profile) + end


def _written(cells: Sequence[str], profile: Profile) -> str:
    """Write cells in the profile's dialect."""
    quote, always = profile.dialect.quote, profile.dialect.quoting == "required"
    written = [
        f"{quote}{cell.replace(quote, quote * 2)}{quote}" if always or _needs_quotes(cell, profile) else cell
        for cell in cells
    ]
    return profile.dialect.delimiter.join(written)


def _needs_quotes(cell: str, profile: Profile) -> bool:
    return not {profile.dialect.delimiter, profile.dialect.quote, "\r", "\n"}.isdisjoint(cell)


class _Guesses:
    """Guesses the cells of each row, column by column."""

    def __init__(self, profile: Profile, srvs: SrvList, own: OwnIds) -> None:
        self._profile = profile
        self._srvs = srvs
        self._own = own
        self._cells = [Cell(column, profile, srvs, own) for column in profile.columns]
        self._least = _least(profile)

    def row(self, number: int) -> list[str]:
        """Return the cells of one row.

        Raises:
            Refused: a required cell cannot be guessed.
        """
        row: dict[str, str] = {}
        for cell in self._cells:
            row[cell.column.name] = self._cell(cell, number, row)
        return list(row.values())

    def _cell(self, cell: Cell, number: int, row: Mapping[str, str]) -> str:
        column = cell.column
        for value in (column.example,) if column.example is not None else self._candidates(column, number, row):
            written = self._profile.dialect.quoting != "forbidden" or not _needs_quotes(value, self._profile)
            if written and not cell.complaints(value):
                return value
        if column.required:
            raise Refused("no value can be guessed", where=f"{self._profile.name}, column {column.name}", hint=HINT)
        return ""

    def _candidates(self, column: Column, number: int, row: Mapping[str, str]) -> Iterator[str]:
        """Yield values of a column's type, the best guess first."""
        match column.type:
            case "text":
                yield from _texts(column, 0 if self._constant(column) else number)
            case "code":
                yield from _turned(column.codes, number)
            case "integer":
                start = self._least.get(column.name, 1) + number
                yield from map(str, range(start, start + _TRIES))
                yield str(column.min or 0)
            case "user-id":
                yield from _both_cases(self._user(number))
            case "request-id":
                yield from _both_cases(f"{self._user(0)}:{_DEVICE}:{1000 + number}")
            case "event-reference":
                yield str(40712 + number)
            case "srv":
                yield from self._variants(column, number, row)
            case "date" | "moment":
                yield (_DAY + timedelta(days=self._least.get(column.name, 1) + number)).isoformat()
            case _:  # date-time
                day = _DAY + timedelta(days=self._least.get(column.name, 1) + number)
                yield f"{day.isoformat()}T00:00:00Z"

    def _constant(self, column: Column) -> bool:
        """Tell whether all rows must agree."""
        reference = self._profile.reference
        return reference.source == "column" and reference.column == column.name

    def _user(self, number: int) -> str:
        for first, last in self._own.ranges:
            if number <= last - first:
                return user_id_text(first + number)
            number -= last - first + 1
        return user_id_text(_FIRST_USER + number if not self._own else self._own.ranges[0][0])

    def _variants(self, column: Column, number: int, row: Mapping[str, str]) -> Iterator[str]:
        """Yield Variants that the row's User Role may send."""
        role = row.get(self._profile.adt.user_role, "") if self._profile.kind == "adt" else ""
        fitting = [
            srv
            for srv, variant in self._srvs.variants.items()
            if not role or not variant.user_roles or role.upper() in variant.user_roles
        ]
        if self._profile.kind == "exit-quarantine":  # a guard may hold the release of a critical one
            fitting.sort(key=lambda srv: self._srvs.variants[srv].critical)
        yield from _turned(fitting, number)
        yield from _turned(column.codes, number)


def _least(profile: Profile) -> dict[str, int]:
    """Return for each number or date the least value that leaves room for what must be below it."""
    pairs = [(one.left, one.right, int(one.must_be == "<")) for one in profile.compare]
    if profile.kind == "adt":
        pairs.append((profile.adt.warning, profile.adt.quarantine, 1))
    least = {column.name: max(column.min or 1, 1) for column in profile.columns}
    for _ in profile.columns:  # the longest chain there can be
        for left, right, step in pairs:
            least[right] = max(least[right], least[left] + step)
    return least


def _texts(column: Column, number: int) -> Iterator[str]:
    low, high = column.min or 0, column.max if column.max is not None else 1000
    for word in (f"sample {number + 1}", f"SAMPLE-{number + 1}", f"S{number + 1}", str(number + 1), f"{number + 1:06}"):
        for text in (word, word.upper(), word.lower()):
            yield text
            yield text.ljust(low, "x")[:high]
            yield text.rjust(low, "0")[-high:] if high else ""


def _both_cases(text: str) -> tuple[str, str]:
    return text, text.lower()


def _turned(values: Sequence[str], number: int) -> Iterator[str]:
    """Yield the values in their order, beginning with another one in each row."""
    for place in range(len(values)):
        yield values[(number + place) % len(values)]
