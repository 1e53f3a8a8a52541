"""The line beside a finding: the caret stands under the cell, and nothing private is shown."""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Finding
from sealdrop.rules.line_view import CELL_WIDTH, HIDDEN, LINE_BYTES, WIDTH, LineViews, pick_lines
from sealdrop.rules.profile_parsing import parse_profile
from support.rule_cases import (
    ADT_HEADER,
    CASES,
    EQ_HEADER,
    GOOD,
    REQUEST,
    U1,
    Sample,
    adt,
    changed,
    cut,
    eq,
    raw,
    tables,
)

_MARKER = "MARKER"


def views_of(sample: Sample) -> list[tuple[Finding, list[str]]]:
    profile = parse_profile(changed(tables(sample.kind), sample.changes))
    findings = sample.judged().findings
    lines = pick_lines([sample.data], {finding.line or 1 for finding in findings})
    views = LineViews(profile, lines)
    return [(finding, views.of(finding)) for finding in findings]


def only(sample: Sample) -> list[str]:
    (((_, view)),) = views_of(sample)
    return view


def test_a_caret_stands_under_the_whole_cell() -> None:
    assert only(adt(f"{U1},01-May,1,2")) == [
        f"     2 | {U1},01-May,1,2",
        f"       | {' ' * len(U1)} ^^^^^^",
    ]


def test_under_an_empty_cell_there_is_one_caret() -> None:
    assert only(adt(f"{U1},7.1,,2")) == [f"     2 | {U1},7.1,,2", f"       | {' ' * len(U1)}     ^"]


def test_a_finding_without_a_column_has_its_line_alone() -> None:
    assert only(adt(GOOD, f"{U1},7.1")) == [f"     3 | {HIDDEN},{HIDDEN}"]


def test_a_finding_without_a_line_has_nothing() -> None:
    assert only(Sample(data=adt(GOOD).data, own=())) == []


def test_cells_are_hidden_by_the_privacy_of_their_columns() -> None:
    header = f"{EQ_HEADER},reason"
    view = only(eq(f'x,{REQUEST},RELEASE,"{_MARKER}, she said"', header=header))

    assert view == [f"     2 | x,{HIDDEN},RELEASE,{HIDDEN}", "       | ^"]


def test_the_cell_under_the_caret_is_hidden_too_when_it_is_private() -> None:
    assert only(eq(f"1,{_MARKER},RELEASE")) == [f"     2 | 1,{HIDDEN},RELEASE", "       |   ^^^"]


def test_of_a_header_only_known_names_are_shown() -> None:
    assert only(adt(f"{GOOD},x", header=f"{ADT_HEADER},{_MARKER}")) == [
        f"     1 | {ADT_HEADER},{HIDDEN}",
        f"       | {' ' * len(ADT_HEADER)} ^^^",
    ]
    assert all(_MARKER not in "".join(view) for _, view in views_of(raw(f"{GOOD},{_MARKER}\n".encode())))


@pytest.mark.parametrize(
    "line",
    [
        f'1,"{REQUEST},RELEASE,{_MARKER}',
        f'1,"{REQUEST}",RELEASE,"{_MARKER}"x',
        f"1,{REQUEST},RELEASE,{_MARKER}\0",
        f'1,{REQUEST},RELEASE,x"{_MARKER}',
        f"{_MARKER},1,{REQUEST},RELEASE,",
        f"{REQUEST},RELEASE,{_MARKER}",
        f'1,{REQUEST},RELEASE,"x\n{_MARKER},y"\n1,2,3,4,5',
        f'1,{REQUEST},RELEASE,"x\n{_MARKER}\0,y"',
        f'{REQUEST},{REQUEST},RELEASE,"{_MARKER}\ny"',
        f'1,{REQUEST},RELEASE,"x\n{_MARKER},a,b\0,c"',
        f'{_MARKER},"x\ny"',
    ],
)
def test_where_nobody_knows_which_cell_is_whose_nothing_private_is_shown(line: str) -> None:
    views = views_of(eq(line, header=f"{EQ_HEADER},reason"))

    assert views
    assert all(_MARKER not in "".join(view) for _, view in views)


def test_before_a_cell_with_a_line_break_the_cells_are_certain() -> None:
    view = only(adt(f'{U1},7.1,1,2,"a\nb"', header=f"{ADT_HEADER},exception"))

    assert view == [f"     2 | {U1},7.1,1,2,{HIDDEN}", f"       | {' ' * 32}^^^"]


def test_without_anything_private_the_line_is_shown_whatever_is_wrong() -> None:
    changes: Mapping[str, object] = {"columns/exception/privacy": "public"}

    assert only(adt(f'{U1},"7.1"0,1,2', changes=changes)) == [
        f'     2 | {U1},"7.1"0,1,2',
        f"       | {' ' * len(U1)} ^^^^^^",
    ]


def test_columns_that_the_profile_does_not_know_are_private() -> None:
    header = f"{ADT_HEADER},comment"
    changes: Mapping[str, object] = {"extra_columns": "allow", "columns/exception/privacy": "public"}

    assert only(adt(f"{U1},x,1,2,{_MARKER}", header=header, changes=changes))[0] == f"     2 | {U1},x,1,2,{HIDDEN}"


def test_without_a_header_columns_stand_in_the_profiles_order() -> None:
    changes = {
        "header": "none", "columns": [tables("adt")["columns"][place] for place in (1, 3, 4, 5)], "compare": [],
        "reference/source": "none",
    }  # fmt: skip

    assert only(Sample(data=f"{U1},7.1,x,2\n".encode(), changes=changes))[1] == f"       | {' ' * 28}^"


def test_what_steers_a_terminal_is_escaped_and_wide_characters_are_counted() -> None:
    changes: Mapping[str, object] = {"columns/exception/privacy": "public", "columns/exception/max": 1}
    line, caret = only(adt(f"{U1},7.1,1,2,電気e\u0301", header=f"{ADT_HEADER},exception", changes=changes))

    assert line.endswith(",電気e\u0301")
    assert caret.endswith(" ^^^^^")
    escaped = views_of(adt(f"{U1},7.1,1,2,\x1b[31m", header=f"{ADT_HEADER},exception", changes=changes))
    assert all(text.isprintable() for _, view in escaped for text in view)


def test_a_long_line_is_cut_around_the_cell() -> None:
    changes: Mapping[str, object] = {"columns/exception/privacy": "public", "columns/exception/max": 1000}
    names = "exception,user_id,srv,warning_threshold,quarantine_threshold,reference"
    line, caret = only(adt(f"{'a' * 300},{U1},x,1,2,{'b' * 60}", header=names, changes=changes))

    assert line.startswith("     2 | …")
    assert line.endswith("b…")
    assert line[caret.index("^")] == "x"
    assert len(line) <= WIDTH + 9


def test_a_long_cell_is_cut_to_what_a_caret_may_span() -> None:
    changes: Mapping[str, object] = {"columns/exception/privacy": "public"}
    line, caret = only(adt(f"{GOOD},{'x' * 300}", header=f"{ADT_HEADER},exception", changes=changes))

    assert caret.count("^") == CELL_WIDTH
    assert line.endswith("x…")
    assert len(line) <= WIDTH + 9


@pytest.mark.parametrize("rule", sorted(CASES))
def test_every_view_is_printable_narrow_and_points_into_its_line(rule: str) -> None:
    for _, view in views_of(CASES[rule].failing):
        for text in view:
            assert text.isprintable()
            assert _columns(text) <= WIDTH + 9
        if len(view) == 2:
            assert len(view[1]) <= _columns(view[0]) + 1


def _columns(text: str) -> int:
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


# --- picking ------------------------------------------------------------------------------------------------------

_BYTES = st.lists(st.sampled_from([b"a", b"b", b"\n", b"\r", b"\r\n"]), max_size=60).map(b"".join)


@settings(max_examples=200)
@given(data=_BYTES, wanted=st.sets(st.integers(1, 30)), places=st.lists(st.integers(0, 100), max_size=6))
def test_the_lines_picked_are_those_an_editor_counts(data: bytes, wanted: set[int], places: list[int]) -> None:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    picked = pick_lines(cut(data, places), wanted)

    assert {number: text for number, text in picked.items() if text} == {
        number: lines[number - 1] for number in wanted | {1} if number <= len(lines) and lines[number - 1]
    }


def test_of_an_endless_line_only_the_beginning_is_kept() -> None:
    picked = pick_lines((b"x" * 100_000 for _ in range(50)), {1})

    assert picked == {1: b"x" * LINE_BYTES}
