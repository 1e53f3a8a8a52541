"""What guards compare with, end to end: nothing slips past by being in flight, and what is gone is not forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import NotYet, Refused
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import State
from sealdrop.core.order import OrderPolicy
from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Finding, Severity, Verdict
from sealdrop.flow import guarding
from sealdrop.flow.operations import Operations
from sealdrop.ports.ledger import Entry
from sealdrop.ports.rules import Earlier
from support.fake_house import FakeHouse
from support.fake_service import Service
from support.far_end import Fault
from support.memory_spool import ROOT
from support.waiting import wait_until


def guarded_house(order: OrderPolicy = OrderPolicy.SUPERSEDE, **kind: object) -> FakeHouse:
    house = FakeHouse(order=order, **kind)
    house.validator.compares = True
    return house


def drop(house: FakeHouse, name: str, number: int, keys: str = "1", word: str = "accept") -> None:
    house.outbox.drop(name, f"{word} {keys}\n{number}\n{name}".encode())


def sent(house: FakeHouse, name: str, number: int, keys: str = "1") -> None:
    drop(house, name, number, keys)
    house.run()
    assert house.record(name).state is State.SENT, house.record(name).holds


def compared(house: FakeHouse, name: str) -> list[str]:
    """Return the file names that a file was compared with, by what its guard was last given."""
    names = {record.submission.id: record.submission.file_name for record in house.records()}
    mine = house.record(name).submission.id
    last = [one for one in house.validator.guarded if all(file.submission < mine for file in one.files)][-1]
    return [names[file.submission] for file in last.files]


def held_by(house: FakeHouse, name: str) -> list[HoldReason]:
    return [hold.reason for hold in house.record(name).holds]


def test_a_threshold_far_above_the_newest_delivered_one_is_held_with_its_change_until_it_is_released() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    sent(house, "second.csv", 150)
    drop(house, "third.csv", 15_000)
    run = house.run()

    record = house.record("third.csv")
    assert compared(house, "third.csv") == ["second.csv"]
    assert (record.state, held_by(house, "third.csv")) == (State.ACCEPTED, [HoldReason.FINDING])
    assert record.holds[0].text.startswith("guard.increase: ")
    ((old, new, earlier),) = [(change.old, change.new, change.earlier) for change in record.changes]
    assert (old, new, earlier) == (150, 15_000, house.record("second.csv").submission.id)
    Operations(run, house.ledger).release(record.submission.id, "uid 1", "it is meant")
    house.run()
    assert house.record("third.csv").state is State.SENT


def test_two_files_in_flight_do_not_slip_past_each_other() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    house.far.faults.extend([Fault.CUT_EARLY] * 4)
    drop(house, "low.csv", 10)
    drop(house, "back.csv", 150)  # within the limit of what was sent, not of what goes ahead
    house.run()

    assert compared(house, "back.csv") == ["first.csv", "low.csv"]
    assert held_by(house, "back.csv") == [HoldReason.FINDING]


def test_a_file_is_not_judged_before_the_one_ahead_of_it_whatever_workers_are_free() -> None:
    house = guarded_house(OrderPolicy.CLAIM_ORDER)
    sent(house, "first.csv", 100)
    house.far.down = True  # nothing lands, so that nothing but what is on its way tells them apart
    taken_in = threading.Event()
    house.validator.on_validate = lambda data: None if b"low.csv" not in data else _wait(taken_in)
    drop(house, "low.csv", 10)
    drop(house, "back.csv", 150)
    service = Service(house)
    service.start()
    assert service.hints.wake is not None
    service.hints.wake()
    wait_until(lambda: "back.csv" in {one.submission.file_name for one in house.records()}, what="the second claim")
    taken_in.set()
    wait_until(lambda: house.record("back.csv").state is not State.CLAIMED, what="the second verdict")
    service.stop()

    assert held_by(house, "back.csv") == [HoldReason.FINDING]


def test_a_key_without_any_earlier_file_is_counted_as_fresh() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    drop(house, "other.csv", 100, keys="1,2,3")
    house.run()

    assert house.validator.guarded[-1].fresh == 2
    ((keys,),) = [[file.keys for file in house.validator.guarded[-1].files]]
    assert keys == {"1"}


def test_each_key_is_compared_with_its_own_newest_file() -> None:
    house = guarded_house()
    sent(house, "both.csv", 100, keys="1,2")
    sent(house, "one.csv", 100, keys="1")
    drop(house, "next.csv", 100, keys="1,2")
    house.run()

    names = {house.record(name).submission.id: name for name in ("both.csv", "one.csv")}
    files = house.validator.guarded[-1].files
    assert [(names[file.submission], set(file.keys)) for file in files] == [("both.csv", {"2"}), ("one.csv", {"1"})]


def test_what_was_rejected_superseded_or_abandoned_is_not_compared_with() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    drop(house, "wrong.csv", 1, word="reject")
    house.far.faults.append(Fault.CUT_EARLY)
    drop(house, "overtaken.csv", 60)
    run = house.run()
    drop(house, "given-up.csv", 120, word="hold")
    run = house.run()
    Operations(run, house.ledger).abandon(house.record("given-up.csv").submission.id, "uid 1", "a mistake")
    house.run()
    sent(house, "newer.csv", 100)
    assert house.record("overtaken.csv").state is State.FAILED
    drop(house, "last.csv", 190)
    house.run()

    assert compared(house, "last.csv") == ["newer.csv"]
    assert house.record("last.csv").state is State.SENT


@pytest.mark.parametrize("keep", ["sealed", "digest"])
def test_a_file_whose_predecessor_was_not_kept_is_held(keep: str) -> None:
    house = guarded_house(keep=keep)
    sent(house, "first.csv", 100)
    drop(house, "second.csv", 100)
    house.run()

    assert house.validator.guarded[-1].lost == (house.record("first.csv").submission.id,)
    assert house.record("second.csv").holds[0].text.startswith("guard.no-comparison: ")


def test_content_that_somebody_took_from_sent_is_lost_and_no_reason_to_stop() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    (content,) = [path for path in house.disk.under(ROOT / "sent") if path.name == "first.csv"]
    house.disk.remove(content)
    drop(house, "second.csv", 100)
    house.run()

    assert held_by(house, "second.csv") == [HoldReason.FINDING]


def test_an_earlier_file_that_is_just_being_filed_is_looked_for_again() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    house.validator.script.add("guard", NotYet("it has moved"))
    drop(house, "second.csv", 150)
    house.run()

    assert house.record("second.csv").state is State.SENT
    assert [len(one.files) for one in house.validator.guarded] == [0, 1, 1]


def test_earlier_files_that_move_for_ever_hold_the_submission_and_nothing_else() -> None:
    house = guarded_house()
    sent(house, "first.csv", 100)
    house.validator.script.add("guard", *[NotYet("it has moved")] * guarding.LOOKS)
    drop(house, "second.csv", 150)
    house.run()

    assert held_by(house, "second.csv") == [HoldReason.FAULT]


def test_more_earlier_files_than_are_compared_ask_for_a_person() -> None:
    house = guarded_house(OrderPolicy.NONE)
    keys = [f"{number:02}" for number in range(guarding.MOST_EARLIER + 1)]
    for key in keys:
        drop(house, f"{key}.csv", 100, keys=key)
    house.run()
    drop(house, "most.csv", 100, keys=",".join(keys[1:]))
    house.run()
    assert len(house.validator.guarded[-1].files) == guarding.MOST_EARLIER
    drop(house, "all.csv", 100, keys=",".join([*keys, "fresh"]))
    house.run()
    assert not house.validator.guarded[-1].too_many, "one file now stands for all but one of the keys"
    for key in keys:
        drop(house, f"{key}-again.csv", 100, keys=key)
    house.run()
    drop(house, "too-many.csv", 100, keys=",".join(keys))
    house.run()

    assert house.validator.guarded[-1] == Earlier(too_many=True)
    assert house.record("too-many.csv").holds[0].text.startswith("guard.too-much: ")


def test_where_approvals_are_wanted_no_release_lifts_the_hold_and_abandoning_works() -> None:
    house = guarded_house()
    house.validator.approvals = 2
    sent(house, "first.csv", 100)
    drop(house, "second.csv", 15_000)
    run = house.run()
    operations = Operations(run, house.ledger)
    one = house.record("second.csv").submission.id

    assert held_by(house, "second.csv") == [HoldReason.APPROVAL]
    assert "2 approvals" in house.record("second.csv").holds[0].text
    assert house.record("second.csv").approvals == 2
    with pytest.raises(Refused, match="may not lift"):
        operations.release(one, "uid 1", "please")
    with pytest.raises(Refused, match="held"):
        operations.retry(one, "uid 1", "please")
    operations.abandon(one, "uid 1", "a mistake")
    house.run()
    assert house.record("second.csv").state is State.FAILED
    (report,) = [path for path in house.disk.under(ROOT / "failed") if path.name == "report.txt"]
    assert b"+14900 %" in house.disk.read(report)


def test_what_a_guard_and_what_a_rule_holds_are_two_holds_where_approvals_are_wanted() -> None:
    house = guarded_house()
    house.validator.approvals = 1
    sent(house, "first.csv", 100)
    drop(house, "second.csv", 15_000, word="hold")
    run = house.run()
    one = house.record("second.csv").submission.id

    assert sorted(held_by(house, "second.csv"), key=str) == [HoldReason.APPROVAL, HoldReason.FINDING]
    Operations(run, house.ledger).release(one, "uid 1", "that is right", "finding")
    house.run()
    assert held_by(house, "second.csv") == [HoldReason.APPROVAL]


def test_a_file_that_is_held_before_it_was_judged_does_not_hold_up_its_kind() -> None:
    house = guarded_house()
    house.validator.on_validate = _fail_on(b"poison")
    drop(house, "poison.csv", 100)
    drop(house, "good.csv", 100)
    house.run()

    assert held_by(house, "poison.csv") == [HoldReason.FAULT]
    assert house.record("good.csv").state is State.SENT


def _wait(event: threading.Event) -> None:
    event.wait(10)


def _fail_on(mark: bytes) -> Callable[[bytes], None]:
    def fail(data: bytes) -> None:
        if mark in data:
            message = "a fault of ours"
            raise RuntimeError(message)

    return fail


def test_a_kind_without_guards_is_not_judged_in_order() -> None:
    house = FakeHouse()
    for number in range(3):
        drop(house, f"{number}.csv", 10**number)
    house.run()

    assert house.validator.guarded == []
    assert {record.state for record in house.records()} == {State.SENT}


def finding(rule: str, severity: Severity = Severity.HOLD) -> Finding:
    return Finding(rule=rule, severity=severity, message=f"said by {rule}", hint="Look.")


def verdict(*findings: Finding, approvals: int = 0, holding: int | None = None, guarding: int = 0) -> Verdict:
    return Verdict(
        profile="p", profile_version="1", findings=findings, suppressed=0, records=1, ordering_keys=(),
        holding=len(findings) if holding is None else holding, guarding=guarding, approvals=approvals,
    )  # fmt: skip


def test_the_hold_names_every_guard_once_and_counts_what_is_not_listed() -> None:
    found = (
        finding("srv.unknown"),
        finding("guard.increase"),
        finding("guard.increase"),
        finding("guard.zero-critical"),
    )
    (held,) = guarding.holds_of(verdict(*found, holding=30, guarding=29))

    assert held.hold.text == (
        "guard.increase, guard.zero-critical: said by guard.increase; 30 findings ask for a decision"
    )
    assert guarding.holds_of(verdict(finding("guard.first-file", Severity.WARN), holding=0)) == ()


def test_an_approval_hold_cannot_be_booked_away_by_a_released_event() -> None:
    house = guarded_house()
    house.validator.approvals = 1
    sent(house, "first.csv", 100)
    drop(house, "second.csv", 15_000)
    house.run()
    one = SubmissionId(house.record("second.csv").submission.id)

    with pytest.raises(Refused):
        house.ledger.append(Entry(stream=one, event=ev.Released(reason=HoldReason.APPROVAL, by="x", why="y")))
