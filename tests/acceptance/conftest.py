"""Houses for acceptance tests: keys are made once for each worker, everything else for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.house import House
from support.openpgp import Party, make_party


@pytest.fixture(scope="session")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    """Give a signer and a recipient."""
    return make_party(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def make_house(short_tmp: Path, party: Party) -> Iterator[Callable[..., House]]:
    """Give a maker of houses that are torn down with the test: ``make_house({"path.in.configuration": value})``."""
    with ExitStack() as houses:

        def make(changes: dict[str, object] | None = None) -> House:
            return houses.enter_context(House(short_tmp, changes=changes, party=party))

        yield make
