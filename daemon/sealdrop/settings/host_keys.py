"""Pinned SSH host keys: one line of a public key, checked to be one before anything is connected.

A pin is ``<type> <base64>`` as in ``ssh_host_*_key.pub``. The types are those a current server signs with: Ed25519,
ECDSA and RSA of at least 2048 bits (its signatures are rsa-sha2; SHA-1 is refused by the transport). A pin that
cannot match any key would stop the route only when it connects, so a mistyped one is refused here.

Leaves to others: whether the far end really has the key, and the reading of a ``known_hosts`` file.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator

from sealdrop.settings.fields import refusal

_HINT = 'Write "type base64", such as "ssh-ed25519 AAAA…": the line of the server\'s ssh_host_ed25519_key.pub.'
#: Type of key → bytes of an uncompressed point on its curve.
_CURVES = {"ecdsa-sha2-nistp256": 65, "ecdsa-sha2-nistp384": 97, "ecdsa-sha2-nistp521": 133}
_TYPES = ("ssh-ed25519", *_CURVES, "ssh-rsa")
_ED25519_BYTES = 32
_UNCOMPRESSED = 4
LEAST_RSA_BITS = 2048


def _pin(line: str) -> str:
    """Return the pin as ``type base64``, without its comment."""
    words = line.split()
    if line.startswith("SHA256:"):
        raise refusal(
            "is the fingerprint of a host key, not the key", f"{_HINT} Compare its fingerprint with this one."
        )
    if line.startswith("@"):
        raise refusal(
            "has a known_hosts marker", "Host certificates and revocation marks are not supported; pin the key."
        )
    if len(words) > 1 and words[0] not in _TYPES and words[1] in _TYPES:
        raise refusal("begins with a host name", f"Leave the host name out. {_HINT}")
    if not words or words[0] not in _TYPES:
        raise refusal("is not a host key of a type we accept", f"{_HINT} Accepted types: {', '.join(_TYPES)}.")
    kind, blob = words[0], words[1] if len(words) > 1 else ""
    problem = _flaw(kind, blob)
    if problem:
        raise refusal(problem, _HINT)
    return f"{kind} {blob}"


def _flaw(kind: str, blob: str) -> str | None:
    try:
        fields = _fields(base64.b64decode(blob, validate=True))
    except (ValueError, binascii.Error):
        return "is not a complete host key; characters are missing or wrong"
    if fields[0] != kind.encode():
        return f"says {kind} but holds a key of another type"
    match fields[1:]:
        case [point] if kind == "ssh-ed25519":
            fits = len(point) == _ED25519_BYTES
        case [curve, point] if kind in _CURVES:
            fits = (
                curve.decode("ascii", "replace") == kind.rpartition("-")[2]
                and len(point) == _CURVES[kind]
                and point[0] == _UNCOMPRESSED
            )
        case [_, modulus] if kind == "ssh-rsa":
            bits = int.from_bytes(modulus).bit_length()
            if bits < LEAST_RSA_BITS:
                return f"is an RSA key of {bits} bits; less than {LEAST_RSA_BITS} is too weak to pin"
            fits = True
        case _:
            fits = False
    return None if fits else f"is not a complete {kind} key; characters are missing or wrong"


def _fields(blob: bytes) -> list[bytes]:
    """Split the length-prefixed strings of RFC 4253, section 6.6.

    Raises:
        ValueError: a length leads past the end, or there is none.
    """
    fields = []
    while blob:
        size = int.from_bytes(blob[:4])
        if len(blob) < 4 + size:
            message = "cut"
            raise ValueError(message)
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    if not fields:
        message = "empty"
        raise ValueError(message)
    return fields


HostKey = Annotated[str, AfterValidator(_pin)]
