"""A stream of bytes to a verdict: the one entry to the rules.

``check`` reads from the first byte to the last or to the first thing after which nothing sensible can follow, and
always returns a verdict, whatever the bytes are. It reads a second time when keys seem to repeat, to find out where
(``sieve``); the second verdict is then the answer. Memory depends neither on the file's size nor on its number of rows.

Rows come in runs. A run in which every distinct value is sound and every rule over rows passes is taken as a block, at
the speed of sets and ``zip``; any other run goes row by row, and only there are findings made. Both ways agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from sealdrop.core.verdict import Verdict
from sealdrop.rules import adt
from sealdrop.rules.cells import Cell
from sealdrop.rules.csv_text import Run, read_records
from sealdrop.rules.exit_quarantine import Decisions
from sealdrop.rules.findings import WHOLE_FILE, Complaint, Findings, Place, excerpt
from sealdrop.rules.guards.releases import BulkRelease, CriticalRelease
from sealdrop.rules.guards.thresholds import EqualThresholds, ZeroOnCritical
from sealdrop.rules.identifiers import OwnIds
from sealdrop.rules.layout import Positions, lay_out, without_header, wrong_delimiter
from sealdrop.rules.lines import BLOCK_BYTES, Fault
from sealdrop.rules.profile import Column, Profile
from sealdrop.rules.rows import (
    Block,
    Comparing,
    OneReference,
    OrderingKeys,
    Row,
    RowRule,
    Sifting,
    Uniqueness,
    duplicate_key,
)
from sealdrop.rules.sieve import Sieve
from sealdrop.rules.srv_list import SrvList
from sealdrop.rules.trailer import Trailing

#: Things that cannot be right after which the rest is not read: nobody mends ten thousand places by hand.
ENOUGH = 10_000


def check(
    *,
    profile: Profile,
    srvs: SrvList,
    own: OwnIds,
    chunks: Callable[[], Iterable[bytes]],
    file_name: str,
    size: int,
    block_bytes: int = BLOCK_BYTES,
) -> Verdict:
    """Judge one file.

    Args:
        profile: what a file of this kind must be.
        srvs: the Service Reference Variants in use.
        own: User IDs that are ours, from the profile and the configuration together.
        chunks: called for each reading; gives the same file, in chunks of any size.
        file_name: as dropped.
        size: bytes of the file, for the bound on it.
        block_bytes: how much is read at a time; it never changes the verdict.
    """
    keys = _keys(profile)
    sieves = [Sieve(size, len(keys)) for _ in keys]
    sifting: list[RowRule] = [Sifting(columns, sieve) for columns, sieve in zip(keys, sieves, strict=True)]
    verdict = _Examination(profile, srvs, own, sifting).run(chunks(), file_name, size, block_bytes)
    doubtful = [sieve.doubtful for sieve in sieves]
    if not any(doubtful):
        return verdict
    overflowed = any(sieve.overflowed for sieve in sieves)
    del sieves, sifting  # their tables
    comparing = _comparing(profile, srvs, doubtful)
    second = _Examination(profile, srvs, own, comparing, overflowed=overflowed)
    return second.run(chunks(), file_name, size, block_bytes)


def _keys(profile: Profile) -> list[list[str]]:
    """Return the columns in which together rows must differ, once for each rule that says so."""
    keys = [column.name for column in profile.columns if column.key]
    named = profile.exit_quarantine
    decided = [[named.event_reference, named.request_id]] if profile.kind == "exit-quarantine" else []
    return decided + ([keys] if keys else [])


def _comparing(profile: Profile, srvs: SrvList, doubtful: Sequence[AbstractSet[int]]) -> list[RowRule]:
    """Return the rules that compare rows by ``_keys``, which may repeat as ``doubtful`` says."""
    rules: list[RowRule] = []
    if profile.kind == "exit-quarantine":
        rules.append(Decisions(profile.exit_quarantine, doubtful[0]))
    keys = [column.name for column in profile.columns if column.key]
    if keys and profile.kind == "adt":
        rules.append(adt.uniqueness(keys, doubtful[-1], profile.adt, srvs))
    elif keys:
        rules.append(Uniqueness(keys, doubtful[-1], duplicate_key(keys)))
    return rules


def _guards(profile: Profile, srvs: SrvList) -> list[RowRule]:
    """Return the guards that see one row at a time; the others need earlier files or reports (``rules.guards``)."""
    guards = profile.guards
    if guards is None:
        return []
    if profile.kind == "adt":
        rules: list[RowRule] = [EqualThresholds(profile.adt, guards.warning_equals_quarantine)]
        if profile.approvals or profile.adt.zero in ("allow", "warn"):  # else every zero holds or rejects already
            rules.append(ZeroOnCritical(profile.adt, srvs, guards.zero_critical))
        return rules
    rules = [CriticalRelease(profile.exit_quarantine, srvs, guards.critical_release)]
    if guards.max_releases is not None:
        rules.append(BulkRelease(profile.exit_quarantine, guards.max_releases))
    return rules


class _Examination:
    """The state of one reading.

    Args:
        profile, srvs, own: as of ``check``.
        comparing: rules of this reading that compare rows with each other.
        overflowed: they cannot know all rows that they must.
    """

    def __init__(
        self, profile: Profile, srvs: SrvList, own: OwnIds, comparing: Sequence[RowRule], *, overflowed: bool = False
    ) -> None:
        self._profile = profile
        self._srvs = srvs
        self._own = own
        self._findings = Findings(profile.severities)
        self._cells = {column.name: self._compile(column) for column in profile.columns}
        self._positions: Positions | None = None
        self._begun = False
        self._empty = 0  # rows; they count against the bound, or a file of line ends would be read for minutes
        self._over = False  # nothing sensible can follow
        self._records = 0
        self._trailing = Trailing(profile.trailer) if profile.trailer else None
        ordering = self._cells[profile.ordering.column].column
        self._ordering = OrderingKeys(
            ordering.name, profile.bounds.ordering_keys, request_ids=ordering.type == "request-id"
        )
        self._reference = OneReference(profile.reference.column) if profile.reference.source == "column" else None
        self._named_reference: str | None = None
        self._rules = self._row_rules(comparing)
        self._overflowed = overflowed

    def run(self, chunks: Iterable[bytes], file_name: str, size: int, block_bytes: int) -> Verdict:
        if self._before(file_name, size) and self._read(chunks, block_bytes):
            self._after()
        reference = self._reference.found if self._reference else self._named_reference
        return Verdict(
            profile=self._profile.name,
            profile_version=self._profile.version,
            findings=self._findings.kept,
            suppressed=self._findings.suppressed,
            records=self._records,
            ordering_keys=tuple(sorted(self._ordering.keys)),
            reference=reference,
            unverified=self._profile.unverified,
            rejecting=self._findings.rejecting,
            holding=self._findings.holding,
            guarding=self._findings.guarding,
            approvals=self._profile.approvals,
        )

    def _read(self, chunks: Iterable[bytes], block_bytes: int) -> bool:
        """Read the file; False when it was not read to its end."""
        for item in read_records(chunks, self._profile.dialect, self._profile.bounds, block_bytes):
            if isinstance(item, Run):
                self._take(item)
            else:
                self._fault(item)
            if self._over:
                return False
        return True

    def _compile(self, column: Column) -> Cell:
        return Cell(column, self._profile, self._srvs, self._own)

    def _row_rules(self, comparing: Sequence[RowRule]) -> list[RowRule]:
        profile = self._profile
        rules: list[RowRule] = [
            Comparing(comparison, integers=self._cells[comparison.left].column.type == "integer")
            for comparison in profile.compare
        ]
        if profile.kind == "adt":
            rules += [adt.Thresholds(profile.adt), adt.Eligibility(profile.adt, self._srvs)]
        rules += _guards(profile, self._srvs)
        rules += comparing
        rules += [self._reference] if self._reference else []
        return [*rules, self._ordering]

    # --- the file as a whole ------------------------------------------------------------------------------------

    def _before(self, file_name: str, size: int) -> bool:
        """Judge what is known before the first byte is read; False when there is no need to read it."""
        profile = self._profile
        match = re.fullmatch(profile.file_name.pattern, file_name)
        if match is None:
            message = "the file's name does not fit the profile's pattern"
            self._findings.add(Complaint(rule="file.name", message=message), excerpt=excerpt(file_name, "public"))
        elif profile.reference.source == "file-name":
            self._named_reference = match["reference"]
        if not self._own and any(column.own for column in profile.columns):
            message = "no own User IDs are known, so nobody checked whose they are"
            self._findings.add(Complaint(rule="id.own-unknown", message=message))
        if size == 0:
            self._stop(Complaint(rule="file.empty", message="the file holds no bytes"))
        if size > profile.bounds.bytes:
            message = f"the file has {size} bytes, more than {profile.bounds.bytes}"
            self._stop(Complaint(rule="file.too-large", message=message))
        return not self._over

    def _after(self) -> None:
        """Judge what only the end of the file can tell."""
        profile = self._profile
        if not self._begun:
            self._findings.add(Complaint(rule="file.empty", message="the file holds no rows"))
            return
        if self._records < profile.bounds.min_rows:
            message = f"{self._records} data rows, fewer than {profile.bounds.min_rows}"
            self._findings.add(Complaint(rule="row.too-few", message=message))
        if self._overflowed:
            message = "so many rows seem to share a key that they cannot all be compared"
            self._findings.add(Complaint(rule="row.too-many", message=message))
        if self._trailing:
            for complaint in self._trailing.end():
                self._findings.add(complaint)
        if profile.reference.required and not (self._reference.found if self._reference else self._named_reference):
            self._findings.add(Complaint(rule="reference.missing", message="no reference was found"))

    def _fault(self, fault: Fault) -> None:
        column = None
        if self._positions and fault.field is not None and fault.field < len(self._positions):
            column = self._positions[fault.field].column.name
        self._findings.add(Complaint(rule=fault.rule, message=fault.message), Place(line=fault.line, column=column))
        self._over = self._over or fault.fatal

    def _stop(self, complaint: Complaint, place: Place = WHOLE_FILE) -> None:
        self._findings.add(complaint, place)
        self._over = True

    # --- rows ---------------------------------------------------------------------------------------------------

    def _take(self, run: Run) -> None:
        lines, rows = run.lines, run.rows
        if not self._begun:
            self._begin(lines[0], rows[0])
            if self._profile.header != "none":
                lines, rows = lines[1:], rows[1:]
        if self._positions is None or not rows or self._block(self._positions, lines, rows):
            return
        for line, row in zip(lines, rows, strict=True):
            self._row(self._positions, line, row)
            if self._findings.rejecting >= ENOUGH and not self._over:
                message = f"{ENOUGH} things that cannot be right were found up to here"
                self._stop(Complaint(rule="file.too-much-wrong", message=message), Place(line=line))
            if self._over:
                return

    def _begin(self, line: int, first: Sequence[str]) -> None:
        """Find out from the first record where the columns are."""
        self._begun = True
        if complaint := wrong_delimiter(self._profile, first):
            self._stop(complaint, Place(line=line))
        elif self._profile.header == "none":
            self._positions = without_header(self._profile, self._cells)
        else:

            def say(complaint: Complaint, place: int | None) -> None:
                column = None if place is None else f"column {place + 1}"
                seen = None if place is None else excerpt(first[place], "masked")
                self._findings.add(complaint, Place(line=line, column=column), seen)

            self._positions = lay_out(self._profile, self._cells, first, self._compile, say)
            self._over = self._positions is None

    def _block(self, positions: Positions, lines: Sequence[int], rows: Sequence[list[str]]) -> bool:
        """Take rows all at once when there is nothing to say of any; otherwise change nothing and return False."""
        width = len(positions)
        if self._records + self._empty + len(rows) > self._profile.bounds.rows or set(map(len, rows)) != {width}:
            return False
        columns = list(zip(*rows, strict=True))
        if self._trailing and not self._trailing.passes(columns[0]):
            return False
        if not all(cell.passes(values) for cell, values in zip(positions, columns, strict=True)):
            return False
        block = Block(
            columns={cell.column.name: cell.normals(values) for cell, values in zip(positions, columns, strict=True)},
            lines=lines,
        )
        if not all(rule.passes(block) for rule in self._rules):
            return False
        for rule in self._rules:
            rule.note(block)
        self._records += len(rows)
        return True

    def _row(self, positions: Positions, line: int, cells: Sequence[str]) -> None:
        """Judge one row and make its findings."""
        width = len(positions)
        if self._trailing:
            taken, complaints = self._trailing.take(cells, self._records)
            for complaint in complaints:
                self._findings.add(complaint, Place(line=line))
            if taken:
                return
        empty = not any(cells)
        if empty:
            self._empty += 1
            self._findings.add(Complaint(rule="csv.empty-row", message="the row is empty"), Place(line=line))
        if self._records + self._empty + (not empty) > self._profile.bounds.rows:
            message = f"there are more than {self._profile.bounds.rows} data rows"
            self._stop(Complaint(rule="row.too-many", message=message), Place(line=line))
            return
        if empty:
            return
        self._records += 1
        place = Place(line=line, record=self._records)
        if len(cells) > width and not any(cells[width:]):
            message = f"{len(cells) - width} empty cells follow the last column"
            self._findings.add(Complaint(rule="sheet.trailing-columns", message=message), place)
        elif len(cells) != width:
            message = f"{len(cells)} cells where there are {width} columns"
            self._findings.add(Complaint(rule="row.width", message=message), place)
            return
        self._judge(positions, place, line, cells[:width])

    def _judge(self, positions: Positions, place: Place, line: int, cells: Sequence[str]) -> None:
        values: dict[str, str] = {}
        unreadable: set[str] = set()
        by_name = {cell.column.name: (cell, value) for cell, value in zip(positions, cells, strict=True)}
        for name, (cell, value) in by_name.items():
            for complaint in cell.complaints(value):
                self._say(complaint, place, by_name, name)
                if not complaint.readable:
                    unreadable.add(name)
            if value and name not in unreadable:
                values[name] = cell.normal(value)
        row = Row(values=values, unreadable=frozenset(unreadable), line=line)
        for rule in self._rules:
            for complaint in rule.row(row):
                self._say(complaint, place, by_name, complaint.column)

    def _say(
        self, complaint: Complaint, place: Place, by_name: Mapping[str, tuple[Cell, str]], name: str | None
    ) -> None:
        """Make a finding about a row, with as much of the cell as its column lets be shown."""
        cell, value = by_name.get(name or "", (None, ""))
        seen = excerpt(value, cell.column.privacy) if cell else None
        self._findings.add(complaint, Place(line=place.line, record=place.record, column=name), seen)
