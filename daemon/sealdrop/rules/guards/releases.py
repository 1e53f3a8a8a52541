"""Guards on what an Exit Quarantine file lets go: many communications at once, and critical ones.

Which Variant a communication has is told by an optional column; where a file leaves it out, or a cell of it empty,
nobody can say that a critical one is released, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from sealdrop.rules.findings import Complaint, policy_severity
from sealdrop.rules.guards.thresholds import is_critical
from sealdrop.rules.profile import ExitQuarantine, GuardPolicy
from sealdrop.rules.rows import Block, Row
from sealdrop.rules.srv_list import SrvList


class BulkRelease:
    """At most so many communications released by one file; said once, at the first one too many.

    Args:
        names: columns and the word for a release, as the action column's values are compared.
        most: how many.
    """

    def __init__(self, names: ExitQuarantine, most: int) -> None:
        self._action = names.action
        self._release = names.release
        self._most = most
        self._released = 0

    def passes(self, block: Block) -> bool:
        """Tell whether the first one too many is not in the block."""
        return self._released > self._most or self._released + self._count(block) <= self._most

    def note(self, block: Block) -> None:
        """Count."""
        self._released += self._count(block)

    def row(self, row: Row) -> Iterator[Complaint]:
        """Count one row."""
        if row.values.get(self._action) != self._release:
            return
        self._released += 1
        if self._released == self._most + 1:
            message = f"the file releases more than {self._most} communications; this is the first one too many"
            yield Complaint(rule="guard.bulk-release", message=message, column=self._action)

    def _count(self, block: Block) -> int:
        return sum(value == self._release for value in block.columns[self._action])


class CriticalRelease:
    """No communication of a critical Variant is released without somebody looking."""

    def __init__(self, names: ExitQuarantine, srvs: SrvList, policy: GuardPolicy) -> None:
        self._action = names.action
        self._release = names.release
        self._srv = names.srv
        self._srvs = srvs
        self._severity = policy_severity(policy)

    def passes(self, block: Block) -> bool:
        """Tell whether nothing critical is released by the block."""
        variants = block.columns.get(self._srv)
        if self._severity is None or variants is None:
            return True
        return not any(self._concerns(*pair) for pair in set(zip(block.columns[self._action], variants, strict=True)))

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        action, srv = row.values.get(self._action, ""), row.values.get(self._srv, "")
        if self._severity is None or not self._concerns(action, srv):
            return
        message = "the file releases a communication of a critical Service Reference Variant"
        yield Complaint(rule="guard.critical-release", message=message, column=self._srv, severity=self._severity)

    def _concerns(self, action: str, srv: str) -> bool:
        return action == self._release and bool(srv) and is_critical(srv, self._srvs)
