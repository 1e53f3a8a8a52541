"""Ledger rows: how an event becomes a row, and how rows are chained.

The hash of a row covers everything in it and the hash before it, as SHA-256 over length-prefixed fields, so no two
different rows share an encoding and no row can be changed, dropped, inserted or moved without breaking the chain:

    hash = SHA-256( field("sealdrop ledger row 1") field(previous) field(sequence) field(at) field(stream)
                    field(type) field(version) field(payload) )
    field(x) = length of x as eight bytes, big end first, then x; numbers as decimal text, text as UTF-8

The first row's ``previous`` is the genesis hash, made from the random identity of the ledger, so that a whole other
ledger put in its place is not mistaken for it. This page is enough to write an independent verifier.

Fails with ``LedgerBroken`` when a row cannot be understood. No SQL and no I/O here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sealdrop.core import events as ev
from sealdrop.core.codec import canonical, from_plain
from sealdrop.core.errors import LedgerBroken
from sealdrop.ports.ledger import AGENT_STREAM

_ROW = b"sealdrop ledger row 1"
_GENESIS = b"sealdrop ledger genesis 1"
HASH_BYTES = 32


class Row(NamedTuple):
    """One row of the table of events, in the order of its columns; a tuple, as there may be millions to check."""

    sequence: int
    at: str
    stream: str
    type: str
    version: int
    payload: str
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which ledger this is, fixed when it was made: a random id and the time."""

    ledger: str
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a ledger at some moment; kept elsewhere, it later proves that nothing before it was rewritten.

    Args:
        ledger: id of the ledger. sequence: number of its last row, 0 when empty.
        hash: lower-case hex hash of that row. at: time of that row, or of the ledger's making.
    """

    ledger: str
    sequence: int
    hash: str
    at: str


def stamp(moment: datetime) -> str:
    """Return a UTC time in the one form the ledger stores: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Return the time of a stamp.

    Raises:
        ValueError: it is not one.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        message = "a time without a zone"
        raise ValueError(message)
    return parsed


def origin(identity: Identity) -> Row:
    """Return what the first row of a ledger follows: no stored row, but the genesis hash under number 0."""
    genesis = _digest(_GENESIS, _utf8(identity.ledger), _utf8(identity.created))
    return Row(0, identity.created, "", "", 0, "", b"", genesis)


def head_of(identity: Identity, last: Row) -> Head:
    """Return the end of a ledger whose last row is ``last`` (or its origin)."""
    return Head(ledger=identity.ledger, sequence=last.sequence, hash=last.hash.hex(), at=last.at)


def row_hash(row: Row) -> bytes:
    """Return the hash a row must have; its own ``hash`` plays no part."""
    return _digest(
        _ROW,
        row.previous,
        str(row.sequence).encode(),
        _utf8(row.at),
        _utf8(row.stream),
        _utf8(row.type),
        str(row.version).encode(),
        _utf8(row.payload),
    )


def chain(previous: bytes, sequence: int, at: datetime, stream: str, event: Encoded) -> Row:
    """Make the row that follows the one whose hash is ``previous``."""
    bare = Row(sequence, stamp(at), stream, event.type, event.version, event.payload, previous, b"")
    return bare._replace(hash=row_hash(bare))


class Encoded(NamedTuple):
    """An event as it is stored."""

    type: str
    version: int
    payload: str


def encode(event: ev.Event | ev.AgentEvent) -> Encoded:
    """Turn an event into what is stored."""
    return Encoded(type(event).__name__, ev.VERSION, canonical(event))


def decode(row: Row) -> ev.Event | ev.AgentEvent:
    """Turn a row back into its event.

    Raises:
        LedgerBroken: the event is unknown, or the payload does not fit it.
    """
    known = ev.AGENT_EVENT_TYPES if row.stream == AGENT_STREAM else ev.EVENT_TYPES
    kind = known.get(row.type)
    if kind is None:
        raise LedgerBroken(
            f"event {row.type!a} is unknown in stream {row.stream!a}",
            where=f"ledger row {row.sequence}",
            hint="Use a sealdrop at least as new as the one that wrote the ledger, else run sealdrop ledger verify",
        )
    try:
        event: ev.Event | ev.AgentEvent = from_plain(kind, json.loads(row.payload))
    except (ValueError, RecursionError) as error:
        raise LedgerBroken(
            f"the payload of {row.type} cannot be understood",
            where=f"ledger row {row.sequence}",
            hint="Run sealdrop ledger verify",
        ) from error
    return event


def _digest(*fields: bytes) -> bytes:
    return hashlib.sha256(b"".join(len(field).to_bytes(8, "big") + field for field in fields)).digest()


def _utf8(text: str) -> bytes:
    # Rows of ours are plain ASCII. Verification reads whatever a tampered file holds, undecodable bytes included.
    return text.encode(errors="surrogateescape")
