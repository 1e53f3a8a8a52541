"""Periodic work: something that calls back every so often. Due times of submissions never live in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Schedule(Protocol):
    """Calls back from a thread of its own."""

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call ``call`` every ``seconds``, replacing what had this name.

        Missed times MUST be made up for by one call, however late; a slow call MUST NOT hold up those of other names.
        ``call`` MUST NOT raise.
        """
        ...

    def start(self) -> None:
        """Begin to call back."""
        ...

    def stop(self) -> None:
        """Stop; MUST be safe to call twice."""
        ...
