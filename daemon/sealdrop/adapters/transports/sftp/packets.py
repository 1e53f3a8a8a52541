"""SFTP version 3 as bytes: requests out, replies in, nothing else (draft-ietf-secsh-filexfer-02).

Pure: no socket, no thread, no file. Requests are built in ``requests`` and numbered when they are sent; replies are cut
out of the stream by ``Splitter`` and read by ``decode``.

Every length that the far end names is checked before memory is spent on it, and every byte of a reply must be
accounted for. Whatever is out of bounds is a ``ProtocolError``: the connection cannot be trusted any further. File
names and texts of the far end are kept as opaque bytes or bounded text; nobody here opens or prints them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

VERSION = 3
MAX_PACKET = 272 * 1024  # OpenSSH never sends more than 256 KiB; a longer one is text or an attack
MAX_HANDLE = 256  # by the draft
MAX_NAME = 4096  # PATH_MAX
MAX_NAMES = 4096  # in one reply
MAX_TEXT = 512  # of a status message kept for people
MAX_EXTENSIONS = 64

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_HEAD = struct.Struct(">IBI")  # length, type, request number


class ProtocolError(ValueError):
    """The far end sent bytes that are not SFTP version 3, or are out of bounds."""


class Kind(IntEnum):
    """Packet types."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """Status codes of version 3; servers may send others."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4  # everything else, a full disk and an existing target included
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Open(IntFlag):
    """How a file is opened."""

    READ = 1
    WRITE = 2
    CREATE = 8
    EXCLUSIVE = 32


class Has(IntFlag):
    """Which attributes follow."""

    SIZE = 1
    OWNER = 2
    PERMISSIONS = 4
    TIMES = 8
    EXTENDED = 0x80000000


@dataclass(frozen=True, slots=True)
class Status:
    """An answer without a value."""

    code: int
    message: str = ""

    @property
    def ok(self) -> bool:
        """True for success."""
        return self.code == Code.OK


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file or directory of the far end."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a file."""

    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the far end says of a file; None where it says nothing.

    Args:
        size: in bytes. permissions: as in ``st_mode``, type included. modified: seconds by the far end's clock.
    """

    size: int | None = None
    permissions: int | None = None
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """One entry of a directory, its name opaque."""

    value: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Names:
    """Some entries of a directory."""

    entries: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Extended:
    """The answer to an extended request, not interpreted."""

    payload: bytes


Reply = Status | Handle | Data | Attributes | Names | Extended


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has no number yet.

    Args:
        kind: packet type. body: everything after the number.
        answer: the reply it wants; a ``Status`` may come instead of any.
        weight: bytes of file content it moves, either way; bounds what is in flight.
        patience: seconds it may take longer than others, such as the sync of a large file.
    """

    kind: Kind
    body: bytes
    answer: type[Reply] = Status
    weight: int = 0
    patience: float = 0.0

    def encode(self, number: int) -> bytes:
        """Return the packet with its number."""
        return _HEAD.pack(len(self.body) + 5, self.kind, number) + self.body

    def accept(self, reply: Reply) -> Reply:
        """Return the reply when it fits this request.

        Raises:
            ProtocolError: another kind of reply, or more data than was asked for.
        """
        if not isinstance(reply, (self.answer, Status)):
            message = f"a {type(reply).__name__} reply to a request of type {self.kind.name}"
            raise ProtocolError(message)
        if isinstance(reply, Data) and len(reply.value) > self.weight:
            message = "more data than was asked for"
            raise ProtocolError(message)
        return reply


class Splitter:
    """Cuts a stream of bytes into packets (without their length field)."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they come and give each packet that is complete.

        Raises:
            ProtocolError: a packet is empty or longer than ``MAX_PACKET``.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _U32.size:
            (length,) = _U32.unpack_from(buffer, at)
            if not 1 <= length <= MAX_PACKET:
                message = f"a packet of {length} bytes; is the far end printing text into the session?"
                raise ProtocolError(message)
            end = at + _U32.size + length
            if len(buffer) < end:
                break
            yield bytes(buffer[at + _U32.size : end])
            at = end
        del buffer[:at]


def decode_version(packet: bytes) -> dict[str, bytes]:
    """Read the answer to ``init`` and return the extensions offered.

    Raises:
        ProtocolError: not version 3, or out of bounds.
    """
    reader = _Reader(packet)
    if reader.byte() != Kind.VERSION:
        message = "the session does not begin with a version"
        raise ProtocolError(message)
    version = reader.u32()
    if version != VERSION:
        message = f"SFTP version {version}, wanted {VERSION}"
        raise ProtocolError(message)
    extensions: dict[str, bytes] = {}
    while reader.left:
        name = reader.text(MAX_NAME).decode("ascii", "replace")
        extensions[name] = reader.text(MAX_NAME)
        if len(extensions) > MAX_EXTENSIONS:
            message = "too many extensions"
            raise ProtocolError(message)
    return extensions


def decode(packet: bytes) -> tuple[int, Reply]:
    """Read a reply and return the request's number with it.

    Raises:
        ProtocolError: it is no reply, cut short, too long, or out of bounds.
    """
    reader = _Reader(packet)
    kind = reader.byte()
    number = reader.u32()
    match kind:
        case Kind.STATUS:
            reply: Reply = _status(reader)
        case Kind.HANDLE:
            reply = Handle(reader.text(MAX_HANDLE))
        case Kind.DATA:
            reply = Data(reader.text(MAX_PACKET))
        case Kind.NAME:
            reply = _names(reader)
        case Kind.ATTRS:
            reply = _attributes(reader)
        case Kind.EXTENDED_REPLY:
            reply = Extended(reader.rest())
        case _:
            message = f"a packet of type {kind} is no reply"
            raise ProtocolError(message)
    if reader.left:
        message = f"{reader.left} bytes too many in a reply of type {kind}"
        raise ProtocolError(message)
    return number, reply


class _Reader:
    """Takes fields off a packet and refuses to read past its end."""

    __slots__ = ("_at", "_packet")

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._packet) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            message = "a packet is cut short"
            raise ProtocolError(message)
        start, self._at = self._at, self._at + count
        return self._packet[start : self._at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def byte(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u64(self) -> int:
        value: int = _U64.unpack(self.take(8))[0]
        return value

    def text(self, limit: int) -> bytes:
        length = self.u32()
        if length > limit:
            message = f"a field of {length} bytes, at most {limit} are allowed"
            raise ProtocolError(message)
        return self.take(length)


def _status(reader: _Reader) -> Status:
    code = reader.u32()
    if not reader.left:  # servers of older drafts send the code alone
        return Status(code)
    message = reader.text(MAX_PACKET)[:MAX_TEXT].decode("utf-8", "replace")
    reader.rest()  # a language tag nobody reads
    return Status(code, message)


def _names(reader: _Reader) -> Names:
    count = reader.u32()
    if count > MAX_NAMES:
        message = f"{count} names in one reply, at most {MAX_NAMES} are allowed"
        raise ProtocolError(message)
    entries = []
    for _ in range(count):
        value = reader.text(MAX_NAME)
        reader.text(MAX_PACKET)  # the long form, made for people
        entries.append(Name(value, _attributes(reader)))
    return Names(tuple(entries))


def _attributes(reader: _Reader) -> Attributes:
    flags = reader.u32()
    size = reader.u64() if flags & Has.SIZE else None
    if flags & Has.OWNER:
        reader.take(8)
    permissions = reader.u32() if flags & Has.PERMISSIONS else None
    modified = None
    if flags & Has.TIMES:
        reader.take(4)
        modified = reader.u32()
    if flags & Has.EXTENDED:
        count = reader.u32()
        if count > MAX_EXTENSIONS:
            message = f"{count} extended attributes, at most {MAX_EXTENSIONS} are allowed"
            raise ProtocolError(message)
        for _ in range(2 * count):
            reader.text(MAX_PACKET)
    return Attributes(size=size, permissions=permissions, modified=modified)
