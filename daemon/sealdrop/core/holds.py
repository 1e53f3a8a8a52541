"""Holds: why a submission does not go on, and who may lift it. Delivery goes on when the set is empty."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class HoldReason(Enum):
    """Why progress is stopped."""

    APPROVAL = "approval"  # a guard asks for a signed approval
    FINDING = "finding"  # a rule found something unusual; a person decides
    KEY = "key"  # a key is missing, expired or revoked
    POISON = "poison"  # the process died on this file three times
    UNKNOWN_OUTCOME = "unknown-outcome"  # the object may be at the far end; only a person can tell
    OUT_OF_ORDER = "out-of-order"  # a newer one of its ordering keys has landed already
    DUPLICATE = "duplicate"  # equal bytes were seen before
    PARTLY_DELIVERED = "partly-delivered"  # one leg landed, another was given up
    OPERATOR = "operator"  # a person stopped it
    FAULT = "fault"  # our own code failed on it


class Lifter(Enum):
    """Who may lift a hold."""

    OPERATOR = "operator"  # any operator, with a reason
    APPROVERS = "approvers"  # signed statements only
    NOBODY = "nobody"  # never released: only the step that answers it ends it (abandon, retry, delivery by hand)


_LIFTERS = {
    HoldReason.APPROVAL: Lifter.APPROVERS,
    HoldReason.FINDING: Lifter.OPERATOR,
    HoldReason.KEY: Lifter.OPERATOR,
    HoldReason.POISON: Lifter.OPERATOR,
    HoldReason.UNKNOWN_OUTCOME: Lifter.OPERATOR,
    HoldReason.OUT_OF_ORDER: Lifter.OPERATOR,
    HoldReason.DUPLICATE: Lifter.OPERATOR,
    HoldReason.PARTLY_DELIVERED: Lifter.NOBODY,
    HoldReason.OPERATOR: Lifter.OPERATOR,
    HoldReason.FAULT: Lifter.OPERATOR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason to stop, with a sentence for people; ``leg`` names the only leg it is about, None stands for all."""

    reason: HoldReason
    text: str
    leg: str | None = None

    @property
    def lifter(self) -> Lifter:
        """Who may lift it."""
        return _LIFTERS[self.reason]
