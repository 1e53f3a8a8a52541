"""Remote names: deterministic, unique by the id in them, and templates that cannot do harm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.file_names import danger
from sealdrop.core.naming import DEFAULT, FIELDS, remote_name, template_problem
from support.lifecycles import ID, OTHER, SUBMISSION


def named(file_name: str, template: str = DEFAULT) -> str:
    return remote_name(template, replace(SUBMISSION, file_name=file_name))


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("thresholds.csv", f"thresholds.{ID}.csv.pgp"),
        ("thresholds.2026.csv", f"thresholds.2026.{ID}.csv.pgp"),
        ("thresholds", f"thresholds.{ID}.pgp"),
        (".csv", f".csv.{ID}.pgp"),
        ("thresholds.", f"thresholds.{ID}..pgp"),
    ],
)
def test_the_id_comes_before_the_suffix(file_name: str, expected: str) -> None:
    assert named(file_name) == expected


def test_every_field_can_be_used() -> None:
    template = "-".join(f"{{{field}}}" for field in FIELDS)

    assert template_problem(template) is None
    assert named("a.csv", template) == f"a.csv-a-.csv-{ID}-adt"


def test_braces_in_a_file_name_are_only_text() -> None:
    assert named("{id}{0}.csv") == f"{{id}}{{0}}.{ID}.csv.pgp"


def test_the_same_file_name_dropped_twice_has_two_remote_names() -> None:
    second = replace(SUBMISSION, id=OTHER)

    assert remote_name(DEFAULT, SUBMISSION) != remote_name(DEFAULT, second)


@given(st.text(min_size=1, max_size=60).filter(lambda name: danger(name) is None))
def test_a_harmless_file_name_has_a_harmless_remote_name_that_never_changes(file_name: str) -> None:
    name = named(file_name)

    assert name == named(file_name)
    assert ID in name
    assert "/" not in name
    assert len(name.encode()) <= 255


@pytest.mark.parametrize("template", [DEFAULT, "{id}", "{id}.{file_name}", "{{{id}}}", "{kind}/{id}".replace("/", "-")])
def test_good_templates_have_no_problem(template: str) -> None:
    assert template_problem(template) is None


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{stem}.pgp", "{id} is missing"),
        ("", "{id} is missing"),
        ("{id", "it is not a template"),
        ("{id}}", "it is not a template"),
        ("{id}{size}", "unknown field {size}; known are {file_name}, {stem}, {suffix}, {id}, {kind}"),
        ("{id}{}", "unknown field {}"),
        ("{id}{0}", "unknown field {0}"),
        ("{id.__class__}", "unknown field {id.__class__}"),
        ("{id}{stem[0]}", "unknown field {stem[0]}"),
        ("{id:>30}", "fields take no format"),
        ("{id!r}", "fields take no format"),
        ("in/{id}", "may not contain a slash"),
        ("in\\{id}", "may not contain a slash"),
        (".{id}", "nor begin with a dot"),
        ("{id}\n", "control characters"),
        ("{id}\u202e", "control characters"),
    ],
)
def test_a_bad_template_is_told_what_is_wrong_with_it(template: str, problem: str) -> None:
    assert problem in (template_problem(template) or "")


@given(st.text(alphabet="{}id.!:/ab", max_size=12))
def test_a_template_without_a_problem_can_always_be_filled(template: str) -> None:
    if template_problem(template) is None:
        assert ID in named("a.csv", template)
