"""Ids: they sort by claim time, never go back, and have one form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.submission import RANDOM_BITS, SubmissionId, is_submission_id, make_id, require_aware

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
CHANCE = st.integers(min_value=0, max_value=(1 << RANDOM_BITS) - 1)


@given(at=MOMENTS, randomness=CHANCE)
def test_every_id_has_the_form_of_an_id(at: datetime, randomness: int) -> None:
    made = make_id(at, randomness)

    assert is_submission_id(made)
    assert len(made) == 26


@given(
    at=MOMENTS,
    later=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=1)),
    a=CHANCE,
    b=CHANCE,
)
def test_a_later_claim_has_a_larger_id_whatever_chance_says(at: datetime, later: timedelta, a: int, b: int) -> None:
    at = at.replace(microsecond=0)

    assert make_id(at, a) < make_id(at + later, b)


@given(at=MOMENTS, back=st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=1)), a=CHANCE, b=CHANCE)
def test_a_clock_that_goes_back_never_makes_an_id_that_sorts_before(
    at: datetime, back: timedelta, a: int, b: int
) -> None:
    before = make_id(at, a)

    assert make_id(at - back, b, after=before) > before


def test_an_older_id_given_as_the_last_changes_nothing() -> None:
    last = make_id(NOON - timedelta(seconds=1), 5)

    assert make_id(NOON, 7, after=last) == make_id(NOON, 7)


def test_the_same_moment_and_chance_make_the_same_id_in_every_time_zone() -> None:
    assert make_id(NOON.astimezone(timezone(timedelta(hours=-5))), 7) == make_id(NOON, 7)


def test_an_id_begins_as_the_specification_of_ulids_says() -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=1469918176385)

    assert make_id(at, 0) == "01ARYZ6S41".lower() + "0" * 16


def test_more_chance_than_fits_does_not_reach_into_the_time() -> None:
    assert make_id(NOON, (1 << RANDOM_BITS) + 7) == make_id(NOON, 7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "0" * 25 + "i",
        "0" * 25 + "L",
        "0" * 25 + "u",
        "0" * 26 + "\n",
        "../" + "0" * 23,
    ],
    ids=["nothing", "short", "long", "too late", "an i", "upper case", "a u", "a line end", "a path"],
)
def test_other_text_is_no_id(text: str) -> None:
    assert not is_submission_id(text)


def test_an_id_follows_even_the_last_one_of_its_millisecond() -> None:
    last = make_id(NOON, (1 << RANDOM_BITS) - 1)

    assert make_id(NOON, 0, after=last) == make_id(NOON + timedelta(milliseconds=1), 0)
    assert make_id(NOON, 0, after=SubmissionId("0" * 26)) == make_id(NOON, 0)


def test_a_naive_time_is_refused_and_an_aware_one_returned_unchanged() -> None:
    naive = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - what must be refused

    with pytest.raises(ValueError, match="naive"):
        require_aware(naive)
    with pytest.raises(ValueError, match="naive"):
        make_id(naive, 0)
    assert require_aware(NOON) is NOON
