"""Shipped data: found in a development tree and beside an installed package, and missed with a reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sealdrop
from sealdrop import shipped
from sealdrop.core.errors import ConfigurationError
from support.sample import SAMPLE
from support.unmeasured import unmeasured


def test_in_a_development_tree_it_is_the_config_folder() -> None:
    assert shipped.folder() == SAMPLE.parent


def _installed(site: Path, *, with_data: bool) -> str:
    """Copy the package as a wheel would lay it out and return where it finds its data."""
    package = site / "sealdrop"
    package.mkdir()
    for name in ("__init__.py", "shipped.py"):
        shutil.copy(Path(sealdrop.__file__).with_name(name), package)
    shutil.copytree(Path(sealdrop.__file__).with_name("core"), package / "core")
    if with_data:
        (package / "_shipped").mkdir()
        shutil.copy(SAMPLE, package / "_shipped")
    program = "from sealdrop import shipped; print(shipped.folder())"
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {program}"],
        check=False,
        capture_output=True,
        text=True,
        env=unmeasured(),
    )
    return run.stdout.strip() or run.stderr


def test_in_an_installed_package_it_is_beside_the_code(tmp_path: Path) -> None:
    assert _installed(tmp_path, with_data=True) == str(tmp_path / "sealdrop" / "_shipped")


def test_half_an_installation_says_so(tmp_path: Path) -> None:
    assert "has no shipped data beside it" in _installed(tmp_path, with_data=False)


def test_a_path_of_a_profile_is_relative_to_the_configuration(tmp_path: Path) -> None:
    own = tmp_path / "profiles" / "own.toml"
    own.parent.mkdir()
    own.touch()

    assert shipped.profile_path("profiles/own.toml", tmp_path) == own
    assert shipped.profile_path(str(own), Path("/elsewhere")) == own


def test_a_shipped_profile_is_found_by_name(tmp_path: Path) -> None:
    assert shipped.profile_path("adt", tmp_path) == SAMPLE.parent / "profiles" / "adt.toml"


def test_a_profile_that_is_not_there_is_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        shipped.profile_path("adtt", tmp_path, setting="kinds.adt.profile")
    (problem,) = caught.value.problems

    assert (problem.path, problem.what) == ("kinds.adt.profile", "is not a shipped profile")
    assert "adt" in problem.hint
    with pytest.raises(ConfigurationError, match="leads to no file"):
        shipped.profile_path("own.toml", tmp_path)
