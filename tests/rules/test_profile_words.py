"""A profile in words, what deserves a second look in it, and what changed in meaning between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings

from sealdrop.rules.calendar_list import parse_calendar
from sealdrop.rules.identifiers import OwnIds, own_ids
from sealdrop.rules.profile import Profile
from sealdrop.rules.profile_diff import Difference, calendar_differences, differences, list_differences
from sealdrop.rules.profile_lint import second_looks
from sealdrop.rules.profile_text import COLUMN_HEADINGS, columns, facts
from sealdrop.rules.srv_list import SrvList
from sealdrop.rules.working_days import Calendar
from support.calendars import FOLDER
from support.profiles import profiles
from support.rule_cases import OWN, profile, srvs

TODAY = date(2026, 11, 24)
VERIFIED = {"verified_by": "A. Person", "verified_on": "2026-11-24", "sec_version": "75.0"}


def calendar(name: str = "england-and-wales") -> Calendar:
    return parse_calendar([(FOLDER / f"{name}.csv").read_bytes()])


def said(of: Profile) -> dict[str, str]:
    return dict(facts(of, srvs(), calendar() if of.calendar else None))


# --- words --------------------------------------------------------------------------------------------------------


def test_nobody_overlooks_that_a_profile_is_not_confirmed() -> None:
    assert said(profile())["verified"].startswith("NO: nobody has confirmed")
    assert "(verified_by, verified_on, sec_version empty)" in said(profile())["verified"]
    assert said(profile(**VERIFIED))["verified"] == "by A. Person on 2026-11-24, against SEC version 75.0"
    assert "(sec_version empty)" in said(profile(**VERIFIED | {"sec_version": ""}))["verified"]


_SAID: dict[str, tuple[Mapping[str, object], str, str]] = {
    "the key": ({}, "unique", "user_id and srv together differ in every row"),
    "a comparison": ({}, "compared", "effective_from <= effective_to"),
    "the reference": ({}, "reference", "from column reference"),
    "a reference that must be there": (
        {"reference__required": True}, "reference", "from column reference; a file without one is held",
    ),
    "a tab": ({"dialect__delimiter": "\t"}, "text", "cells parted by a tab"),
    "a trailer": (
        {"trailer": {"marker": "END"}}, "trailer",
        "a row that begins with END and counts the rows in cell 2 must end the file",
    ),
    "an optional trailer": ({"trailer": {"marker": "END", "required": False}}, "trailer", "may end the file"),
    "further columns": ({"extra_columns": "allow"}, "further columns", "allowed"),
    "own User IDs": ({"own__user_ids": list(OWN)}, "own User IDs", "1 entries here"),
    "flagged formulas": ({"formula_cells": "flag"}, "formula cells", "delivered and noted"),
    "the list": ({}, "Variants", "129 in srv-duis-5.4.csv, 37 critical; one that is not listed: hold"),
    "zero": ({"adt__zero": "reject"}, "zero threshold", "reject"),
    "an adjusted rule": ({"severities": {"csv.empty-row": "warn"}}, "adjusted", "csv.empty-row: warn"),
    "the calendar": ({}, "calendar", "england-and-wales: 105 holidays from 2024-01-01 to 2035-12-31"),
    "a deadline": ({"deadline": {"working_days": 2}}, "deadline", "2 working days, cut-off at 17:00"),
    "an expectation": ({"expected": {"by": "09:30", "files": 2}}, "expected", "2 by 09:30 on every working day"),
    "retention": ({"retention": {"sent_days": 400}}, "kept", "sent for 400 days"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_SAID))
def test_it_says(name: str) -> None:
    changes, label, sentence = _SAID[name]

    assert sentence in said(profile(**changes))[label]


def test_what_a_profile_does_not_have_is_not_said() -> None:
    plain = profile("exit-quarantine", calendar=None)

    assert {"calendar", "deadline", "expected", "kept", "trailer", "unique", "compared", "zero threshold"}.isdisjoint(
        said(plain)
    )


@settings(max_examples=50)
@given(profiles())
def test_any_profile_can_be_told(drawn: Profile) -> None:
    bare = drawn.model_copy(update={"srv": None})

    assert "Variants" not in said(bare)
    assert all(sentence.isprintable() for sentence in said(drawn).values())
    assert len(list(columns(drawn))) == len(drawn.columns)


def test_each_column_has_a_row() -> None:
    rows = {row[0]: dict(zip(COLUMN_HEADINGS, row, strict=True)) for row in columns(profile())}

    assert rows["user_id"]["checks"] == "part of the key; ours"
    assert rows["user_role"]["checks"] == "one of IS ES GS ED GT RSA OU"
    assert rows["period"]["checks"] == "1 to 8784"
    assert rows["exception"] == {
        "column": "exception", "type": "text", "required": "no", "checks": "at most 200 characters",
        "privacy": "masked",
    }  # fmt: skip


def test_a_columns_further_checks_are_said() -> None:
    changed = profile(
        columns__exception__min=2, columns__exception__max=None, columns__exception__case="upper",
        columns__exception__pattern="[A-Z]+", columns__user_role__case="any",
    )  # fmt: skip
    rows = {row[0]: row[3] for row in columns(changed)}

    assert rows["exception"] == "upper case; at least 2 characters; fits [A-Z]+"
    assert rows["user_role"].endswith("in either case")


# --- second looks -------------------------------------------------------------------------------------------------


def looks(of: Profile, today: date = TODAY, own: OwnIds | None = None) -> dict[str, str]:
    known = own_ids(OWN) if own is None else own
    problems = second_looks(of, srvs(), calendar() if of.calendar else None, known, today)
    return {problem.path: problem.what for problem in problems}


def test_a_confirmed_profile_deserves_no_second_look() -> None:
    assert looks(profile(**VERIFIED)) == {}
    assert looks(profile("exit-quarantine", **VERIFIED, calendar=None)) == {}


_LOOKS: dict[str, tuple[Mapping[str, object], str, str]] = {
    "nobody confirmed it": ({"verified_on": ""}, "verified_on", "nobody has confirmed"),
    "nothing is unique": (
        {"columns__user_id__key": False, "columns__srv__key": False}, "columns", "no column has key = true",
    ),
    "a pattern that may never end": ({"columns__exception__pattern": "(a+)+b"}, "columns.9.pattern", "for ever"),
    "a name's pattern that may never end": (
        {"file_name__pattern": r"([a-z]*-?)*\.csv", "file_name__example": "adt-sample.csv"}, "file_name.pattern",
        "for ever",
    ),
    "no sample": ({"columns__user_id__pattern": "80-.*"}, "(sample)", "adt, column user_id: no value can be guessed"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_LOOKS))
def test_a_second_look_is_deserved_where(name: str) -> None:
    changes, path, what = _LOOKS[name]
    found = looks(profile(**VERIFIED | dict(changes)))

    assert list(found) == [path]
    assert what in found[path]


def test_a_second_look_is_deserved_where_no_user_ids_are_known() -> None:
    assert list(looks(profile(**VERIFIED), own=OwnIds())) == ["own.user_ids"]


def test_a_second_look_is_deserved_where_the_calendar_soon_ends() -> None:
    assert looks(profile(**VERIFIED), date(2035, 1, 1)) == {"calendar": "ends on 2035-12-31"}
    assert looks(profile(**VERIFIED), date(2034, 12, 31)) == {}


# --- differences --------------------------------------------------------------------------------------------------


def changes_of(kind: str = "adt", /, **changes: object) -> list[Difference]:
    return list(differences(profile(kind), profile(kind, **changes)))


_CHANGED: dict[str, tuple[Mapping[str, object], str, str | None, str | None, str]] = {
    "a bound lowered": ({"bounds__rows": 10}, "bounds.rows", "1000000", "10", "stricter"),
    "a bound raised": ({"bounds__rows": 2000000}, "bounds.rows", "1000000", "2000000", "looser"),
    "more rows wanted": ({"bounds__min_rows": 2}, "bounds.min_rows", "1", "2", "stricter"),
    "a policy tightened": ({"adt__zero": "reject"}, "adt.zero", "hold", "reject", "stricter"),
    "a policy loosened": ({"srv__unknown": "allow"}, "srv.unknown", "hold", "allow", "looser"),
    "a column now required": ({"columns__period__required": True}, "columns.period.required", "no", "yes", "stricter"),
    "a code more": (
        {"columns__user_role__codes": ["IS", "ES", "GS", "ED", "GT", "RSA", "OU", "XX"]}, "columns.user_role.codes",
        "IS ES GS ED GT RSA OU", "IS ES GS ED GT RSA OU XX", "looser",
    ),
    "a code less": (
        {"columns__user_role__codes": ["IS"]}, "columns.user_role.codes", "IS ES GS ED GT RSA OU", "IS", "stricter",
    ),
    "other codes": (
        {"columns__user_role__codes": ["XX"]}, "columns.user_role.codes", "IS ES GS ED GT RSA OU", "XX", "different",
    ),
    "a bound of a value taken away": ({"columns__period__max": None}, "columns.period.max", "8784", None, "looser"),
    "a least value": ({"columns__exception__min": 2}, "columns.exception.min", None, "2", "stricter"),
    "a pattern more": ({"columns__exception__pattern": "x"}, "columns.exception.pattern", None, "x", "stricter"),
    "another name": ({"name": "own"}, "name", "adt", "own", "different"),
    "a severity": ({"severities": {"csv.empty-row": "warn"}}, "severities.csv.empty-row", None, "warn", "different"),
    "own User IDs": ({"own__user_ids": ["90-B3-D5-1F-30-01-00-00"]}, "own.user_ids", None, "90-B3-D5-1F-30-01-00-00",
                     "different"),
    "a comparison more strict": (
        {"compare": [{"left": "effective_from", "must_be": "<", "right": "effective_to"}]},
        "compare.effective_from.effective_to.must_be", "<=", "<", "stricter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_CHANGED))
def test_a_difference_is(name: str) -> None:
    changes, path, old, new, effect = _CHANGED[name]

    assert [(one.path, one.old, one.new, one.effect) for one in changes_of(**changes)] == [(path, old, new, effect)]


def test_a_pattern_changed_is_neither_stricter_nor_looser() -> None:
    before, after = profile(columns__exception__pattern="a"), profile(columns__exception__pattern="b")

    assert [one.effect for one in differences(before, after)] == ["different"]


@settings(max_examples=50)
@given(profiles())
def test_no_profile_differs_from_itself(drawn: Profile) -> None:
    assert list(differences(drawn, drawn)) == []


def test_the_order_of_columns_matters_only_where_it_is_demanded() -> None:
    shipped = profile("exit-quarantine")
    turned = shipped.model_copy(update={"columns": shipped.columns[::-1]})
    exact = {"header": "exact"}

    assert list(differences(shipped, turned)) == []
    assert [one.path for one in differences(shipped.model_copy(update=exact), turned.model_copy(update=exact))] == [
        "columns"
    ]


def test_a_column_more_is_named_with_its_keys() -> None:
    shipped = profile("exit-quarantine")
    fewer = shipped.model_copy(update={"columns": shipped.columns[:-1]})
    paths = [one.path for one in differences(fewer, shipped)]

    assert "columns.reason.type" in paths
    assert all(path.startswith("columns.reason.") for path in paths)


def test_lists_of_variants_are_compared_by_what_they_say() -> None:
    listed = srvs()
    variants = dict(listed.variants)
    gone = variants.pop("7.10")
    variants["7.1"] = replace(variants["7.1"], critical=False)
    variants["9.9"] = replace(gone, srv="9.9", user_roles=frozenset(), non_device=True)
    found = list(list_differences(listed, SrvList(variants=variants)))

    assert [(one.path, one.effect) for one in found] == [
        ("srv 7.1", "different"), ("srv 7.10", "stricter"), ("srv 9.9", "looser"),
    ]  # fmt: skip
    assert found[0].old is not None
    assert ", critical, " in found[0].old
    assert found[2].new == "Remove Auxiliary Load From Boost Button, not critical, any role, not by a device"


def test_calendars_are_compared_by_their_days() -> None:
    both = calendar(), calendar("scotland")
    found = {one.path: one for one in calendar_differences(*both)}

    assert found["holiday 2026-01-02"].new == "New Year Holiday"
    assert found["holiday 2026-04-06"].old == "Easter Monday"
    assert list(calendar_differences(both[0], both[0])) == []
    assert len(list(calendar_differences(None, both[0]))) == len(both[0].holidays)
