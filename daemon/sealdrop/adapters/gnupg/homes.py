"""Private GnuPG homes on the runtime folder, and an end to everything that runs in them.

Every sealer owns one folder ``<runtime>/s<random>/`` with numbered homes in it, mode 0700. It holds a lock on the file
``lock`` there for as long as it lives; the kernel lets go of it however the process ends. So whoever starts next can
tell a living sealer's folder from a dead one's, ends the agents that the dead one left, and removes its keys.

One home has one agent, and an agent signs one file at a time: several homes are what makes sealing parallel. Agents
are found by their command line, which names the home, and killed through a pidfd, so a frozen one ends as well and a
reused process id is never hit. Fails with ``ConfigurationError`` when the runtime folder will not do, and with
``NoSpace`` or ``StorageFailure`` when it cannot be written.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealdrop.adapters.durable import guarding, shown, write_new
from sealdrop.core.errors import ConfigurationError, Problem, StorageFailure

_MAX_SOCKET_PATH = 107  # sun_path of Linux, less the closing zero
_LONGEST_SOCKET = "/s123456/99/S.gpg-agent.browser"
_END_SECONDS = 5.0
_OURS = re.compile(r"s[0-9a-f]{6}")  # nothing else in the runtime folder is touched

_AGENT_CONF = """\
allow-loopback-pinentry
auto-expand-secmem
disable-scdaemon
no-allow-external-cache
pinentry-program /bin/false
"""
# Known to be weak against guessing, so only for passphrases of 128 random bits and more, which nobody guesses. Without
# it the agent stretches anew for every signature until that takes 0.1 s or more: 275 ms a file instead of 6.
_FAST_UNLOCK = "s2k-count 65536\n"


class Homes:
    """The homes of one sealer, made empty; ``close`` ends their agents and removes them."""

    def __init__(self, runtime: Path, count: int, *, fast_unlock: bool) -> None:
        """Remove what dead processes left, then make ``count`` homes.

        Raises:
            ConfigurationError: the runtime folder is open to others, or its path is too long for a socket.
            NoSpace, StorageFailure: it cannot be written.
        """
        _refuse_unfit(runtime)
        self.folder = runtime / f"s{secrets.token_hex(3)}"
        self.paths = tuple(self.folder / str(number) for number in range(count))
        self._lock = -1
        with guarding("make the private GnuPG homes in", runtime), _alone(runtime):
            _remove_dead(runtime)
            try:
                self._make(_AGENT_CONF + (_FAST_UNLOCK if fast_unlock else ""))
            except BaseException:
                self.close()
                raise

    def _make(self, agent_conf: str) -> None:
        self.folder.mkdir(mode=0o700)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in self.paths:
            path.mkdir(mode=0o700)
            write_new(path / "gpg-agent.conf", agent_conf.encode())

    def close(self) -> None:
        """End every process in the homes and remove them; safe to call twice."""
        if self._lock >= 0:
            end_processes(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            fd, self._lock = self._lock, -1
            os.close(fd)


def end_processes(folder: Path) -> None:
    """Kill every GnuPG process whose home is ``folder`` or in it, and wait until each is gone.

    Raises:
        StorageFailure: one cannot be ended, so its keys cannot be removed.
    """
    for pid in _processes_in(folder):
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not _is_in(pid, folder):
                continue  # the process id went to somebody else meanwhile
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            gone = select.poll()
            gone.register(fd, select.POLLIN)
            if not gone.poll(_END_SECONDS * 1000):
                raise StorageFailure(
                    f"process {pid} of GnuPG does not end", where=shown(folder), hint="End it by hand, then start again"
                )
        finally:
            os.close(fd)


def _processes_in(folder: Path) -> Iterator[int]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough, thousands of them
        if name.isdecimal() and _is_in(int(name), folder):
            yield int(name)


def _is_in(pid: int, folder: Path) -> bool:
    """Tell whether a process of ours was started with ``--homedir`` at or below ``folder``."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        home = Path(os.fsdecode(words[words.index(b"--homedir") + 1]))
        return home.is_relative_to(folder) and Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    except (OSError, ValueError, IndexError):
        return False  # gone, not ours to read, or no GnuPG process


def _refuse_unfit(runtime: Path) -> None:
    long = len(os.fsencode(runtime)) + len(_LONGEST_SOCKET)
    if long > _MAX_SOCKET_PATH or not runtime.is_absolute():
        spare = _MAX_SOCKET_PATH - len(_LONGEST_SOCKET)
        what = (
            f"{shown(runtime)} is too long (or not absolute): an agent's socket in it may have {_MAX_SOCKET_PATH} bytes"
        )
        raise ConfigurationError([Problem(path="runtime", what=what, hint=f"Use a path of at most {spare} bytes")])
    with guarding("make the runtime folder", runtime):
        runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = runtime.lstat()
    if not runtime.is_dir() or runtime.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        what = f"{shown(runtime)} must be a folder of the agent's own user that nobody else may write"
        raise ConfigurationError(
            [Problem(path="runtime", what=what, hint="Let the service manager make it, mode 0700")]
        )


@contextmanager
def _alone(runtime: Path) -> Iterator[None]:
    """Hold the runtime folder itself locked, so nobody takes a folder for dead between its making and its lock."""
    fd = os.open(runtime, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _remove_dead(runtime: Path) -> None:
    for folder in sorted(path for path in runtime.iterdir() if _OURS.fullmatch(path.name)):
        try:
            fd = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            fd = -1  # it died before it had a lock; nobody alive can be that far, since we are alone
        try:
            if fd >= 0:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_processes(folder)
            shutil.rmtree(folder)
        except BlockingIOError:
            continue  # its owner lives
        finally:
            if fd >= 0:
                os.close(fd)
