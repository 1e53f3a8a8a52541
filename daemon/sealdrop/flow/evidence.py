"""Evidence: what is written beside a filed submission and what its producer is told. Pure: records in, bytes out.

``sent/`` gets ``receipt.json``; ``failed/`` gets ``report.json`` for machines and ``report.txt`` for people; the
producer gets one small result file either way and, for a failure, the report. All of it can be made again from the
ledger at any time, byte for byte.
"""

from __future__ import annotations

from textwrap import wrap

from sealdrop.core.codec import pretty
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.verdict import Verdict
from sealdrop.rules.findings import printable
from sealdrop.rules.report import WIDTH, Subject, change_lines, change_plain, report_json, report_text

VERSION = 1


def verdict_of(record: Record) -> Verdict:
    """Return the rules' answer as the ledger has it."""
    return Verdict(
        profile=record.profile or "",
        profile_version=record.profile_version or "",
        findings=record.findings,
        suppressed=record.suppressed,
        records=record.records,
        ordering_keys=record.ordering_keys,
        reference=record.reference,
        unverified=record.unverified,
        rejecting=record.rejecting,
        holding=record.holding,
        approvals=record.approvals,
        changes=record.changes,
        changed=record.changed,
    )


def filed_beside(record: Record) -> tuple[tuple[str, bytes], ...]:
    """Return (name, bytes) of the evidence that goes into the submission's final folder."""
    if record.state is State.DELIVERED:
        return (("receipt.json", receipt(record)),)
    return failure_report(record)


def receipt(record: Record) -> bytes:
    """Return ``receipt.json``: the submission, how it was checked and sealed, and the proof of each leg."""
    return pretty(
        {
            "version": VERSION,
            "submission": record.submission,
            "reference": record.reference,
            "profile": {
                "name": record.profile,
                "version": record.profile_version,
                "verified_by_a_person": not record.unverified,
                "records": record.records,
                "warnings": record.findings,
                "changed": record.changed,
                "changes": [change_plain(change) for change in record.changes],
            },
            "seal": record.seal,
            "deliveries": [{"leg": leg.name, "route": leg.route, "receipt": leg.receipt} for leg in record.legs],
        }
    )


def failure_report(record: Record) -> tuple[tuple[str, bytes], ...]:
    """Return ``report.txt`` and ``report.json`` of a submission that goes to ``failed/``.

    What the rules rejected gets the rules' report; everything else one that says why in one sentence.
    """
    submission = record.submission
    if record.state is State.REJECTED:
        subject, verdict = Subject.of(submission), verdict_of(record)
        return (("report.txt", report_text(subject, verdict)), ("report.json", report_json(subject, verdict)))
    name, reason = printable(submission.file_name), printable(record.reason or "no reason was given")
    lines = (
        f"{record.state.value.upper()}: {name}",
        *wrap(f"The file was not delivered: {reason}.", WIDTH),
        f"What to do: {_ADVICE[record.state]}",
        "",
        f"SHA-256     {submission.sha256 or 'not read'}",
        f"Submission  {submission.id} from outbox {submission.outbox}",
        *([""] if record.changed else []),
        *change_lines(record.changes, record.changed),
    )
    shape = {
        "version": VERSION,
        "outcome": record.state,
        "reason": record.reason,
        "submission": submission,
        "changed": record.changed,
        "changes": [change_plain(change) for change in record.changes],
    }
    return (("report.txt", ("\n".join(lines) + "\n").encode()), ("report.json", pretty(shape)))


_ADVICE = {
    State.SET_ASIDE: "drop a regular file that nothing else links to, within the size that is taken",
    State.DUPLICATE: "nothing, if it was a repetition; else change the file and drop it again",
    State.SUPERSEDED: "nothing, if the newer file says what you mean; else drop it again",
    State.UNDELIVERABLE: "ask the operators; when the cause is gone, drop the file again",
}


def for_producer(record: Record, folder: str, *, late_write: bool = False) -> tuple[tuple[str, bytes], ...]:
    """Return (suffix, bytes) of the result files for the producer.

    Args:
        record: delivered, or in a state that ends in ``failed/``.
        folder: where the submission was filed, relative to the root.
        late_write: the producer went on writing after the file was taken; what it wrote then was not delivered.
    """
    delivered = record.state is State.DELIVERED
    result = pretty(
        {
            "version": VERSION,
            "file_name": record.submission.file_name,
            "submission": record.submission.id,
            "sha256": record.submission.sha256,
            "outcome": "sent" if delivered else "failed",
            "reason": record.reason,
            "proof": {leg.name: leg.receipt.proof for leg in record.legs if leg.receipt is not None},
            "filed": folder,
            "late_write": late_write,
        }
    )
    if delivered:
        return ((".json", result),)
    text = dict(failure_report(record))["report.txt"]
    return ((".report.txt", text), (".json", result))  # the result comes last: who sees it finds the report
