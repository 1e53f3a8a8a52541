"""A trailer: a last record that says how many data rows there are, so that a cut file is noticed.

It is known by its first cell. What the profile calls ``count_position`` holds the number of data rows, empty rows and
the trailer itself not counted. Nothing may follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sealdrop.rules.findings import Complaint
from sealdrop.rules.profile import Trailer


class Trailing:
    """Watches for the trailer."""

    def __init__(self, trailer: Trailer) -> None:
        self._trailer = trailer
        self._seen = False
        self._said = False

    def passes(self, first_cells: Sequence[str]) -> bool:
        """Tell whether none of these rows is the trailer or follows it."""
        return not self._seen and self._trailer.marker not in first_cells

    def take(self, cells: Sequence[str], records: int) -> tuple[bool, list[Complaint]]:
        """Look at one row: is it the trailer, or after it, and so no data row; and what is wrong?

        Args:
            cells: of the row.
            records: data rows before it.
        """
        if self._seen:
            said, self._said = self._said, True
            message = "there are rows after the trailer"
            return True, [] if said else [Complaint(rule="trailer.not-last", message=message)]
        if cells[0] != self._trailer.marker:
            return False, []
        self._seen = True
        place = self._trailer.count_position - 1
        counted = cells[place] if place < len(cells) else ""
        if counted == str(records):
            return True, []
        return True, [
            Complaint(rule="trailer.count", message=f"the trailer does not say {records}, the rows there are")
        ]

    def end(self) -> Iterator[Complaint]:
        """Say what the end of the file reveals."""
        if self._trailer.required and not self._seen:
            yield Complaint(rule="trailer.missing", message="the file ends without its trailer")
