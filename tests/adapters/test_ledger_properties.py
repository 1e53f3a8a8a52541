"""The ledger by property: whatever is appended, in whatever order, it says what folding in memory says.

And whatever it is asked, it finds the answer through an index: no question scans history.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.adapters.ledger import SqliteLedger, rebuild, verify
from sealdrop.adapters.ledger.rows import Row, decode, encode, moment, row_hash, stamp
from sealdrop.adapters.ledger.schema import connect_writer
from sealdrop.adapters.ledger.store import Store
from sealdrop.core import events as ev
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


QUESTIONS: dict[str, Callable[[Store], object]] = {
    "record": lambda store: store.stream_rows(lc.ID),
    "open_records": lambda store: store.open_ids(lc.ID),
    "recent, newest_id": lambda store: store.newest_ids(1),
    "find_ids": lambda store: store.ids_between("0", "1", 5),
    "earlier_equal": lambda store: store.earlier_equal("adt", "ab" * 32, stamp(START), lc.ID),
    "newest_delivered": lambda store: store.newest_delivered("adt", ["00-11"]),
    "counts": lambda store: store.tallies(),
    "start": lambda store: store.newest_rows(200),
    "append": lambda store: store.commit([], []),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_no_question_scans_history(tmp_path: Path, ask: Callable[[Store], object]) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, ManualClock(), lives=40)
    connection = connect_writer(path)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    ask(Store(connection, path))
    connection.set_trace_callback(None)

    assert asked
    for statement in asked:
        if statement.startswith(("SELECT", "INSERT")):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for line in plan:
                # The end of a table, the tallies (one row a state) and the question's own list may be walked.
                assert not re.match(r"SCAN (?!events$|submissions$|tallies|json_each)", line), (statement, plan)
                assert "TEMP B-TREE" not in line or "tallies" in statement, (statement, plan)
                if line in {"SCAN events", "SCAN submissions"}:
                    assert "DESC LIMIT" in statement, (statement, plan)
    connection.close()


def test_an_append_takes_as_many_steps_after_a_long_history_as_after_a_short_one(tmp_path: Path) -> None:
    short, long = (instructions_of_an_append(tmp_path / f"{lives}.db", lives) for lives in (3, 300))

    assert long <= short * 1.2, "triggers count as well"


def instructions_of_an_append(path: Path, lives: int) -> int:
    """Return how many steps SQLite's machine takes for one more row."""
    make_ledger(path, ManualClock(), lives)
    connection = connect_writer(path)
    store = Store(connection, path)
    last = store.newest_rows(1)[0]
    counter = itertools.count()
    connection.set_progress_handler(lambda: next(counter) < 0, 1)
    store.commit([last._replace(sequence=last.sequence + 1)], [])
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
