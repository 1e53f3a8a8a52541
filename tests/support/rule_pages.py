"""The pages about rules that ship beside the profiles: ``PYTHONPATH=tests python -m support.rule_pages`` writes them.

``config/RULES.md`` is made from the register and from the passing and the failing case of each rule, which are judged
here, so that the page says what the product says. ``config/report.schema.json`` is made from the report's models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from sealdrop.core.verdict import Severity
from sealdrop.rules.clauses import RULES, Rule
from sealdrop.rules.findings import printable
from sealdrop.rules.guards.changes import Gaps
from sealdrop.rules.report_schema import report_schema
from support.rule_cases import CASES, NO_GAPS, Sample

CONFIG = Path(__file__).parents[2] / "config"
_LINES = 4  # of an example
_CHARACTERS = 100  # of one of its lines
_AREAS = {
    "file": "The file", "csv": "The text", "header": "The header", "row": "Rows", "trailer": "The trailer",
    "reference": "The reference", "order": "Order", "cell": "Cells", "id": "Identifiers",
    "srv": "Service Reference Variants", "sheet": "Spreadsheet damage", "adt": "ADT Files",
    "eq": "Exit Quarantine files", "guard": "Guards",
}  # fmt: skip
_FOLLOWS = {
    Severity.REJECT: "**reject**: cannot be right; the file goes to `failed/`",
    Severity.HOLD: "**hold**: a person decides",
    Severity.WARN: "**warn**: delivered, and noted",
}
_HEAD = """\
# Rules

<!-- Made by `PYTHONPATH=tests python -m support.rule_pages`; a test compares. -->

Every rule, what it rests on, a file that passes it and one that fails. The examples are judged when this page is made.

*Assumption* means: what the Smart Energy Code prescribes here was not available to the authors.
See [profiles/README.md](profiles/README.md) for what to fetch.

A profile may change what follows from an *adjustable* rule in its table `[severities]`.
Where a policy of the profile decides, the rule says so. The others are not negotiable.

Examples are ADT Files or Exit Quarantine files under the shipped profiles, with own User IDs from
`90-B3-D5-1F-30-01-00-00` to `90-B3-D5-1F-30-01-FF-FF`. What stands in front of an example is changed in the profile.
Characters that cannot be printed are shown as escapes.
"""


def catalogue() -> str:
    """Return the page of all rules."""
    return "\n".join(_page()).rstrip() + "\n"


def schema() -> str:
    """Return the schema of ``report.json``."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


PAGES = {"RULES.md": catalogue, "report.schema.json": schema}


def _page() -> Iterator[str]:
    yield _HEAD
    areas = dict.fromkeys(rule.partition(".")[0] for rule in RULES)
    yield "| Rule | Follows | Demands |"
    yield "|---|---|---|"
    for rule in RULES.values():
        yield f"| [`{rule.id}`](#{rule.id.replace('.', '')}) | {rule.severity.value} | {rule.title} |"
    for area in areas:
        yield f"\n## {_AREAS[area]}"
        for rule in RULES.values():
            if rule.id.startswith(f"{area}."):
                yield from _entry(rule)


def _entry(rule: Rule) -> Iterator[str]:
    case = CASES[rule.id]
    finding = case.failing.findings(rule.id)[0]
    yield f"\n### {rule.id}\n"
    yield f"Demands: {rule.title}.\n"
    yield f"- Follows: {_FOLLOWS[rule.severity]}{_adjustable(rule)}"
    yield f"- Rests on: {rule.clause}"
    yield f"- Says, for example: {finding.message}"
    yield f"- What to do: {rule.hint}"
    yield "\nPasses:\n"
    yield from _example(case.passing)
    yield "\nFails:\n"
    yield from _example(case.failing)


def _adjustable(rule: Rule) -> str:
    if rule.adjustable:
        return "; adjustable"
    return "; a policy of the profile decides" if rule.severity is Severity.HOLD or rule.id in _POLICIES else ""


_POLICIES = {"cell.formula"}  # rejects unless the profile's formula_cells says otherwise


def _example(sample: Sample) -> Iterator[str]:
    yield "```text"
    for key, value in sample.changes.items():
        shown = json.dumps(value, ensure_ascii=False, default=str)
        yield f"{key.replace('/', '.')} = {_cut(shown)}"
    if sample.changes:
        yield ""
    if sample.name != "thresholds.csv":
        yield f"(called {printable(sample.name)})"
    if not sample.own:
        yield "(own User IDs are not known)"
    for before in sample.earlier:
        yield f"(after {' / '.join(before.decode().split()[1:])})"
    if sample.gaps != NO_GAPS:
        yield f"({_gaps(sample.gaps)})"
    for report in sample.known or ():
        yield f"(with an imported report of {' / '.join(report.decode().split()[1:])})"
    text = sample.data.decode("utf-8", "backslashreplace")
    lines = text.replace("\r\n", "\\r\\n\n").splitlines() or ["(nothing)"]
    if text.startswith("\ufeff") or sample.data.startswith(b"PK"):
        lines = [text[:_CHARACTERS]]
    for line in lines[:_LINES]:
        yield _cut(printable(line))
    if len(lines) > _LINES:
        yield "…"
    yield "```"


def _gaps(gaps: Gaps) -> str:
    if gaps.too_many:
        return "more earlier files share a User ID with it than are compared"
    return "the content of the earlier file was not kept" if gaps.lost else "no earlier file is known"


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"


def main() -> None:
    """Write every page anew."""
    for name, make in PAGES.items():
        (CONFIG / name).write_text(make())


if __name__ == "__main__":
    main()
