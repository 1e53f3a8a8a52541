"""Delivery: one attempt of one leg, booked so that its outcome is known whenever the process dies.

The intent is durable before the network is touched (``AttemptStarted``) and again before anything can become visible
(``CommitStarted``, booked from inside the transport). What follows is one of:

- a receipt: ``LegDelivered``;
- a failure that surely left nothing visible: ``Deferred``, or ``GaveUp`` when it cannot succeed or patience is over;
- a failure after the commit began: ``Deferred`` as *uncertain*. The next attempt first settles it (``find``). Found
  is delivered; withdrawn is sent again; neither can only be settled by a person, so it is held and said.

Before any of it: whatever is older and shares an ordering key is superseded or has landed, and nothing newer has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from sealdrop.core.delivery import Absent, Conflict, Found, ProofLevel, Unknowable
from sealdrop.core.errors import PermanentFailure, RouteUnusable, TemporaryFailure, Unreachable
from sealdrop.core.events import (
    AttemptStarted,
    CommitStarted,
    Deferred,
    Event,
    GaveUp,
    Held,
    LegDelivered,
    RouteStopped,
    Superseded,
)
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import Leg, Record
from sealdrop.core.order import OrderPolicy
from sealdrop.core.retry import GiveUp, decide, pause
from sealdrop.core.routing import choose
from sealdrop.core.submission import Seal
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.gates import Gates
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Job
from sealdrop.flow.setup import KindSetup, RouteSetup, Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.people import Meter
from sealdrop.ports.spool import Spool
from sealdrop.ports.transport import Parcel, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """Everything one attempt needs: the record with the attempt booked, and its collaborators."""

    record: Record
    leg: Leg
    route: RouteSetup
    kind: KindSetup
    transport: Transport
    parcel: Parcel


class Delivery:
    """Attempts legs. Callable from several threads, for different submissions."""

    def __init__(  # noqa: PLR0913 - its collaborators, one by one
        self,
        setup: Setup,
        *,
        books: Books,
        board: Board,
        gates: Gates,
        spool: Spool,
        clock: Clock,
        incidents: Incidents,
        stopping: Callable[[], bool],
        meter: Meter | None = None,
    ) -> None:
        self._setup = setup
        self._books = books
        self._board = board
        self._gates = gates
        self._spool = spool
        self._clock = clock
        self._incidents = incidents
        self._stopping = stopping
        self._meter = meter

    def attempt(self, job: Job, record: Record, leg: Leg) -> Record:
        """Attempt one leg and return the new record, or the same one when no transport may be tried now.

        Raises:
            StaleTransition: the submission, or one to be superseded, moved on meanwhile.
            StorageFailure: our own disk or the ledger failed.
        """
        for older in job.supersede:
            self._board.put(self._books.book(older, Superseded(by=record.submission.id)))
        route, kind = self._setup.routes.get(leg.route), self._setup.kinds.get(record.submission.kind)
        if route is None or kind is None or record.seal is None:
            return self._hold(record, HoldReason.FAULT, f"route {leg.route} or the kind is no longer configured")
        overtaken = self._overtaken(record, kind)
        if overtaken is not None:
            return overtaken
        names = [transport.name for transport in route.transports]
        name = choose(names, self._gates.usable(names), leg)
        transport = route.transport(name) if name is not None else None
        if transport is None:
            return self._without_transport(record, leg, names)
        return self._run(record, leg, route, kind, transport, record.seal)

    def _overtaken(self, record: Record, kind: KindSetup) -> Record | None:
        """Hold or supersede a submission that would land after a newer one of its keys; None when it may go."""
        if kind.order is OrderPolicy.NONE or HoldReason.OUT_OF_ORDER in record.released:
            return None
        landed = (
            self._books.ledger.newest_delivered(kind.name, record.ordering_keys),
            self._board.newest_landed(kind.name, record.ordering_keys),
        )
        newest = max((one for one in landed if one is not None), default=record.submission.id)
        if newest <= record.submission.id:
            return None
        other = self._books.ledger.record(newest)
        covered = other is not None and set(record.ordering_keys) <= set(other.ordering_keys)
        if kind.order is OrderPolicy.SUPERSEDE and covered:
            return self._books.book(record.submission.id, Superseded(by=newest))
        return self._hold(record, HoldReason.OUT_OF_ORDER, f"submission {newest} is newer and has landed already")

    def _without_transport(self, record: Record, leg: Leg, names: list[str]) -> Record:
        if leg.uncertain and leg.transport not in names:
            text = f"its last attempt went to transport {leg.transport}, which is no longer configured"
            return self._hold(record, HoldReason.UNKNOWN_OUTCOME, text, leg.name)
        return record  # the board queues it again; its lane waits for a gate

    def _run(
        self, record: Record, leg: Leg, route: RouteSetup, kind: KindSetup, transport: Transport, seal: Seal
    ) -> Record:
        if not self._gates.begin(transport.name):
            return record  # as above
        try:
            return self._try(record, leg, route, kind, transport, seal)
        except Exception:
            self._gates.call_off(transport.name)
            self._board.gates_changed()
            raise

    def _try(
        self, record: Record, leg: Leg, route: RouteSetup, kind: KindSetup, transport: Transport, seal: Seal
    ) -> Record:
        started = AttemptStarted(leg=leg.name, attempt=leg.attempts + 1, transport=transport.name)
        record = self._books.book(record.submission.id, started)
        self._board.note(record)
        parcel = Parcel(
            submission=record.submission.id,
            remote_name=seal.remote_name,
            path=self._spool.sealed(record.submission.id, record.submission.outbox),
            size=seal.size,
            sha256=seal.sha256,
            interrupted=leg.interrupted,
            attempt=leg.commit_attempt if leg.uncertain else started.attempt,
        )
        attempt = _Attempt(
            record=record, leg=record.leg(leg.name), route=route, kind=kind, transport=transport, parcel=parcel
        )
        outcome = self._settle(attempt) if leg.uncertain else self._send(attempt)
        return self._books.book(record.submission.id, *outcome)

    def _settle(self, attempt: _Attempt) -> tuple[Event, ...]:
        """Find out what became of an earlier attempt that was cut after its commit began."""
        leg, number = attempt.leg, attempt.leg.attempts
        try:
            look = attempt.transport.find(attempt.parcel)
        except TemporaryFailure as error:
            return self._failed(attempt, error, certain=False)
        self._reached(attempt.transport.name)
        match look:
            case Found(receipt=receipt):
                return (LegDelivered(leg=leg.name, attempt=number, receipt=receipt),)
            case Conflict(detail=detail):
                return (GaveUp(leg=leg.name, attempt=number, reason=detail),)
            case Absent(withdrawn=True):
                reason = "the interrupted attempt left nothing visible; it is sent again"
                return (Deferred(leg=leg.name, attempt=number, reason=reason, not_before=self._clock.now()),)
            case Absent() | Unknowable():
                return self._unknown(attempt, look)
            case _ as unreachable:
                assert_never(unreachable)

    def _unknown(self, attempt: _Attempt, look: Absent | Unknowable) -> tuple[Event, ...]:
        """Hold a submission whose outcome only a person can find out."""
        leg, number = attempt.leg, attempt.leg.attempts
        text = "nothing is there, neither under its name nor as our temporary copy: it may have been taken"
        if isinstance(look, Unknowable):
            text = f"the far end cannot be asked: {look.reason}"
        deferred = Deferred(leg=leg.name, attempt=number, reason=text, not_before=self._clock.now(), certain=False)
        text = f"leg {leg.name} was cut while it became visible; {text}"
        return (deferred, Held(hold=Hold(reason=HoldReason.UNKNOWN_OUTCOME, text=text, leg=leg.name)))

    def _send(self, attempt: _Attempt) -> tuple[Event, ...]:
        leg, number, submission = attempt.leg, attempt.leg.attempts, attempt.parcel.submission
        committing = False

        def commit(proof: ProofLevel) -> None:
            nonlocal committing
            if self._stopping():
                message = "the agent is stopping; the attempt was called off before anything became visible"
                raise TemporaryFailure(message, where=attempt.transport.name)
            started = CommitStarted(leg=leg.name, attempt=number, proof=proof)
            self._board.note(self._books.book(submission, started))
            committing = True

        def progress(done: int) -> None:
            self._board.progress(submission)
            if self._meter is not None:
                self._meter.moved(submission, attempt.record.submission.file_name, done, attempt.parcel.size)
            if self._stopping() and not committing:
                message = "the agent is stopping; the upload was called off"
                raise TemporaryFailure(message, where=attempt.transport.name)

        try:
            receipt = attempt.transport.deliver(attempt.parcel, commit=commit, progress=progress)
        except TemporaryFailure as error:
            return self._failed(attempt, error, certain=error.certain or not committing)
        except PermanentFailure as error:
            self._reached(attempt.transport.name)
            return (GaveUp(leg=leg.name, attempt=number, reason=str(error)),)
        self._reached(attempt.transport.name)
        return (LegDelivered(leg=leg.name, attempt=number, receipt=receipt),)

    def _failed(self, attempt: _Attempt, error: TemporaryFailure, *, certain: bool) -> tuple[Event, ...]:
        """Decide what follows a temporary failure, for the transport and for this leg."""
        leg, number, now = attempt.leg, attempt.leg.attempts, self._clock.now()
        if self._stopping():
            self._gates.call_off(attempt.transport.name)
            return (Deferred(leg=leg.name, attempt=number, reason=str(error), not_before=now, certain=certain),)
        self._close_gate(attempt, error)
        if self._goes_elsewhere(attempt, error, certain=certain):
            return (Deferred(leg=leg.name, attempt=number, reason=str(error), not_before=now, certain=certain),)
        decision = decide(
            attempt.route.retry,
            failures=number,
            now=now,
            deadline=attempt.record.submission.claimed_at + attempt.kind.patience,
            chance=self._clock.random(),
            retry_after=error.retry_after,
        )
        if not isinstance(decision, GiveUp):
            not_before = decision.not_before
            return (Deferred(leg=leg.name, attempt=number, reason=str(error), not_before=not_before, certain=certain),)
        reason = f"{decision.why}; last: {error}"
        if certain:
            return (GaveUp(leg=leg.name, attempt=number, reason=reason),)
        # Giving up would file it under failed/ although it may be there: a person decides.
        deferred = Deferred(leg=leg.name, attempt=number, reason=reason, not_before=now, certain=False)
        return (deferred, Held(hold=Hold(reason=HoldReason.UNKNOWN_OUTCOME, text=reason, leg=leg.name)))

    def _goes_elsewhere(self, attempt: _Attempt, error: TemporaryFailure, *, certain: bool) -> bool:
        """Tell whether a failure says nothing about the submission, which then is due as soon as any transport is."""
        if isinstance(error, RouteUnusable):
            return True
        names = [transport.name for transport in attempt.route.transports]
        return isinstance(error, Unreachable) and certain and bool(self._gates.usable(names))

    def _close_gate(self, attempt: _Attempt, error: TemporaryFailure) -> None:
        name = attempt.transport.name
        subject = f"transport {name}"
        if isinstance(error, RouteUnusable):
            if self._gates.stop(name, str(error)):
                self._incidents.begin(subject, f"transport {name} is stopped until a person acts: {error}")
                self._books.tell(RouteStopped(route=name, reason=str(error)))
        elif isinstance(error, Unreachable):
            failures = self._gates.failures(name) + 1
            asked = min(error.retry_after or timedelta(), attempt.route.retry.longest)
            rest = max(pause(attempt.route.retry, failures, self._clock.random()), asked)
            self._gates.rest(name, rest.total_seconds(), str(error))
            self._incidents.begin(subject, f"transport {name} cannot be reached: {error}")
        else:
            self._reached(name)

    def _reached(self, name: str) -> None:
        if self._gates.succeeded(name):
            self._board.gates_changed()
        if self._gates.open(name):  # it may have been stopped by another attempt meanwhile
            self._incidents.end(f"transport {name}")

    def _hold(self, record: Record, reason: HoldReason, text: str, leg: str | None = None) -> Record:
        return self._books.book(record.submission.id, Held(hold=Hold(reason=reason, text=text, leg=leg)))
