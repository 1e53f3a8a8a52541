"""Intake: look into the outboxes, decide what is complete, and claim it within the bounds.

The sweep is the truth; whatever wakes it is a hint. One look over a folder fills a bounded queue of the oldest complete
files, which are then claimed as room appears, so that a backlog of any length costs one pass over the folder for
each ``BATCH`` files and no memory beyond it.

Nothing is claimed of a kind whose keys may not be used, whose route has too much waiting, or while the disk has no
room; each of these is an incident, said once. A name that is left alone is said once, and after ``MOST_SAID`` names
per outbox only that there are more: a flood of bad names is no flood of messages.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sealdrop.core.errors import KeyUnusable, TemporaryFailure
from sealdrop.core.events import NameLeftAlone
from sealdrop.core.readiness import Observation, Ready, Seen, Wait, decide, remember
from sealdrop.flow.board import Board
from sealdrop.flow.books import Books
from sealdrop.flow.incidents import Incidents
from sealdrop.flow.jobs import Arrival
from sealdrop.flow.setup import KindSetup, OutboxSetup, Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Claimed, Spool

#: Complete files remembered from one look. Ten thousand observations are about 3 MB.
BATCH = 10_000
#: A look over a huge folder is followed by a rest this many times as long, however many hints come.
LOOK_SHARE = 4
#: Names per outbox that are reported one by one as left alone.
MOST_SAID = 100
#: A file needs room for its private copy, its sealed file and the ledger.
COPIES = 3


@dataclass(slots=True)
class _Door:
    """What is remembered of one outbox between looks."""

    setup: OutboxSetup
    seen: dict[str, Seen] = field(default_factory=dict)
    ready: deque[Observation] = field(default_factory=deque)
    said: set[tuple[str, str]] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    not_before: float = float("-inf")
    look_again: float | None = None
    waiting: int = 0


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
        before, door.seen = door.seen, {}
        late, door.late = door.late, set()
        chosen = heapq.nsmallest(BATCH, self._complete(door, before, late), key=lambda one: (one.ctime_ns, one.name))
        door.ready.extend(chosen)
        door.waiting -= len(chosen)
        after = self._clock.monotonic()
        door.not_before = after + LOOK_SHARE * (after - now)

    def _complete(self, door: _Door, before: dict[str, Seen], late: set[str]) -> Iterator[Observation]:
        now = self._clock.monotonic()
        for found in door.setup.outbox.look():
            if isinstance(found, LeftAlone):
                self._say(door, found)
                continue
            door.waiting += 1
            seen = remember(before.get(found.name), found, now)
            match decide(seen, door.setup.readiness, now):
                case Ready():
                    if found.name in before:  # it had to wait: do not make it wait anew when it is not claimed now
                        door.seen[found.name] = seen
                    yield found
                case Wait() as wait:
                    door.seen[found.name] = seen
                    if wait.look_again is not None:
                        sooner = door.look_again is None or wait.look_again < door.look_again
                        door.look_again = wait.look_again if sooner else door.look_again
                    if wait.too_old and len(door.late) < MOST_SAID:
                        door.late.add(found.name)
                        if found.name not in late:
                            where = f"outbox {door.setup.outbox.name}: {found.name!a}"
                            self._incidents.begin(where, f"{where} {wait.reason}. Ask its producer whether it is done")
        for name in late - door.late:
            self._incidents.end(f"outbox {door.setup.outbox.name}: {name!a}")

    def _say(self, door: _Door, found: LeftAlone) -> None:
        key = (found.name, found.reason)
        if key in door.said:
            return
        if len(door.said) >= MOST_SAID:
            text = f"outbox {door.setup.outbox.name} holds many names that are left alone. List the folder"
            self._incidents.begin(f"names in {door.setup.outbox.name}", text)
            return
        door.said.add(key)
        reason = f"{found.reason}. {found.hint}"
        self._books.tell(NameLeftAlone(outbox=door.setup.outbox.name, file_name=found.name, reason=reason))

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
        subject = f"free space for {door.setup.outbox.name}"
        while door.ready and files > 0 and free_bytes > 0:
            found = door.ready[0]
            need = COPIES * min(found.size, kind.max_bytes)  # a larger one is set aside without a copy
            if space < need:
                text = f"nothing is claimed: {found.name!a} needs {need} bytes beside the reserve"
                self._incidents.begin(subject, f"{text}. Free some space under the root; claims resume alone")
                door.waiting += len(door.ready)
                door.ready.clear()  # it may be gone by then, so the next sweep looks again
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
        self._incidents.end(subject)
