"""What we log in with: one private key, or one password, read from files each time a route connects.

Read anew so that a rotated key or a credential of the service manager takes effect without a restart. A file that
others can read, a link or anything but a regular file is refused, as OpenSSH does. Fails with ``RouteUnusable``; no
message ever carries what a file holds.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import paramiko

from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.core.errors import RouteUnusable

MAX_SECRET = 64 * 1024
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
    text = _secret(path).decode("ascii", "replace")
    reasons = []
    for kind in _KINDS:
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase)
        except paramiko.PasswordRequiredException as error:
            hint = "Configure the file with its passphrase"
            raise RouteUnusable("the private key is protected by a passphrase", where=str(path), hint=hint) from error
        except Exception as error:  # noqa: BLE001 - each class fails in its own way on another's keys
            reasons.append(type(error).__name__)
    # Without the causes: a parser's message may quote what it read.
    hint = "Use an Ed25519, ECDSA or RSA key in OpenSSH or PEM form, and check its passphrase"
    raise RouteUnusable(f"no usable private key ({', '.join(reasons)})", where=str(path), hint=hint)


def _one_line(path: Path) -> str:
    text = _secret(path).decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if not text or "\n" in text:
        raise RouteUnusable("it should hold exactly one line", where=str(path), hint="Write the secret alone")
    return text


def _secret(path: Path) -> bytes:
    """Read a file that nobody else may read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise RouteUnusable("it is not a regular file", where=str(path), hint="Check the configured path")
            if status.st_mode & 0o077:
                what = f"others may read it (mode {stat.S_IMODE(status.st_mode):04o})"
                raise RouteUnusable(what, where=str(path), hint="Run chmod 600 on it")
            content = file.read(MAX_SECRET + 1)
    except OSError as error:
        hint = "Check the path, its owner and its mode"
        raise RouteUnusable(f"it cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if len(content) > MAX_SECRET:
        raise RouteUnusable(f"it is longer than {MAX_SECRET} bytes", where=str(path), hint="Check the path")
    return content
