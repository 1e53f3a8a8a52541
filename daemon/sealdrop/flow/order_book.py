"""The order book: which open submission stands in the way of which, without looking at all of them.

Keeps, for each kind, the ids whose ordering keys are still unknown, and for each (kind, key) the ids that are still
undelivered, sorted by claim. A submission waits for its *nearest* older neighbour, so that each delivery wakes one
successor and a long chain costs linear time.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sealdrop.core.lifecycle import Leg, Record, State
from sealdrop.core.order import OrderPolicy, Way, undelivered, way
from sealdrop.core.submission import SubmissionId

_Key = TypeVar("_Key", bound=Hashable)
_Places = defaultdict[_Key, list[SubmissionId]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Whether a submission may be delivered now.

    Args:
        blocker: the one it waits for; None when the way is clear.
        supersede: older ones to be superseded first.
    """

    blocker: SubmissionId | None = None
    supersede: tuple[SubmissionId, ...] = ()


class OrderBook:
    """Open, undelivered submissions by kind and ordering key. Not locked: the board is its only caller."""

    def __init__(self) -> None:
        self._unjudged: _Places[str] = defaultdict(list)
        self._decided: dict[SubmissionId, tuple[str, ...]] = {}  # of those: what the rules say is known, and not booked
        self._keyed: _Places[tuple[str, str]] = defaultdict(list)
        self._ahead: _Places[tuple[str, str]] = defaultdict(list)  # under way, or perhaps visible already
        self._landed: _Places[tuple[str, str]] = defaultdict(list)  # one leg has landed, another is owed

    def enter(self, record: Record) -> None:
        """Take a record in."""
        if not undelivered(record):
            return
        one, kind = record.submission.id, record.submission.kind
        if record.state is State.CLAIMED:
            if not record.holds:  # a held one stands in nobody's way, see core.order
                self.expect(one, kind)
            return
        landed = any(leg.receipt is not None for leg in record.legs)
        for key in record.ordering_keys:
            _add(self._keyed[kind, key], one)
            if landed:
                _add(self._landed[kind, key], one)
        if any(leg.trying is not None or leg.uncertain for leg in record.legs):
            self.start(record)

    def start(self, record: Record) -> None:
        """An attempt of this record begins; it is over when the record leaves."""
        for key in record.ordering_keys:
            _add(self._ahead[record.submission.kind, key], record.submission.id)

    def leave(self, record: Record) -> None:
        """Take out a record, whatever of it was taken in."""
        one, kind = record.submission.id, record.submission.kind
        self.expect_no_more(one, kind)
        for key in record.ordering_keys:
            _take(self._keyed, (kind, key), one)
            _take(self._ahead, (kind, key), one)
            _take(self._landed, (kind, key), one)

    def expect(self, submission: SubmissionId, kind: str) -> None:
        """Take in a claimed file whose ordering keys nobody knows yet."""
        _add(self._unjudged[kind], submission)

    def expect_no_more(self, submission: SubmissionId, kind: str) -> None:
        """Take out what was expected; one that is not in is ignored."""
        _take(self._unjudged, kind, submission)
        for key in self._decided.pop(submission, ()):
            _take(self._keyed, (kind, key), submission)

    def decide(self, submission: SubmissionId, kind: str, keys: tuple[str, ...]) -> None:
        """Note the ordering keys of one that is about to be booked, none when it will not go on.

        Newer ones can be compared with it then; to be delivered, they wait until it is booked and entered.
        """
        self._decided[submission] = keys
        for key in keys:
            _add(self._keyed[kind, key], submission)

    def undecided(self, kind: str, before: SubmissionId) -> SubmissionId | None:
        """Return the newest one of a kind before ``before`` of which nobody knows yet what the rules say."""
        return next((one for one in _backward(self._unjudged.get(kind, []), before) if one not in self._decided), None)

    def newest(self, kind: str, keys: Collection[str], before: SubmissionId) -> SubmissionId | None:
        """Return the newest open, undelivered submission before ``before`` that shares a key."""
        places = (self._keyed.get((kind, key), []) for key in keys)
        older = (next(_backward(place, before), None) for place in places)
        return max((one for one in older if one is not None), default=None)

    def ahead(self, kind: str, key: str, before: SubmissionId) -> list[SubmissionId]:
        """Return the open, undelivered submissions before ``before`` that have an ordering key, in claim order."""
        place = self._keyed.get((kind, key), [])
        return place[: bisect.bisect_left(place, before)]

    def newest_landed(self, kind: str, keys: Collection[str]) -> SubmissionId | None:
        """Return the newest open submission that shares a key and has landed with one of its legs."""
        return max((place[-1] for key in keys if (place := self._landed.get((kind, key)))), default=None)

    def unjudged(self, kind: str, after: SubmissionId, before: SubmissionId) -> list[SubmissionId]:
        """Return those of a kind, claimed between two others, whose ordering keys are not known yet."""
        place = self._unjudged.get(kind, [])
        return place[bisect.bisect_right(place, after) : bisect.bisect_left(place, before)]

    def passage(
        self,
        record: Record,
        leg: Leg,
        policy: OrderPolicy,
        look_up: Callable[[SubmissionId], Record | None],
        can_go: Callable[[Record], bool],
    ) -> Passage:
        """Decide whether one leg of ``record`` may be attempted now.

        Args:
            record: ready to be delivered, entered.
            leg: which of its legs.
            policy: of its kind.
            look_up: returns the record of an entered id; None while it is only expected.
            can_go: tells whether a record is being worked on or could be this instant.
        """
        if policy is OrderPolicy.NONE or leg.uncertain:  # settling what is in doubt makes nothing visible
            return Passage()
        me, kind, keys = record.submission.id, record.submission.kind, record.ordering_keys
        for key in keys:  # only after a release can a newer one be ahead
            newest = self._ahead.get((kind, key), [me])[-1]
            if newest > me:
                return Passage(blocker=newest)
        superseded: set[SubmissionId] = set()
        for place in (self._unjudged.get(kind, []), *(self._keyed.get((kind, key), []) for key in keys)):
            for older in _backward(place, me):
                other = look_up(older)
                if other is None:
                    return Passage(blocker=older)
                match way(policy, other, keys, older_can_go=can_go(other)):
                    case Way.WAIT:
                        return Passage(blocker=older)
                    case Way.SUPERSEDE:
                        superseded.add(older)
                    case Way.CLEAR:
                        pass
        return Passage(supersede=tuple(sorted(superseded)))


def _add(place: list[SubmissionId], one: SubmissionId) -> None:
    index = bisect.bisect_left(place, one)
    if place[index : index + 1] != [one]:
        place.insert(index, one)


def _take(places: _Places[_Key], key: _Key, one: SubmissionId) -> None:
    place = places.get(key, [])
    index = bisect.bisect_left(place, one)
    if place[index : index + 1] == [one]:
        place.pop(index)
        if not place:
            del places[key]


def _backward(place: list[SubmissionId], me: SubmissionId) -> Iterator[SubmissionId]:
    for index in range(bisect.bisect_left(place, me) - 1, -1, -1):
        yield place[index]
