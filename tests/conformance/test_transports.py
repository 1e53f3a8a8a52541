"""The contract of ``ports.transport.Transport``, run against every transport and, for SFTP, two unrelated servers.

Each test sees the far end as the receiver does: as a folder. What a single transport or server can do beyond the
contract is tested in ``tests/adapters/transports``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sealdrop.adapters.transports.directory import DirectoryOptions, DirectoryTransport
from sealdrop.adapters.transports.guarded import Guarded
from sealdrop.adapters.transports.sftp import SftpOptions, SftpTransport
from sealdrop.adapters.transports.sftp.multiplexer import WRITE_PAYLOAD
from sealdrop.adapters.transports.sftp.upload import AT_ONCE
from sealdrop.core.delivery import Absent, Conflict, Found, Outcome, ProofLevel
from sealdrop.core.errors import PermanentFailure, RouteUnusable, StorageFailure
from sealdrop.ports.transport import Parcel, Transport
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver, make_parcel, names_in, next_attempt
from support.sftp_server import ScriptedSftp
from support.sshd import Sshd

CONTENT = bytes(range(256)) * 40
OTHER = CONTENT[::-1]
DAY = 24 * 3600


@dataclass(frozen=True)
class Far:
    """A transport, the folder it delivers to, and what makes parcels for it."""

    transport: Any  # a Transport that also sweeps
    inbox: Path
    clock: ManualClock
    sealed: Path

    def parcel(self, content: bytes = CONTENT, name: str = "ADT.csv.pgp") -> Parcel:
        return make_parcel(self.sealed, self.clock, content, name)


@dataclass(frozen=True)
class Place:
    """Where a kind of transport can deliver to, for a whole module."""

    kind: str
    root: Path
    server: Sshd | ScriptedSftp | None

    def transport(self, folder: Path, clock: ManualClock) -> Transport:
        if self.server is None:
            return DirectoryTransport(DirectoryOptions(name="relay", folder=folder), clock)
        options = SftpOptions(
            name="relay",
            host=self.server.host,
            port=self.server.port,
            user=self.server.user,
            host_keys=self.server.pins,
            private_key=self.server.user_key,
            folder=str(folder),
        )
        return SftpTransport(options, clock)


@pytest.fixture(params=["directory", "sftp at OpenSSH", "sftp at asyncssh", "guarded sftp"], scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("far")
    with ExitStack() as stack:
        server: Sshd | ScriptedSftp | None = None
        if request.param == "sftp at asyncssh":
            server = stack.enter_context(ScriptedSftp(root))
        elif request.param != "directory":
            server = stack.enter_context(Sshd(root))
        yield Place(kind=request.param, root=root, server=server)


@pytest.fixture
def far(place: Place, tmp_path: Path) -> Iterator[Far]:
    inbox = place.root / f"inbox-{tmp_path.name}"
    inbox.mkdir()
    clock = ManualClock()
    transport = place.transport(inbox, clock)
    used = Guarded(transport, clock=clock) if place.kind == "guarded sftp" else transport
    yield Far(transport=used, inbox=inbox, clock=clock, sealed=tmp_path / "sealed")
    used.close()
    shutil.rmtree(inbox)


class CalledOff(Exception):
    """What a caller raises from its callbacks; no transport knows it."""


def only_temporary(folder: Path) -> Path:
    (name,) = names_in(folder)
    return folder / name


def leave_a_copy(far: Far, parcel: Parcel) -> Path:
    """Leave what a process that was killed right before publishing leaves behind."""
    kept = far.sealed / "kept"

    def commit(_: ProofLevel) -> None:
        os.link(only_temporary(far.inbox), kept)
        kept.with_suffix(".name").write_text(only_temporary(far.inbox).name)
        raise CalledOff

    with pytest.raises(CalledOff):
        far.transport.deliver(parcel, commit=commit, progress=lambda _: None)
    return kept.rename(far.inbox / kept.with_suffix(".name").read_text())


def test_a_delivered_file_is_there_with_its_bytes_and_nothing_else_is(far: Far) -> None:
    parcel, calls = far.parcel(), Calls()

    receipt = deliver(far.transport, parcel, calls)

    assert names_in(far.inbox) == [parcel.remote_name]
    assert (far.inbox / parcel.remote_name).read_bytes() == CONTENT
    assert (receipt.outcome, receipt.proof) == (Outcome.SENT, ProofLevel.DIGEST)
    assert (receipt.size, receipt.sha256, receipt.remote_name) == (parcel.size, parcel.sha256, parcel.remote_name)
    assert receipt.transport == far.transport.name == "relay"
    assert receipt.location.endswith(f"{far.inbox}/{parcel.remote_name}")
    assert receipt.proven_at == far.clock.now()
    assert calls.commits == [receipt.proof]
    assert calls.done == sorted(calls.done)
    assert calls.done[-1] == parcel.size


@pytest.mark.parametrize(
    "size",
    [0, 1, WRITE_PAYLOAD - 1, WRITE_PAYLOAD, WRITE_PAYLOAD + 1, AT_ONCE, AT_ONCE + 1, 17 * WRITE_PAYLOAD, 3_000_000],
)
def test_every_size_arrives_whole(far: Far, size: int) -> None:
    content = os.urandom(size)
    parcel = far.parcel(content)

    receipt = deliver(far.transport, parcel)

    assert (far.inbox / parcel.remote_name).read_bytes() == content
    assert receipt.proof is ProofLevel.DIGEST


def test_at_the_commit_the_copy_is_whole_and_nothing_is_visible(far: Far) -> None:
    parcel = far.parcel()
    seen: list[tuple[bool, bytes, bool]] = []

    def commit(_: ProofLevel) -> None:
        copy = only_temporary(far.inbox)
        visible = (far.inbox / parcel.remote_name).exists()
        seen.append((visible, copy.read_bytes(), parcel.submission in copy.name))

    far.transport.deliver(parcel, commit=commit, progress=lambda _: None)

    assert seen == [(False, CONTENT, True)]


def test_the_copy_is_readable_by_its_owner_alone(far: Far) -> None:
    parcel = far.parcel()

    deliver(far.transport, parcel)

    assert (far.inbox / parcel.remote_name).stat().st_mode & 0o777 == 0o600


def test_a_commit_that_raises_leaves_nothing_and_its_error_unchanged(far: Far) -> None:
    called_off = CalledOff()

    def commit(_: ProofLevel) -> None:
        raise called_off

    with pytest.raises(CalledOff) as caught:
        far.transport.deliver(far.parcel(), commit=commit, progress=lambda _: None)

    assert caught.value is called_off
    assert names_in(far.inbox) == []


@pytest.mark.parametrize("size", [len(CONTENT), 3_000_000], ids=["in one flight", "in pieces"])
def test_progress_that_raises_calls_the_upload_off_before_the_commit(far: Far, size: int) -> None:
    calls, called_off = Calls(), OSError("not of the file system")  # even one that looks like the far end's

    def progress(_: int) -> None:
        raise called_off

    with pytest.raises(Exception, match="not of the file system") as caught:
        far.transport.deliver(far.parcel(bytes(size)), commit=calls.commit, progress=progress)

    assert caught.value is called_off
    assert calls.commits == []
    assert names_in(far.inbox) == []


def test_a_file_that_is_there_already_with_equal_bytes_is_found_and_not_touched(far: Far) -> None:
    parcel, calls = far.parcel(), Calls()
    deliver(far.transport, parcel)
    before = (far.inbox / parcel.remote_name).stat()

    receipt = deliver(far.transport, next_attempt(parcel), calls)

    after = (far.inbox / parcel.remote_name).stat()
    assert (receipt.outcome, receipt.proof) == (Outcome.FOUND, ProofLevel.DIGEST)
    assert calls.commits == []
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names_in(far.inbox) == [parcel.remote_name]


@pytest.mark.parametrize("there", [OTHER, CONTENT[:-1], CONTENT + b"x", b""], ids=["other", "less", "more", "none"])
def test_other_bytes_under_the_final_name_are_a_conflict_and_never_overwritten(far: Far, there: bytes) -> None:
    parcel, calls = far.parcel(), Calls()
    (far.inbox / parcel.remote_name).write_bytes(there)

    with pytest.raises(PermanentFailure, match="taken"):
        deliver(far.transport, parcel, calls)

    assert calls.commits == []
    assert (far.inbox / parcel.remote_name).read_bytes() == there
    assert names_in(far.inbox) == [parcel.remote_name]
    assert isinstance(far.transport.find(parcel), Conflict)


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "link to equal bytes"])
def test_what_is_no_file_under_the_final_name_is_a_conflict(far: Far, kind: str) -> None:
    parcel, calls = far.parcel(), Calls()
    final = far.inbox / parcel.remote_name
    if kind == "folder":
        final.mkdir()
    else:
        final.symlink_to(parcel.path if kind == "link to equal bytes" else "nowhere")

    with pytest.raises(PermanentFailure, match="taken"):
        deliver(far.transport, parcel, calls)

    assert calls.commits == []
    assert names_in(far.inbox) == [parcel.remote_name]
    assert final.is_symlink() or final.is_dir()
    assert isinstance(far.transport.find(parcel), Conflict)


def test_other_bytes_that_appear_after_the_look_are_not_overwritten(far: Far) -> None:
    parcel = far.parcel()

    with pytest.raises(PermanentFailure, match="taken"):
        far.transport.deliver(
            parcel, commit=lambda _: bool((far.inbox / parcel.remote_name).write_bytes(OTHER)), progress=lambda _: None
        )

    assert (far.inbox / parcel.remote_name).read_bytes() == OTHER
    assert names_in(far.inbox) == [parcel.remote_name]


def test_equal_bytes_that_appear_after_the_look_are_found(far: Far) -> None:
    """So does a rename of an earlier attempt of ours that was executed late."""
    parcel = far.parcel()

    receipt = far.transport.deliver(
        parcel, commit=lambda _: bool((far.inbox / parcel.remote_name).write_bytes(CONTENT)), progress=lambda _: None
    )

    assert receipt.outcome is Outcome.FOUND
    assert names_in(far.inbox) == [parcel.remote_name]


def test_find_tells_present_from_absent(far: Far) -> None:
    parcel = far.parcel()

    assert far.transport.find(parcel) == Absent(withdrawn=False)
    deliver(far.transport, parcel)
    look = far.transport.find(next_attempt(parcel))

    assert isinstance(look, Found)
    assert (look.receipt.outcome, look.receipt.proof) == (Outcome.FOUND, ProofLevel.DIGEST)
    assert look.receipt.sha256 == parcel.sha256
    assert far.transport.traits.can_look


def test_find_withdraws_the_copy_of_a_cut_attempt_before_it_says_absent(far: Far) -> None:
    parcel = far.parcel()
    copy = leave_a_copy(far, parcel)

    look = far.transport.find(next_attempt(parcel))

    assert look == Absent(withdrawn=True)
    assert not copy.exists(), "a rename still on its way finds nothing to move"


def test_whoever_asks_again_gets_the_same_answer(far: Far) -> None:
    """We may die between the answer and its booking, any number of times."""
    parcel = far.parcel()
    leave_a_copy(far, parcel)

    assert [far.transport.find(next_attempt(parcel)) for _ in range(3)] == [Absent(withdrawn=True)] * 3
    assert deliver(far.transport, replace(parcel, attempt=2)).outcome is Outcome.SENT
    assert names_in(far.inbox) == [parcel.remote_name], "and what was set aside is gone"


def test_what_was_set_aside_says_nothing_of_a_later_attempt(far: Far) -> None:
    parcel = far.parcel()
    leave_a_copy(far, parcel)
    far.transport.find(parcel)
    second = replace(parcel, attempt=2)
    deliver(far.transport, second)
    (far.inbox / parcel.remote_name).unlink()  # the receiver took it, and its answer was lost

    assert far.transport.find(second) == Absent(withdrawn=False)


def test_find_prefers_what_is_visible_and_tidies_up(far: Far) -> None:
    parcel = far.parcel()
    leave_a_copy(far, parcel)
    (far.inbox / parcel.remote_name).write_bytes(CONTENT)

    assert isinstance(far.transport.find(parcel), Found)
    assert names_in(far.inbox) == [parcel.remote_name]


def test_an_attempt_removes_the_copies_of_earlier_ones_and_no_others(far: Far) -> None:
    parcel, stranger = far.parcel(), far.parcel(OTHER, "other.pgp")
    theirs = leave_a_copy(far, stranger)
    shutil.move(theirs, far.sealed / "theirs")
    first = leave_a_copy(far, parcel)
    second = replace(parcel, attempt=2)
    shutil.copy(first, far.inbox / first.name.replace("-1", "-2"))  # of this very attempt, cut before
    shutil.move(far.sealed / "theirs", theirs)
    (far.inbox / f"{first.name}.bak").write_bytes(b"not a name of ours")

    receipt = deliver(far.transport, second)

    assert receipt.outcome is Outcome.SENT
    assert names_in(far.inbox) == sorted([parcel.remote_name, theirs.name, f"{first.name}.bak"])


def test_a_link_planted_under_our_temporary_name_is_not_followed(far: Far) -> None:
    parcel, victim = far.parcel(), far.inbox / "victim"
    copy = leave_a_copy(far, parcel)
    copy.unlink()
    victim.write_bytes(OTHER)
    copy.symlink_to(victim)

    receipt = deliver(far.transport, parcel)

    assert receipt.outcome is Outcome.SENT
    assert victim.read_bytes() == OTHER
    assert names_in(far.inbox) == [parcel.remote_name, "victim"]


def test_a_rename_executed_late_cannot_publish_the_copy_of_a_later_attempt(far: Far) -> None:
    parcel = far.parcel()
    late = leave_a_copy(far, parcel).name
    far.transport.find(next_attempt(parcel))
    names: list[str] = []

    far.transport.deliver(
        next_attempt(parcel), commit=lambda _: names.extend(names_in(far.inbox)), progress=lambda _: None
    )

    assert late not in names


@pytest.mark.parametrize("now", [OTHER, CONTENT + b"x", CONTENT[:-1]], ids=["other bytes", "longer", "shorter"])
def test_a_sealed_file_that_changed_is_never_published(far: Far, now: bytes) -> None:
    parcel, calls = far.parcel(), Calls()
    parcel.path.write_bytes(now)

    with pytest.raises(PermanentFailure, match="no longer what was sealed"):
        deliver(far.transport, parcel, calls)

    assert calls.commits == []
    assert names_in(far.inbox) == []


def test_a_large_sealed_file_that_changed_is_never_published(far: Far) -> None:
    content = os.urandom(2_000_000)
    parcel, calls = far.parcel(content), Calls()
    parcel.path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))

    with pytest.raises(PermanentFailure, match="no longer what was sealed"):
        deliver(far.transport, parcel, calls)

    assert calls.commits == []
    assert names_in(far.inbox) == []


def test_a_sealed_file_that_is_gone_is_trouble_with_our_own_disk(far: Far) -> None:
    parcel = far.parcel()
    parcel.path.unlink()

    with pytest.raises(StorageFailure):
        deliver(far.transport, parcel)

    assert names_in(far.inbox) == []


def test_a_missing_folder_stops_the_route_and_is_never_made(place: Place, tmp_path: Path) -> None:
    clock, calls = ManualClock(), Calls()
    transport = place.transport(tmp_path / "missing", clock)
    parcel = make_parcel(tmp_path / "sealed", clock, CONTENT)

    for attempt in (lambda: deliver(transport, parcel, calls), lambda: transport.find(parcel)):
        with pytest.raises(RouteUnusable):
            attempt()
    probed = transport.probe()

    assert not probed.ok
    assert probed.steps[-1].name == "folder"
    assert calls.commits == []
    assert not (tmp_path / "missing").exists()
    transport.close()


def test_a_folder_that_vanished_proves_no_absence(far: Far) -> None:
    parcel = far.parcel()
    far.transport.find(parcel)  # connected while it was there
    aside = far.inbox.rename(far.inbox.with_name("aside"))

    with pytest.raises(RouteUnusable):
        far.transport.find(parcel)
    with pytest.raises(RouteUnusable):
        deliver(far.transport, parcel)

    aside.rename(far.inbox)


def test_a_probe_says_each_step_and_leaves_nothing(far: Far) -> None:
    probed = far.transport.probe()

    assert probed.ok, probed
    assert len(probed.steps) >= 3
    assert all(step.detail for step in probed.steps)
    assert names_in(far.inbox) == []


@pytest.mark.parametrize("name", ["../ADT.pgp", "a/b", "", ".", "..", "new\nline", "x" * 300], ids=ascii)
def test_a_remote_name_that_is_no_plain_name_is_refused(far: Far, name: str) -> None:
    with pytest.raises(PermanentFailure, match="plain name"):
        deliver(far.transport, far.parcel(name=name))

    assert names_in(far.inbox) == []


@pytest.mark.parametrize("name", ["a b'\"*?.pgp", "-rf.pgp", "Zähler.pgp", "x" * 255], ids=ascii)
def test_an_unusual_remote_name_is_taken_as_it_is(far: Far, name: str) -> None:
    parcel = far.parcel(name=name)

    receipt = deliver(far.transport, parcel)

    assert names_in(far.inbox) == [name]
    assert receipt.location.isascii()
    assert isinstance(far.transport.find(parcel), Found)


def test_many_threads_deliver_at_once(far: Far) -> None:
    parcels = [far.parcel(os.urandom(5_000), f"{number}.pgp") for number in range(32)]
    parcels += [far.parcel(os.urandom(700_000), f"large-{number}.pgp") for number in range(4)]

    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda parcel: deliver(far.transport, parcel), parcels))

    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert names_in(far.inbox) == sorted(parcel.remote_name for parcel in parcels)
    assert all((far.inbox / p.remote_name).read_bytes() == p.path.read_bytes() for p in parcels)


def test_one_thread_in_a_conflict_does_not_disturb_the_others(far: Far) -> None:
    (far.inbox / "taken.pgp").write_bytes(OTHER)
    good = [far.parcel(os.urandom(5_000), f"{number}.pgp") for number in range(8)]
    bad = [far.parcel(os.urandom(5_000), "taken.pgp") for _ in range(8)]

    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(deliver, far.transport, parcel) for parcel in good]
        refused = [pool.submit(deliver, far.transport, parcel) for parcel in bad]

    assert all(future.result().outcome is Outcome.SENT for future in sent)
    assert all(isinstance(future.exception(), PermanentFailure) for future in refused)


def test_after_close_the_next_call_opens_again(far: Far) -> None:
    deliver(far.transport, far.parcel(name="before.pgp"))
    far.transport.close()
    far.transport.close()

    deliver(far.transport, far.parcel(name="after.pgp"))

    assert names_in(far.inbox) == ["after.pgp", "before.pgp"]


def test_a_sweep_removes_old_copies_of_ours_that_nobody_owns(place: Place, far: Far) -> None:
    if place.kind == "guarded sftp":
        return  # the guard decorates the port, and sweeping is no part of it
    parcel = far.parcel()
    copy = leave_a_copy(far, parcel)
    now = copy.stat().st_mtime
    far.clock.set(datetime.fromtimestamp(now, UTC))
    old, owned, young = (far.clock.new_id() for _ in range(3))
    names = {id_: copy.name.replace(parcel.submission, id_) for id_ in (old, owned, young)}
    copy.unlink()
    for name, age in ((names[old], 2 * DAY), (names[owned], 2 * DAY), (names[young], DAY / 2), ("x.pgp", 2 * DAY)):
        (far.inbox / name).write_bytes(b"")
        os.utime(far.inbox / name, (now - age, now - age))

    assert far.transport.sweep({owned}) == 1
    assert names_in(far.inbox) == sorted([names[owned], names[young], "x.pgp"])
