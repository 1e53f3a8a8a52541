"""The shape of ``report.json``, published as ``config/report.schema.json``.

The models are its description, not its maker: ``report`` writes the document, and tests hold every report to these.
Readers must ignore keys that they do not know; a key is never removed, and never changes its meaning, without a new
``version``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sealdrop.rules.report import VERSION

Count = Annotated[int, Field(ge=0)]
Place = Annotated[int, Field(ge=1)]
SeverityWord = Literal["reject", "hold", "warn"]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class ReportedFile(_Part):
    """The file, as dropped."""

    name: str
    """Its name; control characters and bytes that are no text are written as escapes."""
    size: Count
    """Bytes."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Digest of its bytes."""


class ReportedSubmission(_Part):
    """The file in the agent's care."""

    id: str
    """Identifies it in every command and in the ledger."""
    outbox: str
    """Where it was dropped."""
    kind: str
    """Which rules, keys and routes apply."""
    environment: str
    """Live, or a test environment of the DCC."""
    claimed_at: Annotated[str, Field(pattern=r"^[0-9-]{10}T[0-9:.]+Z$")]
    """When the agent took it, in UTC."""


class ReportedProfile(_Part):
    """What the file was judged by."""

    name: str
    """Name of the profile."""
    version: str
    """As the profile states it."""
    unverified: bool
    """True while nobody has confirmed the profile against SEC Appendix AA."""


class ReportedCounts(_Part):
    """How many findings there are."""

    reject: Count
    """Of what cannot be right."""
    hold: Count
    """Of what a person must decide."""
    warn: Count
    """Of what should be known."""
    reported: Count
    """How many are listed."""
    suppressed: Count
    """How many are counted and not listed."""


class ReportedFinding(_Part):
    """One observation of one rule."""

    rule: str
    """Id of the rule; see config/RULES.md."""
    severity: SeverityWord
    """What follows from it."""
    clause: str
    """The source that the rule rests on, or an assumption."""
    message: str
    """What is wrong, without a cell's value."""
    hint: str
    """What to do."""
    line: Place | None
    """Physical line, as a text editor counts; null for the file as a whole."""
    record: Place | None
    """Data row, the header not counted; null outside rows."""
    column: str | None
    """Header of the column, or "column N"; null where no cell is meant."""
    excerpt: Annotated[str, Field(max_length=60)] | None
    """What the column's privacy class lets be shown of the cell."""


class ReportedChange(_Part):
    """One threshold that is not what an earlier file said. Numbers are exact, and may be very large."""

    user_id: str
    """Whose threshold it is."""
    srv: str
    """For which Service Reference Variant."""
    threshold: str
    """Header of its column."""
    old: Count | None
    """What the earlier file says; null when it says nothing."""
    new: Count | None
    """What this file says; null when it says nothing any more."""
    difference: int | None
    """New less old."""
    percent: int | None
    """The difference in whole percent of the old value, rounded towards zero; null where there is no such number."""
    earlier: str
    """Id of the submission that the earlier file is."""


class Report(_Part):
    """A judged file, for programs."""

    version: Literal[1]
    """Of this shape."""
    verdict: Literal["accepted", "held", "rejected"]
    """Delivered, waiting for a person, or not delivered."""
    file: ReportedFile
    submission: ReportedSubmission | None
    """Null when the file was only looked at."""
    profile: ReportedProfile
    records: Count
    """Data rows read."""
    reference: str | None
    """The SMSR reference in the file or its name."""
    ordering_keys: list[str]
    """Values that order deliveries, by default the User IDs."""
    counts: ReportedCounts
    findings: list[ReportedFinding]
    """In the order in which they were made."""
    changed: Count
    """How many thresholds differ from earlier files."""
    changes: list[ReportedChange]
    """The largest increases, and what else there is room for; empty where the columns are not public."""


def report_schema() -> dict[str, Any]:
    """Return the JSON schema."""
    made = _open(Report.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": f"report.json of sealdrop, version {VERSION}",
    }


def _open(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Let readers meet keys that they do not know; only our own reports are held to having none."""
    if isinstance(schema, dict):
        return {key: _open(value) for key, value in schema.items() if key != "additionalProperties"}
    return [_open(item) for item in schema] if isinstance(schema, list) else schema
