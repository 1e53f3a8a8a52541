"""Each sample gets exactly what stands beside it, from the rules and from the installed command."""

from __future__ import annotations

import json
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sealdrop.adapters.validator import LoadedProfile, ProfileValidator, load_profile
from sealdrop.rules.clauses import RULES
from sealdrop.rules.profile_diff import differences
from sealdrop.rules.report import verdict_word
from support.command_line import sealdrop
from support.house import COMMAND
from support.rule_cases import PROFILES

FOLDER = Path(__file__).parents[1] / "samples"
SAMPLES = {path.stem: path for path in sorted(FOLDER.iterdir()) if path.suffix in (".csv", ".txt")}
#: Judged by the command as installed, in a process of its own; the others in this one.
INSTALLED = ["good-smallest", "runaway-quote", "sheet-7.10-became-7.1", "utf-16-without-a-mark", "threshold-zero"]

#: Rules that a file breaks only beside earlier files, or reports (``test_guards``).
BESIDE_OTHERS = {
    "guard.increase", "guard.critical-gone", "guard.set-shrank", "guard.first-file", "guard.no-comparison",
    "guard.too-much", "guard.unknown-reference",
}  # fmt: skip

Found = list[tuple[str, int | None, str | None]]


@cache
def expected(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


@cache
def loaded(profile: str) -> LoadedProfile:
    path = FOLDER / profile if "/" in profile else PROFILES / f"{profile}.toml"
    return load_profile(path, PROFILES.parent / "calendars")


def wanted(name: str) -> Found:
    return [(one["rule"], one.get("line"), one.get("column")) for one in expected(name)["findings"]]


def profile_argument(name: str) -> str:
    profile = str(expected(name)["profile"])
    return str(FOLDER / profile) if "/" in profile else profile


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_gets_exactly_the_findings_beside_it(name: str) -> None:
    verdict = ProfileValidator(loaded(expected(name)["profile"])).validate(SAMPLES[name], SAMPLES[name].name)

    assert [(one.rule, one.line, one.column) for one in verdict.findings] == wanted(name)
    assert verdict_word(verdict) == expected(name)["verdict"]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_command_prints_what_stands_beside_a_sample(name: str) -> None:
    arguments = ("check", "file", SAMPLES[name], "--profile", profile_argument(name))
    for_people, for_programs = sealdrop(*arguments), sealdrop(*arguments, "--json")

    rejected = expected(name)["verdict"] == "rejected"
    assert (for_people.code, for_programs.code, for_people.err) == (int(rejected), int(rejected), "")
    assert for_people.out.startswith(f"{expected(name)['verdict'].upper()}: {SAMPLES[name].name}\n")
    assert printed(for_programs.json) == wanted(name)
    assert [line.split()[1] for line in for_people.out.splitlines() if line.lstrip().startswith("Rule ")] == [
        rule for rule, _, _ in wanted(name)
    ]
    for number, (_, line, _) in enumerate(wanted(name), 1):
        place = f"{number}. Line {line}" if line else f"{number}. The file as a whole"
        assert f"\n{place}" in for_people.out
    assert [text for text in for_people.out.splitlines() if not text.isprintable()] == []


@pytest.mark.acceptance
@pytest.mark.parametrize("name", INSTALLED)
def test_so_does_the_command_as_installed(name: str) -> None:
    command: list[str | Path] = [
        *COMMAND,
        "check",
        "file",
        SAMPLES[name],
        "--profile",
        profile_argument(name),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (int(expected(name)["verdict"] == "rejected"), "")
    assert printed(json.loads(done.stdout)) == wanted(name)


def printed(document: Any) -> Found:  # noqa: ANN401 - JSON
    return [(one["rule"], one["line"], one["column"]) for one in document["findings"]]


def test_there_are_enough_samples_and_each_has_its_side_file_and_a_reason() -> None:
    beside = {path.stem for path in FOLDER.glob("*.toml")}

    assert len(SAMPLES) >= 120
    assert set(SAMPLES) == beside
    assert [name for name in SAMPLES if not expected(name)["why"]] == []
    assert max(path.stat().st_size for path in SAMPLES.values()) < 100_000


def test_every_rule_is_found_in_some_sample_and_nothing_is_called_good_that_is_not() -> None:
    found = {rule for name in SAMPLES for rule, _, _ in wanted(name)}

    assert found == set(RULES) - BESIDE_OTHERS
    assert [name for name in SAMPLES if "good-" in name and wanted(name)] == []
    assert [name for name in SAMPLES if "good-" not in name and not wanted(name)] == []


@pytest.mark.parametrize("kind", ["adt", "exit-quarantine"])
def test_the_profiles_of_the_samples_are_the_shipped_ones_with_our_own_user_ids(kind: str) -> None:
    changed = differences(loaded(kind).profile, loaded(f"profiles/{kind}.toml").profile)

    assert [one.path for one in changed] == ["own.user_ids"]
