"""Importing a report of quarantined communications, in whichever process has the ledger."""

from __future__ import annotations

from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.reports import ReportShelf
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import Refused
from sealdrop.flow.books import Books
from sealdrop.flow.reports import add_report
from sealdrop.shipped import calendars
from sealdrop.wiring.folders import reports_path


def add_report_here(settings: config.Settings, books: Books, file: Path, profile: Path, by: str) -> Plain:
    """Import a report in this process.

    Args:
        settings: of this instance.
        books: where it is booked.
        file: whole path of the report.
        profile: whole path of its profile.
        by: who asks.

    Raises:
        ConfigurationError: the profile will not do. Refused: it is no such report.
        NoSpace, StorageFailure: our own disk or the ledger failed.
    """
    if not file.is_absolute() or not profile.is_absolute():
        raise Refused("a path is not whole", where="report-add", hint="Name it from the root of the file system")
    loaded = load_profile(profile, calendars())
    if loaded.profile.kind != "report":
        what = f"profile {loaded.profile.name} is of kind {loaded.profile.kind}, not report"
        raise Refused(what, where="--profile", hint="See the shipped profile quarantine-report")
    shelf = ReportShelf(reports_path(settings))
    return to_plain(add_report(file, rules=ProfileValidator(loaded), reports=shelf, books=books, by=by))
