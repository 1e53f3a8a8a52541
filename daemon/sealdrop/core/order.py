"""Order: whether an older submission of the same kind stands in the way of a newer one.

Submissions of one kind that share an ordering key reach the far end in claim order. Where a newer file *replaces*
an older one (ADT thresholds), an older one that cannot go now is superseded: it never lands later. That is safe only
when the newer file covers every key of the older; otherwise the keys left out would be lost, so the newer waits.

An older one whose last attempt was cut while it became visible may still appear on its own, so the newer waits until
that is settled or a person has been asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from sealdrop.core.holds import HoldReason
from sealdrop.core.lifecycle import Record, State


class OrderPolicy(Enum):
    """How a kind is ordered."""

    SUPERSEDE = "supersede"  # a newer one replaces an older one that cannot go now
    CLAIM_ORDER = "claim-order"  # one after the other, whatever it takes
    NONE = "none"  # any order


class Way(Enum):
    """What an older submission means for a newer one."""

    CLEAR = "clear"  # nothing
    WAIT = "wait"  # the newer waits for the older
    SUPERSEDE = "supersede"  # the older is to be superseded, then the way is clear


def way(policy: OrderPolicy, older: Record, newer_keys: Sequence[str], *, older_can_go: bool) -> Way:
    """Decide what ``older`` means for a newer submission that is ready to be delivered.

    Args:
        policy: of their common kind.
        older: open, claimed before the newer one.
        newer_keys: ordering keys of the newer one.
        older_can_go: the older one is being worked on or could be this instant (neither held nor deferred).
    """
    if policy is OrderPolicy.NONE or not undelivered(older):
        return Way.CLEAR
    if older.state is State.CLAIMED:
        # Its keys are not known yet. A held one could block its whole kind for days; it is judged again,
        # against what has been delivered meanwhile, when it is released.
        return Way.CLEAR if older.holds else Way.WAIT
    if not set(older.ordering_keys) & set(newer_keys):
        return Way.CLEAR
    reasons = {hold.reason for hold in older.holds}
    asked = {hold.leg for hold in older.holds if hold.reason is HoldReason.UNKNOWN_OUTCOME}
    unsettled = any(leg.uncertain and not asked & {None, leg.name} for leg in older.legs)
    if older_can_go or unsettled or any(leg.trying is not None for leg in older.legs):
        return Way.WAIT
    covered = policy is OrderPolicy.SUPERSEDE and set(older.ordering_keys) <= set(newer_keys)
    if older.state is State.PARTLY_DELIVERED and (covered or older.superseded_by is not None):
        return Way.CLEAR  # it moves only when a person retries it, and is judged again then
    if covered:
        return Way.SUPERSEDE
    # One that was overtaken already waits for a person; newer ones gain nothing by waiting with it.
    return Way.CLEAR if HoldReason.OUT_OF_ORDER in reasons else Way.WAIT


def undelivered(record: Record) -> bool:
    """Tell whether something of this submission may still reach the far end."""
    return record.state in {State.CLAIMED, State.ACCEPTED, State.SEALED, State.DEFERRED, State.PARTLY_DELIVERED}
