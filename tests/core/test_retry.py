"""Retry: how pauses grow, what the far end may ask for, and when patience is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.retry import GiveUp, RetryPolicy, TryAgain, decide, pause
from support.lifecycles import NOON

STEADY = RetryPolicy(first=timedelta(seconds=10), factor=2.0, longest=timedelta(minutes=1), jitter=0.0)
FAR = NOON + timedelta(days=365)

policies = st.builds(
    RetryPolicy,
    first=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1)),
    factor=st.floats(min_value=1.0, max_value=10.0),
    longest=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=1)),
    jitter=st.floats(min_value=0.0, max_value=1.0),
)
chances = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
failures = st.integers(min_value=1, max_value=500)


@pytest.mark.parametrize(("failed", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (100_000, 60)])
def test_pauses_double_up_to_the_longest(failed: int, seconds: int) -> None:
    assert pause(STEADY, failed, 0.0) == timedelta(seconds=seconds)


def test_a_first_pause_beyond_the_longest_is_cut() -> None:
    policy = RetryPolicy(first=timedelta(hours=2), longest=timedelta(hours=1), jitter=0.0)

    assert pause(policy, 1, 0.0) == timedelta(hours=1)


def test_chance_takes_away_at_most_the_share_of_jitter() -> None:
    policy = RetryPolicy(first=timedelta(seconds=10), jitter=0.2)

    assert pause(policy, 1, 0.0) == timedelta(seconds=10)
    assert pause(policy, 1, 0.5) == timedelta(seconds=9)


@given(policies, failures, chances)
def test_no_pause_is_longer_than_the_longest_nor_shorter_than_jitter_allows(
    policy: RetryPolicy, failed: int, chance: float
) -> None:
    waited = pause(policy, failed, chance)

    least = min(policy.first, policy.longest) * (1 - policy.jitter)
    assert least - timedelta(microseconds=1) <= waited <= policy.longest


@given(policies, failures, chances)
def test_pauses_never_shrink_as_failures_grow(policy: RetryPolicy, failed: int, chance: float) -> None:
    assert pause(policy, failed + 1, chance) >= pause(policy, failed, chance)


def test_a_failure_within_patience_is_tried_again_after_the_pause() -> None:
    decision = decide(STEADY, failures=2, now=NOON, deadline=FAR, chance=0.0)

    assert decision == TryAgain(not_before=NOON + timedelta(seconds=20))


def test_what_the_far_end_asked_for_is_never_undercut() -> None:
    asked = timedelta(seconds=45)

    decision = decide(STEADY, failures=1, now=NOON, deadline=FAR, chance=0.0, retry_after=asked)

    assert decision == TryAgain(not_before=NOON + asked)


def test_a_shorter_wish_of_the_far_end_does_not_shorten_the_pause() -> None:
    decision = decide(STEADY, failures=3, now=NOON, deadline=FAR, chance=0.0, retry_after=timedelta(seconds=1))

    assert decision == TryAgain(not_before=NOON + timedelta(seconds=40))


def test_an_absurd_wish_of_the_far_end_is_cut_to_the_longest_pause() -> None:
    decision = decide(STEADY, failures=1, now=NOON, deadline=FAR, chance=0.0, retry_after=timedelta(days=3650))

    assert decision == TryAgain(not_before=NOON + timedelta(minutes=1))


def test_patience_is_over_when_the_next_attempt_would_come_after_the_deadline() -> None:
    deadline = NOON + timedelta(seconds=19)

    decision = decide(STEADY, failures=2, now=NOON, deadline=deadline, chance=0.0)

    assert decision == GiveUp(why="no success in 2 attempts until 2026-11-24 12:00 UTC")


def test_an_attempt_right_at_the_deadline_is_still_made() -> None:
    deadline = NOON + timedelta(seconds=20)

    assert decide(STEADY, failures=2, now=NOON, deadline=deadline, chance=0.0) == TryAgain(not_before=deadline)


@given(policies, failures, chances, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3)))
def test_a_decision_is_a_due_time_within_patience_or_giving_up(
    policy: RetryPolicy, failed: int, chance: float, patience: timedelta
) -> None:
    decision = decide(policy, failures=failed, now=NOON, deadline=NOON + patience, chance=chance)

    if isinstance(decision, TryAgain):
        assert NOON <= decision.not_before <= NOON + patience
    else:
        assert pause(policy, failed, chance) > patience
