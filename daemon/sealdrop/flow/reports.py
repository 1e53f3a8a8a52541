"""Importing a Quarantined Communications Report, against which Exit Quarantine files are held.

The copy is ours before it is judged, so what was judged is what is kept. It is known once its index is durable, and
then booked: a death in between leaves a report that is known and not booked, which importing it again puts right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import NotYet, Refused, Unacceptable
from sealdrop.core.events import ReportAdded
from sealdrop.flow.books import Books
from sealdrop.ports.reports import ReportRules, Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a report.

    Args:
        sha256: its digest, by which it is kept.
        rows: data rows. communications: different ones among them.
        profile, profile_version, unverified: what it was judged by.
    """

    sha256: str
    rows: int
    communications: int
    profile: str
    profile_version: str
    unverified: bool


def add_report(file: Path, *, rules: ReportRules, reports: Reports, books: Books, by: str) -> Imported:
    """Import a report.

    Args:
        file: the report; it stays where it is.
        rules: what it must be.
        reports: where it is kept.
        books: where its import is booked.
        by: who asks.

    Raises:
        Refused: it cannot be read, or is no such report; nothing changed.
        NoSpace, StorageFailure: our own disk or the ledger failed.
    """
    where = ascii(str(file))[1:-1]
    try:
        taken = reports.take(file, rules.max_bytes)
    except (NotYet, Unacceptable) as error:
        hint = "Copy it to a folder that the agent's user may read, complete, and name it by its whole path"
        raise Refused(f"the report cannot be taken: {error.what}", where=where, hint=hint) from error
    verdict = rules.validate(taken.path, file.name)
    if verdict.rejecting or verdict.holding:
        first = verdict.findings[0]
        place = f"line {first.line}: " if first.line is not None else ""
        reports.forget(taken)
        what = f"it is not such a report: {place}{first.message} ({first.rule})"
        raise Refused(what, where=where, hint="See `sealdrop check file` with the same --profile")
    try:
        communications = reports.index(taken, rules.reported(taken.path))
    except Unacceptable as error:
        reports.forget(taken)
        raise Refused(f"the report cannot be used: {error.what}", where=where, hint=error.hint) from error
    books.tell(ReportAdded(sha256=taken.sha256, name=file.name, rows=verdict.records, by=by))
    return Imported(
        sha256=taken.sha256,
        rows=verdict.records,
        communications=communications,
        profile=verdict.profile,
        profile_version=verdict.profile_version,
        unverified=verdict.unverified,
    )
