"""Identifiers survive reading and writing, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.errors import ConfigurationError
from sealdrop.rules.identifiers import (
    OwnIds,
    event_reference,
    is_srv,
    normal_user_id,
    own_ids,
    request_id,
    user_id_number,
    user_id_text,
)

_NUMBERS = st.integers(0, 2**64 - 1)


@given(_NUMBERS)
def test_a_user_id_survives_the_way_to_its_number_and_back(number: int) -> None:
    text = user_id_text(number)

    assert text == normal_user_id(text.lower())
    assert number == user_id_number(text)


@given(_NUMBERS, _NUMBERS, _NUMBERS)
def test_a_request_id_survives_reading_and_writing(originator: int, target: int, counter: int) -> None:
    text = f"{user_id_text(originator)}:{user_id_text(target)}:{counter}"

    assert text == str(request_id(text.lower()))


@given(st.integers(0, 10**20 - 1))
def test_an_event_reference_is_an_exact_integer(number: int) -> None:
    assert number == event_reference(str(number))


@pytest.mark.parametrize(
    "text",
    ["", "90-B3-D5-1F-30-01-00", "90-B3-D5-1F-30-01-00-0G", "90B3D51F30010000", "90-B3-D5-1F-30-01-00-00\n",
     " 90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-01-00-\u0660\u0660"],
)  # fmt: skip
def test_what_is_not_a_user_id(text: str) -> None:
    assert normal_user_id(text) is None


@pytest.mark.parametrize(
    "counter", ["18446744073709551616", "01", "-1", "1.0", "1e3", "", "\u0663", "99999999999999999999", "1" * 21]
)
def test_what_is_not_an_originator_counter(counter: str) -> None:
    assert request_id(f"90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:{counter}") is None


@pytest.mark.parametrize("text", ["", "1" * 21, "1.5", "-1", "1 ", "\u0663"])
def test_what_is_not_an_event_reference(text: str) -> None:
    assert event_reference(text) is None


@pytest.mark.parametrize("text", ["7.1", "7.10", "6.15.1", "14.1", "11.2"])
def test_what_a_variant_looks_like(text: str) -> None:
    assert is_srv(text)


@pytest.mark.parametrize("text", ["", "7", "7.", "7.01", "7.1.1.1", "07.1", "7,1", "7.1 ", "ALL", "7.0"])
def test_what_a_variant_does_not_look_like(text: str) -> None:
    assert not is_srv(text)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), max_size=6), st.integers(0, 60))
def test_ownership_is_membership_in_any_range(ranges: list[list[int]], number: int) -> None:
    own = OwnIds((first, last) for first, last in ranges)

    assert any(first <= number <= last for first, last in ranges) == (user_id_text(number) in own)
    assert bool(ranges) == bool(own)


def test_own_ids_are_written_singly_or_as_ranges_and_add_up() -> None:
    own = own_ids(["90-b3-d5-1f-30-01-00-00", "90-B3-D5-1F-30-02-00-00 .. 90-B3-D5-1F-30-02-00-FF"])
    both = own | own_ids(["90-B3-D5-1F-30-01-00-01"])

    assert "90-B3-D5-1F-30-02-00-80" in own
    assert "90-B3-D5-1F-30-01-00-01" not in own
    assert "90-B3-D5-1F-30-01-00-01" in both
    assert len(both.ranges) == 2


def test_all_unreadable_own_ids_are_reported_by_their_place() -> None:
    entries = ["everything", "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-01-00-01 .. 90-B3-D5-1F-30-01-00-00"]

    with pytest.raises(ConfigurationError) as caught:
        own_ids(entries)

    assert [problem.path for problem in caught.value.problems] == ["own.user_ids.0", "own.user_ids.2"]
