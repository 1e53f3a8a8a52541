"""Completeness: is a dropped file finished? Pure decisions over what was seen and when *we* saw it.

Protocols, strictest first (DESIGN section 6; Sarracenia's ranking, age is the last resort):

- ``rename``: the producer writes under another name (suffix ``.part``, a dot, another folder) and renames in;
  whatever shows under a final name is complete.
- ``marker``: ``NAME.done`` beside ``NAME`` says that NAME is complete.
- ``quiet``: no change of size, times or inode for a quiet period that runs from our own first look, over at
  least two looks. File times never shorten it, so preserved timestamps and clock skew cannot defeat it.

In every protocol a file of zero bytes is never ready by a single look. A file that stays busy is looked at for
ever; ``too_old`` says when to raise one alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

#: A single look never proves that nothing changes.
LEAST_LOOKS = 2


class Protocol(Enum):
    """How a producer says that a file is complete."""

    RENAME = "rename"  # a final name is complete at once
    MARKER = "marker"  # NAME.done says so
    QUIET = "quiet"  # unchanged for a while, as the last resort


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one name.

    Args:
        name: file name as text with surrogate escapes. size: bytes.
        mtime_ns, ctime_ns, device, inode: as ``lstat`` says.
        marked: a completion marker is beside it.
    """

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int
    marked: bool = False

    @property
    def identity(self) -> tuple[int, int, int, int, int]:
        """What must stay the same for a file to count as unchanged."""
        return (self.device, self.inode, self.size, self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is remembered of a name between looks. Times are monotonic seconds of ours."""

    observation: Observation
    first_seen: float
    unchanged_since: float
    looks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessPolicy:
    """How one outbox tells complete from incomplete.

    Args:
        protocol: see module text. quiet_seconds: least unchanged time, from our first look.
        alarm_seconds: age (since first seen) from which a waiting file is alarmed once.
    """

    protocol: Protocol
    quiet_seconds: float = 10.0
    alarm_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Complete by the protocol: claim it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not complete yet.

    Args:
        reason: for people. look_again: seconds until another look may change the answer; None: not before it changes.
        too_old: has been waiting longer than the alarm age.
    """

    reason: str
    look_again: float | None
    too_old: bool


def remember(before: Seen | None, observation: Observation, now: float) -> Seen:
    """Fold one more look into what is remembered of a name.

    Another inode under the same name is another file: its waiting starts anew.
    """
    if before is None or before.observation.inode != observation.inode:
        return Seen(observation=observation, first_seen=now, unchanged_since=now, looks=1)
    if before.observation.identity != observation.identity:
        return Seen(observation=observation, first_seen=before.first_seen, unchanged_since=now, looks=1)
    return replace(before, observation=observation, looks=before.looks + 1)


def decide(seen: Seen, policy: ReadinessPolicy, now: float) -> Ready | Wait:
    """Decide whether a remembered name is complete.

    Args:
        seen: what ``remember`` returned for the latest look.
        policy: the outbox's protocol.
        now: monotonic seconds, same clock as in ``seen``.
    """
    too_old = now - seen.first_seen >= policy.alarm_seconds
    quiet_left = seen.unchanged_since + policy.quiet_seconds - now
    quiet = quiet_left <= 0 and seen.looks >= LEAST_LOOKS
    if policy.protocol is Protocol.MARKER and not seen.observation.marked:
        return Wait(reason="waits for its completion marker", look_again=None, too_old=too_old)
    if policy.protocol is not Protocol.QUIET and seen.observation.size > 0:
        return Ready()
    if quiet:
        return Ready()
    reason = "is still changing or too young" if seen.observation.size else "has zero bytes; may be just begun"
    return Wait(reason=reason, look_again=max(quiet_left, 0.0), too_old=too_old)
