"""Who may look while no agent runs: the agent's group may, whatever the umask of the unit; others are told who may."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command_line import Ran
from support.house import House, adt_file
from support.unprivileged import NOBODY, as_nobody

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]
#: Commands that the ledger alone answers, and what they leave with while no agent runs.
LOOKING = {("status",): 3, ("list",): 0, ("ledger", "verify"): 0}


@contextmanager
def umask_of_the_unit() -> Iterator[None]:
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def house(make_house: Callable[..., House], ask: Ask) -> House:
    """Give a house whose folders were made under the unit's umask, in a folder that everybody may pass through."""
    house = make_house()
    with umask_of_the_unit():
        assert house.run("once", "--patience", "0").returncode == 0
    shutil.rmtree(house.folder / "run")  # as the service manager does when the service ends
    house.folder.chmod(0o711)
    house.config.chmod(0o644)
    for command in LOOKING:
        ask(house, *command)  # whatever is imported for it may be out of an ordinary user's reach
    return house


def test_what_the_agent_makes_has_the_mode_that_is_meant(house: House) -> None:
    root = house.root

    assert {name: mode(root / name) for name in ("ledger", "outbox/adt", "results/adt", "work")} == {
        "ledger": 0o750,
        "outbox/adt": 0o750,
        "results/adt": 0o750,
        "work": 0o700,
    }
    assert mode(root / "ledger" / "ledger.sqlite") == 0o640


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_a_member_of_the_agents_group_may_look(house: House, ask: Ask, command: tuple[str, ...]) -> None:
    give_to_group(house)
    with as_nobody():
        answer = ask(house, *command)

    assert (answer.code, answer.err) == (LOOKING[command], "")


def test_a_member_of_the_agents_group_may_verify_beside_the_running_agent(
    make_house: Callable[..., House], ask: Ask
) -> None:
    house = make_house()
    with umask_of_the_unit():
        house.start()
    house.drop("adt", "one.csv", adt_file())
    house.wait_filed(1)
    house.folder.chmod(0o711)
    house.config.chmod(0o644)
    assert ask(house, "ledger", "verify").code == 0  # as root, where the tests run as root
    give_to_group(house)
    with as_nobody():
        answer = ask(house, "ledger", "verify")

    assert (answer.code, answer.err) == (0, "")


def give_to_group(house: House) -> None:
    """Make the ordinary user a member of the group that the agent's files carry."""
    if os.geteuid() == 0:
        for path in (house.root, house.root / "ledger", *(house.root / "ledger").iterdir()):
            os.chown(path, -1, NOBODY)


@pytest.mark.parametrize("out_of_reach", ["ledger", "ledger/ledger.sqlite"])
@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_everybody_else_is_told_who_may(house: House, ask: Ask, command: tuple[str, ...], out_of_reach: str) -> None:
    house.root.chmod(0o711)  # as the unit has it
    path = house.root / out_of_reach
    before = mode(path)
    path.chmod(0)  # for the owner, too: tests may run as the ordinary user that made it
    try:
        with as_nobody():
            answer = ask(house, *command)
    finally:
        path.chmod(before)

    assert (answer.code, answer.out) == (4, "")
    assert "you may not read the ledger" in answer.err
    assert "members of the group " in answer.err


def test_who_may_only_look_may_not_rebuild(house: House, ask: Ask) -> None:
    ledger = house.root / "ledger" / "ledger.sqlite"
    ask(house, "ledger", "rebuild")
    give_to_group(house)
    ledger.chmod(0o440)  # for the owner, too
    with as_nobody():
        answer = ask(house, "ledger", "rebuild")

    assert (answer.code, answer.out) == (4, "")
    assert "you may not write to the ledger" in answer.err
