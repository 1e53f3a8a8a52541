"""The ``Transport`` port over SFTP: one kept connection, shared by many deliveries at once.

Promises what the port promises. The order of one delivery is fixed: look; temporary copy; proof; ``commit``; publish
without overwriting; look again. A kept connection that died unnoticed is replaced once, at the look, where repeating is
harmless; later a cut ends the attempt, and ``find`` settles it. Temporary names carry submission and attempt.

A refused login is not tried again by itself: ``close`` (or a replaced key file) makes the next call try again.
``probe`` always uses a connection of its own. ``sweep`` removes old temporary copies that no open submission owns;
it is no part of the port, whoever owns the schedule calls it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from sealdrop.adapters.durable import guarding
from sealdrop.adapters.transports.sftp.connector import Connector
from sealdrop.adapters.transports.sftp.farend import FarEnd
from sealdrop.adapters.transports.sftp.hostkeys import load_pins
from sealdrop.adapters.transports.sftp.multiplexer import Lost
from sealdrop.adapters.transports.sftp.options import ASIDE, MAX_NAME_BYTES, SftpOptions
from sealdrop.adapters.transports.sftp.session import open_session
from sealdrop.adapters.transports.sftp.trial import Publishing
from sealdrop.adapters.transports.sftp.upload import Proven, Upload, conflict
from sealdrop.core.delivery import Absent, Conflict, Found, Look, Outcome, ProofLevel, Receipt, Unknowable
from sealdrop.core.errors import PermanentFailure, SealdropError
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, ProbeResult, ProbeStep, Traits

STEPS = (
    "credentials", "connect", "algorithms", "host key", "login", "sftp", "folder", "publishing", "removal", "proof",
)  # fmt: skip
_T = TypeVar("_T")


class SftpTransport:
    """Delivers to one folder of one SFTP server.

    Args:
        options: of the route.
        clock: for receipts and ids of trial files.

    Raises:
        ConfigurationError: the host-key pins cannot be used.
    """

    def __init__(self, options: SftpOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._pins = load_pins(options.host_keys, host=options.host, port=options.port)
        self._connector = Connector(options, self._dial)
        self._slots = threading.BoundedSemaphore(options.in_flight)

    @property
    def name(self) -> str:
        """Configured name of the transport."""
        return self._options.name

    @property
    def traits(self) -> Traits:
        """What the server was found able to do; the best that SFTP can do before the first connection."""
        far = self._connector.current()
        if far is None:
            return Traits(can_look=True, best_proof=ProofLevel.DIGEST)
        return Traits(can_look=far.abilities.look, best_proof=far.abilities.proof)

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        """See the port.

        Raises:
            TemporaryFailure, PermanentFailure, StorageFailure: as the port says.
        """
        self._check_name(parcel)
        with self._slots, _opened(parcel.path) as source:

            def begin(far: FarEnd) -> tuple[Upload, Receipt | None]:
                upload = Upload(far, parcel, source, progress)
                there = upload.begin()
                if there is None:
                    return upload, None
                equal = far.compare(upload.final, there, parcel)
                if isinstance(equal, str):
                    raise conflict(equal, self._where(parcel))
                return upload, self._receipt(far, parcel, _already(equal, parcel), Outcome.FOUND)

            far, (upload, found) = self._connected(begin)
            if found is not None:
                progress(parcel.size)
                return found
            proven = upload.send()
            try:
                commit(proven.level)
            except BaseException:
                upload.abandon()
                raise
            outcome = upload.publish()
            return self._receipt(far, parcel, proven, outcome)

    def find(self, parcel: Parcel) -> Look:
        """See the port.

        Raises:
            TemporaryFailure, RouteUnusable: as the port says.
        """
        self._check_name(parcel)
        _, look = self._connected(lambda far: self._settle(far, parcel))
        return look

    def probe(self) -> ProbeResult:
        """Try every step to the last over a connection of its own; never raises for a failing step."""
        steps: list[ProbeStep] = []

        def report(name: str, detail: str) -> None:
            steps.append(ProbeStep(name=name, ok=True, detail=detail))

        try:
            self._dial(report).close()
        except SealdropError as error:
            steps.append(ProbeStep(name=STEPS[min(len(steps), len(STEPS) - 1)], ok=False, detail=str(error)))
        return ProbeResult(steps=tuple(steps))

    def sweep(self, open_ids: Collection[SubmissionId] = ()) -> int:
        """Remove old temporary copies of ours whose submissions are not open; returns how many.

        Old is judged by the far end's own clock, against a file that it has just made. Names that are not exactly ours
        are never touched.

        Raises:
            TemporaryFailure, RouteUnusable: it could not be done now.
        """
        _, removed = self._connected(lambda far: self._sweep(far, open_ids))
        return removed

    def close(self) -> None:
        """Close the connection and forget a refused login; safe to call twice."""
        self._connector.close()

    def _dial(self, report: Callable[[str, str], None] = lambda _name, _detail: None) -> FarEnd:
        session = open_session(self._options, self._pins, report)
        return FarEnd.greet(session, self._options, self._clock.new_id(), report)

    def _connected(self, work: Callable[[FarEnd], _T]) -> tuple[FarEnd, _T]:
        """Do harmless work over the connection, once more over a new one when a kept one turns out to be dead."""
        far, kept = self._connector.get()
        try:
            return far, work(far)
        except Lost:
            if not kept:
                raise
        far, _ = self._connector.get()
        return far, work(far)

    def _settle(self, far: FarEnd, parcel: Parcel) -> Look:
        if not far.abilities.look:
            return Unknowable(reason="the server does not let us look at names")
        path = self._options.final_path(parcel.remote_name)
        there = far.look_in_folder(path)
        copies = [self._options.temporary_path(parcel.submission, str(n)) for n in range(1, parcel.attempt + 1)]
        aside = self._options.temporary_path(parcel.submission, ASIDE)
        withdrawn = False
        # With a hard link the copy stays behind for a moment after publication, so its presence proves nothing.
        if there is not None or far.abilities.publishing is Publishing.HARD_LINK:
            far.remove([*copies, aside])
        else:
            withdrawn = far.set_aside(copies, aside)
        if there is None and not withdrawn:
            there = far.look_in_folder(path)  # the rename may have been executed between the two
        if there is None:
            return Absent(withdrawn=withdrawn)
        equal = far.compare(path, there, parcel)
        if isinstance(equal, ProofLevel):
            return Found(receipt=self._receipt(far, parcel, _already(equal, parcel), Outcome.FOUND))
        return Conflict(detail=equal)

    def _sweep(self, far: FarEnd, open_ids: Collection[SubmissionId]) -> int:
        leftovers = far.leftovers()
        now = far.clock(self._clock.new_id())
        if now is None:
            return 0
        old = [
            self._options.temporary_in(leftover.name)
            for leftover in leftovers
            if leftover.submission not in open_ids
            and leftover.modified is not None
            and now - leftover.modified > self._options.stale_after
        ]
        return far.remove(old)

    def _receipt(self, far: FarEnd, parcel: Parcel, proven: Proven, outcome: Outcome) -> Receipt:
        path = self._options.final_path(parcel.remote_name)
        return Receipt(
            transport=self.name,
            location=self._location(path),
            remote_name=parcel.remote_name,
            size=parcel.size,
            sha256=parcel.sha256,
            proof=proven.level,
            outcome=outcome,
            proven_at=self._clock.now(),
            facts={**far.facts, "proof": proven.detail, "path": path},
        )

    def _location(self, path: str) -> str:
        shown = path if path.startswith("/") else f"/~/{path}"
        return f"sftp://{quote(self._options.user)}@{self._options.address}{quote(shown, errors='surrogateescape')}"

    def _check_name(self, parcel: Parcel) -> None:
        name = parcel.remote_name
        bad = "/" in name or name in ("", ".", "..") or any(ord(char) < ord(" ") or char == "\x7f" for char in name)
        if bad or len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
            hint = "Mend the template of remote names"
            raise PermanentFailure("the remote name is not one plain name", where=self._where(parcel), hint=hint)

    def _where(self, parcel: Parcel) -> str:
        return f"{self._options.address}, submission {parcel.submission}"


def _already(level: ProofLevel, parcel: Parcel) -> Proven:
    how = "SHA-256 equal" if level is ProofLevel.DIGEST else "size equal, not readable"
    return Proven(level=level, detail=f"found under the final name, {parcel.size} bytes, {how}")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open the sealed file; never through a link."""
    with guarding("open the sealed file", path):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as source:
        yield source
