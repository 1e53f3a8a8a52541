"""File operations at the far end, over one connection whose abilities are known.

Answers are sorted here into "it is so", "it is not so" and errors of ours, so that the steps of a delivery
(``upload``) read as steps. Reading is checked by digest, never trusted by length alone; listing is bounded and gives
only names that are exactly ours, whatever else a server claims to hold.
"""

from __future__ import annotations

import hashlib
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sealdrop.adapters.transports.sftp import packets, requests
from sealdrop.adapters.transports.sftp.multiplexer import WRITE_PAYLOAD, Flight, Multiplexer
from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.adapters.transports.sftp.packets import Attributes, Code, Data, Handle, Names, Open, Reply, Status
from sealdrop.adapters.transports.sftp.refusals import refused, said
from sealdrop.adapters.transports.sftp.session import Report, Session
from sealdrop.adapters.transports.sftp.trial import Abilities, Reading, Trial
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.errors import RouteUnusable, TemporaryFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.transport import Parcel

PIECE = 16  # requests of one flight of a large file
AHEAD = 4  # flights of one large file on their way
_REMOVALS = 64  # names removed in one flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A temporary copy of ours: its name, whose it is, and when it was last written by the far end's clock."""

    name: str
    submission: SubmissionId
    modified: int | None


class FarEnd:
    """One connection, ready for deliveries by many threads.

    Args:
        line: the multiplexer over the session.
        options: of the route. facts: about the session, for receipts. abilities: as tried.

    ``in_order`` is True until a write and what followed it in the same flight did not fit together: from then on each
    step waits for the one before, for servers that do not execute requests in the order the draft demands.
    """

    def __init__(self, line: Multiplexer, options: SftpOptions, facts: dict[str, str], abilities: Abilities) -> None:
        self.line = line
        self.options = options
        self.facts = facts
        self.abilities = abilities
        self.in_order = True

    @classmethod
    def greet(cls, session: Session, options: SftpOptions, trial_id: SubmissionId, report: Report) -> FarEnd:
        """Make a session ready, trying out what it can do.

        Raises:
            RouteUnusable: it cannot serve the route. TemporaryFailure: it could not be tried now.
        """
        line = Multiplexer(
            session.channel,
            where=options.address,
            window=options.window,
            patience=options.request_timeout,
            splitter=session.splitter,
        )
        try:
            abilities = Trial(line, options, session.extensions, trial_id, report).run()
        except BaseException:
            line.close()
            raise
        facts = {
            **session.facts,
            "published_by": abilities.publishing.value,
            "synced": "yes" if abilities.fsync else "the server offers no sync",
        }
        return cls(line, options, facts, abilities)

    @property
    def alive(self) -> bool:
        """False once the connection is known to be dead."""
        return self.line.alive

    def close(self) -> None:
        """End the connection; safe to call twice."""
        self.line.close()

    def attributes(self, reply: Reply, path: str) -> Attributes | None:
        """Read the answer to a look: attributes, or None when nothing is there.

        Raises:
            TemporaryFailure: the server said neither.
        """
        if isinstance(reply, Attributes):
            return reply
        if isinstance(reply, Status) and reply.code == Code.NO_SUCH_FILE:
            return None
        raise refused(reply, f"look at {said(path)}", self.options.address)

    def look(self, path: str) -> Attributes | None:
        """Return what is under a path, not following a link; None when nothing is.

        Raises:
            TemporaryFailure: the server would not say, or the connection died.
        """
        return self.attributes(self.line.ask(requests.lstat(_raw(path))), path)

    def look_in_folder(self, path: str) -> Attributes | None:
        """``look``, but make sure that the folder itself is there: a folder moved away proves no absence.

        Raises:
            RouteUnusable: the folder is gone. TemporaryFailure: as for ``look``.
        """
        found, folder = self.line.exchange(requests.lstat(_raw(path)), requests.stat(_raw(self.options.folder)))
        if isinstance(folder, Status) and folder.code == Code.NO_SUCH_FILE:
            raise missing_folder(self.options)
        return self.attributes(found, path)

    def compare(self, path: str, there: Attributes, parcel: Parcel) -> ProofLevel | str:
        """Compare what is under a path with a parcel: how its equality was proven, or in words why it is not proven.

        Raises:
            TemporaryFailure: the connection died.
        """
        mode = there.permissions
        if mode is not None and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
            return f"{'a folder' if stat.S_ISDIR(mode) else 'a link or special file'} is there"
        if there.size is not None and there.size != parcel.size:
            return f"a file of {there.size} bytes is there, ours has {parcel.size}"
        digest = self.digest(path, parcel.size) if self.abilities.reading is not Reading.NONE else None
        if digest is not None:
            return ProofLevel.DIGEST if digest == parcel.sha256 else "a file of equal size with other bytes is there"
        if there.size is None:
            return "something is there that can neither be measured nor read"
        if not ProofLevel.SIZE.meets(self.options.minimum_proof):
            return "a file of equal size is there, and it may not be read"
        return ProofLevel.SIZE

    def digest(self, path: str, size: int) -> str | None:
        """Open a file anew and return the SHA-256 of its bytes; None when it may not be read.

        Raises:
            TemporaryFailure: reading failed midway, or the connection died.
        """
        opened = self.line.ask(requests.open_file(_raw(path), Open.READ))
        if not isinstance(opened, Handle):
            return None
        try:
            return self.digest_of(opened.value, size)
        finally:
            if self.alive:
                self.line.begin(requests.close(opened.value))  # its answer proves nothing

    def digest_of(self, handle: bytes, size: int, progress: Callable[[], None] = lambda: None) -> str:
        """Return the SHA-256 of an open file, reading no further than one byte beyond ``size``.

        Raises:
            TemporaryFailure: reading failed midway, or the connection died.
        """
        hasher = hashlib.sha256()
        flights: deque[tuple[Flight, list[tuple[int, int]]]] = deque()
        for ranges in _ranges(size + 1):  # the byte beyond shows a file that is longer than it says
            flights.append((self.line.begin(*(requests.read(handle, *part) for part in ranges)), ranges))
            if len(flights) == AHEAD:
                self._gather(handle, *flights.popleft(), hasher.update)
                progress()
        while flights:
            self._gather(handle, *flights.popleft(), hasher.update)
            progress()
        return hasher.hexdigest()

    def _gather(
        self, handle: bytes, flight: Flight, ranges: Sequence[tuple[int, int]], take: Callable[[bytes], None]
    ) -> None:
        """Take the bytes of some reads in their order, asking again for what a short answer left out."""
        for (offset, length), first in zip(ranges, flight.wait(), strict=True):
            reply, at, end = first, offset, offset + length
            while isinstance(reply, Data) and reply.value:
                take(reply.value)
                at += len(reply.value)
                if at == end:
                    break
                reply = self.line.ask(requests.read(handle, at, end - at))
            else:
                if not (isinstance(reply, Status) and reply.code == Code.EOF):
                    raise refused(reply, "read a file back", self.options.address)

    def remove(self, paths: Sequence[str]) -> int:
        """Remove files of ours and return how many were there.

        Raises:
            TemporaryFailure: one may still be there, or the connection died.
        """
        removed = 0
        for start in range(0, len(paths), _REMOVALS):
            some = paths[start : start + _REMOVALS]
            for path, reply in zip(some, self.line.exchange(*(requests.remove(_raw(p)) for p in some)), strict=True):
                if not isinstance(reply, Status) or reply.code not in (Code.OK, Code.NO_SUCH_FILE):
                    raise refused(reply, f"remove {said(path)}", self.options.address)
                removed += reply.ok
        return removed

    def set_aside(self, copies: Sequence[str], aside: str) -> bool:
        """Rename a temporary copy away, so that no rename still on its way can publish it; tell whether one was.

        It stays there until the next attempt removes it: should we die before the answer is booked, whoever asks again
        gets the same one.

        Raises:
            TemporaryFailure: the server refused, or the connection died.
        """
        if self.look(aside) is not None:
            self.remove(copies)
            return True
        there = [path for path in copies if self.look(path) is not None]
        if not there:
            return False
        reply = self.line.ask(requests.rename(_raw(there[0]), _raw(aside)))
        if not isinstance(reply, Status) or reply.code not in (Code.OK, Code.NO_SUCH_FILE):
            raise refused(reply, f"set {said(there[0])} aside", self.options.address)
        self.remove(there[1:])
        return reply.ok

    def clock(self, trial_id: SubmissionId) -> int | None:
        """Return the far end's own time in seconds, from a file just made and removed again; None when it hides it.

        Raises:
            TemporaryFailure: no file could be made, or the connection died.
        """
        path = self.options.temporary_path(trial_id, "t")
        opened = self.line.ask(requests.open_file(_raw(path), Open.WRITE | Open.CREATE | Open.EXCLUSIVE))
        if not isinstance(opened, Handle):
            raise refused(opened, f"make a file in {said(self.options.temporary_folder)}", self.options.address)
        written, seen, _ = self.line.exchange(
            requests.write(opened.value, 0, b"\n"), requests.fstat(opened.value), requests.close(opened.value)
        )
        self.remove([path])
        return seen.modified if isinstance(seen, Attributes) and isinstance(written, Status) and written.ok else None

    def leftovers(self) -> list[Leftover]:
        """List temporary copies of ours in the folder they live in.

        Raises:
            TemporaryFailure: it may not be listed, is too large, or the connection died.
        """
        folder = self.options.temporary_folder
        opened = self.line.ask(requests.opendir(_raw(folder)))
        if not isinstance(opened, Handle):
            raise refused(opened, f"list {said(folder)}", self.options.address)
        found = []
        for entry in self._entries(opened.value):
            name = entry.value.decode("utf-8", "surrogateescape")
            owner = self.options.temporary.owner(name)
            if owner is not None:
                found.append(Leftover(name=name, submission=owner, modified=entry.attributes.modified))
        return found

    def _entries(self, handle: bytes) -> Iterator[packets.Name]:
        listed = 0
        try:
            while True:
                reply = self.line.ask(requests.readdir(handle))
                if not isinstance(reply, Names):
                    if isinstance(reply, Status) and reply.code == Code.EOF:
                        return
                    raise refused(reply, "list a folder", self.options.address)
                listed += max(1, len(reply.entries))  # empty answers count too: they could go on for ever
                if listed > self.options.max_listed:
                    what = f"the folder holds more than {self.options.max_listed} names"
                    raise TemporaryFailure(what, where=self.options.address, hint="Ask the receiver to clear it")
                yield from reply.entries
        finally:
            if self.alive:
                self.line.begin(requests.close(handle))


def missing_folder(options: SftpOptions) -> RouteUnusable:
    """Return the failure for a delivery folder that is not there."""
    hint = "Check the name with the receiver; folders of others are never made by us"
    return RouteUnusable(f"the folder {said(options.folder)} does not exist", where=options.address, hint=hint)


def _ranges(size: int) -> Iterator[list[tuple[int, int]]]:
    """Cut a file into flights of (offset, length)."""
    step = PIECE * WRITE_PAYLOAD
    for start in range(0, size, step):
        end = min(size, start + step)
        yield [(at, min(WRITE_PAYLOAD, end - at)) for at in range(start, end, WRITE_PAYLOAD)]


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
