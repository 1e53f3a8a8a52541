"""What comes next for a submission: one pure decision over its record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import assert_never

from sealdrop.core.lifecycle import Leg, Record, State


class Work(Enum):
    """One kind of work that a worker does on a submission."""

    VALIDATE = "validate"  # apply the rules
    SEAL = "seal"  # sign and encrypt
    DELIVER = "deliver"  # attempt a leg
    FILE = "file"  # move the evidence to its final folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Something can be done now.

    Args:
        work: what. legs: those that are due, for DELIVER; the least tried first.
    """

    work: Work
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing can be done now.

    Args:
        until: when something can be done without anybody's help; None: only when somebody acts.
    """

    until: datetime | None


def next_step(record: Record, now: datetime) -> Do | Rest:
    """Decide what comes next.

    Args:
        record: the newest fold.
        now: UTC.
    """
    match record.state:
        case State.SENT | State.FAILED:
            return Rest(until=None)
        case (
            State.REJECTED
            | State.DUPLICATE
            | State.SET_ASIDE
            | State.SUPERSEDED
            | State.DELIVERED
            | State.UNDELIVERABLE
        ):
            return Do(work=Work.FILE)
        case State.CLAIMED:
            return Rest(until=None) if record.holds else Do(work=Work.VALIDATE)
        case State.ACCEPTED:
            return Rest(until=None) if record.holds else Do(work=Work.SEAL)
        case State.SEALED | State.DEFERRED | State.PARTLY_DELIVERED:
            return Rest(until=None) if record.holds else _due_legs(record, now)
        case _ as unreachable:
            assert_never(unreachable)


def _due_legs(record: Record, now: datetime) -> Do | Rest:
    """Return the owed legs that are due, or when the first one will be."""
    owed = [leg for leg in record.legs if not leg.settled]
    due = [leg for leg in owed if leg.not_before is None or leg.not_before <= now]
    if due:
        return Do(work=Work.DELIVER, legs=tuple(sorted(due, key=lambda leg: (leg.attempts, leg.name))))
    return Rest(until=min((leg.not_before for leg in owed if leg.not_before is not None), default=None))
