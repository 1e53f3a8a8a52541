"""`retry`: what it does, and what it refuses to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.command_line import Ran
from support.house import LONG_PAUSES, House, adt_file

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--reason", "x"), "give either a submission's id or --route NAME"),
        (("01", "--route", "relay", "--reason", "x"), "give either a submission's id or --route NAME"),
        (("01",), "Missing option '--reason'"),
    ],
)
def test_half_a_request_is_a_mistake(left: House, ask: Ask, arguments: tuple[str, ...], said: str) -> None:
    answer = ask(left, "retry", *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sent.csv", "it is sent, and nothing of it waits for a retry"),
        ("failed.csv", "it is failed, and nothing of it waits for a retry"),
        ("held.csv", "it is held (duplicate)"),
    ],
)
def test_what_does_not_wait_for_a_retry_is_refused(lived_in: House, ask: Ask, name: str, said: str) -> None:
    one = lived_in.listed()[name]["submission"]
    before = ask(lived_in, "show", one, "--json").json
    answer = ask(lived_in, "retry", one, "--reason", "please")

    assert (answer.code, answer.out) == (4, "")
    assert said in answer.err
    assert ask(lived_in, "show", one, "--json").json == before


def test_an_unknown_route_is_refused_with_those_there_are(lived_in: House, ask: Ask) -> None:
    answer = ask(lived_in, "retry", "--route", "rellay", "--reason", "please")

    assert (answer.code, answer.out) == (4, "")
    assert "Configured are: relay" in answer.err


@pytest.mark.parametrize("target", [("deferred.csv",), ("--route", "relay")])
def test_a_reason_of_spaces_is_none(lived_in: House, ask: Ask, target: tuple[str, ...]) -> None:
    names = lived_in.listed()
    arguments = [names[one]["submission"] if one in names else one for one in target]
    answer = ask(lived_in, "retry", *arguments, "--reason", "  ")

    assert (answer.code, answer.out) == (4, "")
    assert "reason is missing or empty" in answer.err


@pytest.mark.parametrize("target", [("01",), ("--route", "relay")])
def test_without_an_agent_nothing_can_be_retried(left: House, ask: Ask, target: tuple[str, ...]) -> None:
    answer = ask(left, "retry", *target, "--reason", "please")

    assert (answer.code, answer.out) == (3, "")
    assert "no agent runs here" in answer.err
    assert "Start it" in answer.err


def test_a_retry_is_booked_with_who_and_why(make_house: Callable[..., House], ask: Ask) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    house.drop("adt", "deferred.csv", adt_file())
    house.wait_line(event="Deferred")
    one = house.listed()["deferred.csv"]["submission"]

    first = ask(house, "retry", one, "--reason", "the first")
    house.wait_line(event="Deferred", count=2)
    second = ask(house, "retry", one, "--reason", "the second", "--json")
    house.wait_line(event="Deferred", count=3)
    third = ask(house, "retry", "--route", "relay", "--reason", "the third")
    house.wait_line(event="Deferred", count=4)
    house.far.start()
    fourth = ask(house, "retry", "--route", "relay", "--reason", "the fourth", "--json")
    house.wait_filed(1)

    assert first.out == f"{one} is tried again\n"
    assert second.json == {"submission": one, "state": "deferred"}
    assert third.out == "route relay is open; 1 submissions are due now\n"
    assert fourth.json == {"submissions": 1}
    timeline = ask(house, "show", one, "--json").json["timeline"]
    asked = [moment["facts"] for moment in timeline if moment["event"] == "RetryRequested"]
    assert [facts["why"] for facts in asked] == ["the first", "the second", "the third", "the fourth"]
    assert all("(uid " in facts["by"] for facts in asked)
