"""`check file` on a terminal: colours by what is wrong, the line of each finding, a caret under the cell."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from support.command_line import sealdrop
from support.house import COMMAND

pytestmark = pytest.mark.acceptance

SAMPLES = Path(__file__).parents[1] / "samples"
PROFILE = SAMPLES / "profiles" / "adt.toml"
RED, BOLD_RED = "\x1b[31m", "\x1b[31m\x1b[1m"


def on_a_terminal(sample: str, **environment: str) -> str:
    """Run the installed command on a terminal of its own; return what it wrote there."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "check", "file", str(SAMPLES / sample), "--profile", str(PROFILE)]
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, "TERM": "xterm-256color", **environment}
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65_536):
            seen += chunk
    except OSError:  # the terminal's other side is closed: this is how Linux says so
        pass
    finally:
        os.close(ours)
    process.wait(30)
    return seen.decode().replace("\r\n", "\n")


def test_on_a_terminal_verdict_mistake_and_caret_have_colours() -> None:
    lines = on_a_terminal("sheet-1.5-became-01-May.csv").splitlines()

    assert lines[0].startswith(f"{BOLD_RED}REJECTED: ")
    assert any(line.startswith(f"{RED}1. Line 2, row 1, column srv: ") for line in lines)
    assert any(line.startswith(BOLD_RED) and line.rstrip("\x1b[0m").endswith("^^^^^^") for line in lines)


@pytest.mark.parametrize(("sample", "colour"), [("threshold-zero.csv", "\x1b[33m"), ("good-smallest.csv", "\x1b[32m")])
def test_held_and_accepted_have_colours_of_their_own(sample: str, colour: str) -> None:
    assert on_a_terminal(sample).startswith(colour)


def test_whoever_wants_no_colours_gets_none() -> None:
    coloured, plain = on_a_terminal("thresholds-swapped.csv"), on_a_terminal("thresholds-swapped.csv", NO_COLOR="1")

    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_in_a_pipe_there_are_no_colours_and_the_same_words() -> None:
    command = [*COMMAND, "check", "file", SAMPLES / "thresholds-swapped.csv", "--profile", PROFILE]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)

    assert done.stdout == on_a_terminal("thresholds-swapped.csv", NO_COLOR="1")


def test_the_line_stands_beside_its_finding_with_a_caret_under_the_cell() -> None:
    answer = sealdrop("check", "file", SAMPLES / "sheet-1.5-became-01-May.csv", "--profile", PROFILE)

    assert (
        "a spreadsheet?\n"
        "        2 | 90-B3-D5-1F-30-01-00-00,01-May,10,20\n"
        "          |                         ^^^^^^\n"
        "   What to do: Format the column as text"
    ) in answer.out
    assert "Seen:" not in answer.out


def test_of_a_private_cell_only_the_length_is_told() -> None:
    answer = sealdrop("check", "file", SAMPLES / "text-too-long.csv", "--profile", PROFILE)

    assert "10,20,,,,•••\n" in answer.out
    assert "Seen: xx… (201 characters)\n" in answer.out


def test_a_link_to_a_file_is_followed_and_a_pipe_is_refused(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to(SAMPLES / "good-smallest.csv")
    os.mkfifo(pipe)
    followed = sealdrop("check", "file", link, "--profile", PROFILE)
    refused = sealdrop("check", "file", pipe, "--profile", PROFILE)

    assert followed.out.startswith("ACCEPTED: link.csv\n")
    assert (refused.code, refused.out) == (74, "")
    assert "it is not a regular file" in refused.err
