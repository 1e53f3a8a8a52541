"""Findings on their way into a verdict: masked excerpts, bounds on how many are kept, totals that stay right.

What is promised: an excerpt never shows more of a cell than its column's privacy class allows, holds no control
character and is at most 60 characters; messages are written by the rules and never contain a cell's value. At most
``LIMIT`` findings are kept, at most ``LIMIT_PER_RULE`` of one rule, so that one mistake repeated in every row does not
bury the others; the rest are counted, by severity, because the verdict depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sealdrop.core.verdict import Finding, Severity
from sealdrop.rules.clauses import RULES

LIMIT = 200  # findings kept in one verdict
LIMIT_PER_RULE = 25  # findings kept of one rule
GUARD = "guard."  # how the ids of guards begin
EXCERPT_CHARACTERS = 60
MASKED_PREFIX = 2  # characters a masked excerpt shows
MASKED_MINIMUM = 6  # of a shorter cell a masked excerpt shows only the length

Privacy = Literal["public", "masked", "secret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What one rule says of one cell or row, before it is known where that is.

    Args:
        rule: registered id.
        message: one sentence that holds no cell's value.
        column: header of the column concerned, when the complainer knows better than the caller.
        severity: overrides the register and the profile's ``severities`` (policies of the profile itself).
        hint: overrides the register's advice.
        readable: the cell is still a value of its column's type, so that rules over the row may read it. A complaint
            that says otherwise must reject, whatever a profile adjusts.
    """

    rule: str
    message: str
    column: str | None = None
    severity: Severity | None = None
    hint: str | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a complaint belongs: physical line, record number, column header; each may be unknown."""

    line: int | None = None
    record: int | None = None
    column: str | None = None


WHOLE_FILE = Place()


class Findings:
    """Collects findings in the order they are made, within bounds.

    Args:
        severities: the profile's adjustments, by rule id.
    """

    def __init__(self, severities: Mapping[str, Severity]) -> None:
        self._severities = severities
        self._kept: list[Finding] = []
        self._of_rule: dict[str, int] = {}
        self._totals = dict.fromkeys(Severity, 0)
        self._guarding = 0
        self._suppressed = 0

    def add(self, complaint: Complaint, place: Place = WHOLE_FILE, excerpt: str | None = None) -> None:
        """Take one complaint; ``excerpt`` is already masked."""
        rule = RULES[complaint.rule]
        severity = complaint.severity or self.severity_of(rule.id)
        self._totals[severity] += 1
        self._guarding += severity is Severity.HOLD and rule.id.startswith(GUARD)
        count = self._of_rule[rule.id] = self._of_rule.get(rule.id, 0) + 1
        if count > LIMIT_PER_RULE or len(self._kept) >= LIMIT:
            self._suppressed += 1
            return
        self._kept.append(
            Finding(
                rule=rule.id,
                severity=severity,
                message=complaint.message,
                hint=complaint.hint or rule.hint,
                line=place.line,
                record=place.record,
                column=complaint.column or place.column,
                excerpt=excerpt,
            )
        )

    def severity_of(self, rule: str) -> Severity:
        """Return what follows from ``rule`` under this profile."""
        return self._severities.get(rule, RULES[rule].severity)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """The findings to report."""
        return tuple(self._kept)

    @property
    def suppressed(self) -> int:
        """How many findings were made but not kept."""
        return self._suppressed

    @property
    def rejecting(self) -> int:
        """All findings that reject, kept or not."""
        return self._totals[Severity.REJECT]

    @property
    def holding(self) -> int:
        """All findings that hold, kept or not."""
        return self._totals[Severity.HOLD]

    @property
    def guarding(self) -> int:
        """All findings of guards that hold, kept or not."""
        return self._guarding


def policy_severity(policy: str) -> Severity | None:
    """Return what a policy of the profile makes of a finding; None when it allows what was found."""
    return None if policy == "allow" else Severity(policy)


def excerpt(value: str, privacy: Privacy) -> str | None:
    """Return the part of a cell that a report may show; None when it may show nothing."""
    if privacy == "secret":
        return None
    if privacy == "masked":
        shown = printable(value[:MASKED_PREFIX]) + "…" if len(value) >= MASKED_MINIMUM else "…"
        return f"{shown} ({len(value)} characters)"
    shown = printable(value[: EXCERPT_CHARACTERS + 1])
    return shown if len(shown) <= EXCERPT_CHARACTERS else shown[: EXCERPT_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """Return ``text`` with every character that could steer a terminal or hide in one written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
