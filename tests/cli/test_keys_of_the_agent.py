"""`keys` in the documented installation: the agent alone holds its credentials, so it is the agent that answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command_line import Ran
from support.house import House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """Give a house whose signing key the service manager hands over, to the agent alone."""
    return make_house({"keys.dcc.signer_key": {"credential": "signing-key"}})


@pytest.fixture
def credentials(house: House) -> dict[str, str]:
    """Give the environment that the service manager gives the agent."""
    folder = house.folder / "credentials"
    folder.mkdir(mode=0o700)
    handed_over = folder / "signing-key"
    shutil.copy(Path(house.party.signer.secret), handed_over)
    handed_over.chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_the_running_agent_tells_the_keys_that_only_it_has(house: House, credentials: dict[str, str], ask: Ask) -> None:
    house.start(environment=credentials)
    told, listed = ask(house, "keys"), ask(house, "keys", "--json").json

    assert told.code == 0
    assert [(one["name"], one["use"], one["fingerprint"]) for one in listed] == [
        ("dcc", "signer", house.party.signer.fingerprint),
        ("dcc", "recipient", house.party.recipient.fingerprint),
    ]  # both kinds use this one set


def test_the_agent_and_the_configuration_tell_the_same(lived_in: House, left: House, ask: Ask) -> None:
    running, alone = ask(lived_in, "keys", "--json"), ask(left, "keys", "--json")

    assert (running.code, alone.code) == (0, 0)
    assert running.json == alone.json


def test_without_an_agent_keys_handed_over_to_it_alone_cannot_be_told(house: House, ask: Ask) -> None:
    answer = ask(house, "keys")

    assert (answer.code, answer.out) == (3, "")
    assert "keys.dcc: no agent runs here" in answer.err
    assert "→ Start it" in answer.err
