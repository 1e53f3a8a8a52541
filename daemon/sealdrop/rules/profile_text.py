"""A profile in words: what `sealdrop profile show` prints, and every program may read.

``facts`` are label and sentence, ``columns`` one row for each column. Nothing is decided here; what a key means is
explained in ``config/profiles/adt.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator

from sealdrop.rules.findings import printable
from sealdrop.rules.profile import GUARDS_OF, Column, Profile
from sealdrop.rules.srv_list import SrvList
from sealdrop.rules.working_days import Calendar

COLUMN_HEADINGS = ("column", "type", "required", "checks", "privacy")
_HEADERS = {
    "any-order": "the first row names the columns, in any order; optional ones may be left out",
    "exact": "the first row names all columns, in this order",
    "none": "no header: every row has all columns, in this order",
}
_DELIMITERS = {"\t": "a tab"}


def facts(profile: Profile, srvs: SrvList, calendar: Calendar | None) -> Iterator[tuple[str, str]]:
    """Yield what is true of the whole file, as label and sentence."""
    yield "profile", f"{profile.name}, version {printable(profile.version)}, for files of kind {profile.kind}"
    yield "verified", _verified(profile)
    yield "file name", printable(profile.file_name.pattern)
    dialect = profile.dialect
    yield (
        "text",
        (
            f"{dialect.encoding}, byte order mark {dialect.bom}, line ends {dialect.line_ends}, cells parted by "
            f"{_DELIMITERS.get(dialect.delimiter, dialect.delimiter)}, quotes {dialect.quote} {dialect.quoting}"
        ),
    )
    yield "header", _HEADERS[profile.header]
    yield "further columns", "allowed" if profile.extra_columns == "allow" else "refused"
    bounds = profile.bounds
    yield (
        "bounds",
        (
            f"{bounds.bytes} bytes, {bounds.min_rows} to {bounds.rows} rows, {bounds.columns} columns, "
            f"{bounds.line_bytes} bytes in a line, {bounds.field_bytes} in a cell, {bounds.ordering_keys} ordering keys"
        ),
    )
    if keys := [column.name for column in profile.columns if column.key]:
        yield "unique", f"{' and '.join(keys)} together differ in every row"
    for one in profile.compare:
        yield "compared", f"{one.left} {one.must_be} {one.right}"
    if profile.trailer:
        needed = "must end the file" if profile.trailer.required else "may end the file"
        yield (
            "trailer",
            (
                f"a row that begins with {profile.trailer.marker} and counts the rows in cell "
                f"{profile.trailer.count_position} {needed}"
            ),
        )
    yield "reference", _reference(profile)
    yield "order", f"files that share {profile.ordering.column} are delivered in the order in which they were claimed"
    own = len(profile.own.user_ids)
    yield "own User IDs", f"{own} entries here, and what the configuration adds" if own else "as the configuration says"
    yield from _policies(profile, srvs)
    yield from _time(profile, calendar)


def columns(profile: Profile) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for each column, under ``COLUMN_HEADINGS``."""
    for column in profile.columns:
        needed = "yes" if column.required else "no"
        yield column.name, column.type, needed, "; ".join(_checks(column)), column.privacy


def missing_verification(profile: Profile) -> list[str]:
    """Return the keys by which somebody would vouch for a profile, of those that are empty."""
    return [key for key in ("verified_by", "verified_on", "sec_version") if not getattr(profile, key)]


def _verified(profile: Profile) -> str:
    if missing := missing_verification(profile):
        return f"NO: nobody has confirmed it against SEC Appendix AA ({', '.join(missing)} empty)"
    by, version = printable(profile.verified_by), printable(profile.sec_version)
    return f"by {by} on {profile.verified_on}, against SEC version {version}"


def _reference(profile: Profile) -> str:
    source = {
        "none": "none",
        "column": f"from column {profile.reference.column}",
        "file-name": "from the file's name",
    }[profile.reference.source]
    return f"{source}; a file without one is held" if profile.reference.required else source


def _policies(profile: Profile, srvs: SrvList) -> Iterator[tuple[str, str]]:
    yield "formula cells", {"reject": "refused", "flag": "delivered and noted"}[profile.formula_cells]
    if profile.srv:
        critical = sum(one.critical for one in srvs.variants.values())
        listed = f"{len(srvs.variants)} in {profile.srv.list}, {critical} critical"
        yield "Variants", f"{listed}; one that is not listed: {profile.srv.unknown}"
    if profile.kind == "adt":
        yield "zero threshold", profile.adt.zero
    yield from _guards(profile)
    for rule, severity in sorted(profile.severities.items()):
        yield "adjusted", f"{rule}: {severity.value}"


def _guards(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.guards is None:
        return
    for key, value in profile.guards.model_dump().items():
        if key in GUARDS_OF[profile.kind]:
            yield "guard", f"{key.replace('_', ' ')}: {'no limit' if value is None else value}"
    lifted = {0: "an operator", 1: "one signed approval", 2: "two signed approvals"}[profile.approvals]
    yield "held by a guard", f"until {lifted} lets it go"


def _time(profile: Profile, calendar: Calendar | None) -> Iterator[tuple[str, str]]:
    if calendar:
        reach = f"{len(calendar.holidays)} holidays from {calendar.first} to {calendar.last}"
        yield "calendar", f"{profile.calendar}: {reach} ({printable(calendar.source)})"
    if profile.deadline:
        yield "deadline", f"{profile.deadline.working_days} working days, cut-off at {profile.deadline.cut_off}"
    if profile.expected:
        days = {"working-days": "on every working day", "every-day": "every day"}[profile.expected.days]
        yield "expected", f"at least {profile.expected.files} by {profile.expected.by} {days}"
    kept = {"sent": profile.retention.sent_days, "failed": profile.retention.failed_days}
    if any(kept.values()):
        said = [f"{name} for {days} days" for name, days in kept.items() if days]
        yield "kept", ", ".join(said)


def _checks(column: Column) -> Iterator[str]:
    if column.key:
        yield "part of the key"
    if column.own:
        yield "ours"
    if column.codes:
        yield f"one of {' '.join(column.codes)}" + (" in either case" if column.ignores_case else "")
    if column.case in ("upper", "lower"):
        yield f"{column.case} case"
    unit = " characters" if column.type == "text" else ""
    if column.min is not None and column.max is not None:
        yield f"{column.min} to {column.max}{unit}"
    elif column.min is not None:
        yield f"at least {column.min}{unit}"
    elif column.max is not None:
        yield f"at most {column.max}{unit}"
    if column.pattern:
        yield f"fits {printable(column.pattern)}"
