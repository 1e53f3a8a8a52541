"""A house that somebody lives in, for commands that look, and a maker of houses for those that change something."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.command_line import Ran, sealdrop
from support.house import LONG_PAUSES, House, adt_file, user_id
from support.openpgp import Party, make_party


@pytest.fixture(scope="session")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    """Give a signer and a recipient."""
    return make_party(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def make_house(short_tmp: Path, party: Party) -> Iterator[Callable[..., House]]:
    """Give a maker of houses that are torn down with the test."""
    with ExitStack() as houses:

        def make(changes: dict[str, object] | None = None) -> House:
            return houses.enter_context(House(short_tmp, changes=changes, party=party))

        yield make


@pytest.fixture(scope="session")
def lived_in(party: Party) -> Iterator[House]:
    """Give a running agent that has sent, failed, held and deferred one file each. Tests only look at it."""
    with _folder() as folder, House(folder, changes=LONG_PAUSES, party=party) as house:
        house.start()
        _live(house)
        yield house


@pytest.fixture(scope="session")
def left(party: Party) -> Iterator[House]:
    """Give the same after its agent has stopped."""
    with _folder() as folder, House(folder, changes=LONG_PAUSES, party=party) as house:
        house.start()
        _live(house)
        assert house.stop() == 0
        yield house


@pytest.fixture(params=["while an agent runs", "from the ledger alone"])
def some_house(request: pytest.FixtureRequest) -> House:
    """Give a house with an agent, then one without."""
    running = request.param == "while an agent runs"
    house: House = request.getfixturevalue("lived_in" if running else "left")
    return house


@pytest.fixture
def ask() -> Callable[..., Ran]:
    """Give a way to ask a house: ``ask(house, "status", "--json")``."""

    def run(house: House, *arguments: object) -> Ran:
        return sealdrop(*arguments, "--config", house.config)

    return run


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp"))  # only /tmp is short, see tests/conftest.py
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _live(house: House) -> None:
    house.drop("adt", "sent.csv", adt_file())
    house.wait_line(event="Filed", file="sent.csv")
    house.drop("adt", "failed.csv", b"no\n")
    house.wait_line(event="Filed", file="failed.csv")
    house.drop("adt", "held.csv", adt_file())
    house.wait_line(event="DuplicateOf", file="held.csv")
    house.far.stop()
    house.drop("adt", "deferred.csv", adt_file(user_id(1)))
    house.wait_line(event="Deferred", file="deferred.csv")
