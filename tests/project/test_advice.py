"""Advice that can be followed: every command that a hint, a page or a comment tells somebody to run exists.

A mention is ``sealdrop WORD`` where somebody is told to type it: between backticks, in brackets, at a prompt, or after
"run", "or", "see" and the like. Its command, its subcommand and its options must exist.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from sealdrop.cli.main import app

ROOT = Path(__file__).parents[2]
MENTION = re.compile(
    r"""# where somebody is told to type it
        (?: ` | \( | \$\  | \d\.\  | :\  | \b(?:run|Run|or|and|see|See|with|sudo)\ | -u\ sealdrop\  )
        sealdrop\ (?!import\ )
        (?P<words> [^`)|;,\n]*)""",
    re.VERBOSE,
)
#: Lists of commands that somebody may use: "may ask (`status`, `list`)".
LIST = re.compile(r"\b(?:ask|ask the agent|also act|something) \((?P<words>[a-z`, -]+)\)")
#: Stands for what a message fills in, which cannot be known here.
FILLED_IN = "…"
COMMAND = get_command(app)


def wrong(words: str) -> str | None:
    """Return what does not exist of a command line without its program's name, or None."""
    command = COMMAND
    for word in words.split():
        below = getattr(command, "commands", None)
        if below is not None and not word.startswith("-"):
            name = word.rstrip(".:")
            if name == FILLED_IN:
                return None
            if name not in below:
                return name
            command = below[name]
        elif word.startswith("--") and word not in {name for option in command.params for name in option.opts}:
            return word
    return None


def strings(source: str) -> Iterator[str]:
    """Yield every text in a source file that a person may read: messages, hints and the pages in docstrings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):  # words that are filled in are no command's name
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name.startswith("tests/") or name.endswith((".lock", ".csv")) or not path.is_file():
            continue
        text = path.read_text()
        for one in strings(text) if path.suffix == ".py" else [text]:
            yield name, one


def mentioned() -> list[tuple[str, str]]:
    return [(name, found["words"]) for name, text in texts() for found in MENTION.finditer(text)]


def test_every_command_that_somebody_is_told_to_run_exists() -> None:
    assert {(name, words) for name, words in mentioned() if wrong(words) is not None} == set()


def test_the_places_that_advise_are_read() -> None:
    places = {name for name, _ in mentioned()}

    assert len(mentioned()) > 50
    assert places >= {
        "README.md", "SECURITY.md", "config/sealdrop.toml", "systemd/README.md", "systemd/install",
        "daemon/sealdrop/flow/operations.py", "daemon/sealdrop/adapters/control/client.py",
        "daemon/sealdrop/adapters/gnupg/verdict.py", "daemon/sealdrop/cli/service.py",
    }  # fmt: skip


def test_every_list_of_what_somebody_may_do_names_commands() -> None:
    lists = [(name, re.findall(r"[a-z-]+", found["words"])) for name, text in texts() for found in LIST.finditer(text)]

    assert {name for name, _ in lists} >= {
        "config/sealdrop.toml",
        "systemd/README.md",
        "systemd/sysusers.d/sealdrop.conf",
    }
    assert {(name, word) for name, words in lists for word in words if wrong(word) is not None} == set()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("doctor", "doctor"),
        ("ledger mend", "mend"),
        ("retry --rout relay", "--rout"),
        ("retry --route NAME", None),
        ("check", None),
        ("ledger verify when it is down", None),
        ("--version", None),
        ("--verzion", "--verzion"),
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(words: str, what: str | None) -> None:
    assert wrong(words) == what
