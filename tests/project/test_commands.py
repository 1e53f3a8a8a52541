"""The commands a newcomer meets: few, explained, and clear about what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)


def test_the_makefile_is_short_and_explains_every_target() -> None:
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # not as a part of make test
    listed = subprocess.run(["make"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True).stdout
    explained = [line.split()[0] for line in listed.splitlines()]

    assert len(TARGETS) <= 10
    assert sorted(explained) == sorted(TARGETS)
    assert {"demo", "test", "check", "fmt", "bench"} <= set(TARGETS)


def test_every_target_is_made_anew_each_time() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert phony is not None
    assert sorted(phony[1].split()) == sorted(TARGETS)


def bare(tmp_path: Path, *tools: str) -> dict[str, str]:
    """Return the environment of a machine that has only these tools."""
    for tool in ("bash", "id", "sort", *tools):
        # The interpreter itself: what is called python3 on PATH may be a script of a version manager.
        found = str(Path(sys.executable).resolve()) if tool == "python3" else shutil.which(tool)
        assert found is not None, tool
        (tmp_path / tool).symlink_to(found)
    return {"PATH": str(tmp_path), "SEALDROP_APT": "no", "SEALDROP_SBIN": str(tmp_path)}


def system_packages(environment: dict[str, str], *tasks: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".ci" / "system-packages", *tasks], env=environment, capture_output=True, text=True, check=False
    )


def test_a_bare_machine_is_told_exactly_what_the_demo_lacks(tmp_path: Path) -> None:
    answer = system_packages(bare(tmp_path, "python3"), "demo")

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        "missing for demo: gnupg",
        "run: sudo apt-get update && sudo apt-get install --yes --no-install-recommends gnupg",
    ]


def test_a_bare_machine_is_told_exactly_what_the_tests_lack(tmp_path: Path) -> None:
    answer = system_packages(bare(tmp_path), "test")

    missing = answer.stderr.splitlines()[0].removeprefix("missing for test: ").split()
    assert answer.returncode == 2
    # sftp-server is no command; whether it is missing depends on the machine the test runs on.
    assert set(missing) - {"openssh-sftp-server"} == {
        "gnupg", "make", "openssh-client", "openssh-server", "python3", "python3-venv", "rclone", "sq", "strace",
        "systemd",
    }  # fmt: skip


@pytest.mark.parametrize("tasks", [[], ["everything"], ["demo", "everything"]])
def test_an_unknown_task_is_refused(tasks: list[str]) -> None:
    answer = system_packages(dict(os.environ), *tasks)

    assert answer.returncode == 64
    assert answer.stderr.startswith("usage: ")


def test_a_complete_machine_is_told_nothing() -> None:
    answer = system_packages({**os.environ, "SEALDROP_APT": "no"}, "setup", "demo", "test", "check")

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
