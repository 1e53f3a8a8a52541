"""The two reports beside a judged file: ``report.txt`` for people, ``report.json`` for programs.

Both are made from the verdict alone, so they hold only masked excerpts, and from the file's name, size and digest.
``report.txt`` says in its first lines which file, the verdict and the counts, then for each finding what is wrong,
where, and what to do; it holds no control character but line feeds. The shape of ``report.json`` is published
(``report_schema``), and its ``version`` grows when it changes in a way that a reader must know of.
``changes`` holds the largest increases; its numbers are exact and may be larger than a floating-point number can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import NamedTuple

from sealdrop.core.codec import Plain, pretty, to_plain
from sealdrop.core.submission import Submission
from sealdrop.core.verdict import Change, Finding, Severity, Verdict
from sealdrop.rules.clauses import RULES
from sealdrop.rules.findings import printable

VERSION = 1
WIDTH = 96  # columns of report.txt


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The file that a report is about.

    Args:
        file_name: as dropped. size: bytes. sha256: lower-case hex digest.
        submission: when the file is in our care, not merely looked at.
    """

    file_name: str
    size: int
    sha256: str
    submission: Submission | None = None

    @classmethod
    def of(cls, submission: Submission) -> Subject:
        """Return the subject of a report about a submission."""
        return cls(
            file_name=submission.file_name, size=submission.size, sha256=submission.sha256, submission=submission
        )


class ReportLine(NamedTuple):
    """One line of the report for people, and what it is, for whoever has colours.

    ``role`` is the verdict's word for the title, a severity for what is wrong, else ``line`` (of the file), ``caret``,
    ``advice``, ``rule`` or ``fact``.
    """

    text: str
    role: str


View = Callable[[Finding], Sequence[str]]


def verdict_word(verdict: Verdict) -> str:
    """Return ``rejected``, ``held`` or ``accepted``."""
    if verdict.rejected:
        return "rejected"
    return "held" if verdict.held else "accepted"


def report_json(subject: Subject, verdict: Verdict) -> bytes:
    """Return the report for programs."""
    submission = subject.submission
    care: dict[str, Plain] | None = None
    if submission is not None:
        care = {
            "id": submission.id,
            "outbox": submission.outbox,
            "kind": submission.kind,
            "environment": submission.environment,
            "claimed_at": to_plain(submission.claimed_at),
        }
    plain: dict[str, Plain] = {
        "version": VERSION,
        "verdict": verdict_word(verdict),
        "file": {"name": printable(subject.file_name), "size": subject.size, "sha256": subject.sha256},
        "submission": care,
        "profile": {
            "name": verdict.profile,
            "version": verdict.profile_version,
            "unverified": verdict.unverified,
        },
        "records": verdict.records,
        "reference": verdict.reference,
        "ordering_keys": list(verdict.ordering_keys),
        "counts": dict(_counts(verdict)),
        "findings": [_finding(finding) for finding in verdict.findings],
        "changed": verdict.changed,
        "changes": [change_plain(change) for change in verdict.changes],
    }
    return pretty(plain)


def change_plain(change: Change) -> dict[str, Plain]:
    """Return a change as programs read it."""
    return {
        "user_id": change.user_id,
        "srv": change.srv,
        "threshold": change.threshold,
        "old": change.old,
        "new": change.new,
        "difference": change.difference,
        "percent": change.percent,
        "earlier": change.earlier,
    }


CHANGE_HEADINGS = ("user id", "srv", "threshold", "old", "new", "difference", "percent")


def change_cells(change: Change) -> tuple[str, ...]:
    """Return a change as the cells of a row of a table; ``-`` where there is no value."""
    difference, percent = change.difference, change.percent
    return (
        printable(change.user_id),
        printable(change.srv),
        change.threshold,
        "-" if change.old is None else str(change.old),
        "-" if change.new is None else str(change.new),
        "-" if difference is None else f"{difference:+d}",
        "-" if percent is None else f"{percent:+d} %",
    )


def change_lines(changes: Sequence[Change], changed: int) -> Iterator[str]:
    """Yield the table of changes as lines of text; none when nothing changed."""
    if not changed:
        return
    yield f"Changed against earlier files: {changed} thresholds, the largest increase first."
    if not changes:
        yield "They are not listed: the profile lets nobody see the values of these columns."
        return
    rows = [CHANGE_HEADINGS, *map(change_cells, changes)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(CHANGE_HEADINGS))]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)  # noqa: PLR2004 - names left, numbers right
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    if changed > len(changes):
        yield f"{changed - len(changes)} further changes are not listed."


def report_text(subject: Subject, verdict: Verdict) -> bytes:
    """Return the report for people."""
    return ("\n".join(line.text.rstrip() for line in report_lines(subject, verdict)) + "\n").encode()


def report_lines(subject: Subject, verdict: Verdict, view: View = lambda _finding: ()) -> Iterator[ReportLine]:
    """Yield the report for people line by line.

    Args:
        subject: the file.
        verdict: the rules' answer.
        view: returns the lines to show of the file beside a finding, already masked.
    """
    word = verdict_word(verdict)
    for text in _heading(subject, verdict):
        yield ReportLine(text, word if text.startswith(word.upper()) else "fact")
    for number, finding in enumerate(verdict.findings, 1):
        yield ReportLine("", "fact")
        yield from _paragraph(number, finding, view(finding))
    if verdict.suppressed:
        yield ReportLine("", "fact")
        yield ReportLine(f"{verdict.suppressed} further findings are counted above but not listed.", "fact")
    if verdict.changed:
        yield ReportLine("", "fact")
    for text in change_lines(verdict.changes, verdict.changed):
        yield ReportLine(text, "fact")


def _counts(verdict: Verdict) -> dict[str, int]:
    reported = len(verdict.findings)
    return {
        "reject": verdict.rejecting,
        "hold": verdict.holding,
        "warn": reported + verdict.suppressed - verdict.rejecting - verdict.holding,
        "reported": reported,
        "suppressed": verdict.suppressed,
    }


def _finding(finding: Finding) -> dict[str, Plain]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "clause": _rule(finding)[1],
        "message": finding.message,
        "hint": finding.hint,
        "line": finding.line,
        "record": finding.record,
        "column": finding.column,
        "excerpt": finding.excerpt,
    }


_VERDICTS = {
    "rejected": "The file was not delivered. Mend what is listed below where the file was made, and drop it again.",
    "held": "The file waits for a person's decision on what is listed below.",
    "accepted": "The rules forbid nothing here.",
}
_SEVERITIES = {
    Severity.REJECT: "cannot be right",
    Severity.HOLD: "needs a person's decision",
    Severity.WARN: "to be known",
}


def _heading(subject: Subject, verdict: Verdict) -> Iterator[str]:
    word = verdict_word(verdict)
    counts = _counts(verdict)
    title = f"{word.upper()}: {printable(subject.file_name)}"
    yield from wrap(title, WIDTH)
    yield f"{counts['reject']} that cannot be right, {counts['hold']} for a person, {counts['warn']} to be known."
    yield from wrap(_VERDICTS[word], WIDTH)
    yield ""
    yield f"Size        {subject.size} bytes, {verdict.records} data rows read"
    yield f"SHA-256     {subject.sha256}"
    if subject.submission is not None:
        yield f"Submission  {subject.submission.id} from outbox {printable(subject.submission.outbox)}"
        yield f"Claimed     {to_plain(subject.submission.claimed_at)}"
    if verdict.reference is not None:
        yield f"Reference   {printable(verdict.reference)}"
    yield f"Profile     {verdict.profile}, version {printable(verdict.profile_version)}"
    if verdict.unverified:
        yield "            unverified: nobody has confirmed it against SEC Appendix AA yet"


def _paragraph(number: int, finding: Finding, view: Sequence[str]) -> Iterator[ReportLine]:
    label = f"{number}. "
    indent = " " * len(label)
    for text in wrap(f"{label}{_where(finding)}: {finding.message}", WIDTH, subsequent_indent=indent):
        yield ReportLine(text, finding.severity.value)
    for text, role in zip(view, ("line", "caret"), strict=False):
        yield ReportLine(indent + text, role)
    if finding.excerpt is not None and finding.excerpt not in "".join(view):
        yield ReportLine(f"{indent}Seen: {finding.excerpt}", "line")
    for text in wrap(f"What to do: {finding.hint}", WIDTH, initial_indent=indent, subsequent_indent=indent):
        yield ReportLine(text, "advice")
    title, clause = _rule(finding)
    said = f"Rule {finding.rule} ({_SEVERITIES[finding.severity]}): {title}. Rests on: {clause}."
    for text in wrap(said, WIDTH, initial_indent=indent, subsequent_indent=indent):
        yield ReportLine(text, "rule")


def _rule(finding: Finding) -> tuple[str, str]:
    """Return title and clause; a finding from the ledger may be of a rule that this version no longer has."""
    rule = RULES.get(finding.rule)
    return (rule.title, rule.clause) if rule else ("a rule of another version", "not known to this version")


def _where(finding: Finding) -> str:
    parts = []
    if finding.line is not None:
        parts.append(f"Line {finding.line}")
    if finding.record is not None:
        parts.append(f"row {finding.record}")
    if finding.column is not None:
        parts.append(f"column {finding.column}" if not finding.column.startswith("column ") else finding.column)
    return ", ".join(parts) or "The file as a whole"
