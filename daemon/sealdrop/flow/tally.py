"""The tally: how much is active and how much waits, which bounds what may be claimed.

What is being worked on counts against its kind; what is deferred counts against its own route, so a dead route fills
its own bound and never a healthy one's. What is held counts nowhere: it waits for a person, not for a route, and a pile
of it must not stop what can go. It is counted and said (``held``), so that the person comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sealdrop.core.lifecycle import Record, State
from sealdrop.flow.setup import KindSetup, Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much more of a kind may be claimed; ``blocked_by`` names the route that has too much waiting, if any."""

    files: int
    bytes: int
    blocked_by: str = ""


class Tally:
    """Counts of open submissions. Not locked: the board is its only caller."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._active: Counter[str] = Counter()
        self._active_bytes: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self.held: Counter[str] = Counter()

    def arrival(self, kind: str, size: int, step: int) -> None:
        """Count (``step`` 1) or no longer count (-1) a claimed file that is not booked yet."""
        self._active[kind] += step
        self._active_bytes[kind] += step * size

    def record(self, record: Record, step: int) -> None:
        """Count (``step`` 1) or no longer count (-1) a record in exactly this form."""
        kind = record.submission.kind
        if record.holds:
            self.held[kind] += step
        elif record.state is State.DEFERRED:
            for leg in record.legs:
                self._waiting[leg.route] += 0 if leg.settled else step
        else:
            self.arrival(kind, record.submission.size, step)

    def room(self, kind: KindSetup) -> Room:
        """Tell how much more of a kind may be claimed now."""
        for leg in kind.legs:
            waiting = self._waiting[leg.route]
            if waiting >= self._setup.routes[leg.route].max_waiting_files:
                return Room(files=0, bytes=0, blocked_by=f"{waiting} submissions wait on route {leg.route}")
        files = max(kind.max_active_files - self._active[kind.name], 0)
        room = max(kind.max_active_bytes - self._active_bytes[kind.name], 0)
        return Room(files=files, bytes=room)
