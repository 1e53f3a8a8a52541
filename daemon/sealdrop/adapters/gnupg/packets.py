"""Read an OpenPGP message from the outside: who can open it, and is it one whole sealed message.

Accepts exactly what sealing may produce (RFC 4880): one or more public-key session packets (tag 1, version 3), each
naming its key, then one encrypted packet with integrity protection (tag 18, version 1), and then the end of the file.
Everything else is refused: a password packet and an anonymous recipient (somebody unnamed could open it), encryption
without integrity, the AEAD packet that other readers refuse, a cut, bytes after the end.

Pure: the caller feeds chunks of any size and learns the key ids at the end. Memory is bounded by the largest session
packet, never by the message. Fails with ``NotSealed`` only. The inside is encrypted: what was signed by whom is read
from the engine's status lines instead.
"""

from __future__ import annotations

from collections.abc import Generator

MAX_RECIPIENTS = 64  # session packets, far above any configuration
_MAX_SESSION_BYTES = 4096  # one session packet; RSA 16384 needs 2060
_MIN_SEALED_BYTES = 41  # version, 18 bytes of prefix, 22 of modification detection
_MIN_FIRST_PARTIAL = 512  # RFC 4880, 4.2.2.4

_SESSION_KEY = 1
_VERSION = 3
_SEALED = 18
_NAMES = {
    3: "a password could open it (symmetric session packet)",
    9: "its encryption has no integrity protection (packet 9)",
    20: "it is LibrePGP AEAD (packet 20), which other readers refuse",
}
# RSA, RSA encrypt-only, ECDH, X25519, X448. ElGamal is refused.
_ALGORITHMS = frozenset({1, 2, 18, 25, 26})

_Parsing = Generator[int, bytes, "tuple[str, ...]"]
_Length = Generator[int, bytes, "tuple[int, bool]"]


class NotSealed(ValueError):
    """The bytes are not one whole message sealed to named keys."""


class MessageReader:
    """Take a message chunk by chunk; ``finish`` tells whose keys open it."""

    def __init__(self) -> None:
        self._parsing = _message()
        self._recipients: tuple[str, ...] | None = None
        self._held = bytearray()
        self._need = next(self._parsing)  # bytes wanted whole; negative: bytes to pass over

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            NotSealed: they cannot belong to a sealed message. The reader is of no use afterwards.
        """
        rest = memoryview(chunk)
        while rest:
            if self._recipients is not None:
                raise NotSealed("bytes follow the end of the message")
            if self._need < 0:
                step = min(-self._need, len(rest))
                self._need += step
                if self._need == 0:
                    self._advance(b"")
            else:
                step = min(self._need - len(self._held), len(rest))
                self._held += rest[:step]
                if len(self._held) == self._need:
                    taken = bytes(self._held)
                    self._held.clear()
                    self._advance(taken)
            rest = rest[step:]

    def finish(self) -> tuple[str, ...]:
        """Return the key ids (16 upper-case hex digits) of everybody who can open it, in the order of the packets.

        Raises:
            NotSealed: the message is cut.
        """
        if self._recipients is None:
            raise NotSealed("the message is cut")
        return self._recipients

    def _advance(self, taken: bytes) -> None:
        try:
            self._need = self._parsing.send(taken)
        except StopIteration as end:
            self._recipients = end.value


# The parsers below are generators: they yield how many bytes they want (negative: how many to pass over, never 0).


def _message() -> _Parsing:
    recipients: list[str] = []
    while True:
        tag, length, partial = yield from _header()
        if tag == _SEALED:
            break
        if tag != _SESSION_KEY:
            raise NotSealed(_NAMES.get(tag, f"it has a packet of type {tag} where none belongs"))
        if partial or not 0 < length <= _MAX_SESSION_BYTES:
            raise NotSealed(f"a session packet of {length} bytes is out of bounds")
        recipients.append(_recipient((yield length)))
        if len(recipients) > MAX_RECIPIENTS:
            raise NotSealed(f"it has more than {MAX_RECIPIENTS} recipients")
    if not recipients:
        raise NotSealed("nobody is named who could open it")
    yield from _sealed(length, partial=partial)
    return tuple(recipients)


def _recipient(body: bytes) -> str:
    smallest = 12  # version, key id, algorithm, and at least one number
    if len(body) < smallest or body[0] != _VERSION:
        raise NotSealed("a session packet is not of version 3")
    if body[9] not in _ALGORITHMS:
        raise NotSealed(f"a session packet uses the public-key algorithm {body[9]}")
    if not any(body[1:9]):
        raise NotSealed("it has an anonymous recipient")
    return body[1:9].hex().upper()


def _sealed(length: int, *, partial: bool) -> Generator[int, bytes, None]:
    if partial and length < _MIN_FIRST_PARTIAL:
        raise NotSealed(f"the encrypted packet begins with a part of {length} bytes only")
    if not partial and length < _MIN_SEALED_BYTES:
        raise NotSealed(f"the encrypted packet has {length} bytes only")
    version = yield 1
    if version != b"\x01":
        raise NotSealed(f"the encrypted packet is of version {version[0]}")
    yield -(length - 1)
    while partial:
        length, partial = yield from _new_length()
        if length:
            yield -length


def _header() -> Generator[int, bytes, tuple[int, int, bool]]:
    first = (yield 1)[0]
    if not first & 0x80:
        raise NotSealed("it is not a binary OpenPGP message")
    if first & 0x40:
        length, partial = yield from _new_length()
        return first & 0x3F, length, partial
    kind = first & 0x03
    if kind == 3:  # noqa: PLR2004 - RFC 4880, 4.2.1: until the end of the file, so a cut could not be seen
        raise NotSealed("a packet has no length")
    return (first >> 2) & 0x0F, int.from_bytes((yield 1 << kind), "big"), False


def _new_length() -> _Length:
    first = (yield 1)[0]
    match first:
        case _ if first < 192:  # noqa: PLR2004 - the bounds of RFC 4880, 4.2.2
            return first, False
        case _ if first < 224:  # noqa: PLR2004 - the same
            return ((first - 192) << 8) + (yield 1)[0] + 192, False
        case 255:
            return int.from_bytes((yield 4), "big"), False
        case _:
            return 1 << (first & 0x1F), True
