"""`ledger verify`: yes with a head to keep, or no with the row that is wrong."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Ran, sealdrop
from support.house import House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]


@pytest.fixture
def ledger(left: House, tmp_path: Path) -> tuple[Path, Path]:
    """Give a copy of a lived-in ledger with a configuration that leads to it."""
    root = tmp_path / "root"
    shutil.copytree(left.root / "ledger", root / "ledger")
    config = tmp_path / "sealdrop.toml"
    config.write_text(left.config.read_text().replace(f'"{left.root}"', f'"{root}"'))
    return root / "ledger" / "ledger.sqlite", config


def tamper(path: Path, statement: str, *values: object) -> None:
    """Do what somebody with the file and patience would: triggers do not stop the owner of a file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(statement, values)
        for (text,) in sql:
            connection.execute(text)


def verify(config: Path, *arguments: str) -> tuple[Ran, Any]:
    told = sealdrop("ledger", "verify", *arguments, "--config", config)
    for_programs = sealdrop("ledger", "verify", *arguments, "--json", "--config", config)
    assert told.code == for_programs.code
    return told, for_programs.json


def test_a_whole_ledger_verifies_while_an_agent_runs_and_without(some_house: House, ask: Ask) -> None:
    answer, report = ask(some_house, "ledger", "verify"), ask(some_house, "ledger", "verify", "--json").json

    assert answer.code == 0
    assert answer.out.endswith("The ledger verifies.\n")
    assert set(report) == {
        "ok", "head_text", "ledger", "rows", "submissions", "head", "problems", "suppressed", "head_checked",
    }  # fmt: skip
    assert (report["ok"], report["submissions"], report["problems"]) == (True, 4, [])
    assert f"head: {report['head_text']}\n" in answer.out
    assert "Keep the head elsewhere" in answer.out


def test_a_head_that_was_kept_shows_that_nothing_was_cut(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    head = verify(config)[1]["head_text"]
    told, report = verify(config, "--head", head)
    assert (told.code, report["ok"], report["head_checked"]) == (0, True, True)

    tamper(path, "DELETE FROM events WHERE sequence = ?", report["rows"])
    assert verify(config)[0].code == 0  # a cut tail is seen by a head alone
    told, report = verify(config, "--head", head)
    assert (told.code, report["ok"]) == (1, False)
    assert told.out.endswith("The ledger does NOT verify.\n")


@pytest.mark.parametrize("row", [3, 9])
def test_a_changed_row_is_named(ledger: tuple[Path, Path], row: int) -> None:
    path, config = ledger
    tamper(path, "UPDATE events SET payload = replace(payload, 'adt', 'adr') WHERE sequence = ?", row)
    told, report = verify(config)

    assert told.code == 1
    assert not report["ok"]
    assert report["problems"][0]["row"] == row
    assert f"row {row}: " in told.out
    assert "The ledger does NOT verify." in told.out


def test_a_row_that_was_taken_out_is_missed(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    tamper(path, "DELETE FROM events WHERE sequence = 5")
    told, report = verify(config)

    assert told.code == 1
    assert report["problems"][0]["row"] in {5, 6}


@pytest.mark.parametrize("head", ["", "one two", "ledger x hash time", "a b c d e"])
def test_what_is_no_head_is_refused(ledger: tuple[Path, Path], head: str) -> None:
    answer = sealdrop("ledger", "verify", "--head", head, "--config", ledger[1])

    assert (answer.code, answer.out) == (4, "")
    assert "it is not a head" in answer.err


def test_a_file_that_is_no_ledger_does_not_verify(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    path.write_bytes(b"no database" * 1000)
    answer = sealdrop("ledger", "verify", "--config", config)

    assert answer.code == 1
    assert "file is not a database" in answer.out
    assert answer.out.endswith("The ledger does NOT verify.\n")


def test_a_ledger_that_is_gone_does_not_verify(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    path.unlink()
    answer = sealdrop("ledger", "verify", "--config", config)

    assert (answer.code, answer.out) == (1, "")
    assert "there is no ledger" in answer.err
    assert not path.exists()


def test_a_derived_table_that_disagrees_is_mended_by_the_command_that_is_named(
    ledger: tuple[Path, Path],
) -> None:
    path, config = ledger
    tamper(path, "UPDATE tallies SET number = number + 1")
    told, report = verify(config)
    mended = sealdrop("ledger", "rebuild", "--config", config)
    again = sealdrop("ledger", "rebuild", "--config", config, "--json")

    assert told.code == 1
    assert {problem["flaw"] for problem in report["problems"]} == {"derived"}
    assert "stop the agent and run sealdrop ledger rebuild" in told.out
    assert (mended.code, mended.out) == (0, "The derived tables follow from the events again.\n")
    assert (again.code, again.json) == (0, {"rebuilt": True})
    assert verify(config)[1]["ok"]


def test_nothing_is_rebuilt_beside_a_running_agent(lived_in: House, ask: Ask) -> None:
    answer = ask(lived_in, "ledger", "rebuild")

    assert (answer.code, answer.out) == (4, "")
    assert "another process is writing to this ledger" in answer.err


def test_events_that_do_not_verify_are_not_built_upon(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    tamper(path, "DELETE FROM events WHERE sequence = 5")
    answer = sealdrop("ledger", "rebuild", "--config", config)

    assert (answer.code, answer.out) == (1, "")


def test_where_there_is_no_ledger_none_is_rebuilt(ledger: tuple[Path, Path]) -> None:
    path, config = ledger
    path.unlink()
    answer = sealdrop("ledger", "rebuild", "--config", config)

    assert (answer.code, answer.out) == (1, "")
    assert "there is no ledger" in answer.err
    assert not path.exists()
