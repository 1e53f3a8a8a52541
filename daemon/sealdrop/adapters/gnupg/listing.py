"""Read ``gpg --with-colons`` listings into values.

Takes public listings with signatures (``--list-sigs``) and secret ones (``--list-secret-keys``). Pure, and strict where
it matters: a line that names a key but cannot be understood is a ``ValueError``, never a key with guessed fields. Lines
of other kinds are passed over, as the format demands of its readers. What the fields mean for sealing is decided in
``policy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_KEYS = {"pub", "sec", "sub", "ssb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfSignature:
    """A signature of a key over itself.

    Args:
        kind: signature class, such as ``13`` (user id), ``18`` (subkey), ``1F`` (key itself).
        over: place of the user id it is over, from 1; 0 for the key itself or a subkey.
        digest: OpenPGP number of its hash; 0 when the listing does not say.
    """

    kind: str
    over: int
    created: datetime
    digest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One primary key or subkey.

    Args:
        validity: gpg's letter; ``r`` revoked, ``i`` invalid, ``e`` expired at the time of the listing.
        algorithm: OpenPGP number. bits: size. curve: name, or empty.
        usage: letters of what this very key may do: ``c`` certify, ``s`` sign, ``e`` encrypt, ``a`` authenticate.
        has_secret: the secret part is in the keyring, not a stub and not on a card.
    """

    fingerprint: str
    key_id: str
    validity: str
    algorithm: int
    bits: int
    curve: str
    created: datetime
    expires: datetime | None
    usage: str
    has_secret: bool
    bindings: tuple[SelfSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A primary key with its user id and subkeys, as a listing shows it."""

    primary: Material
    user_id: str
    disabled: bool
    subkeys: tuple[Material, ...]


def parse(listing: bytes) -> tuple[ListedKey, ...]:
    """Return the keys of a colon listing in its order.

    Raises:
        ValueError: a key's line cannot be understood.
    """
    keys: list[_Draft] = []
    for line in listing.split(b"\n"):
        fields = line.rstrip(b"\r").split(b":")
        kind = fields[0].decode("ascii", "replace")
        text = [field.decode("utf-8", "replace") for field in fields] + [""] * 21
        if kind in {"pub", "sec"}:
            keys.append(_Draft(_material(text), disabled="D" in text[11]))
        elif kind in _KEYS or kind in {"fpr", "uid", "sig"}:
            if not keys:
                raise ValueError(f"a line of kind {kind} before the first key")
            keys[-1].take(kind, fields, text)
    return tuple(key.finish() for key in keys)


class _Draft:
    """A key while its lines come in: the key itself first, then user ids and subkeys with what belongs to each."""

    def __init__(self, primary: Material, *, disabled: bool) -> None:
        self._parts = [primary]
        self._signatures: list[list[SelfSignature]] = [[]]
        self._user_ids: list[tuple[str, bool]] = []
        self._disabled = disabled
        self._after_user_id = 0

    def take(self, kind: str, fields: list[bytes], text: list[str]) -> None:
        if kind in {"sub", "ssb"}:
            self._parts.append(_material(text))
            self._signatures.append([])
        elif kind == "uid":
            self._user_ids.append((_user_id(fields[9] if len(fields) > 9 else b""), text[1] in {"r", "i"}))  # noqa: PLR2004 - column 10 of the format
            self._after_user_id = len(self._user_ids)
        elif kind == "fpr":
            if not self._parts[-1].fingerprint:
                self._parts[-1] = replace(self._parts[-1], fingerprint=text[9])
        elif text[4] == self._parts[0].key_id:  # signatures of others say nothing here
            over = 0 if len(self._parts) > 1 else self._after_user_id
            self._signatures[-1].append(_signature(text, over))

    def finish(self) -> ListedKey:
        parts = [
            replace(part, bindings=tuple(signatures))
            for part, signatures in zip(self._parts, self._signatures, strict=True)
        ]
        for part in parts:
            if not part.fingerprint.endswith(part.key_id):
                raise ValueError(f"the fingerprint of key {part.key_id} is missing")
        names = [name for name, unusable in self._user_ids if not unusable] or [name for name, _ in self._user_ids]
        return ListedKey(
            primary=parts[0],
            user_id=names[0] if names else "",
            disabled=self._disabled,
            subkeys=tuple(parts[1:]),
        )


def _material(text: list[str]) -> Material:
    created = _time(text[5])
    if created is None or not re.fullmatch(r"[0-9A-F]{16}", text[4]):
        raise ValueError("a key's line has no creation time or key id")
    return Material(
        fingerprint="",
        key_id=text[4],
        validity=text[1][:1],
        algorithm=_number(text[3]),
        bits=_number(text[2]),
        curve=text[16],
        created=created,
        expires=_time(text[6]),
        usage="".join(letter for letter in text[11] if letter.islower()),
        has_secret=text[14] == "+",
    )


def _signature(text: list[str], over: int) -> SelfSignature:
    return SelfSignature(
        kind=text[10][:2].upper(),
        over=over,
        created=_time(text[5]) or datetime.fromtimestamp(0, UTC),
        digest=_number(text[15] or "0"),
    )


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("a key's line has no number where one belongs")
    return int(text)


def _time(text: str) -> datetime | None:
    """Return the time of a field: seconds since 1970, or ``20380119T031408``; None when it is empty."""
    if not text:
        return None
    try:
        if "T" in text:
            return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("a key's line has a time that cannot be read") from error


def _user_id(raw: bytes) -> str:
    """Return a user id on one line of printable characters: it comes from a file and goes to people's screens."""
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw).decode("utf-8", "replace")
    return "".join(_printable(plain))


def _printable(text: str) -> Iterator[str]:
    for character in text:
        yield character if character.isprintable() else ascii(character)[1:-1]
