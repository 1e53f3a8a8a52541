"""The installation into a staging folder: everything has its place, and a configuration is never overwritten."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def install(what: str, destination: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "systemd" / "install", what],
        env={**os.environ, "DESTDIR": str(destination)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_has_its_place(tmp_path: Path) -> None:
    assert install("system", tmp_path).returncode == 0

    made = {
        str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()
    }
    assert made == {
        "etc/sealdrop/sealdrop.toml": 0o640,
        "usr/local/lib/systemd/system/sealdrop.service": 0o644,
        "usr/local/lib/systemd/system/sealdrop@.service": 0o644,
        "usr/local/lib/sysusers.d/sealdrop.conf": 0o644,
        "usr/local/lib/tmpfiles.d/sealdrop.conf": 0o644,
    }


def test_a_configuration_is_never_overwritten_but_the_unit_is_renewed(tmp_path: Path) -> None:
    install("system", tmp_path)
    configuration = tmp_path / "etc/sealdrop/sealdrop.toml"
    unit = tmp_path / "usr/local/lib/systemd/system/sealdrop.service"
    configuration.write_text("mine")
    unit.write_text("old")

    assert install("system", tmp_path).returncode == 0
    assert configuration.read_text() == "mine"
    assert unit.read_text() == (ROOT / "systemd" / "sealdrop.service").read_text()


@pytest.mark.parametrize("what", ["", "everything"])
def test_an_unknown_part_is_refused(tmp_path: Path, what: str) -> None:
    answer = install(what, tmp_path)

    assert answer.returncode == 64
    assert list(tmp_path.iterdir()) == []
