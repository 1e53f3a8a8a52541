"""The demonstration does what it says, with the system's sshd and without one, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.house import COMMAND
from support.reaper import nothing_left_running

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

TOOLS = ("gpg", "gpgconf", "gpg-agent")


def demonstrate(temporary: Path, **environment: str) -> str:
    """Run the demonstration, demand that it ends well and leaves nothing, and return what it said."""
    temporary.mkdir()
    with nothing_left_running():
        done = subprocess.run(
            [*COMMAND, "demo"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TMPDIR": str(temporary), **environment},
            stdin=subprocess.DEVNULL,
            timeout=150,
        )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert not list(temporary.iterdir())
    return done.stdout


def assert_whole_story(said: str) -> None:
    for name in ("ADT_2026-11.csv", "EQ_40712.csv"):
        assert re.search(
            rf"^{name}: fetched back over SFTP, .*, signature good, equal to the original\.$", said, re.MULTILINE
        )
        assert re.search(rf"results/[a-z-]+/{name}\.[0-9a-z]{{26}}\.json: sent, sent/", said)
    assert re.search(r"ADT_typed_by_hand\.csv\.[0-9a-z]{26}\.json: failed, failed/", said)
    assert re.search(r"^proof level +digest$", said, re.MULTILINE)
    assert re.search(r"^proof +\d+ bytes read back, SHA-256 equal$", said, re.MULTILINE)
    assert "REJECTED: ADT_typed_by_hand.csv" in said
    for line, column, rule in (
        (2, "warning_threshold", "adt.warning-above-quarantine"),
        (3, "user_id", "id.user-id"),
        (4, "warning_threshold", "sheet.scientific"),
    ):
        finding = rf"Line {line}, row {line - 1}, column {column}: .*?What to do: .*?Rule {re.escape(rule)} "
        assert re.search(finding, said, re.DOTALL), rule
    assert "The ledger verifies." in said
    assert said.endswith("nothing is left behind.\n")


def test_the_demonstration_runs_on_the_systems_sshd(short_tmp: Path) -> None:
    said = demonstrate(short_tmp / "t")

    assert said.startswith("A far end: OpenSSH sshd on 127.0.0.1:")
    assert_whole_story(said)


def test_the_demonstration_needs_no_sshd(short_tmp: Path) -> None:
    tools = short_tmp / "bin"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tools / tool).symlink_to(found)

    said = demonstrate(short_tmp / "t", PATH=str(tools))

    assert said.startswith("A far end: embedded asyncssh on 127.0.0.1:")
    assert_whole_story(said)


def test_without_gpg_the_demonstration_says_what_to_install(short_tmp: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(short_tmp), "TMPDIR": str(short_tmp)},
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sealdrop: demo: gpg is not installed\n  → Install Debian's gnupg\n"
    assert not list(short_tmp.iterdir())
