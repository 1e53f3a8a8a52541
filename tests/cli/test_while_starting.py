"""While the agent still recovers, it answers questions and says so; changes wait, for recovery would book over them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from sealdrop.adapters.control import Request, Verb
from sealdrop.adapters.control.peers import Peer
from sealdrop.core.errors import Refused, TemporaryFailure
from sealdrop.flow.operations import Operations
from sealdrop.wiring.verbs import Start, verbs
from support.fake_house import FakeHouse

Answers = Mapping[str, Verb]
START = datetime(2026, 11, 24, 21, 2, tzinfo=UTC)


@pytest.fixture
def start() -> Start:
    return Start(since=START)


@pytest.fixture
def answers(start: Start) -> Answers:
    """Give the verbs of a house without submissions."""
    house = FakeHouse()
    return verbs(
        Operations(house.once(), house.ledger), house.ledger, keys=list, start=start, add_report=lambda *_: None
    )


def ask(answers: Answers, verb: str, **arguments: str) -> Any:  # noqa: ANN401 - JSON
    peer = Peer(pid=os.getpid(), uid=0, groups=frozenset(), user="root", login_uid=None)
    return answers[verb].handler(Request(verb=verb, arguments=dict(arguments), caller="root", peer=peer))


def test_questions_are_answered_from_the_first_moment(answers: Answers, start: Start) -> None:
    (incident,) = ask(answers, "status")["incidents"]
    assert incident["subject"] == "start"
    assert datetime.fromisoformat(incident["since"]) == START
    assert ask(answers, "list") == {"submissions": []}
    assert ask(answers, "keys") == []

    start.recovered.set()

    assert ask(answers, "status")["incidents"] == []


def test_changes_wait_until_it_has_recovered(answers: Answers, start: Start) -> None:
    changing = {name for name, verb in answers.items() if verb.admin}
    assert {"retry", "retry-route", "release", "abandon"} <= changing
    arguments = {"submission": "zz", "route": "nowhere", "reason": "please"}
    for verb in changing:
        with pytest.raises(TemporaryFailure, match="still starting"):
            ask(answers, verb, **arguments)

    start.recovered.set()

    for verb in changing:
        with pytest.raises(Refused):  # there is no such submission or route
            ask(answers, verb, **arguments)
