"""Claiming: one rename makes a file ours, at most once, whatever happens around it."""

from __future__ import annotations

import errno
import itertools
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealdrop.adapters.outbox import Convention
from sealdrop.core.errors import NotYet, StorageFailure, TemporaryFailure, Unacceptable
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.spool import Claimed
from support.dying import die_at, fail_at
from support.spooling import Place, listing, new_id, observe, on_another_mount, tree
from support.unprivileged import as_nobody, give_to_nobody
from support.waiting import wait_until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Place]:
    """Where hundreds of syncs cost nothing; killing and racing leave there what they leave on a disk."""
    with on_another_mount(tmp_path) as root:
        yield Place(root)


def test_a_claim_moves_the_file_itself_into_work(place: Place) -> None:
    path = place.drop("a.csv", b"content")
    inode = path.stat().st_ino
    submission = new_id()

    assert place.folder_outbox().claim(observe(path), submission)

    ours = place.work / submission / "dropped" / "a.csv"
    assert ours.read_bytes() == b"content"
    assert ours.stat().st_ino == inode
    assert listing(place.outbox) == ["results"]
    assert stat.S_IMODE((place.work / submission).stat().st_mode) == 0o700


def test_what_is_gone_or_was_replaced_is_not_claimed_and_leaves_no_trace(place: Place) -> None:
    outbox = place.folder_outbox()
    path = place.drop("a.csv")
    observed = observe(path)

    (place.root / "kept").hardlink_to(path)  # so that the inode is not used again
    place.drop("a.csv", b"another")
    assert not outbox.claim(observed, new_id())
    path.unlink()
    assert not outbox.claim(observed, new_id())

    assert listing(place.work) == []


def test_a_file_withdrawn_in_the_last_moment_is_not_claimed_and_leaves_no_trace(place: Place) -> None:
    outbox = place.folder_outbox()
    observed = observe(place.drop("a.csv"))

    with fail_at(0, errno.ENOENT, ("rename",)):
        assert not outbox.claim(observed, new_id())

    assert listing(place.work) == []


def test_a_file_is_claimed_once(place: Place) -> None:
    outbox = place.folder_outbox()
    observed = observe(place.drop("a.csv"))

    assert outbox.claim(observed, new_id())
    assert not outbox.claim(observed, new_id())


def test_only_one_of_many_claims_at_once_gets_the_file(in_memory: Place) -> None:
    outbox = in_memory.folder_outbox()
    for turn in range(20):
        observed = observe(in_memory.drop(f"{turn}.csv"))
        ids = [new_id() for _ in range(4)]
        won: list[bool] = []
        start = threading.Barrier(len(ids))

        def claim(which: int) -> None:
            start.wait()  # noqa: B023 - joined within the turn
            won.append(outbox.claim(observed, ids[which]))  # noqa: B023 - the same

        threads = [threading.Thread(target=claim, args=(which,)) for which in range(len(ids))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == [False, False, False, True]
    assert len(listing(in_memory.work)) == 20


def test_a_folder_that_refuses_is_a_temporary_failure_and_the_file_stays(short_tmp: Path) -> None:
    place = Place(short_tmp)
    path = place.drop("a.csv")
    outbox = place.folder_outbox()
    give_to_nobody(short_tmp, *short_tmp.rglob("*"))

    with as_nobody():
        place.outbox.chmod(0o500)
        with pytest.raises(TemporaryFailure, match="refuses the claim"):
            outbox.claim(observe(path), new_id())
        place.outbox.chmod(0o700)
    assert path.exists()
    assert listing(place.work) == []


def test_a_failed_sync_is_a_storage_failure(place: Place) -> None:
    outbox = place.folder_outbox()
    observed = observe(place.drop("a.csv"))

    for step in itertools.count():
        with fail_at(step, errno.EIO, ("fsync",)) as seen:
            try:
                outbox.claim(observed, new_id())
            except StorageFailure:
                assert len(seen) == step + 1
            else:
                assert len(seen) <= step
                break
        for folder in place.work.iterdir():
            for ours in folder.glob("dropped/*"):
                ours.rename(place.outbox / ours.name)
        observed = observe(place.outbox / "a.csv")
    assert step == 4


def test_a_marker_goes_after_the_claim_is_durable(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(marker=".done"))
    path = place.drop("a.csv")
    marker = place.outbox / "a.csv.done"
    marker.touch()
    outbox = place.folder_outbox()

    with fail_at(3, errno.EIO, ("fsync",)), pytest.raises(StorageFailure):  # the last of the claim's four
        outbox.claim(observe(path, marked=True), new_id())
    assert marker.exists()

    path = place.drop("b.csv")
    (place.outbox / "b.csv.done").touch()
    assert outbox.claim(observe(path, marked=True), new_id())
    assert not (place.outbox / "b.csv.done").exists()


def test_a_marker_left_by_a_dead_process_never_marks_the_next_file_of_that_name(in_memory: Place) -> None:
    place = Place(in_memory.root / "with markers", Convention(marker=".done"))
    for step in itertools.count():
        path = place.drop("a.csv")
        (place.outbox / "a.csv.done").touch()
        outbox = place.folder_outbox()
        submission = new_id()
        killed = die_at(step, lambda: outbox.claim(observe(path, marked=True), submission))  # noqa: B023 - runs now
        if path.exists():  # not claimed: the marker is still wanted
            assert (place.outbox / "a.csv.done").exists()
        else:
            place.drop("a.csv", b"the next, not complete")
            place.folder_outbox()
            assert not (place.outbox / "a.csv.done").exists()
        if not killed:
            break
        path.unlink()
    assert step > 10


def test_a_marker_of_a_file_dropped_and_marked_after_the_claim_stays(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(marker=".done"))
    submission = place.claimed("a.csv")
    claimed_at = (place.work / submission / "dropped" / "a.csv").stat().st_ctime_ns
    place.drop("a.csv", b"the next")
    marker = place.outbox / "a.csv.done"

    def marked_later() -> bool:  # the clock of a file system has a coarse tick
        marker.touch()
        return marker.stat().st_ctime_ns > claimed_at

    wait_until(marked_later, what="the next tick")
    place.folder_outbox()

    assert marker.exists()


def test_a_process_killed_at_any_step_leaves_the_file_in_exactly_one_place(in_memory: Place) -> None:
    for step in itertools.count():
        path = in_memory.drop("a.csv", b"content")
        outbox = in_memory.folder_outbox()
        submission = new_id()
        killed = die_at(step, lambda: outbox.claim(observe(path), submission))  # noqa: B023 - runs now

        in_memory.folder_outbox()
        claimed = list(in_memory.spool().claimed())
        if path.exists():
            assert claimed == []
            assert listing(in_memory.work) == [], "an empty claim was not removed"
        else:
            assert [(one.submission, one.file_name) for one in claimed] == [(submission, "a.csv")]
            ours = in_memory.work / submission / "dropped" / "a.csv"
            assert ours.read_bytes() == b"content"
            ours.unlink()
            list(in_memory.spool().claimed())
        if not killed:
            break
    assert step > 8


def test_a_name_swapped_under_the_claim_never_yields_what_a_link_points_to(in_memory: Place) -> None:
    secret = in_memory.root / "secret"
    secret.write_bytes(b"secret")
    outbox, spool = in_memory.folder_outbox(), in_memory.spool()
    name = in_memory.outbox / "a.csv"
    taken = {"read": 0, "refused": 0, "lost the race": 0}
    deadline = time.monotonic() + 30

    with _swapping(name, secret):
        while sum(taken.values()) < 200 and time.monotonic() < deadline:
            try:
                observed = observe(name)
            except FileNotFoundError:  # claimed, and the next one is not there yet
                continue
            submission = new_id()
            if not outbox.claim(observed, submission):
                taken["lost the race"] += 1
                continue
            try:
                snapshot = spool.snapshot(_claim_of(submission), 100)
            except (NotYet, Unacceptable):
                taken["refused"] += 1
            else:
                assert snapshot.path.read_bytes() == b"harmless"
                taken["read"] += 1
    assert taken["refused"] > 0, taken
    assert taken["read"] > 0, taken


def _claim_of(submission: SubmissionId) -> Claimed:
    return Claimed(submission=submission, outbox="adt", file_name="a.csv", has_content=False, has_sealed=False)


@contextmanager
def _swapping(name: Path, secret: Path) -> Iterator[None]:
    """Put a plain file and a link to the secret under the name by turns, as fast as can be."""
    stop = threading.Event()
    bait = name.with_name("bait.part")

    def attack() -> None:
        while not stop.is_set():
            bait.write_bytes(b"harmless")
            bait.rename(name)
            bait.symlink_to(secret)
            bait.rename(name)

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        yield
    finally:
        stop.set()
        attacker.join(10)


def test_results_are_whole_readable_by_the_group_and_may_be_written_twice(place: Place) -> None:
    outbox = place.folder_outbox()
    submission = new_id()

    for text in (b"{}", b"{}"):
        outbox.publish_result("a.csv", submission, [(".report.txt", b"why"), (".json", text)])

    results = place.outbox / "results"
    assert listing(results) == [f"a.csv.{submission}.json", f"a.csv.{submission}.report.txt"]
    assert (results / f"a.csv.{submission}.json").read_bytes() == b"{}"
    assert {stat.S_IMODE(path.stat().st_mode) for path in results.iterdir()} == {0o640}


def test_the_longest_name_that_is_taken_leaves_room_for_its_results(place: Place) -> None:
    name = "x" * 200
    submission = place.claimed(name)

    place.folder_outbox().publish_result(name, submission, [(".report.json", b"{}"), (".report.txt", b"")])

    assert len(listing(place.outbox / "results")) == 2


def test_a_result_never_follows_a_link_that_the_producer_laid(place: Place) -> None:
    submission = new_id()
    precious = place.root / "precious"
    precious.write_bytes(b"precious")
    (place.outbox / "results" / f"a.csv.{submission}.json").symlink_to(precious)

    place.folder_outbox().publish_result("a.csv", submission, [(".json", b"{}")])

    assert precious.read_bytes() == b"precious"
    assert (place.outbox / "results" / f"a.csv.{submission}.json").read_bytes() == b"{}"


def test_results_that_cannot_be_written_are_a_temporary_failure(place: Place) -> None:
    (place.outbox / "results").rmdir()

    with pytest.raises(TemporaryFailure, match="results"):
        place.folder_outbox().publish_result("a.csv", new_id(), [(".json", b"{}")])


def test_a_process_killed_while_publishing_leaves_whole_results(in_memory: Place) -> None:
    for step in itertools.count():
        outbox = in_memory.folder_outbox()
        submission = new_id()
        files = [(".txt", b"text" * 1000), (".json", b"json" * 1000)]
        killed = die_at(step, lambda: outbox.publish_result("a.csv", submission, files))  # noqa: B023 - runs now
        for path in (in_memory.outbox / "results").iterdir():
            if not path.name.startswith(".tmp-"):
                assert len(path.read_bytes()) == 4000
        outbox.publish_result("a.csv", submission, files)
        assert len([one for one in tree(in_memory.outbox) if submission in one]) == 2
        if not killed:
            break
