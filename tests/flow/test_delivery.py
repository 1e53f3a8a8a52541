"""Delivery: what is booked before, during and after an attempt, and what follows every outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sealdrop.core import events as ev
from sealdrop.core.delivery import Outcome
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.retry import RetryPolicy
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse, make_route
from support.fakes import content_of
from support.far_end import Fault
from support.manual_clock import START
from support.memory_disk import digest

CONTENT = b"accept 1\nthe bytes"


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def drop(house: FakeHouse, name: str = "a.csv", content: bytes = CONTENT) -> None:
    house.outbox.drop(name, content)


def release(house: FakeHouse, name: str, reason: HoldReason) -> None:
    entry = Entry(
        stream=house.record(name).submission.id, event=ev.Released(reason=reason, by="uid 1", why="looked at it")
    )
    house.ledger.append(entry)


# -- the plain way ---------------------------------------------------------------------------------------------


def test_the_bytes_that_land_are_those_that_were_sealed_once(house: FakeHouse) -> None:
    drop(house)
    house.run()

    record = house.record("a.csv")
    assert record.state is State.SENT
    assert record.seal is not None
    (landed,) = house.far.files.items()
    assert landed[0] == record.seal.remote_name == f"a.{record.submission.id}.csv.pgp"
    assert digest(landed[1]) == record.seal.sha256
    assert content_of(landed[1]) == CONTENT


def test_every_step_is_booked_in_order(house: FakeHouse) -> None:
    drop(house)
    house.run()

    assert house.booked("a.csv") == [
        "Claimed", "Accepted", "Sealed", "AttemptStarted", "CommitStarted", "LegDelivered", "Filed",
    ]  # fmt: skip


def test_the_attempt_is_booked_before_the_network_is_touched(house: FakeHouse) -> None:
    seen: list[list[str]] = []
    house.far.on_upload = lambda: seen.append(house.booked("a.csv"))
    drop(house)
    house.run()

    assert seen == [["Claimed", "Accepted", "Sealed", "AttemptStarted"]]


def test_the_commit_is_booked_before_anything_becomes_visible(house: FakeHouse) -> None:
    seen: list[tuple[str, int]] = []
    house.far.on_committed = lambda: seen.append((house.booked("a.csv")[-1], len(house.far.appearances)))
    drop(house)
    house.run()

    assert seen == [("CommitStarted", 0)]
    assert len(house.far.appearances) == 1


def test_a_retry_sends_the_same_sealed_bytes(house: FakeHouse) -> None:
    house.far.faults.extend([Fault.CUT_EARLY, Fault.CUT_EARLY])
    drop(house)
    house.run(patience=60)

    record = house.record("a.csv")
    assert record.seal is not None
    assert [one.sha256 for one in house.far.appearances] == [record.seal.sha256]
    assert record.legs[0].attempts == 3


def test_a_receiver_that_takes_at_once_is_proof_enough(house: FakeHouse) -> None:
    house.far.takes_at_once = True
    drop(house)
    house.run()

    record = house.record("a.csv")
    assert record.state is State.SENT
    assert record.legs[0].receipt is not None
    assert record.legs[0].receipt.outcome is Outcome.TAKEN


# -- temporary and permanent failures --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CUT_EARLY, Fault.CERTAIN])
def test_a_certain_failure_is_deferred_by_the_routes_pause_and_sent_again(house: FakeHouse, fault: Fault) -> None:
    house.far.faults.append(fault)
    drop(house)
    house.run()

    leg = house.record("a.csv").legs[0]
    assert not leg.uncertain
    assert leg.not_before == START + timedelta(seconds=10)
    house.clock.pass_seconds(10)
    house.run()
    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1
    assert house.far.finds == []


def test_the_far_ends_wish_to_wait_is_honoured(house: FakeHouse) -> None:
    patient = RetryPolicy(longest=timedelta(hours=2), jitter=0.0)
    house.change(routes={"relay": make_route("relay", house.far, retry=patient)})
    house.far.faults.append(Fault.BUSY)
    drop(house)
    house.run()

    assert house.record("a.csv").legs[0].not_before == START + timedelta(hours=1)
    assert house.journal.texts() == [], "a far end that answers is no outage"


def test_a_permanent_failure_is_given_up_and_filed_with_its_report(house: FakeHouse) -> None:
    house.far.faults.append(Fault.PERMANENT)
    drop(house)
    house.run()

    record = house.record("a.csv")
    assert record.state is State.FAILED
    assert record.reason == "relay: far: the file is too large"
    assert house.filed("failed") == [f"a.csv.{record.submission.id}"]
    assert house.far.appearances == []


def test_something_else_under_our_name_is_never_overwritten(house: FakeHouse) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    drop(house)
    house.run()
    seal = house.record("a.csv").seal
    assert seal is not None
    house.far.files[seal.remote_name] = b"somebody else's"

    house.clock.pass_seconds(10)
    house.run()

    assert house.record("a.csv").state is State.FAILED
    assert house.far.files == {seal.remote_name: b"somebody else's"}


def test_patience_over_gives_up_when_nothing_can_be_visible(house: FakeHouse) -> None:
    house.change_kind(patience=timedelta(seconds=25))
    house.far.faults.extend([Fault.CUT_EARLY] * 3)
    drop(house)
    house.run(patience=3600)

    record = house.record("a.csv")
    assert record.state is State.FAILED
    assert "no success in 2 attempts" in str(record.reason)


@pytest.mark.parametrize("fault", [Fault.RENAMED, Fault.TAKEN, Fault.LOST, Fault.NOT_RENAMED, Fault.STUCK])
def test_patience_over_asks_a_person_when_something_may_be_visible(house: FakeHouse, fault: Fault) -> None:
    house.change_kind(patience=timedelta(seconds=5))
    house.far.faults.append(fault)
    drop(house)
    house.run(patience=3600)

    record = house.record("a.csv")
    assert record.state is State.DEFERRED
    assert reasons(record) == [HoldReason.UNKNOWN_OUTCOME]
    assert house.filed("failed") == []


def test_patience_over_while_settling_asks_a_person_too(house: FakeHouse) -> None:
    house.change_kind(patience=timedelta(seconds=15))
    house.far.faults.append(Fault.RENAMED)
    house.far.find_faults.append(Fault.CUT_EARLY)
    drop(house)
    house.run(patience=3600)

    assert reasons(house.record("a.csv")) == [HoldReason.UNKNOWN_OUTCOME]


# -- after an interruption -------------------------------------------------------------------------------------


def test_what_was_cut_and_is_found_is_delivered_without_sending_again(house: FakeHouse) -> None:
    house.far.faults.append(Fault.RENAMED)
    drop(house)
    house.run()
    assert house.record("a.csv").legs[0].uncertain

    house.clock.pass_seconds(10)
    house.run()

    record = house.record("a.csv")
    assert record.state is State.SENT
    assert record.legs[0].receipt is not None
    assert record.legs[0].receipt.outcome is Outcome.FOUND
    assert house.far.deliveries == [record.submission.id]
    assert len(house.far.appearances) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_RENAMED, Fault.STUCK])
def test_what_was_cut_and_is_withdrawn_is_sent_again_at_once(house: FakeHouse, fault: Fault) -> None:
    house.far.faults.append(fault)
    drop(house)
    house.run()
    house.clock.pass_seconds(10)
    house.run()

    house.far.execute_late()

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1
    assert house.booked("a.csv").count("CommitStarted") == 2


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TAKEN])
def test_what_was_cut_and_left_no_trace_is_held_for_a_person_and_never_sent_again(
    house: FakeHouse, fault: Fault
) -> None:
    house.far.faults.append(fault)
    drop(house)
    house.run()
    house.clock.pass_seconds(10)
    house.run(patience=10**6)

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.UNKNOWN_OUTCOME]
    assert "it may have been taken" in record.holds[0].text
    assert len(house.far.deliveries) == 1


def test_what_was_cut_where_nobody_may_look_is_held(house: FakeHouse) -> None:
    house.far.can_look = False
    house.far.faults.append(Fault.RENAMED)
    drop(house)
    house.run()
    house.clock.pass_seconds(10)
    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.UNKNOWN_OUTCOME]
    assert "the far end cannot be asked: the folder is write-only" in record.holds[0].text


def test_what_was_cut_and_meets_something_else_is_given_up(house: FakeHouse) -> None:
    house.far.faults.append(Fault.LOST)
    drop(house)
    house.run()
    seal = house.record("a.csv").seal
    assert seal is not None
    house.far.files[seal.remote_name] = b"somebody else's"
    house.clock.pass_seconds(10)
    house.run()

    assert house.record("a.csv").state is State.FAILED
    assert house.record("a.csv").reason == "relay: something else has this name"


def test_while_nobody_can_look_what_was_cut_stays_in_doubt_and_is_asked_about_again(house: FakeHouse) -> None:
    house.far.faults.append(Fault.RENAMED)
    house.far.find_faults.extend([Fault.UNREACHABLE, Fault.CUT_EARLY])
    drop(house)
    house.run(patience=3600)

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.finds) == 3
    assert len(house.far.deliveries) == 1


def test_the_search_names_the_attempt_that_was_cut(house: FakeHouse) -> None:
    house.far.faults.extend([Fault.CUT_EARLY, Fault.RENAMED])
    house.far.find_faults.append(Fault.CUT_EARLY)
    drop(house)
    house.run(patience=3600)

    assert [parcel.attempt for parcel in house.far.finds] == [2, 2]


def test_after_a_person_found_nothing_it_is_looked_for_and_sent_again(house: FakeHouse) -> None:
    house.far.faults.append(Fault.LOST)
    drop(house)
    house.run(patience=15)

    release(house, "a.csv", HoldReason.UNKNOWN_OUTCOME)
    house.run()

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1
