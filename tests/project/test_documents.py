"""The documents: every folder explains itself, every link leads somewhere, every decision says what it costs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    if name
]
PAGES = [path for path in TRACKED if path.suffix == ".md" and path.exists()]
EXPLAINED = [
    "config", "daemon", "systemd", "tests",
    *(f"daemon/sealdrop/{part}" for part in ("adapters", "cli", "core", "flow", "ports", "rules")),
]  # fmt: skip


@pytest.mark.parametrize("folder", EXPLAINED)
def test_a_folder_explains_itself(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_a_page_names_by_its_path_exists(page: Path) -> None:
    named = re.findall(r"`((?:daemon|tests|systemd|config|\.ci)/[\w./@-]+)`", page.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_decision_says_what_it_costs() -> None:
    records = re.split(r"^## ", (ROOT / "DECISIONS.md").read_text(), flags=re.MULTILINE)[1:]

    assert [int(record.split(".")[0]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        for part in ("**Context.**", "**Options.**", "**Outcome.**", "**Negative consequences.**"):
            assert part in record, record.splitlines()[0]


def test_the_changelog_knows_this_version() -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "daemon/sealdrop/__init__.py").read_text())

    assert version is not None
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text()
