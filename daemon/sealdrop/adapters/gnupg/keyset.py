"""Key sets as configured, and the reading of their files.

A key set names keys by full fingerprint only and carries files, never secrets. The signing key and its passphrase are
read as secrets (``durable.read_secret`` says what that means); public keys need only be regular and small, since the
fingerprint is what pins them.

Everything wrong is told as ``Problem``s with the setting's path, so that a person mends all of it at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealdrop.adapters.durable import Unfit, read_line, read_secret, read_small, shown
from sealdrop.core.errors import Problem

MAX_KEY_BYTES = 1 << 20
MAX_PASSPHRASE_BYTES = 255  # gpg-agent takes no longer one

_FINGERPRINT = re.compile(r"[0-9A-F]{40}")


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
            data = read_secret(path, MAX_KEY_BYTES) if is_secret else read_small(path, MAX_KEY_BYTES)
        except Unfit as unfit:
            problems.append(_problem(keys, setting, path, unfit))
        else:
            place = f"{keys.where}.{setting}"
            read.append(KeyFile(path=path, setting=place, fingerprint=fingerprint, data=data, is_secret=is_secret))
    passphrase = None
    if keys.passphrase is not None:
        try:
            # python-gnupg encodes it as latin-1 again: every byte arrives as it was
            passphrase = read_line(keys.passphrase, MAX_PASSPHRASE_BYTES).decode("latin-1")
        except Unfit as unfit:
            problems.append(_problem(keys, "passphrase", keys.passphrase, unfit))
    return KeyFiles(keys=tuple(read), passphrase=passphrase), problems


def _problem(keys: KeySet, setting: str, path: Path, unfit: Unfit) -> Problem:
    return Problem(path=f"{keys.where}.{setting}", what=f"{shown(path)} {unfit.what}", hint=unfit.hint)
