"""Routing: the first usable transport, except where an outcome is in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.delivery import ProofLevel
from sealdrop.core.lifecycle import Leg
from sealdrop.core.routing import choose

FRESH = Leg(name="main", route="relay")
FAILED = Leg(name="main", route="relay", attempts=3, transport="second")
IN_DOUBT = Leg(name="main", route="relay", attempts=1, transport="second", committing=ProofLevel.DIGEST)
NAMES = ["first", "second", "third"]


@pytest.mark.parametrize(
    ("usable", "chosen"),
    [(NAMES, "first"), (["third", "second"], "second"), (["third"], "third"), ([], None), (["foreign"], None)],
)
def test_the_first_usable_transport_in_order_of_preference_is_taken(usable: list[str], chosen: str | None) -> None:
    assert choose(NAMES, usable, FRESH) == chosen


def test_a_certain_failure_binds_to_no_transport() -> None:
    assert choose(NAMES, NAMES, FAILED) == "first"


def test_a_leg_in_doubt_stays_with_the_transport_that_may_have_delivered_it() -> None:
    assert choose(NAMES, NAMES, IN_DOUBT) == "second"


def test_a_leg_in_doubt_waits_for_its_transport_rather_than_going_elsewhere() -> None:
    assert choose(NAMES, ["first", "third"], IN_DOUBT) is None


def test_without_transports_there_is_none_to_use() -> None:
    assert choose([], NAMES, FRESH) is None


@given(st.lists(st.sampled_from(NAMES), unique=True), st.sets(st.sampled_from(NAMES)))
def test_only_a_configured_and_usable_transport_is_ever_chosen(names: list[str], usable: set[str]) -> None:
    chosen = choose(names, usable, FRESH)

    assert (chosen is None) == (not set(names) & usable)
    assert chosen is None or chosen in set(names) & usable
