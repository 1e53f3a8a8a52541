"""The lifecycle: one table of steps, and the fold that turns a submission's events into its record.

``TRANSITIONS`` is the whole truth about which event may follow which state; the picture in the README is drawn
from it. ``apply`` is the only way to a next record. It refuses every step the table does not have with
``StaleTransition``, which changes nothing, so a caller that raced another simply looks again.

A record is never stored as truth; it is always derivable from the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import assert_never

from sealdrop.core import events as ev
from sealdrop.core.delivery import ProofLevel, Receipt
from sealdrop.core.errors import StaleTransition
from sealdrop.core.holds import Hold, HoldReason, Lifter
from sealdrop.core.submission import Seal, Submission, SubmissionId
from sealdrop.core.verdict import Change, Finding


class State(Enum):
    """Where a submission stands."""

    CLAIMED = "claimed"  # ours; not yet checked
    ACCEPTED = "accepted"  # the rules allow it; not yet sealed
    REJECTED = "rejected"  # the rules forbid it; to be filed under failed/
    DUPLICATE = "duplicate"  # equal bytes seen before; to be filed under failed/ with a note
    SET_ASIDE = "set-aside"  # can never be taken; to be filed under failed/
    SEALED = "sealed"  # signed and encrypted; every leg is owed
    DEFERRED = "deferred"  # an attempt failed for now; waits for its due time
    SUPERSEDED = "superseded"  # a newer one replaced it before it could go; to be filed under failed/
    PARTLY_DELIVERED = "partly-delivered"  # one leg landed, another was given up; a person decides
    DELIVERED = "delivered"  # every leg is proven; to be filed under sent/
    UNDELIVERABLE = "undeliverable"  # given up; to be filed under failed/
    SENT = "sent"  # filed under sent/ (terminal)
    FAILED = "failed"  # filed under failed/ (terminal)


TERMINAL = frozenset({State.SENT, State.FAILED})
OPEN = frozenset(State) - TERMINAL
#: States in which only filing is left.
TO_FILE = frozenset(
    {State.REJECTED, State.DUPLICATE, State.SET_ASIDE, State.SUPERSEDED, State.DELIVERED, State.UNDELIVERABLE}
)
#: States in which legs are owed and may be attempted.
DELIVERABLE = frozenset({State.SEALED, State.DEFERRED})
_WAITING = frozenset({State.CLAIMED, State.ACCEPTED, *DELIVERABLE, State.PARTLY_DELIVERED})
#: What is being done with a submission: checked, sealed, delivered, filed.
_STAGES = (
    frozenset({State.CLAIMED}),
    frozenset({State.ACCEPTED}),
    DELIVERABLE | {State.PARTLY_DELIVERED},
    TO_FILE | TERMINAL,
)

Table = dict[type[ev.Event], dict[State | None, frozenset[State]]]


def _same(states: frozenset[State]) -> dict[State | None, frozenset[State]]:
    return {state: frozenset({state}) for state in states}


def _to(states: frozenset[State], *targets: State) -> dict[State | None, frozenset[State]]:
    return {state: frozenset(targets) for state in states}


#: event → state before → the states it may lead to. Nothing else is possible.
TRANSITIONS: Table = {
    ev.Claimed: {None: frozenset({State.CLAIMED})},
    ev.SetAside: {None: frozenset({State.SET_ASIDE})},
    ev.DuplicateOf: _to(frozenset({State.CLAIMED}), State.CLAIMED, State.DUPLICATE),
    ev.Accepted: _to(frozenset({State.CLAIMED}), State.ACCEPTED),
    ev.Rejected: _to(frozenset({State.CLAIMED}), State.REJECTED),
    ev.Sealed: _to(frozenset({State.ACCEPTED}), State.SEALED),
    ev.AttemptStarted: _same(DELIVERABLE),
    ev.CommitStarted: _same(DELIVERABLE),
    ev.AttemptInterrupted: _same(DELIVERABLE),
    ev.LegDelivered: {
        State.SEALED: frozenset({State.SEALED, State.DELIVERED, State.PARTLY_DELIVERED}),
        State.DEFERRED: frozenset({State.DEFERRED, State.DELIVERED, State.PARTLY_DELIVERED}),
    },
    ev.Deferred: _to(DELIVERABLE, State.DEFERRED),
    ev.GaveUp: {
        State.SEALED: frozenset({State.SEALED, State.UNDELIVERABLE, State.PARTLY_DELIVERED}),
        State.DEFERRED: frozenset({State.DEFERRED, State.UNDELIVERABLE, State.PARTLY_DELIVERED}),
    },
    ev.Superseded: {
        State.ACCEPTED: frozenset({State.SUPERSEDED}),
        State.SEALED: frozenset({State.SUPERSEDED, State.PARTLY_DELIVERED}),
        State.DEFERRED: frozenset({State.SUPERSEDED, State.PARTLY_DELIVERED}),
    },
    ev.Held: _same(_WAITING),
    ev.Released: _same(_WAITING),
    ev.RetryRequested: {
        State.SEALED: frozenset({State.SEALED}),
        State.DEFERRED: frozenset({State.DEFERRED}),
        State.PARTLY_DELIVERED: frozenset({State.DEFERRED}),
    },
    ev.DeliveredByHand: {
        State.SEALED: frozenset({State.SEALED, State.DELIVERED, State.PARTLY_DELIVERED}),
        State.DEFERRED: frozenset({State.DEFERRED, State.DELIVERED, State.PARTLY_DELIVERED}),
        State.PARTLY_DELIVERED: frozenset({State.PARTLY_DELIVERED, State.DELIVERED}),
    },
    ev.ReferenceGiven: _same(_WAITING),
    ev.Abandoned: _to(_WAITING, State.UNDELIVERABLE),
    ev.Recovered: _same(OPEN),
    ev.Filed: {
        State.DELIVERED: frozenset({State.SENT}),
        State.REJECTED: frozenset({State.FAILED}),
        State.DUPLICATE: frozenset({State.FAILED}),
        State.SET_ASIDE: frozenset({State.FAILED}),
        State.SUPERSEDED: frozenset({State.FAILED}),
        State.UNDELIVERABLE: frozenset({State.FAILED}),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One delivery that the submission owes, and how far it is.

    Args:
        attempts: attempts begun. trying: number of the attempt under way, None between attempts.
        transport: of the newest attempt. committing: the object may have become visible and no outcome is known.
        commit_attempt: the attempt whose commit began last.
        not_before: earliest next attempt. reason: why the last attempt failed.
        receipt: the proof, once delivered. given_up: it cannot succeed.
    """

    name: str
    route: str
    attempts: int = 0
    trying: int | None = None
    transport: str | None = None
    committing: ProofLevel | None = None
    commit_attempt: int = 0
    interrupted: bool = False
    not_before: datetime | None = None
    reason: str | None = None
    receipt: Receipt | None = None
    given_up: bool = False

    @property
    def settled(self) -> bool:
        """True when nothing is owed any more, for better or worse."""
        return self.receipt is not None or self.given_up

    @property
    def uncertain(self) -> bool:
        """True when the object may be visible at the far end though no receipt says so."""
        return self.committing is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The fold of a submission's events: everything a decision needs.

    ``released`` keeps which reasons to hold a person has lifted, so that the same reason does not hold it again.
    """

    submission: Submission
    state: State
    changed_at: datetime
    events: int = 1
    lease: bool = False
    profile: str | None = None
    profile_version: str | None = None
    unverified: bool = True
    records: int = 0
    ordering_keys: tuple[str, ...] = ()
    supersedes: bool = False
    reference: str | None = None
    legs: tuple[Leg, ...] = ()
    seal: Seal | None = None
    holds: tuple[Hold, ...] = ()
    released: tuple[HoldReason, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: int = 0
    rejecting: int = 0
    holding: int = 0
    changes: tuple[Change, ...] = ()
    changed: int = 0
    approvals: int = 0
    recoveries: int = 0
    duplicate_of: SubmissionId | None = None
    superseded_by: SubmissionId | None = None
    reason: str | None = None
    filed: str | None = None
    late_write: bool = False

    @property
    def terminal(self) -> bool:
        """True when it is filed."""
        return self.state in TERMINAL

    def leg(self, name: str) -> Leg:
        """Return one leg.

        Raises:
            StaleTransition: the submission owes no such leg.
        """
        for leg in self.legs:
            if leg.name == name:
                return leg
        message = f"submission {self.submission.id} owes no leg {name!r}"
        raise StaleTransition(message)


def apply(record: Record | None, stream: str, event: ev.Event, at: datetime) -> Record:
    """Return the record after ``event``.

    Args:
        record: the fold so far, None before the first event.
        stream: the submission's id.
        event: what happened.
        at: when it is committed (UTC).

    Raises:
        StaleTransition: the table has no such step from here, or the event contradicts the record.
    """
    before = None if record is None else record.state
    allowed = TRANSITIONS[type(event)].get(before)
    if allowed is None:
        message = f"{type(event).__name__} is not possible in state {before.value if before else '(none)'}"
        raise StaleTransition(message, where=stream)
    after = _first(stream, event, at) if record is None else _next(record, event, at)
    if after.state not in allowed:
        message = f"{type(event).__name__} may not lead from {before} to {after.state}"
        raise StaleTransition(message, where=stream)
    if record is not None and not any({record.state, after.state} <= stage for stage in _STAGES):
        return replace(after, recoveries=0)  # poison is what kills the process in a row at one stage
    return after


def _first(stream: str, event: ev.Event, at: datetime) -> Record:
    if isinstance(event, ev.Claimed):
        if event.submission.id != stream:
            message = "the claimed submission has another id than its stream"
            raise StaleTransition(message, where=stream)
        return Record(submission=event.submission, state=State.CLAIMED, changed_at=at, lease=event.lease)
    if isinstance(event, ev.SetAside):
        submission = Submission(
            id=SubmissionId(stream),
            outbox=event.outbox,
            kind=event.kind,
            environment=event.environment,
            file_name=event.file_name,
            size=0,
            sha256="",
            claimed_at=event.at,
        )
        return Record(submission=submission, state=State.SET_ASIDE, changed_at=at, reason=event.reason)
    message = f"{type(event).__name__} cannot be the first event"
    raise StaleTransition(message, where=stream)


def _next(record: Record, event: ev.Event, at: datetime) -> Record:
    moved = replace(record, changed_at=at, events=record.events + 1)
    match event:
        case ev.Claimed() | ev.SetAside():
            message = f"{type(event).__name__} can only be the first event"
            raise StaleTransition(message, where=record.submission.id)
        case ev.DuplicateOf() | ev.Accepted() | ev.Rejected():
            return _judged(moved, event)
        case ev.Sealed():
            if record.holds:
                message = "held; nothing is sealed"
                raise StaleTransition(message, where=record.submission.id)
            return replace(moved, state=State.SEALED, seal=event.seal)
        case (
            ev.AttemptStarted() | ev.CommitStarted() | ev.AttemptInterrupted()
            | ev.LegDelivered() | ev.Deferred() | ev.GaveUp() | ev.DeliveredByHand()
        ):  # fmt: skip
            return _delivering(moved, event)
        case ev.Superseded() | ev.Held() | ev.Released():
            return _holding(moved, event)
        case ev.RetryRequested():
            return _retried(moved)
        case ev.ReferenceGiven():
            return replace(moved, reference=event.reference)
        case ev.Abandoned():
            _require(record, all(leg.trying is None for leg in record.legs), "an attempt is under way")
            return replace(moved, state=State.UNDELIVERABLE, holds=(), reason=f"abandoned by {event.by}: {event.why}")
        case ev.Recovered():
            return replace(moved, recoveries=record.recoveries + 1)
        case ev.Filed():
            final = State.SENT if record.state is State.DELIVERED else State.FAILED
            return replace(moved, state=final, filed=event.folder, late_write=event.late_write)
        case _ as unreachable:
            assert_never(unreachable)


def _require(record: Record, condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise StaleTransition(message, where=record.submission.id)


def _judged(record: Record, event: ev.DuplicateOf | ev.Accepted | ev.Rejected) -> Record:
    match event:
        case ev.DuplicateOf():
            _require(record, record.duplicate_of is None, "already known as a duplicate")
            text = f"equal bytes to submission {event.original}"
            if event.hold:
                hold = Hold(reason=HoldReason.DUPLICATE, text=text)
                return replace(record, duplicate_of=event.original, holds=_with(record.holds, hold))
            return replace(record, duplicate_of=event.original, state=State.DUPLICATE, holds=(), reason=text)
        case ev.Rejected():
            return replace(
                record, state=State.REJECTED, profile=event.profile, profile_version=event.profile_version,
                findings=event.findings, suppressed=event.suppressed, records=event.records,
                rejecting=event.rejecting, holding=event.holding,
                reason="rejected by the rules", holds=(),
            )  # fmt: skip
        case ev.Accepted():
            _require(record, bool(event.legs), "a submission owes at least one leg")
            legs = tuple(Leg(name=plan.name, route=plan.route) for plan in event.legs)
            return replace(
                record, state=State.ACCEPTED, profile=event.profile, profile_version=event.profile_version,
                unverified=event.unverified, records=event.records, ordering_keys=event.ordering_keys,
                supersedes=event.supersedes, legs=legs, findings=event.warnings, suppressed=event.suppressed,
                reference=event.reference or record.reference, holding=event.holding,
                changes=event.changes, changed=event.changed, approvals=event.approvals,
            )  # fmt: skip
        case _ as unreachable:
            assert_never(unreachable)


def _superseded(record: Record, event: ev.Superseded) -> Record:
    """Give up what is still owed: a newer one says it all. What landed in part is a person's to judge."""
    _require(record, all(leg.trying is None for leg in record.legs), "an attempt is under way")
    doubt = ", though an earlier attempt of it may have landed" if any(leg.uncertain for leg in record.legs) else ""
    reason = f"submission {event.by} is newer and replaces it{doubt}"
    legs = tuple(leg if leg.settled else replace(leg, given_up=True, reason=reason) for leg in record.legs)
    record = replace(record, superseded_by=event.by, legs=legs, reason=reason)
    if not any(leg.receipt is not None for leg in legs):
        return replace(record, state=State.SUPERSEDED, holds=())
    hold = Hold(reason=HoldReason.PARTLY_DELIVERED, text=reason)
    return replace(record, state=State.PARTLY_DELIVERED, holds=_with(record.holds, hold))


def _holding(record: Record, event: ev.Superseded | ev.Held | ev.Released) -> Record:
    match event:
        case ev.Superseded():
            return _superseded(record, event)
        case ev.Held():
            _require(record, event.hold.lifter is not Lifter.NOBODY, "such a hold comes with its own event")
            return replace(record, holds=_with(record.holds, event.hold))
        case ev.Released():
            lifted = [hold for hold in record.holds if hold.reason is event.reason]
            _require(record, bool(lifted), f"there is no hold {event.reason.value!r}")
            _require(record, lifted[0].lifter is Lifter.OPERATOR, f"an operator may not lift {event.reason.value!r}")
            kept = _without(record.holds, event.reason)
            recoveries = 0 if event.reason is HoldReason.POISON else record.recoveries
            legs = record.legs
            if event.reason is HoldReason.UNKNOWN_OUTCOME:  # the person found out; the next attempt looks first
                legs = tuple(_found_out(leg) if lifted[0].leg in {None, leg.name} else leg for leg in legs)
            released = (*record.released, event.reason)
            return replace(record, holds=kept, recoveries=recoveries, legs=legs, released=released)
        case _ as unreachable:
            assert_never(unreachable)


def _without(holds: tuple[Hold, ...], reason: HoldReason) -> tuple[Hold, ...]:
    return tuple(hold for hold in holds if hold.reason is not reason)


def _with(holds: tuple[Hold, ...], hold: Hold) -> tuple[Hold, ...]:
    """Add a hold; a reason holds once and its newest sentence counts."""
    return (*_without(holds, hold.reason), hold)


def _found_out(leg: Leg) -> Leg:
    """Settle a doubt left by an earlier attempt; one that is under way now keeps its own."""
    return replace(leg, committing=None) if leg.trying is None else leg


def _retried(record: Record) -> Record:
    legs = tuple(replace(leg, given_up=False, not_before=None) for leg in record.legs)
    state = State.DEFERRED if record.state is State.PARTLY_DELIVERED else record.state
    return replace(record, legs=legs, state=state, holds=_without(record.holds, HoldReason.PARTLY_DELIVERED))


Delivering = (
    ev.AttemptStarted
    | ev.CommitStarted
    | ev.AttemptInterrupted
    | ev.LegDelivered
    | ev.Deferred
    | ev.GaveUp
    | ev.DeliveredByHand
)


def _delivering(record: Record, event: Delivering) -> Record:
    leg = record.leg(event.leg)
    changed = leg
    _require(record, not leg.settled or isinstance(event, ev.DeliveredByHand), f"leg {leg.name!r} is settled")
    match event:
        case ev.AttemptStarted():
            _require(record, not record.holds, "held; no attempt may start")
            _require(record, leg.trying is None, "an attempt is under way")
            _require(record, event.attempt == leg.attempts + 1, "the attempt is not the next one")
            changed = replace(leg, attempts=event.attempt, trying=event.attempt, transport=event.transport)
        case ev.CommitStarted():
            _require_trying(record, leg, event.attempt)
            _require(record, not leg.uncertain, "the outcome of an earlier commit is not known")
            changed = replace(leg, committing=event.proof, commit_attempt=event.attempt)
        case ev.AttemptInterrupted():
            _require_trying(record, leg, event.attempt)
            changed = replace(leg, trying=None, interrupted=True)
        case ev.LegDelivered():
            _require(record, leg.attempts > 0, "no attempt was ever started")
            _require(record, event.attempt == leg.attempts, "the attempt is not the newest")
            changed = replace(leg, trying=None, committing=None, interrupted=False, receipt=event.receipt, reason=None)
        case ev.Deferred():
            _require(record, event.attempt == leg.attempts, "the attempt is not the newest")
            changed = replace(
                leg, trying=None, not_before=event.not_before, reason=event.reason,
                committing=None if event.certain else leg.committing, interrupted=not event.certain,
            )  # fmt: skip
        case ev.GaveUp():
            _require(record, event.attempt == leg.attempts, "the attempt is not the newest")
            # Filing in doubt what may have landed needs a person; an attempt that ends knows what it found.
            _require(record, leg.trying is not None or not leg.uncertain, "the outcome of a commit is not known")
            looked = leg.interrupted or leg.uncertain
            changed = replace(leg, trying=None, interrupted=looked, given_up=True, reason=event.reason)
        case ev.DeliveredByHand():
            _require(record, leg.trying is None, "an attempt is under way")
            _require(record, leg.receipt is None, f"leg {leg.name!r} is delivered already")
            changed = replace(leg, committing=None, interrupted=False, receipt=event.receipt, given_up=False)
        case _ as unreachable:
            assert_never(unreachable)
    legs = tuple(changed if one.name == leg.name else one for one in record.legs)
    return _settle(replace(record, legs=legs), deferred=isinstance(event, ev.Deferred))


def _require_trying(record: Record, leg: Leg, attempt: int) -> None:
    _require(record, leg.trying == attempt, f"attempt {attempt} of leg {leg.name!r} is not under way")


def _settle(record: Record, *, deferred: bool) -> Record:
    """Derive the state from the legs: it is a fold over them."""
    legs = record.legs
    if all(leg.receipt is not None for leg in legs):
        return replace(record, state=State.DELIVERED, holds=(), reason=None)
    if all(leg.settled for leg in legs):
        reason = "; ".join(f"{leg.name}: {leg.reason}" for leg in legs if leg.given_up)
        if any(leg.receipt is not None for leg in legs):
            hold = Hold(reason=HoldReason.PARTLY_DELIVERED, text=reason)
            return replace(record, state=State.PARTLY_DELIVERED, holds=_with(record.holds, hold), reason=reason)
        return replace(record, state=State.UNDELIVERABLE, holds=(), reason=reason)
    return replace(record, state=State.DEFERRED) if deferred else record


def fold(stream: str, history: list[tuple[datetime, ev.Event]]) -> Record | None:
    """Fold a whole history, oldest first; None when it is empty.

    Raises:
        StaleTransition: the history contains a step that the table does not have.
    """
    record: Record | None = None
    for at, event in history:
        record = apply(record, stream, event, at)
    return record
