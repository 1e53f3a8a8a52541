"""One parcel on its way: temporary copy, proof, publication, last look. Each step is one flight of requests.

``begin`` looks at the final name and makes the temporary copy, ``send`` writes, syncs, measures, reads back and closes
it, ``publish`` gives it the final name. Between the last two the caller commits. A file of up to 250 KB costs three
round trips, whatever the line.

Promises: until ``publish`` nothing is visible, and whatever fails before it removes the temporary copy as far as the
connection lets us. ``publish`` never overwrites. It says SENT or TAKEN only after an acknowledged rename, FOUND only
after comparing; a failure that is surely one is marked ``certain``, everything else is left open for ``find``.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from sealdrop.adapters.durable import guarding
from sealdrop.adapters.transports.sftp import packets, requests
from sealdrop.adapters.transports.sftp.farend import AHEAD, PIECE, FarEnd, missing_folder
from sealdrop.adapters.transports.sftp.multiplexer import SEND_MAX, WRITE_PAYLOAD, Flight
from sealdrop.adapters.transports.sftp.options import ASIDE
from sealdrop.adapters.transports.sftp.packets import Attributes, Code, Data, Handle, Open, Reply, Status
from sealdrop.adapters.transports.sftp.refusals import refused, said
from sealdrop.adapters.transports.sftp.trial import Publishing, Reading
from sealdrop.core.delivery import Outcome, ProofLevel
from sealdrop.core.errors import PermanentFailure, RouteUnusable, TemporaryFailure
from sealdrop.ports.transport import Parcel

AT_ONCE = 8 * WRITE_PAYLOAD  # a file of at most this size is written and read back in one flight
_SYNC_RATE = 5_000_000  # bytes per second that a far end's disk should at least manage in a sync
_WRITE_FRAME = 25  # bytes of a WRITE beside its handle and content


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A temporary copy that is whole: how that is known, as a level and in words."""

    level: ProofLevel
    detail: str


class Upload:
    """One attempt to deliver one parcel.

    Args:
        far: the connection.
        parcel: what to deliver.
        source: the sealed file, open for reading at its start.
        progress: called with bytes acknowledged; may raise to call the upload off.
    """

    def __init__(self, far: FarEnd, parcel: Parcel, source: BinaryIO, progress: Callable[[int], None]) -> None:
        self._far = far
        self._parcel = parcel
        self._source = source
        self._progress = progress
        self.final = far.options.final_path(parcel.remote_name)
        self.temporary = far.options.temporary_path(parcel.submission, str(parcel.attempt))
        self._handle: bytes | None = None

    def begin(self) -> Attributes | None:
        """Look at the final name and make the temporary copy, in one flight.

        Returns what is under the final name; then no temporary copy is left. None when nothing is there (or the server
        does not let us look), with the temporary copy open. Leftovers of earlier attempts are gone either way.

        Raises:
            RouteUnusable: the folder is gone or we may not write there. TemporaryFailure: refused for now, or cut.
        """
        far, where = self._far, self._far.options.address
        if self._parcel.attempt > 1:  # before a commit there must be no other copy of ours, nor one set aside
            marks = (*map(str, range(1, self._parcel.attempt)), ASIDE)
            far.remove([far.options.temporary_path(self._parcel.submission, mark) for mark in marks])
        looks = [requests.lstat(_raw(self.final))] if far.abilities.look else []
        *looked, opened = far.line.exchange(*looks, self._creation())
        if not isinstance(opened, Handle):  # left there by a cut of this very attempt, most likely
            far.remove([self.temporary])
            opened = far.line.ask(self._creation())
        if isinstance(opened, Handle):
            self._handle = opened.value
        try:
            there = far.attributes(looked[0], self.final) if looked else None
        except TemporaryFailure:
            self.abandon()
            raise
        if there is not None:
            self.abandon()
            return there
        if self._handle is not None:
            return None
        if isinstance(opened, Status) and opened.code == Code.NO_SUCH_FILE:
            raise missing_folder(far.options)
        failure = refused(opened, f"make a file in {said(far.options.temporary_folder)}", where)
        if isinstance(opened, Status) and opened.code == Code.PERMISSION_DENIED:
            raise RouteUnusable(failure.what, where=where, hint=failure.hint)
        raise failure

    def send(self) -> Proven:
        """Write, sync, measure, read back and close the temporary copy.

        Raises:
            TemporaryFailure: refused, other bytes came back, or cut. PermanentFailure: the sealed file has changed.
            StorageFailure: the sealed file cannot be read. Whatever ``progress`` raises.
        """
        at_once = self._parcel.size <= AT_ONCE and self._far.in_order
        try:
            return self._prove(self._send_at_once() if at_once else self._send_in_pieces())
        except BaseException as error:
            if at_once and isinstance(error, TemporaryFailure):
                self._far.in_order = False  # costs a few round trips if it was for another reason
            self.abandon()
            raise

    def _prove(self, digest: str | None) -> Proven:
        """Judge the digest of what came back; read again what was not or not wholly read."""
        if digest is None and self._far.abilities.reading is not Reading.NONE:
            digest = self._far.digest(self.temporary, self._parcel.size)
            if digest is None:
                raise TemporaryFailure("the copy could not be opened to read it back", where=self._where())
        if digest not in (None, self._parcel.sha256):
            hint = "It is sent again; when it happens twice the far end's storage or a proxy changes bytes"
            raise TemporaryFailure("other bytes came back than were sent", where=self._where(), hint=hint)
        self._progress(self._parcel.size)
        return self._proven(read_back=digest is not None)

    def abandon(self) -> None:
        """Close and remove the temporary copy as far as the connection lets us; else the next attempt does."""
        handle, self._handle = self._handle, None
        closing = [requests.close(handle)] if handle is not None else []
        if self._far.alive:
            with suppress(TemporaryFailure):
                self._far.line.exchange(*closing, requests.remove(_raw(self.temporary)))

    def publish(self) -> Outcome:
        """Give the copy its final name without overwriting, and look again.

        Raises:
            PermanentFailure: something else appeared there meanwhile.
            TemporaryFailure: refused (``certain``), or cut (then nobody knows until ``find``).
        """
        publishing = self._far.abilities.publishing
        if publishing is Publishing.RENAME_AFTER_LOOK:
            there = self._far.look(self.final)
            if there is not None:
                return self._met(there)
        give_name = requests.hard_link if publishing is Publishing.HARD_LINK else requests.rename
        step = give_name(_raw(self.temporary), _raw(self.final))
        looks = [requests.lstat(_raw(self.final))] if self._far.abilities.look else []
        answer, *looked = self._far.line.exchange(step, *looks)
        if not isinstance(answer, Status):
            raise TemporaryFailure("the server gave no proper answer to the rename", where=self._where())
        if not answer.ok:
            return self._not_renamed(answer)
        if publishing is Publishing.HARD_LINK:
            self.abandon()
        return self._last_look(looked[0]) if looked else Outcome.SENT

    def _last_look(self, reply: Reply) -> Outcome:
        """Judge what is there after an acknowledged rename."""
        there = self._far.attributes(reply, self.final)
        if there is None:  # a server that answers out of order may have looked first: be sure
            there = self._far.look_in_folder(self.final)
        if there is None:
            return Outcome.TAKEN
        if there.size is not None and there.size != self._parcel.size:
            what = f"it was published, but a file of {there.size} bytes is there instead of {self._parcel.size}"
            raise TemporaryFailure(what, where=self._where(), hint="Ask the receiver what became of it")
        return Outcome.SENT

    def _not_renamed(self, answer: Status) -> Outcome:
        """Find out why the rename was refused."""
        there = self._far.look_in_folder(self.final) if self._far.abilities.look else None
        if there is not None:
            return self._met(there)
        certain = self._far.remove([self.temporary]) == 1  # still ours: it was not moved and never will be
        raise refused(answer, f"rename to {said(self.final)}", self._where(), certain=certain)

    def _met(self, there: Attributes) -> Outcome:
        """Something is under the final name that we did not put there in this attempt."""
        equal = self._far.compare(self.final, there, self._parcel)
        self.abandon()
        if isinstance(equal, str):
            raise conflict(equal, self._where())
        return Outcome.FOUND

    def _send_at_once(self) -> str | None:
        """Send a small file in one flight. Returns the digest of what came back, None when it was not read."""
        content = self._read(self._parcel.size + 1)
        self._check_sealed(hashlib.sha256(content).hexdigest(), len(content))
        handle, size, by_handle = self._open_handle(), len(content), self._far.abilities.reading is Reading.HANDLE
        chunks = [(at, content[at : at + self._payload]) for at in range(0, size, self._payload)]
        writes = [requests.write(handle, at, chunk) for at, chunk in chunks]
        reads = [requests.read(handle, at, len(chunk)) for at, chunk in chunks] if by_handle else []
        tail = self._tail(handle)
        replies = self._far.line.exchange(*writes, *tail, *reads, requests.close(handle))
        self._handle = None
        self._check_written(replies[: len(writes)])
        self._check_tail(replies[len(writes) : len(writes) + len(tail)])
        self._check_ok(replies[-1], "close the copy")
        back = replies[len(writes) + len(tail) : -1]
        if not by_handle or any(
            not isinstance(reply, Data) or len(reply.value) != len(chunk)
            for reply, (_, chunk) in zip(back, chunks, strict=True)
        ):
            return None  # answers cut short are read again, thoroughly
        return hashlib.sha256(b"".join(reply.value for reply in back if isinstance(reply, Data))).hexdigest()

    def _send_in_pieces(self) -> str | None:
        """Send a large file with a few flights on their way, memory flat. Returns as ``_send_at_once``."""
        handle, hasher, sent, landed = self._open_handle(), hashlib.sha256(), 0, 0
        flights: deque[tuple[Flight, int]] = deque()
        while True:
            piece = self._read(min(PIECE * self._payload, self._parcel.size + 1 - sent))
            if piece:
                hasher.update(piece)
                flights.append((self._write(handle, sent, piece), len(piece)))
                sent += len(piece)
            while flights and (not piece or len(flights) >= AHEAD):
                flight, size = flights.popleft()
                self._check_written(flight.wait())
                landed += size
                self._progress(min(landed, self._parcel.size))
            if not piece:
                break
        self._check_sealed(hasher.hexdigest(), sent)
        self._check_tail(self._far.line.exchange(*self._tail(handle)))
        digest = None
        if self._far.abilities.reading is Reading.HANDLE:
            digest = self._far.digest_of(handle, self._parcel.size, lambda: self._progress(self._parcel.size))
        self._handle = None
        self._check_ok(self._far.line.ask(requests.close(handle)), "close the copy")
        return digest

    def _write(self, handle: bytes, offset: int, piece: bytes) -> Flight:
        step = self._payload
        return self._far.line.begin(
            *(requests.write(handle, offset + at, piece[at : at + step]) for at in range(0, len(piece), step))
        )

    def _tail(self, handle: bytes) -> list[packets.Request]:
        """What follows the last write: sync, then measure."""
        tail: list[packets.Request] = []
        if self._far.abilities.fsync:
            tail.append(requests.fsync(handle, patience=self._parcel.size / _SYNC_RATE))
        if self._far.abilities.sizes:
            tail.append(requests.fstat(handle))
        elif self._far.abilities.look:
            tail.append(requests.lstat(_raw(self.temporary)))
        return tail

    def _check_tail(self, replies: list[Reply]) -> None:
        if self._far.abilities.fsync:
            self._check_ok(replies[0], "sync the copy")
            replies = replies[1:]
        for reply in replies:
            if not isinstance(reply, Attributes):
                raise refused(reply, "measure the copy", self._where())
            if reply.size != self._parcel.size:
                what = f"the copy has {reply.size} bytes instead of {self._parcel.size}"
                raise TemporaryFailure(what, where=self._where(), hint="Often a full disk or quota at the far end")

    def _check_written(self, replies: list[Reply]) -> None:
        for reply in replies:
            self._check_ok(reply, "write the copy")

    def _check_ok(self, reply: Reply, doing: str) -> None:
        if not isinstance(reply, Status) or not reply.ok:
            raise refused(reply, doing, self._where())

    def _check_sealed(self, digest: str, size: int) -> None:
        if (digest, size) != (self._parcel.sha256, self._parcel.size):
            hint = "Nothing became visible. Find out who changes files of the spool, then resubmit"
            what = "the sealed file is no longer what was sealed"
            raise PermanentFailure(what, where=f"submission {self._parcel.submission}", hint=hint)

    def _proven(self, *, read_back: bool) -> Proven:
        if read_back:
            return Proven(level=ProofLevel.DIGEST, detail=f"{self._parcel.size} bytes read back, SHA-256 equal")
        if self._far.abilities.sizes or self._far.abilities.look:
            return Proven(level=ProofLevel.SIZE, detail=f"the server reports {self._parcel.size} bytes; no reading")
        return Proven(level=ProofLevel.ACCEPTED, detail="every write acknowledged; no measuring, no reading")

    def _creation(self) -> packets.Request:
        flags = Open.WRITE | Open.CREATE | Open.EXCLUSIVE
        if self._far.abilities.reading is Reading.HANDLE:
            flags |= Open.READ
        return requests.open_file(_raw(self.temporary), flags, self._far.options.file_mode)

    def _open_handle(self) -> bytes:
        if self._handle is None:
            message = "send() without a copy that begin() made"
            raise RuntimeError(message)
        return self._handle

    @property
    def _payload(self) -> int:
        """Content of one WRITE: one SSH packet, however long the server's handles are."""
        return min(WRITE_PAYLOAD, SEND_MAX - _WRITE_FRAME - len(self._open_handle()))

    def _read(self, count: int) -> bytes:
        with guarding("read the sealed file", self._parcel.path):
            return self._source.read(count)

    def _where(self) -> str:
        return f"{self._far.options.address}, submission {self._parcel.submission}"


def conflict(detail: str, where: str) -> PermanentFailure:
    """Return the failure for a final name that is taken."""
    hint = "It is never overwritten. Ask the receiver what it is"
    return PermanentFailure(f"the final name is taken: {detail}", where=where, hint=hint)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
