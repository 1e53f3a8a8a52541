"""What every ledger must do, run against the one on SQLite and the one in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.core import events as ev
from sealdrop.core.errors import Refused, StaleTransition, StorageFailure
from sealdrop.core.lifecycle import State, fold
from sealdrop.ports.ledger import AGENT_STREAM, Entry, Ledger
from support import lifecycles as lc
from support.ledgers import claim
from support.manual_clock import START, ManualClock
from support.memory_ledger import MemoryLedger

STARTED = ev.AgentStarted(version="1", environment="live", settings_sha256="00", open_submissions=0)
TO_DELIVERED: tuple[ev.Event, ...] = (lc.accepted(), lc.SEALED, lc.started(), lc.commit(), lc.delivered())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Ledger]:
    made: Ledger = (
        SqliteLedger.open(tmp_path / "ledger.db", clock) if request.param == "sqlite" else MemoryLedger(clock)
    )
    yield made
    made.close()


def test_an_appended_event_is_answered_with_its_number_its_time_and_the_record_after_it(
    ledger: Ledger, clock: ManualClock
) -> None:
    first = ledger.append(Entry(stream=AGENT_STREAM, event=STARTED))
    clock.advance(timedelta(seconds=5))
    second = ledger.append(Entry(stream=lc.ID, event=lc.claimed()), Entry(stream=lc.ID, event=lc.REJECTED))

    assert [(one.sequence, one.at, one.event) for one in (*first, *second)] == [
        (1, START, STARTED),
        (2, START + timedelta(seconds=5), lc.claimed()),
        (3, START + timedelta(seconds=5), lc.REJECTED),
    ]
    assert [one.record and one.record.state for one in (*first, *second)] == [None, State.CLAIMED, State.REJECTED]


def test_the_record_is_the_fold_of_the_history(ledger: Ledger, clock: ManualClock) -> None:
    one = claim(ledger, clock, *TO_DELIVERED, lc.FILED)

    history = [(committed.at, committed.event) for committed in ledger.history(one)]
    assert all(not isinstance(event, ev.AgentEvent) for _, event in history)
    assert ledger.record(one) == fold(one, history)  # type: ignore[arg-type] # checked in the line above


def test_history_gives_the_record_after_each_event(ledger: Ledger, clock: ManualClock) -> None:
    one = claim(ledger, clock, lc.accepted(), lc.SEALED)

    assert [committed.record.state for committed in ledger.history(one) if committed.record] == [
        State.CLAIMED,
        State.ACCEPTED,
        State.SEALED,
    ]


def test_an_unknown_submission_has_neither_record_nor_history(ledger: Ledger) -> None:
    assert ledger.record(lc.ID) is None
    assert list(ledger.history(lc.ID)) == []
    assert ledger.newest_id() is None
    assert ledger.append() == ()


def test_when_one_entry_is_stale_none_is_appended(ledger: Ledger) -> None:
    ledger.append(Entry(stream=lc.ID, event=lc.claimed()))

    with pytest.raises(StaleTransition, match="Filed is not possible in state accepted"):
        ledger.append(Entry(stream=lc.ID, event=lc.accepted()), Entry(stream=lc.ID, event=lc.FILED))

    assert [committed.event for committed in ledger.history(lc.ID)] == [lc.claimed()]
    record = ledger.record(lc.ID)
    assert record is not None
    assert record.state is State.CLAIMED
    assert ledger.append(Entry(stream=lc.ID, event=lc.accepted()))[0].sequence == 2


def test_of_two_callers_who_move_one_submission_only_one_succeeds(ledger: Ledger, clock: ManualClock) -> None:
    one = claim(ledger, clock, lc.accepted(), lc.SEALED)
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def try_it() -> None:
        start.wait()
        try:
            ledger.append(Entry(stream=one, event=lc.started()))
            outcomes.append("moved")
        except StaleTransition:
            outcomes.append("stale")

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["moved"] + ["stale"] * 7


def test_a_terminal_submission_takes_no_further_event(ledger: Ledger, clock: ManualClock) -> None:
    one = claim(ledger, clock, lc.REJECTED, lc.FILED)

    for event in (lc.RECOVERED, lc.held(), lc.claimed(replace(lc.SUBMISSION, id=one))):
        with pytest.raises(StaleTransition):
            ledger.append(Entry(stream=one, event=event))


@pytest.mark.parametrize(
    "entry",
    [
        Entry(stream=AGENT_STREAM, event=lc.claimed()),
        Entry(stream=lc.ID, event=STARTED),
        Entry(stream="x'; DROP TABLE events; --", event=lc.claimed()),
        Entry(stream="\udcff", event=lc.claimed()),
    ],
    ids=["submission event of the agent", "agent event of a submission", "SQL as a stream", "undecodable stream"],
)
def test_an_event_in_the_wrong_stream_is_refused(ledger: Ledger, entry: Entry) -> None:
    with pytest.raises(Refused, match="does not belong"):
        ledger.append(entry)

    assert list(ledger.history(entry.stream)) == []


def test_open_records_come_in_id_order_without_closed_ones(ledger: Ledger, clock: ManualClock) -> None:
    ids = [claim(ledger, clock) for _ in range(4)]
    ledger.append(Entry(stream=ids[1], event=lc.REJECTED), Entry(stream=ids[1], event=lc.FILED))

    assert [record.submission.id for record in ledger.open_records()] == [ids[0], ids[2], ids[3]]


def test_recent_records_come_newest_first(ledger: Ledger, clock: ManualClock) -> None:
    ids = [claim(ledger, clock) for _ in range(4)]

    assert [record.submission.id for record in ledger.recent(3)] == ids[:0:-1]
    assert ledger.recent(0) == []
    assert ledger.newest_id() == ids[-1]


def test_ids_are_found_by_their_first_letters_in_any_case(ledger: Ledger, clock: ManualClock) -> None:
    early = claim(ledger, clock)
    clock.advance(timedelta(days=4000))
    late = [claim(ledger, clock) for _ in range(3)]

    assert ledger.find_ids("", 9) == [early, *late]
    assert ledger.find_ids(late[0][:9].upper(), 9) == late
    assert ledger.find_ids(late[0][:9], 2) == late[:2]
    assert ledger.find_ids(early, 9) == [early]


@pytest.mark.parametrize("prefix", ["%", "_", "' OR 1=1 --", "\x00", "\udcff", "../", "0" * 500])
def test_a_hostile_prefix_finds_nothing(ledger: Ledger, clock: ManualClock, prefix: str) -> None:
    claim(ledger, clock)

    assert ledger.find_ids(prefix, 9) == []


def test_equal_bytes_are_found_only_if_earlier_of_the_same_kind_and_within_the_window(
    ledger: Ledger, clock: ManualClock
) -> None:
    old = claim(ledger, clock)
    clock.advance(timedelta(hours=1))
    middle = claim(ledger, clock)
    newest = claim(ledger, clock)

    assert ledger.earlier_equal("adt", "ab" * 32, START, newest) == middle
    assert ledger.earlier_equal("adt", "ab" * 32, START, middle) == old
    assert ledger.earlier_equal("adt", "ab" * 32, START, old) is None
    assert ledger.earlier_equal("adt", "ab" * 32, START + timedelta(minutes=1), middle) is None
    assert ledger.earlier_equal("eq", "ab" * 32, START, newest) is None
    assert ledger.earlier_equal("adt", "cd" * 32, START, newest) is None


@pytest.mark.parametrize(
    ("then", "counts"),
    [
        ((lc.REJECTED,), False),
        ((lc.REJECTED, lc.FILED), False),
        ((lc.ABANDONED,), False),
        ((lc.DUPLICATE,), False),
        ((lc.DUPLICATE_HELD,), True),
        (TO_DELIVERED[:3], True),
        (TO_DELIVERED, True),
        ((*TO_DELIVERED, lc.FILED), True),
    ],
    ids=[
        "rejected may be dropped again",
        "failed may be dropped again",
        "abandoned may be dropped again",
        "a duplicate stands for nothing itself",
        "held as duplicate is in our care",
        "being delivered counts",
        "delivered counts",
        "sent counts",
    ],
)
def test_equal_bytes_count_while_in_our_care_or_sent(
    ledger: Ledger, clock: ManualClock, then: tuple[ev.Event, ...], *, counts: bool
) -> None:
    first = claim(ledger, clock, *then)
    second = claim(ledger, clock)

    assert ledger.earlier_equal("adt", "ab" * 32, START, second) == (first if counts else None)


def test_the_newest_delivered_is_the_largest_id_that_landed_with_any_of_the_keys(
    ledger: Ledger, clock: ManualClock
) -> None:
    first, second, third = (claim(ledger, clock, replace(lc.accepted(), ordering_keys=keys), *TO_DELIVERED[1:4])
                            for keys in (("a", "b"), ("b", "c"), ("c", "d")))  # fmt: skip
    other = claim(ledger, clock, replace(lc.accepted(), ordering_keys=("a",)), *TO_DELIVERED[1:], kind="eq")
    assert ledger.newest_delivered("adt", ["a", "b", "c", "d"]) is None

    ledger.append(Entry(stream=second, event=lc.delivered()))
    ledger.append(Entry(stream=first, event=lc.delivered()), Entry(stream=first, event=lc.FILED))

    assert ledger.newest_delivered("adt", ["a"]) == first
    assert ledger.newest_delivered("adt", ["a", "b"]) == second
    assert ledger.newest_delivered("adt", ["d", "nobody's"]) is None
    assert ledger.newest_delivered("adt", []) is None
    assert ledger.newest_delivered("eq", ["a"]) == other
    assert third not in {ledger.newest_delivered("adt", [key]) for key in "abcd"}


def test_thousands_of_ordering_keys_are_one_question(ledger: Ledger, clock: ManualClock) -> None:
    keys = tuple(f"90-B3-D5-1F-30-{n:06}" for n in range(40_000))
    one = claim(ledger, clock, replace(lc.accepted(), ordering_keys=keys[-1:]), *TO_DELIVERED[1:])

    assert ledger.newest_delivered("adt", keys) == one


def test_counts_say_how_many_are_in_each_state(ledger: Ledger, clock: ManualClock) -> None:
    assert ledger.counts() == {}
    claim(ledger, clock, lc.REJECTED)
    claim(ledger, clock, *TO_DELIVERED, lc.FILED)
    claim(ledger, clock, *TO_DELIVERED, lc.FILED)

    assert ledger.counts() == {"rejected": 1, "sent": 2}


@pytest.mark.parametrize(
    "name", ["plain.csv", "\udcff\udc80.csv", "new\nline\x00.csv", "zwölf \\ \" '.csv", "\U0001f4a5"]
)
def test_any_file_name_and_any_key_come_back_as_they_went_in(ledger: Ledger, name: str) -> None:
    submission = replace(lc.SUBMISSION, file_name=name, outbox=name, kind=name)
    ledger.append(Entry(stream=lc.ID, event=lc.claimed(submission)))
    for event in (replace(lc.accepted(), ordering_keys=(name,)), *TO_DELIVERED[1:], lc.FILED):
        ledger.append(Entry(stream=lc.ID, event=event))

    record = ledger.record(lc.ID)
    assert record is not None
    assert record.submission == submission
    assert ledger.newest_delivered(name, [name]) == lc.ID
    assert ledger.earlier_equal(name, submission.sha256, START, lc.OTHER) == lc.ID


def test_a_closed_ledger_takes_nothing_more_and_may_be_closed_again(ledger: Ledger) -> None:
    ledger.close()
    ledger.close()

    with pytest.raises(StorageFailure, match="closed"):
        ledger.append(Entry(stream=lc.ID, event=lc.claimed()))
