"""What every benchmark shares: an installation to measure, accounts of processes, statistics, the words of a report.

Nothing here asserts a time. A figure of one machine means little, so everything is printed as a series (median, least,
most) beside whatever it is to be compared with, measured in the same run; ``heading`` says on what.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import io
import os
import platform
import re
import select
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sealdrop import __version__
from support.house import House
from support.openpgp import Party

MIB = 1 << 20
PAIRS = 3
#: The kernel's unit of processor time, and where user and system time of a process and its children stand.
_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
_SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs")
_MOVED_TO = 0x80


def say(text: str = "") -> None:
    """Print a line of the report at once."""
    print(text, flush=True)  # noqa: T201 - a report is what a benchmark is for


def heading(title: str) -> None:
    """Begin a report: what is measured, on what, with which programs, when."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    gpg, ssh = _first_line("gpg", "--version"), _first_line("ssh", "-V")
    say(f"### {title}")
    say(f"machine   {os.cpu_count()} x {model[1] if model else platform.machine()}, Linux {platform.release()}")
    say(f"versions  sealdrop {__version__}, Python {platform.python_version()}, {gpg}, {ssh}, "
        f"SQLite {sqlite3.sqlite_version}")  # fmt: skip
    say(f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f} before the run")
    say()


@dataclass(frozen=True, slots=True)
class Series:
    """Measurements of one thing, in any unit."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The best guess at what a quiet machine does."""
        return min(self.values)

    def percentile(self, share: float) -> float:
        """Return the least value that ``share`` of all do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def shown(self, unit: str, scale: float = 1.0) -> str:
        """Return median, least and most as words."""
        low, high = min(self.values) * scale, max(self.values) * scale
        return f"median {self.median * scale:8.2f} {unit}   least {low:8.2f}   most {high:8.2f}"


def ratio(ours: float, theirs: float) -> str:
    """Return how ours compares, as words."""
    return f"{ours / theirs:.2f} x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run cost: seconds on the wall, and seconds of processor on this side of the line."""

    wall: float
    cpu: float


def run(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a program to its end and return its cost, that of every process it waited for included.

    Its largest size is not told: the kernel counts ours in, from before it began.

    Raises:
        RuntimeError: it failed; the message carries what it said.
    """
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **(environment or {})}
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            message = f"{command[0]} ended with {process.returncode}: {said.read().decode(errors='replace')[-2000:]}"
            raise RuntimeError(message)
    return Cost(wall=wall, cpu=used.ru_utime + used.ru_stime)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time of running processes and of the children they waited for."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[_TIMES]))
    return ticks / _TICKS


def resident(pid: int, what: str = "VmRSS") -> int:
    """Return the resident size of a process in bytes; ``VmHWM`` is its largest so far."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def gpg_agents(below: Path) -> list[int]:
    """Return the gpg-agents whose homes are below a folder; they are nobody's children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"gpg-agent") and any(word.startswith(bytes(below)) for word in words):
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty private folder with a short path, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sdb-", dir="/tmp"))  # private; a socket's path must be short
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def installation(party: Party, changes: Mapping[str, object] | None = None) -> Iterator[House]:
    """Yield a whole installation with its far end, its agent not started; all of it is gone afterwards."""
    with scratch() as folder:
        house = House(folder, party=party, changes=changes)
        house.__enter__()
        try:
            yield house
        finally:
            with contextlib.redirect_stdout(io.StringIO()):  # it shows the journal, as a failed test wants it
                house.__exit__(None, None, None)


def agent_pid(house: House) -> int:
    """Return the process id of a started agent."""
    if house.agent is None:
        message = "the agent was not started"
        raise RuntimeError(message)
    return house.agent.pid


class Arrivals:
    """Counts files that are renamed into a folder, by inotify: no polling that would take processor time from others.

    Args:
        folder: watched from now on.
        suffix: what the names of interest end in.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self._libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC)
        self._suffix = suffix.encode()
        self.count = 0
        if self._fd < 0 or self._libc.inotify_add_watch(self._fd, bytes(folder), _MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify", str(folder))

    def wait(self, count: int, seconds: float) -> None:
        """Return when so many have come since the beginning.

        Raises:
            TimeoutError: they did not come in time.
        """
        deadline = time.monotonic() + seconds
        while self.count < count:
            ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                message = f"{self.count} of {count} came within {seconds:.0f} s"
                raise TimeoutError(message)
            self._take(os.read(self._fd, 1 << 16))

    def _take(self, data: bytes) -> None:
        while data:  # struct inotify_event: wd, mask, cookie, len, name padded with zeros
            length = int.from_bytes(data[12:16], "little")
            self.count += data[16 : 16 + length].rstrip(b"\0").endswith(self._suffix)
            data = data[16 + length :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class Syncs:
    """Counts the syncs of a running process and all it starts, by strace; its times are worth nothing meanwhile."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._table = folder / "syncs.strace"
        command = ["strace", "-f", "-c", "-e", f"trace={','.join(_SYNCS)}", "-o", str(self._table), "-p", str(pid)]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        if self._strace.stderr is not None:
            self._strace.stderr.readline()  # "attached": from now on nothing is missed
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._strace.send_signal(signal.SIGINT)
        self._strace.communicate()
        self.count = counted_syncs(self._table)


def counted_syncs(table: Path) -> int:
    """Return how many syncs a table of ``strace -c`` holds."""
    rows = [line.split() for line in table.read_text().splitlines()]
    return sum(int(row[3]) for row in rows if row and row[-1] in _SYNCS)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].partition(",")[0].replace("gpg (GnuPG)", "gpg")
