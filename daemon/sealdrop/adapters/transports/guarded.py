"""A guard around any transport: bounds, a deadline, and no surprises.

Promises: only the port's errors come out. Whatever else the transport raises becomes a ``TemporaryFailure`` that names
the type of the surprise and nothing it carried (it might quote payload). What the caller's own ``commit`` and
``progress`` raise passes through unchanged. A parcel beyond the transport's largest size, or whose file no longer has
the size that was sealed, is refused before the transport sees it. An upload that exceeds its deadline is called off
cleanly from ``progress`` or right before ``commit``, never later: once the commit has begun, only an answer will do.

It also holds a transport to its contract: a second ``commit``, or a new object without one, is a fault.
Whether to try again is left to the caller.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sealdrop.core.delivery import Look, Outcome, ProofLevel, Receipt
from sealdrop.core.errors import PermanentFailure, StorageFailure, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, ProbeResult, ProbeStep, Traits, Transport

_PORT_ERRORS = (TemporaryFailure, PermanentFailure, StorageFailure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """How long an upload may take: ``base`` seconds, and more for more bytes.

    Args:
        base: seconds for the smallest parcel.
        slowest: bytes per second that the line must manage.
    """

    base: float = 300.0
    slowest: float = 4_000.0  # half of a 64 kbit/s line

    def seconds(self, size: int) -> float:
        """Return the time allowed for a parcel."""
        return self.base + size / self.slowest


class Guarded:
    """Decorates a transport. Callable from several threads, like the transport itself."""

    def __init__(self, inner: Transport, *, clock: Clock, deadline: Deadline | None = None) -> None:
        self._inner = inner
        self._clock = clock
        self._deadline = deadline or Deadline()

    @property
    def name(self) -> str:
        """Configured name of the transport inside."""
        return self._inner.name

    @property
    def traits(self) -> Traits:
        """What the transport inside can do."""
        return self._inner.traits

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        """Deliver within bounds; see the port.

        Raises:
            TemporaryFailure, PermanentFailure, StorageFailure: as the port says.
            Exception: whatever ``commit`` or ``progress`` raises, unchanged.
        """
        self._check_bounds(parcel)
        watch = _Watch(self._where(parcel), self._clock, self._deadline.seconds(parcel.size), commit, progress)
        try:
            receipt = self._inner.deliver(parcel, commit=watch.commit, progress=watch.progress)
        except Exception as error:
            if error is watch.raised or isinstance(error, _PORT_ERRORS):
                raise
            raise self._surprise(error, parcel) from error
        if receipt.outcome is not Outcome.FOUND and not watch.committed:
            message = "the transport says it delivered without having asked for the commit; this is a fault in it"
            raise TemporaryFailure(message, where=self._where(parcel), hint="Report it; look at the far end by hand")
        return receipt

    def find(self, parcel: Parcel) -> Look:
        """Look; see the port.

        Raises:
            TemporaryFailure: it could not look now. PermanentFailure: it never can.
        """
        try:
            return self._inner.find(parcel)
        except _PORT_ERRORS:
            raise
        except Exception as error:
            raise self._surprise(error, parcel) from error

    def probe(self) -> ProbeResult:
        """Try every step; a surprise is a failed step."""
        try:
            return self._inner.probe()
        except Exception as error:  # noqa: BLE001 - the port says a probe never raises; here is where that is kept
            detail = f"an unexpected {type(error).__name__}; this is a fault in the transport"
            return ProbeResult(steps=(ProbeStep(name="probe", ok=False, detail=detail),))

    def sweep(self, open_ids: Collection[SubmissionId]) -> int:
        """Remove old temporary copies; see the port."""
        try:
            return self._inner.sweep(open_ids)
        except _PORT_ERRORS:
            raise
        except Exception as error:
            raise TemporaryFailure(_surprising(error), where=f"transport {self.name}") from error

    def close(self) -> None:
        """Close the transport inside.

        Raises:
            TemporaryFailure: it did not close cleanly.
        """
        try:
            self._inner.close()
        except _PORT_ERRORS:
            raise
        except Exception as error:
            raise TemporaryFailure(_surprising(error), where=f"transport {self.name}") from error

    def _check_bounds(self, parcel: Parcel) -> None:
        limit = self._inner.traits.max_bytes
        if limit is not None and parcel.size > limit:
            what = f"the sealed file has {parcel.size} bytes, this transport takes {limit}"
            raise PermanentFailure(what, where=self._where(parcel), hint="Use a route for larger files")
        try:
            found = os.lstat(parcel.path)
        except OSError as error:
            what = f"the sealed file cannot be read: {error.strerror}"
            hint = "Find out who removed it from the spool; the agent derives its state anew at start"
            raise StorageFailure(what, where=self._where(parcel), hint=hint) from error
        if not stat.S_ISREG(found.st_mode) or found.st_size != parcel.size:
            what = "the sealed file is no longer what was sealed"
            hint = "Nothing became visible. Find out who changes files of the spool, then resubmit"
            raise PermanentFailure(what, where=self._where(parcel), hint=hint)

    def _surprise(self, error: Exception, parcel: Parcel) -> TemporaryFailure:
        return TemporaryFailure(_surprising(error), where=self._where(parcel), hint="It is tried again; report it")

    def _where(self, parcel: Parcel) -> str:
        return f"transport {self.name}, submission {parcel.submission}"


class _Watch:
    """The caller's callbacks, watched: the deadline, how often ``commit`` came, and what they raised."""

    def __init__(
        self,
        where: str,
        clock: Clock,
        seconds: float,
        commit: Callable[[ProofLevel], None],
        progress: Callable[[int], None],
    ) -> None:
        self._where = where
        self._clock = clock
        self._seconds = seconds
        self._until = clock.monotonic() + seconds
        self._commit = commit
        self._progress = progress
        self.committed = False
        self.raised: Exception | None = None

    def commit(self, proof: ProofLevel) -> None:
        if self.committed:
            message = "the transport asked for a second commit; this is a fault in it"
            raise TemporaryFailure(message, where=self._where)
        self._check_time()
        self._pass_on(lambda: self._commit(proof))
        self.committed = True

    def progress(self, done: int) -> None:
        if not self.committed:
            self._check_time()
        self._pass_on(lambda: self._progress(done))

    def _check_time(self) -> None:
        if self._clock.monotonic() > self._until:
            what = f"the upload took longer than {self._seconds:.0f} s and was called off before anything was visible"
            raise TemporaryFailure(what, where=self._where, hint="Look at the line's speed and the far end's load")

    def _pass_on(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self.raised = error
            raise


def _surprising(error: Exception) -> str:
    return f"an unexpected {type(error).__name__}; this is a fault in the transport"
