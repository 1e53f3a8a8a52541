"""The columns that guards need, row by row, of a file that the rules have accepted now or accepted long ago.

An earlier file may have been written by an older profile, so its columns are found by name and nothing but what is
needed is judged. Whatever cannot be understood ends the reading with ``Unreadable``: half a comparison would pass for
a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sealdrop.rules.cells import Cell
from sealdrop.rules.csv_text import read_records
from sealdrop.rules.identifiers import OwnIds
from sealdrop.rules.lines import Fault
from sealdrop.rules.profile import Profile
from sealdrop.rules.srv_list import SrvList


class Unreadable(Exception):
    """The file cannot be compared: damaged, changed since it was sent, or written in another way."""


def rows_of(
    profile: Profile, chunks: Iterable[bytes], wanted: Sequence[str], optional: frozenset[str] = frozenset()
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the physical line of each data row, and its cells of the wanted columns in their normal form.

    Args:
        profile: in force now.
        chunks: the file.
        wanted: names of columns.
        optional: those that a file may leave out; their cells are then empty.

    Raises:
        Unreadable: a wanted column is not there, or something is no record of the profile's dialect.
    """
    cells = _cells(profile, wanted)
    places: list[int | None] | None = None
    for item in read_records(chunks, profile.dialect, profile.bounds):
        if isinstance(item, Fault):
            if item.fatal:
                raise Unreadable(item.message)
            continue
        lines, rows = item.lines, item.rows
        if places is None:
            names = [column.name for column in profile.columns] if profile.header == "none" else rows[0]
            places = _places(names, wanted, optional)
            if profile.header != "none":
                lines, rows = lines[1:], rows[1:]
        for line, row in zip(lines, rows, strict=True):
            if not any(row) or (profile.trailer is not None and row[0] == profile.trailer.marker):
                continue
            yield line, _taken(row, places, cells)
    if places is None and profile.header != "none":
        message = "there is no header"
        raise Unreadable(message)


def _cells(profile: Profile, wanted: Sequence[str]) -> list[Cell | None]:
    found = (profile.column(name) for name in wanted)
    return [None if column is None else Cell(column, profile, SrvList(), OwnIds()) for column in found]


def _places(names: Sequence[str], wanted: Sequence[str], optional: frozenset[str]) -> list[int | None]:
    places: list[int | None] = []
    for name in wanted:
        if name not in names and name not in optional:
            message = f"there is no column {name}"
            raise Unreadable(message)
        places.append(names.index(name) if name in names else None)
    return places


def _taken(row: Sequence[str], places: Sequence[int | None], cells: Sequence[Cell | None]) -> tuple[str, ...]:
    try:
        values = [row[place] if place is not None else "" for place in places]
    except IndexError:
        message = "a row has too few cells"
        raise Unreadable(message) from None
    return tuple(
        cell.normal(value) if cell is not None and value else value for cell, value in zip(cells, values, strict=True)
    )
