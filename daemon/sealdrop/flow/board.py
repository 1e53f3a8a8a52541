"""The board: all open submissions, what each needs next, and who may take it.

Workers ``take`` a job from their lane and ``put`` the new record back; between the two a submission is in one worker's
hand only. A lane is a priority queue: higher kinds first, then claim order. The board decides from records alone
(``core.steps``, ``core.order``), keeps the timers of deferred submissions, and counts what is active and what waits,
which bounds the claims. It touches no disk and no network.

Memory is bounded by those bounds: a backlog waits in the outbox, not here.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from sealdrop.core.lifecycle import TERMINAL, Leg, Record
from sealdrop.core.steps import Do, Rest, Work, next_step
from sealdrop.core.submission import SubmissionId
from sealdrop.flow.gates import Gates
from sealdrop.flow.jobs import CHECK, SEAL, Arrival, Job, route_lane
from sealdrop.flow.order_book import OrderBook, Passage
from sealdrop.flow.setup import KindSetup, Setup
from sealdrop.flow.tally import Room, Tally
from sealdrop.ports.clock import Clock


class Board:
    """See module text. Callable from several threads; ``on_earlier`` is called when an earlier timer appears."""

    def __init__(self, setup: Setup, gates: Gates, clock: Clock, on_earlier: Callable[[], None]) -> None:
        self._setup = setup
        self._gates = gates
        self._clock = clock
        self._on_earlier = on_earlier
        self._lock = threading.Lock()
        self._lanes: defaultdict[str, threading.Condition] = defaultdict(lambda: threading.Condition(self._lock))
        self._queues: defaultdict[str, list[tuple[int, SubmissionId, int]]] = defaultdict(list)
        self._timers: list[tuple[float, int, SubmissionId]] = []
        self._ticket: dict[SubmissionId, int] = {}  # the newest plan of each; older queue entries are stale
        self._tickets = itertools.count()
        self._plans: dict[SubmissionId, dict[str, Job]] = {}  # by lane: legs of several routes may be due
        self._records: dict[SubmissionId, Record] = {}
        self._arrivals: dict[SubmissionId, Arrival] = {}
        self._busy: dict[SubmissionId, float] = {}
        self._meanwhile: dict[SubmissionId, Record] = {}  # what others did to a submission in hand
        self._order = OrderBook()
        self._blocked: defaultdict[SubmissionId, set[SubmissionId]] = defaultdict(set)
        self._waits_for: dict[SubmissionId, str] = {}
        self._tally = Tally(setup)
        self._closed = False

    # -- what comes in -------------------------------------------------------------------------------------

    def arrive(self, arrival: Arrival, *, after: float = 0.0) -> None:
        """Take in a claimed file whose private copy is to be made, ``after`` so many seconds."""
        one = arrival.claimed.submission
        with self._lock:
            self._busy.pop(one, None)
            if one not in self._arrivals:
                self._tally.arrival(arrival.kind, arrival.size, +1)
            self._arrivals[one] = arrival
            if arrival.tries:  # somebody may write to it for days; its whole kind does not wait for that
                self._order.expect_no_more(one, arrival.kind)
            else:
                self._order.expect(one, arrival.kind)
            if after > 0:
                self._start_timer(one, after)
            else:
                self._plan_arrival(arrival)
            self._wake_those_behind(one)

    def put(self, record: Record) -> None:
        """Take in the newest record of a submission that is in nobody's hand any more."""
        with self._lock:
            self._put(record)

    def put_later(self, record: Record, seconds: float) -> None:
        """Take in a record whose next step failed for a reason of ours and may work after so many seconds."""
        one = record.submission.id
        with self._lock:
            record = self._taken_back(record)
            self._remember(record)
            self._start_timer(one, seconds)
            self._wake_those_behind(one)

    def note(self, record: Record) -> None:
        """Take in a newer record of a submission that stays in its worker's hand."""
        one = record.submission.id
        with self._lock:
            self._forget(one)
            self._remember(record)
            self._busy[one] = self._clock.monotonic()

    def refresh(self, record: Record) -> None:
        """Take in a newer record from somebody who does not have the submission in hand.

        When a worker has it in hand, the newer of the two counts once it is given back.
        """
        one = record.submission.id
        with self._lock:
            if one in self._busy:
                self._meanwhile[one] = record
            elif (known := self._records.get(one)) is None or known.events <= record.events:
                self._put(record)

    # -- what goes out -------------------------------------------------------------------------------------

    def take(self, lane: str) -> Job | None:
        """Wait for the next job of a lane and take it in hand; None when the board is closed."""
        with self._lock:
            while not self._closed:
                job = self._pop(lane)
                if job is not None:
                    return job
                self._lanes[lane].wait()
            return None

    def take_any(self) -> Job | None:
        """Take the most urgent job of any lane, without waiting; for work in one thread."""
        with self._lock:
            self._fire_timers()
            lanes = [CHECK, SEAL, *(route_lane(name) for name in self._setup.routes)]
            # What is nearest its end goes first, so that little is open at any time.
            return next((job for job in map(self._pop, reversed(lanes)) if job is not None), None)

    def progress(self, submission: SubmissionId) -> None:
        """Note that the worker that has this submission in hand gets on."""
        with self._lock:
            if submission in self._busy:
                self._busy[submission] = self._clock.monotonic()

    def tick(self) -> float | None:
        """Queue what has become due; return the seconds until the next timer, None when there is none."""
        with self._lock:
            self._fire_timers()
            for name in self._setup.routes:
                if self._queues[route_lane(name)]:
                    self._lanes[route_lane(name)].notify()
            ends = [self._gates.opens_in(t.name for t in route.transports) for route in self._setup.routes.values()]
            waits = [end for end in ends if end]
            if self._timers:
                waits.append(max(self._timers[0][0] - self._clock.monotonic(), 0.0))
            return min(waits, default=None)

    def gates_changed(self) -> None:
        """Let all workers of the routes look again: a gate was opened."""
        with self._lock:
            for name in self._setup.routes:
                self._lanes[route_lane(name)].notify_all()

    def close(self) -> None:
        """Let every waiting worker go home."""
        with self._lock:
            self._closed = True
            for lane in self._lanes.values():
                lane.notify_all()

    def reopen(self, setup: Setup) -> None:
        """Work by another configuration from now on; every plan is made anew."""
        with self._lock:
            self._setup = setup
            self._closed = False
            self._queues.clear()
            self._timers.clear()
            self._blocked.clear()
            self._tally = Tally(setup)
            for arrival in self._arrivals.values():
                self._tally.arrival(arrival.kind, arrival.size, +1)
                self._plan_arrival(arrival)
            for record in self._records.values():
                self._tally.record(record, +1)
            for record in sorted(self._records.values(), key=lambda one: one.submission.id):
                self._plan(record)

    # -- what people and the intake ask --------------------------------------------------------------------

    def room(self, kind: KindSetup) -> Room:
        """Tell how much more of a kind may be claimed now."""
        with self._lock:
            return self._tally.room(kind)

    def held(self) -> dict[str, int]:
        """Return how many submissions of each kind are held, those kinds only that have any."""
        with self._lock:
            return {kind: number for kind, number in self._tally.held.items() if number}

    def newest_open(self, kind: str, keys: tuple[str, ...], before: SubmissionId) -> SubmissionId | None:
        """Return the newest open, undelivered submission of a kind before another that shares an ordering key."""
        with self._lock:
            return self._order.newest(kind, keys, before)

    def ahead(self, kind: str, key: str, before: SubmissionId) -> list[SubmissionId]:
        """Return the open, undelivered submissions of a kind before another that have an ordering key."""
        with self._lock:
            return self._order.ahead(kind, key, before)

    def decided(self, record: Record, keys: tuple[str, ...]) -> None:
        """Note that what the rules say of a submission in hand is known and about to be booked.

        Those that waited with being judged go on at once, so that they do not wait for the disk.

        Args:
            record: not judged before.
            keys: its ordering keys; none when it will not go on.
        """
        with self._lock:
            self._order.decide(record.submission.id, record.submission.kind, keys)
            self._wake_those_behind(record.submission.id)

    def judged_later(self, record: Record) -> bool:
        """Tell whether a claimed submission must wait with being judged, for earlier ones of its kind."""
        with self._lock:
            return self._unjudged_before(record) is not None

    def newest_landed(self, kind: str, keys: tuple[str, ...]) -> SubmissionId | None:
        """Return the newest open submission of a kind that shares an ordering key and has landed in part."""
        with self._lock:
            return self._order.newest_landed(kind, keys)

    def unjudged(self, kind: str, after: SubmissionId, before: SubmissionId) -> list[Record]:
        """Return those of a kind, claimed between two others, that the rules have not judged yet."""
        with self._lock:
            ids = self._order.unjudged(kind, after, before)
            return [self._records[one] for one in ids if one in self._records]

    def waits_for(self, submission: SubmissionId) -> str:
        """Return what a submission waits for, as a phrase; empty when for nothing the board knows."""
        with self._lock:
            return self._waits_for.get(submission, "")

    def records(self) -> list[Record]:
        """Return all open records, oldest first."""
        with self._lock:
            return sorted(self._records.values(), key=lambda record: record.submission.id)

    def longest_without_progress(self) -> float:
        """Return the seconds since the slowest worker got on; 0 when nothing is in hand."""
        with self._lock:
            return self._clock.monotonic() - min(self._busy.values()) if self._busy else 0.0

    # -- inside, under the lock ----------------------------------------------------------------------------

    def _put(self, record: Record) -> None:
        record = self._taken_back(record)
        if record.state not in TERMINAL:
            self._remember(record)
            self._plan(record)
        self._wake_those_behind(record.submission.id)

    def _taken_back(self, record: Record) -> Record:
        """Forget what is known of a submission that is in no hand now; return its newest record."""
        one = record.submission.id
        self._busy.pop(one, None)
        self._forget(one)
        meanwhile = self._meanwhile.pop(one, record)
        return meanwhile if meanwhile.events > record.events else record

    def _wake_those_behind(self, one: SubmissionId) -> None:
        for successor in sorted(self._blocked.pop(one, ())):
            waiting = self._records.get(successor)
            if waiting is not None and successor not in self._busy:
                self._plan(waiting)

    def _plan_arrival(self, arrival: Arrival) -> None:
        one = arrival.claimed.submission
        self._plans[one] = {CHECK: Job(submission=one, arrival=arrival)}
        self._push([CHECK], one, arrival.kind)

    def _plan(self, record: Record, *, awaited: bool = False) -> None:
        """Queue the next step of a record, or start its timer; ``awaited`` when that timer has run off.

        Due times are those of the wall clock, because they outlive the process; the wait itself is counted on the
        monotonic clock and bounded, so a wall clock that is set back delays nothing for longer than one pause.
        """
        one = record.submission.id
        self._waits_for.pop(one, None)
        self._ticket.pop(one, None)
        now = self._clock.now()
        step = next_step(record, now)
        if awaited and isinstance(step, Rest) and step.until is not None:
            step = next_step(record, step.until)
        match step:
            case Rest(until=None):
                pass
            case Rest(until=until) if until is not None:
                longest = max((route.retry.longest for route in self._setup.routes.values()), default=until - now)
                self._start_timer(one, min(until - now, longest).total_seconds())
                self._waits_for[one] = f"waits until {until:%Y-%m-%d %H:%M:%S} UTC"
            case Do(work=Work.DELIVER, legs=legs):
                self._plan_legs(record, legs)
            case Do(work=Work.VALIDATE) if (blocker := self._unjudged_before(record)) is not None:
                self._wait_for(one, blocker, "to be judged")
            case Do(work=work):
                lane = SEAL if work is Work.SEAL else CHECK
                self._plans[one] = {lane: Job(submission=one, record=record, work=work)}
                self._push([lane], one, record.submission.kind)

    def _plan_legs(self, record: Record, legs: tuple[Leg, ...]) -> None:
        """Queue a submission in the lane of every route that may carry a leg of it now: a dead one blocks no other."""
        one = record.submission.id
        plans: dict[str, Job] = {}
        for leg in legs:
            blocker = self._passage(record, leg).blocker
            if blocker is not None:
                self._wait_for(one, blocker)
                continue
            # A route the configuration no longer has is found out by the worker, who holds the submission.
            lane = route_lane(leg.route) if leg.route in self._setup.routes else CHECK
            plans.setdefault(lane, Job(submission=one, record=record, work=Work.DELIVER, leg=leg))
        if plans:
            self._waits_for.pop(one, None)
            self._plans[one] = plans
            self._push(plans, one, record.submission.kind)

    def _wait_for(self, one: SubmissionId, blocker: SubmissionId, what: str = "to land") -> None:
        self._blocked[blocker].add(one)
        self._waits_for[one] = f"waits for submission {blocker}, {what} in order"

    def _unjudged_before(self, record: Record) -> SubmissionId | None:
        """Return the nearest earlier one that must be judged before this one can be compared with it."""
        kind = self._setup.kinds.get(record.submission.kind)
        if kind is None or not kind.validator.compares:
            return None
        return self._order.undecided(kind.name, record.submission.id)

    def _passage(self, record: Record, leg: Leg) -> Passage:
        kind = self._setup.kinds.get(record.submission.kind)
        if kind is None:
            return Passage()
        now = self._clock.now()

        def can_go(other: Record) -> bool:
            return other.submission.id in self._busy or isinstance(next_step(other, now), Do)

        return self._order.passage(record, leg, kind.order, self._records.get, can_go)

    def _push(self, lanes: Iterable[str], submission: SubmissionId, kind: str) -> None:
        ticket = next(self._tickets)
        self._ticket[submission] = ticket
        known = self._setup.kinds.get(kind)
        for lane in lanes:
            heapq.heappush(self._queues[lane], (-known.priority if known else 0, submission, ticket))
            self._lanes[lane].notify()

    def _pop(self, lane: str) -> Job | None:
        queue = self._queues[lane]
        while queue:
            _, one, ticket = queue[0]
            if self._ticket.get(one) != ticket:
                heapq.heappop(queue)
                continue
            if not self._usable(lane):
                return None
            heapq.heappop(queue)
            del self._ticket[one]
            job = self._plans.pop(one)[lane]
            if job.work is Work.VALIDATE and job.record is not None and self._unjudged_before(job.record) is not None:
                self._plan(job.record)  # an earlier one arrived since this was planned
                continue
            if job.leg is not None and job.record is not None:
                passage = self._passage(job.record, job.leg)
                if passage.blocker is not None:  # an older one was released since this was planned
                    self._plan(job.record)
                    continue
                self._order.start(job.record)
                job = replace(job, supersede=passage.supersede)
            self._busy[one] = self._clock.monotonic()
            return job
        return None

    def _usable(self, lane: str) -> bool:
        _, _, route = lane.partition(":")
        if not route or route not in self._setup.routes:
            return True
        return bool(self._gates.usable(one.name for one in self._setup.routes[route].transports))

    def _start_timer(self, submission: SubmissionId, seconds: float) -> None:
        ticket = next(self._tickets)
        self._ticket[submission] = ticket
        due = self._clock.monotonic() + seconds
        earlier = not self._timers or due < self._timers[0][0]
        heapq.heappush(self._timers, (due, ticket, submission))
        if earlier:
            self._on_earlier()

    def _fire_timers(self) -> None:
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, ticket, one = heapq.heappop(self._timers)
            if self._ticket.get(one) != ticket:
                continue
            if one in self._arrivals:
                self._plan_arrival(self._arrivals[one])
            else:
                self._plan(self._records[one], awaited=True)

    def _forget(self, submission: SubmissionId) -> None:
        self._ticket.pop(submission, None)
        self._plans.pop(submission, None)
        self._waits_for.pop(submission, None)
        arrival = self._arrivals.pop(submission, None)
        if arrival is not None:
            self._tally.arrival(arrival.kind, arrival.size, -1)
            self._order.expect_no_more(submission, arrival.kind)
        record = self._records.pop(submission, None)
        if record is not None:
            self._tally.record(record, -1)
            self._order.leave(record)

    def _remember(self, record: Record) -> None:
        self._records[record.submission.id] = record
        self._tally.record(record, +1)
        self._order.enter(record)
