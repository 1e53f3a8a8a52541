"""Recovery: whatever a dead process left behind is made whole by one pass, and a second pass changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sealdrop.core import events as ev
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.flow.operations import Operations
from sealdrop.flow.recovery import MOST_RECOVERIES
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse
from support.far_end import Fault
from support.memory_disk import Died
from support.memory_spool import ROOT


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def die_in_the_rules(house: FakeHouse) -> None:
    """Let a process die while it validates."""
    house.validator.on_validate = lambda _: house.fuse.blow("in the rules")
    with pytest.raises(Died):
        house.run()
    house.validator.on_validate = lambda _: None


def deaths(house: FakeHouse) -> int:
    """Kill a process at each of its steps in turn, from the same start each time; return how many there are."""
    run = house.once()
    start = house.fuse.steps
    run.run()
    return house.fuse.steps - start


# -- every step ------------------------------------------------------------------------------------------------


def test_a_file_arrives_once_wherever_the_process_dies(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"accept 1\n")
    steps = deaths(house)
    assert steps > 40

    for step in range(steps):
        other = FakeHouse()
        other.outbox.drop("a.csv", b"accept 1\n")
        run = other.once()
        other.fuse.light(step)
        with pytest.raises(Died):
            run.run()
        other.run(patience=60)

        record = other.record("a.csv")
        assert record.state is State.SENT, f"died at step {step}"
        assert len(other.far.appearances) == 1
        assert [path.name for path in other.disk.under(ROOT / "sent")] == ["a.csv", "receipt.json"]
        assert other.disk.under(ROOT / "work") == []
        assert len(other.disk.under(ROOT / "results")) == 1


@pytest.mark.parametrize("fault", [Fault.TAKEN, Fault.RENAMED, Fault.NOT_RENAMED, Fault.STUCK])
def test_nothing_appears_twice_wherever_the_process_dies_and_whatever_the_far_end_did(fault: Fault) -> None:
    step, died = 0, True
    while died:
        house = FakeHouse()
        house.far.faults.append(fault)
        house.outbox.drop("a.csv", b"accept 1\n")
        run = house.once(patience=60)
        house.fuse.light(step)
        died = _dies(run.run)
        house.run(patience=60)
        house.far.execute_late()

        record = house.record("a.csv")
        sent = record.state is State.SENT
        assert sent or reasons(record) == [HoldReason.UNKNOWN_OUTCOME], f"died at step {step}"
        assert len(house.far.appearances) == 1 or not (sent or house.far.appearances)
        step += 1
    assert step > 40


def _dies(act: Callable[[], object]) -> bool:
    try:
        act()
    except Died:
        return True
    return False


def test_a_process_that_dies_in_recovery_again_and_again_changes_nothing_more(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"accept 1\n")
    house.far.on_committed = lambda: house.fuse.blow("after the commit")
    with pytest.raises(Died):
        house.run()
    house.far.on_committed = lambda: None

    for step in range(6):
        run = house.once()
        house.fuse.light(step)
        with pytest.raises(Died):
            run.run()
    house.run()

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1


# -- by kind of remains ----------------------------------------------------------------------------------------


def test_a_claimed_file_that_was_not_booked_is_booked(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    run = house.once()
    run.line.intake.sweep()
    assert house.records() == []

    assert house.once().line.recovery.run() == 1
    house.run()

    assert house.record("a.csv").state is State.SENT


def test_new_ids_sort_after_everything_that_was_claimed_or_booked(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    house.run()
    house.outbox.drop("b.csv")
    house.once().line.intake.sweep()
    house.clock.set(house.clock.now().replace(year=2020))

    run = house.once()
    run.line.recovery.run()

    last = max(claimed.submission for claimed in house.spool.claimed())
    assert house.clock.new_id() > last


def test_an_attempt_that_was_cut_before_its_commit_is_sent_again(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.far.on_uploaded = lambda: house.fuse.blow("before the commit")
    with pytest.raises(Died):
        house.run()
    house.far.on_uploaded = lambda: None

    house.once().line.recovery.run()
    assert house.booked("a.csv")[3:] == ["AttemptStarted", "AttemptInterrupted"]

    house.run()
    assert house.far.finds == [], "nothing can have become visible, so there is nothing to settle"
    assert len(house.far.appearances) == 1


def test_recovery_run_twice_books_nothing_the_second_time(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv", b"hold\n")
    house.far.on_uploaded = lambda: house.fuse.blow("before the commit")
    with pytest.raises(Died):
        house.run()
    house.once().line.recovery.run()
    booked = len(house.ledger.events)

    run = house.once()

    assert run.line.recovery.run() == 2
    assert len(house.ledger.events) == booked


def test_a_file_that_kills_the_process_three_times_is_held_and_the_others_go_on(house: FakeHouse) -> None:
    house.outbox.drop("poison.csv", b"accept 1\npoison")
    for _ in range(MOST_RECOVERIES):
        die_in_the_rules(house)
    house.outbox.drop("b.csv", b"accept 1\nb")
    house.validator.on_validate = lambda data: house.fuse.blow("again") if b"poison" in data else None

    house.run()

    poison = house.record("poison.csv")
    assert reasons(poison) == [HoldReason.POISON]
    assert poison.holds[0].text == "the agent died 3 times in a row while it did this: validate"
    assert house.record("b.csv").state is State.SENT


def test_a_poison_file_that_is_retried_is_given_three_more_chances(house: FakeHouse) -> None:
    house.outbox.drop("poison.csv")
    for _ in range(MOST_RECOVERIES):
        die_in_the_rules(house)
    run = house.run()

    Operations(run, house.ledger).retry(house.record("poison.csv").submission.id, "uid 1", "mended")
    die_in_the_rules(house)
    house.run()

    assert house.record("poison.csv").state is State.SENT


def test_deaths_at_different_stages_do_not_add_up(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    for _ in range(MOST_RECOVERIES - 1):
        die_in_the_rules(house)
    house.sealer.script.add("seal", *[RuntimeError("not yet")])
    run = house.run()
    assert house.record("a.csv").recoveries == 0

    Operations(run, house.ledger).retry(house.record("a.csv").submission.id, "uid 1", "mended")
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_a_death_while_another_file_was_in_hand_is_not_counted(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    house.run()
    house.outbox.drop("b.csv")
    die_in_the_rules(house)
    house.run()

    assert "Recovered" not in house.booked("a.csv")
    assert house.booked("b.csv").count("Recovered") == 1
    assert house.hand.left() == ()


# -- what people did meanwhile ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "missing"), [("content", "its private copy is gone"), ("sealed", "its sealed file is gone")]
)
def test_bytes_that_somebody_removed_are_held_with_what_is_missing(house: FakeHouse, name: str, missing: str) -> None:
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    house.run()
    house.outbox.drop("b.csv")
    (gone,) = [path for path in house.disk.under(ROOT / "work") if path.name == name]
    data = house.disk.files.pop(gone)

    house.run(patience=60)
    run = house.run(patience=60)

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.FAULT]
    assert record.holds[0].text.startswith(missing)
    assert house.booked("a.csv").count("Held") == 1
    assert house.record("b.csv").state is State.SENT
    house.disk.files[gone] = data
    Operations(run, house.ledger).retry(record.submission.id, "uid 1", "put back")
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_a_work_folder_of_an_outbox_that_is_not_configured_is_left_and_said(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.once().line.intake.sweep()
    setup = house.setup
    house.change(outboxes=())

    run = house.run()

    assert run.line.recovery.run() == 0
    assert "is of an outbox that is not configured" in house.journal.texts()[0]
    house.setup = setup
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_what_is_held_stays_held(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    run = house.once()
    run.line.intake.sweep()
    house.validator.on_validate = lambda _: _hold(house)
    house.run()
    house.run()

    assert reasons(house.record("a.csv")) == [HoldReason.OPERATOR]


def _hold(house: FakeHouse) -> None:
    hold = Hold(reason=HoldReason.OPERATOR, text="stopped by a person")
    house.ledger.append(Entry(stream=house.records()[-1].submission.id, event=ev.Held(hold=hold)))


def test_a_filed_submission_is_none_of_its_business(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.run()
    booked = house.booked("a.csv")

    assert house.once().line.recovery.run() == 0
    assert house.booked("a.csv") == booked
