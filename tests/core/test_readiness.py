"""Completeness: when a file counts as finished, and that nothing makes it count too early."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.readiness import (
    LEAST_LOOKS,
    Observation,
    Protocol,
    ReadinessPolicy,
    Ready,
    Seen,
    Wait,
    decide,
    remember,
)

FILE = Observation(name="a.csv", size=10, mtime_ns=1, ctime_ns=1, device=1, inode=1)
QUIET = ReadinessPolicy(protocol=Protocol.QUIET, quiet_seconds=10, alarm_seconds=100)
RENAME = replace(QUIET, protocol=Protocol.RENAME)
MARKER = replace(QUIET, protocol=Protocol.MARKER)


def looked(*looks: tuple[float, Observation]) -> Seen:
    """Return what is remembered after these looks."""
    seen: Seen | None = None
    for now, observation in looks:
        seen = remember(seen, observation, now)
    assert seen is not None
    return seen


def test_a_renamed_in_file_is_ready_at_first_sight() -> None:
    assert decide(looked((0, FILE)), RENAME, 0) == Ready()


def test_a_marked_file_is_ready_and_an_unmarked_one_waits_for_its_marker_however_old() -> None:
    assert decide(looked((0, replace(FILE, marked=True))), MARKER, 0) == Ready()
    waits = decide(looked((0, FILE), (1000, FILE)), MARKER, 1000)

    assert waits == Wait(reason="waits for its completion marker", look_again=None, too_old=True)


def test_a_quiet_file_is_ready_after_its_quiet_time_over_two_looks() -> None:
    assert decide(looked((0, FILE), (10, FILE)), QUIET, 10) == Ready()


def test_one_look_never_proves_quiet_however_long_ago() -> None:
    assert isinstance(decide(looked((0, FILE)), QUIET, 1000), Wait)


def test_a_file_that_changed_is_quiet_anew() -> None:
    grown = replace(FILE, size=11)
    seen = looked((0, FILE), (9, grown), (15, grown))

    assert decide(seen, QUIET, 15) == Wait(reason="is still changing or too young", look_again=4, too_old=False)
    assert decide(remember(seen, grown, 19), QUIET, 19) == Ready()


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime_ns": 2}, {"ctime_ns": 2}, {"device": 2}])
def test_every_part_of_the_identity_counts_as_a_change(change: dict[str, Any]) -> None:
    seen = looked((0, FILE), (10, replace(FILE, **change)))

    assert isinstance(decide(seen, QUIET, 10), Wait)
    assert (seen.first_seen, seen.looks) == (0, 1)


def test_another_file_under_the_same_name_waits_from_its_own_first_look() -> None:
    seen = looked((0, FILE), (50, replace(FILE, inode=2)))

    assert seen.first_seen == 50
    assert isinstance(decide(seen, QUIET, 55), Wait)


def test_a_marker_that_appears_is_no_change_of_the_file() -> None:
    seen = looked((0, FILE), (5, replace(FILE, marked=True)))

    assert seen.looks == 2
    assert decide(seen, MARKER, 5) == Ready()


@pytest.mark.parametrize("policy", [RENAME, MARKER, QUIET], ids=["rename", "marker", "quiet"])
def test_an_empty_file_is_never_ready_by_a_single_look(policy: ReadinessPolicy) -> None:
    empty = replace(FILE, size=0, marked=True)
    seen = looked((0, empty))

    assert decide(seen, policy, 0) == Wait(reason="has zero bytes; may be just begun", look_again=10, too_old=False)
    assert decide(remember(seen, empty, 10), policy, 10) == Ready()


def test_a_file_that_stays_busy_is_told_to_be_too_old_from_its_first_look_on() -> None:
    seen = looked((0, FILE), (60, replace(FILE, size=11)), (99, replace(FILE, size=12)))

    assert decide(seen, QUIET, 99) == Wait(reason="is still changing or too young", look_again=10, too_old=False)
    waits = decide(seen, QUIET, 100)
    assert isinstance(waits, Wait)
    assert waits.too_old


def test_a_wait_never_asks_for_a_look_in_the_past() -> None:
    assert decide(looked((0, FILE)), QUIET, 500) == Wait(
        reason="is still changing or too young", look_again=0.0, too_old=True
    )


LOOKS = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=20),
        st.builds(
            Observation,
            name=st.just("a.csv"),
            size=st.integers(0, 2),
            mtime_ns=st.integers(0, 1),
            ctime_ns=st.just(1),
            device=st.just(1),
            inode=st.integers(1, 2),
            marked=st.booleans(),
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(steps=LOOKS, policy=st.sampled_from([RENAME, MARKER, QUIET]))
def test_no_history_makes_a_file_ready_without_what_its_protocol_asks(
    steps: list[tuple[float, Observation]], policy: ReadinessPolicy
) -> None:
    now, history, seen = 0.0, [], None
    for pause, observation in steps:
        now += pause
        history.append((now, observation))
        seen = remember(seen, observation, now)
    assert seen is not None
    last = history[-1][1]
    same = [at for at, one in reversed(history) if one.identity == last.identity]
    unbroken = next((i for i, (_, one) in enumerate(reversed(history)) if one.identity != last.identity), len(history))
    quiet = unbroken >= LEAST_LOOKS and now - same[unbroken - 1] >= policy.quiet_seconds

    ready = decide(seen, policy, now) == Ready()

    if policy.protocol is Protocol.MARKER and not last.marked:
        assert not ready
    elif policy.protocol is Protocol.QUIET or last.size == 0:
        assert ready == quiet
    else:
        assert ready
