"""One connection at a time, shared by every caller, opened again after it died.

Callers that wait while one of them connects share its result, good or bad, so a server that is down gets one attempt,
not one for each waiting delivery. A refused login is remembered and answered without asking the server again, until
the files we log in with change or ``close`` is called (a person retried the route, or the configuration was reloaded).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sealdrop.adapters.transports.sftp import credentials
from sealdrop.adapters.transports.sftp.farend import FarEnd
from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.adapters.transports.sftp.session import LoginRefused
from sealdrop.core.errors import TemporaryFailure


class Connector:
    """Gives out the one connection.

    Args:
        options: of the route.
        dial: opens a connection; raises ``TemporaryFailure``.
    """

    def __init__(self, options: SftpOptions, dial: Callable[[], FarEnd]) -> None:
        self._options = options
        self._dial = dial
        self._lock = threading.Lock()
        self._far: FarEnd | None = None
        self._tries = 0  # finished ones
        self._failure: TemporaryFailure | None = None  # of the newest try
        self._refused_with: tuple[object, ...] | None = None  # state of the files at a refused login

    def get(self) -> tuple[FarEnd, bool]:
        """Return the connection, and whether it was kept from before (and may have died unnoticed).

        Raises:
            Unreachable, RouteUnusable, TemporaryFailure: there is none to be had now.
        """
        seen = self._tries
        with self._lock:
            if self._far is not None and self._far.alive:
                return self._far, True
            if self._failure is not None and self._tries != seen:
                raise _again(self._failure)
            if self._failure is not None and self._refused_with == credentials.state(self._options):
                raise _again(self._failure)
            return self._connect(), False

    def current(self) -> FarEnd | None:
        """Return the connection there is, dead or alive, without opening one."""
        return self._far

    def close(self) -> None:
        """Close the connection and forget a refused login; safe to call twice."""
        with self._lock:
            self._drop()
            self._failure = None
            self._refused_with = None

    def _connect(self) -> FarEnd:
        self._drop()
        stamp = credentials.state(self._options)
        try:
            self._far = self._dial()
        except TemporaryFailure as error:
            self._failure = error
            self._refused_with = stamp if isinstance(error, LoginRefused) else None
            raise
        else:
            self._failure = None
            self._refused_with = None
            return self._far
        finally:
            self._tries += 1

    def _drop(self) -> None:
        far, self._far = self._far, None
        if far is not None:
            far.close()


def _again(failure: TemporaryFailure) -> TemporaryFailure:
    """Return a copy: one exception raised in many threads would gather all their tracebacks."""
    return type(failure)(failure.what, where=failure.where, hint=failure.hint)
