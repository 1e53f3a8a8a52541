"""The unit of work: one file in our care, the deliveries it owes, and how its id is made.

Ids sort by claim time: ten characters of milliseconds and sixteen random ones in Crockford's base 32
(https://github.com/ulid/spec), lower case because they become part of file names on systems that fold case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

SubmissionId = NewType("SubmissionId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
RANDOM_BITS = 80


def make_id(at: datetime, randomness: int, after: SubmissionId | None = None) -> SubmissionId:
    """Make an id that sorts by ``at`` and never before or equal to ``after``.

    Args:
        at: claim time, aware.
        randomness: 80 random bits, chosen by the caller (core has no randomness).
        after: the last id given out, if any; a clock that went back must not change the claim order.
    """
    value = (int(require_aware(at).timestamp() * 1000) << RANDOM_BITS) | (randomness & ((1 << RANDOM_BITS) - 1))
    if after is not None:
        value = max(value, _decode(after) + 1)
    digits = []
    for _ in range(26):
        value, digit = divmod(value, 32)
        digits.append(_ALPHABET[digit])
    return SubmissionId("".join(reversed(digits)))


def is_submission_id(text: str) -> bool:
    """Tell whether ``text`` has the form of an id of ours."""
    return _ID.fullmatch(text) is not None


def _decode(text: str) -> int:
    value = 0
    for char in text:
        value = value * 32 + _ALPHABET.index(char)
    return value


def require_aware(moment: datetime) -> datetime:
    """Return ``moment`` unchanged, refusing a naive one.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if moment.tzinfo is None:
        message = "naive datetime; every time in sealdrop is aware and UTC"
        raise ValueError(message)
    return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One dropped file in our care.

    Args:
        id: sortable id, also part of every file and remote name.
        outbox: name of the configured outbox it came from.
        kind: file kind, for example ``adt``.
        environment: ``live`` or the name of a DCC test environment.
        file_name: name as dropped, as text with surrogate escapes for undecodable bytes.
        size: bytes of the content.
        sha256: lower-case hex digest of the content.
        claimed_at: when it was claimed (UTC).
    """

    id: SubmissionId
    outbox: str
    kind: str
    environment: str
    file_name: str
    size: int
    sha256: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """One delivery a submission owes: its name and the route that carries it."""

    name: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The sealed file of a submission, made once and sent unchanged on every attempt.

    Args:
        sha256: lower-case hex digest of the sealed file.
        size: bytes of the sealed file.
        recipients: full fingerprints of the keys that can read it, sorted.
        signer: full fingerprint of the (sub)key that signed it.
        remote_name: deterministic name at every far end.
        engine: program and version that sealed it.
    """

    sha256: str
    size: int
    recipients: tuple[str, ...]
    signer: str
    remote_name: str
    engine: str
