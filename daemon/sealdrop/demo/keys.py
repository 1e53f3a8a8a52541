"""Throw-away OpenPGP keys, made by the real ``gpg``, and a sealed file opened as its recipient would open it.

Every home is a folder of its own with a short path (an agent's socket path is bounded) and its agent is ended with it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import SealFailed

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoKey:
    """A key as files: its fingerprint, its public and its secret half."""

    fingerprint: str
    public: Path
    secret: Path


def make_key(folder: Path, name: str, usage: str, *, encryption: bool) -> DemoKey:
    """Make one Ed25519 key in ``folder``.

    Args:
        folder: a private folder with a short path.
        name: name of its files, and of its user id.
        usage: what the primary key may do, in gpg's words.
        encryption: add a Curve25519 encryption subkey.

    Raises:
        SealFailed: gpg failed.
    """
    with _home(folder) as home:
        _gpg(home, "--passphrase", "", "--quick-generate-key", f"{name} <{name}@demo.invalid>", "ed25519", usage, "2y")
        listing = _gpg(home, "--list-keys", "--with-colons").decode()
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        if encryption:
            _gpg(home, "--passphrase", "", "--quick-add-key", fingerprint, "cv25519", "encr", "2y")
        key = DemoKey(fingerprint=fingerprint, public=folder / f"{name}.pub", secret=folder / f"{name}.sec")
        key.public.write_bytes(_gpg(home, "--export", fingerprint))
        key.secret.touch(mode=0o600)
        key.secret.write_bytes(_gpg(home, "--export-secret-keys", fingerprint))
    return key


def open_sealed(sealed: Path, *, recipient: DemoKey, signer: DemoKey) -> bytes:
    """Decrypt ``sealed`` in a home that knows only these two keys, and demand the signer's valid signature.

    Raises:
        SealFailed: it does not open, or the signature is not the signer's.
    """
    with _home(sealed.parent) as home:
        _gpg(home, "--import", str(recipient.secret), str(signer.public))
        done = _run(home, "--trust-model", "always", "--decrypt", str(sealed))
        status = done.stderr.decode(errors="replace")
        valid = [line.split()[-1] for line in status.splitlines() if line.startswith("[GNUPG:] VALIDSIG")]
        if done.returncode != 0 or "DECRYPTION_OKAY" not in status or valid != [signer.fingerprint]:
            raise SealFailed("gpg does not open the delivered file as it should", where=str(sealed))
        return done.stdout


@contextmanager
def _home(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gpg-", dir=folder) as path:
        try:
            yield Path(path)
        finally:
            command = ["gpgconf", "--homedir", path, "--kill", "all"]
            subprocess.run(command, check=False, env=_ENVIRONMENT)  # noqa: S603 - fixed arguments, a PATH of ours


def _gpg(home: Path, *arguments: str) -> bytes:
    done = _run(home, *arguments)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise SealFailed(f"gpg failed: {lines[-1]}", where=arguments[0])
    return done.stdout


def _run(home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--pinentry-mode", "loopback", "--status-fd", "2"]
    return subprocess.run(  # noqa: S603 - fixed arguments, a PATH of ours
        [*command, *arguments], check=False, capture_output=True, env=_ENVIRONMENT, timeout=60
    )
