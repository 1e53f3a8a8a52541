"""Stages: the local work on one submission, each stage ending in its event.

``take_in`` makes the private copy, ``validate`` applies the rules, ``seal`` signs and encrypts once, ``file_away``
moves the evidence to its final folder. Every stage may be repeated after a crash: it starts from what is durable and
replaces what was half done. The bytes that are validated are the bytes that are sealed: both read the private copy,
and its digest is compared again after sealing.
"""

from __future__ import annotations

from sealdrop.core.errors import NotYet, TemporaryFailure, Unacceptable
from sealdrop.core.events import Accepted, Claimed, DuplicateOf, Event, Filed, Rejected, Sealed, SetAside
from sealdrop.core.lifecycle import Record, State
from sealdrop.core.naming import remote_name
from sealdrop.core.order import OrderPolicy
from sealdrop.core.submission import Seal, Submission, SubmissionId
from sealdrop.core.verdict import Verdict
from sealdrop.flow import evidence
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.guarding import Guarding, holds_of
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Arrival
from sealdrop.flow.setup import DuplicatePolicy, KindSetup, Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.spool import Filing, Spool

#: Looks at a claimed file that a writer still has open before it becomes an incident (about an hour).
PATIENT_LOOKS = 120
#: Longest pause between two such looks, in seconds.
LONGEST_PAUSE = 30.0


class Stages:
    """The local stages. Callable from several threads, for different submissions."""

    def __init__(
        self, setup: Setup, *, books: Books, board: Board, spool: Spool, clock: Clock, incidents: Incidents
    ) -> None:
        self._setup = setup
        self._books = books
        self._board = board
        self._spool = spool
        self._clock = clock
        self._incidents = incidents
        self._guarding = Guarding(books=books, board=board, spool=spool)
        self._outboxes = {one.outbox.name: one.outbox for one in setup.outboxes}

    def take_in(self, arrival: Arrival) -> Record | None:
        """Make the private copy of a claimed file and book it; None when it cannot be had yet.

        Raises:
            NoSpace, StorageFailure: our own disk failed; the claimed file stays where it is.
        """
        claimed, kind = arrival.claimed, self._setup.kinds[arrival.kind]
        subject = f"{claimed.file_name!a} of outbox {claimed.outbox}"
        try:
            self._outboxes[claimed.outbox].fetch(claimed, kind.max_bytes)
            snapshot = self._spool.snapshot(claimed, kind.max_bytes)
        except TemporaryFailure as error:
            self._incidents.begin(subject, f"{subject} is claimed but cannot be brought in: {error}")
            return None
        except NotYet as error:
            if arrival.tries == PATIENT_LOOKS:
                self._incidents.begin(subject, f"{subject} is claimed but still being written: {error}")
            return None
        except Unacceptable as error:
            event: Event = SetAside(
                outbox=claimed.outbox,
                kind=kind.name,
                environment=self._setup.environment,
                file_name=claimed.file_name,
                reason=str(error),
                at=self._clock.now(),
            )
        else:
            submission = Submission(
                id=claimed.submission,
                outbox=claimed.outbox,
                kind=kind.name,
                environment=self._setup.environment,
                file_name=claimed.file_name,
                size=snapshot.size,
                sha256=snapshot.sha256,
                claimed_at=self._clock.now(),
            )
            event = Claimed(submission=submission, lease=snapshot.lease)
        self._incidents.end(subject)
        return self._books.book(claimed.submission, event)

    def validate(self, record: Record) -> Record:
        """Apply the rules of the kind, and of what they accept its guards.

        Raises:
            StorageFailure: the private copy cannot be read, or the ledger failed.
        """
        submission, kind = record.submission, self._setup.kinds[record.submission.kind]
        content = self._spool.content(submission.id, submission.outbox)
        verdict = kind.validator.validate(content, submission.file_name)
        if verdict.rejected:
            self._board.decided(record, ())
            return self._books.book(
                submission.id,
                Rejected(
                    profile=verdict.profile,
                    profile_version=verdict.profile_version,
                    findings=verdict.findings,
                    suppressed=verdict.suppressed,
                    records=verdict.records,
                    rejecting=verdict.rejecting,
                    holding=verdict.holding,
                ),
            )
        original = self._original(record, kind, verdict)
        if original is not None:
            hold = kind.duplicates is DuplicatePolicy.HOLD
            self._board.decided(record, ())
            return self._books.book(submission.id, DuplicateOf(original=original, hold=hold))
        verdict = self._guarding.guarded(record, kind, verdict)
        self._board.decided(record, verdict.ordering_keys)
        return self._books.book(submission.id, *self._acceptance(kind, verdict))

    def _original(self, record: Record, kind: KindSetup, verdict: Verdict) -> SubmissionId | None:
        """Return the earlier submission that this one repeats.

        Equal bytes are no repetition when another file of the same keys came in between: a producer that goes back
        to earlier thresholds means it. One in between whose keys are not known yet counts too, unless it is equal.
        """
        if kind.duplicates is DuplicatePolicy.SEND or record.duplicate_of is not None:
            return None
        submission = record.submission
        since = self._clock.now() - kind.duplicate_window
        earlier = self._books.ledger.earlier_equal(kind.name, submission.sha256, since, submission.id)
        if earlier is None:
            return None
        between = (
            self._board.newest_open(kind.name, verdict.ordering_keys, submission.id),
            self._books.ledger.newest_delivered(kind.name, verdict.ordering_keys),
        )
        unjudged = self._board.unjudged(kind.name, earlier, submission.id)
        changed = any(other is not None and earlier < other < submission.id for other in between) or any(
            other.submission.sha256 != submission.sha256 for other in unjudged
        )
        return None if changed else earlier

    def _acceptance(self, kind: KindSetup, verdict: Verdict) -> tuple[Event, ...]:
        accepted = Accepted(
            profile=verdict.profile,
            profile_version=verdict.profile_version,
            unverified=verdict.unverified,
            records=verdict.records,
            ordering_keys=verdict.ordering_keys,
            supersedes=kind.order is OrderPolicy.SUPERSEDE,
            legs=kind.legs,
            warnings=verdict.findings,
            suppressed=verdict.suppressed,
            reference=verdict.reference,
            holding=verdict.holding,
            changes=verdict.changes,
            changed=verdict.changed,
            approvals=verdict.approvals,
        )
        return (accepted, *holds_of(verdict))

    def seal(self, record: Record) -> Record:
        """Sign and encrypt the private copy, once.

        Raises:
            KeyUnusable, SealFailed: nothing was sealed. NoSpace, StorageFailure: our own disk failed.
            Unacceptable: the private copy is no longer what was validated.
        """
        submission, kind = record.submission, self._setup.kinds[record.submission.kind]
        where = (submission.id, submission.outbox)
        sealed = kind.sealer.seal(self._spool.content(*where), self._spool.unsealed_target(*where))
        if not self._spool.intact(*where, submission.sha256):
            what = "the private copy changed between validation and sealing"
            hint = "Find out who writes to the work folder, then drop the file again"
            raise Unacceptable(what, where=submission.file_name, hint=hint)
        self._spool.keep_sealed(*where)
        seal = Seal(
            sha256=sealed.sha256,
            size=sealed.size,
            recipients=sealed.recipients,
            signer=sealed.signer,
            remote_name=remote_name(kind.output_name, submission),
            engine=sealed.engine,
        )
        return self._books.book(submission.id, Sealed(seal=seal))

    def file_away(self, record: Record) -> Record | None:
        """Move the evidence to its final folder and tell the producer; None when the producer cannot be told now.

        Raises:
            StorageFailure: our own disk or the ledger failed.
        """
        submission = record.submission
        delivered = record.state is State.DELIVERED
        kind = self._setup.kinds.get(submission.kind)
        filing = Filing(
            submission=submission.id,
            outbox=submission.outbox,
            file_name=submission.file_name,
            sha256=submission.sha256,
            to="sent" if delivered else "failed",
            day=f"{record.changed_at:%Y-%m-%d}",  # of the last event, so that a repetition finds the same folder
            evidence=evidence.filed_beside(record),
            keep=kind.keep if kind is not None else "content",
        )
        filed = self._spool.file_away(filing)
        outbox = self._outboxes.get(submission.outbox)
        subject = f"results of {submission.outbox}"
        if outbox is not None:
            try:
                results = evidence.for_producer(record, filed.folder, late_write=filed.late_write)
                outbox.publish_result(submission.file_name, submission.id, results)
            except TemporaryFailure as error:
                self._incidents.begin(subject, f"the producer cannot be told: {error}")
                return None
            self._incidents.end(subject)
        return self._books.book(submission.id, Filed(folder=filed.folder, late_write=filed.late_write))


def pause_before_look(tries: int) -> float:
    """Return the seconds to wait before the next look at a claimed file that is still being written."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE)
