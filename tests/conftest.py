"""What every test may use: hypothesis profiles, and a folder whose path is short enough for a socket.

Nothing here acts on its own accord. Helpers that a test asks for by import live in ``tests/support/``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Chance stays on everywhere: a run that fails prints the blob that repeats it. A loaded machine is no failure.
settings.register_profile(
    "dev", deadline=None, print_blob=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=200)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Give an empty private folder with a short path: a Unix socket's path may have 107 bytes and gpg makes several."""
    folder = Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp"))  # private; only /tmp is short
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
