"""Checks of single rows and of the end of the ledger: what opening and verification have in common."""

from __future__ import annotations

from collections.abc import Iterator

from sealdrop.adapters.ledger.rows import Head, Identity, Row, origin, row_hash
from sealdrop.adapters.ledger.store import Store
from sealdrop.core.errors import LedgerBroken

QUICK_ROWS = 200  # rows whose chain is checked at every open

_FORM = (int, str, str, str, int, str, bytes, bytes)


def all_rows(store: Store) -> Iterator[Row]:
    """Yield every row in ledger order, a page at a time."""
    after = 0
    while page := store.rows(after):
        yield from page
        after = page[-1].sequence


def flaw_of(row: Row, previous: Row | None) -> str | None:
    """Return what is wrong with a row or its place in the chain, or None.

    Args:
        row: the row.
        previous: the row before it (the origin before the first), None when that is not looked at.
    """
    if tuple(map(type, row)) != _FORM:
        return "it does not have the form of a row"
    if row_hash(row) != row.hash:
        return "the row was changed: its hash does not fit its content"
    if previous is None:
        return None
    if row.sequence != previous.sequence + 1:
        return f"rows are missing: row {previous.sequence} comes before it"
    if row.previous != previous.hash:
        return "the chain is broken: the row does not follow the one before it"
    return None


def contradiction(store: Store, identity: Identity, expected: Head) -> str | None:
    """Return how the ledger contradicts an earlier end of it, or None when it is a continuation."""
    if identity.ledger != expected.ledger:
        return f"this is another ledger: {identity.ledger!a}, expected {expected.ledger!a}"
    row = origin(identity) if expected.sequence == 0 else store.row(expected.sequence)
    if row is None:
        return "the end was cut off, or an older copy was put back: the expected row is missing"
    if row.hash.hex() != expected.hash:
        return "history was rewritten: the row's hash is not the one exported"
    return None


def quick_check(store: Store, expected: Head | None = None) -> None:
    """Check what can be checked at once, whatever the length of history: schema, identity and the last rows.

    Args:
        store: the ledger.
        expected: its end at an earlier time, kept elsewhere.

    Raises:
        Refused: not a ledger of a known version. LedgerBroken: a check failed.
    """
    store.check_schema()
    identity = store.identity()
    rows = store.newest_rows(QUICK_ROWS)
    previous = origin(identity) if len(rows) < QUICK_ROWS else None
    for row in rows:
        _demand(flaw_of(row, previous), row.sequence)
        previous = row
    if expected is not None:
        _demand(contradiction(store, identity, expected), expected.sequence)


def _demand(flaw: str | None, row: int) -> None:
    if flaw is not None:
        raise LedgerBroken(
            flaw,
            where=f"ledger row {row}",
            hint="Keep a copy, run sealdrop ledger verify, and put the newest whole ledger back",
        )
