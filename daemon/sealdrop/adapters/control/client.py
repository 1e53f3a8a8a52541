"""Asking the running agent: one request, one answer.

Tells apart: no agent runs (``NotRunning``), the agent says no (its own error), and no answer came (``Unanswered``: it
may have acted all the same, so look before asking again).
"""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from sealdrop.adapters.control.protocol import MAX_ANSWER, parse_answer, request_line
from sealdrop.adapters.durable import shown
from sealdrop.core.codec import Plain
from sealdrop.core.errors import NotRunning, Refused, TemporaryFailure, Unanswered

PATIENCE = 30.0  # seconds for the whole exchange
_CHUNK = 1 << 16


class ControlClient:
    """Speaks to the agent whose socket is at ``path``.

    Args:
        path: the socket.
        patience: seconds until a whole answer must be here.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience

    def call(self, verb: str, /, **arguments: Plain) -> Plain:
        """Ask for one thing and return the result.

        Raises:
            NotRunning: no agent answers on this socket.
            TemporaryFailure: it is answering too many others; nothing was asked of it.
            Unanswered: a request was sent, and no whole answer came in time.
            Refused: this user may not speak to the agent, or the agent refused.
            SealdropError: the agent failed on it, by the kind of its error.
        """
        request = request_line(verb, arguments)
        until = time.monotonic() + self._patience
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._patience)
            self._connect(connection)
            with contextlib.suppress(OSError):  # the agent may have answered before it read all: the answer says why
                connection.sendall(request)
            return parse_answer(self._answer(connection, until))

    def _connect(self, connection: socket.socket) -> None:
        try:
            connection.connect(str(self._path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(
                "no agent runs here",
                where=shown(self._path),
                hint="Start it (systemctl start sealdrop, or sealdrop run)",
            ) from error
        except PermissionError as error:
            raise Refused(
                "you may not speak to the agent",
                where=shown(self._path),
                hint="Ask for membership of the group named by control.read_group or control.admin_group",
            ) from error
        except OSError as error:
            raise TemporaryFailure(
                f"the agent cannot be reached: {error.strerror or error}",
                where=shown(self._path),
                hint="Nothing was asked of it; ask again",
            ) from error

    def _answer(self, connection: socket.socket, until: float) -> bytes:
        answer = bytearray()
        try:
            while not answer.endswith(b"\n") and len(answer) <= MAX_ANSWER:
                connection.settimeout(max(until - time.monotonic(), 0.001))
                chunk = connection.recv(_CHUNK)
                if not chunk:
                    break
                answer += chunk
        except OSError as error:
            raise self._unanswered(str(error)) from error
        if not answer.endswith(b"\n") or len(answer) > MAX_ANSWER:
            raise self._unanswered("the connection ended" if len(answer) <= MAX_ANSWER else "too long")
        return bytes(answer)

    def _unanswered(self, why: str) -> Unanswered:
        return Unanswered(
            f"no whole answer came from the agent: {why}",
            where=shown(self._path),
            hint="It may have acted all the same: look (sealdrop status) before asking again",
        )
