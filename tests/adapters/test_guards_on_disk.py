"""Guards over real files: what moved, what was swapped, what was imported."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from sealdrop.adapters.reports import KEY_BYTES, ReportShelf
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.errors import NotYet, StorageFailure, Unacceptable
from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Verdict
from sealdrop.ports.reports import Known, ReportRules, Reports
from sealdrop.ports.rules import Earlier, EarlierFile, Validator
from sealdrop.rules.guards import references
from support.rule_cases import OWN, PROFILES, REQUEST, U1, adt, eq

FIRST = SubmissionId("01m87nvb6p007wvztq578z1hxh")


def validator(kind: str, reports: Reports | None = None) -> ProfileValidator:
    return ProfileValidator(load_profile(PROFILES / f"{kind}.toml", PROFILES.parent / "calendars"), OWN, reports)


def earlier(path: Path, data: bytes) -> Earlier:
    digest = hashlib.sha256(data).hexdigest()
    return Earlier(files=(EarlierFile(submission=FIRST, path=path, sha256=digest, keys=frozenset({U1})),))


def guarded(tmp_path: Path, data: bytes, before: Earlier, kind: str = "adt", reports: Reports | None = None) -> Verdict:
    content = tmp_path / "content"
    content.write_bytes(data)
    rules: Validator = validator(kind, reports)
    return rules.guard(content, rules.validate(content, "a.csv"), before)


def rules_of(verdict: Verdict) -> list[str]:
    return [finding.rule for finding in verdict.findings]


def test_an_earlier_file_is_compared_and_proven_by_its_digest(tmp_path: Path) -> None:
    old = adt(f"{U1},7.1,1,100").data
    path = tmp_path / "old"
    path.write_bytes(old)
    new = adt(f"{U1},7.1,1,201").data

    assert rules_of(guarded(tmp_path, new, earlier(path, old))) == ["guard.increase"]
    path.write_bytes(old.replace(b"100", b"900"))
    assert rules_of(guarded(tmp_path, new, earlier(path, old))) == ["guard.no-comparison"]


def test_an_earlier_file_that_has_moved_is_asked_for_again_and_one_that_cannot_be_read_is_lost(tmp_path: Path) -> None:
    old = adt(f"{U1},7.1,1,100").data
    (tmp_path / "folder").mkdir()
    (tmp_path / "real").write_bytes(old)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(NotYet):
        guarded(tmp_path, old, earlier(tmp_path / "gone", old))
    for name in ("folder", "link"):
        assert rules_of(guarded(tmp_path, old, earlier(tmp_path / name, old))) == ["guard.no-comparison"]


def test_only_a_profile_of_thresholds_with_guards_compares() -> None:
    assert validator("adt").compares
    assert not validator("exit-quarantine").compares


# --- reports ------------------------------------------------------------------------------------------------------


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "reports").iterdir())


def imported(shelf: ReportShelf, file: Path) -> int:
    rules: ReportRules = validator("quarantine-report")
    taken = shelf.take(file, rules.max_bytes)
    assert not rules.validate(taken.path, file.name).rejected
    return shelf.index(taken, rules.reported(taken.path))


def report(tmp_path: Path, events: Sequence[int], name: str = "report.csv") -> Path:
    file = tmp_path / name
    rows = "".join(f"{REQUEST},user threshold,{event}\n" for event in events)
    file.write_text(f"request_id,cause,quarantine_event_ref\n{rows}")
    return file


def test_communications_of_an_imported_report_are_known_and_others_are_not(tmp_path: Path) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    data = eq(f"17,{REQUEST},RELEASE", f"18,{REQUEST},DELETE").data

    before = guarded(tmp_path, data, Earlier(), "exit-quarantine", shelf)
    assert [(one.rule, one.line) for one in before.findings] == [("guard.unknown-reference", None)]
    assert imported(shelf, report(tmp_path, [17])) == 1
    found = guarded(tmp_path, data, Earlier(), "exit-quarantine", shelf)
    assert [(one.rule, one.line) for one in found.findings] == [("guard.unknown-reference", 3)]
    assert imported(shelf, report(tmp_path, [18], "second.csv")) == 1
    assert rules_of(guarded(tmp_path, data, Earlier(), "exit-quarantine", shelf)) == []


def test_a_report_is_kept_once_under_its_digest_and_private(tmp_path: Path) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    file = report(tmp_path, [17, 17, 18])
    for _ in range(2):
        assert imported(shelf, file) == 2

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert names(tmp_path) == [f"{digest}.csv", f"{digest}.keys"]
    assert (tmp_path / "reports" / f"{digest}.csv").read_bytes() == file.read_bytes()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "reports").iterdir()} == {0o600}
    assert shelf.known().reports == 1


def test_what_was_refused_is_forgotten_and_what_is_known_stays(tmp_path: Path) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    taken = shelf.take(report(tmp_path, [17]), 10_000)
    assert shelf.known().reports == 0
    shelf.forget(taken)
    assert names(tmp_path) == []
    taken = shelf.take(report(tmp_path, [17]), 10_000)
    shelf.index(taken, [key(1)])
    shelf.forget(taken)

    assert len(names(tmp_path)) == 2


def test_what_is_no_file_cannot_be_taken(tmp_path: Path) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    (tmp_path / "link").symlink_to(report(tmp_path, [17]))
    os.mkfifo(tmp_path / "fifo")

    for name in ("gone", "link", "fifo", "none/there"):
        with pytest.raises(Unacceptable):
            shelf.take(tmp_path / name, 10_000)
    with pytest.raises(Unacceptable):
        shelf.take(report(tmp_path, [17]), 10)


@pytest.mark.parametrize("stored", [0, 1, 31, 32, 33, 1000, 40_000])
@pytest.mark.parametrize("wanted", [1, 2, 500])
def test_both_ways_of_looking_up_find_the_same(tmp_path: Path, stored: int, wanted: int) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    taken = shelf.take(report(tmp_path, [17]), 10_000)
    shelf.index(taken, [key(2 * number) for number in range(stored)])
    known: Known = shelf.known()
    keys = {key(number): number for number in (*range(wanted), 2 * stored - 2, 2 * stored, 10**9) if number >= 0}

    left = known.without(keys)
    assert set(left.values()) == {one for one in keys.values() if one % 2 or one >= 2 * stored}
    assert known.without({}) == {}


def test_an_index_that_cannot_be_read_is_a_storage_failure(tmp_path: Path) -> None:
    shelf = ReportShelf(tmp_path / "reports")
    shelf.index(shelf.take(report(tmp_path, [17]), 10_000), [key(1)])
    known = shelf.known()
    for path in (tmp_path / "reports").iterdir():
        path.unlink()

    with pytest.raises(StorageFailure):
        known.without({key(1): 1})


def test_the_key_has_the_length_that_the_shelf_expects() -> None:
    assert references.KEY_BYTES == KEY_BYTES
