"""Operations: what an operator may ask and do, as plain functions over the desk and the ledger.

Reading works without an agent, from the ledger alone; then the parts that only live in the agent's memory (gates,
incidents, what waits for what) are missing and the answer says so. Doing needs the agent. Each deed books who asked
and why, and goes through the lifecycle, so it cannot race a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sealdrop.core.errors import Refused
from sealdrop.core.events import Abandoned, Event, Released, RetryRequested, RouteResumed
from sealdrop.core.holds import HoldReason, Lifter
from sealdrop.core.lifecycle import DELIVERABLE, Record, State
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.incidents import Incident
from sealdrop.flow.line import Desk, Line
from sealdrop.ports.ledger import Committed, LedgerReader

#: Holds for a technical reason that an operator's retry lifts; every other hold needs a decision of its own.
TECHNICAL = frozenset({HoldReason.KEY, HoldReason.FAULT, HoldReason.POISON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the agent is: what is open, what waits, what is wrong.

    Args:
        running: False when this was read from the ledger while no agent runs.
        counts: submissions by state. held: open ones that wait for a person.
        outboxes: files seen and not claimed yet. transports: state of each gate.
    """

    running: bool
    environment: str
    counts: dict[str, int]
    held: int
    outboxes: dict[str, int]
    transports: dict[str, str]
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One submission: its record, its history, and what it waits for."""

    record: Record
    history: tuple[Committed, ...]
    waits_for: str


def find(ledger: LedgerReader, prefix: str) -> SubmissionId:
    """Return the one submission whose id begins with ``prefix``.

    Raises:
        Refused: none or several do.
    """
    found = ledger.find_ids(prefix.lower(), 3)
    if not found:
        raise Refused("no submission has such an id", where=ascii(prefix), hint="See `sealdrop list`")
    if len(found) > 1:
        raise Refused("several submissions begin so", where=ascii(prefix), hint=f"Type more, for example {found[0]}")
    return found[0]


def detail(ledger: LedgerReader, prefix: str, waits_for: str = "") -> Detail:
    """Return one submission with its history.

    Raises:
        Refused: no or several submissions have such an id.
    """
    one = find(ledger, prefix)
    record = ledger.record(one)
    if record is None:
        raise Refused("no submission has such an id", where=one)
    return Detail(record=record, history=tuple(ledger.history(one)), waits_for=waits_for)


class Running(Protocol):
    """Whoever works on submissions now: an agent, or one inline run."""

    @property
    def desk(self) -> Desk:
        """What it remembers in memory."""
        ...

    @property
    def line(self) -> Line:
        """What it works by now."""
        ...


class Operations:
    """What is possible while the agent runs."""

    def __init__(self, agent: Running, ledger: LedgerReader) -> None:
        self._agent = agent
        self._ledger = ledger

    def status(self) -> Status:
        """Return how the agent is."""
        setup, desk = self._agent.line.setup, self._agent.desk
        names = [transport.name for route in setup.routes.values() for transport in route.transports]
        return Status(
            running=True,
            environment=setup.environment,
            counts=self._ledger.counts(),
            held=sum(desk.board.held().values()),
            outboxes=self._agent.line.intake.waiting(),
            transports={name: desk.gates.describe(name) for name in names},
            incidents=desk.incidents.open(),
        )

    def show(self, prefix: str) -> Detail:
        """Return one submission with its history.

        Raises:
            Refused: no or several submissions have such an id.
        """
        one = find(self._ledger, prefix)
        return detail(self._ledger, one, self._agent.desk.board.waits_for(one))

    def waits_for(self, submission: SubmissionId) -> str:
        """Return what a submission waits for, as a phrase; empty when for nothing the agent knows."""
        return self._agent.desk.board.waits_for(submission)

    def retry(self, prefix: str, by: str, why: str) -> Record:
        """Try a submission again now; a technical hold is lifted.

        Raises:
            Refused: there is no such submission, or a retry cannot help it.
        """
        record = self._record(prefix)
        one = record.submission.id
        other = [hold for hold in record.holds if hold.reason not in TECHNICAL | {HoldReason.PARTLY_DELIVERED}]
        if other:
            reason = other[0]
            what = f"it is held ({reason.reason.value}): {reason.text}"
            hint = "A retry does not lift this hold: it needs a decision (`sealdrop release` or `sealdrop abandon`)"
            raise Refused(what, where=one, hint=hint)
        events: list[Event] = [
            Released(reason=hold.reason, by=by, why=why) for hold in record.holds if hold.reason in TECHNICAL
        ]
        if record.state in DELIVERABLE | {State.PARTLY_DELIVERED}:
            events.append(RetryRequested(by=by, why=why))
        if not events:
            what = f"it is {record.state.value}, and nothing of it waits for a retry"
            raise Refused(what, where=one, hint="See `sealdrop show`")
        after = self._agent.desk.books.book(one, *events)
        self._open_gates([leg.route for leg in after.legs if not leg.settled], by)
        self._agent.desk.board.refresh(after)
        return after

    def release(self, prefix: str, by: str, why: str, reason: str | None = None) -> Record:
        """Lift a hold that an operator may lift, and let the submission go on.

        Args:
            prefix: the submission's id, or its first letters.
            by: who asks.
            why: kept in the ledger.
            reason: which hold, when there are several.

        Raises:
            Refused: there is no such submission or hold, several and none named, or not an operator's to lift.
        """
        record = self._record(prefix)
        one = record.submission.id
        there = {hold.reason.value: hold for hold in record.holds}
        if not there:
            raise Refused("it is not held", where=one, hint="See `sealdrop show`")
        if reason is None and len(there) > 1:
            raise Refused("it is held for several reasons", where=one, hint=f"Name one of: {', '.join(sorted(there))}")
        hold = there.get(reason) if reason is not None else next(iter(there.values()))
        if hold is None:
            raise Refused("it is not held for that", where=one, hint=f"It is held for: {', '.join(sorted(there))}")
        if hold.lifter is not Lifter.OPERATOR:
            what = f"an operator may not lift this hold ({hold.reason.value}): {hold.text}"
            raise Refused(what, where=one, hint="Retry it, abandon it, or have it approved")
        return self._decide(record, Released(reason=hold.reason, by=by, why=why))

    def abandon(self, prefix: str, by: str, why: str) -> Record:
        """Give a submission up: it is filed under ``failed/`` and never sent.

        Raises:
            Refused: there is no such submission, an attempt is under way, or it is past giving up.
        """
        record = self._record(prefix)
        return self._decide(record, Abandoned(by=by, why=why))

    def _record(self, prefix: str) -> Record:
        one = find(self._ledger, prefix)
        record = self._ledger.record(one)
        if record is None:
            raise Refused("no submission has such an id", where=one)
        return record

    def _decide(self, record: Record, event: Event) -> Record:
        after = self._agent.desk.books.book(record.submission.id, event)
        self._agent.desk.board.refresh(after)
        return after

    def retry_route(self, route: str, by: str, why: str) -> int:
        """Open a route again and make everything that waits on it due now; return how many submissions that are.

        Raises:
            Refused: no such route is configured.
        """
        if route not in self._agent.line.setup.routes:
            known = ", ".join(sorted(self._agent.line.setup.routes))
            raise Refused("no such route is configured", where=ascii(route), hint=f"Configured are: {known}")
        self._open_gates([route], by)
        due = [record for record in self._agent.desk.board.records() if _waits_on(record, route)]
        for record in due:
            after = self._agent.desk.books.book(record.submission.id, RetryRequested(by=by, why=why))
            self._agent.desk.board.refresh(after)
        return len(due)

    def _open_gates(self, routes: Sequence[str], by: str) -> None:
        setup, desk = self._agent.line.setup, self._agent.desk
        for name in routes:
            known = setup.routes.get(name)
            for transport in known.transports if known is not None else ():
                if not desk.gates.open(transport.name):
                    transport.close()  # a refused login is remembered by its transport until then
                    desk.gates.resume(transport.name)
                    desk.incidents.end(f"transport {transport.name}")
                    desk.books.tell(RouteResumed(route=transport.name, by=by))
        desk.board.gates_changed()


def _waits_on(record: Record, route: str) -> bool:
    return (
        record.state is State.DEFERRED
        and not record.holds
        and any(leg.route == route and not leg.settled for leg in record.legs)
    )
