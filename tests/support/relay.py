"""A small TCP relay between a client and a server: cuts or holds after so many bytes, throttles nothing.

Faults are set before or during a connection. A cut is a reset (RST), as a firewall does it.
"""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from typing import Self

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds
_CHUNK = 65_536


class Relay:
    """Listens on loopback and passes bytes on to ``(host, port)``.

    ``cut_after`` is how many bytes from the client pass, counted over all connections, before one of them is cut, once;
    None for no cut. Until the client sends that byte it cannot know.
    """

    host = "127.0.0.1"

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        self.hold_after: int | None = None
        self.accepted = 0
        self.passed = 0  # bytes from the client
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def hold(self) -> None:
        """Pass nothing more in either direction, without closing anything."""
        self._flowing.clear()

    def flow(self) -> None:
        """Go on after ``hold``."""
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            _reset(client)
            _reset(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread, which closes it
        self._flowing.set()
        self.cut()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    return
                self.accepted += 1
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    _reset(client)
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:  # noqa: FBT001 - a thread's argument
        try:
            while data := source.recv(_CHUNK):
                if counted and self.hold_after is not None and self.passed >= self.hold_after:
                    self.hold()
                self._flowing.wait()
                if counted and self.cut_after is not None and self.passed + len(data) > self.cut_after:
                    sink.sendall(data[: max(0, self.cut_after - self.passed)])
                    self.passed, self.cut_after = self.cut_after, None
                    break
                if counted:
                    self.passed += len(data)
                sink.sendall(data)
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass  # one end is gone; the other must not wait for it
        _reset(source)
        _reset(sink)


def _reset(end: socket.socket) -> None:
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.shutdown(socket.SHUT_RDWR)  # wakes a thread that is blocked in it
    except OSError:
        pass
    end.close()
