"""The validator reads profiles and private copies, and turns what goes wrong into errors of ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sealdrop.adapters.validator import (
    CHUNK_BYTES,
    MOST_CONFIGURATION_BYTES,
    LoadedProfile,
    ProfileValidator,
    load_profile,
)
from sealdrop.core.errors import ConfigurationError, StorageFailure
from sealdrop.ports.rules import Validator
from support.rule_cases import ADT, EQ, OWN, PROFILES, U1, U2, adt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PROFILES, tmp_path / "profiles")
    return tmp_path / "profiles"


def load(path: Path) -> LoadedProfile:
    return load_profile(path, PROFILES.parent / "calendars")


def problem_of(path: Path) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert path.name in str(caught.value) or problem.what
    return problem.path, problem.what


def test_a_file_is_judged_by_the_shipped_profile_of_its_kind(tmp_path: Path) -> None:
    content = tmp_path / "content"
    for kind, sample in (("adt", ADT), ("exit-quarantine", EQ)):
        content.write_bytes(sample.data)
        validator: Validator = ProfileValidator(load(PROFILES / f"{kind}.toml"), OWN)
        verdict = validator.validate(content, "a.csv")

        assert verdict == sample.judged()
        assert verdict.findings == ()
        assert content.read_bytes() == sample.data


def test_own_user_ids_of_profile_and_configuration_add_up(folder: Path, tmp_path: Path) -> None:
    toml = folder / "adt.toml"
    toml.write_text(toml.read_text().replace("user_ids = []", f'user_ids = ["{U1}"]'))
    content = tmp_path / "content"
    content.write_bytes(adt(f"{U1},7.1,1,2", f"{U2},7.1,1,2").data)
    alone = ProfileValidator(load(toml)).validate(content, "a.csv")
    both = ProfileValidator(load(toml), [U2]).validate(content, "a.csv")

    assert [(item.rule, item.line) for item in alone.findings] == [("id.not-own", 3)]
    assert both.findings == ()


def test_own_user_ids_that_are_none_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"own_user_ids\.0"):
        ProfileValidator(load(PROFILES / "adt.toml"), ["x"])


def test_a_file_larger_than_one_chunk_is_read_to_its_end(tmp_path: Path) -> None:
    content = tmp_path / "content"
    srvs = sorted(load(PROFILES / "adt.toml").srvs.variants)
    rows = [f"90-B3-D5-1F-30-01-{place >> 8:02X}-{place & 255:02X},{srv},1,2" for place in range(80) for srv in srvs]
    data = adt(*rows).data
    assert len(data) > CHUNK_BYTES
    content.write_bytes(data)
    verdict = ProfileValidator(load(PROFILES / "adt.toml"), OWN).validate(content, "a.csv")

    assert (verdict.findings, verdict.records) == ((), len(rows))


def test_a_copy_that_cannot_be_read_is_a_storage_failure_and_no_link_is_followed(tmp_path: Path) -> None:
    validator = ProfileValidator(load(PROFILES / "adt.toml"), OWN)
    real = tmp_path / "real"
    real.write_bytes(ADT.data)
    (tmp_path / "link").symlink_to(real)
    os.mkfifo(tmp_path / "fifo")

    for name in ("missing", "link", "fifo", "."):
        with pytest.raises(StorageFailure):
            validator.validate(tmp_path / name, "a.csv")


def test_a_profile_that_is_missing_or_no_toml_is_a_configuration_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("kind = \n")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (MOST_CONFIGURATION_BYTES + 1))

    assert problem_of(tmp_path / "none.toml") == ("(file)", "none.toml cannot be read: No such file or directory")
    assert problem_of(broken)[1].startswith("not TOML: Invalid value (at line 1")
    assert problem_of(binary)[1].startswith("not TOML: 'utf-8' codec")
    assert problem_of(huge) == ("(file)", f"huge.toml has more than {MOST_CONFIGURATION_BYTES} bytes")


def test_problems_of_a_profile_name_its_file_and_key(folder: Path) -> None:
    toml = folder / "adt.toml"
    toml.write_text(toml.read_text().replace('header = "any-order"', 'header = "any"'))

    with pytest.raises(ConfigurationError) as caught:
        load(toml)

    assert caught.value.where == str(toml)
    assert [problem.path for problem in caught.value.problems] == ["header"]


def test_problems_of_the_list_name_its_file_and_line(folder: Path) -> None:
    listed = folder / "srv-duis-5.4.csv"
    listed.write_text(listed.read_text().replace("7.1,Enable Supply,yes", "7.1,Enable Supply,maybe"))

    with pytest.raises(ConfigurationError) as caught:
        load(folder / "adt.toml")

    assert caught.value.where == str(listed)
    assert [problem.path for problem in caught.value.problems] == ["line 88"]
    listed.unlink()
    assert problem_of(folder / "adt.toml")[0] == "srv.list"


def test_a_table_of_plain_columns_needs_no_list(tmp_path: Path) -> None:
    toml = tmp_path / "table.toml"
    toml.write_text(
        'kind = "table"\nname = "meters"\nversion = "1"\nordering = {column = "meter"}\n'
        'columns = [{name = "meter", type = "text", key = true, privacy = "public"},'
        ' {name = "reading", type = "integer"}]\n'
    )
    content = tmp_path / "content"
    content.write_bytes(b"reading,meter\n1,a\n2,b\n3,a\n")
    verdict = ProfileValidator(load(toml)).validate(content, "a")

    assert [(item.rule, item.line) for item in verdict.findings] == [("row.duplicate-key", 4)]
    assert verdict.ordering_keys == ("a", "b")


def test_a_calendar_beside_the_profile_comes_before_the_shipped_one(folder: Path) -> None:
    own = "date,what,name\n2026-01-01,begins,ours\n2026-12-25,holiday,Christmas\n2026-12-31,ends,\n"

    assert "bank holidays" in (load(folder / "adt.toml").calendar or pytest.fail("no calendar")).source
    (folder / "england-and-wales.csv").write_text(own)
    calendar = load(folder / "adt.toml").calendar
    assert calendar is not None
    assert (calendar.source, calendar.where) == ("ours", str(folder / "england-and-wales.csv"))


def test_a_calendar_that_is_missing_or_wrong_is_a_configuration_error(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"calendar: england-and-wales\.csv cannot be read"):
        load_profile(folder / "adt.toml")
    (folder / "england-and-wales.csv").write_text("date,what,name\n2026-01-01,begins,ours\n")
    with pytest.raises(ConfigurationError, match="must end it") as caught:
        load(folder / "adt.toml")
    assert caught.value.where == str(folder / "england-and-wales.csv")
