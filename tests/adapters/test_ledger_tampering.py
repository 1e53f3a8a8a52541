"""The ledger shows what was done to it: every way to tamper is found, and the first bad row is named.

Where an attacker leaves a ledger that agrees with itself, only an end kept elsewhere shows it: those are tested with
and without one.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sealdrop.adapters.ledger import Flaw, Head, ReadOnlyLedger, SqliteLedger, rebuild, verify
from sealdrop.adapters.ledger.rows import Row, row_hash
from sealdrop.core.errors import LedgerBroken, Refused, StorageFailure
from sealdrop.ports.ledger import Entry
from support import lifecycles as lc
from support.ledgers import LIFE, claim, make_ledger, recompute, tampering
from support.manual_clock import START, ManualClock

ROWS = 7 * 3


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path, clock: ManualClock) -> Path:
    made = tmp_path / "ledger.db"
    make_ledger(made, clock)
    return made


def head_of(path: Path) -> Head:
    with ReadOnlyLedger.open(path) as ledger:
        return ledger.export_head()


def test_a_whole_ledger_verifies(path: Path) -> None:
    report = verify(path, expected=head_of(path))

    assert report.ok, report.problems
    assert (report.rows, report.submissions, report.head, report.head_checked) == (ROWS, 3, head_of(path), True)
    assert not verify(path).head_checked


def test_an_empty_ledger_verifies_and_has_an_end_of_its_own(tmp_path: Path, clock: ManualClock) -> None:
    for name in ("one", "two"):
        SqliteLedger.open(tmp_path / name, clock).close()
    one, two = head_of(tmp_path / "one"), head_of(tmp_path / "two")

    assert verify(tmp_path / "one", expected=one).ok
    assert one.hash != two.hash
    assert not verify(tmp_path / "one", expected=two).ok


CHANGES = {
    "at": "2026-11-24T12:00:00.000001Z",
    "stream": "7" * 26,
    "type": "Rejected",
    "version": 2,
    "payload": '{"folder":"failed/x","late_write":true}',
    "previous": b"\1" * 32,
    "hash": b"\2" * 32,
}


@pytest.mark.parametrize("column", CHANGES)
def test_k1_a_changed_field_is_found_in_its_row(path: Path, column: str) -> None:
    with tampering(path) as sql:
        sql.execute(f"UPDATE events SET {column} = ? WHERE sequence = 5", (CHANGES[column],))  # noqa: S608 - fixed names

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (5, Flaw.CHAIN)


def test_k1_an_undecodable_field_is_found_in_its_row(path: Path) -> None:
    with tampering(path) as sql:
        sql.execute("UPDATE events SET payload = CAST(x'ff00fe' AS TEXT) WHERE sequence = 6")

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (6, Flaw.CHAIN)


@pytest.mark.parametrize(
    ("row", "named"), [(1, 2), (9, 10), (20, 21)], ids=["the first", "in the middle", "before the last"]
)
def test_k2_a_deleted_row_is_found_in_the_row_after_it(path: Path, row: int, named: int) -> None:
    with tampering(path) as sql:
        sql.execute("DELETE FROM events WHERE sequence = ?", (row,))

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (named, Flaw.CHAIN)


def test_k2_renumbering_does_not_hide_a_deleted_row(path: Path) -> None:
    with tampering(path) as sql:
        sql.execute("DELETE FROM events WHERE sequence = 9")
        for sequence in range(10, ROWS + 1):
            sql.execute("UPDATE events SET sequence = ? WHERE sequence = ?", (sequence - 1, sequence))

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (9, Flaw.CHAIN)


def test_k3_swapped_rows_are_found(path: Path) -> None:
    with tampering(path) as sql:
        for source, target in ((4, 100), (5, 4), (100, 5)):
            sql.execute("UPDATE events SET sequence = ? WHERE sequence = ?", (target, source))

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (4, Flaw.CHAIN)


def forge(sql: sqlite3.Connection) -> None:
    """Say that row 5 happened elsewhere, and recompute every later hash."""
    sql.execute("UPDATE events SET payload = replace(payload, 'digest', 'size') WHERE sequence = 5")
    recompute(sql, 5)


def insert(sql: sqlite3.Connection) -> None:
    """Put a row of the agent between 7 and 8, and recompute every later hash."""
    sql.execute("UPDATE events SET sequence = -sequence - 1 WHERE sequence > 7")
    sql.execute("UPDATE events SET sequence = -sequence WHERE sequence < 0")
    forged = '{"reason":"nothing to see"}'
    sql.execute(
        "INSERT INTO events SELECT 8, at, 'agent', 'AgentStopped', 1, ?, hash, hash FROM events WHERE sequence = 7",
        (forged,),
    )
    recompute(sql, 8)


def cut(sql: sqlite3.Connection) -> None:
    """Cut the last submission off, derived tables included."""
    (last,) = sql.execute("SELECT max(stream) FROM events").fetchone()
    sql.execute("DELETE FROM events WHERE stream = ?", (last,))
    sql.execute("DELETE FROM submissions WHERE id = ?", (last,))
    sql.execute("UPDATE tallies SET number = number - 1 WHERE state = 'sent'")
    sql.execute("UPDATE delivered_keys SET submission = (SELECT max(id) FROM submissions)")


@pytest.mark.parametrize("attack", [forge, insert, cut], ids=["k4 changed", "k4 inserted", "k5 cut tail"])
def test_a_consistent_forgery_passes_alone_and_fails_against_an_end_kept_elsewhere(
    path: Path, attack: Callable[[sqlite3.Connection], None]
) -> None:
    head = head_of(path)
    with tampering(path) as sql:
        attack(sql)

    assert verify(path).ok, "this is why an end is kept elsewhere"
    bad = verify(path, expected=head).problems[0]
    assert (bad.row, bad.flaw) == (ROWS, Flaw.HEAD)
    with pytest.raises(LedgerBroken, match=r"row 21.*(cut off|rewritten)"):
        SqliteLedger.open(path, ManualClock(), expected=head)


def test_k4_an_inserted_row_without_recomputed_hashes_is_found(path: Path) -> None:
    with tampering(path) as sql:
        last = Row(*sql.execute("SELECT * FROM events WHERE sequence = 21").fetchone())
        forged = last._replace(sequence=22, previous=b"\0" * 32)
        sql.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", forged._replace(hash=row_hash(forged)))

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (22, Flaw.CHAIN)
    with pytest.raises(LedgerBroken, match="row 22"):
        SqliteLedger.open(path, ManualClock())


def test_k6_an_older_copy_put_back_is_found_by_an_end_kept_elsewhere(path: Path, clock: ManualClock) -> None:
    older = path.with_name("older.db")
    shutil.copy(path, older)
    with SqliteLedger.open(path, clock) as ledger:
        claim(ledger, clock, *LIFE)
        head = ledger.export_head()
    shutil.copy(older, path)

    assert verify(path).ok
    bad = verify(path, expected=head).problems[0]
    assert (bad.row, bad.flaw) == (28, Flaw.HEAD)
    with pytest.raises(LedgerBroken, match="older copy"):
        SqliteLedger.open(path, clock, expected=head)


def test_k6_another_ledger_in_its_place_is_found(path: Path, tmp_path: Path, clock: ManualClock) -> None:
    other = tmp_path / "other.db"
    make_ledger(other, clock)

    report = verify(other, expected=head_of(path))
    assert "another ledger" in report.problems[0].what


def test_an_earlier_end_stays_part_of_a_ledger_that_grew(path: Path, clock: ManualClock) -> None:
    head = head_of(path)
    with SqliteLedger.open(path, clock, expected=head) as ledger:
        claim(ledger, clock, *LIFE)

    assert verify(path, expected=head).ok


def test_k9_a_clock_set_back_is_found_beyond_the_tolerance(path: Path, clock: ManualClock) -> None:
    with SqliteLedger.open(path, clock) as ledger:
        clock.set(START - timedelta(minutes=4))
        claim(ledger, clock)
        clock.set(START - timedelta(hours=1))
        claim(ledger, clock)

    report = verify(path)
    assert [(one.row, one.flaw) for one in report.problems] == [(23, Flaw.TIME)]
    assert verify(path, tolerance=timedelta(hours=1)).ok


def test_an_impossible_step_with_a_whole_chain_is_found(path: Path) -> None:
    with tampering(path) as sql:
        sql.execute("UPDATE events SET type = 'Recovered', payload = '{\"doing\":\"x\"}' WHERE sequence = 3")
        recompute(sql, 3)

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (4, Flaw.LIFECYCLE)


@pytest.mark.parametrize(
    "payload",
    ["{}", "[" * 5000, '{"folder": 3}', "null", "not json"],
    ids=["empty", "deep", "wrong type", "null", "text"],
)
def test_a_payload_that_fits_no_event_is_found(path: Path, payload: str) -> None:
    with tampering(path) as sql:
        sql.execute("UPDATE events SET payload = ? WHERE sequence = 7", (payload,))
        recompute(sql, 7)

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (7, Flaw.LIFECYCLE)


DERIVED_ATTACKS = {
    "a submission hidden from the open ones": "UPDATE submissions SET open = 0, state = 'sent' WHERE open = 1",
    "a submission taken out": "DELETE FROM submissions WHERE id = (SELECT min(id) FROM submissions)",
    "a submission invented": (
        "INSERT INTO submissions SELECT '7zzzzzzzzzzzzzzzzzzzzzzzzz', outbox, kind, file_name, sha256, "
        "claimed_at, state, changed_at, events, open, standing FROM submissions LIMIT 1"
    ),
    "a duplicate allowed": "UPDATE submissions SET standing = 0",
    "a wrong tally": "UPDATE tallies SET number = number + 1",
    "an order forgotten": "DELETE FROM delivered_keys",
    "an order invented": "INSERT INTO delivered_keys VALUES ('adt', 'x', '7zzzzzzzzzzzzzzzzzzzzzzzzz')",
}


@pytest.mark.parametrize("statement", DERIVED_ATTACKS.values(), ids=DERIVED_ATTACKS)
def test_a_derived_table_that_disagrees_is_found_and_mended_by_a_rebuild(
    path: Path, clock: ManualClock, statement: str
) -> None:
    with SqliteLedger.open(path, clock) as ledger:
        claim(ledger, clock)
    with tampering(path) as sql:
        sql.execute(statement)

    assert {one.flaw for one in verify(path).problems} == {Flaw.DERIVED}
    rebuild(path)
    assert verify(path).ok, verify(path).problems


def test_a_derived_table_of_another_version_is_rebuilt_at_the_next_start(path: Path, clock: ManualClock) -> None:
    with tampering(path) as sql:
        sql.execute("UPDATE derived SET version = 0")
        sql.execute("DROP TABLE tallies")
        sql.execute("CREATE TABLE older_idea (x)")
        sql.execute("DELETE FROM submissions")
    assert [one.flaw for one in verify(path).problems] == [Flaw.DERIVED]

    with SqliteLedger.open(path, clock) as ledger:
        assert ledger.counts() == {"sent": 3}
    assert verify(path).ok


TRIGGERS = ["events_never_change", "events_never_leave", "events_only_follow", "identity_never_changes"]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_missing_trigger_is_found_by_verification_and_at_the_start(
    path: Path, clock: ManualClock, trigger: str
) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute(f"DROP TRIGGER {trigger}")

    bad = verify(path).problems[0]
    assert (bad.flaw, trigger in bad.what) == (Flaw.FILE, True)
    with pytest.raises(LedgerBroken, match=f"{trigger}.*missing"):
        SqliteLedger.open(path, clock)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET payload = '{}' WHERE sequence = 3",
        "DELETE FROM events WHERE sequence = 3",
        "REPLACE INTO events SELECT 3, at, stream, type, version, '{}', previous, hash FROM events WHERE sequence = 3",
        "INSERT INTO events SELECT 30, at, stream, type, version, '{}', previous, hash FROM events WHERE sequence = 3",
        "UPDATE identity SET ledger = 'x'",
        "DELETE FROM identity",
        "INSERT INTO identity VALUES ('x', 'y')",
    ],
)
def test_the_triggers_refuse_to_change_what_is_written(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as sql, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sql.execute(statement)


def test_a_foreign_trigger_that_could_act_on_its_own_is_found(path: Path, clock: ManualClock) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TRIGGER evil AFTER INSERT ON events BEGIN DELETE FROM submissions; END")

    with pytest.raises(LedgerBroken, match=r"evil.*added"):
        SqliteLedger.open(path, clock)
    assert not verify(path).ok


def test_b6_a_flipped_bit_in_the_last_rows_stops_the_start(path: Path, clock: ManualClock) -> None:
    data = bytearray(path.read_bytes())
    place = data.rindex(b'"late_write":true')
    data[place + 2] ^= 1
    path.write_bytes(bytes(data))

    with pytest.raises(LedgerBroken, match="hash does not fit"):
        SqliteLedger.open(path, clock)
    assert not verify(path).ok


@pytest.mark.parametrize("size", [0, 100, 5000], ids=["to nothing", "within the header", "within a page"])
def test_b6_a_truncated_file_stops_the_start(path: Path, clock: ManualClock, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)

    with pytest.raises((LedgerBroken, Refused)):
        SqliteLedger.open(path, clock)
    with pytest.raises((LedgerBroken, Refused)):
        ReadOnlyLedger.open(path)


def test_b6_a_missing_ledger_is_not_made_anew_when_it_must_exist(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(LedgerBroken, match="missing"):
        SqliteLedger.open(tmp_path / "ledger.db", clock, create=False)
    assert not (tmp_path / "ledger.db").exists()
    with pytest.raises(StorageFailure, match="Check that the file exists"):
        ReadOnlyLedger.open(tmp_path / "ledger.db")


def test_something_else_than_a_ledger_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to be looked at as one" * 50)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as sql:
        sql.execute("CREATE TABLE events (x)")

    with pytest.raises(LedgerBroken, match="damaged"):
        SqliteLedger.open(text, clock)
    assert not verify(text).ok
    with pytest.raises(Refused, match="not a ledger"):
        SqliteLedger.open(other, clock)
    with pytest.raises(Refused, match="not a ledger"):
        verify(other)


def test_a_ledger_of_a_newer_program_is_refused_and_left_as_it_is(path: Path, clock: ManualClock) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA user_version = 2")
    before = path.read_bytes()

    with pytest.raises(Refused, match="schema 2"):
        SqliteLedger.open(path, clock)
    assert path.read_bytes() == before


def test_an_event_of_a_newer_program_is_named(path: Path, clock: ManualClock) -> None:
    with SqliteLedger.open(path, clock) as ledger:
        one = claim(ledger, clock)
    with tampering(path) as sql:
        sql.execute("UPDATE events SET type = 'Teleported' WHERE sequence = 22")
        recompute(sql, 22)

    with SqliteLedger.open(path, clock) as ledger, pytest.raises(LedgerBroken, match="row 22: event 'Teleported'"):
        ledger.record(one)
    with SqliteLedger.open(path, clock) as ledger, pytest.raises(StorageFailure, match="Teleported"):
        ledger.append(Entry(stream=one, event=lc.REJECTED))


def test_b6_damaged_pages_are_reported_and_what_can_be_read_is_still_checked(path: Path) -> None:
    size = path.stat().st_size
    reported = []
    for page in range(1, size // 4096):
        damaged = path.with_name("damaged.db")
        shutil.copy(path, damaged)
        with damaged.open("r+b") as file:
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
        report = verify(damaged)
        assert not report.ok, f"page {page}"
        reported.append(Flaw.FILE in {one.flaw for one in report.problems})

    assert all(reported)
    assert len(reported) > 5


def test_the_first_problems_are_reported_and_the_others_counted(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, clock, lives=20)
    with tampering(path) as sql:
        sql.execute("UPDATE events SET version = 2")

    report = verify(path)
    assert (len(report.problems), report.suppressed, report.rows) == (100, 40, 140)
    assert [one.row for one in report.problems] == list(range(1, 101))


@pytest.mark.parametrize("at", ["yesterday", "2026-11-24T12:00:00", ""], ids=["words", "without a zone", "empty"])
def test_a_time_that_cannot_be_read_is_found(path: Path, at: str) -> None:
    with tampering(path) as sql:
        sql.execute("UPDATE events SET at = ? WHERE sequence = 21", (at,))
        recompute(sql, 21)

    bad = verify(path).problems[0]
    assert (bad.row, bad.flaw) == (21, Flaw.TIME)


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE events", "DROP TABLE submissions", "ALTER TABLE events RENAME COLUMN at TO x", "DROP TABLE identity"],
)
def test_a_missing_table_or_column_is_reported_and_stops_the_start(
    path: Path, clock: ManualClock, statement: str
) -> None:
    with closing(sqlite3.connect(path)) as sql:
        sql.execute(statement)

    assert Flaw.FILE in {one.flaw for one in verify(path).problems}
    with pytest.raises(LedgerBroken, match="tampered"):
        SqliteLedger.open(path, clock)


def test_a_ledger_that_does_not_say_which_it_is_is_reported_and_stops_the_start(path: Path, clock: ManualClock) -> None:
    with tampering(path) as sql:
        sql.execute("DELETE FROM identity")

    assert [one.what for one in verify(path).problems] == ["it has no single identity"]
    with pytest.raises(LedgerBroken, match="identity"):
        SqliteLedger.open(path, clock)


def test_more_open_submissions_than_fit_into_memory_are_folded_again(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealdrop.adapters.ledger.sqlite.CACHED_RECORDS", 2)
    with SqliteLedger.open(path, clock) as ledger:
        ids = [claim(ledger, clock) for _ in range(5)]
        for one in ids:
            ledger.append(Entry(stream=one, event=lc.accepted()))
        assert [record.state.value for record in ledger.open_records()] == ["accepted"] * 5
    assert verify(path).ok
