"""The register, the code and the cases agree in every direction."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sealdrop.rules
from sealdrop.core.verdict import Severity
from sealdrop.rules.clauses import RULES
from support.rule_cases import CASES

_SOURCES = Path(sealdrop.rules.__file__).parent
_AREAS = "|".join(sorted({rule.partition(".")[0] for rule in RULES}))
_RULE_LIKE = re.compile(rf"(?:{_AREAS})\.[a-z0-9]+(?:-[a-z0-9]+)*")
_NO_RULES = {"clauses.py", "profile_parsing.py"}  # the register itself; dotted paths of keys look alike


def _named_in_source() -> set[str]:
    found = set()
    for path in _SOURCES.rglob("*.py"):
        if path.name in _NO_RULES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _RULE_LIKE.fullmatch(node.value):
                found.add(node.value)
    return found


def test_every_rule_named_in_the_source_is_registered_and_every_registered_rule_is_named() -> None:
    assert set(RULES) == _named_in_source()


def test_every_registered_rule_has_a_case() -> None:
    assert set(RULES) == set(CASES)


def test_every_rule_rests_on_a_source_or_says_that_it_is_an_assumption() -> None:
    sources = ("assumption", "RFC 4180", "RFC 3339", "SEC ", "DUIS 5.4", "OWASP")

    assert [rule.id for rule in RULES.values() if not any(source in rule.clause for source in sources)] == []
    assert [rule.id for rule in RULES.values() if not rule.hint.endswith(".") and not rule.hint.endswith("?")] == []


@pytest.mark.parametrize("rule", sorted(CASES))
def test_the_passing_case_of_a_rule_passes_it_and_is_not_rejected(rule: str) -> None:
    verdict = CASES[rule].passing.judged()

    assert [finding for finding in verdict.findings if finding.rule == rule] == []
    assert not verdict.rejected


@pytest.mark.parametrize("rule", sorted(CASES))
def test_the_failing_case_of_a_rule_is_found_where_it_is(rule: str) -> None:
    case = CASES[rule]
    found = case.failing.findings(rule)

    assert found
    assert (case.line, case.column) == (found[0].line, found[0].column)
    assert found[0].hint
    if RULES[rule].severity is Severity.REJECT:
        assert case.failing.judged().rejected


@pytest.mark.parametrize("rule", sorted(CASES))
def test_one_mistake_gives_one_kind_of_finding(rule: str) -> None:
    found = {finding.rule for finding in CASES[rule].failing.judged().findings}

    assert found - ({"csv.empty-row"} if rule == "file.too-much-wrong" else set()) == {rule}
