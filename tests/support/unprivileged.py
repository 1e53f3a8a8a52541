"""Being an ordinary user for a while, even when the tests run as root."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


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
