"""Evidence and views: what is written beside a filed submission, what its producer is told, what people are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.lifecycle import Record
from sealdrop.core.verdict import Finding, Severity
from sealdrop.flow import evidence, views
from sealdrop.flow.books import Books
from sealdrop.ports.ledger import Committed, Entry
from support import lifecycles as lc
from support.fake_house import FakeHouse
from support.fakes import FakeClock, ListJournal
from support.far_end import Fault
from support.memory_ledger import MemoryLedger

SEALED = (lc.claimed(), lc.accepted(), lc.SEALED)
DELIVERED = (*SEALED, lc.started(), lc.commit(), lc.delivered())
FINDING = Finding(rule="csv.nul", severity=Severity.REJECT, message="A NUL character", hint="Check the export")
REJECTED = ev.Rejected(profile="adt", profile_version="1.0", findings=(FINDING,), suppressed=2, records=4, rejecting=3)


def named(record: Record, name: str) -> bytes:
    return dict(evidence.filed_beside(record))[name]


def test_the_receipt_names_the_proof_of_every_leg() -> None:
    record = lc.after(*DELIVERED)

    receipt = json.loads(named(record, "receipt.json"))

    (delivery,) = receipt["deliveries"]
    assert delivery["receipt"]["proof"] == "digest"
    assert receipt["seal"]["sha256"] == lc.SEAL.sha256
    assert receipt["submission"]["sha256"] == lc.SUBMISSION.sha256
    assert receipt["profile"]["verified_by_a_person"] is not record.unverified


def test_what_the_rules_rejected_gets_their_report_with_the_full_counts() -> None:
    record = lc.after(lc.claimed(), REJECTED)

    report = json.loads(named(record, "report.json"))

    assert report["verdict"] == "rejected"
    assert (report["counts"]["reject"], report["counts"]["suppressed"]) == (3, 2)
    assert b"A NUL character" in named(record, "report.txt")


@pytest.mark.parametrize(
    ("history", "outcome", "words"),
    [
        ((lc.SET_ASIDE,), "set-aside", ["a symbolic link", "drop a regular file", "not read"]),
        ((lc.claimed(), lc.DUPLICATE), "duplicate", ["equal bytes to submission", "if it was a repetition"]),
        ((*SEALED, lc.started(), lc.gave_up()), "undeliverable", ["too large for the route", "ask the operators"]),
        ((*SEALED, lc.ABANDONED), "undeliverable", ["withdrawn by the business"]),
    ],
)
def test_every_other_failure_says_why_and_what_to_do(
    history: tuple[ev.Event, ...], outcome: str, words: list[str]
) -> None:
    record = lc.after(*history)

    text = named(record, "report.txt").decode()

    assert [word for word in words if word not in text] == []
    assert json.loads(named(record, "report.json"))["outcome"] == outcome


def test_a_hostile_file_name_can_do_no_harm_in_a_report() -> None:
    hostile = replace(lc.SET_ASIDE, file_name="a\x1b[31m\nACCEPTED: b\u202e\udcff.csv", reason="a link\nACCEPTED")

    text = named(lc.after(hostile), "report.txt").decode()

    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert "\nACCEPTED" not in text


def test_the_producer_of_a_delivered_file_gets_one_result() -> None:
    ((suffix, data),) = evidence.for_producer(lc.after(*DELIVERED), "sent/2026-11-24/x")

    assert suffix == ".json"
    assert json.loads(data)["outcome"] == "sent"
    assert json.loads(data)["proof"] == {"main": "digest"}
    assert json.loads(data)["filed"] == "sent/2026-11-24/x"


def test_the_producer_of_a_failed_file_finds_the_report_before_the_result() -> None:
    record = lc.after(lc.claimed(), REJECTED)

    (first, text), (last, data) = evidence.for_producer(record, "failed/2026-11-24/x")

    assert (first, last) == (".report.txt", ".json")
    assert text == named(record, "report.txt")
    assert json.loads(data)["reason"] == "rejected by the rules"


def test_evidence_is_the_same_bytes_whenever_it_is_made() -> None:
    for history in (DELIVERED, (lc.claimed(), REJECTED), (lc.SET_ASIDE,)):
        assert evidence.filed_beside(lc.after(*history)) == evidence.filed_beside(lc.after(*history))


def test_evidence_can_be_made_again_from_the_ledger() -> None:
    house = FakeHouse()
    house.outbox.drop("a.csv", b"accept 1\n")
    house.run()
    (path,) = [path for path in house.disk.files if path.name == "receipt.json"]
    history = list(house.ledger.history(house.record("a.csv").submission.id))

    before_filing = history[-2].record
    assert before_filing is not None
    assert named(before_filing, "receipt.json") == house.disk.read(path)


# -- views -----------------------------------------------------------------------------------------------------


def test_a_listing_shows_where_a_submission_stands_and_its_weakest_proof() -> None:
    record = lc.after(*DELIVERED)
    weak = replace(record.legs[0], name="second", receipt=replace(lc.receipt(), proof=ProofLevel.SIZE))

    shown = views.row(replace(record, legs=(*record.legs, weak)))

    assert (shown.state, shown.proof, shown.attempts, shown.held) == ("delivered", "size", 2, ())
    assert shown.reason == ""


@pytest.mark.parametrize(
    ("history", "waits_for", "reason"),
    [
        ((*SEALED, lc.held()), "", "held: operator"),
        ((*SEALED, lc.started(), lc.deferred()), "", "connection lost"),
        (SEALED, "waits for submission x", "waits for submission x"),
        ((lc.claimed(), REJECTED), "", "rejected by the rules"),
        (DELIVERED, "", ""),
    ],
)
def test_a_listing_says_why_a_submission_is_where_it_is(
    history: tuple[ev.Event, ...], waits_for: str, reason: str
) -> None:
    assert views.row(lc.after(*history), waits_for).reason == reason


def test_a_timeline_has_every_event_with_its_facts() -> None:
    house = FakeHouse()
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    house.run()
    history = list(house.ledger.history(house.record("a.csv").submission.id))

    moments = views.timeline(history)

    assert [moment.event for moment in moments] == house.booked("a.csv")
    assert moments[-1].facts["reason"] == "far: the connection was lost during the upload"
    assert moments[-1].facts["not_before"] == "2026-11-24T12:00:10Z"
    assert [moment.sequence for moment in moments] == sorted(moment.sequence for moment in moments)
    assert moments[0].at == house.clock.now()


# -- books -----------------------------------------------------------------------------------------------------


class ForgetfulLedger(MemoryLedger):
    """A ledger that breaks its contract: it gives no record for a submission's event."""

    def append(self, *entries: Entry) -> Sequence[Committed]:
        return [replace(one, record=None) for one in super().append(*entries)]


def test_a_ledger_that_gives_no_record_is_not_worked_with() -> None:
    books = Books(ForgetfulLedger(FakeClock()), ListJournal())

    with pytest.raises(RuntimeError, match="gave no record"):
        books.book(lc.ID, lc.claimed())
