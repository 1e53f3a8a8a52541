"""The unit as shipped: systemd reads it without a warning, it is tight, and each line says why it is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sealdrop.cli.exits import Exit

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
UNIT = (SYSTEMD / "sealdrop.service").read_text()
#: Exposure by systemd's own count, in tenths. PrivateUsers and an address list, which a lower one needs, are
#: explained in the unit.
MOST_EXPOSURE = 13


def settings_of(text: str) -> list[tuple[str, str]]:
    return [
        (line.split("=", 1)[0], line.split("=", 1)[1])
        for line in text.splitlines()
        if "=" in line and not line.startswith("#")
    ]


def for_each_party() -> str:
    """Make the template for several parties as the installation does."""
    made = subprocess.run(
        ["sed", "-f", SYSTEMD / "per-party.sed", SYSTEMD / "sealdrop.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


@pytest.fixture(params=["one", "several"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit, and the template for several parties, runnable here: systemd wants the command to exist."""
    text, name = (UNIT, "sealdrop.service") if request.param == "one" else (for_each_party(), "sealdrop@.service")
    true = shutil.which("true")
    assert true is not None
    path = tmp_path / name
    path.write_text(text.replace("/usr/local/bin/sealdrop", true))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def instance(unit: Path) -> Path:
    return unit.with_name(unit.name.replace("@.", "@example."))


def test_systemd_reads_the_unit_without_a_warning(unit: Path) -> None:
    answer = analyze("verify", instance(unit))

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_a_mistake_in_the_unit_would_be_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectClock=", "ProtectClocks="))

    assert "Unknown key 'ProtectClocks'" in analyze("verify", instance(unit)).stderr


def test_the_sandbox_is_tight(unit: Path) -> None:
    answer = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", unit)

    assert answer.returncode == 0, answer.stdout


def test_a_hole_in_the_sandbox_would_be_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHostname=yes\n", "").replace("PrivateDevices=yes\n", ""))

    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", unit).returncode == 1


def test_every_line_says_why_it_is_there() -> None:
    lines = UNIT.splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"[A-Z]\w+=", line) and not above.startswith("#")
    ]

    assert bare == []


def test_one_tree_is_writable_and_it_is_the_state_directory() -> None:
    values = dict(settings_of(UNIT))

    assert values["ProtectSystem"] == "strict"
    assert [value for key, value in settings_of(UNIT) if key == "ReadWritePaths"] == ["/var/lib/sealdrop"]
    assert values["StateDirectory"] == values["RuntimeDirectory"] == "sealdrop"


def test_a_disk_that_fails_does_not_leave_the_unit_dead_for_good() -> None:
    values = dict(settings_of(UNIT))

    assert values["StartLimitIntervalSec"] == "0"
    assert values["Restart"] == "on-failure"
    assert values["RestartSec"] == "30s"
    assert values["RestartPreventExitStatus"] == str(Exit.CONFIGURATION.value)


def test_peers_and_leases_work_because_users_stay_visible() -> None:
    keys = dict(settings_of(UNIT))

    assert "PrivateUsers" not in keys
    assert keys["CapabilityBoundingSet"] == keys["AmbientCapabilities"] == "CAP_LEASE"


def test_everything_of_a_party_is_its_own() -> None:
    one, several = settings_of(UNIT), settings_of(for_each_party())
    changed = {key: new for (key, old), (_, new) in zip(one, several, strict=True) if old != new}

    assert changed.keys() == {
        "Description", "Documentation", "RequiresMountsFor", "ExecStart", "User", "Group", "StateDirectory",
        "RuntimeDirectory", "ReadWritePaths", "NoExecPaths",
    }  # fmt: skip
    assert all("%i" in value for value in changed.values())


def test_users_and_folders_are_understood_by_systemd(tmp_path: Path) -> None:
    """Made in a root of its own; owners are named by that root's user database."""
    for folder in ("etc", "run", "var/lib"):
        (tmp_path / folder).mkdir(parents=True)
    made = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "sysusers.d" / "sealdrop.conf"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    groups = (tmp_path / "etc/group").read_text()
    assert re.search(r"^sealdrop-drop:x:\d+:sealdrop$", groups, re.MULTILINE), groups
    assert re.search(r"^sealdrop-admin:x:\d+:$", groups, re.MULTILINE), groups
    assert re.search(r"^sealdrop:.*:/var/lib/sealdrop:", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
