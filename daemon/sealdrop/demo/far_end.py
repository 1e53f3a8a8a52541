"""The far end of the demonstration: an SFTP server on loopback with throw-away keys.

OpenSSH's ``sshd`` where it is installed, since that is what most relays run; else an embedded one (asyncssh), so that
the demonstration needs no server of the system. Both accept the one key made here, for the user who runs it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import Unreachable

HOST = "127.0.0.1"
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FarEnd:
    """A running server: where it is, its host key, who may log in with which key, and the folder files go to."""

    software: str
    port: int
    host_key: str
    user: str
    user_key: Path
    inbox: Path


@contextmanager
def far_end(folder: Path) -> Iterator[FarEnd]:
    """Run an SFTP server while the block lasts.

    Args:
        folder: a private folder for its keys and its inbox.

    Raises:
        Unreachable: no server could be started.
    """
    inbox = folder / "inbox"
    inbox.mkdir()
    host_key, user_key = _make_ssh_key(folder / "host_key"), _make_ssh_key(folder / "user_key")
    port = _free_port()
    sshd = shutil.which("sshd", path=_with_sbin(os.environ.get("PATH", os.defpath)))
    serve = _openssh(sshd, folder, port) if sshd is not None else _embedded(folder, port)
    with serve as software:
        yield FarEnd(
            software=software,
            port=port,
            host_key=" ".join(host_key.with_suffix(".pub").read_text().split()[:2]),
            user=getpass.getuser(),
            user_key=user_key,
            inbox=inbox,
        )


def _with_sbin(path: str) -> str:
    """Return a PATH with the ``sbin`` beside each ``bin``, which Debian leaves out of an ordinary user's."""
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    beside = [folder.with_name("sbin") for folder in folders if folder.name == "bin"]
    return os.pathsep.join(map(str, [*folders, *beside]))


@contextmanager
def _openssh(sshd: str, folder: Path, port: int) -> Iterator[str]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    lines = (
        f"Port {port}",
        f"ListenAddress {HOST}",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "PidFile none",
        "Subsystem sftp internal-sftp",
    )
    settings = folder / "sshd_config"
    settings.write_text("\n".join(lines) + "\n")
    command = [sshd, "-D", "-f", str(settings), "-E", str(folder / "sshd.log")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603 - fixed arguments
        try:
            _wait_for(port)
            yield "OpenSSH sshd"
        finally:
            process.terminate()


@contextmanager
def _embedded(folder: Path, port: int) -> Iterator[str]:
    try:
        import asyncssh  # noqa: PLC0415 - a development dependency, wanted only without an sshd
    except ImportError as error:
        hint = "Install Debian's openssh-server, or the development requirements"
        raise Unreachable("there is neither an sshd nor asyncssh", where="demo", hint=hint) from error
    import asyncio  # noqa: PLC0415 - the same

    ready, end = threading.Event(), threading.Event()

    async def serve() -> None:
        server = await asyncssh.listen(
            HOST,
            port,
            server_host_keys=[str(folder / "host_key")],
            authorized_client_keys=str(folder / "user_key.pub"),
            sftp_factory=True,
        )
        ready.set()
        await asyncio.to_thread(end.wait)
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="demo-sftp")
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise Unreachable("the embedded SFTP server did not start", where="demo")
        yield "embedded asyncssh"
    finally:
        end.set()
        thread.join()


def _make_ssh_key(path: Path) -> Path:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - what paramiko brings, only for the demo
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - the same

    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b" demo\n")
    return path


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise Unreachable("the SFTP server did not start", where=f"{HOST}:{port}")
