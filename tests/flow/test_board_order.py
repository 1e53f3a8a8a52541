"""The board: who waits for whom, what bounds the claims, and what a change-over keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sealdrop.core.lifecycle import State
from sealdrop.core.order import OrderPolicy
from support import lifecycles as lc
from support.boards import RELAY, Place, accepted, arrival, claimed, deferred, held, make, number
from support.manual_clock import START


@pytest.fixture
def place() -> Place:
    return Place()


# -- order -----------------------------------------------------------------------------------------------------


def test_a_newer_one_waits_and_follows_as_soon_as_the_older_is_through() -> None:
    place = Place(OrderPolicy.CLAIM_ORDER)
    place.board.put(make(1, keys="k"))
    place.board.put(make(2, keys="k"))

    assert place.drain() == [number(1)]
    assert place.board.waits_for(number(2)) == f"waits for submission {number(1)}, to land in order"
    place.board.put(make(1, lc.started(leg="relay"), lc.gave_up(leg="relay"), keys="k"))
    assert place.drain() == [number(2), number(1)]


def test_one_whose_filing_waits_holds_nobody_up() -> None:
    place = Place(OrderPolicy.CLAIM_ORDER)
    place.board.put(make(1, keys="k"))
    place.board.put(make(2, keys="k"))
    place.drain()

    place.board.put_later(make(1, lc.started(leg="relay"), lc.gave_up(leg="relay"), keys="k"), 15)

    assert place.drain() == [number(2)]


def test_a_newer_one_takes_along_whom_to_supersede(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(hours=1), keys="k"))
    place.board.put(make(2, keys="k"))

    job = place.board.take_any()

    assert job is not None
    assert job.supersede == (number(1),)


def test_an_older_one_that_became_ready_in_between_goes_first(place: Place) -> None:
    place.board.put(held(make(1, keys="k")))
    place.board.put(make(2, keys="k"))

    place.board.put(make(1, keys="k"))

    assert place.drain() == [number(1)]
    assert "waits for submission" in place.board.waits_for(number(2))


def test_an_older_one_that_is_released_while_the_newer_is_under_way_waits(place: Place) -> None:
    place.board.put(held(make(1, keys="k")))
    place.board.put(make(2, keys="k"))
    assert place.drain() == [number(2)]

    place.board.put(make(1, keys="k"))

    assert place.board.take_any() is None
    assert number(2) in place.board.waits_for(number(1))


def test_while_bytes_of_an_older_one_are_read_a_newer_one_of_the_kind_waits(place: Place) -> None:
    place.board.arrive(arrival(1))
    place.board.put(make(2, keys="k"))
    place.board.put(make(3, keys="k", kind="exit"))
    assert place.drain() == [number(3), number(1)]

    place.board.note(claimed(1))
    assert place.board.take_any() is None
    place.board.put(make(1, keys="l"))

    assert place.drain() == [number(1), number(2)]


def test_one_that_a_writer_still_has_open_keeps_nobody_waiting(place: Place) -> None:
    place.board.arrive(arrival(1))
    place.board.put(make(2, keys="k"))
    assert place.drain() == [number(1)]

    place.board.arrive(arrival(1, tries=1), after=1)

    assert place.drain() == [number(2)]


def test_a_chain_of_a_thousand_is_delivered_one_by_one_each_waking_one() -> None:
    place = Place(OrderPolicy.CLAIM_ORDER)
    for n in range(1, 1001):
        place.board.put(make(n, keys="k"))
    order = []
    while (job := place.board.take_any()) is not None:
        assert job.record is not None
        order.append(job.submission)
        place.board.put(replace(job.record, state=State.SENT))

    assert order == [number(n) for n in range(1, 1001)]
    assert place.clock.asked < 10_000


# -- bounds ----------------------------------------------------------------------------------------------------


def test_what_is_being_worked_on_takes_room_and_what_waits_takes_its_routes(place: Place) -> None:
    kind = replace(place.setup.kinds["adt"], max_active_files=3, max_active_bytes=25)
    place.board.arrive(arrival(1))
    place.board.put(make(2))
    place.board.put(held(make(3)))

    room = place.board.room(kind)

    assert (room.files, room.bytes, room.blocked_by) == (1, 5, "")


def test_room_is_never_negative(place: Place) -> None:
    kind = replace(place.setup.kinds["adt"], max_active_files=1, max_active_bytes=5)
    for n in (1, 2, 3):
        place.board.put(make(n))

    room = place.board.room(kind)

    assert (room.files, room.bytes) == (0, 0)


def test_too_much_waiting_on_a_route_blocks_the_kinds_that_use_it(place: Place) -> None:
    relay = replace(place.setup.routes["relay"], max_waiting_files=2)
    place.board.reopen(replace(place.setup, routes={**place.setup.routes, "relay": relay}))
    place.board.put(deferred(1, START + timedelta(hours=1)))
    kind = place.setup.kinds["adt"]
    assert place.board.room(kind).files > 0

    place.board.put(deferred(2, START + timedelta(hours=1)))

    assert place.board.room(kind).blocked_by == "2 submissions wait on route relay"
    portal = replace(kind, legs=tuple(replace(leg, route="portal") for leg in kind.legs))
    assert place.board.room(portal).files > 0


def test_what_is_held_stops_nothing_and_is_counted(place: Place) -> None:
    relay = replace(place.setup.routes["relay"], max_waiting_files=1)
    place.board.reopen(replace(place.setup, routes={**place.setup.routes, "relay": relay}))

    for record in (held(make(1)), held(claimed(2)), held(claimed(3, kind="gone"))):
        place.board.put(record)

    room = place.board.room(place.setup.kinds["adt"])
    assert (room.files, room.blocked_by) == (1_000, "")
    assert place.board.held() == {"adt": 2, "gone": 1}


def test_whatever_comes_and_goes_the_room_is_whole_in_the_end(place: Place) -> None:
    kind = place.setup.kinds["adt"]
    before = place.board.room(kind)

    place.board.arrive(arrival(1))
    place.board.arrive(arrival(1, tries=1))
    place.board.note(claimed(1))
    place.board.put(held(make(1)))
    place.board.put_later(deferred(1, START), 5)
    place.board.put(replace(make(1), state=State.SENT))

    assert place.board.room(kind) == before


# -- progress and change-over ----------------------------------------------------------------------------------


def test_the_slowest_worker_is_known(place: Place) -> None:
    assert place.board.longest_without_progress() == 0
    place.board.put(make(1))
    place.board.put(make(2))
    place.drain()
    place.clock.pass_seconds(7)

    place.board.progress(number(1))
    place.board.progress(number(99))
    assert place.board.longest_without_progress() == 7
    place.board.note(make(2))
    assert place.board.longest_without_progress() == 0


def test_a_new_setup_plans_everything_anew() -> None:
    place = Place(OrderPolicy.CLAIM_ORDER)
    place.board.arrive(arrival(1))
    place.board.arrive(arrival(2), after=3600)
    place.board.put(make(3, keys="k"))
    place.board.put(make(4, keys="k"))
    place.board.put_later(make(5), 3600)
    place.board.put(deferred(6, START + timedelta(seconds=5)))
    place.board.close()
    assert place.board.take(RELAY) is None

    place.setup = place.make_setup(OrderPolicy.NONE, max_active_files=10)
    place.board.reopen(place.setup)

    assert place.board.room(place.setup.kinds["adt"]).files == 5
    assert place.board.tick() == 5
    assert place.drain() == [number(n) for n in (3, 4, 5, 1, 2)]


def test_what_is_open_between_two_others_is_told() -> None:
    place = Place(OrderPolicy.CLAIM_ORDER)
    place.board.put(make(1, keys="k"))
    place.board.put(claimed(2))
    place.board.arrive(arrival(3))
    part = lc.after(lc.claimed(), accepted("a", "b", keys="k"), lc.SEALED, *(event("a") for event in _LANDED))
    place.board.put(replace(part, submission=replace(part.submission, id=number(4))))

    assert place.board.newest_open("adt", ("k",), number(4)) == number(1)
    assert place.board.newest_landed("adt", ("k",)) == number(4)
    assert [record.submission.id for record in place.board.unjudged("adt", number(1), number(9))] == [number(2)]


_LANDED = (
    lambda leg: lc.started(leg=leg),
    lambda leg: lc.commit(leg=leg),
    lambda leg: lc.delivered(leg=leg),
)


# -- judging ---------------------------------------------------------------------------------------------------


def test_where_files_are_compared_each_waits_to_be_judged_for_the_nearest_older_one(place: Place) -> None:
    place.validator.compares = True
    for n in (1, 2, 3):
        place.board.put(claimed(n))

    assert place.drain() == [number(1)]
    assert place.board.waits_for(number(3)) == f"waits for submission {number(2)}, to be judged in order"
    place.board.put(held(make(1, keys="k")))
    assert place.drain() == [number(2)]


def test_one_that_arrives_late_is_judged_before_newer_ones_that_were_planned(place: Place) -> None:
    place.validator.compares = True
    place.board.put(claimed(2))
    place.board.arrive(arrival(1))

    assert place.drain() == [number(1)]


def test_one_that_is_still_being_written_or_held_unjudged_is_not_waited_for(place: Place) -> None:
    place.validator.compares = True
    place.board.arrive(arrival(1))
    place.board.put(claimed(2))
    place.board.put(claimed(4))
    assert place.drain() == [number(1)]
    place.board.arrive(arrival(1, tries=1), after=10)
    assert place.drain() == [number(2)]
    place.board.put(held(claimed(2)))

    assert place.drain() == [number(4)]


def test_other_kinds_are_not_waited_for(place: Place) -> None:
    place.validator.compares = True
    place.board.put(claimed(1, kind="exit"))
    place.board.put(claimed(2))

    assert place.drain() == [number(1), number(2)]


def test_one_that_is_decided_is_known_by_its_keys_before_it_is_booked(place: Place) -> None:
    place.validator.compares = True
    for n in (1, 2):
        place.board.put(claimed(n))
    assert place.drain() == [number(1)]
    place.board.decided(claimed(1), ("k",))

    assert place.drain() == [number(2)]
    assert place.board.ahead("adt", "k", number(2)) == [number(1)]
    place.board.put(make(1, keys="k"))
    assert place.board.ahead("adt", "k", number(2)) == [number(1)]
    place.board.put(held(claimed(1)))
    assert place.board.ahead("adt", "k", number(2)) == []


def test_one_that_is_decided_and_not_booked_still_goes_first(place: Place) -> None:
    place.validator.compares = True
    place.board.put(claimed(1))
    place.drain()
    place.board.decided(claimed(1), ("k",))
    place.board.put(make(2, keys="k"))

    assert place.drain() == []
    place.board.put_later(claimed(1), 10)  # the disk was full: it is judged anew
    assert place.board.ahead("adt", "k", number(2)) == []
    assert place.drain() == []
