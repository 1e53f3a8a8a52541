"""A channel whose far end is a function: it gets what the client sends in one go as packets, and returns the answer.

No thread, no socket: whatever a test scripts happens exactly then. ``MemoryServer`` is a script that keeps files.
"""

from __future__ import annotations

import queue
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sealdrop.adapters.transports.sftp.packets import Code, Kind, Splitter


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it came: its number, type and body."""

    number: int
    kind: int
    body: bytes


Script = Callable[[Sequence[Sent]], bytes]


def packet(kind: int, number: int, body: bytes = b"") -> bytes:
    """Return a reply packet with its length."""
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def text(value: bytes) -> bytes:
    """Return a length-prefixed field."""
    return struct.pack(">I", len(value)) + value


def status(number: int, code: int = Code.OK, message: bytes = b"") -> bytes:
    """Return a status packet."""
    return packet(Kind.STATUS, number, struct.pack(">I", code) + text(message) + text(b"en"))


class WireChannel:
    """``ByteChannel`` over a script; ``say`` lets the far end speak unasked, ``hang_up`` ends it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._splitter = Splitter()
        self._incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._timeout: float | None = None
        self.sends: list[int] = []
        self.closed = threading.Event()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def send(self, data: bytes) -> int:
        if self.closed.is_set():
            return 0
        self.sends.append(len(data))
        requests = [Sent(int.from_bytes(each[1:5], "big"), each[0], each[5:]) for each in self._splitter.feed(data)]
        self.say(self._script(requests))
        return len(data)

    def recv(self, nbytes: int) -> bytes:
        if self.closed.is_set():
            return b""
        try:
            data = self._incoming.get(timeout=self._timeout)
        except queue.Empty:
            raise TimeoutError from None
        if len(data) > nbytes:
            message = "scripts here say less at once than a client asks for"
            raise AssertionError(message)
        return data

    def say(self, data: bytes) -> None:
        if data:
            self._incoming.put(data)

    def hang_up(self) -> None:
        self._incoming.put(b"")

    def close(self) -> None:
        self.closed.set()
        self.hang_up()


class _Fields:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def take(self, form: str) -> int:
        size = struct.calcsize(form)
        value: int = struct.unpack(form, self._body[:size])[0]
        self._body = self._body[size:]
        return value

    def text(self) -> bytes:
        length = self.take(">I")
        value, self._body = self._body[:length], self._body[length:]
        return value


@dataclass
class MemoryServer:
    """A script that keeps files in memory. Paths are the handles.

    Args:
        backwards: execute the requests that come together in reverse, as no server should.
    """

    backwards: bool = False
    files: dict[bytes, bytearray] = field(default_factory=dict)

    def __call__(self, requests: Sequence[Sent]) -> bytes:
        order = reversed(requests) if self.backwards else requests
        return b"".join(self._execute(request) for request in order)

    def _execute(self, request: Sent) -> bytes:  # noqa: PLR0911 - one answer for each kind of request
        fields = _Fields(request.body)
        path = fields.text()
        file = self.files.get(path)
        match request.kind:
            case Kind.STAT:
                return packet(Kind.ATTRS, request.number, struct.pack(">II", 4, 0o40755))
            case Kind.OPEN:
                self.files.setdefault(path, bytearray())
                return packet(Kind.HANDLE, request.number, text(path))
            case Kind.CLOSE:
                return status(request.number)
            case _ if file is None:
                return status(request.number, Code.NO_SUCH_FILE)
            case Kind.WRITE:
                offset, content = fields.take(">Q"), fields.text()
                file[offset : offset + len(content)] = content
                return status(request.number)
            case Kind.READ:
                offset, length = fields.take(">Q"), fields.take(">I")
                content = bytes(file[offset : offset + length])
                if not content:
                    return status(request.number, Code.EOF)
                return packet(Kind.DATA, request.number, text(content))
            case Kind.LSTAT | Kind.FSTAT:
                return packet(Kind.ATTRS, request.number, struct.pack(">IQI", 5, len(file), 0o100600))
            case Kind.REMOVE:
                del self.files[path]
                return status(request.number)
            case Kind.RENAME:
                new = fields.text()
                if new in self.files:
                    return status(request.number, Code.FAILURE)
                self.files[new] = self.files.pop(path)
                return status(request.number)
        return status(request.number, Code.OP_UNSUPPORTED)
