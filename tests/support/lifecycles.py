"""Values for tests of the lifecycle: a submission, a receipt, one event of each kind, and events near a record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sealdrop.core import events as ev
from sealdrop.core.delivery import Outcome, ProofLevel, Receipt
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Leg, Record, apply
from sealdrop.core.submission import LegPlan, Seal, Submission, SubmissionId, make_id
from sealdrop.core.verdict import Finding, Severity

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = make_id(NOON, 1)
OTHER = make_id(NOON, 2)

SUBMISSION = Submission(
    id=ID,
    outbox="adt",
    kind="adt",
    environment="live",
    file_name="thresholds.csv",
    size=10,
    sha256="ab" * 32,
    claimed_at=NOON,
)
SEAL = Seal(
    sha256="cd" * 32, size=20, recipients=("A" * 40,), signer="B" * 40, remote_name="thresholds.pgp", engine="gpg 2.2"
)
FINDING = Finding(rule="adt.example", severity=Severity.WARN, message="It is unusual", hint="Look at it", line=3)


def receipt(outcome: Outcome = Outcome.SENT) -> Receipt:
    return Receipt(
        transport="sftp",
        location="sftp://relay/in/thresholds.pgp",
        remote_name=SEAL.remote_name,
        size=SEAL.size,
        sha256=SEAL.sha256,
        proof=ProofLevel.DIGEST,
        outcome=outcome,
        proven_at=NOON,
    )


def claimed(submission: Submission = SUBMISSION) -> ev.Claimed:
    return ev.Claimed(submission=submission, lease=True)


def accepted(*legs: str) -> ev.Accepted:
    return ev.Accepted(
        profile="adt",
        profile_version="1.0",
        unverified=False,
        records=4,
        ordering_keys=("00-11",),
        supersedes=True,
        legs=tuple(LegPlan(name=leg, route=f"to-{leg}") for leg in legs or ("main",)),
        warnings=(FINDING,),
        suppressed=1,
        holding=2,
    )


def held(reason: HoldReason = HoldReason.OPERATOR) -> ev.Held:
    return ev.Held(hold=Hold(reason=reason, text=f"held: {reason.value}"))


def released(reason: HoldReason = HoldReason.OPERATOR) -> ev.Released:
    return ev.Released(reason=reason, by="uid 1000", why="checked by telephone")


def started(attempt: int = 1, leg: str = "main", transport: str = "sftp") -> ev.AttemptStarted:
    return ev.AttemptStarted(leg=leg, attempt=attempt, transport=transport)


def commit(attempt: int = 1, leg: str = "main") -> ev.CommitStarted:
    return ev.CommitStarted(leg=leg, attempt=attempt, proof=ProofLevel.DIGEST)


def interrupted(attempt: int = 1, leg: str = "main") -> ev.AttemptInterrupted:
    return ev.AttemptInterrupted(leg=leg, attempt=attempt)


def delivered(attempt: int = 1, leg: str = "main") -> ev.LegDelivered:
    return ev.LegDelivered(leg=leg, attempt=attempt, receipt=receipt())


def deferred(attempt: int = 1, leg: str = "main", *, certain: bool = True) -> ev.Deferred:
    return ev.Deferred(
        leg=leg, attempt=attempt, reason="connection lost", not_before=NOON + timedelta(minutes=1), certain=certain
    )


def gave_up(attempt: int = 1, leg: str = "main") -> ev.GaveUp:
    return ev.GaveUp(leg=leg, attempt=attempt, reason="too large for the route")


def by_hand(leg: str = "main") -> ev.DeliveredByHand:
    return ev.DeliveredByHand(leg=leg, by="uid 1000", receipt=receipt())


RECOVERED = ev.Recovered(doing="sealing")
SEALED = ev.Sealed(seal=SEAL)
SET_ASIDE = ev.SetAside(
    outbox="adt", kind="adt", environment="live", file_name="link.csv", reason="a symbolic link", at=NOON
)
REJECTED = ev.Rejected(
    profile="adt", profile_version="1.0", findings=(FINDING,), suppressed=2, records=4, rejecting=3, holding=1
)
FILED = ev.Filed(folder="sent/2026-11-24/thresholds.csv", late_write=True)
ABANDONED = ev.Abandoned(by="uid 1000", why="withdrawn by the business")
RETRY = ev.RetryRequested(by="uid 1000", why="the relay is back")
SUPERSEDED = ev.Superseded(by=OTHER)
REFERENCE = ev.ReferenceGiven(reference="INC000001234567", by="uid 1000")
DUPLICATE = ev.DuplicateOf(original=OTHER, hold=False)
DUPLICATE_HELD = ev.DuplicateOf(original=OTHER, hold=True)

#: One event of every kind, whatever the record.
SAMPLES: tuple[ev.Event, ...] = (
    claimed(), SET_ASIDE, DUPLICATE, accepted(), REJECTED, SEALED, started(), commit(), interrupted(), delivered(),
    deferred(), gave_up(), SUPERSEDED, held(), released(), RETRY, by_hand(), REFERENCE, ABANDONED, RECOVERED, FILED,
)  # fmt: skip


def after(*history: ev.Event, stream: SubmissionId = ID) -> Record:
    """Apply a history from the beginning, one second apart."""
    record: Record | None = None
    for second, event in enumerate(history):
        record = apply(record, stream, event, NOON + timedelta(seconds=second))
    if record is None:
        message = "a history has at least one event"
        raise ValueError(message)
    return record


def events_near(record: Record, holds: tuple[HoldReason, ...] = tuple(HoldReason)) -> Iterator[ev.Event]:
    """Yield every kind of event with values that fit the record, and with values that just do not."""
    yield from SAMPLES
    yield from (DUPLICATE_HELD, accepted("main", "second"))
    for reason in holds:
        yield held(reason)
        yield released(reason)
    for leg in record.legs:
        yield from _leg_events(leg)


def _leg_events(leg: Leg) -> Iterator[ev.Event]:
    for attempt in (leg.attempts - 1, leg.attempts, leg.attempts + 1):
        yield started(attempt, leg.name)
        yield commit(attempt, leg.name)
        yield interrupted(attempt, leg.name)
        yield delivered(attempt, leg.name)
        yield deferred(attempt, leg.name)
        yield deferred(attempt, leg.name, certain=False)
        yield gave_up(attempt, leg.name)
    yield by_hand(leg.name)
