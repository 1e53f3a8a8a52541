"""Nothing private is shown anywhere: markers planted in cells of every privacy class, in headers and in file names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.adapters.journal import LogJournal
from sealdrop.core import events as ev
from sealdrop.core.verdict import Verdict
from sealdrop.ports.ledger import Committed
from sealdrop.rules.line_view import LineViews, pick_lines
from sealdrop.rules.report import Subject, report_json, report_lines, report_text
from support import lifecycles as lc
from support.command_line import sealdrop
from support.rule_cases import DEVICE, U1, Sample

PUBLIC, PRIVATE = "SHOWNSHOWN", "HIDDENHIDDEN"
COLUMNS = [
    {"name": "key", "type": "text", "key": True, "max": 12, "privacy": "public"},
    {"name": "number", "type": "integer", "min": 5, "max": 9, "privacy": "public"},
    {"name": "shown", "type": "text", "required": False, "max": 12, "pattern": "[A-Z]*", "privacy": "public"},
    *(
        {"name": f"{kind}-{privacy}", "type": kind, "required": False, "privacy": privacy, **more}
        for privacy in ("masked", "secret")
        for kind, more in (
            ("text", {"max": 12, "pattern": "[A-Z]*", "case": "upper"}),
            ("code", {"codes": ["ON"]}),
            ("integer", {"max": 9}),
            ("user-id", {"own": True}),
            ("request-id", {"own": True}),
            ("srv", {}),
            ("moment", {}),
        )
    ),
]
NAMES = [str(column["name"]) for column in COLUMNS]
HEADER = ",".join(NAMES)
CHANGES: dict[str, object] = {
    "kind": "table", "columns": COLUMNS, "compare": [], "ordering/column": "key", "reference/source": "none",
    "formula_cells": "flag", "guards": None,
}  # fmt: skip


def sample(data: bytes, **changes: object) -> Sample:
    return Sample(data=data, changes=CHANGES | changes)


def everything_said(of: Sample) -> str:
    """Return all that anybody gets to see of a judged file."""
    verdict = of.judged()
    subject = Subject(file_name=of.name, size=len(of.data), sha256="0" * 64)
    lines = pick_lines([of.data], {finding.line for finding in verdict.findings if finding.line})
    view = LineViews(of.profile(), lines).of
    parts = [
        report_text(subject, verdict).decode(),
        report_json(subject, verdict).decode(),
        "\n".join(line.text for line in report_lines(subject, verdict, view)),
        repr(verdict),
        *journal_of(verdict),
    ]
    return "\n".join(parts)


def journal_of(verdict: Verdict) -> list[str]:
    """Return the journal's lines of a verdict."""
    rejected = ev.Rejected(
        profile=verdict.profile, profile_version=verdict.profile_version, findings=verdict.findings,
        suppressed=verdict.suppressed, records=verdict.records,
    )  # fmt: skip
    reading, writing = os.pipe()
    journal = LogJournal(writing, priorities=False)
    for event in (rejected, lc.accepted()):
        record = lc.after(lc.claimed(), event)
        journal.committed(Committed(sequence=1, stream=lc.ID, at=lc.NOON, event=event, record=record))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as lines:
        return list(lines)


def row(**cells: str) -> str:
    values = {"key": "k", "number": "5", **{name.replace("_", "-"): text for name, text in cells.items()}}
    return ",".join(values.get(name, "") for name in NAMES)


_TEXTS = {
    "too long": PRIVATE + "X" * 20,
    "of another type": PRIVATE,
    "in lower case": f"{PRIVATE}x",
    "a formula": f"={PRIVATE}",
    "with a space before it": f" {PRIVATE}",
    "with a control character": f"{PRIVATE}\t",
    "with a line break": f'"{PRIVATE}\n{PRIVATE}"',
    "quoted": f'"{PRIVATE}, he said ""{PRIVATE}"""',
    "with a stray quote": f'{PRIVATE}"{PRIVATE}',
    "with text after its quote": f'"{PRIVATE}"{PRIVATE}',
    "with a runaway quote": f'"{PRIVATE}',
    "with a NUL": f"{PRIVATE}\0",
    "beyond its bound": PRIVATE * 500,
    "a Request ID of somebody else": f"{PRIVATE}:{DEVICE}:1",
    "a delimiter too many": f"{PRIVATE},",
}


@pytest.mark.parametrize("column", [name for name in NAMES if name.endswith(("masked", "secret"))])
@pytest.mark.parametrize("text", list(_TEXTS))
def test_a_private_cell_is_never_shown(column: str, text: str) -> None:
    data = "\n".join((HEADER, row(**{column: _TEXTS[text]}), row(key="l", number="x"), ""))
    said = everything_said(sample(data.encode()))

    assert PRIVATE not in said
    assert "Rule " in said


def test_a_private_cell_beside_a_broken_public_one_is_not_shown_either() -> None:
    private = {name: PRIVATE for name in NAMES if name.endswith(("masked", "secret")) and name.startswith("text")}
    data = "\n".join((HEADER, row(shown=f"{PUBLIC}{PUBLIC}", **private), ""))
    said = everything_said(sample(data.encode()))

    assert PRIVATE not in said
    assert PUBLIC in said


def test_bytes_that_are_no_text_do_not_bring_a_private_cell_to_light() -> None:
    data = f"{HEADER}\n{row(text_secret=PRIVATE)}".encode() + b"\xff\n"

    assert PRIVATE not in everything_said(sample(data))


def test_names_of_unknown_columns_and_what_stands_under_them_are_private() -> None:
    data = "\n".join((f"{HEADER},{PRIVATE}", f"{row()},=1+{PRIVATE}", ""))

    for extra in ("allow", "deny"):
        assert PRIVATE not in everything_said(sample(data.encode(), extra_columns=extra))


def test_a_first_row_that_is_no_header_is_private() -> None:
    assert PRIVATE not in everything_said(sample(f"{row(text_secret=PRIVATE)}\n".encode()))


def test_secret_keys_that_repeat_are_not_named() -> None:
    columns = [dict(column, key=column["name"] in ("key", "text-secret")) for column in COLUMNS]
    data = "\n".join((HEADER, row(text_secret=PRIVATE), row(text_secret=PRIVATE), ""))
    said = everything_said(sample(data.encode(), columns=columns))

    assert "row.duplicate-key" in said
    assert PRIVATE not in said


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_single_change_anywhere_in_a_file_brings_a_private_cell_to_light(data: st.DataObject) -> None:
    cells = {name: PRIVATE for name in NAMES if name.startswith("text-")}
    good = "\n".join((HEADER, row(**cells), row(key="l", **cells), "")).encode()
    place = data.draw(st.integers(0, len(good)))
    put = data.draw(st.sampled_from([b"", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"=", b" ", b'""', b";"]))
    gone = data.draw(st.integers(0, 1))

    assert PRIVATE not in everything_said(sample(good[:place] + put + good[place + gone :]))


# --- the command, and names ---------------------------------------------------------------------------------------


def test_the_command_shows_no_private_cell_and_names_only_escaped(tmp_path: Path) -> None:
    file = tmp_path / "reason\x1b[31m\u202e.csv"
    request = f"{U1}:{DEVICE}:1000"
    file.write_text(f'quarantine_event_ref,request_id,action,reason\nx,{request},GO,"{PRIVATE}\n"\n1,{PRIVATE},,=\n')
    for more in ((), ("--json",)):
        answer = sealdrop("check", "file", file, "--profile", "exit-quarantine", *more)
        said = answer.out + answer.err

        assert answer.code == 1
        assert PRIVATE not in said
        assert DEVICE not in said
        assert r"\x1b[31m\u202e.csv" in said.replace("\\\\", "\\")
        assert [line for line in said.splitlines() if not line.isprintable()] == []
