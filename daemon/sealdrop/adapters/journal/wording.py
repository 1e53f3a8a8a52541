"""What the journal says of each event: the wording of every line kind, in one place.

``LINES`` is the documentation of the journal, like a manual page: what the operator reads, how worried to be, and which
fields follow. ``said`` fills it from a committed event. Sentences hold our own words only; whatever comes from outside
(names, reasons) is in a field. Payload, secrets and personal data are in neither: findings appear as rule names.

Pure; the ``match`` statements are closed, so a new event without a line does not pass the type check.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import assert_never

from sealdrop.core import events as ev
from sealdrop.core.lifecycle import Record
from sealdrop.ports.ledger import Committed

Value = str | int | bool | datetime | None
Fields = dict[str, Value]


class Urgency(IntEnum):
    """How worried the operator should be; the numbers are those of syslog."""

    ERROR = 3  # a person must act
    WARNING = 4  # unusual; look at it when it repeats
    NOTICE = 5  # a person did something, or a submission reached its end
    INFO = 6  # a step of the normal way


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKind:
    """One kind of line.

    Args:
        sentence: what it says. urgency: how worried to be.
        fields: what follows the common fields, in this order; one without a value is left out.
    """

    sentence: str
    urgency: Urgency
    fields: tuple[str, ...]


#: Fields that every line about a submission begins with (``event`` begins every line).
COMMON = ("event", "submission", "kind", "file", "state")


def _line(sentence: str, urgency: Urgency, fields: str) -> LineKind:
    return LineKind(sentence=sentence, urgency=urgency, fields=tuple(fields.split()))


LINES: dict[type[ev.Event | ev.AgentEvent], LineKind] = {
    ev.Claimed: _line("claimed", Urgency.INFO, "outbox environment bytes sha256 lease"),
    ev.SetAside: _line("set aside unread", Urgency.WARNING, "outbox environment reason"),
    ev.DuplicateOf: _line("has equal bytes to an earlier submission", Urgency.WARNING, "original held"),
    ev.Accepted: _line(
        "accepted by the rules", Urgency.INFO,
        "profile profile_version unverified records warnings holding legs reference",
    ),
    ev.Rejected: _line(
        "rejected by the rules", Urgency.WARNING, "profile profile_version records findings suppressed rules"
    ),
    ev.Sealed: _line("signed and encrypted", Urgency.INFO, "remote_name bytes sha256 signer recipients engine"),
    ev.AttemptStarted: _line("attempt begins", Urgency.INFO, "leg route attempt transport"),
    ev.CommitStarted: _line(
        "upload is proven and may become visible now", Urgency.INFO, "leg route attempt transport proof"
    ),
    ev.AttemptInterrupted: _line(
        "attempt was cut off by the end of the process", Urgency.WARNING, "leg route attempt transport"
    ),
    ev.LegDelivered: _line(
        "delivered", Urgency.NOTICE, "leg route attempt transport proof outcome location bytes sha256"
    ),
    ev.Deferred: _line("deferred", Urgency.WARNING, "leg route attempt transport not_before certain reason"),
    ev.GaveUp: _line("given up", Urgency.ERROR, "leg route attempt transport reason"),
    ev.Superseded: _line("superseded by a newer submission; it will not be delivered", Urgency.WARNING, "by"),
    ev.Held: _line("held", Urgency.WARNING, "hold lifter reason"),
    ev.Released: _line("released", Urgency.NOTICE, "hold by reason"),
    ev.RetryRequested: _line("another attempt was asked for", Urgency.NOTICE, "by reason"),
    ev.DeliveredByHand: _line("delivered by hand", Urgency.NOTICE, "leg route transport proof location by"),
    ev.ReferenceGiven: _line("reference was given", Urgency.NOTICE, "reference by"),
    ev.Abandoned: _line("abandoned", Urgency.WARNING, "by reason"),
    ev.Recovered: _line("taken up again after the process had ended", Urgency.WARNING, "doing recoveries"),
    ev.Filed: _line("filed", Urgency.NOTICE, "folder late_write"),
    ev.AgentStarted: _line(
        "agent started", Urgency.NOTICE, "version environment settings_sha256 open_submissions"
    ),
    ev.AgentStopped: _line("agent stopped", Urgency.NOTICE, "reason"),
    ev.ConfigurationReloaded: _line("new configuration is in force", Urgency.NOTICE, "settings_sha256"),
    ev.RouteStopped: _line("route is stopped until a person acts", Urgency.ERROR, "route reason"),
    ev.RouteResumed: _line("route is tried again", Urgency.NOTICE, "route by"),
    ev.ReportAdded: _line("report of quarantined communications was imported", Urgency.NOTICE, "sha256 file rows by"),
    ev.NameLeftAlone: _line("name in the outbox is left alone", Urgency.WARNING, "outbox file reason"),
}  # fmt: skip


def sentence(committed: Committed) -> str:
    """Return what the journal says of an event, for people: one sentence, no fields."""
    return LINES[type(committed.event)].sentence


def said(committed: Committed) -> Fields:
    """Return the fields of an event's line, in order."""
    event, record = committed.event, committed.record
    fields: Fields = {"event": type(event).__name__}
    if isinstance(event, ev.AgentEvent) or record is None:
        return fields | (_of_agent(event) if isinstance(event, ev.AgentEvent) else {"submission": committed.stream})
    fields |= {
        "submission": committed.stream,
        "kind": record.submission.kind,
        "file": record.submission.file_name,
        "state": record.state.value,
    }
    return fields | _of_submission(event, record)


def _of_submission(event: ev.Event, record: Record) -> Fields:
    match event:
        case ev.Claimed() | ev.SetAside() | ev.DuplicateOf() | ev.Accepted() | ev.Rejected() | ev.Sealed():
            return _of_intake(event)
        case ev.AttemptStarted() | ev.CommitStarted() | ev.AttemptInterrupted() | ev.Deferred() | ev.GaveUp():
            return _of_attempt(event, record)
        case ev.LegDelivered() | ev.DeliveredByHand():
            return _of_delivery(event, record)
        case ev.Superseded():
            return {"by": event.by}
        case ev.Held():
            return {"hold": event.hold.reason.value, "lifter": event.hold.lifter.value, "reason": event.hold.text}
        case ev.Released() | ev.RetryRequested() | ev.ReferenceGiven() | ev.Abandoned():
            return _of_person(event)
        case ev.Recovered():
            return {"doing": event.doing, "recoveries": record.recoveries}
        case ev.Filed():
            return {"folder": event.folder, "late_write": event.late_write}
        case _ as unreachable:
            assert_never(unreachable)


def _of_intake(
    event: ev.Claimed | ev.SetAside | ev.DuplicateOf | ev.Accepted | ev.Rejected | ev.Sealed,
) -> Fields:
    match event:
        case ev.Claimed(submission=submission, lease=lease):
            return {
                "outbox": submission.outbox, "environment": submission.environment,
                "bytes": submission.size, "sha256": submission.sha256, "lease": lease,
            }  # fmt: skip
        case ev.SetAside():
            return {"outbox": event.outbox, "environment": event.environment, "reason": event.reason}
        case ev.DuplicateOf():
            return {"original": event.original, "held": event.hold}
        case ev.Accepted():
            return {
                "profile": event.profile, "profile_version": event.profile_version, "unverified": event.unverified,
                "records": event.records, "warnings": len(event.warnings) + event.suppressed, "holding": event.holding,
                "legs": ",".join(leg.name for leg in event.legs), "reference": event.reference,
            }  # fmt: skip
        case ev.Rejected():
            return {
                "profile": event.profile, "profile_version": event.profile_version, "records": event.records,
                "findings": len(event.findings), "suppressed": event.suppressed,
                "rules": ",".join(sorted({finding.rule for finding in event.findings})),
            }  # fmt: skip
        case ev.Sealed(seal=seal):
            return {
                "remote_name": seal.remote_name, "bytes": seal.size, "sha256": seal.sha256, "signer": seal.signer,
                "recipients": ",".join(seal.recipients), "engine": seal.engine,
            }  # fmt: skip
        case _ as unreachable:
            assert_never(unreachable)


def _of_attempt(
    event: ev.AttemptStarted | ev.CommitStarted | ev.AttemptInterrupted | ev.Deferred | ev.GaveUp, record: Record
) -> Fields:
    leg = record.leg(event.leg)
    fields: Fields = {"leg": leg.name, "route": leg.route, "attempt": event.attempt, "transport": leg.transport}
    match event:
        case ev.AttemptStarted() | ev.AttemptInterrupted():
            return fields
        case ev.CommitStarted():
            return fields | {"proof": event.proof.value}
        case ev.Deferred():
            return fields | {"not_before": event.not_before, "certain": event.certain, "reason": event.reason}
        case ev.GaveUp():
            return fields | {"reason": event.reason}
        case _ as unreachable:
            assert_never(unreachable)


def _of_delivery(event: ev.LegDelivered | ev.DeliveredByHand, record: Record) -> Fields:
    receipt = event.receipt
    fields: Fields = {"leg": event.leg, "route": record.leg(event.leg).route}
    if isinstance(event, ev.DeliveredByHand):
        return fields | {
            "transport": receipt.transport, "proof": receipt.proof.value, "location": receipt.location, "by": event.by,
        }  # fmt: skip
    return fields | {
        "attempt": event.attempt, "transport": receipt.transport, "proof": receipt.proof.value,
        "outcome": receipt.outcome.value, "location": receipt.location, "bytes": receipt.size,
        "sha256": receipt.sha256,
    }  # fmt: skip


def _of_person(event: ev.Released | ev.RetryRequested | ev.ReferenceGiven | ev.Abandoned) -> Fields:
    match event:
        case ev.Released():
            return {"hold": event.reason.value, "by": event.by, "reason": event.why}
        case ev.RetryRequested() | ev.Abandoned():
            return {"by": event.by, "reason": event.why}
        case ev.ReferenceGiven():
            return {"reference": event.reference, "by": event.by}
        case _ as unreachable:
            assert_never(unreachable)


def _of_agent(event: ev.AgentEvent) -> Fields:
    match event:
        case ev.AgentStarted():
            return {
                "version": event.version, "environment": event.environment, "settings_sha256": event.settings_sha256,
                "open_submissions": event.open_submissions,
            }  # fmt: skip
        case ev.AgentStopped():
            return {"reason": event.reason}
        case ev.ConfigurationReloaded():
            return {"settings_sha256": event.settings_sha256}
        case ev.RouteStopped():
            return {"route": event.route, "reason": event.reason}
        case ev.RouteResumed():
            return {"route": event.route, "by": event.by}
        case ev.ReportAdded():
            return {"sha256": event.sha256, "file": event.name, "rows": event.rows, "by": event.by}
        case ev.NameLeftAlone():
            return {"outbox": event.outbox, "file": event.file_name, "reason": event.reason}
        case _ as unreachable:
            assert_never(unreachable)
