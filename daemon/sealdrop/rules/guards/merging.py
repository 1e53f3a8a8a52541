"""Findings and changes of guards into the rules' verdict, which they follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sealdrop.core.verdict import Change, Verdict
from sealdrop.rules.findings import Findings

#: Changes that a verdict keeps; the rest are counted.
MOST_CHANGES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What guards found.

    Args:
        findings: in the order they were made.
        changes: the largest increase first, at most ``MOST_CHANGES``.
        changed: how many there are.
    """

    findings: Findings
    changes: tuple[Change, ...] = ()
    changed: int = 0


def merged(verdict: Verdict, outcome: Outcome) -> Verdict:
    """Return the verdict with what the guards found. Both lists of findings are bounded, and so is their sum."""
    found = outcome.findings
    return replace(
        verdict,
        findings=verdict.findings + found.kept,
        suppressed=verdict.suppressed + found.suppressed,
        rejecting=verdict.rejecting + found.rejecting,
        holding=verdict.holding + found.holding,
        guarding=verdict.guarding + found.guarding,
        changes=outcome.changes,
        changed=outcome.changed,
    )
