"""Findings stay within their bounds and totals right; excerpts show no more than they may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.verdict import Severity
from sealdrop.rules.clauses import RULES
from sealdrop.rules.findings import EXCERPT_CHARACTERS, LIMIT, LIMIT_PER_RULE, Complaint, Findings, excerpt, printable


@given(st.lists(st.sampled_from(sorted(RULES)), max_size=60), st.integers(1, 30))
def test_kept_and_suppressed_add_up_and_totals_count_both(rules: list[str], times: int) -> None:
    findings = Findings({})
    for rule in rules * times:
        findings.add(Complaint(rule=rule, message="x"))
    severities = [RULES[rule].severity for rule in rules * times]

    assert len(findings.kept) + findings.suppressed == len(severities)
    assert findings.rejecting == severities.count(Severity.REJECT)
    assert findings.holding == severities.count(Severity.HOLD)
    assert len(findings.kept) <= LIMIT


def test_no_more_than_the_limits_are_kept_and_the_first_ones_are() -> None:
    findings = Findings({})
    for rule in list(RULES)[:20]:
        for _ in range(LIMIT_PER_RULE + 1):
            findings.add(Complaint(rule=rule, message="x"))

    assert [finding.rule for finding in findings.kept] == [
        rule for rule in list(RULES)[: LIMIT // LIMIT_PER_RULE] for _ in range(LIMIT_PER_RULE)
    ]


@pytest.mark.parametrize(
    ("value", "privacy", "shown"),
    [
        ("7.1", "public", "7.1"),
        ("x" * 60, "public", "x" * 60),
        ("x" * 61, "public", "x" * 59 + "…"),
        ("a\x1b[2J\u202e", "public", r"a\x1b[2J\u202e"),
        ("secret", "masked", "se… (6 characters)"),
        ("\x1b\x1b4567", "masked", r"\x1b\x1b… (6 characters)"),
        ("short", "masked", "… (5 characters)"),
        ("anything", "secret", None),
    ],
)
def test_an_excerpt_shows_what_the_privacy_class_allows(value: str, privacy: str, shown: str | None) -> None:
    assert excerpt(value, privacy) == shown  # type: ignore[arg-type] # a table of cases is not literal


@given(st.text(alphabet=st.characters(), max_size=100))
def test_an_excerpt_is_short_and_harmless(value: str) -> None:
    for shown in (excerpt(value, "public"), excerpt(value, "masked")):
        assert shown is not None
        assert len(shown) <= EXCERPT_CHARACTERS
        assert shown.isprintable()
    assert printable(value).isprintable()
