"""Recovery: at start, make the ledger and the disk agree, and give every open submission to the board.

The ledger's events say how far a submission came, the work folders say what was claimed. Every step was made durable
before the event that claims it, so one pass is enough and repeating it changes nothing:

- a work folder without an event was claimed and not booked: its private copy is made again;
- an attempt under way was cut: ``AttemptInterrupted``; the next one looks before it sends;
- a submission that was being validated or sealed when the process died is counted (``Recovered``); the third time in
  a row it is held as poison, so that it cannot kill the agent for ever;
- a submission whose bytes are no longer in its work folder is held, with what is missing;
- everything else simply goes on with its next step, which replaces what was half done.
"""

from __future__ import annotations

from collections.abc import Callable

from sealdrop.core.events import AttemptInterrupted, Event, Held, Recovered
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import TO_FILE, Record, State
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Arrival
from sealdrop.flow.setup import Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.hand import InHand
from sealdrop.ports.spool import Claimed, Spool

#: Recoveries in a row, at the same stage, after which a submission is held.
MOST_RECOVERIES = 3
#: Submissions between two words to whoever waits for the start.
PROGRESS_EVERY = 200


class Recovery:
    """One pass at start, before anything is claimed and before READY."""

    def __init__(
        self,
        setup: Setup,
        *,
        books: Books,
        board: Board,
        spool: Spool,
        clock: Clock,
        incidents: Incidents,
        hand: InHand,
    ) -> None:
        self._setup = setup
        self._books = books
        self._board = board
        self._spool = spool
        self._clock = clock
        self._incidents = incidents
        self._hand = hand
        self._counted: set[SubmissionId] = set()

    def run(self, progress: Callable[[], None] = lambda: None) -> int:
        """Bring everything open onto the board; return how many submissions that are.

        Args:
            progress: called every ``PROGRESS_EVERY`` submissions, so that a long recovery is not taken for a hang.

        Raises:
            StorageFailure: our own disk or the ledger failed.
        """
        newest = self._books.ledger.newest_id()
        if newest is not None:
            self._clock.never_before(newest)
        left = dict(self._hand.left())
        claimed = {one.submission: one for one in self._spool.claimed()}
        found = 0
        for record in self._books.ledger.open_records():
            one = record.submission.id
            self._board.put(self._recover(record, left.get(one), claimed.pop(one, None)))
            found += 1
            if found % PROGRESS_EVERY == 0:
                progress()
        self._hand.clear()
        for one, folder in claimed.items():
            self._clock.never_before(one)
            if self._books.ledger.record(one) is None:
                found += self._arrive(folder)
        return found

    def _recover(self, record: Record, doing: str | None, claimed: Claimed | None) -> Record:
        events: list[Event] = [
            AttemptInterrupted(leg=leg.name, attempt=leg.trying) for leg in record.legs if leg.trying is not None
        ]
        at_risk = record.state in {State.CLAIMED, State.ACCEPTED} and not record.holds
        # A pass that a full disk cut short is made again; one death counts once.
        if doing is not None and at_risk and record.submission.id not in self._counted:
            self._counted.add(record.submission.id)
            events.append(Recovered(doing=doing))
            if record.recoveries + 1 >= MOST_RECOVERIES:
                text = f"the agent died {MOST_RECOVERIES} times in a row while it did this: {doing}"
                events.append(Held(hold=Hold(reason=HoldReason.POISON, text=text)))
        missing = _missing(record, claimed)
        if missing is not None and all(hold.text != missing for hold in record.holds):
            events.append(Held(hold=Hold(reason=HoldReason.FAULT, text=missing)))
        return self._books.book(record.submission.id, *events) if events else record

    def _arrive(self, claimed: Claimed) -> int:
        kind = next((one.kind for one in self._setup.outboxes if one.outbox.name == claimed.outbox), None)
        if kind is None:
            text = f"work/{claimed.outbox}/{claimed.submission} is of an outbox that is not configured"
            self._incidents.begin(f"outbox {claimed.outbox}", f"{text}. Configure it again and restart")
            return 0
        self._board.arrive(Arrival(claimed=claimed, kind=kind, size=0))
        return 1


def _missing(record: Record, claimed: Claimed | None) -> str | None:
    """Return what of a submission somebody took out of its work folder, as a sentence; None when nothing is missing."""
    folder = f"work/{record.submission.outbox}/{record.submission.id}"
    if record.state in TO_FILE:  # a dead process may have moved it already
        return None
    if claimed is None or not claimed.has_content:
        return f"its private copy is gone from {folder}. Find out who removed it and put it back"
    if record.seal is not None and not claimed.has_sealed:
        return f"its sealed file is gone from {folder}. Find out who removed it and put it back"
    return None
