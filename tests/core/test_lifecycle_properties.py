"""The lifecycle by property: whatever happens, in whatever order, these things stay true.

One test walks at random, as an unlucky agent would. The other walks everywhere: it visits every reachable record of
a submission with two legs (equal but for its numbers and times counted once) and then asks of the whole graph.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core import events as ev
from sealdrop.core.errors import StaleTransition
from sealdrop.core.holds import HoldReason, Lifter
from sealdrop.core.lifecycle import (
    DELIVERABLE,
    OPEN,
    TERMINAL,
    TO_FILE,
    TRANSITIONS,
    Leg,
    Record,
    State,
    apply,
    fold,
)
from support import lifecycles as lc

BEFORE_SEALING = {State.CLAIMED, State.ACCEPTED, State.REJECTED, State.DUPLICATE, State.SET_ASIDE}


def assert_sound(record: Record) -> None:
    """Assert what is true of every record, whatever its history."""
    reasons = [hold.reason for hold in record.holds]
    assert len(reasons) == len(set(reasons)), "a reason holds once"
    assert (record.filed is not None) == record.terminal
    unsealed = BEFORE_SEALING | {State.SUPERSEDED, State.UNDELIVERABLE, State.FAILED}
    assert (record.seal is not None) or record.state in unsealed
    assert (HoldReason.PARTLY_DELIVERED in reasons) or record.state is not State.PARTLY_DELIVERED
    if record.state in TO_FILE | TERMINAL:
        assert not record.holds, "what is only to be filed is not held"
        assert all(leg.trying is None for leg in record.legs), "no attempt outlives its submission"
    for leg in record.legs:
        assert_sound_leg(leg)
    assert record.state in states_of_legs(record)


def assert_sound_leg(leg: Leg) -> None:
    assert leg.trying in {None, leg.attempts}
    assert not (leg.receipt is not None and leg.given_up)
    if leg.settled:
        assert leg.trying is None
    if leg.receipt is not None:
        assert (leg.committing, leg.interrupted) == (None, False), "proof leaves no doubt"
    if leg.uncertain and leg.trying is None:
        assert leg.interrupted, "doubt asks for a look before anything is sent"


def states_of_legs(record: Record) -> set[State]:
    """Say which states the legs allow; written apart from the code under test."""
    landed = [leg.receipt is not None for leg in record.legs]
    settled = [leg.settled for leg in record.legs]
    abandoned = {State.UNDELIVERABLE, State.FAILED} if (record.reason or "").startswith("abandoned") else set()
    if record.superseded_by is not None and not any(landed):
        assert all(settled), "what is superseded is owed no more"
        return {State.SUPERSEDED, State.FAILED}
    if record.seal is None:
        assert not any(settled)
        return BEFORE_SEALING | {State.FAILED} | abandoned
    if all(landed):
        return {State.DELIVERED, State.SENT}
    if all(settled):
        return ({State.PARTLY_DELIVERED} if any(landed) else {State.UNDELIVERABLE, State.FAILED}) | abandoned
    return set(DELIVERABLE) | abandoned


def assert_step_allowed(before: Record | None, event: ev.Event, after: Record) -> None:
    assert after.state in TRANSITIONS[type(event)][before.state if before else None]
    if before is None:
        return
    for leg in before.legs:
        if leg.receipt is not None:
            assert after.leg(leg.name).receipt == leg.receipt, "proof is never lost"
    assert after.submission == before.submission
    assert after.events == before.events + 1
    if isinstance(event, ev.AttemptStarted | ev.Sealed):
        assert not before.holds, "nothing held is sealed or attempted"
    if isinstance(event, ev.CommitStarted):
        assert not before.leg(event.leg).uncertain, "nothing becomes visible in doubt"
    if isinstance(event, ev.Released):
        lifted = [hold for hold in before.holds if hold not in after.holds]
        assert [hold.lifter for hold in lifted] == [Lifter.OPERATOR]


@settings(max_examples=200)
@given(data=st.data(), legs=st.sampled_from([("main",), ("main", "second")]))
def test_no_sequence_of_events_leaves_the_table(data: st.DataObject, legs: tuple[str, ...]) -> None:
    firsts: tuple[ev.Event, ...] = (lc.claimed(), lc.SET_ASIDE)
    first = data.draw(st.sampled_from(firsts), "first")
    history = [(lc.NOON, first)]
    record = apply(None, lc.ID, first, lc.NOON)
    assert_step_allowed(None, first, record)
    for second in range(30):
        events = [lc.accepted(*legs), *lc.events_near(record)]
        possible = [event for event in events if record.state in TRANSITIONS[type(event)]]
        likely = data.draw(st.integers(0, 9)) > 0 and possible
        event = data.draw(st.sampled_from(likely or events), "event")
        at = lc.NOON + timedelta(seconds=second)
        try:
            after = apply(record, lc.ID, event, at)
        except StaleTransition:
            continue
        assert_step_allowed(record, event, after)
        assert_sound(after)
        history.append((at, event))
        record = after

    assert fold(lc.ID, history) == record


@dataclass(frozen=True)
class Graph:
    """Every reachable record, each by its shape, and every step between two shapes."""

    records: dict[Hashable, Record] = field(default_factory=dict)
    steps: set[tuple[Hashable, type[ev.Event], Hashable]] = field(default_factory=set)

    def ways_out(self) -> set[Hashable]:
        """Return the shapes from which some terminal one can be reached."""
        sources: dict[Hashable, set[Hashable]] = {}
        for source, _, target in self.steps:
            sources.setdefault(target, set()).add(source)
        found = {shape for shape, record in self.records.items() if record.terminal}
        frontier = list(found)
        while frontier:
            new = sources.get(frontier.pop(), set()) - found
            found |= new
            frontier += new
        return found


def doubt(leg: Leg) -> tuple[bool, bool]:
    return leg.uncertain, leg.interrupted


def shape(record: Record) -> Hashable:
    """Return what decides about the future of a record; its numbers, times and sentences do not."""
    legs = tuple((leg.attempts > 0, leg.trying is None, leg.settled, leg.given_up, *doubt(leg)) for leg in record.legs)
    return (
        record.state,
        legs,
        frozenset(hold.reason for hold in record.holds),
        record.duplicate_of,
        record.superseded_by,
    )


@cache
def everywhere() -> Graph:
    """Walk everywhere from both first events. The holds stand for their kinds: operators lift one, approvers one."""
    holds = (HoldReason.UNKNOWN_OUTCOME, HoldReason.APPROVAL)
    graph = Graph()
    frontier = [lc.after(lc.claimed()), lc.after(lc.SET_ASIDE)]
    graph.records.update((shape(record), record) for record in frontier)
    while frontier:
        record = frontier.pop()
        for event in lc.events_near(record, holds):
            if record.state not in TRANSITIONS[type(event)] or event == lc.held():
                continue
            try:
                after = apply(record, lc.ID, event, lc.NOON)
            except StaleTransition:
                continue
            assert_step_allowed(record, event, after)
            assert_sound(after)
            graph.steps.add((shape(record), type(event), shape(after)))
            if shape(after) not in graph.records:
                graph.records[shape(after)] = after
                frontier.append(after)
    return graph


def test_every_open_state_can_reach_a_terminal_one() -> None:
    graph = everywhere()

    stuck = graph.records.keys() - graph.ways_out()

    assert stuck == set()
    assert {record.state for record in graph.records.values()} == OPEN | TERMINAL


def test_the_table_has_no_step_that_never_happens() -> None:
    graph = everywhere()
    table = {
        (event, before, after)
        for event, row in TRANSITIONS.items()
        for before, targets in row.items()
        for after in targets
        if before is not None
    }

    happened = {(event, graph.records[a].state, graph.records[b].state) for a, event, b in graph.steps}
    wants_three_legs = (ev.DeliveredByHand, State.PARTLY_DELIVERED, State.PARTLY_DELIVERED)  # has its own example

    assert happened | {wants_three_legs} == table


def test_a_waiting_submission_that_nothing_moves_is_always_held_and_visible() -> None:
    """Where neither time nor an attempt can bring progress, a hold says so: nothing waits silently for ever."""
    for record in everywhere().records.values():
        owed = [leg for leg in record.legs if not leg.settled]
        if record.state in {State.SEALED, State.DEFERRED, State.PARTLY_DELIVERED} and not owed:
            assert record.holds
