"""Many requests of many callers in flight on one kept SFTP channel.

A caller sends a *flight*, one or more requests at once, and waits for all its replies; flights of other callers travel
in the same SSH packets. Only two threads of the multiplexer touch the channel, one sends and one receives, so callers
never block each other and the far end can never be waiting for us while we wait for it.

Promises: every reply is matched to its request and checked; at most ``window`` bytes of content are in flight, served
first come first served; a caller always gets its replies or a failure. When the channel dies, says something that is
not SFTP, or leaves its *oldest* request unanswered for ``patience`` seconds, every waiting caller gets a ``Lost`` at
once and the multiplexer stays dead. (The oldest, so that a slow line with a long queue is not mistaken for a dead one.
Those who wait watch it, so no thread that is itself stuck in the channel is needed to notice.)

What a reply means, and whether to connect again, is left to others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sealdrop.adapters.transports.sftp.packets import ProtocolError, Reply, Request, Splitter, decode
from sealdrop.core.errors import TemporaryFailure

SEND_MAX = 32_700  # one SSH packet of 32 KiB less its framing; longer sends are cut up and copied again
WRITE_PAYLOAD = 32_600  # content of one WRITE, so that the request fits one send
_RECEIVE_MAX = 128 * 1024
_TICK_MAX = 1.0  # seconds between looks at the oldest request


class Lost(TemporaryFailure):
    """The connection died, and with it every request on its way."""


class ByteChannel(Protocol):
    """The part of an SSH channel that carries bytes (paramiko's ``Channel`` is one)."""

    def settimeout(self, timeout: float | None) -> None:
        """Set how long ``send`` and ``recv`` may block before they raise ``TimeoutError``."""
        ...

    def send(self, data: bytes) -> int:
        """Send some of the bytes and return how many; 0 when the channel is closed."""
        ...

    def recv(self, nbytes: int) -> bytes:
        """Return at most ``nbytes``; nothing when the channel is closed."""
        ...

    def close(self) -> None:
        """Close it; whoever is blocked in it is released."""
        ...


class Flight:
    """Requests that were sent together, and where their replies gather."""

    __slots__ = ("_done", "_failure", "_missing", "_multiplexer", "_replies", "_requests")

    def __init__(self, multiplexer: Multiplexer, requests: tuple[Request, ...]) -> None:
        self._multiplexer = multiplexer
        self._requests = requests
        self._replies: list[Reply | None] = [None] * len(requests)
        self._missing = len(requests)
        self._failure: Lost | None = None
        self._done = threading.Lock()  # held until landed: the cheapest way to wake exactly one waiter
        if requests:
            self._done.acquire()

    def wait(self) -> list[Reply]:
        """Return one reply for each request, in their order.

        Raises:
            Lost: the connection died before all were there.
        """
        while not self._done.acquire(timeout=self._multiplexer.tick):
            self._multiplexer.check()
        self._done.release()
        if self._failure is not None:
            raise _again(self._failure)
        return [reply for reply in self._replies if reply is not None]

    def land(self, index: int, reply: Reply) -> int:
        """Take one reply and return the weight of its request; called by the receiving thread only.

        Raises:
            ProtocolError: it is no answer to that request.
        """
        request = self._requests[index]
        self._replies[index] = request.accept(reply)
        self._missing -= 1
        if not self._missing:
            self._done.release()
        return request.weight

    def fail(self, failure: Lost) -> None:
        """Release the waiter with a failure, unless it was released already."""
        if self._missing and self._failure is None:
            self._failure = failure
            self._done.release()


class _Waiting:
    """A request on its way: whose it is and what it may cost."""

    __slots__ = ("flight", "index", "patience")

    def __init__(self, flight: Flight, index: int, patience: float) -> None:
        self.flight = flight
        self.index = index
        self.patience = patience


class Multiplexer:
    """One SFTP session shared by many threads.

    Args:
        channel: past the version exchange.
        where: the route and address, for messages.
        window: bytes of content in flight, both ways together.
        patience: seconds that the oldest request may stay unanswered.
        splitter: what the version exchange read too much, if anything.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        channel: ByteChannel,
        *,
        where: str,
        window: int,
        patience: float,
        splitter: Splitter | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._where = where
        self._window = window
        self._patience = patience
        self._monotonic = monotonic
        self._splitter = splitter if splitter is not None else Splitter()
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)  # there is something to send
        self._room = threading.Condition(self._lock)  # the window has room
        self._outbox: deque[bytes] = deque()
        self._queue: deque[object] = deque()  # callers that wait for room, in their order
        self._waiting: dict[int, _Waiting] = {}  # by number; a dict keeps the order of sending
        self._oldest_since = 0.0
        self._number = 0
        self._in_flight = 0
        self._failure: Lost | None = None
        self.tick = min(_TICK_MAX, patience / 4)
        channel.settimeout(self.tick)
        self._threads = [
            threading.Thread(target=work, name=f"sftp-{verb} {where}", daemon=True)
            for verb, work in (("send", self._send_all), ("receive", self._receive_all))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """False once the connection is known to be dead."""
        return self._failure is None

    def begin(self, *requests: Request) -> Flight:
        """Send requests without waiting for their replies; blocks while the window is full.

        Raises:
            Lost: the connection is dead.
        """
        flight = Flight(self, requests)
        weight = sum(request.weight for request in requests)
        with self._lock:
            self._wait_for_room(weight)
            self._in_flight += weight
            if not self._waiting:
                self._oldest_since = self._monotonic()
            for index, request in enumerate(requests):
                number = self._number
                self._number = (number + 1) & 0xFFFFFFFF
                self._waiting[number] = _Waiting(flight, index, request.patience)
                self._outbox.append(request.encode(number))
            self._ready.notify()
        return flight

    def exchange(self, *requests: Request) -> list[Reply]:
        """Send requests and return their replies.

        Raises:
            Lost: the connection is dead or died meanwhile.
        """
        return self.begin(*requests).wait()

    def ask(self, request: Request) -> Reply:
        """Send one request and return its reply.

        Raises:
            Lost: the connection is dead or died meanwhile.
        """
        return self.begin(request).wait()[0]

    def check(self) -> None:
        """Declare the connection dead when its oldest request has waited too long."""
        with self._lock:
            self._expire()
            dead = self._failure is not None
        if dead:
            self._channel.close()

    def close(self) -> None:
        """End the session and both threads; safe to call twice, and from any thread but those two."""
        self._die("the connection was closed by us")
        for thread in self._threads:
            thread.join(timeout=self._patience)

    def _wait_for_room(self, weight: int) -> None:
        """Wait until ``weight`` fits, first come first served. A flight heavier than the window goes alone."""
        if weight and (self._queue or self._full(weight)):
            ticket = object()
            self._queue.append(ticket)
            while self._failure is None and (self._queue[0] is not ticket or self._full(weight)):
                if not self._room.wait(self.tick):
                    self._expire()
            self._queue.remove(ticket)
            self._room.notify_all()
        if self._failure is not None:
            raise _again(self._failure)

    def _full(self, weight: int) -> bool:
        return self._in_flight > 0 and self._in_flight + weight > self._window

    def _send_all(self) -> None:
        try:
            while True:
                with self._lock:
                    while not self._outbox and self._failure is None:
                        self._ready.wait()
                    if self._failure is not None:
                        return
                    data = self._next_send()
                self._send(data)
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must release every caller
            self._die(_said("sending", error))

    def _next_send(self) -> bytes:
        """Take as many whole packets as fit one send, at least one."""
        parts = [self._outbox.popleft()]
        size = len(parts[0])
        while self._outbox and size + len(self._outbox[0]) <= SEND_MAX:
            parts.append(self._outbox.popleft())
            size += len(parts[-1])
        return b"".join(parts) if len(parts) > 1 else parts[0]

    def _send(self, data: bytes) -> None:
        while data:
            try:
                sent = self._channel.send(data[:SEND_MAX])
            except TimeoutError:
                if self._failure is not None:  # those who wait decide how long is too long
                    return
                continue
            if not sent:
                message = "the far end closed the channel"
                raise ConnectionResetError(message)
            data = data[sent:]

    def _receive_all(self) -> None:
        try:
            while self._failure is None:
                try:
                    data = self._channel.recv(_RECEIVE_MAX)
                except TimeoutError:
                    continue
                if not data:
                    self._die("the far end closed the connection")
                    return
                for packet in self._splitter.feed(data):
                    self._land(*decode(packet))
        except ProtocolError as error:
            self._die(f"the far end does not speak SFTP properly: {error}")
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must release every caller
            self._die(_said("receiving", error))

    def _land(self, number: int, reply: Reply) -> None:
        with self._lock:
            waiting = self._waiting.get(number)
            if waiting is None:
                message = f"a reply to request {number}, which is not on its way"
                raise ProtocolError(message)
            if next(iter(self._waiting)) == number:
                self._oldest_since = self._monotonic()
            # Landed before it is forgotten: if the reply does not fit, this flight must fail with the others.
            weight = waiting.flight.land(waiting.index, reply)
            del self._waiting[number]
            if weight:
                self._in_flight -= weight
                self._room.notify_all()

    def _die(self, why: str) -> None:
        with self._lock:
            self._fail_all(why)
        self._channel.close()

    def _expire(self) -> None:
        """Declare the connection dead when its oldest request waits too long; the lock is held."""
        oldest = next(iter(self._waiting.values()), None)
        if oldest is not None:
            limit = self._patience + oldest.patience
            if self._monotonic() - self._oldest_since > limit:
                self._fail_all(f"no answer for {limit:g} s")

    def _fail_all(self, why: str) -> None:
        """Fail everything that waits, once; later calls change nothing. The lock is held."""
        if self._failure is not None:
            return
        failure = Lost(why, where=self._where, hint="It is tried again; look at the network and at the server")
        self._failure = failure
        for flight in {waiting.flight for waiting in self._waiting.values()}:
            flight.fail(failure)
        self._waiting.clear()
        self._outbox.clear()
        self._ready.notify_all()
        self._room.notify_all()


def _again(failure: Lost) -> Lost:
    """Return a copy: one exception raised in many threads would gather all their tracebacks."""
    return Lost(failure.what, where=failure.where, hint=failure.hint)


def _said(doing: str, error: Exception) -> str:
    return f"the connection broke while {doing} ({type(error).__name__}: {ascii(str(error))[1:-1]})"
