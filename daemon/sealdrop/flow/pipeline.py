"""The pipeline: take one job as far as its worker may, and turn whatever happens into a booked outcome.

This is one of the two modules with a broad ``except``: a fault of ours holds the submission it happened on and lets all
others go on. Only a failure of our own storage is let through; it stops the agent, because what the disk holds is
then unknown until the next start derives it anew.
"""

from __future__ import annotations

from dataclasses import replace

from sealdrop.core.errors import (
    KeyUnusable,
    NoSpace,
    SealFailed,
    StaleTransition,
    StorageFailure,
    Unacceptable,
)
from sealdrop.core.events import AttemptInterrupted, Event, Held
from sealdrop.core.holds import Hold, HoldReason
from sealdrop.core.lifecycle import TO_FILE, Record
from sealdrop.core.steps import Work
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.delivery import Delivery
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Arrival, Job
from sealdrop.flow.stages import LONGEST_PAUSE, Stages, pause_before_look
from sealdrop.ports.hand import InHand

#: Seconds before a stage that found the disk full, or the producer's results folder shut, is tried again.
PAUSE_SECONDS = 15.0
#: The incident of a stage that found the disk full; over when any stage succeeds.
SPACE = "space to work"
#: Times a failed seal is tried at once before a person is asked: a killed helper program is back by then.
SEAL_TRIES = 3


class Pipeline:
    """Works jobs off. Callable from several threads."""

    def __init__(
        self, *, stages: Stages, delivery: Delivery, books: Books, board: Board, incidents: Incidents, hand: InHand
    ) -> None:
        self._stages = stages
        self._delivery = delivery
        self._books = books
        self._board = board
        self._incidents = incidents
        self._hand = hand

    def work(self, job: Job) -> None:
        """Do one job and give the submission back to the board.

        Raises:
            StorageFailure: our own disk or the ledger failed; the agent must stop.
        """
        try:
            if job.arrival is not None:
                job = self._take_in(job.arrival) or job
            if job.record is not None:
                self._work(job, job.record)
        except NoSpace as error:  # even what a fault or a refusal books may meet a full disk
            self._wait_for_space(job, error)

    def _work(self, job: Job, record: Record) -> None:
        try:
            after = self._do(job, record)
            if after.state in TO_FILE:  # nothing is left but to file it: do not hand it to another worker
                after = self._stages.file_away(after) or after
        except StorageFailure:
            raise
        except StaleTransition:
            newest = self._cut(self._newest(record))
            self._give_back(newest, later=newest.events == record.events)
        except Exception as error:  # noqa: BLE001 - a fault of ours must cost one submission, not all
            self._fault(self._newest(record), error)
        else:
            self._incidents.end(SPACE)
            # A leg in doubt waits for one transport alone, while the gate of another may keep its lane open.
            in_doubt = job.leg is not None and job.leg.uncertain
            self._give_back(after, later=in_doubt and after.events == record.events)

    def _give_back(self, record: Record, *, later: bool) -> None:
        if later or record.state in TO_FILE:
            self._board.put_later(record, PAUSE_SECONDS)
        else:
            self._board.put(record)

    def _take_in(self, arrival: Arrival) -> Job | None:
        """Take a claimed file in and return what comes next, None when that is for later."""
        tries = arrival.tries + 1
        try:
            record = self._stages.take_in(arrival)
        except StorageFailure:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            booked = self._books.ledger.record(arrival.claimed.submission)
            if booked is not None:
                self._fault(booked, error)
                return None
            self._say_fault(error)  # without a record there is nothing to hold
            self._board.arrive(replace(arrival, tries=tries), after=LONGEST_PAUSE)
            return None
        if record is None:
            self._board.arrive(replace(arrival, tries=tries), after=pause_before_look(arrival.tries))
            return None
        self._board.note(record)
        if record.state not in TO_FILE and self._board.judged_later(record):
            self._board.put(record)
            return None
        work = Work.FILE if record.state in TO_FILE else Work.VALIDATE
        return Job(submission=record.submission.id, record=record, work=work)

    def _do(self, job: Job, record: Record) -> Record:
        match job.work:
            case Work.VALIDATE:
                return self._carefully(record, Work.VALIDATE)
            case Work.SEAL:
                return self._seal(record)
            case Work.DELIVER if job.leg is not None:
                return self._delivery.attempt(job, record, job.leg)
            case Work.FILE:
                return record  # filing follows in any case
        message = "a job says neither what to do nor with which leg"
        raise RuntimeError(message)

    def _carefully(self, record: Record, work: Work) -> Record:
        """Do work whose input comes from outside, leaving a trace of what was in hand should it kill us."""
        slot = self._hand.begin(record.submission.id, work.value)
        try:
            return self._stages.validate(record) if work is Work.VALIDATE else self._stages.seal(record)
        finally:
            self._hand.end(slot)

    def _seal(self, record: Record) -> Record:
        tries = 1
        while True:
            try:
                return self._carefully(record, Work.SEAL)
            except KeyUnusable as error:
                return self._books.book(record.submission.id, _held(HoldReason.KEY, str(error)))
            except Unacceptable as error:
                return self._books.book(record.submission.id, _held(HoldReason.FAULT, str(error)))
            except SealFailed as error:
                if tries == SEAL_TRIES:
                    text = f"sealing failed {tries} times: {error}"
                    return self._books.book(record.submission.id, _held(HoldReason.FAULT, text))
            tries += 1
            self._board.progress(record.submission.id)

    def _newest(self, record: Record) -> Record:
        return self._books.ledger.record(record.submission.id) or record

    def _cut(self, record: Record) -> Record:
        """Book as cut what this worker began and did not bring to its end: nobody else has the submission in hand."""
        cut = _cuts(record)
        return self._books.book(record.submission.id, *cut) if cut else record

    def _fault(self, record: Record, error: Exception) -> None:
        """Hold a submission on which our own code failed, with the kind of error and where, never its payload."""
        self._say_fault(error)
        if record.state in TO_FILE:  # what is decided cannot be held any more; its filing is tried again
            self._board.put_later(record, LONGEST_PAUSE)
            return
        held = _held(HoldReason.FAULT, describe_fault(error))
        self._board.put(self._books.book(record.submission.id, *_cuts(record), held))

    def _say_fault(self, error: Exception) -> None:
        self._incidents.begin(f"fault {type(error).__name__}", f"a fault of sealdrop's own: {describe_fault(error)}")

    def _wait_for_space(self, job: Job, error: NoSpace) -> None:
        self._incidents.begin(SPACE, f"{error}. Free some space under the root; work resumes alone")
        record = self._books.ledger.record(job.submission)
        if record is not None:
            self._board.put_later(record, PAUSE_SECONDS)
        elif job.arrival is not None:
            self._board.arrive(job.arrival, after=PAUSE_SECONDS)


def _cuts(record: Record) -> list[Event]:
    return [AttemptInterrupted(leg=leg.name, attempt=leg.trying) for leg in record.legs if leg.trying is not None]


def _held(reason: HoldReason, text: str) -> Held:
    return Held(hold=Hold(reason=reason, text=text))


def describe_fault(error: Exception) -> str:
    """Return the type of an unexpected error and the innermost place of ours; never its message or payload."""
    place, trace = "", error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("sealdrop."):
            place = f" in {module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{place}. Report it, then retry"
