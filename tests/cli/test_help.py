"""Every command explains itself, and every one that lists has a form for programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from sealdrop import __version__
from sealdrop.cli.main import app
from support.command_line import sealdrop
from support.house import COMMAND
from support.unmeasured import unmeasured

#: Commands that start or make something; the others answer programs, too.
WITHOUT_JSON = {("init",), ("run",), ("demo",)}


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command there is, with the groups it stands in."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        waiting += [((*path, name), inner) for name, inner in getattr(command, "commands", {}).items()]


PATHS = sorted(path for path, _ in commands())
LEAVES = sorted(path for path, command in commands() if not getattr(command, "commands", {}))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(path) or "sealdrop")
def test_a_command_explains_itself_and_each_of_its_options(path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        answer = sealdrop(*path, option)
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.startswith(" ".join(("Usage: sealdrop", *path)))

    command = dict(commands())[path]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{parameter.name} of {path} is not explained"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_a_command_that_answers_also_answers_programs(path: tuple[str, ...]) -> None:
    options = {name for parameter in dict(commands())[path].params for name in parameter.opts}

    assert ("--json" in options) is (path not in WITHOUT_JSON)


def test_without_a_command_the_help_is_shown_as_a_mistake() -> None:
    answer = sealdrop()

    assert answer.code == 2
    assert "Commands:" in answer.out + answer.err


def test_the_version_is_told_without_loading_what_only_work_needs() -> None:
    """Completion and monitoring ask often; a library for SSH or for configurations costs more than the answer."""
    program = (
        "import sys; sys.argv = ['sealdrop', '--version']\n"
        "from sealdrop.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=unmeasured())
    version, loaded = done.stdout.splitlines()

    heavy = {"apscheduler", "asyncssh", "cryptography", "gnupg", "paramiko", "pydantic", "sqlite3", "watchdog"}
    assert version == f"sealdrop {__version__}"
    assert not heavy & set(loaded.split())


def test_the_installed_command_is_the_same_one() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == sealdrop("--version").out == f"sealdrop {__version__}\n"
