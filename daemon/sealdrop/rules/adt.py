"""What is special about ADT Files: thresholds, the User Role's right to a Variant, and Variants that lost a zero.

The change guards, which compare with the last file sent, are not here: they need the ledger. These rules see one file.
Whether a warning threshold may equal the quarantine threshold is not known, so equality passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from operator import gt

from sealdrop.rules.findings import Complaint, policy_severity
from sealdrop.rules.profile import Adt
from sealdrop.rules.rows import Block, Explain, Key, Row, Uniqueness, duplicate_key
from sealdrop.rules.srv_list import USER_ROLES, SrvList


class Thresholds:
    """Warning at most quarantine; zero as the profile's policy says."""

    def __init__(self, names: Adt) -> None:
        self._warning = names.warning
        self._quarantine = names.quarantine
        self._zero = policy_severity(names.zero)

    def passes(self, block: Block) -> bool:
        """Tell whether all thresholds of the block are in order."""
        warnings, quarantines = block.columns[self._warning], block.columns[self._quarantine]
        if self._zero and ("0" in warnings or "0" in quarantines):
            return False
        return not any(map(gt, map(int, warnings), map(int, quarantines)))

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        warning, quarantine = row.values.get(self._warning), row.values.get(self._quarantine)
        for column, value in ((self._warning, warning), (self._quarantine, quarantine)):
            if self._zero and value == "0":
                message = "the threshold is zero, and what zero means to the DCC is not known"
                yield Complaint(rule="adt.zero-threshold", message=message, column=column, severity=self._zero)
        if warning is not None and quarantine is not None and int(warning) > int(quarantine):
            message = "the warning threshold is above the quarantine threshold"
            yield Complaint(rule="adt.warning-above-quarantine", message=message, column=self._warning)


class Eligibility:
    """The row's User Role may send its Variant, where the list says who may."""

    def __init__(self, names: Adt, srvs: SrvList) -> None:
        self._role = names.user_role
        self._srv = names.srv
        self._srvs = srvs

    def passes(self, block: Block) -> bool:
        """Tell whether every pair of the block is eligible."""
        roles = block.columns.get(self._role)
        return roles is None or all(self._may(*pair) for pair in set(zip(roles, block.columns[self._srv], strict=True)))

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        if not self._may(row.values.get(self._role, ""), row.values.get(self._srv, "")):
            message = "this User Role may not send the Service Reference Variant, by the list in use"
            yield Complaint(rule="adt.role-not-eligible", message=message, column=self._role)

    def _may(self, role: str, srv: str) -> bool:
        variant = self._srvs.get(srv)
        if variant is None or not variant.user_roles or role.upper() not in USER_ROLES:
            return True  # another rule's business: an unknown Variant, or a role of the profile's own spelling
        return role.upper() in variant.user_roles


def uniqueness(columns: Sequence[str], doubtful: AbstractSet[int], names: Adt, srvs: SrvList) -> Uniqueness:
    """Return the uniqueness rule of an ADT File, which suspects 7.10 saved as 7.1 behind a second 7.1.

    ``columns`` and ``doubtful`` are those of ``Uniqueness``.
    """
    plain = duplicate_key(columns)

    def shorter(key: Key) -> Key | None:
        place = columns.index(names.srv)
        return (*key[:place], key[place][:-1], *key[place + 1 :]) if key[place].endswith("0") else None

    def explain(row: Row, first: int) -> Complaint:
        longer = f"{row.values.get(names.srv, '')}0"
        key = tuple(longer if name == names.srv else row.values.get(name, "") for name in columns)
        if longer in srvs and key not in rule:
            message = f"the same as in line {first}; was one of them saved as a number and lost its last zero?"
            return Complaint(rule="sheet.doubled-srv", message=message, column=names.srv)
        return plain(row, first)

    checked: Explain = explain
    rule = (
        Uniqueness(columns, doubtful, checked, shorter)
        if names.srv in columns
        else Uniqueness(columns, doubtful, plain)
    )
    return rule
