"""Terminals and pipes: nothing raw reaches them, nothing is folded that must be whole, a reader may leave early."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command_line import Ran, sealdrop
from support.house import COMMAND, House, adt_file

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\r\n\udcff.csv"
_RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u202e]")


def assert_plain(answer: Ran) -> None:
    assert not _RAW.search(answer.out + answer.err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", EVIL),
        ("retry", EVIL, "--reason", "x"),
        ("retry", "--route", EVIL, "--reason", "x"),
        ("ledger", "verify", "--head", EVIL),
    ],
    ids=lambda arguments: " ".join(arguments[:2]).replace(EVIL, "NAME"),
)
def test_what_was_typed_is_never_shown_raw(lived_in: House, ask: Ask, arguments: tuple[str, ...]) -> None:
    answer = ask(lived_in, *arguments)

    assert answer.code == 4
    assert_plain(answer)


def test_a_files_name_is_never_shown_raw(lived_in: House, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / EVIL
    file.write_bytes(adt_file())
    for more in ((), ("--json",)):
        answer = ask(lived_in, "check", "file", file, "--kind", "adt", *more)
        assert "\\u202e" in answer.out.lower() or "\\x1b" in answer.out.lower() or "\ufffd" in answer.out
        assert_plain(answer)


@pytest.mark.parametrize("command", [("check", "config"), ("status",), ("init",)], ids=" ".join)
def test_a_configurations_name_is_never_shown_raw(lived_in: House, tmp_path: Path, command: tuple[str, ...]) -> None:
    config = tmp_path / EVIL
    if command != ("init",):
        config.write_bytes(lived_in.config.read_bytes())
    assert_plain(sealdrop(*command, "--config", config))
    config.unlink()
    assert_plain(sealdrop(*command, "--config", config))


def test_a_name_in_an_outbox_is_never_shown_raw(make_house: Callable[..., House], ask: Ask) -> None:
    house = make_house({"outboxes.adt.alarm_seconds": 1.0, "agent.sweep_seconds": 0.2})
    name = "late\x1b[2J.csv"
    (house.outbox() / name).touch()
    (house.outbox() / "empty.csv").touch()
    house.start()
    house.wait_line(event="NameLeftAlone", file=name)
    house.wait_line(notice="incident", subject="outbox adt: 'empty.csv'")

    for arguments in (("status",), ("status", "--json"), ("list",)):
        assert_plain(ask(house, *arguments))
    assert not _RAW.search(house.said())


def on_a_terminal(*command: str, columns: int) -> str:
    """Run a command on a terminal of its own and return what a person would see."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65_536):
            seen += chunk
    except OSError:  # the terminal's other side is closed: this is how Linux says so
        pass
    finally:
        os.close(ours)
    assert process.wait(30) in {0, 3}
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode()).replace("\r\n", "\n")


def test_ids_and_times_stay_whole_on_a_narrow_terminal(left: House, ask: Ask) -> None:
    seen = on_a_terminal(*COMMAND, "list", "--config", str(left.config), columns=80)

    assert all(len(line) <= 80 for line in seen.splitlines())
    for row in ask(left, "list", "--json").json["submissions"]:
        assert row["submission"] in seen
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", seen)) == 4


def test_a_pipe_gets_no_colours_and_one_line_for_each_submission(left: House, ask: Ask) -> None:
    told = ask(left, "list", "--limit", "2").out

    assert "\x1b" not in told
    assert len([line for line in told.splitlines() if re.match(r"0[0-9a-z]{25} ", line)]) == 2


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("show", "ID"), ("--help",)])
def test_a_reader_may_leave_early(left: House, arguments: tuple[str, ...]) -> None:
    one = left.listed()["sent.csv"]["submission"]
    command = [one if argument == "ID" else argument for argument in arguments]
    config = () if command == ["--help"] else ("--config", str(left.config))
    reading, writing = os.pipe()
    os.close(reading)  # it has left before the first byte
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*COMMAND, *command, *config],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            timeout=60,
        )

    assert done.stderr == b""
    assert done.returncode in {0, 1}  # click leaves with 1 where it meets the broken pipe itself
