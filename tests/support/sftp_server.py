"""A second, independent SFTP server (asyncssh) whose manners a test decides: lies, refusals, cuts, silence.

It runs in a thread with its own event loop, on a port of the kernel's choice, over a real folder. ``manners`` may be
replaced while it runs; each request consults the newest. Requests are counted by name, and each may be made the last
one of its connection, before or after it was executed, so that a test can cut a delivery at every single step.

    with ScriptedSftp(tmp_path / "far", Manners(overwriting_rename=True)) as far:
        far.host, far.port, far.user, far.user_key, far.pin, far.inbox
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncssh
from asyncssh.sftp import SFTPAttrs, SFTPName

from support.sshd import HOST, make_key, public_part

READ_FLAG = 1
TINY = 64  # trial files of a client are smaller; lies are told about larger ones only
USER = "drop"
PASSWORD = "correct horse"  # noqa: S105 - of a server that lives for one test


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Abort the connection at the n-th request of any kind, before or after it was executed."""

    at: int
    executed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the server behaves; the default is well-mannered.

    Args:
        refused: requests answered with "permission denied", by name.
        unsupported: requests answered with "operation unsupported", by name.
        overwriting_rename: a plain rename replaces an existing target.
        short_writes: of content, only the first half is kept, and success is said.
        changed_bytes: the first byte of content is stored inverted.
        room: bytes of content that fit before the disk is full.
        taken_at_once: the receiver removes a file the moment it gets its final name.
        emptied_at_once: the receiver empties it instead.
        cut: see ``Cut``.
        cut_after_rename: abort the connection once a rename to a final name was executed.
        frozen: requests that are never answered, by name.
        short_reads: at most this many bytes for one read.
        endless_names: the folder never ends.
    """

    refused: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()
    overwriting_rename: bool = False
    short_writes: bool = False
    changed_bytes: bool = False
    room: int | None = None
    taken_at_once: bool = False
    emptied_at_once: bool = False
    cut: Cut | None = None
    cut_after_rename: bool = False
    frozen: frozenset[str] = frozenset()
    short_reads: int | None = None
    endless_names: bool = False


@dataclass
class _State:
    """What the sessions of one server share."""

    inbox: Path
    manners: Manners
    counts: Counter[str] = field(default_factory=Counter)
    served: int = 0  # requests since the manners were set
    logins: int = 0  # tried, good or bad
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    files: set[Any] = field(default_factory=set)  # open ones: a cut leaves them to us


class ScriptedSftp:
    """One asyncssh server over one folder, with manners.

    Args:
        folder: everything lives below it; made when absent.
        manners: how it behaves at first.
        listening: further arguments of ``asyncssh.listen``, for example ``encryption_algs``.
        password_only: take ``PASSWORD`` instead of the key; ``keyboard_only`` offers keyboard-interactive alone.
        banner: text shown before the login.
    """

    host = HOST
    user = USER

    def __init__(
        self,
        folder: Path,
        manners: Manners | None = None,
        *,
        listening: dict[str, Any] | None = None,
        password_only: bool = False,
        keyboard_only: bool = False,
        banner: str = "",
    ) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.user_key = make_key(folder / "user_key")
        self.host_key = make_key(folder / "host_key")
        self.port = 0
        self._state = _State(self.inbox, manners or Manners())
        self._listening = listening or {}
        self._password_only, self._keyboard_only, self._banner = password_only, keyboard_only, banner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-sftp", daemon=True)
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def pins(self) -> tuple[str, ...]:
        """known_hosts lines of this server."""
        return (f"[{self.host}]:{self.port} {public_part(self.host_key)}",)

    @property
    def pin(self) -> str:
        """The known_hosts line of the host key."""
        return self.pins[0]

    @property
    def manners(self) -> Manners:
        """How it behaves now."""
        return self._state.manners

    @manners.setter
    def manners(self, manners: Manners) -> None:
        self._state.served = 0
        self._state.manners = manners

    @property
    def counts(self) -> Counter[str]:
        """Requests served so far, by name."""
        return self._state.counts

    @property
    def served(self) -> int:
        """Requests served since the manners were set."""
        return self._state.served

    @property
    def logins(self) -> int:
        """Logins tried so far."""
        return self._state.logins

    def cut(self) -> None:
        """Abort every connection."""

        async def abort() -> None:
            for connection in tuple(self._state.connections):
                connection.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result(10)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.listen(
            self.host,
            0,
            server_factory=lambda: _Login(self),
            server_host_keys=[str(self.host_key)],
            sftp_factory=lambda channel: _Session(channel, self._state),
            encoding=None,
            **self._listening,
        )
        self.port = self._acceptor.get_port()

    async def _end(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for connection in tuple(self._state.connections):
            connection.abort()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for file in self._state.files:
            file.close()


class _Login(asyncssh.SSHServer):
    """One connection until it is logged in."""

    def __init__(self, server: ScriptedSftp) -> None:
        self._server = server
        self._state = server._state  # noqa: SLF001 - a part of that class
        self._connection: asyncssh.SSHServerConnection | None = None
        self._key = asyncssh.read_public_key(str(server.user_key) + ".pub")

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._state.connections.add(conn)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._connection is not None:
            self._state.connections.discard(self._connection)

    def begin_auth(self, _username: str) -> bool:
        if self._server._banner and self._connection is not None:  # noqa: SLF001 - a part of that class
            self._connection.send_auth_banner(self._server._banner)  # noqa: SLF001 - the same
        return True

    def public_key_auth_supported(self) -> bool:
        return not (self._server._password_only or self._server._keyboard_only)  # noqa: SLF001 - the same

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._state.logins += 1
        return username == USER and key.public_data == self._key.public_data

    def password_auth_supported(self) -> bool:
        return self._server._password_only  # noqa: SLF001 - the same

    def validate_password(self, username: str, password: str) -> bool:
        self._state.logins += 1
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self) -> bool:
        return self._server._keyboard_only  # noqa: SLF001 - the same

    def get_kbdint_challenge(self, _username: str, _lang: str, _submethods: str) -> bool:
        self._state.logins += 1
        return False


class _Session(asyncssh.SFTPServer):
    """One SFTP session. Paths of clients are absolute, as with an account that is not confined."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], state: _State) -> None:
        super().__init__(channel)
        self._state = state

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        def open_() -> object:
            file = super(_Session, self).open(path, pflags, attrs)
            self._state.files.add(file)
            return file

        return await self._serve(("open", "read") if pflags & READ_FLAG else ("open",), open_)

    async def close(self, file_obj: object) -> None:
        await self._serve(("close",), lambda: super(_Session, self).close(file_obj))
        self._state.files.discard(file_obj)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        size = min(size, self._state.manners.short_reads or size)
        content: bytes = await self._serve(("read",), lambda: super(_Session, self).read(file_obj, offset, size))
        return content

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        manners = self._state.manners
        if len(data) > TINY:
            if manners.room is not None and offset + len(data) > manners.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if manners.changed_bytes and not offset:
                data = bytes((data[0] ^ 0xFF,)) + data[1:]
            if manners.short_writes:
                data = data[: len(data) // 2]
        await self._serve(("write",), lambda: super(_Session, self).write(file_obj, offset, data))
        return len(data)

    async def lstat(self, path: bytes) -> Any:  # noqa: ANN401 - as asyncssh has it
        return await self._serve(("lstat",), lambda: super(_Session, self).lstat(path))

    async def stat(self, path: bytes) -> Any:  # noqa: ANN401 - as asyncssh has it
        return await self._serve(("stat",), lambda: super(_Session, self).stat(path))

    async def fstat(self, file_obj: object) -> Any:  # noqa: ANN401 - as asyncssh has it
        return await self._serve(("fstat",), lambda: super(_Session, self).fstat(file_obj))

    async def fsync(self, file_obj: object) -> None:
        await self._serve(("fsync",), lambda: super(_Session, self).fsync(file_obj))

    async def remove(self, path: bytes) -> None:
        await self._serve(("remove",), lambda: super(_Session, self).remove(path))

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        await self._serve(("link",), lambda: super(_Session, self).link(oldpath, newpath))
        self._published(newpath)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        def rename() -> object:
            if self._state.manners.overwriting_rename:
                Path(os.fsdecode(oldpath)).replace(Path(os.fsdecode(newpath)))
                return None
            return super(_Session, self).rename(oldpath, newpath)

        await self._serve(("rename",), rename)
        self._published(newpath)

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        await self._serve(("scandir",), lambda: None)
        number = 0
        while self._state.manners.endless_names:
            number += 1
            yield SFTPName(b"../%d\x1b[2J" % number, b"", attrs=SFTPAttrs(size=0))
        async for name in super().scandir(path):
            yield name

    async def _serve(self, names: tuple[str, ...], work: Callable[[], object]) -> Any:  # noqa: ANN401 - as asyncssh has it
        """Count a request, then do it, refuse it, cut it or leave it unanswered as the manners say."""
        state, manners = self._state, self._state.manners
        state.served += 1
        state.counts[names[0]] += 1
        cut = manners.cut if manners.cut is not None and manners.cut.at == state.served else None
        if cut is not None and not cut.executed:
            self._abort()
        if manners.frozen.intersection(names):
            await asyncio.Event().wait()
        if manners.refused.intersection(names):
            raise asyncssh.SFTPPermissionDenied("not here")
        if manners.unsupported.intersection(names):
            raise asyncssh.SFTPOpUnsupported("not here")
        try:
            result = work()
            if isinstance(result, Awaitable):
                result = await result
        finally:
            if cut is not None:
                self._abort()
        return result

    def _published(self, path: bytes) -> None:
        if Path(os.fsdecode(path)).name.lstrip(".").startswith("sealdrop-"):
            return
        if self._state.manners.taken_at_once:
            Path(os.fsdecode(path)).unlink()
        if self._state.manners.emptied_at_once:
            Path(os.fsdecode(path)).write_bytes(b"")
        if self._state.manners.cut_after_rename:
            self._abort()

    def _abort(self) -> None:
        self.connection.abort()
        raise asyncssh.SFTPConnectionLost("cut")
