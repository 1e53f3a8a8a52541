"""Delivery into a local or mounted folder, with the same contract as over a network.

Look; temporary copy under a hidden name of ours; sync; read back and compare SHA-256; ``commit``; publish without
overwriting; sync the folder; look again.

Fails with ``TemporaryFailure`` or ``RouteUnusable`` for what the far side refuses, ``PermanentFailure`` for a conflict;
only a sealed file that cannot be read is a ``StorageFailure``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from sealdrop.adapters.durable import Folder, shown
from sealdrop.adapters.transports.directory.copying import make_copy
from sealdrop.adapters.transports.directory.far_side import CHUNK, READ, DirectoryOptions, FarSide
from sealdrop.adapters.transports.directory.names import ASIDE, owner, remove, rename_new, temporary, withdraw
from sealdrop.adapters.transports.directory.trial import try_out
from sealdrop.core.delivery import Absent, Conflict, Found, Look, Outcome, ProofLevel, Receipt
from sealdrop.core.errors import PermanentFailure, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, ProbeResult, Traits

MAX_NAME_BYTES = 255
STALE_AFTER = 24 * 3600.0  # seconds after which a temporary copy that nobody owns may be swept


class _There(NamedTuple):
    """What is under the final name: whether it is ours, else in words what it is."""

    equal: bool
    detail: str = ""


class DirectoryTransport:
    """Delivers to one folder. Callable from several threads."""

    def __init__(self, options: DirectoryOptions, clock: Clock) -> None:
        self._name = options.name
        self._far = FarSide(options)
        self._clock = clock

    @property
    def name(self) -> str:
        """Configured name of the transport."""
        return self._name

    @property
    def traits(self) -> Traits:
        """It can always look and always read back."""
        return Traits(can_look=True, best_proof=ProofLevel.DIGEST)

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        """See the port.

        Raises:
            TemporaryFailure, PermanentFailure, StorageFailure: as the port says.
        """
        self._check_name(parcel)
        with self._far.open() as folder:
            name = temporary(parcel.submission, str(parcel.attempt))
            with self._far.guarding("remove old copies"):
                remove(folder, [temporary(parcel.submission, mark) for mark in _marks(parcel)])
            there = self._compare(folder, parcel)
            if there is not None:
                progress(parcel.size)
                return self._already(there, parcel)
            try:
                make_copy(self._far, folder, name, parcel, progress)
                commit(ProofLevel.DIGEST)
                return self._publish(folder, name, parcel)
            finally:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder.fd)

    def find(self, parcel: Parcel) -> Look:
        """See the port.

        Raises:
            TemporaryFailure, RouteUnusable: as the port says.
        """
        self._check_name(parcel)
        with self._far.open() as folder:
            there = self._compare(folder, parcel)
            withdrawn = False
            with self._far.guarding("withdraw our copy"):
                if there is not None:
                    remove(folder, [temporary(parcel.submission, mark) for mark in _marks(parcel)])
                else:
                    aside = temporary(parcel.submission, ASIDE)
                    copies = [temporary(parcel.submission, str(n)) for n in range(1, parcel.attempt + 1)]
                    for name in copies:
                        withdrawn |= withdraw(folder, name, aside)
            if there is None and not withdrawn:
                there = self._compare(folder, parcel)
        if there is None:
            return Absent(withdrawn=withdrawn)
        return Found(receipt=self._already(there, parcel)) if there.equal else Conflict(detail=there.detail)

    def probe(self) -> ProbeResult:
        """Try every step with a tiny file; never raises for a failing step."""
        return ProbeResult(steps=tuple(try_out(self._far, self._clock.new_id())))

    def sweep(self, open_ids: Collection[SubmissionId] = ()) -> int:
        """Remove old temporary copies of ours whose submissions are not open; returns how many.

        Raises:
            TemporaryFailure, RouteUnusable: it could not be done now.
        """
        with self._far.open() as folder, self._far.guarding("sweep old copies"):
            names = []
            for name in folder.names():
                ours = owner(name)
                if ours is not None and ours not in open_ids:
                    found = folder.stat(name)
                    age = self._clock.now().timestamp() - found.st_mtime if found else 0
                    if age > STALE_AFTER:
                        names.append(name)
            return remove(folder, names)

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def _publish(self, folder: Folder, name: str, parcel: Parcel) -> Receipt:
        """Give the copy its final name without overwriting, make that durable, and look again."""
        try:
            how = rename_new(folder, name, parcel.remote_name)
        except FileExistsError as error:
            there = self._compare(folder, parcel)
            if there is None:
                what = "something was under the final name for a moment"
                raise TemporaryFailure(what, where=self._far.where(parcel), certain=True) from error
            return self._already(there, parcel)
        except OSError as error:
            raise self._far.failed(error, "publish the copy", certain=True) from error
        with self._far.guarding("sync the folder"):
            folder.sync()
            seen = folder.stat(parcel.remote_name)
        if seen is not None and seen.st_size != parcel.size:
            what = f"it was published, but a file of {seen.st_size} bytes is there instead of {parcel.size}"
            raise TemporaryFailure(what, where=self._far.where(parcel), hint="Find out what became of it")
        outcome = Outcome.SENT if seen is not None else Outcome.TAKEN
        return self._receipt(parcel, outcome, f"{parcel.size} bytes read back, SHA-256 equal", published_by=how)

    def _compare(self, folder: Folder, parcel: Parcel) -> _There | None:
        """Compare what is under the final name; None when nothing is."""
        with self._far.guarding("look at the final name"):
            try:
                fd = os.open(parcel.remote_name, READ, dir_fd=folder.fd)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENXIO):
                    return _There(equal=False, detail="a link or special file is there")
                raise
            try:
                return _judge(fd, parcel)
            finally:
                os.close(fd)

    def _already(self, there: _There, parcel: Parcel) -> Receipt:
        if there.equal:
            return self._receipt(parcel, Outcome.FOUND, "found under the final name, SHA-256 equal")
        hint = "It is never overwritten. Find out what it is"
        raise PermanentFailure(f"the final name is taken: {there.detail}", where=self._far.where(parcel), hint=hint)

    def _receipt(self, parcel: Parcel, outcome: Outcome, detail: str, *, published_by: str = "") -> Receipt:
        path = self._far.path / parcel.remote_name
        facts = {"proof": detail, "path": shown(path)}
        if published_by:
            facts["published_by"] = published_by
        return Receipt(
            transport=self.name,
            location=path.absolute().as_uri(),
            remote_name=parcel.remote_name,
            size=parcel.size,
            sha256=parcel.sha256,
            proof=ProofLevel.DIGEST,
            outcome=outcome,
            proven_at=self._clock.now(),
            facts=facts,
        )

    def _check_name(self, parcel: Parcel) -> None:
        name = parcel.remote_name
        bad = "/" in name or name in ("", ".", "..") or any(ord(char) < ord(" ") or char == "\x7f" for char in name)
        if bad or len(os.fsencode(name)) > MAX_NAME_BYTES:
            hint = "Mend the template of remote names"
            raise PermanentFailure("the remote name is not one plain name", where=self._far.where(parcel), hint=hint)


def _judge(fd: int, parcel: Parcel) -> _There:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return _There(equal=False, detail="a folder or special file is there")
    if found.st_size != parcel.size:
        return _There(equal=False, detail=f"a file of {found.st_size} bytes is there, ours has {parcel.size}")
    hasher = hashlib.sha256()
    while chunk := os.read(fd, CHUNK):
        hasher.update(chunk)
    if hasher.hexdigest() == parcel.sha256:
        return _There(equal=True)
    return _There(equal=False, detail="a file of equal size with other bytes is there")


def _marks(parcel: Parcel) -> list[str]:
    """Return the marks of every copy that an attempt of this parcel may have left."""
    return [*map(str, range(1, parcel.attempt + 1)), ASIDE]
