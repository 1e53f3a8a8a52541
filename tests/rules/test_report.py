"""Both reports say the same, harm no terminal, and show no more than the findings do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sealdrop.core.submission import Submission, make_id
from sealdrop.rules.clauses import RULES
from sealdrop.rules.identifiers import user_id_text
from sealdrop.rules.report import WIDTH, Subject, report_json, report_text, verdict_word
from support.rule_cases import ADT, CASES, EQ, U1, Sample, adt, wide

_MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
_SUBJECT = Subject(file_name="a\x1b[31m\u202e\udcffb.csv", size=7, sha256="0" * 64)
_SUBMISSION = Submission(
    id=make_id(_MOMENT, 1),
    outbox="adt",
    kind="adt",
    environment="live",
    file_name="a.csv",
    size=7,
    sha256="0" * 64,
    claimed_at=_MOMENT,
)


def text_of(sample: Sample, subject: Subject = _SUBJECT) -> str:
    return report_text(subject, sample.judged()).decode()


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_report_names_rule_place_advice_and_clause_of_every_finding(rule: str) -> None:
    sample = CASES[rule].failing
    flat = " ".join(text_of(sample).split())
    document = json.loads(report_json(_SUBJECT, sample.judged()))

    for finding, item in zip(sample.judged().findings, document["findings"], strict=True):
        for part in (finding.rule, finding.message, finding.hint, finding.excerpt or "", RULES[finding.rule].clause):
            assert " ".join(part.split()) in flat
        assert item == {
            "rule": finding.rule,
            "severity": finding.severity.value,
            "clause": RULES[finding.rule].clause,
            "message": finding.message,
            "hint": finding.hint,
            "line": finding.line,
            "record": finding.record,
            "column": finding.column,
            "excerpt": finding.excerpt,
        }


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_report_holds_no_control_character_and_no_long_line(rule: str) -> None:
    lines = text_of(CASES[rule].failing).splitlines()

    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if len(line) > WIDTH + 10] == []


def test_the_first_lines_say_file_verdict_and_counts() -> None:
    sample = adt(f"{U1},7.1,x,0", f"{U1},7.2,0,2")
    first, second, *_ = text_of(sample).splitlines()

    assert first == r"REJECTED: a\x1b[31m\u202e\udcffb.csv"
    assert second == "1 that cannot be right, 2 for a person, 0 to be known."


def test_the_three_verdicts_have_their_words() -> None:
    held = adt(f"{U1},99.9,1,2").judged()

    assert verdict_word(ADT.judged()) == "accepted"
    assert verdict_word(held) == "held"
    assert verdict_word(replace(held, rejecting=1)) == "rejected"


def test_what_is_not_listed_is_counted() -> None:
    sample = adt(*[f"{user_id_text(number)},7.1,x,2" for number in range(0x90B3D51F30010000, 0x90B3D51F30010028)])
    document = json.loads(report_json(_SUBJECT, sample.judged()))

    assert document["counts"] == {"reject": 40, "hold": 0, "warn": 0, "reported": 25, "suppressed": 15}
    assert "15 further findings" in text_of(sample)


def test_a_verified_profile_is_not_called_unverified() -> None:
    verdict = EQ.judged()

    assert "unverified" in report_text(_SUBJECT, verdict).decode()
    assert "unverified" not in report_text(_SUBJECT, replace(verdict, unverified=False)).decode()


def test_a_submission_is_named_with_its_id_outbox_and_time() -> None:
    sample = Sample(data=adt(f"{U1},7.1,1,2,SR-1", header=wide_header()).data)
    subject = Subject.of(_SUBMISSION)
    document = json.loads(report_json(subject, sample.judged()))
    text = text_of(sample, subject)

    assert document["submission"] == {
        "id": _SUBMISSION.id,
        "outbox": "adt",
        "kind": "adt",
        "environment": "live",
        "claimed_at": "2026-11-24T12:00:00Z",
    }
    assert document["reference"] == "SR-1"
    assert f"Submission  {_SUBMISSION.id} from outbox adt" in text
    assert "Reference   SR-1" in text


def wide_header() -> str:
    return "user_id,srv,warning_threshold,quarantine_threshold,reference"


def test_the_shape_of_the_report_for_programs_is_stable() -> None:
    document = json.loads(report_json(_SUBJECT, wide().judged()))

    assert document["version"] == 1
    assert list(document) == [
        "version", "verdict", "file", "submission", "profile", "records", "reference", "ordering_keys", "counts",
        "findings", "changed", "changes",
    ]  # fmt: skip
    assert document["profile"] == {"name": "adt", "version": "1", "unverified": True}
    assert document["file"]["name"] == r"a\x1b[31m\u202e\udcffb.csv"
    assert document["submission"] is None


def test_a_finding_of_a_rule_that_no_longer_exists_can_still_be_reported() -> None:
    verdict = CASES["srv.unknown"].failing.judged()
    old = replace(verdict, findings=(replace(verdict.findings[0], rule="srv.bygone"),))

    assert "Rule srv.bygone" in report_text(_SUBJECT, old).decode()
    assert json.loads(report_json(_SUBJECT, old))["findings"][0]["clause"] == "not known to this version"
