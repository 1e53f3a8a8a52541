"""Order: what an older submission means for a newer one that is ready to go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core import events as ev
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.order import OrderPolicy, Way, undelivered, way
from support import lifecycles as lc

BOTH = (OrderPolicy.SUPERSEDE, OrderPolicy.CLAIM_ORDER)
SEALED = (lc.claimed(), lc.accepted(), lc.SEALED)
DEFERRED = (*SEALED, lc.started(), lc.deferred())
IN_DOUBT = (*SEALED, lc.started(), lc.commit(), lc.deferred(certain=False))
KEYS = ("00-11",)  # of lc.accepted()


def decide(policy: OrderPolicy, *history: ev.Event, keys: tuple[str, ...] = KEYS, can_go: bool = False) -> Way:
    return way(policy, lc.after(*history), keys, older_can_go=can_go)


@pytest.mark.parametrize("policy", BOTH)
def test_an_older_one_that_can_go_goes_first(policy: OrderPolicy) -> None:
    assert decide(policy, *SEALED, can_go=True) is Way.WAIT


@pytest.mark.parametrize("policy", BOTH)
def test_an_older_one_under_way_is_waited_for(policy: OrderPolicy) -> None:
    assert decide(policy, *SEALED, lc.started()) is Way.WAIT


@pytest.mark.parametrize("history", [DEFERRED, (*SEALED, lc.held()), (lc.claimed(), lc.accepted(), lc.held())])
def test_an_older_one_that_cannot_go_is_superseded_where_the_newer_replaces_it(history: tuple[ev.Event, ...]) -> None:
    assert decide(OrderPolicy.SUPERSEDE, *history) is Way.SUPERSEDE
    assert decide(OrderPolicy.CLAIM_ORDER, *history) is Way.WAIT


def test_a_newer_one_that_covers_more_keys_supersedes_too() -> None:
    assert decide(OrderPolicy.SUPERSEDE, *DEFERRED, keys=("00-11", "00-22")) is Way.SUPERSEDE


def test_a_newer_one_that_leaves_a_key_out_waits_because_that_key_would_be_lost() -> None:
    older = replace(lc.after(*DEFERRED), ordering_keys=("00-11", "00-22"))

    assert way(OrderPolicy.SUPERSEDE, older, KEYS, older_can_go=False) is Way.WAIT


@pytest.mark.parametrize("policy", BOTH)
def test_submissions_without_a_common_key_do_not_meet(policy: OrderPolicy) -> None:
    assert decide(policy, *SEALED, keys=("00-22",), can_go=True) is Way.CLEAR


@pytest.mark.parametrize("policy", BOTH)
def test_while_the_keys_of_the_older_are_unknown_the_newer_waits(policy: OrderPolicy) -> None:
    assert decide(policy, lc.claimed(), keys=("00-22",), can_go=True) is Way.WAIT


@pytest.mark.parametrize("policy", BOTH)
def test_one_held_before_its_keys_are_known_blocks_nobody(policy: OrderPolicy) -> None:
    assert decide(policy, lc.claimed(), lc.DUPLICATE_HELD) is Way.CLEAR


def test_a_kind_without_order_never_waits() -> None:
    assert decide(OrderPolicy.NONE, *SEALED, can_go=True) is Way.CLEAR


@pytest.mark.parametrize("policy", BOTH)
def test_what_is_superseded_already_is_out_of_the_way(policy: OrderPolicy) -> None:
    assert decide(policy, *DEFERRED, lc.SUPERSEDED) is Way.CLEAR


@pytest.mark.parametrize(
    "history",
    [
        (*SEALED, lc.started(), lc.commit(), lc.delivered()),
        (*SEALED, lc.started(), lc.gave_up()),
        (lc.claimed(), lc.REJECTED),
        (lc.claimed(), lc.DUPLICATE),
    ],
)
def test_what_can_reach_the_far_end_no_more_is_out_of_the_way(history: tuple[ev.Event, ...]) -> None:
    assert decide(OrderPolicy.CLAIM_ORDER, *history) is Way.CLEAR


@pytest.mark.parametrize("policy", BOTH)
def test_one_in_doubt_is_settled_first_because_it_may_still_appear(policy: OrderPolicy) -> None:
    assert decide(policy, *IN_DOUBT) is Way.WAIT


def test_one_in_doubt_that_only_a_person_can_settle_is_superseded() -> None:
    history = (*IN_DOUBT, lc.held(HoldReason.UNKNOWN_OUTCOME))

    assert decide(OrderPolicy.SUPERSEDE, *history) is Way.SUPERSEDE
    assert decide(OrderPolicy.CLAIM_ORDER, *history) is Way.WAIT


def test_a_person_asked_about_one_leg_does_not_settle_the_doubt_about_another() -> None:
    both = (lc.claimed(), lc.accepted("main", "second"), lc.SEALED)
    doubts = [
        (lc.started(leg=leg), lc.commit(leg=leg), lc.deferred(leg=leg, certain=False)) for leg in ("main", "second")
    ]
    asked = ev.Held(hold=Hold(reason=HoldReason.UNKNOWN_OUTCOME, text="look", leg="main"))

    assert decide(OrderPolicy.SUPERSEDE, *both, *doubts[0], asked) is Way.SUPERSEDE
    assert decide(OrderPolicy.SUPERSEDE, *both, *doubts[0], *doubts[1], asked) is Way.WAIT


def test_one_that_landed_in_part_is_passed_by_what_replaces_it() -> None:
    landed = (lc.started(), lc.commit(), lc.delivered())
    history = (lc.claimed(), lc.accepted("main", "second"), lc.SEALED, *landed, lc.gave_up(0, "second"))

    assert decide(OrderPolicy.SUPERSEDE, *history) is Way.CLEAR
    assert decide(OrderPolicy.CLAIM_ORDER, *history) is Way.WAIT


def test_one_that_landed_in_part_and_was_replaced_keeps_nobody_waiting_whatever_its_keys() -> None:
    landed = (lc.started(), lc.commit(), lc.delivered())
    history = (lc.claimed(), lc.accepted("main", "second"), lc.SEALED, *landed, lc.SUPERSEDED)
    older = replace(lc.after(*history), ordering_keys=("00-11", "00-22"))

    assert older.state is State.PARTLY_DELIVERED
    assert way(OrderPolicy.SUPERSEDE, older, KEYS, older_can_go=False) is Way.CLEAR


def test_one_that_was_overtaken_and_waits_for_a_person_keeps_nobody_waiting() -> None:
    history = (*SEALED, lc.held(HoldReason.OUT_OF_ORDER))

    assert decide(OrderPolicy.CLAIM_ORDER, *history) is Way.CLEAR


@pytest.mark.parametrize("state", State)
def test_undelivered_is_what_may_still_reach_the_far_end(state: State) -> None:
    expected = {State.CLAIMED, State.ACCEPTED, State.SEALED, State.DEFERRED, State.PARTLY_DELIVERED}

    assert undelivered(replace(lc.after(lc.claimed()), state=state)) == (state in expected)


HISTORIES: tuple[tuple[ev.Event, ...], ...] = (
    (lc.claimed(),),
    (lc.claimed(), lc.accepted()),
    SEALED,
    DEFERRED,
    IN_DOUBT,
    (*SEALED, lc.started()),
    (*DEFERRED, lc.held()),
    (*DEFERRED, lc.SUPERSEDED),
)
older_ones = st.sampled_from([lc.after(*history) for history in HISTORIES])
key_sets = st.sets(st.sampled_from(["1", "2", "3"]), min_size=1).map(lambda keys: tuple(sorted(keys)))


@given(policy=st.sampled_from(BOTH), older=older_ones, older_keys=key_sets, newer_keys=key_sets, can_go=st.booleans())
def test_nothing_is_superseded_that_is_not_covered_or_could_still_appear(
    policy: OrderPolicy, older: Record, older_keys: tuple[str, ...], newer_keys: tuple[str, ...], *, can_go: bool
) -> None:
    older = replace(older, ordering_keys=older_keys)

    if way(policy, older, newer_keys, older_can_go=can_go) is Way.SUPERSEDE:
        assert policy is OrderPolicy.SUPERSEDE
        assert set(older_keys) <= set(newer_keys)
        assert not can_go
        assert not any(leg.trying is not None or leg.uncertain for leg in older.legs)
