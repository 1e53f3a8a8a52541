"""Finding out what a program leaves running: whatever it started and abandoned becomes a child of the test."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.waiting import wait_until

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def nothing_left_running() -> Iterator[None]:
    """Demand that nothing started within the block outlives it by more than a moment.

    Raises:
        AssertionError: something did; the message says what.
    """
    before = set(_children())
    _adopt(orphans=True)
    try:
        yield
        wait_until(lambda: not _alive(set(_children()) - before), what="the end of everything that was started")
    except AssertionError as error:
        left = [_command(pid) for pid in set(_children()) - before]
        message = f"{error}; still running: {left}"
        raise AssertionError(message) from error
    finally:
        _adopt(orphans=False)


def _adopt(*, orphans: bool) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _children() -> list[int]:
    own = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == own:
                found.append(int(entry.name))
    return found


def _alive(pids: set[int]) -> bool:
    """Tell whether any of these runs; one that has ended is buried."""
    for pid in pids:
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if not ended:
            return True
    return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return f"process {pid}, which has just ended"
