"""Real mounts without harm: a script that runs as root of a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_in_a_namespace(script: str, folder: Path) -> None:
    """Run a script; what it mounts is gone with it.

    Args:
        script: Python, may ``mount(*arguments)`` and raise.
        folder: what it finds in ``sys.argv[1]``.

    Raises:
        AssertionError: the script failed.
    """
    command = ["unshare", "--mount", "--map-root-user", sys.executable, "-c", PRELUDE + script, str(folder)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr


PRELUDE = """
import subprocess, sys

def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)
"""
