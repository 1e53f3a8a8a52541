"""Order and duplicates, end to end: what lands after what, what never lands, and what counts as a repetition."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import Refused
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.order import OrderPolicy
from sealdrop.flow.operations import Operations
from sealdrop.flow.setup import DuplicatePolicy
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse, make_route
from support.far_end import FarEnd, Fault

SUPERSEDE, CLAIM_ORDER = OrderPolicy.SUPERSEDE, OrderPolicy.CLAIM_ORDER
ORDERED = pytest.mark.parametrize("order", [SUPERSEDE, CLAIM_ORDER])


def landed(house: FakeHouse) -> list[str]:
    """Return the file names of what appeared at the far end, in order."""
    names = {record.submission.id: record.submission.file_name for record in house.records()}
    return [names[one.submission] for one in house.far.appearances]


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def release(house: FakeHouse, name: str) -> None:
    record = house.record(name)
    released = ev.Released(reason=record.holds[0].reason, by="uid 1", why="decided")
    house.ledger.append(Entry(stream=record.submission.id, event=released))


@ORDERED
def test_files_of_one_key_land_in_the_order_they_were_dropped(order: OrderPolicy) -> None:
    house = FakeHouse(order=order)
    names = [f"{9 - n}.csv" for n in range(9)]
    for n, name in enumerate(names):
        house.outbox.drop(name, b"accept 1\n%d" % n)
    house.run()

    assert landed(house) == names


def test_an_older_deferred_one_is_superseded_and_never_lands() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.run()
    house.outbox.drop("new.csv", b"accept 1,2\nnew")
    house.run()

    old, new = house.record("old.csv"), house.record("new.csv")
    assert (old.state, old.superseded_by) == (State.FAILED, new.submission.id)
    house.run(patience=10**6)
    assert landed(house) == ["new.csv"]


def test_a_superseded_one_cannot_be_retried() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.run()
    house.outbox.drop("new.csv", b"accept 1\nnew")
    run = house.run()

    with pytest.raises(Refused, match="it is failed"):
        Operations(run, house.ledger).retry(house.record("old.csv").submission.id, "uid 1", "please")


def test_in_claim_order_a_newer_one_waits_whatever_it_takes() -> None:
    house = FakeHouse(order=CLAIM_ORDER)
    house.far.faults.extend([Fault.CUT_EARLY] * 3)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.outbox.drop("new.csv", b"accept 1\nnew")
    house.outbox.drop("other.csv", b"accept 2\nother")
    house.run(patience=3600)

    assert [name for name in landed(house) if name != "other.csv"] == ["old.csv", "new.csv"]


def test_without_order_a_newer_one_goes_ahead() -> None:
    house = FakeHouse(order=OrderPolicy.NONE)
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.outbox.drop("new.csv", b"accept 1\nnew")
    house.run(patience=60)

    assert landed(house) == ["new.csv", "old.csv"]


def test_a_partial_overlap_waits_because_the_key_left_out_would_be_lost() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("both.csv", b"accept 1,2\nboth")
    house.outbox.drop("one.csv", b"accept 1\none")
    house.run(patience=60)

    assert landed(house) == ["both.csv", "one.csv"]


def test_an_older_one_that_is_ready_goes_first_and_both_land() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.UNREACHABLE)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.run()
    house.outbox.drop("new.csv", b"accept 1\nnew")

    house.clock.pass_seconds(10)
    house.run()

    assert landed(house) == ["old.csv", "new.csv"]


def test_one_held_as_a_duplicate_does_not_block_its_kind() -> None:
    house = FakeHouse(order=CLAIM_ORDER, duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("again.csv", b"accept 1\nx"), ("b.csv", b"accept 1\ny")):
        house.outbox.drop(name, content)
    house.run()

    assert landed(house) == ["a.csv", "b.csv"]
    assert reasons(house.record("again.csv")) == [HoldReason.DUPLICATE]


@pytest.mark.parametrize(
    ("order", "state", "holds"),
    [(SUPERSEDE, State.FAILED, []), (CLAIM_ORDER, State.SEALED, [HoldReason.OUT_OF_ORDER])],
)
def test_one_that_was_overtaken_while_held_does_not_land_when_released(
    order: OrderPolicy, state: State, holds: list[HoldReason]
) -> None:
    house = FakeHouse(order=order, duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("again.csv", b"accept 1\nx"), ("b.csv", b"accept 1\ny")):
        house.outbox.drop(name, content)
    house.run()

    release(house, "again.csv")
    house.run()

    again = house.record("again.csv")
    assert landed(house) == ["a.csv", "b.csv"]
    assert (again.state, reasons(again)) == (state, holds)


def test_one_that_was_overtaken_in_part_asks_a_person_who_may_send_it_all_the_same() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.outbox.drop("old.csv", b"hold 1,2\nold")
    house.run()
    held = house.record("old.csv")
    assert reasons(held) == [HoldReason.FINDING]
    house.outbox.drop("new.csv", b"accept 1\nnew")
    house.run()
    assert landed(house) == [], "it would lose key 2"
    release(house, "old.csv")
    house.run()
    assert landed(house) == ["old.csv", "new.csv"]


def test_out_of_order_is_lifted_by_a_person_and_blocks_no_newer_one() -> None:
    house = FakeHouse(order=CLAIM_ORDER, duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("again.csv", b"accept 1\nx"), ("b.csv", b"accept 1\ny")):
        house.outbox.drop(name, content)
    house.run()
    release(house, "again.csv")
    house.run()
    house.outbox.drop("c.csv", b"accept 1\nz")
    house.run()
    assert landed(house) == ["a.csv", "b.csv", "c.csv"]

    release(house, "again.csv")
    house.run()

    assert landed(house) == ["a.csv", "b.csv", "c.csv", "again.csv"]


def test_an_older_one_that_may_still_appear_is_settled_before_the_newer_goes() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.STUCK)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.run()
    house.outbox.drop("new.csv", b"accept 1\nnew")
    house.run(patience=60)

    house.far.execute_late()

    assert landed(house) == ["old.csv", "new.csv"]


def test_an_older_one_nobody_can_settle_is_superseded_once_a_person_is_asked() -> None:
    house = FakeHouse(order=SUPERSEDE)
    house.far.faults.append(Fault.LOST)
    house.outbox.drop("old.csv", b"accept 1\nold")
    house.run()
    house.outbox.drop("new.csv", b"accept 1\nnew")
    house.run(patience=60)

    assert landed(house) == ["new.csv"]
    assert house.record("old.csv").superseded_by == house.record("new.csv").submission.id


def test_one_that_landed_in_part_keeps_an_older_one_from_following() -> None:
    house = FakeHouse(order=SUPERSEDE, duplicates=DuplicatePolicy.HOLD)
    portal = FarEnd("portal", house.disk, house.clock)
    legs = (*house.setup.kinds["adt"].legs, replace(house.setup.kinds["adt"].legs[0], name="portal", route="portal"))
    house.change_kind(legs=legs)
    house.change(routes={"relay": make_route("relay", house.far), "portal": make_route("portal", portal)})
    for name, content in (("a.csv", b"accept 1\nx"), ("again.csv", b"accept 1\nx")):
        house.outbox.drop(name, content)
    house.run()
    portal.locked = True
    house.outbox.drop("b.csv", b"accept 1\ny")
    house.run()
    assert landed(house) == ["a.csv", "b.csv"]

    release(house, "again.csv")
    house.run()

    assert landed(house) == ["a.csv", "b.csv"]
    assert house.record("again.csv").superseded_by == house.record("b.csv").submission.id


# -- repetitions -----------------------------------------------------------------------------------------------


def twice(house: FakeHouse, *, days_between: float = 0) -> None:
    house.outbox.drop("a.csv", b"accept 1\nx")
    house.run()
    house.clock.advance(timedelta(days=days_between))
    house.outbox.drop("again.csv", b"accept 1\nx")
    house.run()


def test_a_repetition_waits_for_a_person() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.HOLD)
    twice(house)

    again = house.record("again.csv")
    assert reasons(again) == [HoldReason.DUPLICATE]
    assert again.duplicate_of == house.record("a.csv").submission.id


def test_a_repetition_that_is_released_is_sent() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.HOLD)
    twice(house)

    release(house, "again.csv")
    house.run()

    assert landed(house) == ["a.csv", "again.csv"]


def test_a_repetition_is_filed_with_a_note() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.FILE)
    twice(house)

    again = house.record("again.csv")
    assert again.state is State.FAILED
    assert again.reason == f"equal bytes to submission {house.record('a.csv').submission.id}"
    assert landed(house) == ["a.csv"]


def test_a_repetition_is_sent_where_the_kind_says_so() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.SEND)
    twice(house)

    assert landed(house) == ["a.csv", "again.csv"]


def test_after_the_window_equal_bytes_are_no_repetition() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.HOLD, duplicate_window=timedelta(days=7))
    twice(house, days_between=7.01)

    assert landed(house) == ["a.csv", "again.csv"]


def test_what_was_rejected_or_failed_may_be_dropped_again() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.HOLD)
    house.far.faults.append(Fault.PERMANENT)
    twice(house)

    assert landed(house) == ["again.csv"]


def test_going_back_to_earlier_bytes_is_not_a_repetition() -> None:
    house = FakeHouse(order=SUPERSEDE, duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("b.csv", b"accept 1\ny"), ("back.csv", b"accept 1\nx")):
        house.outbox.drop(name, content)
        house.run()

    assert landed(house) == ["a.csv", "b.csv", "back.csv"]


def test_going_back_is_not_a_repetition_while_what_came_between_is_not_delivered() -> None:
    house = FakeHouse(order=SUPERSEDE, duplicates=DuplicatePolicy.HOLD)
    house.outbox.drop("a.csv", b"accept 1\nx")
    house.run()
    house.far.down = True
    for name, content in (("b.csv", b"accept 1\ny"), ("back.csv", b"accept 1\nx"), ("c.csv", b"accept 1\nz")):
        house.outbox.drop(name, content)
    house.run()

    assert reasons(house.record("back.csv")) == []


def test_a_file_of_other_keys_in_between_does_not_make_a_repetition_meant() -> None:
    house = FakeHouse(order=SUPERSEDE, duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("b.csv", b"accept 2\ny"), ("again.csv", b"accept 1\nx")):
        house.outbox.drop(name, content)
        house.run()

    assert reasons(house.record("again.csv")) == [HoldReason.DUPLICATE]


def test_another_file_in_between_that_is_not_judged_yet_counts_and_an_equal_one_does_not() -> None:
    house = FakeHouse(duplicates=DuplicatePolicy.HOLD)
    for name, content in (("a.csv", b"accept 1\nx"), ("b.csv", b"accept 1\ny"), ("back.csv", b"accept 1\nx")):
        house.outbox.drop(name, content)
    house.validator.script.lasting["validate"] = RuntimeError("not now")
    run = house.once()
    run.line.intake.sweep()
    jobs = [run.desk.board.take_any() for _ in range(3)]
    records = [
        run.line.pipeline._stages.take_in(job.arrival)  # noqa: SLF001 - three workers, stopped between their two steps
        for job in jobs
        if job is not None and job.arrival is not None
    ]
    for record in records:
        assert record is not None
        run.desk.board.note(record)
    house.validator.script.lasting.clear()

    assert records[2] is not None
    judged = run.line.pipeline._stages.validate(records[2])  # noqa: SLF001 - as above

    assert reasons(judged) == []
