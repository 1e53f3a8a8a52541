r"""One cell at a time: what the column's type and the profile demand of a value.

A column of the profile is compiled once into a ``Cell``, which answers for a value: the complaints, and the normal form
in which values are compared. The order of the checks is chosen so that one mistake gives one complaint that names the
likely cause: a formula or a number in scientific notation is reported as that, not as a bad number.

Values that passed are remembered, up to ``REMEMBERED`` for each column, because files repeat them; memory is bounded by
that. Patterns are the operator's: one that backtracks without end would be slow on cells up to the field bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from unicodedata import category

from sealdrop.core.verdict import Severity
from sealdrop.rules.findings import Complaint, policy_severity
from sealdrop.rules.identifiers import OwnIds, event_reference, is_srv, normal_user_id, request_id
from sealdrop.rules.profile import Column, Policy, Profile
from sealdrop.rules.srv_list import SrvList

REMEMBERED = 20_000  # values that passed, for each column
REMEMBERED_CHARACTERS = 64  # longer values are judged anew
MOST_DIGITS = 40  # of any number; reading longer ones costs more than linear time
EXACT_DIGITS = 15  # what a spreadsheet keeps of a number

_FORMULA = re.compile(r"[\s\"'\u00a0\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]{1,3}")
_INTEGER = re.compile(r"0|[1-9][0-9]*")
_EXACT = rf"0|[1-9][0-9]{{0,{EXACT_DIGITS - 1}}}"
_LONG = rf"[0-9]{{{EXACT_DIGITS}}}(?!0+\Z)[0-9]"
_EUI = r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
_AT_ONCE = {
    "integer": re.compile(_EXACT),
    "event-reference": re.compile(rf"[0-9]{{1,{EXACT_DIGITS}}}|{_LONG}{{1,5}}"),
    "request-id": re.compile(rf"{_EUI}:{_EUI}:(?:{_EXACT}|(?!0){_LONG}{{1,4}})"),
}
"""What most values of types that hardly repeat look like; one that fits has nothing wrong but, perhaps, ``_within``."""
_REPEATING = frozenset({"user-id", "code", "srv"})
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE_LIKE = re.compile(
    rf"[0-9]{{1,2}}[-/ .]{_MONTH}(?:[-/ .][0-9]{{2,4}})?|{_MONTH}[-/ .][0-9]{{2,4}}"
    r"|[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}(?: [0-9:]+)?",
    re.IGNORECASE,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|\+00:00)")
_LINE_BREAKS = frozenset("\n\r\v\f\x85\u2028\u2029")
_NUMERIC = frozenset({"integer", "event-reference", "srv", "request-id"})

Judge = Callable[[str], Iterator[Complaint]]


class Cell:
    """The checks of one column.

    Args:
        column: its description.
        profile: for its formula policy and SRV policy.
        srvs: the list in use.
        own: User IDs that are ours; when empty, ownership is not judged.
    """

    def __init__(self, column: Column, profile: Profile, srvs: SrvList, own: OwnIds) -> None:
        self.column = column
        self._formula = Severity.WARN if profile.formula_cells == "flag" else Severity.REJECT
        self._srvs = srvs
        self._unknown_srv: Policy = profile.srv.unknown if profile.srv else "allow"
        self._own = own if column.own else OwnIds()
        self._pattern = re.compile(column.pattern) if column.pattern else None
        fold = str.upper if column.ignores_case else str
        self._fold: Callable[[str], str] = fold
        self._alike = column.type not in ("user-id", "request-id", "event-reference") and fold is str
        self._codes = frozenset(map(fold, column.codes))
        self._passed: set[str] = {""} if not column.required else set()
        judges: dict[str, Judge] = {
            "text": self._text,
            "code": self._code,
            "integer": self._integer,
            "user-id": self._user_id,
            "request-id": self._request_id,
            "event-reference": self._event_reference,
            "srv": self._srv,
            "date": self._moment,
            "date-time": self._moment,
            "moment": self._moment,
        }
        self._judge = judges[column.type]
        bulk = _AT_ONCE.get(column.type) if self._pattern is None and column.case is None else None
        self._at_once = bulk.fullmatch if bulk else None

    def passes(self, values: Iterable[str]) -> bool:
        """Tell whether none of ``values`` gives a complaint."""
        fresh = set(values) - self._passed
        if self._at_once is not None and all(map(self._at_once, fresh)) and self._within(fresh):
            return True
        for value in fresh:
            if self.complaints(value):
                return False
        self._remember(fresh)
        return True

    def normal(self, value: str) -> str:
        """Return the form in which a sound value is compared with others."""
        if self.column.type in ("user-id", "request-id"):
            return value.upper()
        if self.column.type == "event-reference":
            return value.lstrip("0") or value[:1]
        return self._fold(value)

    def normals(self, values: Sequence[str]) -> Sequence[str]:
        """Return the normal forms of many sound values."""
        if self.column.type not in _REPEATING:
            return values if self._alike else tuple(map(self.normal, values))
        forms = {value: self.normal(value) for value in set(values)}
        return tuple(map(forms.__getitem__, values))  # equal ones are then one object: less to keep, quicker to compare

    def complaints(self, value: str) -> Sequence[Complaint]:
        """Return what is wrong with one value; empty when nothing is."""
        return () if value in self._passed else tuple(self._complaints(value))

    def _complaints(self, value: str) -> Iterator[Complaint]:
        if not value:
            yield Complaint(rule="cell.missing", message="the cell is empty and must not be", readable=False)
            return
        if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
            message = "a spreadsheet would run the cell as a formula"
            refused = self._formula is Severity.REJECT
            yield Complaint(rule="cell.formula", message=message, severity=self._formula, readable=not refused)
            if refused:
                return
        stopper = self._hidden(value) if self.column.type == "text" else self._shape(value)
        if stopper:
            yield stopper
            if self.column.type != "text":
                return
        for complaint in self._judge(value):
            yield complaint
            if not complaint.readable:
                return
        yield from self._further(value)

    def _within(self, values: set[str]) -> bool:
        """Check what the patterns of ``_AT_ONCE`` leave open: bounds of integers, owners of Request IDs."""
        if self.column.type == "integer":
            low, high = self.column.min, self.column.max
            numbers = list(map(int, values))
            return not numbers or ((low is None or min(numbers) >= low) and (high is None or max(numbers) <= high))
        if self.column.type == "request-id" and self._own:
            return all(user_id in self._own for user_id in {value.partition(":")[0] for value in values})
        return True

    def _remember(self, values: set[str]) -> None:
        if len(self._passed) + len(values) > REMEMBERED:
            self._passed = {""} if not self.column.required else set()
        if max(map(len, values), default=0) <= REMEMBERED_CHARACTERS:
            self._passed |= values

    # --- any type -----------------------------------------------------------------------------------------------

    def _hidden(self, value: str) -> Complaint | None:
        """Look for what people do not see."""
        if value.isprintable():
            return None
        if not _LINE_BREAKS.isdisjoint(value):
            return Complaint(rule="cell.line-break", message="there is a line break inside the cell")
        if any(category(char).startswith("C") for char in value):
            return Complaint(rule="cell.control-character", message="there is an invisible character inside the cell")
        return None

    def _shape(self, value: str) -> Complaint | None:
        """Find what says more than that a value is not of its type; no profile may soften that."""
        if complaint := self._hidden(value):
            return replace(complaint, severity=Severity.REJECT, readable=False)
        if value != value.strip():
            return Complaint(rule="cell.space", message="there is space around the value", readable=False)
        if self.column.type in _NUMERIC and _SCIENTIFIC.fullmatch(value):
            message = "the number is in scientific notation: saved from a spreadsheet as a number?"
            return Complaint(rule="sheet.scientific", message=message, readable=False)
        if self.column.type == "srv" and _DATE_LIKE.fullmatch(value):
            message = "a date stands in place of a Service Reference Variant: saved from a spreadsheet?"
            return Complaint(rule="sheet.date", message=message, readable=False)
        return None

    def _further(self, value: str) -> Iterator[Complaint]:
        """Check what the profile adds to a type."""
        case = self.column.case
        if (case == "upper" and value != value.upper()) or (case == "lower" and value != value.lower()):
            yield Complaint(rule="cell.case", message=f"letters must be in {case} case")
        if self._pattern and not self._pattern.fullmatch(value):
            yield Complaint(rule="cell.pattern", message="the value does not fit the column's pattern")

    # --- each type ----------------------------------------------------------------------------------------------

    def _text(self, value: str) -> Iterator[Complaint]:
        low, high = self.column.min, self.column.max
        if (low is not None and len(value) < low) or (high is not None and len(value) > high):
            yield Complaint(rule="cell.length", message=f"{len(value)} characters; {_bounds(low, high)} are allowed")

    def _code(self, value: str) -> Iterator[Complaint]:
        if self._fold(value) not in self._codes:
            yield Complaint(rule="cell.code", message=f"not one of the {len(self._codes)} codes of the column")

    def _integer(self, value: str) -> Iterator[Complaint]:
        if not _INTEGER.fullmatch(value) or len(value) > MOST_DIGITS:
            message = f"not a whole number in at most {MOST_DIGITS} digits"
            yield Complaint(rule="cell.integer", message=message, readable=False)
        else:
            low, high = self.column.min, self.column.max
            number = int(value)
            if (low is not None and number < low) or (high is not None and number > high):
                yield Complaint(rule="cell.range", message=f"the number must be {_bounds(low, high)}")
            yield from _rounded(value)

    def _user_id(self, value: str) -> Iterator[Complaint]:
        user_id = normal_user_id(value)
        if user_id is None:
            yield Complaint(
                rule="id.user-id", message="not a User ID (eight pairs of hexadecimal digits)", readable=False
            )
        elif self._own and user_id not in self._own:
            yield Complaint(rule="id.not-own", message="the User ID is not one of ours")

    def _request_id(self, value: str) -> Iterator[Complaint]:
        request = request_id(value)
        if request is None:
            message = "not a Request ID (originator:target:counter, 64 bits each)"
            yield Complaint(rule="id.request-id", message=message, readable=False)
        else:
            if self._own and request.originator not in self._own:
                yield Complaint(rule="eq.foreign-originator", message="the originator is not one of our User IDs")
            yield from _rounded(str(request.counter))

    def _event_reference(self, value: str) -> Iterator[Complaint]:
        if event_reference(value) is None:
            message = "not an event reference (1 to 20 digits)"
            yield Complaint(rule="id.event-reference", message=message, readable=False)
        else:
            yield from _rounded(value)

    def _srv(self, value: str) -> Iterator[Complaint]:
        if self._fold(value) in self._codes or value in self._srvs:
            return
        if not is_srv(value):
            yield Complaint(rule="srv.malformed", message="not a Service Reference Variant", readable=False)
        elif f"{value}0" in self._srvs:
            message = "no such Service Reference Variant, but there is one with a further zero: saved as a number?"
            yield Complaint(rule="sheet.lost-zero", message=message)
        elif severity := policy_severity(self._unknown_srv):
            message = "the Service Reference Variant is not in the list in use"
            yield Complaint(rule="srv.unknown", message=message, severity=severity)

    def _moment(self, value: str) -> Iterator[Complaint]:
        is_date = _DATE.fullmatch(value) is not None
        fits = {"date": is_date, "date-time": not is_date, "moment": True}
        if not fits[self.column.type] or moment_of(value) is None:
            wanted = {"date": "a date", "date-time": "a time in UTC", "moment": "a date or a time in UTC"}
            yield Complaint(rule="cell.date", message=f"not {wanted[self.column.type]} of the calendar", readable=False)


def moment_of(value: str) -> datetime | None:
    """Read a date (its first instant) or a time in UTC; None when it is neither, or not of the calendar."""
    try:
        if _DATE.fullmatch(value):
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        if _DATE_TIME.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        return None
    return None


def _rounded(digits: str) -> Iterator[Complaint]:
    """Suspect a long number that ends in zeros from the sixteenth digit on: spreadsheets keep only fifteen."""
    if len(digits) > EXACT_DIGITS and not digits[EXACT_DIGITS:].strip("0"):
        message = f"zeros from digit {EXACT_DIGITS + 1} on: rounded by a spreadsheet?"
        yield Complaint(rule="sheet.rounded", message=message)


def _bounds(low: int | None, high: int | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"from {low} to {high}"
