"""Many requests on one channel, against a far end that does exactly what a test says."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.transports.sftp import requests
from sealdrop.adapters.transports.sftp.multiplexer import SEND_MAX, Lost, Multiplexer
from sealdrop.adapters.transports.sftp.packets import Data, Kind, Open, Status
from support.sftp_wire import MemoryServer, Sent, WireChannel, packet, status, text
from support.waiting import wait_until

Start = Callable[..., tuple[Multiplexer, WireChannel]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(
            script: Callable[[Sequence[Sent]], bytes], window: int = 2**20, patience: float = 10.0, **more: object
        ) -> tuple[Multiplexer, WireChannel]:
            channel = WireChannel(script)
            line = Multiplexer(channel, where="relay", window=window, patience=patience, **more)  # type: ignore[arg-type] # passed through
            stack.callback(line.close)
            return line, channel

        yield begin


def silent(_: Sequence[Sent]) -> bytes:
    return b""


def echo(sent: Sequence[Sent]) -> bytes:
    """Answer each read with its own offset."""
    return b"".join(packet(Kind.DATA, each.number, text(each.body[5:13])) for each in sent)


@given(order=st.permutations(range(12)), flights=st.lists(st.integers(1, 5), min_size=3, max_size=4))
def test_replies_in_any_order_reach_the_request_they_answer(order: list[int], flights: list[int]) -> None:
    sent: list[Sent] = []

    def gather(requests_: Sequence[Sent]) -> bytes:
        sent.extend(requests_)
        return b""

    channel = WireChannel(gather)
    line = Multiplexer(channel, where="relay", window=2**20, patience=10)
    offsets = iter(range(100))
    begun = [
        (line.begin(*(requests.read(b"h", at, 8) for at in mine)), mine)
        for mine in ([next(offsets) for _ in range(size)] for size in flights)
    ]
    wait_until(lambda: len(sent) == sum(flights), what="all requests")
    for place in sorted(range(len(sent)), key=lambda at: order[at % 12]):
        channel.say(echo([sent[place]]))

    for flight, mine in begun:
        assert flight.wait() == [Data(struct.pack(">Q", at)) for at in mine]
    line.close()


def test_small_requests_of_many_callers_share_one_send(start: Start) -> None:
    go = threading.Event()

    def answer(sent: Sequence[Sent]) -> bytes:
        go.wait(10)  # the first send waits, the others gather behind it
        return b"".join(status(each.number) for each in sent)

    line, channel = start(answer)
    flights = [line.begin(requests.remove(b"x" * 50)) for _ in range(500)]
    go.set()

    assert all(flight.wait() == [Status(0)] for flight in flights)
    assert len(channel.sends) < 10
    assert max(channel.sends) <= SEND_MAX


def test_no_send_is_longer_than_one_ssh_packet(start: Start) -> None:
    line, channel = start(MemoryServer())

    line.exchange(requests.open_file(b"f", Open.WRITE), requests.write(b"f", 0, bytes(200_000)))

    assert max(channel.sends) <= SEND_MAX
    assert sum(channel.sends) > 200_000


def test_the_window_bounds_what_is_in_flight_and_serves_in_turn(start: Start) -> None:
    waiting: list[Sent] = []
    turns: list[int] = []

    def gather(sent: Sequence[Sent]) -> bytes:
        waiting.extend(sent)
        return b""

    line, channel = start(gather, window=1000)
    with ThreadPoolExecutor(8) as pool:
        futures = []
        for number in range(8):
            futures.append(pool.submit(line.ask, requests.read(b"h", number, 400)))
            wait_until(lambda so_far=number: len(waiting) + len(line._queue) > so_far, what="the caller")  # type: ignore[misc] # noqa: SLF001 - only the queue shows who waits
        for number in range(8):
            wait_until(lambda so_far=number: len(turns) + len(waiting) > so_far, what="the next request")  # type: ignore[misc] # a default argument binds the loop's value
            assert len(waiting) <= 2  # 1000 // 400
            first = waiting.pop(0)
            turns.append(struct.unpack(">Q", first.body[5:13])[0])
            channel.say(echo([first]))
        assert [future.result(10) for future in futures] == [Data(struct.pack(">Q", at)) for at in range(8)]

    assert turns == list(range(8))


def test_a_flight_larger_than_the_window_goes_alone(start: Start) -> None:
    line, _ = start(echo, window=100)

    assert line.ask(requests.read(b"h", 5, 5000)) == Data(struct.pack(">Q", 5))


@pytest.mark.parametrize(
    "answer",
    [
        lambda number: status(number + 1000),
        lambda number: packet(Kind.HANDLE, number, text(b"h")),
        lambda number: packet(Kind.DATA, number, text(b"123456789")),
        lambda number: packet(Kind.OPEN, number, b""),
        lambda _: b"Welcome to this server!",
        lambda number: status(number) + status(number),
        lambda _: struct.pack(">I", 2**31),
    ],
    ids=["unknown number", "other kind", "too much data", "no reply", "text", "answered twice", "endless packet"],
)
def test_nonsense_ends_the_connection_and_releases_everybody(start: Start, answer: Callable[[int], bytes]) -> None:
    held = threading.Event()

    def script(sent: Sequence[Sent]) -> bytes:
        held.wait(10)
        return answer(sent[-1].number)

    line, channel = start(script)
    flights = [line.begin(requests.read(b"h", 0, 8)) for _ in range(3)]
    held.set()
    failures = 0
    for flight in flights:
        try:
            flight.wait()
        except Lost:
            failures += 1

    assert failures >= 2  # one may have had its answer before the nonsense
    assert not line.alive
    assert channel.closed.wait(10)
    with pytest.raises(Lost):
        line.ask(requests.remove(b"x"))


def test_a_closed_channel_releases_everybody_at_once(start: Start) -> None:
    line, channel = start(silent)
    flights = [line.begin(requests.remove(b"x"), requests.remove(b"y")) for _ in range(20)]
    channel.hang_up()

    for flight in flights:
        with pytest.raises(Lost, match="closed"):
            flight.wait()


def test_a_far_end_that_says_nothing_is_given_up(start: Start) -> None:
    line, channel = start(silent, patience=0.2)

    with pytest.raises(Lost, match=r"no answer for 0\.2 s"):
        line.ask(requests.remove(b"x"))
    assert channel.closed.is_set()


def test_callers_that_wait_for_room_are_released_too(start: Start) -> None:
    line, _ = start(silent, window=10, patience=0.2)
    line.begin(requests.read(b"h", 0, 10))

    with pytest.raises(Lost):
        line.begin(requests.read(b"h", 0, 10))


def test_a_slow_line_with_a_long_queue_is_not_taken_for_dead(start: Start) -> None:
    now = [0.0]
    sent: list[Sent] = []

    def gather(more: Sequence[Sent]) -> bytes:
        sent.extend(more)
        return b""

    line, channel = start(gather, patience=0.4, monotonic=lambda: now[0])
    flights = [line.begin(requests.remove(b"x")) for _ in range(10)]
    wait_until(lambda: len(sent) == 10, what="all requests")
    for each, flight in zip(sent, flights, strict=True):
        now[0] += 0.3
        line.check()
        channel.say(status(each.number))
        assert flight.wait() == [Status(0)]

    assert line.alive


def test_an_oldest_request_that_is_never_answered_is_noticed_although_others_are(start: Start) -> None:
    now = [0.0]

    def all_but_the_first(sent: Sequence[Sent]) -> bytes:
        return b"".join(status(each.number) for each in sent if each.number)

    line, _ = start(all_but_the_first, patience=0.4, monotonic=lambda: now[0])
    stuck = line.begin(requests.remove(b"stuck"))
    assert line.ask(requests.remove(b"x")) == Status(0)
    now[0] = 0.5

    with pytest.raises(Lost, match="no answer"):
        stuck.wait()


def test_a_request_may_ask_for_more_patience(start: Start) -> None:
    now = [0.0]
    line, channel = start(silent, patience=0.2, monotonic=lambda: now[0])
    flight = line.begin(requests.fsync(b"h", patience=100))
    now[0] = 50.0
    line.check()
    assert line.alive
    channel.say(status(0))

    assert flight.wait() == [Status(0)]


def test_close_releases_everybody_and_ends_both_threads() -> None:
    before = threading.active_count()
    line = Multiplexer(WireChannel(silent), where="relay", window=100, patience=10)
    flight = line.begin(requests.remove(b"x"))
    line.close()
    line.close()

    with pytest.raises(Lost, match="closed by us"):
        flight.wait()
    assert threading.active_count() == before


def test_a_flight_of_nothing_has_landed(start: Start) -> None:
    line, _ = start(silent)

    assert line.exchange() == []


def test_many_threads_get_their_own_answers(start: Start) -> None:
    line, _ = start(echo, window=5_000)
    chance = random.Random(7)
    offsets = [chance.randrange(2**40) for _ in range(400)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda at: line.ask(requests.read(b"h", at, 1_000)), offsets))

    assert answers == [Data(struct.pack(">Q", at)) for at in offsets]
