"""An outbox on another mount: claimed inside it, copied, verified, and only then removed; never taken twice."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealdrop.adapters.outbox import Convention, RemoteOutbox
from sealdrop.core.errors import ConfigurationError, NoSpace, StorageFailure, TemporaryFailure
from sealdrop.core.readiness import Observation, Protocol
from sealdrop.ports.intake import LeftAlone
from support.dying import die_at, fail_at
from support.spooling import Place, filing, listing, names, new_id, observe, on_another_mount, sha256, tree


class Share:
    """A spool and an outbox on another mount."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.place = Place(root)
        self.folder = folder
        self.work = root / "work" / "share"
        self.convention = Convention()

    def outbox(self) -> RemoteOutbox:
        return RemoteOutbox(
            "share",
            self.folder,
            self.place.root,
            convention=self.convention,
            protocol=Protocol.RENAME,
            clock=self.place.clock,
        )

    def claims(self) -> list[tuple[str, str]]:
        """Return what a start of the agent would find in work."""
        return [(one.submission, one.file_name) for one in self.place.spool().claimed() if one.outbox == "share"]


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    (tmp_path / "share").mkdir()
    with on_another_mount(tmp_path) as root:
        yield Share(root, tmp_path / "share")


def _drop(share: Share, name: str = "a.csv", data: bytes = b"content") -> Path:
    path = share.folder / name
    path.write_bytes(data)
    return path


def test_a_claim_copies_the_file_and_removes_the_original(share: Share) -> None:
    data = os.urandom(3_000_000)
    path = _drop(share, data=data)
    submission = new_id()

    assert share.outbox().claim(observe(path), submission)

    assert (share.work / submission / "dropped" / "a.csv").read_bytes() == data
    assert tree(share.folder) == []
    assert listing(share.work) == [".copied", submission]
    assert listing(share.work / ".copied") == []
    assert share.claims() == [(submission, "a.csv")]


def test_the_folder_of_claimed_files_is_no_news(share: Share) -> None:
    outbox = share.outbox()
    outbox.claim(observe(_drop(share)), new_id())

    assert list(outbox.look()) == []


def test_a_file_that_changed_since_it_was_seen_waits_and_is_seen_again(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    observed = observe(path)
    path.write_bytes(b"longer content")

    assert not outbox.claim(observed, new_id())
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert (seen.name, seen.size) == ("a.csv", 14)
    submission = new_id()
    assert outbox.claim(seen, submission)
    assert (share.work / submission / "dropped" / "a.csv").read_bytes() == b"longer content"


def test_a_file_being_written_to_waits_in_the_share(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    observed = observe(path)

    with path.open("ab"):
        assert not outbox.claim(observed, new_id())
        assert share.claims() == []
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert outbox.claim(seen, new_id())


def test_a_new_file_waits_for_an_unfinished_one_of_its_name(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    with path.open("ab"):
        assert not outbox.claim(observe(path), new_id())
        _drop(share, data=b"the next")
        (seen,) = outbox.look()
        assert isinstance(seen, Observation)
        assert seen.size == len(b"content")
    assert outbox.claim(seen, new_id())
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert seen.size == len(b"the next")


def test_what_was_swapped_for_a_link_is_left_alone_and_never_read(share: Share) -> None:
    outbox = share.outbox()
    claimed = share.folder / ".claimed"
    claimed.mkdir()
    (claimed / f"a.csv.{new_id()}").symlink_to("/etc/passwd")

    (seen,) = outbox.look()
    assert isinstance(seen, LeftAlone)
    assert (seen.name, "symbolic link" in seen.reason) == ("a.csv", True)


def test_what_can_never_be_taken_is_left_alone_with_the_reason(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    os.link(path, share.folder / "b.part")

    assert not outbox.claim(observe(path), new_id())

    (seen,) = outbox.look()
    assert isinstance(seen, LeftAlone)
    assert "hard links" in seen.reason
    assert share.claims() == []


def test_marked_files_lose_their_marker_after_the_claim(share: Share) -> None:
    share.convention = Convention(marker=".done")
    outbox = share.outbox()
    _drop(share)
    _drop(share, "a.csv.done", b"")
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)

    assert outbox.claim(seen, new_id())

    assert tree(share.folder) == []


def test_a_full_disk_of_ours_is_no_trouble_of_the_share(share: Share) -> None:
    outbox = share.outbox()
    observed = observe(_drop(share))

    with fail_at(0, errno.ENOSPC, ("write",)), pytest.raises(NoSpace):
        outbox.claim(observed, new_id())
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert outbox.claim(seen, new_id())


def test_trouble_of_the_share_is_no_trouble_of_ours(share: Share) -> None:
    outbox = share.outbox()
    observed = observe(_drop(share))

    with fail_at(0, errno.EIO, ("rename",)), pytest.raises(TemporaryFailure, match="EIO"):
        outbox.claim(observed, new_id())


def test_an_original_that_cannot_be_removed_is_never_taken_again_not_even_when_its_copy_is_long_filed(
    share: Share,
) -> None:
    outbox = share.outbox()
    submission = new_id()
    # After the note's temporary name the original is removed: the share goes away right after the copy was made.
    with fail_at(1, errno.EIO, ("unlink",)):
        assert outbox.claim(observe(_drop(share)), submission)
    assert tree(share.folder) == [f".claimed/a.csv.{submission}"]
    spool = share.place.spool()
    (claimed,) = spool.claimed()
    spool.snapshot(claimed, 100)
    spool.file_away(filing(submission, outbox="share"))

    for _ in range(2):  # two starts: the first knows from its predecessor, the second from the first
        outbox = share.outbox()
    assert list(outbox.look()) == []
    assert tree(share.folder) == []
    assert listing(share.work / ".copied") == []


def test_a_process_killed_at_any_step_leaves_the_file_to_be_taken_exactly_once(share: Share) -> None:
    for step in itertools.count():
        data = f"content {step}".encode()
        path = _drop(share, data=data)
        outbox = share.outbox()
        submission = new_id()
        killed = die_at(step, lambda: outbox.claim(observe(path), submission))  # noqa: B023 - runs now

        outbox = share.outbox()
        found = share.claims()
        seen = list(outbox.look())
        assert len(found) + len(seen) == 1, (step, found, seen)
        for one in seen:
            assert isinstance(one, Observation)
            again = new_id()
            assert outbox.claim(one, again)
            found = [(again, "a.csv")]
        assert tree(share.folder) == []
        assert [name for name in listing(share.work) if not name.startswith(".")] == [found[0][0]]
        assert listing(share.work / ".copied") == []
        ours = share.work / found[0][0] / "dropped" / "a.csv"
        assert sha256(ours.read_bytes()) == sha256(data)
        ours.unlink()
        share.claims()
        if not killed:
            break
    assert step > 20


def test_a_probe_proves_the_rename_and_leaves_nothing(share: Share) -> None:
    share.outbox().probe()

    assert tree(share.folder) == []


def test_the_bare_mount_point_is_never_used(share: Share) -> None:
    here = share.place.root / "mount point"
    here.mkdir()
    (here / "a.csv").write_bytes(b"dropped where the share should be")
    share.folder = here

    with pytest.raises(TemporaryFailure, match="nothing is mounted"):
        list(share.outbox().look())


def test_the_quiet_protocol_is_refused_where_nothing_proves_that_nobody_writes(share: Share) -> None:
    with pytest.raises(ConfigurationError, match="rename or marker"):
        RemoteOutbox(
            "share",
            share.folder / "missing",
            share.place.root,
            convention=share.convention,
            protocol=Protocol.QUIET,
            clock=share.place.clock,
        )


def test_the_quiet_protocol_will_do_on_another_local_disk(share: Share) -> None:
    outbox = RemoteOutbox(
        "share",
        share.folder,
        share.place.root,
        convention=share.convention,
        protocol=Protocol.QUIET,
        clock=share.place.clock,
    )
    _drop(share)

    assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_a_share_that_is_gone_is_a_temporary_failure(share: Share) -> None:
    outbox = share.outbox()
    share.folder.rename(share.folder.with_name(f"{share.folder.name}-away"))
    try:
        with pytest.raises(TemporaryFailure):
            list(outbox.look())
        with pytest.raises(TemporaryFailure):
            outbox.probe()
    finally:
        share.folder.with_name(f"{share.folder.name}-away").rename(share.folder)
    assert list(outbox.look()) == []


def test_a_copy_that_the_disk_did_not_keep_stops_the_agent_and_the_original_stays(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    observed = observe(path)
    real = os.write

    def rot(fd: int, data: memoryview) -> int:
        return real(fd, bytes(data).replace(b"content", b"CONTENT"))

    try:
        os.write = rot  # type: ignore[assignment]
        with pytest.raises(StorageFailure, match="not what was written"):
            outbox.claim(observed, new_id())
    finally:
        os.write = real
    assert len(tree(share.folder)) == 1
    assert share.claims() == []
