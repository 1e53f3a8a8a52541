"""Delivery: stopping in the middle, routes that are down or wrong, transports that take over, several legs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sealdrop.core import events as ev
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.line import make_desk, make_line
from sealdrop.flow.once import Once
from sealdrop.flow.operations import Operations
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse, make_route
from support.far_end import FarEnd, Fault
from support.manual_clock import START

CONTENT = b"accept 1\nthe bytes"


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def drop(house: FakeHouse, name: str = "a.csv", content: bytes = CONTENT) -> None:
    house.outbox.drop(name, content)


# -- stopping --------------------------------------------------------------------------------------------------


class Stopping(FakeHouse):
    """A house whose agent is told to stop at some moment of an attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = False

    def stop(self) -> None:
        self.stopping = True

    def run_until_stopped(self) -> None:
        desk = make_desk(self.world, self.setup, lambda: None)
        line = make_line(self.world, desk, self.setup, lambda: self.stopping)
        line.recovery.run()
        line.intake.sweep()
        while not self.stopping and (job := desk.board.take_any()) is not None:
            line.pipeline.work(job)


def test_a_stop_during_the_upload_calls_it_off() -> None:
    house = Stopping()
    house.far.on_upload = house.stop
    drop(house)
    house.run_until_stopped()

    leg = house.record("a.csv").legs[0]
    assert (leg.attempts, leg.uncertain, leg.not_before) == (1, False, START)
    assert "called off" in str(leg.reason)
    assert house.far.appearances == []
    house.stopping = False
    house.far.on_upload = lambda: None
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_a_stop_right_before_the_commit_calls_it_off() -> None:
    house = Stopping()
    house.far.on_uploaded = house.stop
    drop(house)
    house.run_until_stopped()

    assert "called off before anything became visible" in str(house.record("a.csv").legs[0].reason)
    assert "CommitStarted" not in house.booked("a.csv")
    assert house.far.appearances == []


def test_a_stop_after_the_commit_lets_it_land() -> None:
    house = Stopping()
    house.far.on_committed = house.stop
    drop(house)
    house.run_until_stopped()

    assert house.record("a.csv").state is State.SENT


def test_a_failure_while_stopping_says_nothing_about_the_route() -> None:
    house = Stopping()
    house.far.on_committed = house.stop
    house.far.faults.append(Fault.RENAMED)
    drop(house)
    house.run_until_stopped()

    leg = house.record("a.csv").legs[0]
    assert leg.uncertain
    assert leg.not_before == START
    assert house.journal.texts() == []


# -- routes ----------------------------------------------------------------------------------------------------


def test_an_unreachable_far_end_rests_the_route_and_costs_one_attempt_for_all(house: FakeHouse) -> None:
    house.far.down = True
    for n in range(20):
        drop(house, f"{n}.csv")
    house.run()

    assert len(house.far.deliveries) == 1
    assert house.journal.texts() == ["transport far cannot be reached: far: connection refused"]
    house.far.down = False
    house.run(patience=60)
    assert len(house.far.appearances) == 20


def test_an_absurd_wish_of_an_unreachable_far_end_is_cut(house: FakeHouse) -> None:
    house.far.down = True
    house.far.wish = timedelta(days=3650)
    drop(house)
    run = house.run()

    assert run.desk.gates.opens_in(["far"]) == 1800


def test_the_end_of_an_outage_is_said_once(house: FakeHouse) -> None:
    house.far.faults.extend([Fault.UNREACHABLE] * 3)
    drop(house)
    house.run(patience=3600)

    assert house.journal.texts() == ["transport far cannot be reached: far: connection refused"]
    assert house.journal.texts("incident-over") == ["over: transport far cannot be reached: far: connection refused"]


def test_a_wrong_host_key_stops_the_route_for_all_without_a_storm(house: FakeHouse) -> None:
    house.far.locked = True
    for n in range(20):
        drop(house, f"{n}.csv")
    run = house.run(patience=10**6)

    assert len(house.far.deliveries) == 1
    stops = [one.event for one in house.journal.events if isinstance(one.event, ev.RouteStopped)]
    assert [stop.route for stop in stops] == ["far"]
    assert "the host key is not the pinned one" in stops[0].reason
    assert run.desk.gates.describe("far").startswith("stopped: ")
    assert not [record for record in house.records() if record.terminal]


def test_a_stopped_route_never_uses_up_the_patience_of_a_submission(house: FakeHouse) -> None:
    house.change_kind(patience=timedelta(seconds=1))
    house.far.locked = True
    drop(house)
    run = house.run()
    house.clock.pass_seconds(10**6)
    house.far.heal()

    Operations(run, house.ledger).retry_route("relay", "uid 1", "the fingerprint was compared")
    house.run()

    assert house.record("a.csv").state is State.SENT


def test_the_next_transport_of_a_route_takes_over_at_once(house: FakeHouse) -> None:
    second = FarEnd("second", house.disk, house.clock)
    house.change(routes={"relay": make_route("relay", house.far, second)})
    house.far.down = True
    drop(house, "a.csv")
    drop(house, "b.csv")
    house.run()

    assert len(second.appearances) == 2
    assert len(house.far.deliveries) == 1


def test_when_no_transport_can_be_reached_each_is_tried_once_and_then_rests(house: FakeHouse) -> None:
    second = FarEnd("second", house.disk, house.clock)
    house.change(routes={"relay": make_route("relay", house.far, second)})
    house.far.down = second.down = True
    drop(house)
    house.run()

    assert len(house.far.deliveries) == len(second.deliveries) == 1
    assert house.record("a.csv").legs[0].not_before == START + timedelta(seconds=20)


@pytest.mark.parametrize("trouble", ["down", "locked"])
def test_what_is_in_doubt_waits_for_its_own_transport_without_spinning(house: FakeHouse, trouble: str) -> None:
    second = FarEnd("second", house.disk, house.clock)
    house.change(routes={"relay": make_route("relay", house.far, second)})
    house.far.faults.append(Fault.RENAMED)
    drop(house)
    house.run()
    setattr(house.far, trouble, True)

    run = house.run(patience=600)

    assert second.deliveries == []
    assert len(house.far.finds) < 10
    assert house.record("a.csv").legs[0].uncertain
    house.far.heal()
    Operations(run, house.ledger).retry_route("relay", "uid 1", "it is well again")
    house.run(patience=3600)
    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1


def test_what_is_in_doubt_is_held_when_its_transport_is_no_longer_configured(house: FakeHouse) -> None:
    house.far.faults.append(Fault.RENAMED)
    drop(house)
    house.run()
    house.change(routes={"relay": make_route("relay", FarEnd("second", house.disk, house.clock))})
    house.clock.pass_seconds(10)

    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.UNKNOWN_OUTCOME]
    assert "transport far, which is no longer configured" in record.holds[0].text


def test_a_leg_whose_route_is_no_longer_configured_is_held(house: FakeHouse) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    drop(house)
    house.run()
    kind = house.setup.kinds["adt"]
    legs = tuple(replace(leg, route="other") for leg in kind.legs)
    house.change(routes={"other": make_route("other", house.far)}, kinds={"adt": replace(kind, legs=legs)})
    house.clock.pass_seconds(10)

    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.FAULT]
    assert "route relay" in record.holds[0].text


def test_a_fault_of_the_transport_during_a_trial_does_not_shut_the_route_for_ever(house: FakeHouse) -> None:
    house.far.faults.extend([Fault.UNREACHABLE, Fault.SURPRISE])
    drop(house, "a.csv")
    drop(house, "b.csv")
    house.run(patience=60)

    states = {record.submission.file_name: (record.state, reasons(record)) for record in house.records()}
    assert sorted(states.values(), key=str) == [(State.DEFERRED, [HoldReason.FAULT]), (State.SENT, [])]


def test_a_success_does_not_say_that_a_stopped_route_is_well(house: FakeHouse) -> None:
    drop(house)
    run = house.once()
    house.far.on_committed = lambda: _stop(run)
    run.run()

    assert [incident.subject for incident in run.desk.incidents.open()] == ["transport far"]


def _stop(run: Once) -> None:
    run.desk.gates.stop("far", "another attempt met another host key")
    run.desk.incidents.begin("transport far", "transport far is stopped")


# -- several legs ----------------------------------------------------------------------------------------------


def test_a_second_leg_lands_although_the_route_of_the_first_is_down(house: FakeHouse) -> None:
    portal = FarEnd("portal", house.disk, house.clock)
    kind = house.setup.kinds["adt"]
    legs = (replace(kind.legs[0], name="portal", route="portal"), *kind.legs)
    house.change(
        kinds={"adt": replace(kind, legs=legs)},
        routes={"relay": make_route("relay", house.far), "portal": make_route("portal", portal)},
    )
    portal.locked = True
    drop(house, "a.csv")
    drop(house, "b.csv")
    house.run()

    assert len(house.far.appearances) == 2
    portal.locked = False
    house.run()
    assert {record.state for record in house.records()} == {State.SENT}
    assert len(portal.appearances) == len(house.far.appearances) == 2


def test_what_landed_in_part_is_held_and_finished_by_a_retry(house: FakeHouse) -> None:
    portal = FarEnd("portal", house.disk, house.clock)
    kind = house.setup.kinds["adt"]
    house.change(
        kinds={"adt": replace(kind, legs=(*kind.legs, replace(kind.legs[0], name="portal", route="portal")))},
        routes={"relay": make_route("relay", house.far), "portal": make_route("portal", portal)},
    )
    portal.faults.append(Fault.PERMANENT)
    drop(house)
    run = house.run()
    record = house.record("a.csv")
    assert (record.state, reasons(record)) == (State.PARTLY_DELIVERED, [HoldReason.PARTLY_DELIVERED])

    Operations(run, house.ledger).retry(record.submission.id, "uid 1", "the portal takes it now")
    house.run()

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == len(portal.appearances) == 1


def test_a_person_who_looked_for_one_leg_does_not_settle_the_doubt_about_another(house: FakeHouse) -> None:
    portal, second = FarEnd("portal", house.disk, house.clock), FarEnd("second", house.disk, house.clock)
    kind = house.setup.kinds["adt"]
    house.change(
        kinds={"adt": replace(kind, legs=(*kind.legs, replace(kind.legs[0], name="portal", route="portal")))},
        routes={"relay": make_route("relay", house.far, second), "portal": make_route("portal", portal)},
    )
    house.far.faults.append(Fault.STUCK)
    house.far.find_faults.append(Fault.CUT_EARLY)
    portal.faults.append(Fault.LOST)
    drop(house)
    house.run(patience=10)
    record = house.record("a.csv")
    assert [hold.leg for hold in record.holds] == ["portal"]

    released = ev.Released(reason=HoldReason.UNKNOWN_OUTCOME, by="uid 1", why="nothing is in the portal")
    house.ledger.append(Entry(stream=record.submission.id, event=released))
    house.far.down = True
    house.run()

    assert second.deliveries == []
    house.far.execute_late()
    house.far.heal()
    house.run(patience=3600)
    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == len(portal.appearances) == 1


# -- watching ---------------------------------------------------------------------------------------------------


class Bar:
    """``ports.people.Meter`` that remembers how far uploads were."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def moved(self, submission: SubmissionId, file_name: str, done: int, total: int) -> None:  # noqa: ARG002 - the port
        self.seen.append((file_name, done, total))


def test_somebody_may_watch_an_upload_get_on(house: FakeHouse) -> None:
    bar = Bar()
    drop(house)
    Once(replace(house.world, meter=bar), house.setup, pause=house.clock.pass_seconds, patience=0).run()

    seal = house.record("a.csv").seal
    assert seal is not None
    assert bar.seen == [("a.csv", 1, seal.size), ("a.csv", seal.size, seal.size)]


def test_of_two_workers_at_a_rested_gate_one_makes_the_trial_and_the_other_waits(house: FakeHouse) -> None:
    house.far.faults.append(Fault.UNREACHABLE)
    drop(house, "a.csv")
    drop(house, "b.csv")
    run = house.run()
    house.clock.pass_seconds(10)
    first, second = run.desk.board.take_any(), run.desk.board.take_any()
    assert first is not None
    assert second is not None
    house.far.on_upload = lambda: run.line.pipeline.work(second)

    run.line.pipeline.work(first)

    assert len(house.far.appearances) == 1
    assert run.desk.board.take_any() is not None
