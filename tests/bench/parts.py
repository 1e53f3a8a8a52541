"""The parts a delivery cannot do without, each done alone by other programs than ours, as a floor to compare with."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from bench.runner import MIB
from support import openpgp
from support.openpgp import Party
from support.sshd import Sshd

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def durable_step(folder: Path, name: str, data: bytes) -> None:
    """Write a small file so that it survives a power cut: write, sync, rename, sync the folder."""
    fd = os.open(folder / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    (folder / f".{name}").rename(folder / name)
    _sync_folder(folder)


def snapshot(source: Path, target: Path) -> str:
    """Copy a file of any size durably while hashing it; return the digest."""
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        while chunk := reader.read(MIB):
            digest.update(chunk)
            writer.write(chunk)
        os.fsync(writer.fileno())
    _sync_folder(target.parent)
    return digest.hexdigest()


class Gpg:
    """A GnuPG home with the keys of a party, its agent warm."""

    def __init__(self, home: Path, party: Party) -> None:
        self.home = home
        self._signer, self._recipient = party.signer.fingerprint, party.recipient.fingerprint
        openpgp.gpg(home, "--import", str(party.signer.secret))
        openpgp.gpg(home, "--import", str(party.recipient.public))

    def command(self, source: Path, target: Path) -> list[str]:
        """Return the command that signs and encrypts a file as our product has it done."""
        options = "--batch --no-tty --quiet --no-options --trust-model always --no-auto-key-locate --disable-dirmngr"
        algorithms = "--compress-algo none --cipher-algo AES256 --digest-algo SHA512"
        keys = ["--local-user", f"{self._signer}!", "--recipient", self._recipient]
        return [
            "gpg", "--homedir", str(self.home), *options.split(), *algorithms.split(), *keys,
            "--output", str(target), "--sign", "--encrypt", str(source),
        ]  # fmt: skip

    def seal(self, source: Path, target: Path) -> None:
        """Sign and encrypt a file."""
        command = self.command(source, target)
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_ENVIRONMENT)


@contextmanager
def gpg_home(party: Party) -> Iterator[Gpg]:
    """Yield a home that is gone afterwards."""
    with openpgp.home() as home:
        yield Gpg(home, party)


class Line:
    """A kept connection of paramiko's own SFTP client."""

    def __init__(self, far: Sshd) -> None:
        self._client = paramiko.SSHClient()
        self._client.get_host_keys().add(
            f"[{far.host}]:{far.port}",
            "ssh-ed25519",
            paramiko.PKey.from_type_string("ssh-ed25519", _blob(far)),
        )
        self._client.connect(
            far.host, far.port, far.user, key_filename=str(far.user_key), allow_agent=False, look_for_keys=False
        )
        self._sftp = self._client.open_sftp()
        self._inbox = far.inbox

    def deliver(self, sealed: Path, name: str) -> None:
        """Upload under a temporary name, measure, read back and compare, rename, look."""
        data, there = sealed.read_bytes(), str(self._inbox / f".{name}.alone")
        with self._sftp.open(there, "wx") as file:
            file.set_pipelined(pipelined=True)
            file.write(data)
        if self._sftp.stat(there).st_size != len(data):
            message = "the copy is short"
            raise RuntimeError(message)
        with self._sftp.open(there, "r") as file:
            file.prefetch(len(data))
            if hashlib.sha256(file.read()).digest() != hashlib.sha256(data).digest():
                message = "other bytes came back"
                raise RuntimeError(message)
        self._sftp.rename(there, str(self._inbox / f"{name}.alone"))
        self._sftp.stat(str(self._inbox / f"{name}.alone"))

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def _blob(far: Sshd) -> bytes:
    return bytes(paramiko.Ed25519Key.from_private_key_file(str(far.host_keys[0])).asbytes())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
