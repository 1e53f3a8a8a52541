"""Findings and verdicts: what the rules say of one file.

A finding is one observation of one rule; the verdict is the answer. A finding never carries a whole row:
its excerpt is short and already masked by the column's privacy class.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters."""

    REJECT = "reject"  # cannot be right: the file goes to failed/ with a report
    HOLD = "hold"  # unusual or unknown: a person decides
    WARN = "warn"  # delivered, but noted in receipt and report


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation of one rule.

    Args:
        rule: id of the rule, for example ``adt.warning-above-quarantine`` (see ``rules/clauses.py``).
        severity: what follows from it.
        message: what is wrong, one sentence.
        hint: what to do, one imperative sentence.
        line: physical line in the file, from 1, as a text editor counts; None for the file as a whole.
        record: record number, from 1, header not counted; None outside records.
        column: header of the column; None where no single column is meant.
        excerpt: short safe excerpt, masked by the column's privacy class; never more than 60 characters.
    """

    rule: str
    severity: Severity
    message: str
    hint: str
    line: int | None = None
    record: int | None = None
    column: str | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One threshold that is not what an earlier file said.

    Args:
        user_id, srv: whose threshold it is, and for which Service Reference Variant.
        threshold: header of its column.
        old: what the earlier file says; None when it says nothing.
        new: what this file says; None when it says nothing any more.
        earlier: id of the submission that the earlier file is.
    """

    user_id: str
    srv: str
    threshold: str
    old: int | None
    new: int | None
    earlier: str

    @property
    def difference(self) -> int | None:
        """New less old; None when one of them is not there."""
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def percent(self) -> int | None:
        """The difference in whole percent of the old value, rounded towards zero; None when there is no such number."""
        if self.old is None or self.new is None or self.old == 0:
            return None
        size = abs(self.new - self.old) * 100 // self.old
        return size if self.new >= self.old else -size


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The rules' answer to one file.

    Args:
        profile: name of the profile.
        profile_version: version of the profile, as its TOML file states it.
        findings: reported findings in file order, capped.
        suppressed: how many further findings the cap left out.
        records: data records read.
        ordering_keys: normalised keys that order deliveries (by default the User IDs), sorted, unique.
        reference: SMSR reference found in the file or its name, if any.
        unverified: True while nobody has confirmed the profile against SEC Appendix AA.
        rejecting, holding: findings of these severities, suppressed ones included.
        guarding: those of the holding ones that a guard made.
        approvals: signed approvals that the profile wants where a guard holds; 0: an operator may release.
        changes: what is not as in earlier files, the largest increase first, capped.
        changed: how many changes there are, those that the cap left out included.
    """

    profile: str
    profile_version: str
    findings: tuple[Finding, ...]
    suppressed: int
    records: int
    ordering_keys: tuple[str, ...]
    reference: str | None = None
    unverified: bool = True
    rejecting: int = 0
    holding: int = 0
    guarding: int = 0
    approvals: int = 0
    changes: tuple[Change, ...] = ()
    changed: int = 0

    @property
    def rejected(self) -> bool:
        """True when the file cannot be right."""
        return self.rejecting > 0

    @property
    def held(self) -> bool:
        """True when the file is not rejected but a person must decide."""
        return not self.rejected and self.holding > 0
