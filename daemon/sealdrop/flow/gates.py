"""Gates: whether a transport may be tried at all, apart from any one submission.

``open``, ``resting`` (the far end could not be reached; after the rest one attempt goes alone, and only its success
lets the others follow) or ``stopped`` (the transport itself is wrong: host key, login; a person must act). So one dead
server costs one attempt per rest, not one for each waiting submission, and a wrong password is never repeated.

Gates live in memory: after a restart each transport is tried once more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from sealdrop.ports.clock import Clock


@dataclass(slots=True)
class _Gate:
    rests_until: float | None = None  # monotonic seconds
    failures: int = 0
    trial: bool = False
    stopped: str | None = None
    reason: str = ""


class Gates:
    """The gates of all transports, by transport name. Callable from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gates: dict[str, _Gate] = {}
        self._lock = threading.Lock()

    def usable(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``names`` that may be tried now, in the same order."""
        now = self._clock.monotonic()
        with self._lock:
            return tuple(name for name in names if self._usable(self._gate(name), now))

    def opens_in(self, names: Iterable[str]) -> float | None:
        """Return the seconds until one of ``names`` ends its rest; None when none is resting."""
        now = self._clock.monotonic()
        with self._lock:
            ends = [
                gate.rests_until
                for gate in map(self._gate, names)
                if gate.stopped is None and gate.rests_until is not None
            ]
        return max(min(ends) - now, 0.0) if ends else None

    def begin(self, name: str) -> bool:
        """An attempt begins, as the trial on a gate that has rested; tell whether it may."""
        now = self._clock.monotonic()
        with self._lock:
            gate = self._gate(name)
            if not self._usable(gate, now):  # somebody else was faster, with the trial or in finding the door shut
                return False
            gate.trial = gate.rests_until is not None
            return True

    def call_off(self, name: str) -> None:
        """An attempt ended without a word from the far end, through no fault of either; another may be the trial."""
        with self._lock:
            self._gate(name).trial = False

    def succeeded(self, name: str) -> bool:
        """The far end answered, whatever it said of the submission; tell whether that opened the gate."""
        with self._lock:
            gate = self._gate(name)
            opened = gate.rests_until is not None
            gate.rests_until, gate.failures, gate.trial, gate.reason = None, 0, False, ""
            return opened

    def open(self, name: str) -> bool:
        """Tell whether a gate is open without condition."""
        with self._lock:
            gate = self._gate(name)
            return gate.stopped is None and gate.rests_until is None

    def failures(self, name: str) -> int:
        """Return how many rests in a row there have been."""
        with self._lock:
            return self._gate(name).failures

    def rest(self, name: str, seconds: float, reason: str) -> None:
        """The far end could not be reached: nobody tries for a while."""
        until = self._clock.monotonic() + seconds
        with self._lock:
            gate = self._gate(name)
            if gate.rests_until is None or gate.trial:  # attempts that failed together are one failure
                gate.failures += 1
                gate.rests_until = until
            gate.trial, gate.reason = False, reason

    def stop(self, name: str, reason: str) -> bool:
        """Stop a transport until ``resume``; tell whether it was not stopped before."""
        with self._lock:
            gate = self._gate(name)
            fresh = gate.stopped is None
            gate.stopped, gate.trial = reason, False
            return fresh

    def resume(self, name: str) -> None:
        """Open a gate again, whatever closed it."""
        with self._lock:
            self._gates[name] = _Gate()

    def describe(self, name: str) -> str:
        """Return the state of one gate as a phrase for people."""
        now = self._clock.monotonic()
        with self._lock:
            gate = self._gate(name)
            if gate.stopped is not None:
                return f"stopped: {gate.stopped}"
            if gate.rests_until is not None:
                return f"resting for {max(gate.rests_until - now, 0):.0f} s: {gate.reason}"
            return "open"

    def _gate(self, name: str) -> _Gate:
        return self._gates.setdefault(name, _Gate())

    @staticmethod
    def _usable(gate: _Gate, now: float) -> bool:
        rested = gate.rests_until is None or (gate.rests_until <= now and not gate.trial)
        return gate.stopped is None and rested
