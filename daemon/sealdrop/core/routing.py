"""Which transport carries the next attempt of a leg. A route is an ordered choice.

The first transport that can be used now is taken. A leg whose last outcome is uncertain stays with the transport
that may have delivered it: only there can the question be settled, and going elsewhere could deliver it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sealdrop.core.lifecycle import Leg


def choose(transports: Sequence[str], usable: Collection[str], leg: Leg) -> str | None:
    """Return the name of the transport for the next attempt; None while there is none to use.

    Args:
        transports: names in order of preference.
        usable: names that are neither stopped nor resting.
        leg: the leg that owes the delivery.
    """
    if leg.uncertain:
        return leg.transport if leg.transport in usable else None
    return next((name for name in transports if name in usable), None)
