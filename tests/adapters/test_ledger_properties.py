"""The ledger by property: whatever is appended, in whatever order, it says what folding in memory says.

And whatever it is asked, it finds the answer through an index: no question scans history.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.adapters.ledger import SqliteLedger, rebuild, verify
from sealdrop.adapters.ledger.derived import text
from sealdrop.adapters.ledger.rows import Row, decode, encode, moment, row_hash, stamp
from sealdrop.adapters.ledger.schema import connect_writer
from sealdrop.adapters.ledger.store import Store
from sealdrop.core import events as ev
from sealdrop.core.codec import canonical
from sealdrop.core.errors import Refused
from sealdrop.core.lifecycle import Record
from sealdrop.core.submission import SubmissionId, make_id
from sealdrop.ports.ledger import AGENT_STREAM, Entry, Ledger
from support import lifecycles as lc
from support.ledgers import RESUMED, make_ledger
from support.manual_clock import START, ManualClock
from support.memory_ledger import MemoryLedger

IDS = tuple(make_id(START, number) for number in (11, 12, 13))
#: Where syncs cost nothing, when there is such a place: these tests are about logic, not durability.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder is made in it
#: Which submission (or the agent), which of the events near its record, what goes with it, and whether to restart.
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 200), st.booleans(), st.integers(0, 9)), min_size=1, max_size=25
)


def likely(record: Record | None, stream: SubmissionId, pick: int) -> ev.Event:
    """Choose an event that fits the submission, or one that just does not."""
    if record is None:
        return (lc.claimed(replace(lc.SUBMISSION, id=stream)), lc.SET_ASIDE, lc.SEALED)[pick % 3]
    near = list(lc.events_near(record))
    return near[pick % len(near)]


def attempt(ledger: Ledger, entries: list[Entry]) -> object:
    try:
        return list(ledger.append(*entries))
    except Refused as refusal:
        return type(refusal), str(refusal)


def answers(ledger: Ledger) -> list[object]:
    """Ask everything that the port can be asked."""
    return [
        [ledger.record(one) for one in IDS],
        list(ledger.open_records()),
        ledger.recent(2),
        [list(ledger.history(stream)) for stream in (*IDS, AGENT_STREAM)],
        ledger.find_ids("", 9),
        [ledger.earlier_equal("adt", "ab" * 32, lc.NOON, one) for one in IDS],
        ledger.newest_delivered("adt", ["00-11", "00-12"]),
        ledger.newest_id(),
        ledger.counts(),
    ]


@settings(max_examples=60)
@given(steps=STEPS)
def test_any_sequence_of_appends_and_restarts_gives_what_the_ledger_in_memory_gives(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    clock = ManualClock()
    memory = MemoryLedger(clock)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "ledger.db"
        ledger = SqliteLedger.open(path, clock)
        for who, pick, double, chance in steps:
            clock.advance(timedelta(milliseconds=chance))
            entries = [Entry(stream=AGENT_STREAM, event=RESUMED)]
            if who < len(IDS):
                stream = IDS[who]
                entries = [Entry(stream=stream, event=likely(memory.record(stream), stream, pick))]
                if double:
                    entries.append(Entry(stream=stream, event=lc.held()))
            assert attempt(ledger, entries) == attempt(memory, entries)
            if chance == 0:
                ledger.close()
                ledger = SqliteLedger.open(path, clock)
        assert answers(ledger) == answers(memory)
        ledger.close()

        report = verify(path)
        assert report.ok, report.problems
        assert report.rows == len(memory.events)
        rebuild(path)
        assert verify(path).ok
        with SqliteLedger.open(path, clock) as again:
            assert answers(again) == answers(memory)


def append_one(store: Store) -> None:
    last = store.newest_rows(1)[0]
    store.commit([last._replace(sequence=last.sequence + 1)], [])


QUESTIONS: dict[str, Callable[[Store], object]] = {
    "record": lambda store: store.stream_rows(store.newest_ids(1)[0]),
    "open_records": lambda store: store.open_ids(""),
    "recent": lambda store: store.newest_ids(2),
    "find_ids": lambda store: store.ids_between("0", "1", 2),
    "earlier_equal": lambda store: store.earlier_equal("adt", "ab" * 32, stamp(START), "7"),
    "earlier_equal, nothing there": lambda store: store.earlier_equal("adt", "cd" * 32, stamp(START), "7"),
    "newest_delivered": lambda store: store.newest_delivered("adt", ["00-11", "00-12"]),
    "counts": lambda store: store.tallies(),
    "start": lambda store: (store.identity(), store.newest_rows(5), store.row(7)),
    "append": append_one,
}


@pytest.fixture(scope="module")
def short_and_long() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        short, long = Path(folder) / "short.db", Path(folder) / "long.db"
        make_ledger(short, ManualClock(), lives=3)
        make_ledger(long, ManualClock(), lives=300)
        yield short, long


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_no_question_takes_longer_after_a_long_history(
    short_and_long: tuple[Path, Path], ask: Callable[[Store], object]
) -> None:
    short, long = (steps_of(path, ask) for path in short_and_long)

    assert 0 < long <= short * 1.2


def steps_of(path: Path, ask: Callable[[Store], object]) -> int:
    """Return how many steps SQLite's own machine takes for a question, triggers included."""
    connection = connect_writer(path)
    counter = itertools.count()
    connection.set_progress_handler(lambda: next(counter) < 0, 1)
    ask(Store(connection, path))
    connection.close()
    return next(counter)


TEXTS = st.text(st.characters(), max_size=40)  # every code point, lone surrogates included


@given(name=TEXTS, reason=TEXTS)
def test_any_text_survives_the_way_into_a_row_and_back(name: str, reason: str) -> None:
    event = lc.claimed(replace(lc.SUBMISSION, file_name=name, outbox=reason))
    encoded = encode(event)
    row = Row(1, stamp(START), lc.ID, encoded.type, encoded.version, encoded.payload, b"", b"")

    assert encoded.payload.isascii()
    assert decode(row) == event


@given(value=TEXTS | st.text(st.characters(max_codepoint=0x7F), max_size=3))
def test_a_text_column_holds_what_the_payload_holds(value: str) -> None:
    assert text(value) == canonical(value)[1:-1]


def test_no_character_of_a_text_column_is_taken_for_plain_by_mistake() -> None:
    assert [chr(code) for code in range(0x200) if text(chr(code)) != canonical(chr(code))[1:-1]] == []


@given(first=TEXTS, second=TEXTS, third=TEXTS)
def test_no_two_rows_share_a_hash_by_moving_text_between_fields(first: str, second: str, third: str) -> None:
    whole = (first + second + third).encode(errors="replace").decode()
    rows = {
        Row(1, whole[:a], whole[a:b], whole[b:], 1, "", b"", b"")
        for a in range(min(len(whole), 4) + 1)
        for b in range(a, min(len(whole), 6) + 1)
    }

    assert len({row_hash(row) for row in rows}) == len(rows)


@given(at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 1, 1)), hours=st.integers(-23, 23))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_a_stamp_has_a_fixed_width_sorts_as_time_and_comes_back(at: datetime, hours: int) -> None:
    aware = at.replace(tzinfo=timezone(timedelta(hours=hours)))

    assert len(stamp(aware)) == 27
    assert moment(stamp(aware)) == aware
    assert stamp(aware) < stamp(aware + timedelta(microseconds=1))


def test_the_chain_is_the_one_documented() -> None:
    """The expected hash was made by other code, from the page in ``rows``: the format never changes unseen."""
    row = Row(7, "2026-11-24T12:00:00.000000Z", lc.ID, "Filed", 1, '{"folder":"x"}', b"\1" * 32, b"")

    assert row_hash(row).hex() == "3e64a2859a2a358695a1a5e369a985d320d97f30c0ae67bb455b7018fe442056"
