"""The next step: one decision for each state a record can be in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core import events as ev
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import TERMINAL, TO_FILE, Leg, Record, State
from sealdrop.core.steps import Do, Rest, Work, next_step
from support import lifecycles as lc

SEALED = (lc.claimed(), lc.accepted(), lc.SEALED)
TWO = (lc.claimed(), lc.accepted("main", "second"), lc.SEALED)
HELD = (Hold(reason=HoldReason.OPERATOR, text="a person stopped it"),)
DUE = lc.NOON + timedelta(minutes=1)


def at(record: Record, state: State) -> Record:
    return replace(record, state=state)


@pytest.mark.parametrize("state", [state for state in State if state in TERMINAL])
def test_what_is_filed_rests_for_ever(state: State) -> None:
    assert next_step(at(lc.after(*SEALED), state), lc.NOON) == Rest(until=None)


@pytest.mark.parametrize("state", [state for state in State if state in TO_FILE])
def test_what_is_decided_is_filed_even_if_held(state: State) -> None:
    record = replace(lc.after(*SEALED), state=state, holds=HELD)

    assert next_step(record, lc.NOON) == Do(work=Work.FILE)


@pytest.mark.parametrize(
    ("history", "work"),
    [((lc.claimed(),), Work.VALIDATE), ((lc.claimed(), lc.accepted()), Work.SEAL), (SEALED, Work.DELIVER)],
)
def test_the_stages_follow_one_another(history: tuple[ev.Event, ...], work: Work) -> None:
    step = next_step(lc.after(*history), lc.NOON)

    assert isinstance(step, Do)
    assert step.work is work


@pytest.mark.parametrize("history", [(lc.claimed(),), (lc.claimed(), lc.accepted()), SEALED])
def test_a_hold_stops_whatever_comes_next(history: tuple[ev.Event, ...]) -> None:
    assert next_step(replace(lc.after(*history), holds=HELD), lc.NOON) == Rest(until=None)


def test_a_deferred_leg_rests_until_it_is_due() -> None:
    record = lc.after(*SEALED, lc.started(), lc.deferred())

    assert next_step(record, DUE - timedelta(seconds=1)) == Rest(until=DUE)
    assert next_step(record, DUE) == Do(work=Work.DELIVER, legs=record.legs)


def test_all_due_legs_are_named_the_least_tried_first() -> None:
    record = lc.after(*TWO, lc.started(leg="main"), lc.deferred(leg="main"))

    step = next_step(record, DUE)

    assert isinstance(step, Do)
    assert [leg.name for leg in step.legs] == ["second", "main"]


def test_a_leg_that_is_not_due_does_not_keep_another_from_going() -> None:
    record = lc.after(*TWO, lc.started(leg="main"), lc.deferred(leg="main"))

    step = next_step(record, lc.NOON)

    assert isinstance(step, Do)
    assert [leg.name for leg in step.legs] == ["second"]


def test_a_settled_leg_is_owed_no_more() -> None:
    record = lc.after(*TWO, lc.started(leg="main"), lc.commit(leg="main"), lc.delivered(leg="main"))

    step = next_step(record, lc.NOON)

    assert isinstance(step, Do)
    assert [leg.name for leg in step.legs] == ["second"]


def test_what_landed_in_part_rests_until_a_person_acts() -> None:
    landed = (lc.started(), lc.commit(), lc.delivered())
    record = lc.after(*TWO, *landed, lc.started(leg="second"), lc.gave_up(leg="second"))

    assert record.state is State.PARTLY_DELIVERED
    assert next_step(record, lc.NOON) == Rest(until=None)
    assert next_step(replace(record, holds=()), lc.NOON) == Rest(until=None)


legs = st.builds(
    Leg,
    name=st.text(alphabet="abc", min_size=1, max_size=2),
    route=st.just("relay"),
    attempts=st.integers(min_value=0, max_value=3),
    not_before=st.none() | st.datetimes(timezones=st.just(lc.NOON.tzinfo)).filter(lambda at: 2000 < at.year < 2100),
    given_up=st.booleans(),
)


@given(st.lists(legs, max_size=4))
def test_a_leg_is_attempted_only_when_owed_and_due_and_a_rest_ends_when_one_is(several: list[Leg]) -> None:
    record = replace(lc.after(*SEALED), legs=tuple(several))

    step = next_step(record, lc.NOON)

    owed = [leg for leg in several if not leg.given_up]
    if isinstance(step, Do):
        assert step.legs
        assert all(leg in owed and (leg.not_before is None or leg.not_before <= lc.NOON) for leg in step.legs)
    else:
        assert all(leg.not_before is not None and leg.not_before > lc.NOON for leg in owed)
        assert (step.until is None) == (not owed)
        if step.until is not None:
            again = next_step(record, step.until)
            assert isinstance(again, Do)
