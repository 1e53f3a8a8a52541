"""A profile: the operator's versioned description of one kind of file, as frozen values.

The models say what each key may be by itself: types are strict, unknown keys are errors. ``profile_parsing`` reads a
TOML file's tables into a ``Profile`` and checks what no single key can tell.

A profile says what a kind of file *is* and what the world expects of it: its form, its rules, its deadline, when one is
expected, how long it is kept. How files are delivered (keys, routes, patience) is the main configuration's. Every key
is explained in ``config/profiles/adt.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sealdrop.core.verdict import Severity

ColumnType = Literal[
    "text", "code", "integer", "user-id", "request-id", "event-reference", "srv", "date", "date-time", "moment"
]
Encoding = Literal["utf-8", "ascii", "windows-1252"]
Policy = Literal["allow", "warn", "hold", "reject"]
GuardPolicy = Literal["allow", "warn", "hold"]  # a guard never rejects

_MOST = 2**31  # upper end of every bound: larger is a slip of the keyboard


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from error
    return pattern


def _day(text: str) -> str:
    if text:
        date.fromisoformat(text)
    return text


Name = Annotated[str, Field(min_length=1, max_length=64)]
Regex = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_regex)]
Clock = Annotated[str, Field(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]  # in the United Kingdom
Days = Annotated[int, Field(ge=1, le=36_500)]
Bound = Annotated[int, Field(ge=1, le=_MOST)]


class _Part(BaseModel):
    """Strict, closed and frozen, like every part of a profile."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Dialect(_Part):
    """How the text is written."""

    delimiter: Annotated[str, Field(pattern=r"^[,;|\t~^:!]$")] = ","
    quote: Annotated[str, Field(pattern=r"""^["']$""")] = '"'
    quoting: Literal["allowed", "forbidden", "required"] = "allowed"
    line_ends: Literal["lf", "crlf", "either"] = "either"
    bom: Literal["forbidden", "allowed", "required"] = "allowed"
    encoding: Encoding = "utf-8"


class Bounds(_Part):
    """What keeps one pathological file harmless; bytes unless said."""

    bytes: Bound = 256 * 1024 * 1024
    line_bytes: Bound = 64 * 1024
    field_bytes: Bound = 4096
    columns: Bound = 64  # cells in one row
    rows: Bound = 1_000_000  # data rows in one file
    min_rows: Annotated[int, Field(ge=0, le=_MOST)] = 1
    ordering_keys: Bound = 10_000  # distinct keys in one file


class Column(_Part):
    """One column: its header, its type and what else its cells must be."""

    name: Name
    type: ColumnType
    required: bool = True
    pattern: Regex | None = None
    codes: tuple[Name, ...] = ()
    min: int | None = None
    max: int | None = None
    case: Literal["any", "exact", "upper", "lower"] | None = None
    key: bool = False
    own: bool = False
    privacy: Literal["public", "masked", "secret"] = "masked"
    example: Annotated[str, Field(min_length=1, max_length=1000)] | None = None

    @property
    def ignores_case(self) -> bool:
        """True when codes may be spelled in either case; said only by ``any``, since the DCC may not be as lenient."""
        return self.case == "any"


class Comparison(_Part):
    """A relation between two columns of one row."""

    left: Name
    must_be: Literal["<=", "<"]
    right: Name


class Trailer(_Part):
    """A last record that counts the data rows."""

    marker: Name
    count_position: Annotated[int, Field(ge=2, le=1000)] = 2  # cell that holds the count, from 1
    required: bool = True


class FileName(_Part):
    """The grammar of the name as dropped."""

    pattern: Regex = r".+"
    example: Annotated[str, Field(min_length=1, max_length=255)] | None = None


class Reference(_Part):
    """Where the SMSR reference comes from."""

    source: Literal["none", "column", "file-name"] = "none"
    column: Name = "reference"
    required: bool = False


class Ordering(_Part):
    """Which column orders deliveries; of a Request ID the originator counts."""

    column: Name = "user_id"


class Own(_Part):
    """User IDs and ranges that are ours, as ``ID`` or ``FIRST .. LAST``."""

    user_ids: tuple[str, ...] = ()


class SrvRules(_Part):
    """The list of Service Reference Variants, a file beside the profile, and what an unlisted one means."""

    list: Annotated[str, Field(pattern=r"^[^/\\\x00]+$")]
    unknown: Policy = "hold"


class Adt(_Part):
    """Names of the columns that the ADT rules look at, and what a threshold of zero means."""

    user_id: Name = "user_id"
    user_role: Name = "user_role"
    srv: Name = "srv"
    warning: Name = "warning_threshold"
    quarantine: Name = "quarantine_threshold"
    zero: Policy = "hold"


class ExitQuarantine(_Part):
    """Names of the columns that the Exit Quarantine rules look at."""

    event_reference: Name = "quarantine_event_ref"
    request_id: Name = "request_id"
    action: Name = "action"
    srv: Name = "srv"
    release: Name = "RELEASE"  # the action that lets a communication go


class Guards(_Part):
    """What is unusual enough to be known or decided by a person; ``profile_parsing`` says which kind has which."""

    max_increase_percent: Annotated[int, Field(ge=0, le=1_000_000)] | None = None  # of one threshold; None: no limit
    critical_gone: GuardPolicy = "hold"
    set_shrank: GuardPolicy = "warn"
    first_file: GuardPolicy = "warn"
    no_comparison: GuardPolicy = "hold"
    warning_equals_quarantine: GuardPolicy = "warn"
    zero_critical: GuardPolicy = "hold"
    max_releases: Annotated[int, Field(ge=0, le=_MOST)] | None = None  # in one file; None: no limit
    critical_release: GuardPolicy = "hold"
    unknown_reference: GuardPolicy = "warn"


#: Which of them a kind of file has.
GUARDS_OF: Mapping[str, frozenset[str]] = {
    "adt": frozenset({
        "max_increase_percent", "critical_gone", "set_shrank", "first_file", "no_comparison",
        "warning_equals_quarantine", "zero_critical",
    }),
    "exit-quarantine": frozenset({"max_releases", "critical_release", "unknown_reference"}),
    "report": frozenset(),
    "table": frozenset(),
}  # fmt: skip


class Deadline(_Part):
    """By when a file must have been delivered, counted from when it was dropped."""

    working_days: Annotated[int, Field(ge=0, le=250)]
    cut_off: Clock = "17:00"


class Expected(_Part):
    """When files of this kind are expected, so that one that does not come is noticed."""

    by: Clock
    days: Literal["working-days", "every-day"] = "working-days"
    files: Annotated[int, Field(ge=1, le=10_000)] = 1


class Retention(_Part):
    """How long filed content is kept; without a number, until somebody removes it."""

    sent_days: Days | None = None
    failed_days: Days | None = None


class Profile(_Part):
    """The whole description of one kind of file."""

    kind: Literal["adt", "exit-quarantine", "report", "table"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Name
    verified_by: str = ""
    verified_on: Annotated[str, AfterValidator(_day)] = ""
    sec_version: str = ""
    dialect: Dialect = Dialect()
    bounds: Bounds = Bounds()
    header: Literal["exact", "any-order", "none"] = "any-order"
    extra_columns: Literal["allow", "deny"] = "deny"
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=1000)]
    compare: tuple[Comparison, ...] = ()
    trailer: Trailer | None = None
    file_name: FileName = FileName()
    reference: Reference = Reference()
    ordering: Ordering = Ordering()
    own: Own = Own()
    srv: SrvRules | None = None
    formula_cells: Literal["flag", "reject"] = "reject"
    calendar: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] | None = None
    deadline: Deadline | None = None
    expected: Expected | None = None
    retention: Retention = Retention()
    severities: Mapping[str, Severity] = {}
    adt: Adt = Adt()
    exit_quarantine: ExitQuarantine = ExitQuarantine()
    guards: Guards | None = None
    approvals: Annotated[int, Field(ge=0, le=2)] = 0  # signed ones, where a guard holds; 0: an operator may release

    @property
    def unverified(self) -> bool:
        """True until somebody has put name, date and SEC version to the profile."""
        return not (self.verified_by and self.verified_on and self.sec_version)

    def column(self, name: str) -> Column | None:
        """Return the description of a column by its header."""
        return next((column for column in self.columns if column.name == name), None)
