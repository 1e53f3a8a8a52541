"""Pinned host keys: which keys a server may show, read from known_hosts lines.

A pin is an exact key. Everything of the known_hosts format that would widen or weaken that is refused with
``ConfigurationError`` instead of being ignored: ``@cert-authority`` and ``@revoked`` markers, hashed names, patterns
and negations, key types whose signatures are broken. Lines for other hosts are skipped, as OpenSSH does.

Pure but for reading the file; comparing and telling the operator is left to ``session``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, Problem

MAX_FILE = 1024 * 1024
MIN_RSA_BITS = 2048

#: Host key type → signature algorithms we accept for it, strongest first.
SIGNATURES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One key that the server may show: its type and its public part as on the wire."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint as OpenSSH prints it."""
        return fingerprint(self.blob)

    def __str__(self) -> str:
        return f"{self.fingerprint} ({self.kind})"


def fingerprint(blob: bytes) -> str:
    """Return the SHA-256 fingerprint of a public key as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def signature_order(pins: tuple[Pin, ...]) -> tuple[str, ...]:
    """Return the signature algorithms to ask for: those of the pins first, in their order.

    The others follow, so that a server without any pinned key can still show one, and we can name it.
    """
    kinds = dict.fromkeys([*(pin.kind for pin in pins), *SIGNATURES])
    return tuple(algorithm for kind in kinds for algorithm in SIGNATURES[kind])


def load_pins(source: tuple[str, ...] | Path, *, host: str, port: int) -> tuple[Pin, ...]:
    """Read the pins for one server, in their order.

    Args:
        source: lines (known_hosts form, or ``TYPE BASE64`` alone), or the path of a known_hosts file.
        host: as configured; names in the lines must equal it exactly.
        port: as configured.

    Raises:
        ConfigurationError: unreadable, a feature we do not support, a weak or broken key, or no pin for this server.
    """
    where = str(source) if isinstance(source, Path) else "host_keys"
    lines = _read(source) if isinstance(source, Path) else source
    wanted = host.lower() if port == 22 else f"[{host.lower()}]:{port}"  # noqa: PLR2004 - the port of ssh
    pins: list[Pin] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        try:
            pin = _pin(line.strip(), wanted, bare_allowed=not isinstance(source, Path))
        except ValueError as error:
            problems.append(Problem(path=f"{where} line {number}", what=str(error)))
            continue
        if pin is not None and pin not in pins:
            pins.append(pin)
    if not pins and not problems:
        hint = f"Ask the receiver for the key out of band and add a line '{wanted} TYPE BASE64'"
        problems.append(Problem(path=where, what=f"no host key is pinned for {wanted}", hint=hint))
    if problems:
        raise ConfigurationError(problems)
    return tuple(pins)


def _read(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        problem = Problem(path=str(path), what=f"cannot be read: {error.strerror}", hint="Check the path and its mode")
        raise ConfigurationError([problem]) from error
    if len(content) > MAX_FILE:
        raise ConfigurationError([Problem(path=str(path), what=f"it is longer than {MAX_FILE} bytes")])
    return content.decode("utf-8", "replace").splitlines()


def _pin(line: str, wanted: str, *, bare_allowed: bool) -> Pin | None:
    """Return the pin of a line, or None for a comment or another host.

    Raises:
        ValueError: the line uses what we do not support, or its key is broken.
    """
    if not line or line.startswith("#"):
        return None
    if line.startswith("@"):
        message = f"the marker {line.split(maxsplit=1)[0]} is not supported and not ignored; pin exact keys"
        raise ValueError(message)
    fields = line.split()
    if bare_allowed and fields[0] in SIGNATURES:
        fields = [wanted, *fields]
    if len(fields) < 3:  # noqa: PLR2004 - names, type, key
        message = "it has no name, key type and key"
        raise ValueError(message)
    names, kind, encoded = fields[:3]
    if names.startswith("|"):
        message = "hashed names are not supported; write the name in clear"
        raise ValueError(message)
    if any(char in names for char in "*?!"):
        message = "patterns and negations are not supported; write the name in full"
        raise ValueError(message)
    if wanted not in names.lower().split(","):
        return None
    return Pin(kind=kind, blob=_blob(kind, encoded))


def _blob(kind: str, encoded: str) -> bytes:
    if kind not in SIGNATURES:
        message = f"key type {ascii(kind)[1:-1]} is not accepted; accepted are {', '.join(SIGNATURES)}"
        raise ValueError(message)
    try:
        blob = base64.b64decode(encoded, validate=True)
        fields = _fields(blob)
    except (binascii.Error, struct.error) as error:
        message = "the key is not complete base64"
        raise ValueError(message) from error
    if not fields or fields[0] != kind.encode("ascii"):
        message = f"the key is not of type {kind}"
        raise ValueError(message)
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[-1], "big").bit_length()
        if bits < MIN_RSA_BITS:
            message = f"an RSA key of {bits} bits is too weak, at least {MIN_RSA_BITS} are wanted"
            raise ValueError(message)
    return blob


def _fields(blob: bytes) -> list[bytes]:
    """Cut a public key into its length-prefixed fields."""
    fields = []
    at = 0
    while at < len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4
        if length > len(blob) - at:
            message = "a field is cut short"
            raise struct.error(message)
        fields.append(blob[at : at + length])
        at += length
    return fields
