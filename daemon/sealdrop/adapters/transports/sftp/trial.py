"""What this server can do, found out by trying it with tiny files of ours before any real byte is sent.

Announcements are not believed: some servers overwrite on a plain rename, convert line ends, or name sizes they do not
have. Once per connection a 16-byte file is written, read back, measured, renamed, and renamed onto another one. What
remains to be done is then known beforehand: how a copy is published without overwriting, and the best proof possible.

Fails with ``RouteUnusable`` when the folder is missing, nothing may be written or removed, nothing can be published
without overwriting, or the best proof is below the route's minimum. Direct writing under the final name is never an
answer: a cut would leave half a file where the receiver looks. Trial files carry a fresh id of ours and are removed.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sealdrop.adapters.transports.sftp import packets, requests
from sealdrop.adapters.transports.sftp.multiplexer import Multiplexer
from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.adapters.transports.sftp.packets import Attributes, Code, Data, Handle, Open, Reply, Status
from sealdrop.adapters.transports.sftp.refusals import refused, said
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.errors import RouteUnusable
from sealdrop.core.submission import SubmissionId

_CONTENT = b"sealdrop\r\n\ttry\n\x00"  # line ends and a zero byte: a server that converts text gives itself away


class Reading(Enum):
    """How a copy can be read back."""

    HANDLE = "handle"  # through the handle that wrote it
    PATH = "path"  # after opening it anew
    NONE = "none"  # not at all


class Publishing(Enum):
    """How a copy gets its final name without overwriting. The value is what a receipt says."""

    RENAME = "rename that refuses an existing target"
    HARD_LINK = "hard link, then removal of the temporary name"
    RENAME_AFTER_LOOK = "overwriting rename right after a look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a server can do for us.

    Args:
        look: tell whether a path exists. sizes: tell the size of an open file.
    """

    look: bool
    sizes: bool
    reading: Reading
    fsync: bool
    publishing: Publishing

    @property
    def proof(self) -> ProofLevel:
        """The best proof a delivery can have here."""
        if self.reading is not Reading.NONE:
            return ProofLevel.DIGEST
        return ProofLevel.SIZE if self.sizes or self.look else ProofLevel.ACCEPTED


class Trial:
    """One round of trying; ``run`` may be called once."""

    def __init__(
        self,
        line: Multiplexer,
        options: SftpOptions,
        extensions: dict[str, bytes],
        trial_id: SubmissionId,
        report: Callable[[str, str], None],
    ) -> None:
        self._line = line
        self._report = report
        self._options = options
        self._extensions = extensions
        self._a, self._b, self._c, self._d = (
            options.temporary_path(trial_id, mark).encode("utf-8", "surrogateescape") for mark in "abcd"
        )
        self._there: set[bytes] = set()

    def run(self) -> Abilities:
        """Try everything, remove the trial files, and return what was found.

        Raises:
            RouteUnusable: this server or account cannot serve the route.
            TemporaryFailure: the server refused something it may allow later, such as writing to a full disk.
        """
        self._check_folders()
        try:
            handle, readable = self._create(self._a)
            fsync, sizes, reading = self._write(handle, readable=readable)
            look, reading = self._look(reading)
            self._report("folder", f"a file can be written; reading back: {reading.value}")
            publishing = self._publishing(look=look)
            self._report("publishing", publishing.value)
        finally:
            removed = self._remove_all()
        if not removed:
            what = "the account may not remove its own files, so nothing could ever be withdrawn"
            raise self._unusable(what, "Ask the receiver for the permission to delete names that begin with sealdrop-")
        self._report("removal", "the trial files are gone again")
        abilities = Abilities(look=look, sizes=sizes, reading=reading, fsync=fsync, publishing=publishing)
        if not abilities.proof.meets(self._options.minimum_proof):
            what = (
                f"the best proof here is {abilities.proof.value}, the route wants {self._options.minimum_proof.value}"
            )
            raise self._unusable(what, "Ask the receiver for read permission, or lower minimum_proof for this route")
        self._report("proof", f"{abilities.proof.value} is possible, {self._options.minimum_proof.value} is wanted")
        return abilities

    def _check_folders(self) -> None:
        folders = dict.fromkeys((self._options.folder, self._options.temporary_folder))
        replies = self._line.exchange(*(requests.stat(name.encode("utf-8", "surrogateescape")) for name in folders))
        for folder, reply in zip(folders, replies, strict=True):
            match reply:
                case Status(code=Code.NO_SUCH_FILE):
                    hint = "Check the name with the receiver; folders of others are never made by us"
                    raise self._unusable(f"the folder {said(folder)} does not exist", hint)
                case Attributes(permissions=int(mode)) if stat.S_IFMT(mode) and not stat.S_ISDIR(mode):
                    raise self._unusable(f"{said(folder)} is not a folder", "Check the name with the receiver")
                case _:  # a server may refuse to say; the files then decide
                    continue

    def _create(self, path: bytes) -> tuple[bytes, bool]:
        """Create a file; returns its handle and whether it was opened for reading too."""
        create = Open.WRITE | Open.CREATE | Open.EXCLUSIVE
        readable = True
        reply = self._line.ask(requests.open_file(path, create | Open.READ))
        if not isinstance(reply, Handle):
            readable = False
            reply = self._line.ask(requests.open_file(path, create))
        if isinstance(reply, Handle):
            self._there.add(path)
            return reply.value, readable
        hint = "Ask the receiver for write permission and space in the folder"
        raise self._unusable(f"no file can be made in {said(self._options.temporary_folder)} ({_status(reply)})", hint)

    def _write(self, handle: bytes, *, readable: bool) -> tuple[bool, bool, Reading]:
        """Write and close the first file. Returns whether it can be synced and measured, and how it can be read."""
        written = self._line.ask(requests.write(handle, 0, _CONTENT))  # alone: not every server keeps the order
        measured, *rest = self._line.exchange(
            requests.fstat(handle), *([requests.read(handle, 0, len(_CONTENT))] if readable else [])
        )
        synced = self._offers("fsync@openssh.com") and self._ok(requests.fsync(handle))
        closed = self._line.ask(requests.close(handle))
        for doing, reply in (("write", written), ("close", closed)):
            if not isinstance(reply, Status) or not reply.ok:
                raise refused(reply, f"{doing} a file in {said(self._options.temporary_folder)}", self._options.address)
        sizes = isinstance(measured, Attributes) and measured.size == len(_CONTENT)
        return synced, sizes, self._judge(rest[0], Reading.HANDLE) if rest else Reading.NONE

    def _look(self, reading: Reading) -> tuple[bool, Reading]:
        """Find out whether paths can be looked at, and whether a new opening reads when the handle did not."""
        found, missing = self._line.exchange(requests.lstat(self._a), requests.lstat(self._d))
        look = isinstance(found, Attributes) and isinstance(missing, Status) and missing.code == Code.NO_SUCH_FILE
        if reading is Reading.NONE:
            opened = self._line.ask(requests.open_file(self._a, Open.READ))
            if isinstance(opened, Handle):
                answer, _ = self._line.exchange(
                    requests.read(opened.value, 0, len(_CONTENT)), requests.close(opened.value)
                )
                reading = self._judge(answer, Reading.PATH)
        return look, reading

    def _judge(self, answer: Reply, way: Reading) -> Reading:
        if not isinstance(answer, Data):
            return Reading.NONE
        if answer.value != _CONTENT:
            hint = "Ask the receiver for binary transfer without any conversion"
            raise self._unusable("the server gives back other bytes than were written", hint)
        return way

    def _publishing(self, *, look: bool) -> Publishing:
        """Find a way to publish that refuses an existing target. One step after another: order matters here."""
        handle, _ = self._create(self._b)
        self._line.ask(requests.close(handle))
        source, overwrites = self._a, False
        renames = self._ok(requests.rename(self._a, self._c))
        if renames:
            self._there = (self._there - {self._a}) | {self._c}
            source = self._c
            overwrites = self._ok(requests.rename(self._c, self._b))
            if not overwrites:
                return Publishing.RENAME
            self._there.discard(self._c)
            source = self._b
        if self._offers("hardlink@openssh.com") and self._ok(requests.hard_link(source, self._d)):
            self._there.add(self._d)
            if not self._ok(requests.hard_link(source, self._d)):
                return Publishing.HARD_LINK
        if overwrites and look and self._options.allow_rename_after_look:
            return Publishing.RENAME_AFTER_LOOK
        if overwrites:
            hint = "Ask the receiver for another server, or accept the risk with allow_rename_after_look"
            raise self._unusable("renaming here overwrites an existing file, and there are no hard links", hint)
        hint = "Ask the receiver for the permission to rename; half a file under its final name is never risked"
        raise self._unusable("files cannot be renamed here", hint)

    def _remove_all(self) -> bool:
        """Remove the trial files; False when the server refused to."""
        if not self._line.alive:
            return True  # what went wrong is on its way already
        replies = self._line.exchange(*(requests.remove(path) for path in self._there))
        return all(isinstance(reply, Status) and reply.ok for reply in replies)

    def _ok(self, request: packets.Request) -> bool:
        reply = self._line.ask(request)
        return isinstance(reply, Status) and reply.ok

    def _offers(self, extension: str) -> bool:
        return extension in self._extensions

    def _unusable(self, what: str, hint: str) -> RouteUnusable:
        return RouteUnusable(what, where=self._options.address, hint=hint)


def _status(reply: Reply) -> str:
    if isinstance(reply, Status):
        return f"status {reply.code} {said(reply.message)}".rstrip()
    return type(reply).__name__
