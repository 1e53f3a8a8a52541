"""A real OpenSSH server for tests and the demo: loopback only, throw-away keys, everything below one folder.

It runs as root and as an ordinary user alike: the only account that may log in is the one that started it, with
the one key made here. The port is chosen by the kernel and kept over ``stop`` and ``start``, so a server can be
taken down, replaced (``new_host_key``), frozen, or have its sessions cut while a client keeps its address.
A missing ``sshd`` raises: a test that needs one must fail, not be skipped.

    with Sshd(tmp_path / "far") as far:
        far.host, far.port, far.user, far.user_key, far.pin, far.inbox
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import wait_until

HOST = "127.0.0.1"
_PRIVILEGE_SEPARATION = Path("/run/sshd")  # sshd refuses to start as root without it
_START_TRIES = 5  # between choosing a port and binding it another process may take it


def require(program: str) -> str:
    """Return the full path of a program that a server or a test needs.

    Raises:
        RuntimeError: it is not installed.
    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = f"{program} is not installed (Debian: openssh-server, openssh-client)"
        raise RuntimeError(message)
    return found


def make_key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    """Make a key pair ``path`` and ``path.pub``, replacing an older one, and return ``path``."""
    for old in (path, path.with_name(path.name + ".pub")):
        old.unlink(missing_ok=True)
    command = [require("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-C", "throw-away", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public_part(key: Path) -> str:
    """Return ``TYPE BASE64`` of a key made here."""
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])


class Sshd:
    """One sshd with one account, one authorised key and an ``inbox`` folder.

    Args:
        folder: everything lives below it; made when absent.
        sftp_arguments: of the internal SFTP server, for example ``("-R",)`` (read only) or ``("-P", "fsync")``.
        host_key_types: one host key each, in this order.
        configuration: further lines of sshd_config.
    """

    host = HOST

    def __init__(
        self,
        folder: Path,
        *,
        sftp_arguments: Iterable[str] = (),
        host_key_types: Iterable[str] = ("ed25519",),
        configuration: Iterable[str] = (),
    ) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.user = getpass.getuser()
        self.port = 0
        self._sftp_arguments = tuple(sftp_arguments)
        self._configuration = tuple(configuration)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "sshd.log"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.user_key = make_key(folder / "user_key")
        self.host_keys = [make_key(folder / f"host_{kind}", kind) for kind in host_key_types]
        self._authorised = folder / "authorized_keys"
        self.authorise(self.user_key)

    @property
    def pins(self) -> tuple[str, ...]:
        """known_hosts lines of this server, one for each host key."""
        return tuple(f"[{self.host}]:{self.port} {public_part(key)}" for key in self.host_keys)

    @property
    def pin(self) -> str:
        """The known_hosts line of the first host key."""
        return self.pins[0]

    @property
    def log(self) -> str:
        """What sshd said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def authorise(self, *keys: Path) -> None:
        """Let exactly these keys log in."""
        self._authorised.write_text("".join(f"{public_part(key)}\n" for key in keys))
        self._authorised.chmod(0o600)

    def new_host_key(self) -> None:
        """Replace every host key; takes effect at the next ``start``."""
        for key in self.host_keys:
            make_key(key, key.name.removeprefix("host_"))

    def start(self) -> None:
        """Start it and return when it listens, on the same port as before when there was one.

        Raises:
            RuntimeError: it did not come up; the message carries its log.
        """
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        for _ in range(1 if self.port else _START_TRIES):
            port = self.port or _free_port()
            if self._launch(port):
                self.port = port
                return
        message = f"sshd did not start: {self.log}"
        raise RuntimeError(message)

    def stop(self) -> None:
        """End the server and every session of it at once, as a power cut would."""
        if self._process is None:
            return
        victims = [self._process.pid, *_descendants(self._process.pid)]
        _signal(victims, signal.SIGKILL)
        self._process.wait()
        self._process = None
        wait_until(lambda: not any(_alive(pid) for pid in victims), what="the end of every sshd session")

    def cut(self) -> None:
        """Kill all sessions but keep listening."""
        victims = self.sessions()
        _signal(victims, signal.SIGKILL)
        wait_until(lambda: not any(_alive(pid) for pid in victims), what="the end of every sshd session")

    def sessions(self) -> list[int]:
        """Return the process ids that serve connections now."""
        return _descendants(self._process.pid) if self._process else []

    def freeze(self) -> None:
        """Stop answering without closing anything (SIGSTOP), sessions included."""
        if self._process is not None:
            _signal([self._process.pid, *self.sessions()], signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after ``freeze``."""
        if self._process is not None:
            _signal([self._process.pid, *self.sessions()], signal.SIGCONT)

    def logins(self) -> int:
        """Count the logins that succeeded so far."""
        return self.log.count("Accepted publickey") + self.log.count("Accepted password")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _launch(self, port: int) -> bool:
        settings = self.folder / "sshd_config"
        settings.write_text("\n".join(self._lines(port)) + "\n")
        already = self.log.count("Server listening")
        process = subprocess.Popen(
            [require("sshd"), "-D", "-f", str(settings), "-E", str(self._log)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(
            lambda: self.log.count("Server listening") > already or process.poll() is not None, what="a listening sshd"
        )
        if process.poll() is not None:
            return False
        self._process = process
        return True

    def _lines(self, port: int) -> list[str]:
        return [
            f"Port {port}",
            f"ListenAddress {self.host}",
            *(f"HostKey {key}" for key in self.host_keys),
            f"AuthorizedKeysFile {self._authorised}",
            f"AllowUsers {self.user}",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "UseDNS no",
            "StrictModes no",  # temporary folders may be group-writable
            "PidFile none",
            "LogLevel VERBOSE",
            "MaxStartups 200",
            " ".join(("Subsystem sftp internal-sftp", *self._sftp_arguments)),
            *self._configuration,
        ]


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port


def _descendants(ancestor: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        more = children.get(waiting.pop(), [])
        found.extend(more)
        waiting.extend(more)
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
