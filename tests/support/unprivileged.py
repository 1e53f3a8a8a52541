"""Being an ordinary user for a while, even when the tests run as root; and tests that nobody but root can run."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def need_root() -> None:
    """Go on only as root, who can be somebody else; skip at home, fail in CI: what CI skips nobody sees fail.

    Raises:
        Failed: in CI, and not root.
    """
    if os.geteuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("this test must be run as root in CI: only root can be somebody else")
    pytest.skip("only root can be somebody else")


def give_to_nobody(*paths: Path) -> None:
    """Make the ordinary user own these, when we are root and can."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act without root's powers within the block. Not for tests with other threads at work."""
    if os.geteuid() != 0:
        yield
        return
    codecs.lookup("ascii")  # Python's library may be out of an ordinary user's reach, and it is imported lazily
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
