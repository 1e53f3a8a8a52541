"""The spool before filing: what is in work, private copies, sealed files, and the lock of the one agent."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealdrop.adapters.spool import FolderSpool, InstanceLock, make_layout
from sealdrop.core.errors import ConfigurationError, NoSpace, NotYet, Refused, StorageFailure, Unacceptable
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.spool import Claimed, Snapshot
from support.dying import die_at, fail_at
from support.spooling import Place, listing, new_id, on_another_mount, sha256, tree
from support.waiting import wait_until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Place]:
    """Where hundreds of syncs cost nothing; killing and racing leave there what they leave on a disk."""
    with on_another_mount(tmp_path) as root:
        yield Place(root)


def _claim(submission: SubmissionId, name: str = "a.csv", **changes: bool) -> Claimed:
    flags = {"has_content": False, "has_sealed": False, **changes}
    return Claimed(submission=submission, outbox="adt", file_name=name, **flags)


def test_a_claimed_file_is_found_and_what_is_beside_it(place: Place) -> None:
    first, second = place.claimed("a.csv"), place.claimed("b.csv")
    spool = place.spool()
    spool.snapshot(_claim(second, "b.csv"), 100)
    spool.unsealed_target(second, "adt").write_bytes(b"sealed")
    spool.keep_sealed(second, "adt")

    assert list(spool.claimed()) == [
        _claim(first, "a.csv"),
        _claim(second, "b.csv", has_content=True, has_sealed=True),
    ]


def test_claims_of_all_outboxes_come_in_the_order_of_their_ids(place: Place) -> None:
    for outbox in ("b", "a", "b", "a"):
        folder = place.root / "work" / outbox / new_id() / "dropped"
        folder.mkdir(parents=True)
        (folder / "x.csv").touch()

    found = [(one.submission, one.outbox) for one in place.spool().claimed()]

    assert found == sorted(found)
    assert [outbox for _, outbox in found] == ["b", "a", "b", "a"]


def test_what_a_dead_claim_left_is_removed_and_what_is_not_ours_is_left(place: Place) -> None:
    (place.work / new_id() / "dropped").mkdir(parents=True)
    (place.work / new_id()).mkdir(parents=True)
    copying = place.work / new_id() / "dropped"
    copying.mkdir(parents=True)
    (copying / ".tmp-0123456789abcdef").write_bytes(b"half a copy")
    (place.work / "lost+found").mkdir(parents=True)

    assert list(place.spool().claimed()) == []
    assert listing(place.work) == ["lost+found"]


def test_a_claim_that_is_just_being_made_is_never_removed(place: Place) -> None:
    """Only what was there when the process began can be a dead one's."""
    spool = place.spool()
    (place.work / new_id() / "dropped").mkdir(parents=True)
    (place.work / new_id()).mkdir(parents=True)

    assert list(spool.claimed()) == []
    assert len(list(place.work.rglob("*"))) == 3


def test_a_snapshot_is_a_private_copy_with_its_digest(place: Place) -> None:
    data = os.urandom(3_000_000)
    submission = place.claimed(data=data)

    snapshot = place.spool().snapshot(_claim(submission), len(data))

    path = place.work / submission / "content"
    assert snapshot == Snapshot(size=len(data), sha256=sha256(data), path=path, lease=True)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path == place.spool().content(submission, "adt")


def test_a_snapshot_does_not_change_when_the_producer_goes_on_writing(place: Place) -> None:
    path = place.drop("a.csv", b"content")
    keeper = os.open(path, os.O_RDONLY)
    submission = place.claimed("b.csv", b"content")
    spool = place.spool()
    snapshot = spool.snapshot(_claim(submission, "b.csv"), 100)
    (place.work / submission / "dropped" / "b.csv").write_bytes(b"CHANGED")
    os.close(keeper)

    assert snapshot.path.read_bytes() == b"content"
    assert spool.intact(submission, "adt", snapshot.sha256)


def test_a_file_that_a_writer_still_has_open_is_not_yet_copied_and_leaves_nothing(place: Place) -> None:
    submission = place.claimed()
    dropped = place.work / submission / "dropped" / "a.csv"
    spool = place.spool()

    with dropped.open("ab") as writer:
        with pytest.raises(NotYet):
            spool.snapshot(_claim(submission), 100)
        assert listing(place.work / submission) == ["dropped"]
        writer.write(b", and more")
    assert spool.snapshot(_claim(submission), 100).size == 17


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _grow(path: Path) -> None:
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_fifo, "a named pipe"),
        (_link, "a symbolic link"),
        (_grow, "more than the 100 allowed"),
        (lambda path: os.link(path, path.with_name("..") / "twin"), "hard links"),
        (os.unlink, "gone"),
    ],
)
def test_what_turns_out_to_be_no_plain_file_is_unacceptable_at_once(
    place: Place, change: Callable[[Path], None], reason: str
) -> None:
    submission = place.claimed()
    change(place.work / submission / "dropped" / "a.csv")

    started = time.monotonic()
    with pytest.raises(Unacceptable, match=reason):
        place.spool().snapshot(_claim(submission), 100)

    assert time.monotonic() - started < 5
    assert not (place.work / submission / "content").exists()


def test_a_claim_without_its_file_is_unacceptable_and_does_not_stop_the_agent(place: Place) -> None:
    (place.work / new_id()).mkdir(parents=True)
    (submission,) = listing(place.work)

    with pytest.raises(Unacceptable, match="gone"):
        place.spool().snapshot(_claim(SubmissionId(submission)), 100)


def test_repeating_a_snapshot_replaces_the_earlier_copy_and_what_a_dead_one_left(place: Place) -> None:
    submission = place.claimed()
    home = place.work / submission
    (home / "content").write_bytes(b"of an earlier life")
    (home / ".tmp-0123456789abcdef").write_bytes(b"half a copy")

    snapshot = place.spool().snapshot(_claim(submission), 100)

    assert snapshot.path.read_bytes() == b"content"
    assert listing(home) == ["content", "dropped"]


def test_a_process_killed_at_any_step_of_a_snapshot_leaves_no_copy_or_a_whole_one(in_memory: Place) -> None:
    data = os.urandom(2_500_000)
    submission = in_memory.claimed(data=data)
    for step in itertools.count():
        spool = in_memory.spool()
        killed = die_at(step, lambda: spool.snapshot(_claim(submission), len(data)))  # noqa: B023 - runs now
        content = in_memory.work / submission / "content"
        if content.exists():
            assert content.read_bytes() == data
            content.unlink()
        (claimed,) = in_memory.spool().claimed()
        assert in_memory.spool().snapshot(claimed, len(data)).sha256 == sha256(data)
        content.unlink()
        if not killed:
            break
    assert step > 8


def test_a_full_disk_leaves_no_copy(place: Place) -> None:
    submission = place.claimed()

    with fail_at(0, errno.ENOSPC, ("write",)), pytest.raises(NoSpace):
        place.spool().snapshot(_claim(submission), 100)
    assert listing(place.work / submission) == ["dropped"]


def test_a_copy_that_somebody_edited_is_not_intact(place: Place) -> None:
    submission = place.claimed()
    spool = place.spool()
    snapshot = spool.snapshot(_claim(submission), 100)
    snapshot.path.write_bytes(b"Content")

    assert not spool.intact(submission, "adt", snapshot.sha256)
    snapshot.path.unlink()
    with pytest.raises(StorageFailure, match="ENOENT"):
        spool.intact(submission, "adt", snapshot.sha256)


def test_a_sealed_file_gets_its_name_once_it_is_whole(place: Place) -> None:
    submission = place.claimed()
    spool = place.spool()
    target = spool.unsealed_target(submission, "adt")
    target.write_bytes(b"half")
    target = spool.unsealed_target(submission, "adt")
    assert not target.exists()
    target.write_bytes(b"sealed")

    spool.keep_sealed(submission, "adt")
    spool.keep_sealed(submission, "adt")

    assert spool.sealed(submission, "adt").read_bytes() == b"sealed"
    assert not target.exists()


def test_keeping_what_no_sealer_left_is_a_storage_failure(place: Place) -> None:
    submission = place.claimed()

    with pytest.raises(StorageFailure, match="nothing to keep"):
        place.spool().keep_sealed(submission, "adt")


def test_free_space_is_what_an_unprivileged_process_may_use(place: Place) -> None:
    status = os.statvfs(place.root)

    assert abs(place.spool().free_bytes() - status.f_bavail * status.f_frsize) < 1 << 30


def test_a_spool_without_its_folders_is_a_mistake_of_configuration_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()

    with pytest.raises(ConfigurationError) as raised:
        FolderSpool(tmp_path)

    assert [problem.path for problem in raised.value.problems] == ["spool.root", "spool.root"]
    assert listing(tmp_path) == ["work"]


def test_a_folder_that_is_a_link_elsewhere_is_a_mistake_of_configuration(place: Place) -> None:
    (place.root / "sent").rmdir()
    (place.root / "sent").symlink_to("failed")

    with pytest.raises(ConfigurationError, match=r"sent: cannot open folder.*symbolic link"):
        place.spool()


def test_the_probe_leaves_nothing(place: Place) -> None:
    place.spool().probe()

    assert tree(place.root) == []


def test_making_the_layout_again_changes_nothing(tmp_path: Path) -> None:
    make_layout(tmp_path)
    make_layout(tmp_path)

    assert listing(tmp_path) == ["failed", "outbox", "results", "sent", "status", "work"]


def test_a_second_agent_on_the_same_spool_is_refused_and_told_who_is_there(place: Place) -> None:
    with InstanceLock(place.root):
        with pytest.raises(Refused, match=f"process {os.getpid()}"):
            InstanceLock(place.root)
        assert list(place.spool().claimed()) == []
    InstanceLock(place.root).close()


def test_the_lock_of_a_killed_agent_is_free_although_a_program_it_started_lives_on(place: Place) -> None:
    script = f"""
import subprocess, sys, time
from pathlib import Path
from sealdrop.adapters.spool import InstanceLock
lock = InstanceLock(Path({str(place.root)!r}))
child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        orphan = int(agent.stdout.readline())
        with pytest.raises(Refused):
            InstanceLock(place.root)
        agent.kill()
    try:
        InstanceLock(place.root).close()
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_file_that_a_writer_grows_during_the_copy_is_never_a_mixture(in_memory: Place) -> None:
    """A writer that comes and goes as it likes: each snapshot is one of the states the file really had."""
    submission = in_memory.claimed(data=b"0" * 200_000)
    dropped = in_memory.work / submission / "dropped" / "a.csv"
    stop = threading.Event()

    def write() -> None:
        for digit in itertools.cycle(b"123456789"):
            if stop.is_set():
                return
            with dropped.open("r+b") as file:
                file.write(bytes([digit]) * 200_000)

    writer = threading.Thread(target=write)
    writer.start()
    taken = 0
    spool = in_memory.spool()
    try:

        def snapshot_is_uniform() -> bool:
            nonlocal taken
            try:
                snapshot = spool.snapshot(_claim(submission), 200_000)
            except NotYet:
                return False
            content = snapshot.path.read_bytes()
            assert content == content[:1] * 200_000
            taken += 1
            return taken >= 5

        wait_until(snapshot_is_uniform, timeout=30, what="five snapshots between the writes")
    finally:
        stop.set()
        writer.join(60)
