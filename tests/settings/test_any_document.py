"""Whatever a file holds: settings or ConfigurationError, never another exception, and never a value said again."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sealdrop.core.errors import ConfigurationError
from sealdrop.settings.problems import tables
from support.configurations import document, loaded
from support.sample import whole

SECRET = "HUNTER2-not-for-any-eye"  # noqa: S105 - the marker that must never be seen again
SHARED_FOLDER = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


class _Bare(float):
    """A value that is written as it stands: TOML has kinds that JSON lacks."""

    text: str

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, 0.0)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text


KEYS = st.sampled_from(sorted({key for _, table in tables() for key in table.model_fields} | {"relay", "dcc", "[key]"}))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SECRETS = (
    SECRET,
    f"/{SECRET}",
    f"http://u:{SECRET}@proxy:3128",
    f"{{{SECRET}}}",
    f"ssh-ed25519 {SECRET}",
)
BARE = ("nan", "inf", "-inf", "1e308", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z")
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**400),
    st.sampled_from(BARE).map(_Bare),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    KEYS,
    st.sampled_from(("/a", "live", "sftp", "directory", *SECRETS)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXT, inner, max_size=4),
    max_leaves=12,
)


def answer(folder: Path, text: str | bytes) -> str:
    """Load, and return all that a careless caller could print of the refusal: text, parts, traceback with its chain."""
    try:
        loaded(folder, text)
    except ConfigurationError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    return ""


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - plain data
    found = [place] if place else []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += _places(item, (*place, key))
    return found


PLACES = _places(whole())


def put(values: Any, place: tuple[Any, ...], value: object) -> None:  # noqa: ANN401 - plain data
    """Exchange the value at a place, or do nothing where the place is no more."""
    target = values
    for step in place[:-1]:
        target = target[step] if isinstance(target, dict | list) and _has(target, step) else None
    if isinstance(target, dict) or (isinstance(target, list) and _has(target, place[-1])):
        target[place[-1]] = value


def _has(values: dict[Any, Any] | list[Any], step: object) -> bool:
    return step in values if isinstance(values, dict) else isinstance(step, int) and step < len(values)


@SHARED_FOLDER
@given(data=st.binary(max_size=200))
@example(data=b"a = [" * 400)
@example(data=b'"\\ud800" = 1')
def test_any_bytes_either_load_or_give_a_configuration_error(tmp_path: Path, data: bytes) -> None:
    answer(tmp_path, data)


@SHARED_FOLDER
@given(values=st.dictionaries(KEYS | TEXT, VALUES, max_size=6))
@example(values={"[key]": 1, "outboxes": {"[key]": {"[key]": 1}}})
def test_any_document_either_loads_or_gives_a_configuration_error(tmp_path: Path, values: dict[str, object]) -> None:
    assert SECRET not in answer(tmp_path, document(values))


@SHARED_FOLDER
@given(edits=st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_the_sample_with_any_values_exchanged_never_betrays_one(
    tmp_path: Path, edits: list[tuple[tuple[Any, ...], object]]
) -> None:
    values = whole()
    for place, value in edits:
        put(values, place, value)

    assert SECRET not in answer(tmp_path, document(values))


DAMAGED = document({"party": SECRET, "keys": {"dcc": {"passphrase": SECRET}}, "routes": {"a": [SECRET, {"b": SECRET}]}})


@SHARED_FOLDER
@given(
    place=st.integers(min_value=0, max_value=len(DAMAGED)),
    less=st.integers(0, 3),
    more=st.text("\"'\n[]{}=.,# \\\0a1", max_size=3),
)
def test_a_damaged_document_never_betrays_what_is_in_it(tmp_path: Path, place: int, less: int, more: str) -> None:
    assert SECRET not in answer(tmp_path, DAMAGED[:place] + more + DAMAGED[place + less :])


@pytest.mark.parametrize("place", PLACES, ids=[".".join(map(str, place)) for place in PLACES])
def test_a_secret_written_where_it_does_not_belong_is_never_said_again(tmp_path: Path, place: tuple[Any, ...]) -> None:
    for shape in (*SECRETS, [SECRET], {"file": SECRET}, {"credential": f"/{SECRET}"}):
        values = whole()
        put(values, place, shape)

        assert SECRET not in answer(tmp_path, document(values))
