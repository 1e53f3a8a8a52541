"""The register of rules: each id, what follows from it, the clause it rests on, and what a person should do.

Every rule that the code names is registered here, and every registered rule has a passing and a failing case
(``tests/rules``); a test checks all directions. ``clause`` names a source that was read, or says *assumption*: what
Appendix AA of the Smart Energy Code prescribes in detail was not available to the authors, and must be looked up (see
``config/profiles/README.md``).

*Reject* what cannot be right; *hold* for a person what is unusual or unknown; *warn* of what should be known. A profile
may adjust the severity of an ``adjustable`` rule. The others are not negotiable: after them nothing sensible can be
read, or the file would be wrong whatever the DCC accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from sealdrop.core.verdict import Severity

_CSV = "RFC 4180"
_ASSUMPTION = "assumption"
_PROFILE = "assumption: the profile's own description of the file"
_ALLOCATION = "SEC User ID allocation: EUI-64 inside the Party's range"
_DUIS = "DUIS 5.4"
_TAD = "SEC definition of Threshold Anomaly Detection; the comparison itself is an assumption"
_GUARD = "SEC definition of Threshold Anomaly Detection; what is unusual is an assumption of the profile"
_EXIT = "SEC Appendix AA (TADP): each decision answers a report; what is unusual is an assumption of the profile"
_SHEET = "assumption: damage that spreadsheet programs are known to do"
_RESAVE = "Mend the file where it was made and drop it again."
_AS_TEXT = "Format the column as text in the spreadsheet, type the value again, save, and drop the file again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        id: stable; area, full stop, name.
        severity: what follows unless the profile adjusts it.
        clause: the source it rests on, or *assumption*.
        title: what it demands, as a phrase.
        hint: what to do about a finding, as an imperative sentence.
        adjustable: a profile may change the severity.
    """

    id: str
    severity: Severity
    clause: str
    title: str
    hint: str
    adjustable: bool = True


def _firm(rule: str, clause: str, title: str, hint: str) -> Rule:
    return Rule(id=rule, severity=Severity.REJECT, clause=clause, title=title, hint=hint, adjustable=False)


def _reject(rule: str, clause: str, title: str, hint: str = _RESAVE) -> Rule:
    return Rule(id=rule, severity=Severity.REJECT, clause=clause, title=title, hint=hint)


def _hold(rule: str, clause: str, title: str, hint: str) -> Rule:
    return Rule(id=rule, severity=Severity.HOLD, clause=clause, title=title, hint=hint)


def _policy(rule: str, clause: str, title: str, hint: str) -> Rule:
    """A rule whose severity is a key of its own in the profile, so that ``severities`` must not say it again."""
    return Rule(id=rule, severity=Severity.HOLD, clause=clause, title=title, hint=hint, adjustable=False)


def _warn(rule: str, clause: str, title: str, hint: str) -> Rule:
    return Rule(id=rule, severity=Severity.WARN, clause=clause, title=title, hint=hint)


_ENVELOPE = (
    _reject("file.name", _PROFILE, "the file is named as the profile demands", "Rename the file and drop it again."),
    _firm("file.too-large", _PROFILE, "the file is within its size bound", "Split the file, or raise bounds.bytes."),
    _firm(
        "file.too-much-wrong",
        _ASSUMPTION,
        "so little is wrong that reading on helps somebody",
        "Mend what is listed; the rest of the file was not read. Check that this is the right file at all.",
    ),
    _firm("file.empty", _PROFILE, "the file holds something", "Check the export that made it and drop it again."),
    _firm("file.not-csv", _CSV, "the file is delimited text", "Save it as CSV (comma delimited) and drop that file."),
    _firm("csv.utf-16", _CSV, "the text is not UTF-16", 'Save as "CSV UTF-8", not as "Unicode text".'),
    _firm("csv.nul", _CSV, "the text holds no NUL character", "Check the export or the copy that made the file."),
    _firm("csv.encoding", _PROFILE, "every byte is text in the profile's encoding", "Save the file in that encoding."),
    _reject("csv.bom-forbidden", _PROFILE, "no byte order mark", 'Save as "CSV", without a byte order mark.'),
    _reject("csv.bom-missing", _PROFILE, "a byte order mark", 'Save as "CSV UTF-8", with a byte order mark.'),
    _firm("csv.line-too-long", _PROFILE, "lines are within their bound", "Check that the file has line ends at all."),
    _firm(
        "csv.field-too-long", _PROFILE, "cells are within their bound", "Shorten the cell; check for lost line ends."
    ),
    _firm("csv.too-many-columns", _PROFILE, "rows are within their bound", "Check the delimiter and the line ends."),
    _reject("csv.line-ends-mixed", _CSV, "one kind of line end throughout", "Save the file again with one program."),
    _reject("csv.line-ends-wrong", _PROFILE, "line ends as the profile demands", "Save it with those line ends."),
    _firm("csv.unbalanced-quote", _CSV, "every opened quote is closed", "Remove the stray quote where it opened."),
    _firm("csv.text-after-quote", _CSV, "nothing follows a closing quote", "Double each quote inside a quoted cell."),
    _reject("csv.stray-quote", _CSV, "quotes only around or doubled inside quoted cells"),
    _reject("csv.quote-forbidden", _PROFILE, "no quoted cells", "Export the file without quotes."),
    _reject("csv.quote-missing", _PROFILE, "every cell is quoted", "Export the file with every cell quoted."),
    _firm("csv.delimiter", _PROFILE, "cells are parted by the profile's delimiter", "Export with that delimiter."),
    _firm("csv.separator-line", _CSV, "no spreadsheet separator line", "Remove the first line (sep=…)."),
    _reject("csv.empty-row", _SHEET, "no empty rows", "Delete the empty rows, also below the table."),
)

_STRUCTURE = (
    _reject("header.unknown-column", _PROFILE, "no columns beyond the profile's", "Remove or rename the column."),
    _firm("header.missing-column", _PROFILE, "every required column is there", "Name the columns in the first row."),
    _firm("header.duplicate-column", _PROFILE, "each column once", "Remove or rename one of the two columns."),
    _reject("header.order", _PROFILE, "columns in the profile's order", "Put the columns into that order."),
    _firm("row.width", _CSV, "as many cells as columns", "Look for a missing, extra or unquoted delimiter."),
    _firm("row.too-many", _PROFILE, "rows are within their bound", "Split the file, or raise bounds.rows."),
    _reject("row.too-few", _PROFILE, "enough rows", "Check the export that made the file."),
    _firm("row.duplicate-key", _ASSUMPTION, "one row for each key", "Keep the row that is meant, delete the other."),
    _reject("row.compare", _PROFILE, "two columns stand in the demanded relation"),
    _firm("trailer.missing", _PROFILE, "the file ends with its trailer", "The file may be cut: export it again."),
    _firm("trailer.count", _PROFILE, "the trailer counts the rows", "The file may have been cut: export it again."),
    _firm("trailer.not-last", _PROFILE, "nothing follows the trailer", "Remove what follows, or export it again."),
    _hold("reference.missing", "SEC Appendix AA (TADP): an SMSR precedes the notice", "the reference is there",
          "Give the SMSR reference, or abandon the file."),
    _reject("reference.differs", _ASSUMPTION, "one reference in one file", "Make one file for each reference."),
    _firm("order.too-many-keys", _ASSUMPTION, "few enough ordering keys", "Split the file by User ID."),
)  # fmt: skip

_CELLS = (
    _firm("cell.missing", _PROFILE, "a required cell is filled", "Fill the cell in and drop the file again."),
    _reject("cell.line-break", _ASSUMPTION, "no line break inside a cell", "Look for a stray quote before the cell."),
    _reject("cell.control-character", _ASSUMPTION, "no control character inside a cell"),
    _firm("cell.formula", "OWASP, CSV injection", "no cell that a spreadsheet would run as a formula",
            "Put the value in place of the formula."),
    _firm("cell.space", _ASSUMPTION, "no space around a value", "Remove the space and drop the file again."),
    _reject("cell.pattern", _PROFILE, "the cell fits the column's pattern"),
    _reject("cell.code", _PROFILE, "the cell is one of the column's codes", "Use one of the codes in the profile."),
    _reject("cell.case", _PROFILE, "letters in the demanded case"),
    _reject("cell.length", _PROFILE, "as many characters as allowed"),
    _firm("cell.integer", _PROFILE, "a whole number: digits, no sign, no leading zeros, no separators", _RESAVE),
    _reject("cell.range", _PROFILE, "a number within the column's bounds"),
    _firm("cell.date", "ISO 8601, RFC 3339; UTC is an assumption", "a date, or a time in UTC",
            "Write 2026-11-24, or 2026-11-24T00:00:00Z, as the profile says."),
    _firm("id.user-id", _ALLOCATION, "a User ID of eight pairs of hexadecimal digits", _RESAVE),
    _firm("id.not-own", _ALLOCATION, "the User ID is one of ours", "Check the User ID; whose file is this?"),
    _warn("id.own-unknown", _ALLOCATION, "own User IDs are configured", "List them under own.user_ids."),
    _firm("id.request-id", _DUIS, "originator, target and 64-bit counter, joined by colons", _RESAVE),
    _firm("id.event-reference", _DUIS, "an event reference of 1 to 20 digits", _RESAVE),
    _firm("srv.malformed", _DUIS, "a Service Reference Variant", "Write it as in DUIS, for example 6.15.1."),
    _policy("srv.unknown", _DUIS, "a Service Reference Variant of the list in use",
          "Check the value; replace the SRV list if a newer DUIS release knows it."),
    _firm("sheet.scientific", _SHEET, "no number in scientific notation", _AS_TEXT),
    _firm("sheet.date", _SHEET, "no date in place of a Service Reference Variant", _AS_TEXT),
    _hold("sheet.rounded", _SHEET, "no long number that ends in zeros from the sixteenth digit on",
          "Compare the number with its source: spreadsheets keep only fifteen digits."),
    _firm("sheet.lost-zero", _SHEET, "no Service Reference Variant that lost its last zero", _AS_TEXT),
    _firm("sheet.doubled-srv", _SHEET, "no Service Reference Variant twice while its longer form is absent",
          "One of the two rows may have lost a zero (7.10 saved as the number 7.1): compare with the source."),
    _reject("sheet.trailing-columns", _SHEET, "no empty columns to the right", "Delete the empty columns."),
)  # fmt: skip

_KINDS = (
    _firm("adt.warning-above-quarantine", _TAD, "the warning threshold is at most the quarantine threshold",
          "Check whether the two numbers were swapped."),
    _policy("adt.zero-threshold", "assumption: what zero means to the DCC is not known", "no threshold of zero",
          "Confirm that zero is meant."),
    _hold("adt.role-not-eligible", _DUIS, "the User Role may send the Service Reference Variant",
          "Check the role and the Service Reference Variant of the row."),
    _firm("eq.duplicate", _ASSUMPTION, "one decision for one communication", "Delete one of the two rows."),
    _firm("eq.contradiction", _ASSUMPTION, "no contradictory decisions for one communication",
          "Decide whether the communication is to be released or deleted, and delete the other row."),
    _firm("eq.foreign-originator", _ALLOCATION, "the communication was sent by one of our User IDs",
          "Remove the row: only the sender decides about a quarantined communication."),
)  # fmt: skip

_MEANT = "Ask whoever made the file whether it is meant; then release it, or abandon it and drop a corrected one."

_GUARDS = (
    _policy("guard.increase", _GUARD, "no threshold far above what was sent before", _MEANT),
    _policy("guard.critical-gone", _GUARD, "no critical Variant less than in what was sent before", _MEANT),
    _policy("guard.set-shrank", _GUARD, "no Variant less than in what was sent before", _MEANT),
    _policy("guard.first-file", _GUARD, "an earlier file of each User ID",
            "Check its thresholds with particular care."),
    _policy("guard.no-comparison", _GUARD, "the content of earlier files is still there",
            'Compare the file by hand; keep = "content" in the configuration makes the next comparison possible.'),
    _policy("guard.too-much", _GUARD, "few enough earlier files and rows to compare them all",
            "Compare the file by hand, or split it by User ID."),
    _policy("guard.warning-equals-quarantine", _TAD, "the warning threshold is below the quarantine threshold",
            "Confirm that no warning is wanted before communications are quarantined."),
    _policy("guard.zero-critical", _TAD, "no threshold of zero on a critical Service Reference Variant",
            "Confirm that every such communication is to be warned of, or quarantined."),
    _policy("guard.bulk-release", _EXIT, "few enough communications released at once", _MEANT),
    _policy("guard.critical-release", _EXIT, "no critical communication released unseen", _MEANT),
    _policy("guard.unknown-reference", _EXIT, "a report names the communication",
            "Import the report with `sealdrop reports add FILE`, or find out where the reference comes from."),
)  # fmt: skip

RULES = MappingProxyType({rule.id: rule for rule in (*_ENVELOPE, *_STRUCTURE, *_CELLS, *_KINDS, *_GUARDS)})
