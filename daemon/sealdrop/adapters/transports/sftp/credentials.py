"""What we log in with: one private key, or one password, read from files each time a route connects.

Read anew so that a rotated key or a credential of the service manager takes effect without a restart, and always as
secrets (``durable.read_secret`` says what that means). Fails with ``RouteUnusable``; no message ever carries what a
file holds.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import paramiko

from sealdrop.adapters.durable import Unfit, read_line, read_secret, shown
from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.core.errors import RouteUnusable

MAX_KEY_BYTES = 64 * 1024
MAX_LINE_BYTES = 4096  # of a password or passphrase
_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def load_credential(options: SftpOptions) -> paramiko.PKey | str:
    """Return the private key, or the password when the route uses one.

    Raises:
        RouteUnusable: a file is missing, too open, or holds no usable key.
    """
    if options.password is not None:
        return _one_line(options.password)
    if options.private_key is None:  # SftpOptions refuses it
        message = "neither a key nor a password is configured"
        raise RouteUnusable(message, where=f"transport {options.name}")
    passphrase = _one_line(options.passphrase) if options.passphrase is not None else None
    return _private_key(options.private_key, passphrase)


def state(options: SftpOptions) -> tuple[object, ...]:
    """Return something that changes when a file we log in with is replaced."""
    paths = [path for path in (options.private_key, options.passphrase, options.password) if path is not None]
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _private_key(path: Path, passphrase: str | None) -> paramiko.PKey:
    text = _read(path, MAX_KEY_BYTES, read_secret).decode("ascii", "replace")
    reasons = []
    for kind in _KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase)
        except paramiko.PasswordRequiredException as error:
            hint = "Configure the file with its passphrase"
            raise RouteUnusable("the private key is protected by a passphrase", where=shown(path), hint=hint) from error
        except Exception as error:  # noqa: BLE001 - each class fails in its own way on another's keys
            reasons.append(type(error).__name__)
    # Without the causes: a parser's message may quote what it read.
    hint = "Use an Ed25519, ECDSA or RSA key in OpenSSH or PEM form, and check its passphrase"
    raise RouteUnusable(f"no usable private key ({', '.join(reasons)})", where=shown(path), hint=hint)


def _one_line(path: Path) -> str:
    return _read(path, MAX_LINE_BYTES, read_line).decode("utf-8", "surrogateescape")


def _read(path: Path, max_bytes: int, reader: Callable[[Path, int], bytes]) -> bytes:
    try:
        return reader(path, max_bytes)
    except Unfit as unfit:
        raise RouteUnusable(f"the file {unfit.what}", where=shown(path), hint=unfit.hint) from unfit
