"""When to try again: pure decisions over numbers and times; nothing here sleeps or draws lots.

A route says how its pauses grow, a kind says how long it is patient. Pauses double up to a longest one and are
spread by jitter, so that a hundred deferred submissions do not come back in one instant. What the far end asked
for (``retry_after``) is honoured up to the longest pause, never undercut.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How the pauses of one route grow.

    Args:
        first: pause after the first failure. factor: growth from one failure to the next, at least 1.
        longest: no pause is longer. jitter: share of a pause, 0 to 1, that chance may take away.
    """

    first: timedelta = timedelta(seconds=10)
    factor: float = 2.0
    longest: timedelta = timedelta(minutes=30)
    jitter: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """Another attempt is worthwhile, not before this time (UTC)."""

    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The kind's patience is over."""

    why: str


def pause(policy: RetryPolicy, failures: int, chance: float) -> timedelta:
    """Return how long to wait after the given number of failures in a row.

    Args:
        policy: the route's.
        failures: 1 or more.
        chance: in [0, 1), drawn by the caller.
    """
    longest = policy.longest.total_seconds()
    seconds = policy.first.total_seconds()
    for _ in range(failures - 1):
        seconds *= policy.factor
        if seconds >= longest:  # also keeps the product from overflowing after years of failures
            break
    return timedelta(seconds=min(seconds, longest) * (1 - policy.jitter * chance))


def decide(
    policy: RetryPolicy,
    *,
    failures: int,
    now: datetime,
    deadline: datetime,
    chance: float,
    retry_after: timedelta | None = None,
) -> TryAgain | GiveUp:
    """Decide what follows a temporary failure.

    Args:
        policy: the route's.
        failures: failures of this leg so far, this one included.
        now: when it failed.
        deadline: until when the kind is patient.
        chance: in [0, 1), drawn by the caller.
        retry_after: what the far end asked for.
    """
    wait = pause(policy, failures, chance)
    if retry_after is not None:
        wait = max(wait, min(retry_after, policy.longest))
    if now + wait > deadline:
        return GiveUp(why=f"no success in {failures} attempts until {deadline:%Y-%m-%d %H:%M} UTC")
    return TryAgain(not_before=now + wait)
