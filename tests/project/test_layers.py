"""The architecture's contracts (pyproject.toml) hold, and each of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

#: For each contract, imports that break it: (module file, line).
VIOLATIONS: list[tuple[str, str, str]] = [
    ("layers", "core/holds.py", "import sealdrop.ports.clock"),
    ("layers", "rules/clauses.py", "import sealdrop.ports.rules"),
    ("layers", "ports/clock.py", "import sealdrop.flow.books"),
    ("layers", "flow/books.py", "import sealdrop.adapters.clock"),
    ("layers", "flow/books.py", "import sealdrop.settings.models"),
    ("layers", "adapters/clock.py", "import sealdrop.settings.models"),
    ("layers", "settings/models.py", "import sealdrop.cli"),
    ("layers", "unplaced.py", ""),
    ("adapters", "adapters/clock.py", "import sealdrop.adapters.schedule"),
    ("transports", "adapters/transports/sftp/__init__.py", "import sealdrop.adapters.transports.directory"),
    ("world", "core/holds.py", "import time"),
    ("world", "core/holds.py", "from os import path"),
    ("world", "rules/clauses.py", "import logging"),
    ("libraries", "flow/books.py", "import paramiko"),
    ("libraries", "rules/clauses.py", "import gnupg"),
    ("libraries", "core/holds.py", "from rich import print"),
    ("values", "flow/books.py", "import pydantic"),
    ("values", "core/holds.py", "import pydantic"),
    ("thin", "cli/exits.py", "import sealdrop.flow.books"),
    ("thin", "cli/exits.py", "import sealdrop.adapters.clock"),
]


def lint(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml", *arguments],
        env={**os.environ, "PYTHONPATH": str(where)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package to plant a violation in."""
    return Path(shutil.copytree(ROOT / "daemon", tmp_path / "daemon", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_contracts_hold() -> None:
    verdict = lint(ROOT / "daemon")

    assert verdict.returncode == 0, verdict.stdout


def test_every_contract_is_seen_to_fail() -> None:
    assert set(CONTRACTS) == {contract for contract, _, _ in VIOLATIONS}


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    VIOLATIONS,
    ids=[f"{contract}: {line or 'a'} in {file}" for contract, file, line in VIOLATIONS],
)
def test_a_broken_contract_is_seen(copy: Path, contract: str, file: str, line: str) -> None:
    with (copy / "sealdrop" / file).open("a") as module:
        module.write(f"\n{line}\n")

    verdict = lint(copy, "--contract", contract)

    assert verdict.returncode == 1, verdict.stdout
    assert " BROKEN" in verdict.stdout
