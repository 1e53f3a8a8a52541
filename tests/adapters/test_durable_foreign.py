"""Reading files of others: never following, never blocking, never a mixture."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sealdrop.adapters.durable import Folder, Reading, file_system, is_remote, read_foreign
from sealdrop.core.errors import NotYet, StorageFailure, Unacceptable
from support.dying import fail_at, meddle_at
from support.spooling import sha256
from support.unprivileged import as_nobody
from support.waiting import wait_until

TERABYTE = 1 << 40


def _read(
    folder: Path,
    name: str = "a",
    *,
    max_bytes: int = 1 << 20,
    leases: bool = True,
    sink: Callable[[bytes], None] | None = None,
) -> tuple[Reading, bytes]:
    got = bytearray()

    def take(chunk: memoryview) -> None:
        got.extend(chunk)
        if sink is not None:
            sink(bytes(chunk))

    with Folder.open(folder) as opened:
        reading = read_foreign(opened, name, take, max_bytes=max_bytes, leases=leases)
    return reading, bytes(got)


@pytest.mark.parametrize("leases", [True, False])
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_001])
def test_a_plain_file_is_read_whole(tmp_path: Path, size: int, *, leases: bool) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)

    reading, got = _read(tmp_path, max_bytes=size, leases=leases)

    assert got == data
    assert reading == Reading(size=size, sha256=sha256(data), lease=leases)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _hard(path: Path) -> None:
    path.with_name("b").write_bytes(b"x")
    os.link(path.with_name("b"), path)


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, TERABYTE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_link, "a symbolic link"),
        (_dangling, "a symbolic link"),
        (_loop, "a symbolic link"),
        (os.mkfifo, "a named pipe"),
        (_socket, "a socket"),
        (os.mkdir, "a folder"),
        (_hard, "hard links"),
        (_huge, f"{TERABYTE} bytes are more"),
        (lambda _: None, "gone"),
    ],
)
def test_what_is_no_plain_file_of_its_own_is_refused_at_once(
    short_tmp: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(short_tmp / "a")
    got: list[bytes] = []

    started = time.monotonic()
    with pytest.raises(Unacceptable, match=reason):
        _read(short_tmp, sink=got.append)

    assert time.monotonic() - started < 5
    assert got == []


@pytest.mark.parametrize("make", [_link, os.mkfifo, os.mkdir, _hard, _huge, _socket])
def test_what_is_swapped_in_between_the_look_and_the_opening_is_refused_at_once(
    short_tmp: Path, make: Callable[[Path], None]
) -> None:
    path = short_tmp / "a"
    path.write_bytes(b"x")
    got: list[bytes] = []

    def swap() -> None:
        path.unlink()
        make(path)

    started = time.monotonic()
    with meddle_at(1, swap, ("open",)), pytest.raises(Unacceptable):  # the folder is opened first
        _read(short_tmp, sink=got.append)

    assert time.monotonic() - started < 5
    assert got == []


def test_one_byte_more_than_allowed_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    got: list[bytes] = []

    assert _read(tmp_path, max_bytes=11)[0].size == 11
    with pytest.raises(Unacceptable, match="11 bytes are more than the 10 allowed"):
        _read(tmp_path, max_bytes=10, sink=got.append)
    assert got == []


def test_a_file_that_may_not_be_read_is_refused(short_tmp: Path) -> None:
    (short_tmp / "a").write_bytes(b"x")
    (short_tmp / "a").chmod(0)
    short_tmp.chmod(0o755)

    with as_nobody(), pytest.raises(Unacceptable, match="EACCES"):
        _read(short_tmp)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _overwrite(path: Path) -> None:
    """Change bytes in place and put the times back, as a writer through a memory map may appear to do."""
    before = path.stat()
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, b"later", before.st_size - 5)
    os.close(fd)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [_append, _overwrite, lambda path: os.truncate(path, 5)])
def test_without_a_lease_a_change_during_the_reading_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2_500_000)
    chunks: list[bytes] = []

    def sink(chunk: bytes) -> None:
        chunks.append(chunk)
        if len(chunks) == 2:
            change(path)

    with pytest.raises(NotYet, match="changed"):
        _read(tmp_path, max_bytes=1 << 30, leases=False, sink=sink)


def test_without_a_lease_bytes_that_change_behind_the_reader_are_noticed_although_no_time_does(tmp_path: Path) -> None:
    """Times have the grain of a tick, and writers through a memory map leave none: only a second reading can tell."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2_500_000)
    frozen = path.stat()
    done: list[bool] = []

    def sink(_: bytes) -> None:
        if not done:
            done.append(True)
            _overwrite(path)
            fd = os.open(path, os.O_WRONLY)
            os.pwrite(fd, b"begin", 0)  # already read
            os.close(fd)

    real = os.fstat
    try:
        os.fstat = lambda fd: frozen if real(fd).st_ino == frozen.st_ino else real(fd)
        with pytest.raises(NotYet, match="changed"):
            _read(tmp_path, max_bytes=1 << 30, leases=False, sink=sink)
    finally:
        os.fstat = real


def test_a_file_that_grows_for_ever_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    got: list[int] = []

    def sink(chunk: bytes) -> None:
        got.append(len(chunk))
        with path.open("ab") as file:
            file.write(b"x" * 1000)

    with pytest.raises(Unacceptable, match="grew beyond"):
        _read(tmp_path, max_bytes=10_000, leases=False, sink=sink)
    assert sum(got) <= 10_000


def test_a_read_error_that_passes_is_ridden_out_and_one_that_lasts_condemns_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    with fail_at(0, errno.EIO, ("preadv",)):
        assert _read(tmp_path)[1] == b"x"

    real = os.preadv

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    try:
        os.preadv = broken
        with pytest.raises(Unacceptable, match="EIO"):
            _read(tmp_path)
    finally:
        os.preadv = real


def test_being_out_of_descriptors_is_no_fault_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    with fail_at(1, errno.EMFILE, ("open",)), pytest.raises(StorageFailure, match="EMFILE"):
        _read(tmp_path)


def test_a_name_swapped_under_the_reader_never_yields_what_a_link_points_to(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    shared = tmp_path / "shared"
    shared.mkdir()
    stop = threading.Event()

    def attack() -> None:
        kinds: list[Callable[[Path], object]] = [
            lambda p: p.write_bytes(b"harmless"),
            lambda p: p.symlink_to(secret),
            lambda p: os.link(secret, p),
            os.mkfifo,
        ]
        for turn in range(10_000_000):
            if stop.is_set():
                return
            bait = shared / "bait"
            kinds[turn % len(kinds)](bait)
            bait.rename(shared / "a")

    attacker = threading.Thread(target=attack)
    attacker.start()
    outcomes: set[str] = set()
    try:
        wait_until(lambda: os.path.lexists(shared / "a"), what="the first bait")
        for _ in range(500):
            try:
                got = _read(shared)[1]
                assert got == b"harmless"
                outcomes.add("read")
            except (NotYet, Unacceptable) as refusal:
                outcomes.add(type(refusal).__name__)
    finally:
        stop.set()
        attacker.join(10)
    assert "Unacceptable" in outcomes


MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:44 / /srv/with\\040space rw shared:7 master:3 - nfs4 host:/export rw
41 22 {} / /here rw - fuse.sshfs x rw
"""


def test_the_kind_of_file_system_is_found_by_its_device_number(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"

    table.write_text(MOUNTS.format(f"{os.major(device)}:{os.minor(device)}"))
    assert file_system(tmp_path, table) == "fuse.sshfs"
    table.write_text(MOUNTS.format("9:9"))
    assert file_system(tmp_path, table) == "unknown"


def test_memory_and_local_disks_are_not_remote(tmp_path: Path) -> None:
    assert file_system(Path("/dev/shm")) == "tmpfs"  # noqa: S108 - every Linux has it there
    assert not is_remote(Path("/dev/shm"))  # noqa: S108 - the same
    assert not is_remote(tmp_path)
    with pytest.raises(StorageFailure):
        is_remote(tmp_path / "missing")
