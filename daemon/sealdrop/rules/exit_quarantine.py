"""What is special about Exit Quarantine files: one decision for one quarantined communication.

A communication is named by the event reference and the Request ID together; where a profile has no event reference,
by the Request ID alone. Two rows for one communication are refused even when they agree, and said to be contradictory
when they do not. That the originator is one of our User IDs is judged with the cell (``cells``). Guards on how much is
released need the ledger and are not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from sealdrop.rules.findings import Complaint
from sealdrop.rules.profile import ExitQuarantine
from sealdrop.rules.rows import Block, Key, Row, keys_of


class Decisions:
    """Remembers the line and the action of every communication that may occur twice.

    Args:
        names: the columns of an Exit Quarantine file.
        doubtful: hashes of the ``columns`` of communications that may occur twice.
    """

    def __init__(self, names: ExitQuarantine, doubtful: AbstractSet[int]) -> None:
        self._doubtful = doubtful
        self._event = names.event_reference
        self._request = names.request_id
        self._action = names.action
        self._decided: dict[Key, tuple[int, str]] = {}

    def passes(self, block: Block) -> bool:
        """Tell whether no communication of the block may occur twice."""
        return self._doubtful.isdisjoint(map(hash, keys_of(block, (self._event, self._request))))

    def note(self, block: Block) -> None:
        """Nothing is remembered of communications that occur once."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        request, action = row.values.get(self._request), row.values.get(self._action)
        if request is None or action is None or self._event in row.unreadable:
            return
        key = (row.values.get(self._event, ""), request)
        if hash(key) not in self._doubtful:
            return
        line, earlier = self._decided.setdefault(key, (row.line, action))
        if line == row.line:
            return
        if action == earlier:
            message = f"line {line} decides about the same communication"
            yield Complaint(rule="eq.duplicate", message=message, column=self._request)
        else:
            message = f"line {line} decides differently about the same communication"
            yield Complaint(rule="eq.contradiction", message=message, column=self._action)
