r"""Key sets as configured, and the reading of their files.

A key set names keys by full fingerprint only and carries files, never secrets. Secret files (the signing key, its
passphrase) must be regular files, not links, owned by the agent's user or root, and closed to everybody else; public
ones only regular and small, since the fingerprint is what pins them. A passphrase file holds one line; its line end
(``\n`` or ``\r\n``) is taken off, anything further is refused rather than guessed at.

Everything wrong is told as ``Problem``s with the setting's path, so that a person mends all of it at once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealdrop.adapters.durable import shown
from sealdrop.core.errors import Problem

MAX_KEY_BYTES = 1 << 20
MAX_PASSPHRASE_BYTES = 255  # gpg-agent takes no longer one

_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not stop us


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who may read: the primary key's full fingerprint and the file with the public key."""

    fingerprint: str
    public_key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The keys of one purpose in one environment.

    Args:
        name: of the key set in the configuration. environment: live, or the name of a test environment.
        signer: full fingerprint of the signing key's primary key. signer_key: file with its secret key.
        recipients: everybody who shall be able to read, at least one.
        passphrase: file with the signing key's passphrase; None when the key has none.
        passphrase_is_random: the passphrase has 128 bits of chance or more. Only then may the agent stretch it less,
            which makes one signature cost 6 ms instead of 275 ms.
        gpg_binary: absolute path of gpg, 2.2 or later.
    """

    name: str
    environment: str
    signer: str
    signer_key: Path
    recipients: tuple[Recipient, ...]
    passphrase: Path | None = None
    passphrase_is_random: bool = False
    gpg_binary: Path = Path("/usr/bin/gpg")

    @property
    def where(self) -> str:
        """The key set's place in the configuration."""
        return f"keys.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """The bytes of one key file, read and bounded, and which key it must hold."""

    path: Path
    setting: str
    fingerprint: str
    data: bytes
    is_secret: bool

    def __repr__(self) -> str:
        return f"KeyFile({shown(self.path)})"  # never the bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Every file of a key set, the signer's first; ``passphrase`` as gpg wants it, None when there is none."""

    keys: tuple[KeyFile, ...]
    passphrase: str | None

    def __repr__(self) -> str:
        return f"KeyFiles({list(self.keys)})"  # never the passphrase


class _Unfit(Exception):
    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def problems_of(keys: KeySet) -> Iterator[Problem]:
    """Yield what is wrong with a key set before any file is read."""
    full = "Give the full fingerprint as `gpg --fingerprint` shows it: 40 upper-case hex digits, without spaces"
    named = [("signer", keys.signer)]
    named += [(f"recipients.{place}", recipient.fingerprint) for place, recipient in enumerate(keys.recipients)]
    for setting, fingerprint in named:
        if not _FINGERPRINT.fullmatch(fingerprint):
            yield Problem(path=f"{keys.where}.{setting}", what=f"{fingerprint!a} is no full fingerprint", hint=full)
    if not keys.recipients:
        yield Problem(path=f"{keys.where}.recipients", what="there is no recipient", hint="Name at least one")
    if len({recipient.fingerprint for recipient in keys.recipients}) < len(keys.recipients):
        yield Problem(path=f"{keys.where}.recipients", what="a recipient is named twice", hint="Remove one of the two")
    if not keys.gpg_binary.is_absolute():
        what = f"{shown(keys.gpg_binary)} is no absolute path"
        yield Problem(path=f"{keys.where}.gpg_binary", what=what, hint="Give the full path, such as /usr/bin/gpg")


def read_files(keys: KeySet) -> tuple[KeyFiles, list[Problem]]:
    """Read every file of a key set; with a problem, what could not be read is missing from the result."""
    problems: list[Problem] = []
    read: list[KeyFile] = []
    wanted = [("signer_key", keys.signer, keys.signer_key, True)]
    wanted += [
        (f"recipients.{n}.public_key", r.fingerprint, r.public_key, False) for n, r in enumerate(keys.recipients)
    ]
    for setting, fingerprint, path, is_secret in wanted:
        try:
            data = _read(path, MAX_KEY_BYTES, is_secret=is_secret)
        except _Unfit as unfit:
            problems.append(Problem(path=f"{keys.where}.{setting}", what=unfit.what, hint=unfit.hint))
        else:
            place = f"{keys.where}.{setting}"
            read.append(KeyFile(path=path, setting=place, fingerprint=fingerprint, data=data, is_secret=is_secret))
    passphrase = None
    if keys.passphrase is not None:
        try:
            passphrase = _passphrase(keys.passphrase)
        except _Unfit as unfit:
            problems.append(Problem(path=f"{keys.where}.passphrase", what=unfit.what, hint=unfit.hint))
    return KeyFiles(keys=tuple(read), passphrase=passphrase), problems


def _passphrase(path: Path) -> str:
    data = _read(path, MAX_PASSPHRASE_BYTES + 2, is_secret=True)
    line = data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    if not line:
        raise _Unfit(f"{shown(path)} holds an empty passphrase", "Write the passphrase into it as one line")
    if any(byte in line for byte in b"\n\r\0"):
        raise _Unfit(
            f"{shown(path)} holds more than one line", "Write the passphrase into it as one line, nothing else"
        )
    if len(line) > MAX_PASSPHRASE_BYTES:
        raise _Unfit(f"{shown(path)} is too long", f"A passphrase may have {MAX_PASSPHRASE_BYTES} bytes")
    return line.decode("latin-1")  # python-gnupg encodes it so again: every byte arrives as it was


def _read(path: Path, limit: int, *, is_secret: bool) -> bytes:
    name = shown(path)
    try:
        fd = os.open(path, _READ | (os.O_NOFOLLOW if is_secret else 0))
    except OSError as error:
        if path.is_symlink() and is_secret:
            raise _Unfit(f"{name} is a symbolic link", "Name the secret file itself") from error
        reason = os.strerror(error.errno or 0)
        raise _Unfit(f"{name} cannot be read: {reason}", "Put the file there, readable for the agent's user") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _Unfit(f"{name} is no regular file", "Name a file")
        exposed = why_exposed(status) if is_secret else None
        if exposed is not None:
            raise _Unfit(f"{name} {exposed}", "Make the agent's user its owner, and its mode 0600")
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _Unfit(f"{name} cannot be read: {os.strerror(error.errno or 0)}", "Check the disk") from error
    finally:
        os.close(fd)
    if not data:
        raise _Unfit(f"{name} is empty", "Put the secret or key into it")
    if len(data) > limit:
        raise _Unfit(f"{name} is longer than {limit} bytes", "Name the right file")
    return data


def why_exposed(status: os.stat_result) -> str | None:
    """Return what is wrong with the owner or mode of a secret file, or None."""
    if status.st_uid not in {0, os.geteuid()}:
        return f"belongs to user {status.st_uid}"
    # A credential of the service manager may be root's with an access list, whose mask then shows as the group's bits.
    harmless = stat.S_IRGRP if (status.st_uid, status.st_gid) == (0, 0) else 0
    if stat.S_IMODE(status.st_mode) & 0o077 & ~harmless:
        return f"is open to others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None
