"""Bookkeeping: every step of a submission becomes an event in the ledger first and a line in the journal second.

Nothing else in the flow writes to the ledger, so "what is booked is what is told" holds by construction.
"""

from __future__ import annotations

from sealdrop.core.events import AgentEvent, Event
from sealdrop.core.lifecycle import Record
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.ledger import AGENT_STREAM, Entry, Ledger
from sealdrop.ports.people import Journal


class Books:
    """The one place where the flow books events."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self.ledger = ledger
        self._journal = journal

    def book(self, submission: SubmissionId, *events: Event) -> Record:
        """Book events of one submission, all or none, and return its new record.

        Raises:
            StaleTransition: the submission moved on meanwhile; nothing was booked.
            NoSpace: the disk is full; nothing was booked, it may be tried again.
            StorageFailure: the ledger cannot be written; the agent must stop.
        """
        committed = self.ledger.append(*(Entry(stream=submission, event=event) for event in events))
        for one in committed:
            self._journal.committed(one)
        record = committed[-1].record
        if record is None:  # a ledger that breaks its contract must not be worked with
            message = "the ledger gave no record for a submission's event"
            raise RuntimeError(message)
        return record

    def tell(self, *events: AgentEvent) -> None:
        """Book events of the agent's own stream.

        Raises:
            NoSpace: the disk is full; nothing was booked, it may be tried again.
            StorageFailure: the ledger cannot be written; the agent must stop.
        """
        for one in self.ledger.append(*(Entry(stream=AGENT_STREAM, event=event) for event in events)):
            self._journal.committed(one)
