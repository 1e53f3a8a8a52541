"""Incidents: what is wrong right now, said once when it begins and once when it ends.

A condition that lasts (a folder gone, a key expired, no space, a route stopped) would otherwise be reported on every
sweep. ``status`` lists what is open, always with the newest words; the journal hears of changed words (a count, days
left) once an hour at most.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from sealdrop.ports.clock import Clock
from sealdrop.ports.people import Journal

#: Seconds before changed words of an open incident are said again.
SAY_AGAIN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One open incident: what it is about, what is wrong, since when (UTC)."""

    subject: str
    text: str
    since: datetime


class Incidents:
    """Open incidents by subject. Callable from several threads."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._open: dict[str, Incident] = {}
        self._said_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, subject: str, text: str) -> None:
        """Report a condition: said once when it begins, and rarely again when its words change."""
        now = self._clock.monotonic()
        with self._lock:
            before = self._open.get(subject)
            if before is not None and before.text == text:
                return
            since = self._clock.now() if before is None else before.since
            self._open[subject] = Incident(subject=subject, text=text, since=since)
            if before is not None and now < self._said_at[subject] + SAY_AGAIN_SECONDS:
                return
            self._said_at[subject] = now
        self._journal.notice("incident", text, urgent=True, subject=subject)

    def end(self, subject: str) -> None:
        """Report that a condition is over; silent when it was not open."""
        with self._lock:
            before = self._open.pop(subject, None)
            self._said_at.pop(subject, None)
        if before is not None:
            self._journal.notice("incident-over", f"over: {before.text}", subject=subject)

    def end_all(self) -> None:
        """Report that every condition is over: whoever looks next judges anew."""
        for incident in self.open():
            self.end(incident.subject)

    def open(self) -> tuple[Incident, ...]:
        """Return what is wrong now, oldest first."""
        with self._lock:
            return tuple(sorted(self._open.values(), key=lambda incident: incident.since))
