"""The pages that ship say what the product says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sealdrop.core.submission import Submission, make_id
from sealdrop.rules.clauses import RULES
from sealdrop.rules.report import Subject, report_json
from sealdrop.rules.report_schema import Report
from support.rule_cases import CASES
from support.rule_pages import CONFIG, PAGES, catalogue

_MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
_LOOKED_AT = Subject(file_name="a\x1b.csv", size=7, sha256="0" * 64)
_IN_CARE = Subject.of(
    Submission(
        id=make_id(_MOMENT, 1), outbox="adt", kind="adt", environment="live", file_name="a.csv", size=7,
        sha256="0" * 64, claimed_at=_MOMENT,
    )
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_up_to_date(name: str) -> None:
    assert (CONFIG / name).read_text() == PAGES[name](), "PYTHONPATH=tests python -m support.rule_pages"


def test_every_rule_is_in_the_catalogue_with_its_clause_and_advice() -> None:
    page = catalogue()

    for rule in RULES.values():
        entry = page.partition(f"\n### {rule.id}\n")[2].partition("\n### ")[0]
        for part in (rule.title, rule.severity.value, rule.clause, rule.hint, "Passes:", "Fails:"):
            assert part in entry


def test_the_catalogue_harms_no_reader() -> None:
    assert [line for line in catalogue().splitlines() if not line.isprintable()] == []


@pytest.mark.parametrize("subject", [_LOOKED_AT, _IN_CARE], ids=["looked at", "in our care"])
@pytest.mark.parametrize("rule", sorted(CASES))
def test_every_report_has_the_published_shape(rule: str, subject: Subject) -> None:
    document = report_json(subject, CASES[rule].failing.judged())

    assert json.loads(Report.model_validate_json(document).model_dump_json()) == json.loads(document)


def test_a_report_of_another_shape_is_noticed() -> None:
    document = json.loads(report_json(_LOOKED_AT, CASES["cell.integer"].failing.judged()))

    for wrong in ({"extra": 1}, {"verdict": "good"}, {"version": 2}, {"records": -1}):
        with pytest.raises(ValueError, match="validation error"):
            Report.model_validate_json(json.dumps(document | wrong))
