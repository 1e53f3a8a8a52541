"""Views: what people and programs are shown of submissions, as plain values made from records and histories.

The same values answer over the control socket and from the ledger of an agent that does not run, so that `--json` has
one shape. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.lifecycle import Record
from sealdrop.ports.ledger import Committed


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One submission in a listing.

    Args:
        submission, file_name, kind, outbox, state, claimed_at, changed_at: as in its record.
        size: bytes of the content. attempts: begun so far, all legs together.
        proof: weakest proof among its delivered legs. held: reasons of its holds.
        reason: why it is where it is, or what it waits for; one phrase.
    """

    submission: str
    file_name: str
    kind: str
    outbox: str
    state: str
    claimed_at: datetime
    changed_at: datetime
    size: int
    attempts: int
    proof: str | None
    held: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One event in a submission's history: when, which, and its facts as the ledger has them."""

    sequence: int
    at: datetime
    event: str
    facts: dict[str, Plain]


def row(record: Record, waits_for: str = "") -> Row:
    """Return a submission's line in a listing."""
    submission = record.submission
    proofs = [leg.receipt.proof for leg in record.legs if leg.receipt is not None]
    proof = min(proofs, key=lambda level: level.rank, default=None)
    legs = [leg.reason for leg in record.legs if leg.reason is not None and not leg.settled]
    reasons = (*(hold.text for hold in record.holds), record.reason, *legs, waits_for)
    return Row(
        submission=submission.id,
        file_name=submission.file_name,
        kind=submission.kind,
        outbox=submission.outbox,
        state=record.state.value,
        claimed_at=submission.claimed_at,
        changed_at=record.changed_at,
        size=submission.size,
        attempts=sum(leg.attempts for leg in record.legs),
        proof=proof.value if proof is not None else None,
        held=tuple(hold.reason.value for hold in record.holds),
        reason=next((reason for reason in reasons if reason), ""),
    )


def timeline(history: Iterable[Committed]) -> tuple[Moment, ...]:
    """Return a submission's history as values, oldest first."""
    moments = []
    for one in history:
        facts = to_plain(one.event)
        moments.append(
            Moment(
                sequence=one.sequence,
                at=one.at,
                event=type(one.event).__name__,
                facts=facts if isinstance(facts, dict) else {},
            )
        )
    return tuple(moments)
