"""The seams: what the flow needs of the world, as contracts. Adapters implement them, tests/fakes.py too.

Every method MUST raise only errors of ``core.errors``; whatever a library raises is normalised at the boundary.
Methods that touch durable state MUST have made it durable (file and directory synced) when they return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sealdrop.core.delivery import Look, ProofLevel, Receipt
from sealdrop.core.events import AgentEvent, Event
from sealdrop.core.lifecycle import Record
from sealdrop.core.readiness import Observation
from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Verdict

# --- time ---------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time and identity; the only source of either in the product."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for intervals."""
        ...

    def new_id(self) -> SubmissionId:
        """Return a new id. It MUST sort after every id this process gave out or was told of."""
        ...

    def never_before(self, last: SubmissionId) -> None:
        """Make every later id sort after ``last`` (the newest id the ledger knows)."""
        ...

    def random(self) -> float:
        """Return a number in [0, 1) for jitter."""
        ...


# --- intake -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A name in the outbox that is not taken (link, device, dangerous or unknown name), and why."""

    name: str
    reason: str
    hint: str


class Outbox(Protocol):
    """One folder that a producer fills."""

    @property
    def name(self) -> str:
        """Configured name of the outbox."""
        ...

    def look(self) -> Iterator[Observation | LeftAlone]:
        """Yield what is in the folder now, oldest name order not guaranteed.

        MUST NOT open, follow or block on anything; MUST use memory independent of the number of files;
        MUST skip names of ours (``results/``, ``.claimed/``) and the names of completion markers.

        Raises:
            TemporaryFailure: the folder is gone, replaced or unreadable; other outboxes go on.
        """
        ...

    def claim(self, observed: Observation, submission: SubmissionId) -> bool:
        """Move the file into ``work/<outbox>/<submission>/dropped/`` by one rename and sync both directories.

        MUST return False when the file is gone or is no longer the observed inode. A completion marker is
        removed only after the claim is durable. A claimed file is never put back.

        Raises:
            TemporaryFailure: the folder refuses the rename; other outboxes go on.
            StorageFailure: a sync failed.
        """
        ...

    def publish_result(self, file_name: str, submission: SubmissionId, files: Iterable[tuple[str, bytes]]) -> None:
        """Write the producer's result files (suffix, content) atomically under ``results/``.

        The names are ``<file_name>.<submission><suffix>``; writing the same result twice MUST be harmless.

        Raises:
            TemporaryFailure: the results folder cannot be written; the submission itself is not affected.
        """
        ...


class Hints(Protocol):
    """Something that says "look sooner". It may lose every hint; no file may depend on it."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to call ``wake`` from another thread whenever a look may be worthwhile."""
        ...

    def stop(self) -> None:
        """Stop calling; MUST be safe to call twice."""
        ...

    def alive(self) -> bool:
        """Tell whether hints can still come; the flow restarts a dead one and says so once."""
        ...


# --- spool --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A folder ``work/<outbox>/<id>/`` found on disk: which file was claimed, and what is beside it."""

    submission: SubmissionId
    outbox: str
    file_name: str  # as dropped
    has_content: bool
    has_sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Private, immutable bytes of a claimed file.

    Args:
        size: bytes. sha256: lower-case hex digest.
        path: the private copy, mode 0600.
        lease: False when no read lease could be had (then the completeness protocol stands alone).
    """

    size: int
    sha256: str
    path: Path
    lease: bool


class Spool(Protocol):
    """``work/``, ``sent/`` and ``failed/`` under one root on one mount."""

    def claimed(self) -> Iterator[Claimed]:
        """Yield every folder in ``work/``, in id order."""
        ...

    def snapshot(self, claimed: Claimed, max_bytes: int) -> Snapshot:
        """Copy the claimed file to ``content`` while hashing; read lease held; stat before equals stat after.

        Repeating it MUST replace an unfinished copy.

        Raises:
            NotYet: a writer still has it open, or it changed while being copied.
            Unacceptable: not a regular file, more than one link, unreadable, or larger than ``max_bytes``.
            NoSpace, StorageFailure: the copy could not be made durable.
        """
        ...

    def content(self, submission: SubmissionId, outbox: str) -> Path:
        """Return the path of the private copy."""
        ...

    def sealed(self, submission: SubmissionId, outbox: str) -> Path:
        """Return the path of the sealed file."""
        ...

    def unsealed_target(self, submission: SubmissionId, outbox: str) -> Path:
        """Return a temporary path beside the sealed file for a sealer to write to; any leftover is removed."""
        ...

    def keep_sealed(self, submission: SubmissionId, outbox: str) -> None:
        """Sync the temporary sealed file, rename it to its final name, sync the directory.

        Raises:
            StorageFailure: a sync or rename failed.
        """
        ...

    def file_away(self, filing: Filing) -> Path:
        """Write the evidence files, settle ``dropped``, and move the folder to ``sent/`` or ``failed/`` by one rename.

        MUST compare ``dropped`` with the digest once more: equal, it is removed and ``content`` takes the file's own
        name; different, both stay (``FiledAs.late_write``). A move already done MUST count as success.

        Raises:
            StorageFailure: a write, sync or rename failed.
        """
        ...

    def late_write(self, filing: Filing) -> bool:
        """Tell whether ``dropped`` no longer has the digest of ``content`` (the producer kept writing)."""
        ...

    def free_bytes(self) -> int:
        """Return the bytes an unprivileged process may still use on the spool's file system."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One filing order: where the folder of a submission goes and what evidence goes with it.

    Args:
        submission, outbox, file_name, sha256: as in the submission; ``sha256`` is empty for a thing set aside unread.
        to: ``sent`` or ``failed``.
        day: ``YYYY-MM-DD`` in UTC, the folder it is filed under.
        evidence: (name, bytes) written durably into the folder before it is moved.
        keep: what stays in ``sent/``: ``content``, ``sealed`` or ``digest``.
    """

    submission: SubmissionId
    outbox: str
    file_name: str
    sha256: str
    to: str
    day: str
    evidence: tuple[tuple[str, bytes], ...]
    keep: str = "content"


# --- ledger -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event to be appended: its stream is a submission id, or ``agent``."""

    stream: str
    event: Event | AgentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """An event in the ledger. ``record`` is the fold after it, None for the agent's own stream."""

    sequence: int
    stream: str
    at: datetime
    event: Event | AgentEvent
    record: Record | None


AGENT_STREAM = "agent"


class Ledger(Protocol):
    """The append-only truth. One writer; group commit; readers never block it for long."""

    def append(self, *entries: Entry) -> Sequence[Committed]:
        """Append all entries or none, and return when they are durable.

        The writer runs ``lifecycle.apply`` inside the commit, so two callers cannot both move a submission.

        Raises:
            StaleTransition: the lifecycle has no such step from the present state; nothing was appended.
            StorageFailure: the commit failed; the ledger takes nothing more.
        """
        ...

    def record(self, submission: SubmissionId) -> Record | None:
        """Return the fold of one submission, or None."""
        ...

    def open_records(self) -> Iterator[Record]:
        """Yield every record that is not terminal, in id order, without reading the history of closed ones."""
        ...

    def recent(self, limit: int) -> Sequence[Record]:
        """Return the newest ``limit`` records by id, newest first."""
        ...

    def history(self, stream: str) -> Iterator[Committed]:
        """Yield the events of one stream, oldest first."""
        ...

    def find_ids(self, prefix: str, limit: int) -> Sequence[SubmissionId]:
        """Return ids that start with ``prefix``, for people who type the first letters."""
        ...

    def earlier_equal(self, kind: str, sha256: str, since: datetime, before: SubmissionId) -> SubmissionId | None:
        """Return the newest submission before ``before`` with equal bytes and kind, claimed since ``since``.

        Only submissions that are open, delivered or sent count: a rejected or failed one may be dropped again.
        """
        ...

    def newest_id(self) -> SubmissionId | None:
        """Return the largest id known, or None."""
        ...

    def counts(self) -> dict[str, int]:
        """Return how many submissions are in each state, without scanning history."""
        ...

    def close(self) -> None:
        """Finish what is queued and close; MUST be safe to call twice."""
        ...


# --- rules --------------------------------------------------------------------------------------------------


class Validator(Protocol):
    """The rules of one kind."""

    def validate(self, content: Path, file_name: str) -> Verdict:
        """Read the private copy as a stream and give the verdict. MUST NOT change the file.

        Raises:
            StorageFailure: the private copy cannot be read.
        """
        ...


# --- sealing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key in use: what a person must know of it.

    Args:
        use: ``recipient`` or ``signer``. fingerprint: full, upper case. user_id: first user id.
        algorithm: for example ``ed25519`` or ``rsa4096``. created, expires: UTC; None never expires.
        subkeys: full fingerprints of the usable (sub)keys for that use.
        problem: why it may not be used; None when it may.
        warning: what is allowed but weak, or expires soon.
    """

    use: str
    name: str
    fingerprint: str
    user_id: str
    algorithm: str
    created: datetime
    expires: datetime | None
    subkeys: tuple[str, ...]
    problem: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBytes:
    """What a sealer made at the target path."""

    sha256: str
    size: int
    recipients: tuple[str, ...]
    signer: str
    engine: str


class Sealer(Protocol):
    """Sign then encrypt, once, to the configured keys of one key set and to nobody else."""

    def seal(self, source: Path, target: Path) -> SealedBytes:
        """Write the sealed file to ``target``, having checked who signed it and who can read it.

        MUST leave nothing at ``target`` on failure. MUST be callable from several threads.

        Raises:
            KeyUnusable: a key may not be used (any more).
            SealFailed: the engine failed, hung or produced something other than expected.
            NoSpace, StorageFailure: the target could not be written.
        """
        ...

    def keys(self, at: datetime) -> Sequence[KeyInfo]:
        """Return the configured keys with their problems and warnings as of ``at``."""
        ...

    def check(self, at: datetime) -> None:
        """Raise the first problem that forbids sealing, before anything is claimed.

        Raises:
            KeyUnusable: a key may not be used.
        """
        ...

    def close(self) -> None:
        """End the engine's helpers; MUST be safe to call twice."""
        ...


# --- transports ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A sealed file to be delivered. A transport never sees the content, so nothing can leave unsealed.

    Args:
        submission: id of ours; temporary names carry it.
        remote_name: deterministic final name.
        path: the sealed file. size, sha256: as recorded when it was sealed.
        interrupted: an earlier attempt ended without a certain outcome: look before sending.
    """

    submission: SubmissionId
    remote_name: str
    path: Path
    size: int
    sha256: str
    interrupted: bool = False


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
        MUST never overwrite. MUST leave only names that carry ``parcel.submission``, and remove its own leftovers.
        ``progress`` is called with bytes done, as they are acknowledged.

        Raises:
            TemporaryFailure: may succeed later. RouteUnusable: the route itself is wrong; nothing was sent.
            PermanentFailure: conflict at the far end, too large, proof below the minimum.
        """
        ...

    def find(self, parcel: Parcel) -> Look:
        """Tell whether the parcel is at the far end under its final name, and whether our temporary copy is.

        Raises:
            TemporaryFailure: could not look now. RouteUnusable: the route itself is wrong.
        """
        ...

    def probe(self) -> ProbeResult:
        """Try every step to the last without sending real data; MUST NOT raise for a failing step."""
        ...

    def close(self) -> None:
        """Close connections; MUST be safe to call twice, and the next call MUST open them again."""
        ...


# --- telling people -----------------------------------------------------------------------------------------


class Journal(Protocol):
    """The operator's log: one line kind per committed event, plus notices that are not events."""

    def committed(self, committed: Committed) -> None:
        """Write one line for one event: a sentence and stable fields. MUST NOT raise."""
        ...

    def notice(self, kind: str, text: str, *, urgent: bool = False, **fields: str | int) -> None:
        """Write one line for something that is not an event. MUST NOT raise."""
        ...


class Supervisor(Protocol):
    """Whoever watches the process (systemd)."""

    def ready(self, status: str) -> None:
        """Say that recovery is done and keys are loaded."""
        ...

    def status(self, text: str) -> None:
        """Say in one line what is going on."""
        ...

    def alive(self) -> None:
        """Say that progress was made: a completed sweep or a worker that moved on. Never from a mere timer."""
        ...

    def reloading(self) -> None:
        """Say that the configuration is being read again; followed by ``ready``."""
        ...

    def stopping(self) -> None:
        """Say that a clean stop has begun."""
        ...
