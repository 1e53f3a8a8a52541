"""Telling people: the operator's journal and whoever supervises the process."""

from __future__ import annotations

from typing import Protocol

from sealdrop.core.submission import SubmissionId
from sealdrop.ports.ledger import Committed


class Journal(Protocol):
    """The operator's log: one line kind per committed event, plus notices that are not events."""

    def committed(self, committed: Committed) -> None:
        """Write one line for one event: a sentence and stable fields. MUST NOT raise."""
        ...

    def notice(self, kind: str, text: str, *, urgent: bool = False, **fields: str | int) -> None:
        """Write something that is not an event, a long text over several lines. MUST NOT raise."""
        ...


class Meter(Protocol):
    """Somebody who watches uploads get on, such as a progress bar."""

    def moved(self, submission: SubmissionId, file_name: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` bytes of a sealed file are acknowledged. MUST be quick and MUST NOT raise."""
        ...


class Supervisor(Protocol):
    """Whoever watches the process (systemd)."""

    def ready(self, status: str) -> None:
        """Say that recovery is done and keys are loaded."""
        ...

    def status(self, text: str) -> None:
        """Say in one line what is going on."""
        ...

    def alive(self) -> None:
        """Say that progress was made: a completed sweep or a worker that moved on. Never from a mere timer."""
        ...

    def extend(self, seconds: float) -> None:
        """Say that the start takes longer: at most ``seconds`` more from now until the next word."""
        ...

    def watchdog_seconds(self) -> float | None:
        """Return within how many seconds ``alive`` is wanted again; None when nobody counts."""
        ...

    def reloading(self) -> None:
        """Say that the configuration is being read again; followed by ``ready``."""
        ...

    def stopping(self) -> None:
        """Say that a clean stop has begun."""
        ...
