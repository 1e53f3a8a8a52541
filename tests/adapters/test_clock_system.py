"""The system's clock: ids sort by claim time and strictly one after the other, whatever happens around it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sealdrop.adapters.clock import SystemClock
from sealdrop.core.submission import is_submission_id, make_id


def test_now_is_aware_and_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_ids_are_strictly_increasing_over_all_threads() -> None:
    clock = SystemClock()
    found: list[list[str]] = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def take(mine: list[str]) -> None:
        start.wait()
        mine.extend(clock.new_id() for _ in range(2000))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    every = [one for mine in found for one in mine]
    assert len(set(every)) == 8000
    assert all(mine == sorted(mine) for mine in found)
    assert all(is_submission_id(one) for one in every)


def test_an_id_sorts_by_its_time() -> None:
    before = make_id(datetime.now(UTC) - timedelta(seconds=2), 0)
    after = make_id(datetime.now(UTC) + timedelta(seconds=60), 0)

    assert before < SystemClock().new_id() < after


def test_ids_sort_after_what_the_ledger_knows_though_the_clock_went_back() -> None:
    clock = SystemClock()
    future = make_id(datetime.now(UTC) + timedelta(days=400), 7)
    clock.never_before(future)
    clock.never_before(make_id(datetime.now(UTC), 7))

    first, second = clock.new_id(), clock.new_id()
    assert future < first < second
    assert is_submission_id(second)


def test_ids_cannot_be_guessed_from_their_time() -> None:
    clock = SystemClock()

    assert len({SystemClock().new_id()[10:] for _ in range(50)}) == 50
    assert len({clock.random() for _ in range(50)}) == 50
    assert all(0 <= clock.random() < 1 for _ in range(50))
