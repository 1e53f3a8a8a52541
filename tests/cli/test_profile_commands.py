"""`profile lint`, `show`, `sample`, `diff`: without an agent, a configuration or keys."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from sealdrop.cli.exits import Exit
from support.command_line import sealdrop
from support.house import COMMAND
from support.rule_cases import OWN, PROFILES


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Give a profile of one's own, confirmed and with User IDs."""
    shutil.copytree(PROFILES, tmp_path / "profiles")
    path = tmp_path / "profiles" / "own.toml"
    text = (PROFILES / "adt.toml").read_text()
    for key, value in (("verified_by", "A. Person"), ("verified_on", "2026-11-24"), ("sec_version", "75.0")):
        text = text.replace(f'{key} = ""', f'{key} = "{value}"')
    path.write_text(text.replace("user_ids = []", f'user_ids = ["{OWN[0]}"]'))
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# -- lint --------------------------------------------------------------------------------------------------


def test_a_shipped_profile_can_be_used_and_says_that_nobody_confirmed_it() -> None:
    answer = sealdrop("profile", "lint", "adt")
    for_programs = sealdrop("profile", "lint", "adt", "--json")

    assert (answer.code, answer.err) == (Exit.OK, "")
    assert answer.out.startswith("warning: verified_by, verified_on, sec_version: empty: nobody has confirmed")
    assert answer.out.endswith("adt can be used\n")
    assert (for_programs.json["good"], for_programs.json["problems"]) == (True, [])
    assert [one["path"] for one in for_programs.json["warnings"]] == [
        "verified_by, verified_on, sec_version", "own.user_ids",
    ]  # fmt: skip


def test_a_confirmed_profile_has_no_warnings(own: Path) -> None:
    assert sealdrop("profile", "lint", own).out == f"{own} can be used\n"


def test_everything_wrong_with_a_profile_is_told_at_once(own: Path) -> None:
    change(own, "rows = 1000000", "rows = 0")
    change(own, 'header = "any-order"', 'headers = "any-order"')
    answer, for_programs = sealdrop("profile", "lint", own), sealdrop("profile", "lint", own, "--json")

    assert (answer.code, answer.out) == (Exit.CONFIGURATION, "")
    assert "  bounds.rows: " in answer.err
    assert "  headers: unknown key\n" in answer.err
    assert for_programs.code == Exit.CONFIGURATION
    assert {one["path"] for one in for_programs.json["problems"]} == {"bounds.rows", "headers"}


def test_what_a_profile_names_is_checked_with_it(own: Path) -> None:
    (own.parent / "england-and-wales.csv").write_text("date,what,name\n2026-01-01,begins,x\n2025-01-01,ends,\n")
    calendar = sealdrop("profile", "lint", own)
    (own.parent / "england-and-wales.csv").unlink()
    (own.parent / "srv-duis-5.4.csv").write_text("srv\n")
    srvs = sealdrop("profile", "lint", own)

    assert (calendar.code, srvs.code) == (Exit.CONFIGURATION, Exit.CONFIGURATION)
    assert "england-and-wales.csv" in calendar.err
    assert "line 3: the range ends before what it must contain" in calendar.err
    assert "srv-duis-5.4.csv" in srvs.err


@pytest.mark.parametrize("command", ["lint", "show", "sample"])
@pytest.mark.parametrize("name", ["nope", "nope.toml"])
def test_a_profile_that_is_not_there_is_said_to_be_missing(command: str, name: str) -> None:
    answer = sealdrop("profile", command, name)

    assert (answer.code, answer.out) == (Exit.CONFIGURATION, "")
    assert "nope" not in answer.out
    assert "→" in answer.err


# -- show --------------------------------------------------------------------------------------------------


def test_a_profile_is_shown_with_its_columns() -> None:
    answer = sealdrop("profile", "show", "exit-quarantine")
    for_programs = sealdrop("profile", "show", "exit-quarantine", "--json").json

    assert answer.code == Exit.OK
    assert "verified         NO: nobody has confirmed it" in answer.out
    row = next(line for line in answer.out.splitlines() if line.startswith("action "))
    assert row.split() == ["action", "code", "yes", "one", "of", "RELEASE", "DELETE", "public"]
    assert for_programs["unverified"] is True
    assert for_programs["bounds"]["rows"] == 500000
    assert [column["name"] for column in for_programs["columns"]][:2] == ["quarantine_event_ref", "request_id"]


def test_a_confirmed_profile_is_shown_as_such(own: Path) -> None:
    assert "by A. Person on 2026-11-24, against SEC version 75.0" in sealdrop("profile", "show", own).out


# -- sample ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adt", "exit-quarantine"])
def test_a_sample_on_standard_output_is_accepted_by_its_profile(name: str, tmp_path: Path) -> None:
    made = subprocess.run([*COMMAND, "profile", "sample", name], capture_output=True, check=True)
    file = tmp_path / "made.csv"
    file.write_bytes(made.stdout)
    checked = sealdrop("check", "file", file, "--profile", name)

    assert checked.code == Exit.OK
    assert checked.out.startswith("ACCEPTED: made.csv\n0 that cannot be right, 0 for a person, 1 to be known.\n")


def test_a_sample_is_written_to_a_path_or_into_a_folder_and_overwrites_nothing(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.csv", tmp_path / "folder"
    folder.mkdir()
    first = sealdrop("profile", "sample", "adt", "--output", path)
    again = sealdrop("profile", "sample", "adt", "--output", path)
    inside = sealdrop("profile", "sample", "adt", "--output", folder, "--json")

    assert (first.code, first.out) == (Exit.OK, f"{path}\n")
    assert (again.code, again.out) == (Exit.REFUSED, "")
    assert f"{path}: cannot be written: File exists" in again.err
    written = Path(inside.json["path"])
    assert written == folder / "adt-sample.csv"
    assert inside.json["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert written.read_bytes() == path.read_bytes()


def test_a_sample_for_programs_holds_the_bytes() -> None:
    found = sealdrop("profile", "sample", "exit-quarantine", "--json").json

    data = base64.b64decode(found["content_base64"])
    assert (found["path"], found["name"], found["size"]) == (None, "exit-quarantine-sample.csv", len(data))
    assert found["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_profile_that_nobody_can_guess_a_sample_for_is_refused_with_what_to_do(own: Path) -> None:
    change(own, 'type = "user-id"\n', 'type = "user-id"\npattern = "80-.*"\n')
    answer = sealdrop("profile", "sample", own)

    assert (answer.code, answer.out) == (Exit.REFUSED, "")
    assert "column user_id: no value can be guessed" in answer.err
    assert "example" in answer.err


# -- diff --------------------------------------------------------------------------------------------------


def test_what_changed_is_told_with_its_effect(own: Path) -> None:
    change(own, 'zero = "hold"', 'zero = "allow"')
    change(own, "# Profile of ADT Files", "# Our profile of ADT Files")
    answer, for_programs = sealdrop("profile", "diff", "adt", own), sealdrop("profile", "diff", "adt", own, "--json")

    assert (answer.code, for_programs.code) == (Exit.NO, Exit.NO)
    row = next(line for line in answer.out.splitlines() if line.startswith("adt.zero"))
    assert row.split() == ["adt.zero", "hold", "allow", "looser"]
    assert for_programs.json["same"] is False
    assert {one["path"] for one in for_programs.json["differences"]} == {
        "adt.zero", "own.user_ids", "verified_by", "verified_on", "sec_version",
    }  # fmt: skip


def test_only_another_wording_is_no_difference(own: Path) -> None:
    other = own.with_name("other.toml")
    other.write_text("".join(line for line in own.read_text().splitlines(keepends=True) if not line.startswith("#")))
    answer, for_programs = sealdrop("profile", "diff", own, other), sealdrop("profile", "diff", own, other, "--json")

    assert (answer.code, answer.out) == (Exit.OK, "both mean the same\n")
    assert for_programs.json == {"same": True, "differences": []}


def test_data_beside_the_profiles_is_compared_as_well(own: Path) -> None:
    other = own.parent.parent / "other"
    shutil.copytree(own.parent, other)
    change(other / "srv-duis-5.4.csv", "7.10,Remove Auxiliary Load From Boost Button,no", "7.10,Other,yes")
    answer = sealdrop("profile", "diff", own, other / "own.toml", "--json")

    assert [one["path"] for one in answer.json["differences"]] == ["srv 7.10"]
