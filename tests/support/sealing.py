"""A real sealer for tests: key sets from throw-away keys, private runtime folders, and what can go wrong beneath it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
from support.openpgp import Key, Party, decrypt_gpg, write_secret


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


class FalseGpg:
    """A program that is gpg until armed; then it runs ``script`` in gpg's place whenever it is asked to encrypt."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "false-gpg"
        self.script = folder / "script"
        self.path.write_text(
            "#!/bin/sh\n"
            f'case " $* " in *" --encrypt "*) [ -e {self.script} ] && . {self.script};; esac\n'
            'exec /usr/bin/gpg "$@"\n'
        )
        self.path.chmod(0o755)

    def arm(self, script: str) -> None:
        """Misbehave from now on."""
        self.script.write_text(script + "\n")

    def disarm(self) -> None:
        """Be gpg again."""
        self.script.unlink()


def agents(runtime: Path) -> list[int]:
    """Return the process ids of the agents whose homes are in a runtime folder."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                line = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if b"gpg-agent" in line and os.fsencode(runtime) in line:
                found.append(int(path.name))
    return found


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Yield a folder on a file system of 64 KiB; it takes root to make one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def assert_seals(sealer: GnupgSealer, party: Party, content: Path, target: Path) -> None:
    """Seal a file and have its receiver open it."""
    sealer.seal(content, target)
    assert decrypt_gpg(target, recipient=party.recipient, signer=party.signer).plaintext == content.read_bytes()
