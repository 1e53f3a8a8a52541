"""Guards at their edges: policies that say nothing, bounds, files that turn out otherwise, profiles that cannot be."""

from __future__ import annotations

import pytest

from sealdrop.core.errors import ConfigurationError
from sealdrop.core.verdict import Change
from sealdrop.rules.guards import changes, references
from sealdrop.rules.guards.changes import EarlierContent, Gaps
from sealdrop.rules.guards.reading import rows_of
from sealdrop.rules.report import change_lines
from support.rule_cases import ADT_HEADER, EQ, REQUEST, U1, Sample, adt, eq, profile, srvs, tuned

OLD = f"{U1},7.1,10,20"


def guards_said(sample: Sample) -> list[str]:
    return [one.rule for one in sample.judged().findings if one.rule.startswith("guard.")]


def compared(new: bytes, *earlier: bytes) -> list[str]:
    loaded = profile()
    assert loaded.guards is not None
    files = [EarlierContent(submission="earlier", keys={U1}, chunks=[data]) for data in earlier]
    outcome = changes.compare(loaded, loaded.guards, srvs(), [new], files, Gaps())
    return [f"{one.rule}: {one.message}" for one in outcome.findings.kept]


def test_without_a_bound_no_release_is_a_bulk_release() -> None:
    rows = [f"{number},{REQUEST},RELEASE" for number in range(1, 301)]
    unbounded = tuned(eq(*rows), guards={"critical_release": "hold", "unknown_reference": "allow"})

    assert guards_said(unbounded) == []


def test_equal_thresholds_may_be_nobodys_business() -> None:
    equal = adt(f"{U1},6.15.1,10,10")

    assert guards_said(equal) == ["guard.warning-equals-quarantine"]
    assert guards_said(tuned(equal, guards__warning_equals_quarantine="allow")) == []


def test_unknown_references_may_be_nobodys_business() -> None:
    loaded = profile("exit-quarantine", guards__unknown_reference="allow")
    assert loaded.guards is not None

    assert references.judge(loaded, loaded.guards, {b"key": 2}, reports=1).findings.kept == ()


def test_more_communications_than_are_looked_up_are_not_looked_up_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MOST_LOOKED_UP", 1)
    two = eq(f"17,{REQUEST},RELEASE", f"18,{REQUEST},RELEASE")

    assert references.wanted_keys(profile("exit-quarantine"), [EQ.data]) is not None
    assert references.wanted_keys(profile("exit-quarantine"), [two.data]) is None


def test_more_earlier_rows_than_are_compared_are_not_compared_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_ROWS", 1)
    (said,) = compared(adt(OLD).data, adt(OLD, f"{U1},7.2,10,20").data)

    assert said == "guard.too-much: the earlier files have too many rows to compare them all"


def test_a_file_that_cannot_be_read_again_waits_for_a_person() -> None:
    (said,) = compared(b"", adt(OLD).data)

    assert said.startswith("guard.too-much: it cannot be compared")


def test_a_small_flaw_of_an_earlier_file_does_not_keep_it_from_being_compared() -> None:
    mixed = f"{ADT_HEADER}\r\n{OLD}\n".encode()
    (said,) = compared(adt(f"{U1},7.1,10,1000").data, mixed)

    assert said.startswith("guard.increase")


def test_an_earlier_file_without_a_header_is_read_by_its_places() -> None:
    bare = profile(header="none")
    places = [column.name for column in bare.columns]
    cells = {"user_id": U1, "srv": "7.1", "warning_threshold": "10", "quarantine_threshold": "20"}
    row = ",".join(cells.get(name, "") for name in places)

    (found,) = rows_of(bare, [f"{row}\n".encode()], ("srv", "warning_threshold"))

    assert found == (1, ("7.1", "10"))


@pytest.mark.parametrize(
    ("kind", "edits", "path"),
    [
        ("adt", {"guards": None, "approvals": 1}, "approvals"),
        ("adt", {"guards__max_releases": 5}, "guards.max_releases"),
        ("report", {"guards": {"first_file": "warn"}}, "guards"),
        ("exit-quarantine", {"exit_quarantine__release": "release"}, "exit_quarantine.release"),
    ],
    ids=[
        "approvals without any guard that asks for them",
        "a guard of another kind",
        "guards of a kind that has none",
        "a word for release that no cell is ever equal to",
    ],
)
def test_a_profile_whose_guards_cannot_work_is_refused(kind: str, edits: dict[str, object], path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        profile("quarantine-report" if kind == "report" else kind, **edits)

    assert path in {problem.path for problem in caught.value.problems}


def test_changes_that_are_not_listed_are_counted_in_words() -> None:
    change = Change(user_id=U1, srv="7.1", threshold="warning_threshold", old=1, new=2, earlier="earlier")

    assert list(change_lines((), 0)) == []
    assert list(change_lines((), 3))[1].startswith("They are not listed")
    assert list(change_lines((change,), 3))[-1] == "2 further changes are not listed."


def test_a_word_for_release_in_small_letters_is_refused_where_either_case_will_do() -> None:
    columns = [
        {**one, "codes": ["release", "delete"], "case": "any"} if one["name"] == "action" else one
        for one in profile("exit-quarantine").model_dump(mode="json")["columns"]
    ]
    with pytest.raises(ConfigurationError) as caught:
        profile("exit-quarantine", columns=columns, exit_quarantine__release="release")

    assert [(one.path, one.what) for one in caught.value.problems] == [("exit_quarantine.release", "not in capitals")]
