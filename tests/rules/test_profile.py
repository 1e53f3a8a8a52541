"""A profile says everything that is wrong with it at once, by the path of the key; the shipped ones are right."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from sealdrop.core.errors import ConfigurationError
from sealdrop.rules.profile import Profile
from sealdrop.rules.profile_parsing import parse_profile
from support.rule_cases import PROFILES, changed, profile, tables


def problems_of(changes: Mapping[str, object], kind: str = "adt") -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(changed(tables(kind), changes), "x.toml")
    assert caught.value.where == "x.toml"
    return {problem.path: problem.what for problem in caught.value.problems}


_WRONG: dict[str, tuple[dict[str, object], str]] = {
    "an unknown key": ({"dialect/delimeter": ","}, "dialect.delimeter"),
    "a number where text belongs": ({"version": 1}, "version"),
    "text where a number belongs": ({"bounds/rows": "7"}, "bounds.rows"),
    "a truth value where a number belongs": ({"bounds/rows": True}, "bounds.rows"),
    "an unknown kind": ({"kind": "adtt"}, "kind"),
    "an unknown type": ({"columns/srv/type": "eui"}, "columns.3.type"),
    "no columns": ({"columns": []}, "columns"),
    "a pattern that is none": ({"columns/srv/pattern": "("}, "columns.3.pattern"),
    "a day that is none": ({"verified_on": "yesterday"}, "verified_on"),
    "a bound of zero": ({"bounds/rows": 0}, "bounds.rows"),
    "a delimiter that is a letter": ({"dialect/delimiter": "a"}, "dialect.delimiter"),
    "a list in another folder": ({"srv/list": "../srv.csv"}, "srv.list"),
    "two columns of one name": ({"columns/exception/name": "user_id"}, "columns.9.name"),
    "a name that cannot be seen": ({"columns/exception/name": "exception "}, "columns.9.name"),
    "a code without codes": ({"columns/user_role/codes": [], "columns/user_role/case": "any"}, "columns.2.codes"),
    "codes of a number": ({"columns/period/codes": ["1"]}, "columns.6.codes"),
    "exact case without codes": ({"columns/exception/case": "exact"}, "columns.9.case"),
    "bounds of a date": ({"columns/effective_to/min": 1}, "columns.8.min"),
    "bounds the wrong way round": ({"columns/period/max": 0}, "columns.6.max"),
    "our own text": ({"columns/exception/own": True}, "columns.9.own"),
    "too few columns allowed": ({"bounds/columns": 9}, "bounds.columns"),
    "a byte order mark in Windows-1252": ({"dialect/encoding": "windows-1252"}, "dialect.bom"),
    "cells longer than lines": ({"bounds/field_bytes": 70000}, "bounds.field_bytes"),
    "more rows wanted than allowed": ({"bounds/min_rows": 2, "bounds/rows": 1}, "bounds.min_rows"),
    "a comparison with no column": ({"compare": [{"left": "a", "must_be": "<", "right": "period"}]}, "compare.0.left"),
    "a comparison of unlike columns": (
        {"compare": [{"left": "period", "must_be": "<", "right": "effective_to"}]}, "compare.0",
    ),
    "a threshold that is no column": ({"adt/warning": "warn"}, "adt.warning"),
    "a threshold of another type": ({"adt/warning": "exception"}, "adt.warning"),
    "an optional threshold": ({"columns/warning_threshold/required": False}, "adt.warning"),
    "the table of another kind": ({"exit_quarantine": {}}, "exit_quarantine"),
    "an own User ID that is none": ({"own/user_ids": ["90-B3"]}, "own.user_ids.0"),
    "a reference from no column": ({"reference/column": "sr"}, "reference.column"),
    "a reference from a name without one": ({"reference/source": "file-name"}, "reference.source"),
    "a reference that is private": ({"columns/reference/privacy": "masked"}, "reference.column"),
    "an order by what is private": ({"columns/user_id/privacy": "secret"}, "ordering.column"),
    "an order by no column": ({"ordering/column": "user"}, "ordering.column"),
    "an order by an optional column": ({"ordering/column": "period"}, "ordering.column"),
    "working days without a calendar": ({"calendar": None, "deadline": {"working_days": 1}}, "calendar"),
    "files expected on working days without a calendar": ({"calendar": None, "expected": {"by": "17:00"}}, "calendar"),
    "a calendar in another folder": ({"calendar": "../scotland"}, "calendar"),
    "a deadline in the past": ({"deadline": {"working_days": -1}}, "deadline.working_days"),
    "an hour that is none": ({"deadline": {"working_days": 1, "cut_off": "24:00"}}, "deadline.cut_off"),
    "an hour without minutes": ({"expected": {"by": "17"}}, "expected.by"),
    "days that are neither": ({"expected": {"by": "17:00", "days": "sundays"}}, "expected.days"),
    "no files expected": ({"expected": {"by": "17:00", "files": 0}}, "expected.files"),
    "nothing kept": ({"retention": {"sent_days": 0}}, "retention.sent_days"),
    "kept for a thousand years": ({"retention": {"failed_days": 365000}}, "retention.failed_days"),
    "the example of a name that does not fit": ({"file_name/example": "sample.txt"}, "file_name.example"),
    "an empty example": ({"columns/period/example": ""}, "columns.6.example"),
    "the severity of no rule": ({"severities": {"csv.none": "warn"}}, "severities.csv.none"),
    "the severity of a firm rule": ({"severities": {"csv.nul": "warn"}}, "severities.csv.nul"),
    "a severity that is none": ({"severities": {"csv.empty-row": "ignore"}}, "severities.csv.empty-row"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_WRONG))
def test_it_refuses(name: str) -> None:
    changes, path = _WRONG[name]

    assert list(problems_of(changes)) == [path]


def test_a_column_of_variants_needs_a_list() -> None:
    without = {key: value for key, value in tables("adt").items() if key != "srv"}

    with pytest.raises(ConfigurationError, match="needs a list"):
        parse_profile(without)


def test_all_problems_are_reported_at_once() -> None:
    wrong = {"version": 1, "nonsense": 2, "bounds/rows": 0}
    at_odds = {"ordering/column": "x", "own/user_ids": ["x", "y"], "dialect/encoding": "ascii"}

    assert set(problems_of(wrong)) == {"version", "nonsense", "bounds.rows"}
    assert set(problems_of(at_odds)) == {"ordering.column", "own.user_ids.0", "own.user_ids.1", "dialect.bom"}


def test_an_unknown_key_is_called_that() -> None:
    assert problems_of({"nonsense": 2}) == {"nonsense": "unknown key"}


@pytest.mark.parametrize("kind", ["adt", "exit-quarantine"])
def test_the_shipped_profiles_are_right_and_unverified(kind: str) -> None:
    shipped = profile(kind)

    assert shipped.name == shipped.kind == kind
    assert shipped.unverified


def test_a_profile_is_verified_when_name_day_and_version_are_filled_in() -> None:
    verified: dict[str, object] = {"verified_by": "A. Person", "verified_on": date(2026, 11, 24), "sec_version": "75.0"}

    assert not parse_profile(changed(tables("adt"), verified)).unverified
    for key in verified:
        assert parse_profile(changed(tables("adt"), verified | {key: ""})).unverified


def test_time_is_said_in_days_and_hours() -> None:
    timed = profile(
        deadline={"working_days": 0, "cut_off": "00:00"},
        expected={"by": "23:59", "files": 2},
        retention={"sent_days": 400, "failed_days": 1},
    )
    without_calendar = profile(calendar=None, expected={"by": "17:00", "days": "every-day"})

    assert (timed.deadline and timed.deadline.cut_off, timed.calendar) == ("00:00", "england-and-wales")
    assert timed.retention.sent_days == 400
    assert without_calendar.expected is not None


def _keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        kinds = [field.annotation, *get_args(field.annotation)]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= _keys(kind)
    return found


def test_the_shipped_adt_profile_explains_every_key() -> None:
    text = (PROFILES / "adt.toml").read_text()
    elsewhere = {  # explained in exit-quarantine.toml
        "exit_quarantine", "event_reference", "request_id", "action", "release",
        "max_releases", "critical_release", "unknown_reference",
    }  # fmt: skip
    explained = {key for key in _keys(Profile) if re.search(rf"\b{key}\b", text)}

    assert _keys(Profile) - explained - elsewhere == set()
    other = (PROFILES / "exit-quarantine.toml").read_text()
    assert all(re.search(rf"\b{key}\b", other) for key in elsewhere)


_TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(Profile.model_fields)), _TREES)
def test_whatever_a_key_holds_it_is_a_profile_or_a_configuration_error(key: str, value: Any) -> None:  # noqa: ANN401
    with contextlib.suppress(ConfigurationError):
        assert isinstance(parse_profile({**tables("adt"), key: value}), Profile)
