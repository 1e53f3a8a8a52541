"""What a delivery leaves behind: proof levels, receipts, and answers to "is it there?".

"Delivered" means proven. A receipt names *how* it was proven, and a route states the least it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class ProofLevel(Enum):
    """How a delivery was proven, strongest first."""

    DIGEST = "digest"  # the bytes were read back and their SHA-256 is equal
    DIGEST_XOR = "digest-xor"  # the far end's own (not cryptographic) hash is equal
    SIZE = "size"  # the far end reports an equal size; the bytes could not be read
    ACCEPTED = "accepted"  # the far end took the bytes and lets us see nothing
    BY_HAND = "by-hand"  # a person delivered it and gave evidence

    @property
    def rank(self) -> int:
        """Strength, higher is stronger."""
        return _RANK[self]

    def meets(self, minimum: ProofLevel) -> bool:
        """Tell whether this level is at least ``minimum``."""
        return self.rank >= minimum.rank


_RANK = {level: len(ProofLevel) - place for place, level in enumerate(ProofLevel)}


class Outcome(Enum):
    """How the object came to be proven at the far end."""

    SENT = "sent"  # this attempt made it visible and saw it there
    FOUND = "found"  # it was already there with equal bytes, from an earlier attempt of ours
    TAKEN = "taken"  # this attempt's rename was acknowledged, then the receiver took the object away


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the far end told us that proves a delivery.

    Args:
        transport: name of the transport that delivered.
        location: human-readable place, for example ``sftp://user@host:22/in/NAME.pgp``; never a credential.
        remote_name: final name at the far end.
        size: bytes of the sealed file.
        sha256: lower-case hex digest of the sealed file.
        proof: how it was proven.
        outcome: sent, found or taken.
        proven_at: when the proof was complete (UTC).
        facts: further facts for an auditor, such as the host key's fingerprint or an item id.
    """

    transport: str
    location: str
    remote_name: str
    size: int
    sha256: str
    proof: ProofLevel
    outcome: Outcome
    proven_at: datetime
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The object is at the far end under its final name with equal bytes (or size, by proof level)."""

    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Nothing is there under the final name.

    Args:
        withdrawn: our temporary copy was still there and has been removed: its rename never happened and never can.
    """

    withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Something else is there under the final name; it is never overwritten."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowable:
    """The far end does not let us look (write-only folder, mail)."""

    reason: str


Look = Found | Absent | Conflict | Unknowable
