"""The order book: which open submission stands in the way of which, without looking at all of them.

Keeps, for each kind, the ids whose ordering keys are still unknown, and for each (kind, key) the ids that are still
undelivered, sorted by claim. A submission waits for its *nearest* older neighbour, so that each delivery wakes one
successor and a long chain costs linear time.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from sealdrop.core.lifecycle import Record, State
from sealdrop.core.order import OrderPolicy, Way, undelivered, way
from sealdrop.core.submission import SubmissionId


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
        self._unjudged: defaultdict[str, list[SubmissionId]] = defaultdict(list)
        self._keyed: defaultdict[tuple[str, str], list[SubmissionId]] = defaultdict(list)
        self._trying: dict[SubmissionId, Record] = {}

    def enter(self, record: Record) -> None:
        """Take a record in."""
        for place in self._places(record):
            bisect.insort(place, record.submission.id)
        if any(leg.trying is not None for leg in record.legs):
            self.start(record)

    def start(self, record: Record) -> None:
        """An attempt of this record begins; it is over when the record leaves."""
        self._trying[record.submission.id] = record

    def leave(self, record: Record) -> None:
        """Take out a record that was entered in exactly this form."""
        self._trying.pop(record.submission.id, None)
        for place in self._places(record):
            place.pop(bisect.bisect_left(place, record.submission.id))
        for key in record.ordering_keys:
            if not self._keyed.get((record.submission.kind, key), True):
                del self._keyed[record.submission.kind, key]

    def _places(self, record: Record) -> list[list[SubmissionId]]:
        kind = record.submission.kind
        if not undelivered(record) or record.superseded_by is not None:
            return []
        if record.state is State.CLAIMED:  # a held one stands in nobody's way, see core.order
            return [] if record.holds else [self._unjudged[kind]]
        return [self._keyed[kind, key] for key in record.ordering_keys]

    def newest(self, kind: str, keys: Collection[str], but: SubmissionId) -> SubmissionId | None:
        """Return the newest open, undelivered submission that shares a key, other than ``but``."""
        found = [one for key in keys for one in self._keyed.get((kind, key), ())[-2:] if one != but]
        return max(found, default=None)

    def passage(
        self,
        record: Record,
        policy: OrderPolicy,
        look_up: Callable[[SubmissionId], Record],
        can_go: Callable[[Record], bool],
    ) -> Passage:
        """Decide whether ``record`` may be delivered now.

        Args:
            record: ready to be delivered, entered.
            policy: of its kind.
            look_up: returns the record of an entered id.
            can_go: tells whether a record is being worked on or could be this instant.
        """
        if policy is OrderPolicy.NONE:
            return Passage()
        me = record.submission.id
        kind = record.submission.kind
        keys = set(record.ordering_keys)
        for other in self._trying.values():  # only after a release can a newer one be under way
            if other.submission.kind == kind and other.submission.id > me and keys & set(other.ordering_keys):
                return Passage(blocker=other.submission.id)
        superseded: set[SubmissionId] = set()
        for place in (self._unjudged.get(kind, []), *(self._keyed[kind, key] for key in record.ordering_keys)):
            for older in _backward(place, me):
                match way(policy, look_up(older), record.ordering_keys, older_can_go=can_go(look_up(older))):
                    case Way.WAIT:
                        return Passage(blocker=older)
                    case Way.SUPERSEDE:
                        superseded.add(older)
                    case Way.CLEAR:
                        pass
        return Passage(supersede=tuple(sorted(superseded)))


def _backward(place: list[SubmissionId], me: SubmissionId) -> Iterator[SubmissionId]:
    for index in range(bisect.bisect_left(place, me) - 1, -1, -1):
        yield place[index]
