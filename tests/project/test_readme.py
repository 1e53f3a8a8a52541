"""The README shows what the product does: every block in it is produced by the product and compared here."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

from sealdrop.cli.main import app
from support import readme

TEXT = readme.README.read_text()
FIRST_SCREEN = 40


@pytest.mark.parametrize("name", readme.blocks())
def test_a_block_of_the_readme_is_what_the_product_says(name: str) -> None:
    assert readme.blocks()[name] == readme.shown(TEXT, name)


@pytest.mark.acceptance
def test_the_sessions_in_the_readme_are_what_a_user_sees() -> None:
    for name, block in readme.played().items():
        assert block == readme.shown(TEXT, name)


def test_every_command_is_in_the_readme() -> None:
    commands = set(getattr(get_command(app), "commands", {}))

    assert commands
    assert {name for name in commands if f"`sealdrop {name}" not in TEXT} == set()


def test_every_command_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sealdrop.cli.main", "--help"], capture_output=True, text=True, check=True
    )

    for name in getattr(get_command(app), "commands", {}):
        assert name in done.stdout


def test_the_first_screen_sells_and_teaches() -> None:
    first, second, _ = TEXT.split("\n## ", 2)

    assert len(first.splitlines()) <= FIRST_SCREEN
    for part in ("<!-- states -->", "<!-- session -->", "make demo"):
        assert part in first
    for part in ("<!-- configuration -->", "sealdrop check config"):
        assert part in second
