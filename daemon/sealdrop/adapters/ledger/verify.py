"""Verification: does the whole ledger still say what was written, and do the derived tables follow from it?

Works on a private copy, so an agent may go on beside it: made beside the ledger, where there usually is room, and in
the system's folder for temporary files, which often is small, only when that will not do.

Detects changed, deleted, inserted and reordered rows, a clock set back, steps the lifecycle does not have, derived
tables that disagree, altered triggers and damaged pages. An attacker who recomputes every later hash, cuts the tail or
puts an older copy back leaves a ledger that agrees with itself: only an end exported earlier and kept elsewhere
(``Head``) shows that. Give one.

Nothing found is an error here: all of it is in the report, first bad row first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Self

from sealdrop.adapters.ledger.checks import all_rows, contradiction, flaw_of
from sealdrop.adapters.ledger.derived import Change, Folding, landed_keys, submission_row, tally_changes
from sealdrop.adapters.ledger.rows import Head, Identity, Row, head_of, moment, origin
from sealdrop.adapters.ledger.schema import connect_reader
from sealdrop.adapters.ledger.store import Store, translating
from sealdrop.core.errors import LedgerBroken, StorageFailure
from sealdrop.core.lifecycle import Record

TOLERANCE = timedelta(minutes=5)  # how far a corrected clock may step back between two rows
MAX_PROBLEMS = 100  # reported; the rest is counted


class Flaw(Enum):
    """What kind of thing is wrong."""

    FILE = "file"  # the database is damaged, or its schema was altered
    CHAIN = "chain"  # a row was changed, deleted, inserted or moved
    TIME = "time"  # a row is older than the one before it
    LIFECYCLE = "lifecycle"  # a row cannot be understood or cannot follow what is before it
    DERIVED = "derived"  # a derived table does not follow from the events; ``sealdrop ledger rebuild`` mends it
    HEAD = "head"  # the end exported earlier is not part of this ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProblem:
    """One thing wrong: in which row (None: not in a single row), of what kind, in a sentence."""

    row: int | None
    flaw: Flaw
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found.

    Args:
        ledger: id of the ledger, empty when it cannot be read. rows: events checked. submissions: folded.
        head: the end of the ledger as verified, to be kept elsewhere; None when it cannot be read.
        problems: what is wrong, those in rows first, in row order. suppressed: how many more there are.
        head_checked: an end exported earlier was compared; without one a rewritten or cut history may pass.
    """

    ledger: str
    rows: int
    submissions: int
    head: Head | None
    problems: tuple[LedgerProblem, ...]
    suppressed: int
    head_checked: bool

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


def verify(
    path: Path, *, expected: Head | None = None, tolerance: timedelta = TOLERANCE, scratch: Path | None = None
) -> VerifyReport:
    """Check the whole ledger.

    Args:
        path: the database file.
        expected: an end of it exported earlier and kept elsewhere.
        tolerance: how far the clock may have stepped back.
        scratch: a folder with room for a copy; None: the ledger's own when we may write there and the copy would take
            no more than half of what is free, else the system's folder for temporary files.

    Raises:
        Refused: the file is not a ledger of a known version. StorageFailure: it could not be read or copied.
    """
    with tempfile.TemporaryDirectory(prefix="sealdrop-verify-", dir=scratch or _beside(path)) as folder:
        copy = Path(folder) / "ledger.db"
        try:
            with _reading(path) as source:
                source.backup_to(copy)
            with _reading(copy) as store:
                return _Verification(store, expected, tolerance).run()
        except LedgerBroken as error:  # not even a database
            return _Findings().add(None, Flaw.FILE, error.what).report(None, 0, None, 0, head_checked=False)


def _beside(path: Path) -> Path | None:
    """Return the ledger's folder when a copy may be made there."""
    with suppress(OSError):  # a ledger that cannot be read is reported where it is opened
        free = os.statvfs(path.parent)
        room = free.f_bavail * free.f_frsize
        if os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True) and room >= 2 * path.stat().st_size:
            return path.parent
    return None


@contextmanager
def _reading(path: Path) -> Iterator[Store]:
    with translating(path, "open the ledger"):
        connection = connect_reader(path)
    connection.text_factory = _tolerant
    store = Store(connection, path)
    try:
        yield store
    finally:
        store.close()


def _tolerant(raw: bytes) -> str:
    """Take text that is not UTF-8 as well: a tampered row is to be reported, not to end the reading."""
    return raw.decode(errors="surrogateescape")


class _Findings:
    def __init__(self) -> None:
        self._problems: list[LedgerProblem] = []
        self._suppressed = 0

    def add(self, row: int | None, flaw: Flaw, what: str) -> Self:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(LedgerProblem(row=row, flaw=flaw, what=what))
        else:
            self._suppressed += 1
        return self

    def report(
        self, identity: Identity | None, rows: int, last: Row | None, submissions: int, *, head_checked: bool
    ) -> VerifyReport:
        ordered = sorted(self._problems, key=lambda one: (one.row is None, one.row or 0))
        return VerifyReport(
            ledger=identity.ledger if identity else "",
            rows=rows,
            submissions=submissions,
            head=head_of(identity, last) if identity and last else None,
            problems=tuple(ordered),
            suppressed=self._suppressed,
            head_checked=head_checked,
        )


class _Verification:
    """One pass over all rows, in ledger order."""

    def __init__(self, store: Store, expected: Head | None, tolerance: timedelta) -> None:
        self._store = store
        self._expected = expected
        self._tolerance = tolerance
        self._findings = _Findings()
        self._folding = Folding()
        self._unfit: set[str] = set()  # submissions whose rows do not fold; said once each
        self._follows = _Following(store, self._findings)
        self._identity: Identity | None = None
        self._last: Row | None = None
        self._rows = 0

    def run(self) -> VerifyReport:
        intact = self._check_file()
        try:
            self._check_history(derived=intact)
        except LedgerBroken as error:  # a page could not be read: what was found until there still counts
            self._findings.add(None, Flaw.FILE, error.what)
        except StorageFailure as error:
            if intact:
                raise
            self._findings.add(None, Flaw.FILE, error.what)  # a table is missing or has other columns
        return self._findings.report(
            self._identity,
            self._rows,
            self._last,
            len(self._folding.closed) + len(self._folding.open),
            head_checked=self._expected is not None,
        )

    def _check_file(self) -> bool:
        """Tell whether the tables are as we made them."""
        damage = self._store.damage()
        if damage is not None:
            self._findings.add(None, Flaw.FILE, f"the file is damaged: {damage}")
        try:
            self._store.check_schema()
            if not self._store.derived_is_current():
                self._findings.add(None, Flaw.DERIVED, "the derived tables are of another version")
                return False
        except LedgerBroken as error:
            self._findings.add(None, Flaw.FILE, error.what)
            return False
        return True

    def _check_history(self, *, derived: bool) -> None:
        identity = self._identity = self._store.identity()
        if self._expected is not None:
            missing = contradiction(self._store, identity, self._expected)
            if missing is not None:
                self._findings.add(self._expected.sequence, Flaw.HEAD, missing)
        last = self._last = origin(identity)
        for row in all_rows(self._store):
            flaw = flaw_of(row, last)
            if flaw is not None:
                self._findings.add(row.sequence, Flaw.CHAIN, flaw)
            self._check_time(row, last)
            self._fold(row, derived=derived)
            last = self._last = row
            self._rows += 1
        if derived:
            self._follows.finish(self._folding, self._unfit)

    def _check_time(self, row: Row, last: Row) -> None:
        try:
            back = moment(last.at) - moment(row.at)
        except (TypeError, ValueError):
            self._findings.add(row.sequence, Flaw.TIME, "its time, or that of the row before it, cannot be read")
            return
        if back > self._tolerance:
            self._findings.add(row.sequence, Flaw.TIME, f"it is {back} older than the row before it")

    def _fold(self, row: Row, *, derived: bool) -> None:
        if row.stream in self._unfit:
            return
        try:
            closed = self._folding.step(row)
        except LedgerBroken as error:
            self._unfit.add(row.stream)
            self._findings.add(row.sequence, Flaw.LIFECYCLE, error.what)
            return
        if closed is not None and derived:
            self._follows.compare(closed)


class _Following:
    """Compares the derived tables with what they must be, holding one number per state and one id per key."""

    def __init__(self, store: Store, findings: _Findings) -> None:
        self._store = store
        self._findings = findings
        self._tallies: dict[str, int] = {}
        self._keys: dict[tuple[str, str], str] = {}

    def compare(self, record: Record) -> None:
        change = Change(before=None, after=record)
        for state, number in tally_changes([change]).items():
            self._tallies[state] = self._tallies.get(state, 0) + number
        for kind, key, submission in landed_keys(change):
            self._keys[kind, key] = max(submission, self._keys.get((kind, key), ""))
        submission = record.submission.id
        if self._store.submission(submission) != submission_row(record):
            self._wrong(f"the table of submissions is wrong about {submission!a}")

    def finish(self, folding: Folding, unfit: set[str]) -> None:
        for stream, record in folding.open.items():
            if stream not in unfit:
                self.compare(record)
        after = ""
        while page := self._store.submission_rows(after):
            for row in page:
                if row.id not in folding.closed and row.id not in folding.open and row.id not in unfit:
                    self._wrong(f"the table of submissions invents {row.id!a}")
            after = page[-1].id
        if not unfit and self._store.tallies() != {state: n for state, n in self._tallies.items() if n}:
            self._wrong("the numbers per state are wrong")
        if not unfit and self._store.delivered_keys() != self._keys:
            self._wrong("the table of delivered keys is wrong")

    def _wrong(self, what: str) -> None:
        self._findings.add(None, Flaw.DERIVED, what)
