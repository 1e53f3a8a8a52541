"""Intake: look into the outboxes, decide what is complete, and claim it within the bounds.

The sweep is the truth; whatever wakes it is a hint. One look over a folder fills a bounded queue of the oldest complete
files, which are then claimed as room appears, so that a backlog of any length costs two passes over the folder for
each ``BATCH`` files and no memory beyond it. Of files that are not complete, the ``MOST_SEEN`` oldest are remembered.

Nothing is claimed of a kind whose keys may not be used, whose route has too much waiting, or while the disk has no
room; each of these is an incident, said once. Names that are left alone are one incident for each outbox; the first
``MOST_SAID`` also go into the ledger: a flood of bad names is no flood of messages.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sealdrop.core.errors import KeyUnusable, NoSpace, TemporaryFailure
from sealdrop.core.events import NameLeftAlone
from sealdrop.core.readiness import Observation, Ready, Seen, Wait, decide, remember
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Arrival
from sealdrop.flow.setup import KindSetup, OutboxSetup, Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import LeftAlone, Outbox
from sealdrop.ports.spool import Claimed, Spool

#: Complete files remembered from one look. Ten thousand observations are about 3 MB.
BATCH = 10_000
#: A look over a huge folder is followed by a rest this many times as long, however many hints come.
LOOK_SHARE = 4
#: Files that are not complete yet and are remembered, about 500 bytes each; the oldest ones.
MOST_SEEN = 50_000
#: Entries that a folder certainly gives in one read, with names of any length and a marker beside each.
ONE_READ = 50
#: Names per outbox that are reported one by one as left alone.
MOST_SAID = 100
#: A file needs room for its private copy, its sealed file and the ledger.
COPIES = 3


@dataclass(slots=True)
class _Door:
    """What is remembered of one outbox between looks.

    Args:
        seen: files that are not complete yet. ready: complete ones, oldest first, that wait for room.
        said: names that went into the ledger as left alone. late: names said to wait too long.
        left: how many names are left alone now, by reason. example: one of them.
        not_before: when the next look is allowed. look_again: seconds until one may find more.
        waiting: files seen and neither claimed nor in ``ready``.
    """

    setup: OutboxSetup
    seen: dict[str, Seen] = field(default_factory=dict)
    ready: deque[Observation] = field(default_factory=deque)
    said: set[tuple[str, str]] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    left: Counter[str] = field(default_factory=Counter)
    example: str = ""
    not_before: float = float("-inf")
    look_again: float | None = None
    waiting: int = 0


@dataclass(slots=True)
class _Look:
    """What one look gathers: the oldest waiting files (a heap, the youngest on top) and those that wait too long."""

    door: _Door
    now: float
    before: dict[str, Seen]
    waits: list[tuple[int, str, Seen]] = field(default_factory=list)
    late: dict[str, str] = field(default_factory=dict)

    def remember(self, seen: Seen) -> None:
        """Remember a file for the next look, if it is among the oldest; the others are remembered as these go."""
        one = seen.observation
        entry = (-one.ctime_ns, one.name, seen)
        if len(self.waits) < MOST_SEEN:
            heapq.heappush(self.waits, entry)
        else:
            heapq.heappushpop(self.waits, entry)


def _age(one: Observation) -> tuple[int, str]:
    return (one.ctime_ns, one.name)


def _whole(outbox: Outbox) -> Iterator[Observation | LeftAlone]:
    """Yield what is in an outbox, such that nothing older than what is yielded is missing.

    A folder that takes several reads is no snapshot: a file may be renamed in behind the reader and a younger one
    ahead of it, so that only the younger is seen. What was there before a reading began is always seen, so a large
    folder is read twice and only what is as old as the first reading counts in the second.
    """
    first, number, newest = [], 0, 0
    for one in outbox.look():
        number += 1
        if number <= ONE_READ:
            first.append(one)
        if isinstance(one, Observation):
            newest = max(newest, one.ctime_ns)
    if number <= ONE_READ:
        yield from first
        return
    for one in outbox.look():
        if isinstance(one, LeftAlone) or one.ctime_ns <= newest:
            yield one


class Intake:
    """Turns complete files into claimed ones. One caller at a time."""

    def __init__(
        self,
        setup: Setup,
        *,
        books: Books,
        board: Board,
        spool: Spool,
        clock: Clock,
        incidents: Incidents,
    ) -> None:
        self._setup = setup
        self._books = books
        self._board = board
        self._spool = spool
        self._clock = clock
        self._incidents = incidents
        order = sorted(setup.outboxes, key=lambda one: -setup.kinds[one.kind].priority)
        self._doors = [_Door(setup=one) for one in order]

    def sweep(self) -> float | None:
        """Look where it may be worthwhile and claim what is complete.

        Returns:
            Seconds until another look may find something complete; None when only a change can.

        Raises:
            StorageFailure: our own disk or the ledger failed.
        """
        for door in self._doors:
            self._visit(door)
        waits = [door.look_again for door in self._doors if door.look_again is not None]
        return min(waits, default=None)

    def hungry(self) -> bool:
        """Tell whether complete files wait for room on the board."""
        return any(door.ready for door in self._doors)

    def waiting(self) -> dict[str, int]:
        """Return for each outbox how many files were seen and are not claimed yet."""
        return {door.setup.outbox.name: door.waiting + len(door.ready) for door in self._doors}

    def _visit(self, door: _Door) -> None:
        outbox, kind = door.setup.outbox, self._setup.kinds[door.setup.kind]
        subject = f"outbox {outbox.name}"
        try:
            if not door.ready:
                self._look(door)
            if door.ready and self._may_claim(kind):
                self._claim(door, kind)
        except NoSpace as error:
            text = f"nothing is claimed: {error}. Free some space under the root; claims resume alone"
            self._wait_for_space(door, text)
        except TemporaryFailure as error:
            door.look_again = self._setup.sweep_seconds
            self._incidents.begin(subject, str(error))
        else:
            self._incidents.end(subject)

    def _look(self, door: _Door) -> None:
        """Fill the queue of complete files with the oldest ones, by the time they got their present name."""
        now = self._clock.monotonic()
        if now < door.not_before:
            door.look_again = door.not_before - now
            return
        door.look_again, door.waiting = None, 0
        look = _Look(door=door, now=now, before=door.seen)
        door.seen, door.left = {}, Counter()
        chosen = heapq.nsmallest(BATCH, self._complete(look, _whole(door.setup.outbox)), key=_age)
        door.seen |= {seen.observation.name: seen for _, _, seen in look.waits}
        door.ready.extend(chosen)
        door.waiting -= len(chosen)
        self._report(look)
        after = self._clock.monotonic()
        door.not_before = after + LOOK_SHARE * (after - now)

    def _complete(self, look: _Look, found: Iterator[Observation | LeftAlone]) -> Iterator[Observation]:
        """Yield what is complete, remember what is not, and note what is left alone."""
        door = look.door
        for one in found:
            if isinstance(one, LeftAlone):
                self._leave(door, one)
                continue
            door.waiting += 1
            seen = remember(look.before.pop(one.name, None), one, look.now)
            match decide(seen, door.setup.readiness, look.now):
                case Ready():
                    if seen.looks > 1:  # it had to wait: do not make it wait anew when it is not claimed now
                        look.remember(seen)
                    yield one
                case Wait() as wait:
                    look.remember(seen)
                    if wait.look_again is not None:
                        sooner = door.look_again is None or wait.look_again < door.look_again
                        door.look_again = wait.look_again if sooner else door.look_again
                    if wait.too_old and len(look.late) < MOST_SAID:
                        look.late[one.name] = wait.reason

    def _report(self, look: _Look) -> None:
        """Begin and end the incidents that this look is about."""
        door, name = look.door, look.door.setup.outbox.name
        for late, reason in look.late.items():
            where = f"outbox {name}: {late!a}"
            self._incidents.begin(where, f"{where} {reason}. Ask its producer whether it is done")
        for late in door.late - look.late.keys():
            self._incidents.end(f"outbox {name}: {late!a}")
        door.late = set(look.late)
        subject = f"names in {name}"
        if not door.left:
            self._incidents.end(subject)
            return
        number = sum(door.left.values())
        reason = door.left.most_common(1)[0][0]
        text = f"{number} names in outbox {name} are left alone, for example {door.example!a}: {reason}"
        self._incidents.begin(subject, text)

    def _leave(self, door: _Door, found: LeftAlone) -> None:
        """Count a name that is left alone; the first ones of all go into the ledger, each once."""
        if not door.left:
            door.example = found.name
        door.left[found.reason] += 1
        key = (found.name, found.reason)
        if key in door.said or len(door.said) >= MOST_SAID:
            return
        reason = f"{found.reason}. {found.hint}"
        self._books.tell(NameLeftAlone(outbox=door.setup.outbox.name, file_name=found.name, reason=reason))
        door.said.add(key)

    def _may_claim(self, kind: KindSetup) -> bool:
        subject = f"keys of {kind.name}"
        try:
            kind.sealer.check(self._clock.now())
        except KeyUnusable as error:
            self._incidents.begin(subject, f"nothing of kind {kind.name} is claimed: {error}")
            return False
        self._incidents.end(subject)
        room = self._board.room(kind)
        subject = f"backlog of {kind.name}"
        if room.blocked_by:
            self._incidents.begin(subject, f"nothing of kind {kind.name} is claimed: {room.blocked_by}")
        else:
            self._incidents.end(subject)
        return room.files > 0 and room.bytes > 0

    def _claim(self, door: _Door, kind: KindSetup) -> None:
        room = self._board.room(kind)
        files, free_bytes = room.files, room.bytes
        space = self._spool.free_bytes() - self._setup.reserve_bytes
        while door.ready and files > 0 and free_bytes > 0:
            found = door.ready[0]
            need = COPIES * min(found.size, kind.max_bytes)  # a larger one is set aside without a copy
            if space < need:
                text = f"nothing is claimed: {found.name!a} needs {need} bytes beside the reserve"
                self._wait_for_space(door, f"{text}. Free some space under the root; claims resume alone")
                return
            door.ready.popleft()
            submission = self._clock.new_id()
            if not door.setup.outbox.claim(found, submission):
                continue
            door.seen.pop(found.name, None)
            claimed = Claimed(
                submission=submission,
                outbox=door.setup.outbox.name,
                file_name=found.name,
                has_content=False,
                has_sealed=False,
            )
            self._board.arrive(Arrival(claimed=claimed, kind=kind.name, size=found.size))
            files, free_bytes, space = files - 1, free_bytes - found.size, space - need
        self._incidents.end(_space(door))

    def _wait_for_space(self, door: _Door, text: str) -> None:
        """Claim nothing more for now; what was complete is looked at again, since it may be gone by then."""
        self._incidents.begin(_space(door), text)
        door.waiting += len(door.ready)
        door.ready.clear()
        door.look_again = self._setup.sweep_seconds


def _space(door: _Door) -> str:
    return f"free space for {door.setup.outbox.name}"
