"""A cell is either of its type or rejected, and what passes at one go passes one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Severity
from sealdrop.rules.cells import REMEMBERED, Cell, moment_of
from sealdrop.rules.clauses import RULES
from sealdrop.rules.identifiers import event_reference, is_srv, normal_user_id, own_ids, request_id
from sealdrop.rules.profile import Column, ColumnType
from sealdrop.rules.profile_parsing import parse_profile
from support.rule_cases import DEVICE, OWN, U1, changed, srvs, tables

_SOFTEST = changed(
    tables("adt"),
    {
        "formula_cells": "flag",
        "srv/unknown": "allow",
        "adt/zero": "allow",
        "severities": {rule.id: "warn" for rule in RULES.values() if rule.adjustable},
    },
)
_PROFILE = parse_profile(_SOFTEST)
_STRICT = parse_profile(tables("adt"))
_TYPES: list[ColumnType] = [
    "text", "code", "integer", "user-id", "request-id", "event-reference", "srv", "date", "date-time", "moment",
]  # fmt: skip
_NEAR = st.sampled_from(
    ["", " ", "0", "00", "7.1", "7.10", "4.1", "ALL", "=1", "+5", "-5", "@x", "1E+19", "1.23e5", "01-May", "May-01",
     "2026-11-24", "2026-02-30", "2026-11-24T10:00Z", "2026-11-24T25:00Z", "2026-11-24T10:00:00.5+00:00", U1, f" {U1}",
     f"{U1}:{DEVICE}:5", f"{U1}:{DEVICE}:{2**64}", "9" * 40, "9" * 41, "1" * 20, "1234567890123450000", "\u0661",
     "a\nb", "a\u202e", "\u00a05", "release", "RELEASE", "x" * 99]
)  # fmt: skip
_LONG = st.builds("{}{}".format, st.from_regex(r"[0-9]{13,20}", fullmatch=True), st.sampled_from(["", "0", "000"]))
_REQUESTS = st.builds("{}:{}:{}".format, st.sampled_from([U1, DEVICE, U1.lower()]), st.just(DEVICE), _LONG)
_VALUES = st.one_of(
    _NEAR, _LONG, _REQUESTS, st.text(max_size=12), st.text(alphabet="0123456789.:-=+eE TZ", max_size=24)
)


def cell(kind: ColumnType, *, strict: bool = False, **more: object) -> Cell:
    codes = {"code": ("RELEASE", "DELETE"), "srv": ("ALL",)}.get(kind, ())
    column = Column.model_validate({"name": "it", "type": kind, "codes": codes, **more})
    return Cell(column, _STRICT if strict else _PROFILE, srvs(), own_ids(OWN))


def is_of_type(kind: ColumnType, value: str) -> bool:
    match kind:
        case "integer":
            return value.isascii() and value.isdigit()
        case "user-id":
            return normal_user_id(value) is not None
        case "request-id":
            return request_id(value) is not None
        case "event-reference":
            return event_reference(value) is not None
        case "srv":
            return value == "ALL" or is_srv(value)
        case "date" | "date-time" | "moment":
            return moment_of(value) is not None
        case _:
            return value != ""


@settings(max_examples=200)
@given(st.sampled_from(_TYPES), _VALUES, st.booleans())
def test_a_value_that_rules_over_rows_may_read_is_of_its_type_whatever_the_profile_softens(
    kind: ColumnType,
    value: str,
    strict: bool,  # noqa: FBT001 - drawn
) -> None:
    complaints = cell(kind, strict=strict).complaints(value)

    assert is_of_type(kind, value) or any(not complaint.readable for complaint in complaints)


@settings(max_examples=200)
@given(st.sampled_from(_TYPES), _VALUES)
def test_a_value_that_cannot_be_read_is_always_rejected(kind: ColumnType, value: str) -> None:
    for complaint in cell(kind).complaints(value):
        firm = complaint.severity is Severity.REJECT or not RULES[complaint.rule].adjustable

        assert complaint.readable or firm


@settings(max_examples=200)
@given(st.sampled_from(_TYPES), st.lists(_VALUES, max_size=5), st.booleans())
def test_values_pass_together_only_if_each_passes_alone(
    kind: ColumnType,
    values: list[str],
    bounded: bool,  # noqa: FBT001 - drawn
) -> None:
    more: dict[str, object] = {"min": 3, "max": 50} if bounded and kind in ("integer", "text") else {}
    more |= {"own": True} if bounded and kind in ("user-id", "request-id") else {}
    expected = not any(cell(kind, strict=True, **more).complaints(value) for value in values)
    judge = cell(kind, strict=True, **more)

    assert judge.passes(values) == expected
    assert judge.passes(values) == expected  # also from memory


@settings(max_examples=100)
@given(st.sampled_from(_TYPES), st.lists(_VALUES, max_size=5))
def test_normal_forms_are_the_same_one_by_one_and_together(kind: ColumnType, values: list[str]) -> None:
    judge = cell(kind)

    assert list(judge.normals(values)) == [judge.normal(value) for value in values]


def test_memory_of_values_that_passed_is_bounded() -> None:
    judge = cell("text", required=False)
    for number in range(3):
        assert judge.passes([f"{number}-{place}" for place in range(REMEMBERED // 2)])
    judge.passes(["x" * 100])

    remembered = judge._passed  # noqa: SLF001 - a bound that nothing else shows

    assert len(remembered) <= REMEMBERED + 1
    assert "x" * 100 not in remembered


@pytest.mark.parametrize("value", ["01-May", "1-May-26", "May-01", "01/05/2026", "2026-05-01", "1 May 2026", "5/1/26"])
def test_a_date_made_of_a_variant_is_named_as_such(value: str) -> None:
    assert [item.rule for item in cell("srv").complaints(value)] == ["sheet.date"]


@pytest.mark.parametrize("value", ["1.23E+19", "1E+20", "1,5e+10", "9E5"])
@pytest.mark.parametrize("kind", ["integer", "event-reference", "request-id", "srv"])
def test_scientific_notation_is_named_as_such(kind: ColumnType, value: str) -> None:
    assert [item.rule for item in cell(kind).complaints(value)] == ["sheet.scientific"]


@pytest.mark.parametrize(
    ("digits", "suspect"),
    [("123456789012345", False), ("1234567890123450", True), ("1234567890123451", False),
     ("12345678901234500000", True), ("100000000000000", False)],
)  # fmt: skip
def test_a_number_that_ends_in_zeros_from_the_sixteenth_digit_on_is_suspect(digits: str, *, suspect: bool) -> None:
    rules = [item.rule for item in cell("event-reference").complaints(digits)]

    assert rules == (["sheet.rounded"] if suspect else [])


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [(3, None, "the number must be at least 3"), (None, 5, "the number must be at most 5"),
     (3, 5, "the number must be from 3 to 5")],
)  # fmt: skip
def test_bounds_are_said_as_they_are(low: int | None, high: int | None, message: str) -> None:
    value = "9" if high else "1"

    assert [item.message for item in cell("integer", min=low, max=high).complaints(value)] == [message]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("date", "2026-11-24", "2026-11-24T00:00Z"), ("date-time", "2026-11-24T00:00Z", "2026-11-24"),
     ("date-time", "2026-11-24T00:00:59+00:00", "2026-11-24T00:00:59+01:00"), ("moment", "2026-11-24", "24/11/2026")],
)  # fmt: skip
def test_dates_and_times_are_told_apart(kind: ColumnType, good: str, bad: str) -> None:
    assert cell(kind).complaints(good) == ()
    assert [item.rule for item in cell(kind).complaints(bad)] == ["cell.date"]
