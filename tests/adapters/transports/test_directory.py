"""What only a folder can do wrong: full, read-only, without the rename we need. Conformance covers the rest."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from pathlib import Path

import pytest

from sealdrop.adapters.transports.directory import DirectoryOptions, DirectoryTransport
from sealdrop.core.delivery import Absent, Outcome, ProofLevel
from sealdrop.core.errors import PermanentFailure, RouteUnusable, TemporaryFailure
from sealdrop.ports.transport import Parcel
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver, make_parcel, names_in, next_attempt

CONTENT = os.urandom(50_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def transport(inbox: Path, clock: ManualClock) -> DirectoryTransport:
    return DirectoryTransport(DirectoryOptions(name="share", folder=inbox), clock)


@pytest.fixture
def parcel(tmp_path: Path, clock: ManualClock) -> Parcel:
    return make_parcel(tmp_path / "sealed", clock, CONTENT)


@pytest.fixture
def no_renameat2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not know RENAME_NOREPLACE, as NFS: the C library says EINVAL."""

    class Library:
        def renameat2(self, *_: object) -> int:
            ctypes.set_errno(errno.EINVAL)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())


def test_publishing_is_one_rename_where_the_file_system_can(transport: DirectoryTransport, parcel: Parcel) -> None:
    assert "rename" in deliver(transport, parcel).facts["published_by"]


@pytest.mark.usefixtures("no_renameat2")
def test_publishing_is_a_hard_link_elsewhere_and_overwrites_as_little(
    transport: DirectoryTransport, parcel: Parcel, inbox: Path
) -> None:
    assert "hard link" in deliver(transport, parcel).facts["published_by"]
    assert names_in(inbox) == [parcel.remote_name]
    (inbox / parcel.remote_name).write_bytes(b"theirs")

    with pytest.raises(PermanentFailure):
        deliver(transport, next_attempt(parcel))
    assert (inbox / parcel.remote_name).read_bytes() == b"theirs"
    assert transport.probe().ok
    assert names_in(inbox) == [parcel.remote_name]


@pytest.mark.usefixtures("no_renameat2")
def test_where_a_hard_link_publishes_a_copy_that_is_still_there_proves_nothing(
    transport: DirectoryTransport, parcel: Parcel, inbox: Path
) -> None:
    (inbox / f".sealdrop-{parcel.submission}-1").write_bytes(CONTENT)

    assert transport.find(parcel) == Absent(withdrawn=False)
    assert names_in(inbox) == []


def test_a_receiver_that_takes_the_file_at_once_ends_the_delivery(
    transport: DirectoryTransport, parcel: Parcel, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver acts while the folder is synced, after the rename and before the last look."""
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        (inbox / parcel.remote_name).unlink(missing_ok=True)

    monkeypatch.setattr(os, "fsync", fsync)

    assert deliver(transport, parcel).outcome is Outcome.TAKEN
    assert names_in(inbox) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, TemporaryFailure), (errno.EIO, TemporaryFailure), (errno.EROFS, RouteUnusable)],
    ids=errno.errorcode.get,
)
def test_trouble_of_the_far_side_is_never_trouble_with_our_own_disk(
    transport: DirectoryTransport,
    parcel: Parcel,
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[Exception],
) -> None:
    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    calls = Calls()

    with pytest.raises(TemporaryFailure) as caught:
        deliver(transport, parcel, calls)
    assert type(caught.value) is kind
    assert calls.commits == []
    assert names_in(inbox) == []


def test_a_folder_sync_that_fails_leaves_the_outcome_open(
    transport: DirectoryTransport, parcel: Parcel, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(fd: int) -> None:
        if os.path.samestat(os.fstat(fd), inbox.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    calls = Calls()

    with pytest.raises(TemporaryFailure) as caught:
        deliver(transport, parcel, calls)
    assert calls.commits == [ProofLevel.DIGEST]
    assert not caught.value.certain


def test_bytes_that_the_storage_changed_are_found_out(
    transport: DirectoryTransport, parcel: Parcel, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        os.pwrite(fd, b"\0\0\0\0\0\0\0\0", 100)

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(TemporaryFailure, match="other bytes"):
        deliver(transport, parcel)
    assert names_in(inbox) == []


def test_a_link_in_place_of_the_folder_is_refused(
    tmp_path: Path, parcel: Parcel, inbox: Path, clock: ManualClock
) -> None:
    (tmp_path / "link").symlink_to(inbox)
    transport = DirectoryTransport(DirectoryOptions(name="share", folder=tmp_path / "link"), clock)

    with pytest.raises(RouteUnusable):
        deliver(transport, parcel)
    assert names_in(inbox) == []


def test_a_pipe_under_the_final_name_does_not_block(transport: DirectoryTransport, parcel: Parcel, inbox: Path) -> None:
    os.mkfifo(inbox / parcel.remote_name)
    answered = threading.Event()

    def attempt() -> None:
        with pytest.raises(PermanentFailure):
            deliver(transport, parcel)
        answered.set()

    threading.Thread(target=attempt, daemon=True).start()
    assert answered.wait(10)
