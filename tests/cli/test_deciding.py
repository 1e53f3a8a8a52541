"""`release` and `abandon`: what a person decides about one submission, with a reason that is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.command_line import Ran
from support.house import LONG_PAUSES, House, adt_file, user_id

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]
MakeHouse = Callable[..., House]


@pytest.fixture
def holding(make_house: MakeHouse) -> House:
    """Give a running agent that holds two duplicates, first.csv and second.csv."""
    house = make_house()
    house.start()
    house.drop("adt", "original.csv", adt_file())
    house.wait_line(event="Filed", file="original.csv")
    for name in ("first.csv", "second.csv"):
        house.drop("adt", name, adt_file())
        house.wait_line(event="DuplicateOf", file=name)
    return house


def told(ask: Ask, house: House, submission: str, event: str) -> list[dict[str, Any]]:
    timeline = ask(house, "show", submission, "--json").json["timeline"]
    return [moment["facts"] for moment in timeline if moment["event"] == event]


def test_what_is_released_is_delivered_and_its_reason_kept(holding: House, ask: Ask) -> None:
    held = {name: row["submission"] for name, row in holding.listed().items() if row["held"]}
    for_people = ask(holding, "release", held["first.csv"], "--reason", "the DCC asked for it")
    for_programs = ask(holding, "release", held["second.csv"], "--reason", "this too", "--hold", "duplicate", "--json")
    holding.wait_filed(3)

    assert (for_people.code, for_people.out) == (0, f"{held['first.csv']} is released and goes on\n")
    assert for_programs.json == {"submission": held["second.csv"], "state": "claimed", "held": []}
    (released,) = told(ask, holding, held["first.csv"], "Released")
    assert (released["reason"], released["why"]) == ("duplicate", "the DCC asked for it")
    assert "(uid " in released["by"]
    assert len(holding.delivered()) == 3


def test_what_is_abandoned_is_filed_as_failed_and_never_sent(holding: House, ask: Ask) -> None:
    held = {name: row["submission"] for name, row in holding.listed().items() if row["held"]}
    for_people = ask(holding, "abandon", held["first.csv"], "--reason", "dropped twice by mistake")
    for_programs = ask(holding, "abandon", held["second.csv"], "--reason", "this too", "--json")
    holding.wait_filed(1, 2)

    assert (for_people.code, for_people.out) == (0, f"{held['first.csv']} is given up\n")
    assert for_programs.json["submission"] == held["second.csv"]
    (abandoned,) = told(ask, holding, held["first.csv"], "Abandoned")
    assert abandoned["why"] == "dropped twice by mistake"
    assert "(uid " in abandoned["by"]
    assert len(holding.delivered()) == 1
    assert {one["outcome"] for one in holding.results() if one["file_name"] != "original.csv"} == {"failed"}


def test_the_status_counts_what_is_held_and_does_not_call_it_well(holding: House, ask: Ask) -> None:
    two = ask(holding, "status")
    ask(holding, "abandon", holding.listed()["first.csv"]["submission"], "--reason", "a mistake")
    holding.wait_line(event="Filed", file="first.csv")
    one, for_programs = ask(holding, "status"), ask(holding, "status", "--json").json
    ask(holding, "abandon", holding.listed()["second.csv"]["submission"], "--reason", "a mistake")
    holding.wait_filed(1, 2)
    none = ask(holding, "status")

    assert "2 submissions are held: sealdrop list --open\n" in two.out
    assert "1 submission is held: sealdrop list --open\n" in one.out
    assert "Nothing is wrong" not in two.out + one.out
    assert for_programs["held"] == 1
    assert "held" not in none.out
    assert none.out.endswith("Nothing is wrong.\n")


def test_a_deferred_submission_can_be_abandoned_too(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    house.drop("adt", "deferred.csv", adt_file(user_id(1)))
    house.wait_line(event="Deferred", file="deferred.csv")
    answer = ask(house, "abandon", house.listed()["deferred.csv"]["submission"], "--reason", "sent by other means")
    house.wait_filed(0, 1)

    assert answer.code == 0
    assert house.listed()["deferred.csv"]["state"] == "failed"


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        ("sent.csv", ("release",), "it is not held"),
        ("deferred.csv", ("release",), "it is not held"),
        ("held.csv", ("release", "--hold", "finding"), "It is held for: duplicate"),
        ("held.csv", ("release", "--hold", " "), "hold is missing or empty"),
        ("sent.csv", ("abandon",), ""),
        ("failed.csv", ("abandon",), ""),
    ],
)
def test_what_cannot_be_decided_is_refused_and_nothing_changes(
    lived_in: House, ask: Ask, name: str, command: tuple[str, ...], said: str
) -> None:
    one = lived_in.listed()[name]["submission"]
    before = ask(lived_in, "show", one, "--json").json
    answer = ask(lived_in, command[0], one, *command[1:], "--reason", "please")

    assert (answer.code, answer.out) == (4, "")
    assert said in answer.err
    assert ask(lived_in, "show", one, "--json").json == before


@pytest.mark.parametrize("command", ["release", "abandon"])
class TestADecisionNeeds:
    def test_a_reason(self, lived_in: House, ask: Ask, command: str) -> None:
        one = lived_in.listed()["held.csv"]["submission"]
        none, spaces = ask(lived_in, command, one), ask(lived_in, command, one, "--reason", "  ")

        assert (none.code, spaces.code) == (2, 4)
        assert "Missing option '--reason'" in none.err
        assert "reason is missing or empty" in spaces.err

    def test_a_submission(self, lived_in: House, ask: Ask, command: str) -> None:
        answer = ask(lived_in, command, "zz", "--reason", "please")

        assert (answer.code, answer.out) == (4, "")
        assert "no submission has such an id" in answer.err

    def test_an_agent(self, left: House, ask: Ask, command: str) -> None:
        answer = ask(left, command, "01", "--reason", "please")

        assert (answer.code, answer.out) == (3, "")
        assert "no agent runs here" in answer.err
