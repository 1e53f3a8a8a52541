"""Gates: one dead server costs one attempt per rest, and a wrong password is never repeated."""

from __future__ import annotations

import pytest

from sealdrop.flow.gates import Gates
from support.fakes import FakeClock

NAMES = ("first", "second")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gates(clock: FakeClock) -> Gates:
    return Gates(clock)


def test_a_gate_nobody_closed_is_open(gates: Gates) -> None:
    assert gates.usable(NAMES) == NAMES
    assert gates.describe("first") == "open"
    assert gates.open("first")
    assert gates.opens_in(NAMES) is None


def test_while_one_rests_the_others_are_usable(gates: Gates) -> None:
    gates.rest("first", 10, "no answer")

    assert gates.usable(NAMES) == ("second",)
    assert gates.describe("first") == "resting for 10 s: no answer"
    assert not gates.open("first")
    assert gates.opens_in(NAMES) == 10


def test_after_its_rest_exactly_one_attempt_is_the_trial(gates: Gates, clock: FakeClock) -> None:
    gates.rest("first", 10, "no answer")
    clock.pass_seconds(10)

    assert gates.usable(["first"]) == ("first",)
    assert [gates.begin("first") for _ in range(16)] == [True] + [False] * 15
    assert gates.usable(["first"]) == ()


def test_no_attempt_begins_on_a_gate_that_rests(gates: Gates) -> None:
    gates.rest("first", 10, "no answer")

    assert not gates.begin("first")


def test_the_success_of_the_trial_lets_the_others_follow(gates: Gates, clock: FakeClock) -> None:
    gates.rest("first", 10, "no answer")
    clock.pass_seconds(10)
    gates.begin("first")

    assert gates.succeeded("first")
    assert all(gates.begin("first") for _ in range(16))
    assert gates.failures("first") == 0


def test_success_on_an_open_gate_opens_nothing(gates: Gates) -> None:
    assert not gates.succeeded("first")


def test_a_failed_trial_rests_again_and_counts(gates: Gates, clock: FakeClock) -> None:
    for rests in (1, 2, 3):
        gates.begin("first")
        gates.rest("first", 10, "no answer")

        assert gates.failures("first") == rests
        assert gates.usable(["first"]) == ()
        clock.pass_seconds(10)


def test_sixteen_attempts_that_fail_together_are_one_failure(gates: Gates, clock: FakeClock) -> None:
    assert all(gates.begin("first") for _ in range(16))

    for number in range(16):
        gates.rest("first", 10 + number, f"no answer to attempt {number}")

    assert gates.failures("first") == 1
    assert gates.opens_in(["first"]) == 10
    assert "attempt 15" in gates.describe("first")
    clock.pass_seconds(10)
    assert gates.begin("first")


def test_a_trial_that_is_called_off_leaves_the_trial_to_another(gates: Gates, clock: FakeClock) -> None:
    gates.rest("first", 10, "no answer")
    clock.pass_seconds(10)
    gates.begin("first")

    gates.call_off("first")

    assert gates.begin("first")
    assert gates.failures("first") == 1


def test_a_stopped_gate_stays_shut_whatever_time_passes_or_succeeds(gates: Gates, clock: FakeClock) -> None:
    assert gates.stop("first", "the host key changed")
    assert not gates.stop("first", "the host key changed")

    gates.succeeded("first")
    clock.pass_seconds(10**6)

    assert gates.usable(NAMES) == ("second",)
    assert gates.describe("first") == "stopped: the host key changed"
    assert not gates.open("first")
    assert gates.opens_in(["first"]) is None


@pytest.mark.parametrize("shut", ["stopped", "resting", "stopped while resting"])
def test_a_person_opens_a_gate_whatever_closed_it(gates: Gates, shut: str) -> None:
    if "resting" in shut:
        gates.rest("first", 10, "no answer")
    if "stopped" in shut:
        gates.stop("first", "the host key changed")

    gates.resume("first")

    assert gates.describe("first") == "open"
    assert gates.begin("first")
    assert gates.failures("first") == 0


def test_a_stopped_gate_tells_no_time_at_which_it_opens(gates: Gates) -> None:
    gates.rest("first", 10, "no answer")
    gates.rest("second", 20, "no answer")
    gates.stop("first", "the host key changed")

    assert gates.opens_in(NAMES) == 20


def test_the_first_rest_to_end_decides_when_to_look_again(gates: Gates, clock: FakeClock) -> None:
    gates.rest("first", 10, "no answer")
    gates.rest("second", 20, "no answer")

    assert gates.opens_in(NAMES) == 10
    clock.pass_seconds(30)
    assert gates.opens_in(NAMES) == 0
