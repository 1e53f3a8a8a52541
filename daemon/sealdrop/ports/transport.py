"""Transports: one concrete carrier each, all with one contract (see tests/conformance)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sealdrop.core.delivery import Look, ProofLevel, Receipt
from sealdrop.core.submission import SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A sealed file to be delivered. A transport never sees the content, so nothing can leave unsealed.

    Args:
        submission: id of ours; temporary names carry it.
        remote_name: deterministic final name.
        path: the sealed file. size, sha256: as recorded when it was sealed.
        interrupted: an earlier attempt ended without a certain outcome: look before sending.
        attempt: number of this attempt; for ``find`` of the attempt that was cut, or any later one.
            Temporary names carry it: a rename that a stuck far end executes late then finds nothing to move, instead
            of moving the half-written copy of a later attempt.
    """

    submission: SubmissionId
    remote_name: str
    path: Path
    size: int
    sha256: str
    interrupted: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a transport can do, as data.

    Args:
        can_look: ``find`` can tell present from absent.
        best_proof: the strongest proof it can give.
        max_bytes: largest sealed file it takes; None for no bound of its own.
    """

    can_look: bool
    best_proof: ProofLevel
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """One step of a probe: what was tried, whether it worked, what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Every step up to the last without sending real data."""

    steps: tuple[ProbeStep, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """True when every step worked."""
        return all(step.ok for step in self.steps)


class Transport(Protocol):
    """One concrete carrier. MUST be callable from several threads; may be called again for the same parcel."""

    @property
    def name(self) -> str:
        """Configured name of the route's transport."""
        ...

    @property
    def traits(self) -> Traits:
        """What this transport can do."""
        ...

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        """Look, upload under a temporary name, prove, ``commit``, make visible without overwriting, look again.

        MUST call ``commit`` exactly once, after the temporary copy is proven and before anything can become
        visible under the final name; it returns when that intent is durable, and if it raises, nothing MUST become
        visible. MUST NOT call it when the look finds the object already there (outcome FOUND).
        MUST refuse to deliver below the route's minimum proof *before* anything becomes visible.
        MUST never overwrite. MUST leave only names that carry ``parcel.submission``, and remove its own leftovers,
        those of earlier attempts before ``commit``: a copy that ``find`` meets later is then the committed one.
        MUST compare what it reads from ``parcel.path`` with ``parcel.sha256`` before ``commit``.
        ``progress`` is called with bytes done, as they are acknowledged. What it or ``commit`` raises leaves unchanged.

        Raises:
            TemporaryFailure: may succeed later. RouteUnusable: the route itself is wrong; nothing was sent.
            PermanentFailure: conflict at the far end, too large, or the sealed file is no longer what was sealed.
            StorageFailure: the sealed file cannot be read.
        """
        ...

    def find(self, parcel: Parcel) -> Look:
        """Settle the outcome of an attempt that was cut: is the parcel at the far end under its final name?

        When it is absent and our temporary copy is still there, MUST move that copy out of the way and wait for the
        far end's word before answering ``Absent(withdrawn=True)``: a rename still on its way then finds nothing to
        move, so the answer stays true. Asked again before the next ``deliver``, MUST give the same answer: we may die
        before it is booked. MUST look once more when there is no copy.

        Raises:
            TemporaryFailure: could not look now. RouteUnusable: the route itself is wrong.
        """
        ...

    def probe(self) -> ProbeResult:
        """Try every step to the last without sending real data; MUST NOT raise for a failing step."""
        ...

    def sweep(self, open_ids: Collection[SubmissionId]) -> int:
        """Remove old temporary copies of ours whose submission is not among ``open_ids``; return how many.

        MUST touch only names that are exactly ours, and only those that no attempt under way can be writing.

        Raises:
            TemporaryFailure: it could not be done now. RouteUnusable: the route itself is wrong.
        """
        ...

    def close(self) -> None:
        """Close connections and forget refusals; MUST be safe to call twice, the next call MUST open them again."""
        ...
