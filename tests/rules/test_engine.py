"""The engine gives a verdict on anything, the same one however it reads, and finds every single mistake."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Severity, Verdict
from sealdrop.rules.findings import LIMIT, LIMIT_PER_RULE
from sealdrop.rules.identifiers import user_id_number, user_id_text
from support.rule_cases import (
    ADT,
    ADT_HEADER,
    DEVICE,
    EQ_HEADER,
    GOOD,
    PLAIN,
    REQUEST,
    U1,
    U2,
    Sample,
    adt,
    eq,
    raw,
    srvs,
    tuned,
    wide,
)
from support.rule_cases import tables as tables_of

_FIRST_OWN = user_id_number(U1)


def rules_of(verdict: Verdict) -> list[str]:
    return [finding.rule for finding in verdict.findings]


# --- any bytes ----------------------------------------------------------------------------------------------------

_SHREDS = st.sampled_from(
    [b",", b'"', b"\n", b"\r\n", b"\r", b";", b"\xff", b"\0", b"=1+1", b"1.2E+19", b"7.1", b"0", b"END", b"ALL", b" ",
     U1.encode(), REQUEST.encode(), b"RELEASE", b"SR-1", b"\xe2\x80\xae", ADT_HEADER.encode(), EQ_HEADER.encode(),
     GOOD.encode() + b"\n", f"{U2},7.1,1,2\n".encode(), f"17,{REQUEST},DELETE\n".encode()]
)  # fmt: skip
_ANYTHING = st.one_of(st.binary(max_size=300), st.lists(_SHREDS, max_size=60).map(b"".join))
_STARTS = st.sampled_from([b"", ADT_HEADER.encode() + b"\n", EQ_HEADER.encode() + b"\n"])
_CHANGES = {
    "trailer": {"marker": "END", "count_position": 2, "required": False},
    "bounds/rows": 7,
    "bounds/ordering_keys": 2,
    "extra_columns": "allow",
    "formula_cells": "flag",
    "severities": {"csv.empty-row": "warn", "cell.line-break": "warn", "cell.code": "hold", "cell.range": "warn"},
}


@settings(max_examples=200)
@given(start=_STARTS, rest=_ANYTHING, kind=st.sampled_from(["adt", "exit-quarantine"]), tight=st.booleans())
def test_any_bytes_get_one_verdict_however_they_are_read(start: bytes, rest: bytes, kind: str, tight: bool) -> None:  # noqa: FBT001 - drawn
    sample = Sample(data=start + rest, kind=kind, changes=_CHANGES if tight else {})
    whole = sample.judged(block_bytes=1 << 20)
    in_shreds = sample.judged([bytes([byte]) for byte in sample.data], block_bytes=16)

    assert in_shreds == whole
    assert len(whole.findings) <= LIMIT


# --- tables -------------------------------------------------------------------------------------------------------

_SRVS = sorted(srvs().variants)
_KEY = st.tuples(st.integers(0, 0xFFFF), st.sampled_from([*_SRVS, "ALL"]))
_KEYS = st.lists(_KEY, min_size=1, max_size=40, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    rows = []
    for number, srv in draw(_KEYS):
        quarantine = draw(st.integers(2, 999999))
        warning = draw(st.integers(1, quarantine - 1))  # where they are equal a guard warns
        rows.append([user_id_text(_FIRST_OWN + number), srv, str(warning), str(quarantine)])
    return rows


def sample_of(rows: list[list[str]]) -> Sample:
    return adt(*(",".join(row) for row in rows))


@settings(max_examples=100)
@given(tables())
def test_every_table_of_valid_rows_is_accepted_and_ordered_by_its_user_ids(rows: list[list[str]]) -> None:
    verdict = sample_of(rows).judged(block_bytes=512)

    assert verdict.findings == ()
    assert verdict.records == len(rows)
    assert verdict.ordering_keys == tuple(sorted({row[0] for row in rows}))


_BREAKAGES: dict[str, list[str]] = {
    "user_id": ["", "90-B3", "91-B3-D5-1F-30-01-00-00", "=A1", " 90-B3-D5-1F-30-01-00-00"],
    "srv": ["", "4.1", "01-May", "99.9", "7,1", "1.5E+1", "\u202e7.1"],
    "warning_threshold": ["", "01", "-1", "1.0", "1E+6", "1 000", "1000000000000000", "9" * 41, "0"],
    "quarantine_threshold": ["", "x", "@SUM(A1)", "1234567890123450000"],
}


@settings(max_examples=200)
@given(tables(), st.data())
def test_a_single_broken_cell_is_named_by_line_and_column(rows: list[list[str]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from(sorted(_BREAKAGES)))
    broken = data.draw(st.sampled_from(_BREAKAGES[column]))
    rows[place][ADT_HEADER.split(",").index(column)] = f'"{broken}"' if "," in broken else broken
    verdict = sample_of(rows).judged(block_bytes=512)

    assert verdict.rejecting + verdict.holding >= 1
    assert {(place + 2, place + 1, column)} == {(item.line, item.record, item.column) for item in verdict.findings}


# --- what a verdict says ------------------------------------------------------------------------------------------


def test_a_thousand_equal_mistakes_are_counted_and_do_not_bury_others() -> None:
    rows = [f"{user_id_text(_FIRST_OWN + number)},7.1,x,2" for number in range(1000)]
    verdict = adt(*rows, f"{U1},99.9,1,2").judged()

    assert verdict.rejecting == 1000
    assert verdict.holding == 1
    assert rules_of(verdict) == ["cell.integer"] * LIMIT_PER_RULE + ["srv.unknown"]
    assert verdict.suppressed == 1000 - LIMIT_PER_RULE


def test_no_file_makes_more_findings_than_the_limit() -> None:
    row = "x,x,x,x,x,x,x,x,\u202e"
    verdict = adt(*[row] * 300, header=wide().data.decode().splitlines()[0]).judged()

    assert len(verdict.findings) <= LIMIT
    assert verdict.suppressed + len(verdict.findings) == verdict.rejecting


def test_quoted_line_breaks_do_not_shift_the_numbers() -> None:
    header = ADT_HEADER + ",exception"
    verdict = tuned(
        adt(f'{U1},7.1,1,2,"a\nb"', f"{U2},7.1,x,2,", header=header), severities={"cell.line-break": "warn"}
    ).judged()

    assert [(item.rule, item.line, item.record) for item in verdict.findings] == [
        ("cell.line-break", 2, 1),
        ("cell.integer", 4, 2),
    ]


def test_a_cell_is_shown_only_as_far_as_its_column_allows() -> None:
    header = "quarantine_event_ref,request_id,action,reason"
    marker = "Mrs Marker called\t"
    verdict = eq(f"1x,{U1}:{DEVICE}:1.0,RELEASE,{marker}", header=header).judged()

    assert [(item.column, item.excerpt) for item in verdict.findings] == [
        ("quarantine_event_ref", "1x"),
        ("request_id", "90… (51 characters)"),
        ("reason", None),
    ]
    assert "Marker" not in repr(verdict)


def test_a_header_that_is_really_data_is_not_shown() -> None:
    verdict = raw(f"{GOOD}\n{U2},7.1,1,2\n".encode()).judged()

    assert "header.missing-column" in rules_of(verdict)
    assert U1 not in repr(verdict)


def test_a_header_without_any_known_name_is_one_finding_about_it() -> None:
    missing = [item for item in raw(b"a,b,c\n").judged().findings if item.rule == "header.missing-column"]

    assert [item.message for item in missing] == ["the first row does not name the columns"]


def test_a_name_that_differs_only_in_case_is_pointed_out() -> None:
    verdict = adt(GOOD, header="User_ID,srv,warning_threshold,quarantine_threshold").judged()

    assert [item.message for item in verdict.findings if item.rule == "header.missing-column"] == [
        "there is no column user_id; one differs only in letter case or spaces"
    ]


def test_columns_are_found_by_name_in_any_order() -> None:
    sample = adt(f"20,6.15.1,{U1},10", header="quarantine_threshold,srv,user_id,warning_threshold")

    assert sample.judged().findings == ()


def test_without_a_header_columns_are_found_by_position() -> None:
    changes = {
        "header": "none", "columns": [tables_of("adt")["columns"][place] for place in (1, 3, 4, 5)], "compare": [],
        "reference/source": "none",
    }  # fmt: skip
    verdict = Sample(data=f"{GOOD}\n{U2},7.1,x,2\n".encode(), changes=changes).judged()

    assert [(item.line, item.record, item.column) for item in verdict.findings] == [(2, 2, "warning_threshold")]
    assert rules_of(Sample(data=GOOD.replace(",", "|").encode(), changes=changes).judged()) == ["csv.delimiter"]


def test_cells_of_columns_beyond_the_profile_are_checked_for_formulas_all_the_same() -> None:
    verdict = tuned(adt(GOOD + ",=1+1", header=ADT_HEADER + ",comment"), extra_columns="allow").judged()

    assert [(item.rule, item.column) for item in verdict.findings] == [("cell.formula", "column 5")]


def test_flagged_formula_cells_are_delivered_and_noted() -> None:
    verdict = tuned(wide(exception="+cmd|A0"), formula_cells="flag").judged()

    assert [(item.rule, item.severity) for item in verdict.findings] == [("cell.formula", Severity.WARN)]
    assert not verdict.rejected


@pytest.mark.parametrize(
    "disguised",
    [
        "=1+1",
        "+A1",
        "-A1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "'=1",
        "\uff1d1",
        "\uff0bA",
        "\uff20A",
        '"=1',
        "\ufeff=1",
    ],
)
def test_a_formula_is_known_in_every_disguise(disguised: str) -> None:
    quoted = '"' + disguised.replace('"', '""') + '"'

    assert "cell.formula" in rules_of(wide(exception=quoted).judged())


@pytest.mark.parametrize("number", ["-5", "+5", "-1.5", "-1,000"])
def test_a_signed_number_is_no_formula(number: str) -> None:
    assert rules_of(wide(exception=f'"{number}"').judged()) == []


@pytest.mark.parametrize(
    ("policy", "severity"),
    [("allow", None), ("warn", Severity.WARN), ("hold", Severity.HOLD), ("reject", Severity.REJECT)],
)
def test_policies_decide_what_follows_from_zero_and_from_unknown_variants(
    policy: str, severity: Severity | None
) -> None:
    verdict = tuned(
        adt(f"{U1},99.9,0,2"), adt__zero=policy, srv__unknown=policy, guards__zero_critical="allow"
    ).judged()

    assert [item.severity for item in verdict.findings] == ([severity] * 2 if severity else [])
    assert verdict.held == (policy == "hold")


def test_a_held_cell_still_takes_part_in_the_rules_over_rows() -> None:
    verdict = adt(f"{U1},99.9,1,2", f"{U1},99.9,3,2").judged()

    assert rules_of(verdict) == ["srv.unknown", "srv.unknown", "adt.warning-above-quarantine", "row.duplicate-key"]


def test_an_unreadable_cell_has_no_second_finding_from_the_rules_over_rows() -> None:
    verdict = adt(f"{U1},7.1,x,2", f"{U1},7.2,x,2", "nobody,7.1,1,2", "nobody,7.1,1,2").judged()

    assert set(rules_of(verdict)) == {"cell.integer", "id.user-id"}


def test_a_severity_may_be_adjusted() -> None:
    verdict = tuned(adt(GOOD, ""), severities={"csv.empty-row": "warn"}).judged()

    assert not verdict.rejected
    assert [(item.rule, item.severity) for item in verdict.findings] == [("csv.empty-row", Severity.WARN)]


def test_the_reference_comes_from_the_column_or_from_the_files_name() -> None:
    column = adt(GOOD + ",SR-1", f"{U2},7.1,1,2,", header=ADT_HEADER + ",reference")
    changes = {"file_name/pattern": r"(?P<reference>SR-\d+)?.*\.csv", "reference/source": "file-name"}

    assert column.judged().reference == "SR-1"
    assert Sample(data=PLAIN, name="SR-2_x.csv", changes=changes).judged().reference == "SR-2"
    assert Sample(data=PLAIN, name="x.csv", changes=changes).judged().reference is None
    assert ADT.judged().reference is None


def test_exit_quarantine_files_are_ordered_by_the_originator() -> None:
    assert eq(f"17,{REQUEST.lower()},DELETE").judged().ordering_keys == (U1,)


@pytest.mark.parametrize("action", ["DELETE", "RELEASE"])
def test_two_decisions_far_apart_are_found_all_the_same(action: str) -> None:
    rows = [f"{number},{REQUEST},DELETE" for number in range(1, 100)]
    verdict = eq(*rows, f"1,{REQUEST},{action}").judged(block_bytes=256)

    assert [(item.line, item.rule) for item in verdict.findings] == [
        (101, "eq.duplicate" if action == "DELETE" else "eq.contradiction")
    ]


def test_without_an_event_reference_the_request_id_alone_names_a_communication() -> None:
    changes = {"columns/quarantine_event_ref/required": False}
    sample = eq(f"{REQUEST},DELETE", f"{REQUEST},RELEASE", header="request_id,action")

    assert rules_of(Sample(data=sample.data, kind=sample.kind, changes=changes).judged()) == ["eq.contradiction"]


def test_an_event_reference_is_compared_as_a_number_and_zero_is_one() -> None:
    assert rules_of(eq(f"0,{REQUEST},DELETE", f"00,{REQUEST},DELETE").judged()) == ["eq.duplicate"]


def test_an_adt_profile_without_a_key_does_not_look_for_duplicates() -> None:
    sample = tuned(adt(GOOD, GOOD), columns__user_id__key=False, columns__srv__key=False)
    by_user = tuned(adt(GOOD, f"{U1},7.1,1,2"), columns__srv__key=False)

    assert sample.judged().findings == ()
    assert rules_of(by_user.judged()) == ["row.duplicate-key"]


def test_a_second_short_variant_beside_its_longer_form_is_a_plain_duplicate() -> None:
    verdict = adt(f"{U1},7.10,1,2", f"{U1},7.1,1,2", f"{U1},7.1,1,2").judged()

    assert rules_of(verdict) == ["row.duplicate-key"]


def test_rows_after_the_bound_are_not_read() -> None:
    verdict = tuned(adt(*[f"{user_id_text(_FIRST_OWN + n)},7.1,1,2" for n in range(500)]), bounds__rows=10).judged()

    assert rules_of(verdict) == ["row.too-many"]
    assert verdict.records == 10


def test_only_a_byte_order_mark_is_an_empty_file() -> None:
    assert rules_of(raw(b"\xef\xbb\xbf").judged()) == ["file.empty"]


def test_a_trailer_may_be_left_out_where_the_profile_says_so_and_is_no_data_row() -> None:
    changes = {"trailer": {"marker": "END", "count_position": 2, "required": False}}
    verdict = adt(GOOD, "END,1", changes=changes).judged()

    assert (verdict.findings, verdict.records) == ((), 1)
    assert Sample(data=PLAIN, changes=changes).judged().findings == ()
    assert rules_of(adt(GOOD, "END", changes=changes).judged()) == ["trailer.count"]
    assert rules_of(adt(GOOD, "END,1", GOOD, GOOD, changes=changes).judged()) == ["trailer.not-last"]


def test_a_trailer_as_wide_as_the_rows_is_known_by_its_first_cell() -> None:
    changes = {"trailer": {"marker": "END", "count_position": 4}}

    assert adt(GOOD, "END,,,1", changes=changes).judged().findings == ()


def test_empty_cells_to_the_right_are_one_kind_of_finding_and_the_row_is_read_all_the_same() -> None:
    verdict = adt(f"{U1},7.1,x,2,,").judged()

    assert rules_of(verdict) == ["sheet.trailing-columns", "cell.integer"]


def test_a_reference_repeated_beside_a_broken_cell_is_the_same_reference() -> None:
    verdict = adt(GOOD + ",SR-1", f"{U2},7.1,x,2,SR-1", header=ADT_HEADER + ",reference").judged()

    assert (rules_of(verdict), verdict.reference) == (["cell.integer"], "SR-1")


def test_too_many_ordering_keys_are_said_once_and_kept_no_longer() -> None:
    rows = [f"{user_id_text(_FIRST_OWN + number)},7.1,1,2" for number in range(50)]
    verdict = tuned(adt(*rows), bounds__ordering_keys=10).judged(block_bytes=64)

    assert rules_of(verdict) == ["order.too-many-keys"]
    assert len(verdict.ordering_keys) == 11
    assert verdict.records == 50


def test_lower_case_may_be_demanded_of_letters() -> None:
    assert rules_of(tuned(wide(exception="Ab"), columns__exception__case="lower").judged()) == ["cell.case"]


def test_codes_may_be_spelled_in_any_case_where_the_profile_says_so() -> None:
    sample = eq(f"17,{REQUEST},release", f"17,{REQUEST},RELEASE")
    lenient = Sample(data=sample.data, kind=sample.kind, changes={"columns/action/case": "any"})

    assert rules_of(lenient.judged()) == ["eq.duplicate"]


# --- size ---------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file() -> None:
    row = f"{U1},7.1,1000,2000,".encode()
    block = b"".join(row + b"%07d" % number + b"x" * 200 + b"\n" for number in range(1000))
    header = ADT_HEADER.encode() + b",exception\n"

    def stream(megabytes: int) -> Iterator[bytes]:
        yield header
        for _ in range(megabytes * 1_000_000 // len(block)):
            yield block

    changes = {
        "columns/user_id/key": False, "columns/srv/key": False, "bounds/rows": 10_000_000, "columns/exception/max": 999,
    }  # fmt: skip
    peaks = []
    for megabytes in (2, 20):
        sample = Sample(data=b"", size=1, changes=changes)
        tracemalloc.start()
        started = time.monotonic()
        verdict = sample.judged(stream(megabytes))
        assert time.monotonic() - started < 60
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert verdict.findings == ()

    assert peaks[1] < peaks[0] * 1.2 + 500_000
