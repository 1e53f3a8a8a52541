"""A real sealer for tests: a key set from throw-away keys, and a short private runtime folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
from support.openpgp import Key, Party, write_secret


def key_set(signer: Key, *recipients: Key, gpg_binary: Path = Path("/usr/bin/gpg"), **changes: object) -> KeySet:
    """Return a key set named ``dcc`` for these keys; a signer's passphrase is written into a file beside its key."""
    passphrase = None
    if signer.passphrase:
        passphrase = write_secret(signer.secret.with_suffix(".pass"), f"{signer.passphrase}\n".encode())
    values: dict[str, object] = {
        "name": "dcc",
        "environment": "uit",
        "signer": signer.fingerprint,
        "signer_key": signer.secret,
        "recipients": tuple(Recipient(fingerprint=key.fingerprint, public_key=key.public) for key in recipients),
        "passphrase": passphrase,
        "gpg_binary": gpg_binary,
    }
    return KeySet(**(values | changes))  # type: ignore[arg-type] # what a case changes


def party_key_set(party: Party) -> KeySet:
    """Return the key set of a usual party."""
    return key_set(party.signer, party.recipient)


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    """Yield a private folder with a path short enough for an agent's socket."""
    path = Path(tempfile.mkdtemp(prefix="sdr-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def a_sealer(keys: KeySet, *, homes: int = 1, timeout_seconds: float = 30.0) -> Iterator[GnupgSealer]:
    """Yield a working sealer; it is closed and its runtime folder removed afterwards."""
    with runtime_folder() as runtime, contextlib.closing(GnupgSealer(keys, runtime, homes, timeout_seconds)) as sealer:
        yield sealer
