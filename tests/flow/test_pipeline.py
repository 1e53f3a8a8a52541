"""The pipeline: what one stage may do to one submission, and what none may do to the others."""

from __future__ import annotations

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import (
    NoSpace,
    NotYet,
    StorageFailure,
    TemporaryFailure,
)
from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Record, State
from sealdrop.flow.stages import LONGEST_PAUSE, PATIENT_LOOKS, pause_before_look
from sealdrop.ports.ledger import Entry
from support.fake_house import FakeHouse
from support.memory_spool import ROOT

SECRET = "payload that must never be shown"  # noqa: S105 - stands for the content of a file


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def reasons(record: Record) -> list[HoldReason]:
    return [hold.reason for hold in record.holds]


def files_of(house: FakeHouse, to: str) -> list[str]:
    return [path.name for path in house.disk.under(ROOT / to)]


# -- verdicts and filing ---------------------------------------------------------------------------------------


def test_a_rejected_file_is_filed_with_its_report_and_the_producer_is_told(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"reject\n")
    house.run()

    record = house.record("a.csv")
    assert record.state is State.FAILED
    assert files_of(house, "failed") == ["a.csv", "report.json", "report.txt"]
    assert files_of(house, "results") == [f"a.csv.{record.submission.id}{end}" for end in (".json", ".report.txt")]
    assert house.far.deliveries == []


def test_a_delivered_file_is_filed_with_its_receipt_and_the_producer_is_told(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"warn\n")
    house.run()

    record = house.record("a.csv")
    assert record.filed == f"sent/2026-11-24/a.csv.{record.submission.id}"
    assert files_of(house, "sent") == ["a.csv", "receipt.json"]
    assert files_of(house, "results") == [f"a.csv.{record.submission.id}.json"]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("content", ["a.csv", "receipt.json"]), ("sealed", ["receipt.json", "sealed"]), ("digest", ["receipt.json"])],
)
def test_what_stays_is_the_kinds_choice(house: FakeHouse, keep: str, kept: list[str]) -> None:
    house.change_kind(keep=keep)
    house.outbox.drop("a.csv")
    house.run()

    assert files_of(house, "sent") == kept


def test_an_unusual_file_waits_for_a_person(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    house.run()

    record = house.record("a.csv")
    assert (record.state, reasons(record)) == (State.ACCEPTED, [HoldReason.FINDING])
    assert "The first word is hold" in record.holds[0].text


def test_what_can_never_be_taken_is_set_aside_unread(house: FakeHouse) -> None:
    house.change_kind(max_bytes=5)
    house.outbox.drop("a.csv", b"accept\n")
    house.run()

    record = house.record("a.csv")
    assert house.booked("a.csv") == ["SetAside", "Filed"]
    assert record.submission.sha256 == ""
    assert files_of(house, "failed") == ["a.csv", "report.json", "report.txt"]


def test_a_late_write_is_kept_beside_what_was_sent(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"accept\n")
    house.far.on_committed = lambda: _write_late(house)
    house.run()

    assert house.record("a.csv").late_write
    late = [path for path in house.disk.under(ROOT / "sent") if "dropped" in path.parts]
    assert [house.disk.read(path) for path in late] == [b"accept\nand more"]


def _write_late(house: FakeHouse) -> None:
    (path,) = [path for path in house.disk.under(ROOT / "work") if "dropped" in path.parts]
    house.disk.files[path] = b"accept\nand more"


def test_while_the_producer_cannot_be_told_filing_waits_and_others_go_on(house: FakeHouse) -> None:
    house.outbox.script.lasting["publish"] = TemporaryFailure("permission denied", where="results")
    house.outbox.drop("a.csv", b"reject\n")
    house.outbox.drop("b.csv")
    run = house.run(patience=100)

    assert [record.state for record in house.records()] == [State.REJECTED, State.DELIVERED]
    assert house.journal.texts() == ["the producer cannot be told: results: permission denied"]
    house.outbox.script.lasting.clear()
    house.clock.pass_seconds(15)
    run.run()
    assert {record.terminal for record in house.records()} == {True}
    assert run.desk.incidents.open() == ()


def test_without_its_outbox_a_submission_is_filed_and_nobody_told(house: FakeHouse) -> None:
    house.outbox.drop("a.csv", b"hold\n")
    house.run()
    house.change(outboxes=(), kinds={})
    record = house.record("a.csv")
    house.ledger.append(*[_entry(record, ev.Abandoned(by="uid 1", why="withdrawn"))])

    house.run()

    assert house.record("a.csv").state is State.FAILED
    assert files_of(house, "results") == []


def _entry(record: Record, event: ev.Event) -> Entry:
    return Entry(stream=record.submission.id, event=event)


# -- taking in -------------------------------------------------------------------------------------------------


def test_a_claimed_file_that_is_still_written_is_looked_at_again_and_again(house: FakeHouse) -> None:
    house.spool.script.add("snapshot", *[NotYet("a writer has it open")] * 3)
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    house.run(patience=10)

    assert [record.submission.file_name for record in house.records()] == ["a.csv", "b.csv"]
    assert house.far.appearances[0].submission == house.record("b.csv").submission.id
    assert house.journal.texts() == []


def test_one_that_is_written_for_an_hour_is_an_incident_until_it_is_done(house: FakeHouse) -> None:
    house.spool.script.add("snapshot", *[NotYet("a writer has it open")] * (PATIENT_LOOKS + 5))
    house.outbox.drop("a.csv")
    house.run(patience=2 * 3600)

    assert house.journal.texts() == [
        "'a.csv' of outbox adt is claimed but still being written: a writer has it open",
    ]
    assert len(house.journal.texts("incident-over")) == 1
    assert house.record("a.csv").state is State.SENT


def test_looks_at_a_busy_file_grow_rarer_up_to_a_bound() -> None:
    pauses = [pause_before_look(tries) for tries in range(20)]

    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert pause_before_look(10**9) == LONGEST_PAUSE


def test_a_full_disk_pauses_the_intake_of_a_file_which_then_goes_on_alone(house: FakeHouse) -> None:
    house.spool.script.add("snapshot", NoSpace("the disk is full", where="work"))
    house.outbox.drop("a.csv")
    run = house.run(patience=15)

    assert house.record("a.csv").state is State.SENT
    assert len(house.journal.texts()) == 1
    assert "work resumes alone" in house.journal.texts()[0]
    assert run.desk.incidents.open() == ()


def test_a_failing_disk_while_taking_in_is_let_through(house: FakeHouse) -> None:
    house.spool.script.add("snapshot", StorageFailure("the sync failed", where="work"))
    house.outbox.drop("a.csv")

    with pytest.raises(StorageFailure, match="the sync failed"):
        house.run()
    house.run()
    assert house.record("a.csv").state is State.SENT


def test_a_fault_while_taking_in_costs_nobody_else_anything_and_is_tried_again(house: FakeHouse) -> None:
    house.spool.script.add("snapshot", RuntimeError(SECRET))
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    house.run()

    assert [record.submission.file_name for record in house.records()] == ["b.csv"]
    (said,) = house.journal.texts()
    assert said.startswith("a fault of sealdrop's own: RuntimeError in sealdrop.flow.stages, line ")
    assert SECRET not in said
    house.run()
    assert house.record("a.csv").state is State.SENT
