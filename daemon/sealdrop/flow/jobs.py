"""Jobs: what a worker takes into its hand, and the lanes they come from. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from sealdrop.core.lifecycle import Leg, Record
from sealdrop.core.steps import Work
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.spool import Claimed

CHECK = "check"
SEAL = "seal"


def route_lane(route: str) -> str:
    """Return the lane of a route's deliveries."""
    return f"route:{route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A claimed file that is not booked yet: its private copy is still to be made.

    Args:
        claimed: what lies in ``work/``. size: bytes as last seen. tries: how often a writer still had it open.
    """

    claimed: Claimed
    kind: str
    size: int
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work in one worker's hand.

    Args:
        submission: whose. arrival: set when it is not booked yet, else ``record`` is set.
        work, leg: what is to be done. supersede: older ones to be superseded first.
    """

    submission: SubmissionId
    arrival: Arrival | None = None
    record: Record | None = None
    work: Work | None = None
    leg: Leg | None = None
    supersede: tuple[SubmissionId, ...] = ()
