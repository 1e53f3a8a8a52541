"""The board: lanes and priorities, several legs, timers and gates."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from sealdrop.core.lifecycle import State
from sealdrop.core.order import OrderPolicy
from sealdrop.core.steps import Work
from sealdrop.flow.jobs import CHECK, SEAL, Job
from support import lifecycles as lc
from support.boards import RELAY, Place, accepted, arrival, claimed, deferred, held, make, number
from support.manual_clock import START
from support.waiting import wait_until


@pytest.fixture
def place() -> Place:
    return Place()


# -- lanes -----------------------------------------------------------------------------------------------------


def test_each_step_has_its_lane() -> None:
    place = Place(OrderPolicy.NONE)
    sealing = lc.after(lc.claimed(), accepted("relay"))
    place.board.put(claimed(1))
    place.board.put(replace(sealing, submission=replace(sealing.submission, id=number(2))))
    place.board.put(make(3))
    place.board.put(make(4, lc.started(leg="relay"), lc.gave_up(leg="relay")))
    place.board.arrive(arrival(5))

    jobs = [(job.submission, job.work) for lane in (CHECK, SEAL, RELAY) for job in [place.board.take(lane)] if job]
    jobs += [(job.submission, job.work) for _ in range(2) for job in [place.board.take(CHECK)] if job]

    assert jobs == [
        (number(1), Work.VALIDATE),
        (number(2), Work.SEAL),
        (number(3), Work.DELIVER),
        (number(4), Work.FILE),
        (number(5), None),
    ]


def test_higher_kinds_go_first_then_claim_order(place: Place) -> None:
    for n, kind in ((1, "adt"), (2, "adt"), (3, "exit"), (4, "exit")):
        place.board.arrive(arrival(n, kind=kind))

    assert place.drain() == [number(3), number(4), number(1), number(2)]


def test_what_is_nearest_its_end_goes_first_in_one_thread(place: Place) -> None:
    place.board.arrive(arrival(1))
    place.board.put(make(2, kind="exit"))
    place.board.put(claimed(3, kind="exit"))

    assert place.drain() == [number(2), number(3), number(1)]


def test_what_is_in_hand_is_in_one_hand_only(place: Place) -> None:
    place.board.put(make(1))
    job = place.board.take_any()
    assert job is not None

    place.board.refresh(make(1))

    assert place.board.take_any() is None
    place.board.put(make(1))
    assert place.drain() == [number(1)]


def test_what_others_did_meanwhile_counts_once_it_is_given_back(place: Place) -> None:
    place.board.put(make(1))
    place.board.take_any()
    mine = make(1, lc.started(leg="relay"), replace(lc.deferred(leg="relay"), not_before=START + timedelta(hours=1)))
    theirs = replace(mine, legs=tuple(replace(leg, not_before=None) for leg in mine.legs), events=mine.events + 1)

    place.board.refresh(theirs)
    place.board.put(mine)

    assert place.drain() == [number(1)]


def test_news_that_is_older_than_what_is_known_changes_nothing(place: Place) -> None:
    newer = make(1, lc.held())
    place.board.put(newer)

    place.board.refresh(make(1))

    assert place.board.records() == [newer]
    assert place.drain() == []


def test_news_of_a_submission_nobody_knows_is_taken_in(place: Place) -> None:
    place.board.refresh(make(1))

    assert place.drain() == [number(1)]


def test_what_is_filed_is_forgotten(place: Place) -> None:
    place.board.put(make(1))

    place.board.put(replace(make(1), state=State.SENT))

    assert place.board.records() == []
    assert place.drain() == []


def test_a_route_that_is_no_longer_configured_is_found_out_by_a_checker(place: Place) -> None:
    place.board.put(make(1, legs=["gone"]))

    job = place.board.take(CHECK)

    assert job is not None
    assert (job.work, job.leg and job.leg.route) == (Work.DELIVER, "gone")


def test_workers_sleep_until_there_is_work_and_go_home_when_the_board_closes(place: Place) -> None:
    taken: list[Job | None] = []

    def work() -> None:
        while (job := place.board.take(RELAY)) is not None:
            taken.append(job)
        taken.append(None)

    thread = threading.Thread(target=work)
    thread.start()
    place.board.put(make(1))
    wait_until(lambda: taken, what="the job")
    place.board.close()
    thread.join(10)

    assert [job and job.submission for job in taken] == [number(1), None]


# -- several legs ----------------------------------------------------------------------------------------------


def test_a_dead_route_does_not_keep_the_other_leg_waiting(place: Place) -> None:
    place.gates.stop("third", "the host key changed")
    place.board.put(make(1, legs=["portal", "relay"]))

    job = place.board.take_any()

    assert job is not None
    assert job.leg is not None
    assert job.leg.name == "relay"
    place.gates.resume("third")
    assert place.board.take_any() is None, "one submission in two hands"


def test_two_legs_on_one_route_go_one_after_the_other(place: Place) -> None:
    record = make(1, legs=["first", "second"])
    record = replace(record, legs=tuple(replace(leg, route="relay") for leg in record.legs))
    place.board.put(record)

    job = place.board.take_any()

    assert job is not None
    assert job.leg is not None
    assert job.leg.name == "first"
    assert place.board.take_any() is None


def test_a_leg_that_must_wait_in_order_does_not_keep_a_settling_one(place: Place) -> None:
    in_doubt = (lc.started(leg="relay"), lc.commit(leg="relay"), lc.deferred(leg="relay", certain=False))
    newer = make(2, *in_doubt, keys="k", legs=["portal", "relay"])
    newer = replace(newer, legs=tuple(replace(leg, not_before=None) for leg in newer.legs))
    place.board.put(make(1, keys="k", legs=["portal"]))
    place.board.put(newer)

    job = place.board.take(RELAY)

    assert job is not None
    assert (job.submission, job.leg and job.leg.name) == (number(2), "relay")


# -- timers ----------------------------------------------------------------------------------------------------


def test_a_deferred_one_is_queued_when_it_is_due(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(seconds=30)))

    assert place.board.take_any() is None
    assert place.board.tick() == 30
    assert place.board.waits_for(number(1)) == "waits until 2026-11-24 12:00:30 UTC"
    place.clock.pass_seconds(30)
    assert place.drain() == [number(1)]
    assert place.board.waits_for(number(1)) == ""


def test_only_an_earlier_timer_calls_for_attention(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(seconds=30)))
    place.board.put(deferred(2, START + timedelta(seconds=60)))
    assert place.earlier == 1

    place.board.put(deferred(3, START + timedelta(seconds=10)))

    assert place.earlier == 2
    assert place.board.tick() == 10


def test_a_timer_of_an_older_plan_does_nothing(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(seconds=30)))
    place.board.put(held(deferred(1, START + timedelta(seconds=30))))
    place.clock.pass_seconds(60)

    assert place.drain() == []


def test_a_wall_clock_that_is_set_back_delays_nothing(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(seconds=30)))
    place.clock.set(START - timedelta(days=365))
    place.clock.pass_seconds(30)

    assert place.drain() == [number(1)]


def test_a_due_time_from_before_the_clock_was_set_back_is_waited_for_one_pause_at_most(place: Place) -> None:
    place.board.put(deferred(1, START + timedelta(days=365)))

    assert place.board.tick() == 1800


def test_put_later_waits_and_then_does_the_same_again(place: Place) -> None:
    place.board.put_later(make(1), 15)

    assert place.board.take_any() is None
    assert place.board.tick() == 15
    place.clock.pass_seconds(15)
    assert place.drain() == [number(1)]


def test_an_arrival_can_be_looked_at_later(place: Place) -> None:
    place.board.arrive(arrival(1), after=2)

    assert place.board.take_any() is None
    place.clock.pass_seconds(2)
    assert place.drain() == [number(1)]


def test_without_timers_there_is_no_next_one(place: Place) -> None:
    assert place.board.tick() is None


# -- gates -----------------------------------------------------------------------------------------------------


def test_nothing_is_taken_for_a_route_none_of_whose_transports_may_be_tried(place: Place) -> None:
    place.board.put(make(1))
    place.gates.rest("first", 10, "no answer")
    assert place.board.take(RELAY) is not None

    place.board.put(make(1))
    place.gates.rest("second", 20, "no answer")

    assert place.board.take_any() is None
    assert place.board.tick() == 10
    place.clock.pass_seconds(10)
    assert place.drain() == [number(1)]


def test_a_worker_is_woken_when_a_gate_opens(place: Place) -> None:
    for name in ("first", "second"):
        place.gates.stop(name, "the host key changed")
    place.board.put(make(1))
    taken: list[Job | None] = []
    thread = threading.Thread(target=lambda: taken.append(place.board.take(RELAY)))
    thread.start()

    place.gates.resume("second")
    place.board.gates_changed()
    thread.join(10)

    assert [job and job.submission for job in taken] == [number(1)]


def test_a_worker_is_woken_when_a_rest_is_over(place: Place) -> None:
    for name in ("first", "second"):
        place.gates.rest(name, 10, "no answer")
    place.board.put(make(1))
    taken: list[Job | None] = []
    thread = threading.Thread(target=lambda: taken.append(place.board.take(RELAY)))
    thread.start()

    place.clock.pass_seconds(10)
    place.board.tick()
    thread.join(10)

    assert [job and job.submission for job in taken] == [number(1)]
