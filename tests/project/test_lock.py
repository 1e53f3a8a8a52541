"""The lock files: they agree with pyproject.toml, they are complete, and nothing else is installed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ \\]+) \\\n(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


def pins(name: str) -> dict[str, Version]:
    text = (ROOT / name).read_text()
    return {canonicalize_name(pin["name"]): Version(pin["version"]) for pin in PIN.finditer(text)}


def needed(requirements: list[str]) -> set[str]:
    """Return the names of everything that these requirements need here, themselves included."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key not in seen:
            seen.add(key)
            below = [Requirement(text) for text in metadata.requires(one.name) or []]
            waiting += [sub for sub in below if applies(sub, one.extras)]
    return {name for name, _ in seen}


def applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


RUN = PROJECT["project"]["dependencies"]
DEV = [*RUN, *PROJECT["project"]["optional-dependencies"]["dev"], *PROJECT["build-system"]["requires"]]


@pytest.mark.parametrize(("lock", "wanted"), [("requirements.lock", RUN), ("requirements-dev.lock", DEV)])
def test_a_lock_satisfies_the_project_and_holds_nothing_else(lock: str, wanted: list[str]) -> None:
    locked = pins(lock)

    for one in map(Requirement, wanted):
        assert one.specifier.contains(locked[canonicalize_name(one.name)]), f"{one}: run make lock"
    assert set(locked) == needed(wanted)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_is_all_pins_with_hashes_and_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()

    left = [line for line in PIN.sub("", text).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert left == []
    assert not re.search(r"://|^\s*-(i|f|-index|-find|-extra|-trusted)", text, re.MULTILINE)


def test_run_time_and_development_run_the_same_releases() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_what_is_installed_is_what_is_locked() -> None:
    found = {canonicalize_name(one.name): Version(one.version) for one in metadata.distributions()}
    others = {name: version for name, version in found.items() if name != "sealdrop"}

    assert others == pins("requirements-dev.lock"), "run make setup"
