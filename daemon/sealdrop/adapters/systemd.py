"""Telling systemd how the service fares: the sd_notify protocol, one datagram a message (sd_notify(3)).

Without ``NOTIFY_SOCKET`` (a terminal, a test, a container) everything here does nothing. A message that cannot be sent
is told once through ``on_failure`` and otherwise ignored: a deaf supervisor is no reason to stop delivering, and the
one that matters (no WATCHDOG) makes systemd restart the agent by itself. What systemd must hear (ready, reloading,
stopping, more time) waits up to a second for room in its queue; the rest is sent at once or not at all.

Fails only when made, with ``ConfigurationError``, if the address is one the protocol does not have here.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Mapping

from sealdrop.core.errors import ConfigurationError, Problem

MAX_STATUS = 300  # characters of a status line
PATIENCE = 1  # seconds to wait for room in the supervisor's queue


class Notifier:
    """``ports.people.Supervisor`` for systemd; safe for any number of threads, as each message is one system call.

    Args:
        environment: variables that tell of the supervisor; the process's own when None.
        on_failure: told once, in a sentence, when a message could not be sent.
        monotonic: the clock of ``RELOADING``, which must be the system's.

    Raises:
        ConfigurationError: ``NOTIFY_SOCKET`` is neither a path nor an abstract name.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        on_failure: Callable[[str], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._variables = dict(os.environ if environment is None else environment)
        self._on_failure = on_failure
        self._monotonic = monotonic
        self._failed = False
        self._address = _address(self._variables.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address:  # close-on-exec, as every socket of Python's
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            # Python's own time-out would spin here: a datagram socket is always ready, its peer may not be.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))

    def ready(self, status: str) -> None:
        """Say that recovery is done and keys are loaded, or that a reload is over."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Say in one line what is going on."""
        self._send(_status(text), flags=socket.MSG_DONTWAIT)

    def alive(self) -> None:
        """Say that progress was made; without it for ``watchdog_seconds`` systemd kills and restarts the agent."""
        self._send("WATCHDOG=1", flags=socket.MSG_DONTWAIT)

    def reloading(self) -> None:
        """Say that the configuration is being read again; followed by ``ready``."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """Say that a clean stop has begun."""
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Ask for more time: the present start, reload or stop may take ``seconds`` from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog_seconds(self) -> float | None:
        """Return within how many seconds ``alive`` must be called again, or None when nobody watches this process."""
        pid = self._variables.get("WATCHDOG_PID", "")
        if pid and pid != str(os.getpid()):
            return None
        text = self._variables.get("WATCHDOG_USEC", "")
        return int(text) / 1_000_000 if text.isascii() and text.isdigit() and int(text) > 0 else None

    def close(self) -> None:
        """Let the socket go; later messages do nothing."""
        self._address = ""
        if self._socket is not None:
            self._socket.close()

    def _send(self, *assignments: str, flags: int = 0) -> None:
        if not self._address or self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(assignments).encode(), flags, self._address)
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._on_failure(f"systemd cannot be told how the service fares: {error.strerror or error}")


def _address(text: str) -> str:
    if text.startswith("@") and len(text) > 1:
        return "\0" + text[1:]  # an abstract name: no file
    if not text or text.startswith("/"):
        return text
    raise ConfigurationError(
        [
            Problem(
                path="NOTIFY_SOCKET", what="neither a path nor an abstract name", hint="Unset it, or let systemd set it"
            )
        ],
        where="environment",
    )


def _status(text: str) -> str:
    # A line end would begin another assignment.
    return f"STATUS={ascii(text[:MAX_STATUS])[1:-1]}"
