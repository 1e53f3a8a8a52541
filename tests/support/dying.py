"""Dying and failing at every step: a child killed by SIGKILL before its n-th call to the system, or an error there.

The calls of ``os`` that change a disk are counted in the order they come. ``die_at`` forks, so what the child leaves
on the disk is what a killed agent leaves; ``fail_at`` makes the n-th call raise instead.
"""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: What changes a disk. ``open`` counts too: it creates, and a process may die between looking and opening.
STEPS = ("open", "write", "pwrite", "fsync", "mkdir", "rename", "link", "unlink", "rmdir", "chmod", "fchmod", "close")


@contextmanager
def _counting(at: int, strike: Callable[[], object], steps: tuple[str, ...]) -> Iterator[list[str]]:
    """Call ``strike`` before the call number ``at`` (from 0); yield the list of calls seen."""
    seen: list[str] = []
    originals = {name: getattr(os, name) for name in steps}

    def counted(name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> object:
            seen.append(name)
            if len(seen) == at + 1:
                strike()
            return originals[name](*args, **kwargs)

        return call

    for name in steps:
        setattr(os, name, counted(name))
    try:
        yield seen
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def die_at(step: int, act: Callable[[], object], steps: tuple[str, ...] = STEPS) -> bool:
    """Run ``act`` in a child that is killed right before its call number ``step``; tell whether it was.

    Raises:
        AssertionError: the child ended in another way than by SIGKILL or by finishing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        code = 3
        try:
            with _counting(step, lambda: os.kill(os.getpid(), signal.SIGKILL), steps):
                act()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may escape into the parent's copy of the test
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself; its traceback is above"
    return False


@contextmanager
def meddle_at(step: int, meddle: Callable[[], object], steps: tuple[str, ...] = STEPS) -> Iterator[list[str]]:
    """Let ``meddle`` happen right before the call number ``step`` within the block: a race that is lost every time."""
    with _counting(step, meddle, steps) as seen:
        yield seen


@contextmanager
def fail_at(step: int, number: int, steps: tuple[str, ...] = STEPS) -> Iterator[list[str]]:
    """Let the call number ``step`` raise ``OSError(number)`` within the block; yield the calls seen so far."""

    def strike() -> None:
        raise OSError(number, os.strerror(number))

    with _counting(step, strike, steps) as seen:
        yield seen
