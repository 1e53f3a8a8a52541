"""Waiting without sleeping blindly: poll a condition, bounded, and say what did not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wait_until(
    predicate: Callable[[], object], timeout: float = 10.0, *, what: str | Callable[[], str] = "the condition"
) -> None:
    """Return as soon as ``predicate`` is true.

    Args:
        predicate: the condition.
        timeout: seconds to wait at most.
        what: names the condition; a function is asked when it did not come, so that it can say how things are then.

    Raises:
        AssertionError: it did not become true within ``timeout`` seconds.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            message = f"{what if isinstance(what, str) else what()} did not come within {timeout} s"
            raise AssertionError(message)
        pause.wait(0.01)
