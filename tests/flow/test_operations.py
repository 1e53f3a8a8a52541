"""Operations: what an operator may ask and do, what is refused and why."""

from __future__ import annotations

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import KeyUnusable, Refused
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import State
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.once import Once
from sealdrop.flow.operations import Operations, detail, find
from sealdrop.ports.ledger import AGENT_STREAM, Entry
from support.fake_house import FakeHouse
from support.far_end import Fault


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def work_off(run: Once) -> None:
    while (job := run.desk.board.take_any()) is not None:
        run.line.pipeline.work(job)


# -- asking ----------------------------------------------------------------------------------------------------


def test_the_status_tells_what_is_open_what_waits_and_what_is_wrong(house: FakeHouse) -> None:
    house.far.down = True
    house.outbox.drop("a.csv")
    house.outbox.drop("empty.csv", b"")
    status = Operations(house.run(), house.ledger).status()

    assert (status.running, status.environment) == (True, "live")
    assert status.counts == {"deferred": 1}
    assert status.outboxes == {"adt": 1}
    assert status.transports == {"far": "resting for 10 s: far: connection refused"}
    assert [incident.subject for incident in status.incidents] == ["transport far"]


def test_a_submission_is_shown_with_its_history_and_what_it_waits_for(house: FakeHouse) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    operations = Operations(house.run(), house.ledger)
    one = house.record("a.csv").submission.id

    shown = operations.show(one[:24])

    assert shown.record == house.record("a.csv")
    assert [type(item.event).__name__ for item in shown.history] == house.booked("a.csv")
    assert shown.waits_for == operations.waits_for(one) == "waits until 2026-11-24 12:00:10 UTC"
    assert detail(house.ledger, one).waits_for == ""


@pytest.mark.parametrize("prefix", ["zzzz", "", "01m86ptpg", "'; drop table", "../../etc/passwd", "ü", "0" * 10_000])
def test_an_id_that_is_not_one_is_refused_with_advice(house: FakeHouse, prefix: str) -> None:
    if prefix in ("", "01m86ptpg"):
        house.outbox.drop("a.csv")
        house.outbox.drop("b.csv")
    house.run()

    with pytest.raises(Refused) as refusal:
        find(house.ledger, prefix)
    assert refusal.value.hint


def test_an_id_may_be_typed_in_any_case(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.run()
    one = house.record("a.csv").submission.id

    assert find(house.ledger, one.upper()) == one


# -- retrying one ----------------------------------------------------------------------------------------------


def test_a_retry_makes_a_deferred_one_due_now_and_books_who_asked_and_why(house: FakeHouse) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    run = house.run()

    after = Operations(run, house.ledger).retry(house.record("a.csv").submission.id, "uid 1000", "the relay is back")

    assert after.legs[0].not_before is None
    asked = [one.event for one in house.journal.events if isinstance(one.event, ev.RetryRequested)]
    assert asked == [ev.RetryRequested(by="uid 1000", why="the relay is back")]
    work_off(run)
    assert house.record("a.csv").state is State.SENT


def test_a_retry_opens_the_gates_of_its_routes(house: FakeHouse) -> None:
    house.far.down = True
    house.outbox.drop("a.csv")
    run = house.run()
    house.far.down = False

    Operations(run, house.ledger).retry(house.record("a.csv").submission.id, "uid 1", "it answers again")
    work_off(run)

    assert house.record("a.csv").state is State.SENT
    assert ev.RouteResumed(route="far", by="uid 1") in [one.event for one in house.ledger.history(AGENT_STREAM)]
    assert run.desk.incidents.open() == ()


def test_a_technical_hold_is_lifted_by_a_retry(house: FakeHouse) -> None:
    house.sealer.script.add("seal", KeyUnusable("expired"))
    house.outbox.drop("a.csv")
    run = house.run()

    Operations(run, house.ledger).retry(house.record("a.csv").submission.id, "uid 1", "renewed")
    work_off(run)

    assert house.record("a.csv").state is State.SENT


@pytest.mark.parametrize("reason", [HoldReason.OPERATOR, HoldReason.APPROVAL, HoldReason.UNKNOWN_OUTCOME])
def test_a_hold_that_needs_a_decision_is_not_lifted_by_a_retry(house: FakeHouse, reason: HoldReason) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    run = house.run()
    one = house.record("a.csv").submission.id
    house.ledger.append(Entry(stream=one, event=ev.Held(hold=Hold(reason=reason, text="look at it"))))

    with pytest.raises(Refused, match="look at it") as refusal:
        Operations(run, house.ledger).retry(one, "uid 1", "please")

    assert "needs a decision" in refusal.value.hint
    assert house.booked("a.csv")[-1] == "Held"


def test_what_does_not_wait_for_a_retry_is_refused_one(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    run = house.run()

    with pytest.raises(Refused, match="it is sent, and nothing of it waits for a retry"):
        Operations(run, house.ledger).retry(house.record("a.csv").submission.id, "uid 1", "please")


def test_nobody_is_retried_for_an_id_that_is_not_one(house: FakeHouse) -> None:
    with pytest.raises(Refused, match="no submission has such an id"):
        Operations(house.run(), house.ledger).retry("zzz", "uid 1", "please")


# -- retrying a route ------------------------------------------------------------------------------------------


def test_a_retried_route_takes_everything_that_waits_on_it(house: FakeHouse) -> None:
    house.far.locked = True
    for n in range(5):
        house.outbox.drop(f"{n}.csv", b"accept\n%d" % n)
    run = house.run()
    house.far.locked = False

    assert Operations(run, house.ledger).retry_route("relay", "uid 1", "compared the fingerprints") == 1
    work_off(run)

    assert {record.state for record in house.records()} == {State.SENT}


def test_a_retried_route_leaves_held_ones_alone(house: FakeHouse) -> None:
    house.far.faults.append(Fault.LOST)
    house.outbox.drop("a.csv")
    run = house.run(patience=15)
    assert house.record("a.csv").holds

    assert Operations(run, house.ledger).retry_route("relay", "uid 1", "please") == 0
    assert house.record("a.csv").holds


def test_an_open_route_is_not_said_to_be_resumed(house: FakeHouse) -> None:
    run = house.run()

    assert Operations(run, house.ledger).retry_route("relay", "uid 1", "please") == 0
    assert "RouteResumed" not in [type(one.event).__name__ for one in house.ledger.events]


def test_a_route_that_is_not_configured_is_refused_with_those_that_are(house: FakeHouse) -> None:
    with pytest.raises(Refused, match="no such route") as refusal:
        Operations(house.run(), house.ledger).retry_route("ra\x1b[31m", "uid 1", "please")

    assert refusal.value.hint == "Configured are: relay"
    assert "\x1b" not in str(refusal.value)


# -- decisions -------------------------------------------------------------------------------------------------


def held_one(house: FakeHouse, *reasons: HoldReason) -> tuple[Operations, SubmissionId]:
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    run = house.run()
    one = house.record("a.csv").submission.id
    for reason in reasons:
        record = run.desk.books.book(one, ev.Held(hold=Hold(reason=reason, text="look at it")))
        run.desk.board.refresh(record)
    return Operations(run, house.ledger), one


def test_a_release_lifts_the_one_hold_and_says_who_and_why(house: FakeHouse) -> None:
    operations, one = held_one(house, HoldReason.OPERATOR)
    assert operations.status().held == 1

    after = operations.release(one, "uid 1", "looked at it")

    assert after.holds == ()
    assert operations.status().held == 0
    released = [item.event for item in house.ledger.history(one)][-1]
    assert released == ev.Released(reason=HoldReason.OPERATOR, by="uid 1", why="looked at it")


def test_a_release_never_lifts_what_is_not_an_operators(house: FakeHouse) -> None:
    operations, one = held_one(house, HoldReason.APPROVAL)

    with pytest.raises(Refused, match="an operator may not lift"):
        operations.release(one, "uid 1", "please")
    assert house.record("a.csv").holds


def test_one_of_several_holds_must_be_named(house: FakeHouse) -> None:
    operations, one = held_one(house, HoldReason.OPERATOR, HoldReason.FINDING)

    with pytest.raises(Refused, match="several reasons") as refusal:
        operations.release(one, "uid 1", "please")
    assert "finding, operator" in refusal.value.hint
    with pytest.raises(Refused, match="not held for that"):
        operations.release(one, "uid 1", "please", "poison")

    assert [hold.reason for hold in operations.release(one, "uid 1", "fine", "finding").holds] == [HoldReason.OPERATOR]


def test_what_is_not_held_cannot_be_released(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    operations = Operations(house.run(), house.ledger)

    with pytest.raises(Refused, match="not held"):
        operations.release(house.record("a.csv").submission.id, "uid 1", "please")


def test_what_is_abandoned_is_filed_under_failed_and_never_sent(house: FakeHouse) -> None:
    operations, one = held_one(house, HoldReason.APPROVAL)

    operations.abandon(one, "uid 1", "withdrawn")
    house.run(patience=10**6)

    record = house.record("a.csv")
    assert (record.state, record.reason) == (State.FAILED, "abandoned by uid 1: withdrawn")
    assert house.far.appearances == []
    with pytest.raises(Refused):
        operations.abandon(one, "uid 1", "again")


def test_a_retry_lets_the_transport_forget_a_refused_login(house: FakeHouse) -> None:
    house.far.locked = True
    house.outbox.drop("a.csv")
    operations = Operations(house.run(), house.ledger)
    house.far.locked = False

    operations.retry_route("relay", "uid 1", "unlocked")

    assert house.far.closed == 1
