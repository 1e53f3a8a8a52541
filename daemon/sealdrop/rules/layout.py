"""From a header to positions: which cell of a row belongs to which column of the profile.

When a header cannot be used (a required column is missing, one occurs twice, another delimiter parts the cells), there
is no layout and nothing sensible can be read further. Anything less is a complaint and the rows are still read: columns
out of order are found by name, and what stands in an unknown column is checked for what no cell may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sealdrop.rules.cells import Cell
from sealdrop.rules.findings import Complaint
from sealdrop.rules.profile import Column, Profile

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

Positions = tuple[Cell, ...]
Say = Callable[[Complaint, int | None], None]  # a complaint and the position of the cell concerned, from 0


def wrong_delimiter(profile: Profile, first: Sequence[str]) -> Complaint | None:
    """Look at the first record for a sign that cells are parted by something else."""
    if first[0].casefold().startswith("sep="):
        message = "the first line is an instruction to a spreadsheet program, not a header"
        return Complaint(rule="csv.separator-line", message=message)
    needed = sum(column.required for column in profile.columns)
    if len(first) > 1 or needed < 2:  # noqa: PLR2004 - one column needs no delimiter
        return None
    own = profile.dialect.delimiter
    for other, name in _DELIMITERS.items():
        if other != own and first[0].count(other) >= needed - 1:
            message = f"cells are parted by {name}, not by {_DELIMITERS.get(own, own)}"
            return Complaint(rule="csv.delimiter", message=message)
    return None


def without_header(profile: Profile, cells: Mapping[str, Cell]) -> Positions:
    """Return the columns in the profile's order."""
    return tuple(cells[column.name] for column in profile.columns)


def lay_out(
    profile: Profile, cells: Mapping[str, Cell], header: Sequence[str], extra: Callable[[Column], Cell], say: Say
) -> Positions | None:
    """Find the place of every column by the header.

    Args:
        profile: the description.
        cells: the compiled columns, by name.
        header: the first record.
        extra: compiles a column that the profile does not describe.
        say: takes complaints.

    Returns:
        One cell for each position, or None when the rows cannot be read.
    """
    positions: list[Cell] = []
    usable = True
    named = len(header) - _trailing(header)
    for place, name in enumerate(header):
        if name in header[:place] and name in cells:
            say(Complaint(rule="header.duplicate-column", message=f"a second column is called {name}"), place)
            usable = False
        if name in cells:
            positions.append(cells[name])
            continue
        if place >= named:  # nothing may stand under an empty header at the right
            positions.append(extra(Column(name=f"column {place + 1}", type="text", required=False, max=0)))
            continue
        if profile.extra_columns == "deny":
            say(Complaint(rule="header.unknown-column", message="the profile has no column of this name"), place)
        positions.append(extra(Column(name=f"column {place + 1}", type="text", required=False)))
    if named < len(header):
        say(Complaint(rule="sheet.trailing-columns", message="the header ends with empty columns"), named)
    for complaint in _missing(profile, header):
        say(complaint, None)
        usable = False
    wanted = [column.name for column in profile.columns]
    if usable and profile.header == "exact" and [name for name in header if name in cells] != wanted:
        say(Complaint(rule="header.order", message="the columns are not in the order of the profile"), None)
    return tuple(positions) if usable else None


def _missing(profile: Profile, header: Sequence[str]) -> Iterator[Complaint]:
    wanted = [column.name for column in profile.columns if column.required or profile.header == "exact"]
    missing = [name for name in wanted if name not in header]
    if len(missing) == len(wanted):
        yield Complaint(rule="header.missing-column", message="the first row does not name the columns")
        return
    folded = {name.strip().casefold() for name in header}
    for name in missing:
        near = "; one differs only in letter case or spaces" if name.casefold() in folded else ""
        yield Complaint(rule="header.missing-column", message=f"there is no column {name}{near}", column=name)


def _trailing(header: Sequence[str]) -> int:
    count = 0
    for name in reversed(header):
        if name:
            break
        count += 1
    return count
