"""Guards on one row of an ADT file: a warning that warns of nothing, and a zero where it stops something critical.

A Service Reference Variant counts as critical when the list says so, and when it is not in the list: a code such as
ALL covers critical ones, and of an unknown one nobody can say that it is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import eq

from sealdrop.rules.findings import Complaint, policy_severity
from sealdrop.rules.profile import Adt, GuardPolicy
from sealdrop.rules.rows import Block, Row
from sealdrop.rules.srv_list import SrvList


def is_critical(srv: str, srvs: SrvList) -> bool:
    """Tell whether a Variant must be taken for critical."""
    variant = srvs.get(srv)
    return variant is None or variant.critical


class EqualThresholds:
    """A warning threshold below the quarantine threshold; at the same number no warning comes before quarantine."""

    def __init__(self, names: Adt, policy: GuardPolicy) -> None:
        self._warning = names.warning
        self._quarantine = names.quarantine
        self._severity = policy_severity(policy)

    def passes(self, block: Block) -> bool:
        """Tell whether no row has two equal thresholds."""
        if self._severity is None:
            return True
        return not any(map(eq, block.columns[self._warning], block.columns[self._quarantine]))

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        warning, quarantine = row.values.get(self._warning), row.values.get(self._quarantine)
        if self._severity is not None and warning is not None and warning == quarantine:
            yield Complaint(
                rule="guard.warning-equals-quarantine",
                message="the warning threshold equals the quarantine threshold, so no warning comes first",
                column=self._warning,
                severity=self._severity,
            )


class ZeroOnCritical:
    """No threshold of zero on a critical Variant: it may quarantine every such communication."""

    def __init__(self, names: Adt, srvs: SrvList, policy: GuardPolicy) -> None:
        self._columns = (names.warning, names.quarantine)
        self._srv = names.srv
        self._srvs = srvs
        self._severity = policy_severity(policy)

    def passes(self, block: Block) -> bool:
        """Tell whether no row with a zero is about a critical Variant."""
        if self._severity is None:
            return True
        variants = block.columns[self._srv]
        zeros = (
            srv
            for column in self._columns
            if "0" in block.columns[column]
            for value, srv in zip(block.columns[column], variants, strict=True)
            if value == "0"
        )
        return not any(is_critical(srv, self._srvs) for srv in zeros)

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        srv = row.values.get(self._srv)
        if self._severity is None or srv is None or not is_critical(srv, self._srvs):
            return
        for column in self._columns:
            if row.values.get(column) == "0":
                message = "a threshold of zero on a critical Service Reference Variant"
                yield Complaint(rule="guard.zero-critical", message=message, column=column, severity=self._severity)
