"""The agent's end of the control socket.

Each connection carries one request and has a thread of its own, at most ``MAX_CONNECTIONS`` at a time; more are told to
come again. Whoever asks is known from the kernel; questions are for the read group and administrators, changes for
administrators only. A request that is too long, too slow or no request costs its sender an answer and nobody else
anything.

A refused request and a fault of ours are said in the journal. Errors of ``core.errors`` travel back by kind; anything
else is answered as a fault without details, for details may hold what the caller must not see.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Self

from sealdrop.adapters.control.peers import Peer, make_access, peer_of
from sealdrop.adapters.control.place import bind
from sealdrop.adapters.control.protocol import (
    DEADLINE,
    FAULT,
    MAX_REQUEST,
    Request,
    Verbs,
    error_line,
    parse_request,
    result_line,
)
from sealdrop.core.errors import Refused, SealdropError, TemporaryFailure
from sealdrop.ports.people import Journal

MAX_CONNECTIONS = 16
OUT_OF_DESCRIPTORS = 0.1  # seconds to wait for some to come back, when no connection can be accepted
_CHUNK = 1 << 14
_WHERE = "control socket"


class ControlServer:
    """Answers requests from ``start`` (or ``with``) until ``close``.

    Args:
        path: the socket; its folder is made when missing.
        verbs: what may be asked.
        read_group: name of the group whose members may ask questions, empty for none. It also owns the socket, so
            administrators must be in it too.
        admin_group: name of the group whose members may ask for changes, empty for none. It owns the socket when
            there is no read group.
        journal: is told of refused requests and faults.
        deadline: seconds for a whole request to arrive, and for an answer to be taken.

    Raises:
        ConfigurationError: there is no such group.
    """

    def __init__(
        self,
        path: Path,
        verbs: Verbs,
        *,
        read_group: str = "",
        admin_group: str = "",
        journal: Journal | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._path = path
        self._verbs = dict(verbs)
        self._access = make_access(read_group, admin_group)
        self._journal = journal
        self._deadline = deadline
        self._listener: socket.socket | None = None
        self._inode = 0
        self._closing = threading.Event()
        self._accepting: threading.Thread | None = None
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}

    def start(self) -> None:
        """Make the socket and begin to answer.

        Raises:
            ConfigurationError: the socket's place will not do. Refused: another agent answers there.
            StorageFailure: the file system refused.
        """
        group = self._access.readers if self._access.readers is not None else self._access.admins
        listener = bind(self._path, group)
        self._listener = listener
        self._inode = self._path.stat().st_ino
        self._accepting = threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop answering, let requests under way finish within the deadline, remove the socket; safe to call twice."""
        listener, self._listener = self._listener, None
        if listener is None or self._accepting is None:
            return
        self._closing.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._accepting.join()
        listener.close()
        until = time.monotonic() + self._deadline
        with self._lock:
            under_way = dict(self._connections)
        for connection in under_way.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # who is still asking has asked too late
        for thread in under_way:
            thread.join(max(until - time.monotonic(), 0))
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._closing.wait(OUT_OF_DESCRIPTORS):
                    return
                continue
            connection.settimeout(self._deadline)
            thread = threading.Thread(target=self._serve, args=(connection,), name="control-request", daemon=True)
            if not self._take_on(thread, connection):
                self._turn_away(connection)

    def _take_on(self, thread: threading.Thread, connection: socket.socket) -> bool:
        with self._lock:
            if len(self._connections) >= MAX_CONNECTIONS:
                return False
            self._connections[thread] = connection
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                del self._connections[thread]
                return False
            return True

    def _turn_away(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0)
            connection.send(
                error_line(TemporaryFailure.__name__, "the agent is answering too many others", _WHERE, "Ask again")
            )

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):  # the caller went away: nothing is owed to them
                answer = self._answer(connection, peer_of(connection))
                connection.settimeout(self._deadline)
                connection.sendall(answer)
        finally:
            with self._lock:
                del self._connections[threading.current_thread()]

    def _answer(self, connection: socket.socket, peer: Peer) -> bytes:
        verb = ""
        try:
            verb, arguments = parse_request(self._read(connection))
            self._authorise(peer, verb)
            request = Request(verb=verb, arguments=arguments, caller=str(peer), peer=peer)
            return result_line(self._verbs[verb].handler(request))
        except SealdropError as error:
            if isinstance(error, _Denied):
                self._tell("control-refused", f"control request refused: {error.what}", peer, verb, urgent=False)
            return error_line(_kind(error), error.what, error.where, error.hint)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one handler must end neither thread nor agent unsaid
            fault = f"the agent failed on this request: {type(error).__name__}"
            self._tell("control-fault", fault, peer, verb, urgent=True)
            return error_line(FAULT, fault, verb, "Report this; the agent goes on")

    def _read(self, connection: socket.socket) -> bytes:
        until = time.monotonic() + self._deadline
        line = bytearray()
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or len(line) > MAX_REQUEST:
                break
            connection.settimeout(left)
            try:
                chunk = connection.recv(_CHUNK)
            except TimeoutError:
                break
            if not chunk:
                break
            line += chunk
        if not line.endswith(b"\n") or len(line) > MAX_REQUEST:
            raise Refused(
                f"no whole request of at most {MAX_REQUEST} bytes came within {self._deadline:g} s",
                where=_WHERE,
                hint="Send one line of JSON",
            )
        return bytes(line)

    def _authorise(self, peer: Peer, verb: str) -> None:
        if not self._access.may_read(peer):
            raise _Denied(f"{peer} may not speak to the agent", where=_WHERE, hint="Ask for membership of a group")
        if verb not in self._verbs:
            raise Refused(f"there is no verb {verb[:40]!a}", where=_WHERE, hint=f"There are {', '.join(self._verbs)}")
        if self._verbs[verb].admin and not self._access.may_change(peer):
            raise _Denied(f"{peer} may only ask questions", where=verb, hint="Ask somebody in the admin group")

    def _tell(self, kind: str, text: str, peer: Peer, verb: str, *, urgent: bool) -> None:
        if self._journal is not None:
            login = -1 if peer.login_uid is None else peer.login_uid
            self._journal.notice(
                kind, text, urgent=urgent, verb=verb, user=peer.user, uid=peer.uid, login_uid=login, pid=peer.pid
            )


class _Denied(Refused):
    """Somebody asked for what they may not; the journal hears of it. Travels as ``Refused``."""


def _kind(error: SealdropError) -> str:
    return Refused.__name__ if isinstance(error, _Denied) else type(error).__name__
