"""The far end in memory: a transport, the folder behind it, and everything that can go wrong between the two.

``FarEnd`` keeps the transport's contract to the letter. What comes to pass in the next calls is scripted with
``Fault``; what ever became visible under a final name is remembered in ``appearances``, in order, whatever was taken
away since, so a test can say "appeared exactly once" and "never after".
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from sealdrop.core.delivery import Absent, Conflict, Found, Look, Outcome, ProofLevel, Receipt, Unknowable
from sealdrop.core.errors import PermanentFailure, RouteUnusable, TemporaryFailure, Unreachable
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, ProbeResult, ProbeStep, Traits
from support.memory_disk import MemoryDisk, digest


class Fault(Enum):
    """What goes wrong during one delivery."""

    UNREACHABLE = "no connection at all"
    UNUSABLE = "the host key is another"
    PERMANENT = "the far end refuses this file for good"
    BUSY = "the far end asks for an hour of patience"
    CUT_EARLY = "cut during the upload"
    CERTAIN = "the rename is refused, and the far end says so"
    NOT_RENAMED = "cut after the commit; the temporary copy stays"
    LOST = "cut after the commit; the temporary copy is gone and nothing became visible"
    RENAMED = "renamed, but the reply is lost"
    TAKEN = "renamed and taken by the receiver, and the reply is lost"
    STUCK = "cut after the commit; the far end executes the rename much later"
    SURPRISE = "the transport has a fault of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Something became visible under a final name."""

    remote_name: str
    submission: SubmissionId
    sha256: str


def _nothing() -> None:
    pass


class FarEnd:
    """``ports.transport.Transport`` and what is behind it.

    Set ``down`` or ``locked`` for lasting trouble, ``faults`` and ``find_faults`` for the next calls,
    ``takes_at_once`` for a receiver that empties the folder, ``can_look`` for one that shows nothing, ``wish`` for how
    long to stay away. ``on_upload`` is called in the middle of an upload, ``on_uploaded`` at its end, ``on_committed``
    between commit and rename.
    """

    def __init__(self, name: str, disk: MemoryDisk, clock: Clock) -> None:
        self._name = name
        self._disk = disk
        self._clock = clock
        self._lock = threading.RLock()
        self.files: dict[str, bytes] = {}
        self.temporary: dict[str, bytes] = {}
        self.aside: set[SubmissionId] = set()
        self.appearances: list[Appearance] = []
        self.stuck: list[tuple[str, Parcel]] = []
        self.faults: deque[Fault] = deque()
        self.find_faults: deque[Fault] = deque()
        self.down = False
        self.locked = False
        self.can_look = True
        self.takes_at_once = False
        self.wish: timedelta | None = None
        self.on_upload: Callable[[], None] = _nothing
        self.on_uploaded: Callable[[], None] = _nothing
        self.on_committed: Callable[[], None] = _nothing
        self.deliveries: list[SubmissionId] = []
        self.finds: list[Parcel] = []
        self.closed = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def traits(self) -> Traits:
        return Traits(can_look=self.can_look, best_proof=ProofLevel.DIGEST)

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        with self._lock:
            self.deliveries.append(parcel.submission)
            fault = self.faults.popleft() if self.faults else None
        self._connect(fault)
        with self._lock:
            present = self.files.get(parcel.remote_name)
        if present is not None:
            if digest(present) == parcel.sha256:
                return self._receipt(parcel, Outcome.FOUND)
            message = "something else has this name"
            raise PermanentFailure(message, where=parcel.remote_name)
        temporary = self._upload(parcel, fault, progress)
        self.on_uploaded()
        self._disk.fuse.burn("before the commit")
        commit(ProofLevel.DIGEST)
        self.on_committed()
        self._disk.fuse.burn("before the remote rename")
        return self._make_visible(parcel, temporary, fault)

    def find(self, parcel: Parcel) -> Look:
        with self._lock:
            self.finds.append(parcel)
            fault = self.find_faults.popleft() if self.find_faults else None
        self._connect(fault)
        if fault is Fault.CUT_EARLY:
            message = "the connection was lost"
            raise TemporaryFailure(message, where=self._name)
        if not self.can_look:
            return Unknowable(reason="the folder is write-only")
        self._disk.fuse.burn("before withdrawing")
        with self._lock:
            present = self.files.get(parcel.remote_name)
            ours = self._copies_of(parcel)
            for name in ours:
                del self.temporary[name]
            if present is None and ours:
                self.aside.add(parcel.submission)
        self._disk.fuse.burn("after withdrawing")
        if present is None:
            return Absent(withdrawn=parcel.submission in self.aside)
        if digest(present) == parcel.sha256:
            return Found(receipt=self._receipt(parcel, Outcome.FOUND))
        return Conflict(detail="something else has this name")

    def probe(self) -> ProbeResult:
        return ProbeResult(steps=(ProbeStep(name="connect", ok=not self.down, detail="in memory"),))

    def sweep(self, open_ids: Collection[SubmissionId]) -> int:
        self._connect(None)
        with self._lock:
            stale = [name for name in self.temporary if not any(one in name for one in open_ids)]
            for name in stale:
                del self.temporary[name]
        return len(stale)

    def close(self) -> None:
        self.closed += 1

    # -- what happens over there ---------------------------------------------------------------------------

    def take_away(self) -> list[str]:
        """Let the receiver take everything that is visible; return the names."""
        with self._lock:
            names = sorted(self.files)
            self.files.clear()
            return names

    def execute_late(self) -> None:
        """Let a stuck far end execute the renames it still has in its queue."""
        for temporary, parcel in self.stuck:
            self._rename(parcel, temporary)
        self.stuck.clear()

    def heal(self) -> None:
        """End all trouble."""
        self.down = self.locked = False
        self.faults.clear()
        self.find_faults.clear()

    # -- inside --------------------------------------------------------------------------------------------

    def _connect(self, fault: Fault | None) -> None:
        self._disk.fuse.burn("before connecting")
        if self.down or fault is Fault.UNREACHABLE:
            message = "connection refused"
            raise Unreachable(message, where=self._name, retry_after=self.wish)
        if self.locked or fault is Fault.UNUSABLE:
            message = "the host key is not the pinned one"
            raise RouteUnusable(message, where=self._name, hint="Compare the fingerprints")
        if fault is Fault.BUSY:
            message = "too many requests"
            raise TemporaryFailure(message, where=self._name, retry_after=timedelta(hours=1))
        if fault is Fault.PERMANENT:
            message = "the file is too large"
            raise PermanentFailure(message, where=self._name)
        if fault is Fault.SURPRISE:
            message = "payload that must never be shown"
            raise KeyError(message)

    def _upload(self, parcel: Parcel, fault: Fault | None, progress: Callable[[int], None]) -> str:
        data = self._disk.read(parcel.path)
        if digest(data) != parcel.sha256:
            message = "the sealed file is no longer what was sealed"
            raise PermanentFailure(message, where=str(parcel.path))
        temporary = f".{parcel.submission}.{parcel.attempt}.part"
        with self._lock:
            for name in self._copies_of(parcel):  # a copy that is found later must be the one that was committed
                del self.temporary[name]
            self.aside.discard(parcel.submission)
            self.temporary[temporary] = data[:1]
        self.on_upload()
        self._disk.fuse.burn("during the upload")
        progress(1)
        if fault is Fault.CUT_EARLY:
            message = "the connection was lost during the upload"
            raise TemporaryFailure(message, where=self._name)
        with self._lock:
            self.temporary[temporary] = data
        progress(len(data))
        return temporary

    def _copies_of(self, parcel: Parcel) -> list[str]:
        return [name for name in self.temporary if name.startswith(f".{parcel.submission}.")]

    def _make_visible(self, parcel: Parcel, temporary: str, fault: Fault | None) -> Receipt:
        if fault is Fault.CERTAIN:
            with self._lock:
                del self.temporary[temporary]
            message = "the rename was refused"
            raise TemporaryFailure(message, where=self._name, certain=True)
        if fault is Fault.LOST:
            with self._lock:
                del self.temporary[temporary]
        elif fault is Fault.STUCK:
            self.stuck.append((temporary, parcel))
        elif fault is not Fault.NOT_RENAMED:
            self._rename(parcel, temporary)
        self._disk.fuse.burn("after the remote rename")
        if fault is Fault.TAKEN or self.takes_at_once:
            with self._lock:
                self.files.pop(parcel.remote_name, None)
        if fault in {Fault.LOST, Fault.STUCK, Fault.NOT_RENAMED, Fault.RENAMED, Fault.TAKEN}:
            message = "the connection was lost after the rename was sent"
            raise TemporaryFailure(message, where=self._name)
        return self._receipt(parcel, Outcome.TAKEN if self.takes_at_once else Outcome.SENT)

    def _rename(self, parcel: Parcel, temporary: str) -> None:
        with self._lock:
            if temporary in self.temporary and parcel.remote_name not in self.files:
                data = self.temporary.pop(temporary)
                self.files[parcel.remote_name] = data
                self.appearances.append(
                    Appearance(remote_name=parcel.remote_name, submission=parcel.submission, sha256=digest(data))
                )

    def _receipt(self, parcel: Parcel, outcome: Outcome) -> Receipt:
        return Receipt(
            transport=self._name,
            location=f"memory://{self._name}/{parcel.remote_name}",
            remote_name=parcel.remote_name,
            size=parcel.size,
            sha256=parcel.sha256,
            proof=ProofLevel.DIGEST,
            outcome=outcome,
            proven_at=self._clock.now(),
        )
