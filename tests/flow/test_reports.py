"""Importing a report: refused whole, or kept, known and booked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealdrop.adapters.reports import ReportShelf
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.errors import Refused
from sealdrop.core.events import ReportAdded
from sealdrop.flow.books import Books
from sealdrop.flow.reports import Imported, add_report
from sealdrop.ports.ledger import AGENT_STREAM
from support.fake_house import FakeHouse
from support.rule_cases import PROFILES, REQUEST

GOOD = f"quarantine_event_ref,request_id\n17,{REQUEST}\n17,{REQUEST}\n18,{REQUEST}\n"


class Desk:
    def __init__(self, folder: Path) -> None:
        self.house = FakeHouse()
        self.folder = folder
        self.shelf = ReportShelf(folder / "reports")
        self.rules = ProfileValidator(load_profile(PROFILES / "quarantine-report.toml"))

    def add(self, text: str) -> Imported:
        file = self.folder / "report.csv"
        file.write_text(text)
        books = Books(self.house.ledger, self.house.journal)
        return add_report(file, rules=self.rules, reports=self.shelf, books=books, by="uid 1")

    def booked(self) -> list[object]:
        return [one.event for one in self.house.ledger.history(AGENT_STREAM)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_report_is_kept_known_and_booked_with_who_imported_it(desk: Desk) -> None:
    added = desk.add(GOOD)

    assert (added.rows, added.communications, added.unverified) == (3, 2, True)
    assert desk.booked() == [ReportAdded(sha256=added.sha256, name="report.csv", rows=3, by="uid 1")]
    assert desk.shelf.known().reports == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "file.empty"),
        (f"request_id\n{REQUEST}\n", "header.missing-column"),
        (GOOD.replace("18", "1.8E+19"), "line 4: .*sheet.scientific"),
        (GOOD.replace("18", "1234567890123450000"), "line 4: .*sheet.rounded"),
    ],
    ids=["empty", "column missing", "scientific", "rounded"],
)
def test_what_is_no_report_is_refused_with_the_first_reason_and_leaves_nothing(desk: Desk, text: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        desk.add(text)

    assert "90-B3" not in str(caught.value)
    assert desk.booked() == []
    assert list((desk.folder / "reports").iterdir()) == []


def test_a_report_that_cannot_be_read_is_refused_with_what_to_do(desk: Desk) -> None:
    books = Books(desk.house.ledger, desk.house.journal)
    with pytest.raises(Refused, match="cannot be taken") as caught:
        add_report(desk.folder / "none.csv", rules=desk.rules, reports=desk.shelf, books=books, by="uid 1")

    assert "may read" in caught.value.hint
