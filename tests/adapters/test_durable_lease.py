"""Read leases: no writer, or not yet; and a break never kills the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealdrop.adapters.durable import Folder, lease_available, read_foreign, read_lease
from sealdrop.core.errors import NotYet
from support.spooling import listing
from support.unprivileged import as_nobody, give_to_nobody
from support.waiting import wait_until


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def opened(sample: Path) -> Iterator[int]:
    fd = os.open(sample, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_file_that_nobody_writes_can_be_leased(sample: Path, opened: int) -> None:
    with read_lease(opened, sample) as lease:
        assert lease.held
        assert not lease.broken


def test_a_file_that_a_writer_has_open_is_not_ready(sample: Path, opened: int) -> None:
    with sample.open("ab"), pytest.raises(NotYet, match="writer"), read_lease(opened, sample):
        pass


def _open_for_writing(path: Path) -> threading.Thread:
    """Begin to open a file for writing; the kernel makes the opener wait for the lease."""

    def write() -> None:
        os.close(os.open(path, os.O_WRONLY))

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_writer_who_comes_during_the_lease_waits_and_is_noticed(sample: Path, opened: int) -> None:
    with read_lease(opened, sample) as lease:
        writer = _open_for_writing(sample)
        wait_until(lambda: lease.broken, what="the break")
        assert writer.is_alive()
    writer.join(10)
    assert not writer.is_alive()


def test_a_break_leaves_no_signal_behind_in_any_thread(sample: Path) -> None:
    """SIGIO's default action ends the process, so one that is still pending would be a time bomb."""
    pending: list[bool] = []

    def hold() -> None:
        fd = os.open(sample, os.O_RDONLY)
        with read_lease(fd, sample) as lease:
            writer = _open_for_writing(sample)
            wait_until(lambda: lease.broken, what="the break")
        writer.join(10)
        pending.append(signal.SIGIO in signal.sigpending())
        os.close(fd)

    hold()
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join(20)
    assert pending == [False, False]
    assert signal.SIGIO not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_that_sets_no_handler_survives_a_break(sample: Path) -> None:
    script = f"""
import os, subprocess, time
from pathlib import Path
from sealdrop.adapters.durable import read_lease
path = Path({str(sample)!r})
fd = os.open(path, os.O_RDONLY)
with read_lease(fd, path) as lease:
    writer = subprocess.Popen(["sh", "-c", f"exec 3>>{{path}}"])
    end = time.monotonic() + 10
    while not lease.broken:
        assert time.monotonic() < end
writer.wait()
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_truncation_during_the_reading_is_noticed(sample: Path) -> None:
    sample.write_bytes(b"x" * 5_000_000)
    threads: list[threading.Thread] = []

    def sink(_: memoryview) -> None:
        if not threads:
            threads.append(threading.Thread(target=os.truncate, args=(sample, 3)))
            threads[0].start()
            wait_until(lambda: not _leasable(sample), what="the break")

    with Folder.open(sample.parent) as folder, pytest.raises(NotYet, match="changed"):
        read_foreign(folder, sample.name, sink, max_bytes=10_000_000)
    threads[0].join(10)


def _leasable(path: Path) -> bool:
    """Tell whether the kernel grants another lease; it does not while one is being broken."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with read_lease(fd, path):
            return True
    except NotYet:
        return False
    finally:
        os.close(fd)


def test_the_file_of_another_owner_needs_a_capability(short_tmp: Path) -> None:
    short_tmp.chmod(0o755)
    foreign = short_tmp / "foreign"
    foreign.write_bytes(b"x")
    own = short_tmp / "own"
    own.write_bytes(b"x")
    foreign.chmod(0o644)
    give_to_nobody(own)
    as_root = os.geteuid() == 0
    assert lease_available(foreign)

    with as_nobody():
        assert lease_available(own)
        if as_root:
            assert not lease_available(foreign)


def test_a_folder_is_tried_with_a_file_of_our_own_that_does_not_stay(tmp_path: Path) -> None:
    assert lease_available(tmp_path)
    assert listing(tmp_path) == []
