"""The pipeline: faults of our own, seals that fail, and races that are lost cost one submission at most."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import (
    KeyUnusable,
    NoSpace,
    SealFailed,
    StaleTransition,
    StorageFailure,
)
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.steps import Work
from sealdrop.flow.jobs import Job
from sealdrop.flow.operations import Operations
from sealdrop.flow.pipeline import describe_fault
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse
from support.far_end import Fault
from support.memory_spool import ROOT

SECRET = "payload that must never be shown"  # noqa: S105 - stands for the content of a file


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def files_of(house: FakeHouse, to: str) -> list[str]:
    return [path.name for path in house.disk.under(ROOT / to)]


# -- faults of ours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "act"), [("validator", "validate"), ("sealer", "seal"), ("spool", "keep")], ids=["rules", "seal", "keep"]
)
def test_a_fault_of_our_own_code_holds_one_submission_and_names_no_payload(
    house: FakeHouse, where: str, act: str
) -> None:
    getattr(house, where).script.add(act, RuntimeError(SECRET))
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    run = house.run()

    held, other = house.records() if house.records()[0].holds else house.records()[::-1]
    assert reasons(held) == [HoldReason.FAULT]
    assert held.holds[0].text.startswith("RuntimeError in sealdrop.flow.")
    assert SECRET not in str(house.journal.notices) + str(held)
    assert other.state is State.SENT
    Operations(run, house.ledger).retry(held.submission.id, "uid 1", "mended")
    house.run()
    assert {record.state for record in house.records()} == {State.SENT}


def test_a_fault_of_a_transport_ends_its_attempt_as_cut_and_holds(house: FakeHouse) -> None:
    house.far.faults.append(Fault.SURPRISE)
    house.outbox.drop("a.csv")
    house.run()

    assert house.booked("a.csv")[-3:] == ["AttemptStarted", "AttemptInterrupted", "Held"]
    assert reasons(house.record("a.csv")) == [HoldReason.FAULT]
    assert SECRET not in str(house.journal.notices) + str(house.record("a.csv"))


def test_a_fault_while_filing_delays_the_filing_and_stops_nothing(house: FakeHouse) -> None:
    house.spool.script.add("file", RuntimeError(SECRET))
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    house.run()

    assert sorted(record.state.value for record in house.records()) == ["delivered", "sent"]
    house.run()
    assert {record.state for record in house.records()} == {State.SENT}
    assert len(house.far.appearances) == 2


def test_a_fault_from_outside_our_code_names_only_its_type() -> None:
    assert describe_fault(RuntimeError(SECRET)) == "RuntimeError. Report it, then retry"


@pytest.mark.parametrize("act", ["keep", "file"])
def test_a_failing_disk_is_let_through_and_the_next_start_goes_on(house: FakeHouse, act: str) -> None:
    house.spool.script.add(act, StorageFailure("the sync failed", where="work"))
    house.outbox.drop("a.csv")

    with pytest.raises(StorageFailure, match="the sync failed"):
        house.run()
    house.run()

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1


@pytest.mark.parametrize("act", ["keep", "file"])
def test_a_full_disk_pauses_a_stage_which_then_goes_on_alone(house: FakeHouse, act: str) -> None:
    house.spool.script.add(act, NoSpace("the disk is full", where="work"))
    house.outbox.drop("a.csv")
    run = house.run(patience=15)

    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1
    assert len(house.journal.texts("incident-over")) == 1
    assert run.desk.incidents.open() == ()


def test_a_failing_ledger_is_let_through(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.validator.on_validate = lambda _: house.ledger.fail_next()

    with pytest.raises(StorageFailure):
        house.run()


# -- sealing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failed_seal_is_tried_again_at_once(house: FakeHouse, failures: int) -> None:
    house.sealer.script.add("seal", *[SealFailed("gpg was killed")] * failures)
    house.outbox.drop("a.csv")
    house.run()

    assert house.record("a.csv").state is State.SENT


def test_a_seal_that_failed_three_times_waits_for_a_person(house: FakeHouse) -> None:
    house.sealer.script.add("seal", *[SealFailed("gpg was killed")] * 3)
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.FAULT]
    assert record.holds[0].text == "sealing failed 3 times: gpg was killed"
    assert house.record("b.csv").state is State.SENT


def test_a_key_that_ends_between_claim_and_seal_holds_and_a_retry_seals(house: FakeHouse) -> None:
    house.sealer.script.add("seal", KeyUnusable("the key expired", where="signer"))
    house.outbox.drop("a.csv")
    run = house.run()

    record = house.record("a.csv")
    assert (record.state, reasons(record)) == (State.ACCEPTED, [HoldReason.KEY])
    Operations(run, house.ledger).retry(record.submission.id, "uid 1", "renewed")
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_bytes_that_changed_between_validation_and_sealing_are_never_sent(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.validator.on_validate = lambda _: _tamper(house)
    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.FAULT]
    assert "changed between validation and sealing" in record.holds[0].text
    assert house.far.deliveries == []


def _tamper(house: FakeHouse) -> None:
    (path,) = [path for path in house.disk.under(ROOT / "work") if path.name == "content"]
    house.disk.files[path] = b"accept\nother thresholds"


# -- losing a race ---------------------------------------------------------------------------------------------


def test_a_submission_that_moved_on_meanwhile_is_looked_at_again(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    held = ev.Held(hold=_operator_hold())
    house.validator.on_validate = lambda _: _book(house, held)
    house.run()

    record = house.record("a.csv")
    assert reasons(record) == [HoldReason.OPERATOR]
    assert record.state is State.ACCEPTED


def _operator_hold() -> Hold:
    return Hold(reason=HoldReason.OPERATOR, text="stopped")


def _book(house: FakeHouse, event: ev.Event) -> None:
    house.ledger.append(Entry(stream=house.records()[-1].submission.id, event=event))


def test_an_attempt_whose_bookings_are_refused_is_booked_as_cut_and_settled(house: FakeHouse) -> None:
    house.outbox.drop("a.csv")
    house.far.on_committed = lambda: _refuse_once(house)
    house.run(patience=60)

    assert "AttemptInterrupted" in house.booked("a.csv")
    assert house.record("a.csv").state is State.SENT
    assert len(house.far.appearances) == 1


def _refuse_once(house: FakeHouse) -> None:
    house.far.on_committed = lambda: None
    raise StaleTransition("somebody else moved it")


def test_a_refusal_that_changes_nothing_is_not_repeated_without_a_pause(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    run = house.run()
    record = house.record("a.csv")
    sealed = replace(record, holds=())  # as if somebody had lifted a hold that the ledger still has

    run.line.pipeline.work(Job(submission=record.submission.id, record=sealed, work=Work.SEAL))

    assert run.desk.board.take_any() is None
    assert run.desk.board.records() == [record]


def test_a_job_that_does_not_say_what_to_do_is_a_fault(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    run = house.run()
    record = house.record("a.csv")

    run.line.pipeline.work(Job(submission=record.submission.id, record=record, work=Work.DELIVER))

    assert reasons(house.record("a.csv")) == [HoldReason.FINDING, HoldReason.FAULT]
