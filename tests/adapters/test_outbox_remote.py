"""An outbox on another mount: claimed inside it, then fetched: copied, verified, only then removed; never twice."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sealdrop.adapters.outbox import Convention, RemoteOutbox
from sealdrop.core.errors import (
    ConfigurationError,
    NoSpace,
    NotYet,
    StorageFailure,
    TemporaryFailure,
    Unacceptable,
)
from sealdrop.core.readiness import Observation, Protocol
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.intake import LeftAlone
from sealdrop.ports.spool import Claimed
from support.dying import die_at, fail_at, meddle_at
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

    def fetched(self, submission: SubmissionId, name: str = "a.csv") -> bytes:
        """Return what was brought in."""
        return (self.work / submission / "dropped" / name).read_bytes()


def _ours(submission: SubmissionId, name: str = "a.csv") -> Claimed:
    return Claimed(submission=submission, outbox="share", file_name=name, has_content=False, has_sealed=False)


MOST = 1 << 23


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    (tmp_path / "share").mkdir()
    with on_another_mount(tmp_path) as root:
        yield Share(root, tmp_path / "share")


def _drop(share: Share, name: str = "a.csv", data: bytes = b"content") -> Path:
    path = share.folder / name
    path.write_bytes(data)
    return path


def test_a_claim_is_a_rename_in_the_share_and_a_note_of_ours(share: Share) -> None:
    path = _drop(share)
    submission = new_id()
    spool = share.place.spool()

    with fail_at(0, errno.EIO, ("preadv", "write")) as calls:  # it reads and writes nothing
        assert share.outbox().claim(observe(path), submission)

    assert calls == []
    assert tree(share.folder) == [f".claimed/a.csv.{submission}"]
    assert tree(share.work) == [f"{submission}/coming/a.csv"]
    assert share.claims() == [(submission, "a.csv")]
    with pytest.raises(NotYet, match="still in an outbox"):
        spool.snapshot(_ours(submission), MOST)


def test_a_fetch_copies_the_file_and_removes_the_original(share: Share) -> None:
    data = os.urandom(3_000_000)
    path = _drop(share, data=data)
    submission = new_id()
    outbox = share.outbox()
    outbox.claim(observe(path), submission)

    for _ in range(2):  # a repetition is harmless
        outbox.fetch(_ours(submission), MOST)
        assert tree(share.folder) == []
        assert tree(share.work) == [f"{submission}/dropped/a.csv"]
    assert share.fetched(submission) == data
    assert share.claims() == [(submission, "a.csv")]


def test_the_folder_of_claimed_files_is_no_news(share: Share) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)
    assert list(outbox.look()) == []

    outbox = share.outbox()
    assert list(outbox.look()) == []
    outbox.fetch(_ours(submission), MOST)
    assert list(outbox.look()) == []


def test_a_look_at_any_step_of_a_fetch_shows_nothing_and_takes_nothing(share: Share) -> None:
    for step in itertools.count():
        outbox = share.outbox()
        submission = new_id()
        outbox.claim(observe(_drop(share)), submission)
        seen: list[object] = []
        with meddle_at(step, lambda: seen.extend(outbox.look())) as calls:  # noqa: B023 - runs now
            outbox.fetch(_ours(submission), MOST)

        assert seen == [], step
        assert share.fetched(submission) == b"content"
        assert tree(share.folder) == []
        assert listing(share.work / ".copied") == []
        if len(calls) <= step:
            break
    assert step > 15


def test_a_look_during_the_fetch_of_a_dead_process_keeps_its_note(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note is all that tells what was copied when the original cannot be removed just then."""
    real = os.unlink

    def unlink(name: str, **where: int) -> None:
        if name.startswith("a.csv."):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(name, **where)

    for step in itertools.count():
        submission = new_id()
        share.outbox().claim(observe(_drop(share)), submission)
        (share.work / ".copied" / submission).touch()  # it died before it could take coming/ away
        outbox = share.outbox()

        def look() -> None:
            with suppress(TemporaryFailure):  # it tries to remove the original, too
                assert list(outbox.look()) == []  # noqa: B023 - runs now

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", unlink)
            with meddle_at(step, look) as calls:
                outbox.fetch(_ours(submission), MOST)
        assert list(outbox.look()) == [], step
        assert tree(share.folder) == []
        if len(calls) <= step:
            break


def test_several_workers_fetch_at_once(share: Share) -> None:
    outbox = share.outbox()
    submissions = [new_id() for _ in range(8)]
    for one in submissions:
        outbox.claim(observe(_drop(share, f"{one}.csv", one.encode())), one)
    threads = [threading.Thread(target=outbox.fetch, args=(_ours(one, f"{one}.csv"), MOST)) for one in submissions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [share.fetched(one, f"{one}.csv") for one in submissions] == [one.encode() for one in submissions]
    assert tree(share.folder) == []


def test_a_file_being_written_to_waits_in_the_share(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    submission = new_id()

    with path.open("ab") as writer:
        assert outbox.claim(observe(path), submission)
        with pytest.raises(NotYet):
            outbox.fetch(_ours(submission), MOST)
        writer.write(b" and more")
    outbox.fetch(_ours(submission), MOST)
    assert share.fetched(submission) == b"content and more"


def test_a_new_file_of_the_name_of_a_claimed_one_is_another_submission(share: Share) -> None:
    outbox = share.outbox()
    first, second = new_id(), new_id()
    assert outbox.claim(observe(_drop(share)), first)
    _drop(share, data=b"the next")
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert outbox.claim(seen, second)
    outbox.fetch(_ours(second), MOST)
    outbox.fetch(_ours(first), MOST)

    assert (share.fetched(first), share.fetched(second)) == (b"content", b"the next")


def test_a_claim_that_was_cut_hides_a_new_file_of_its_name_and_is_carried_on(share: Share) -> None:
    outbox = share.outbox()
    with fail_at(0, errno.ENOSPC, ("link",)), pytest.raises(NoSpace):
        outbox.claim(observe(_drop(share)), new_id())
    _drop(share, data=b"the next")

    (seen,) = outbox.look()
    assert isinstance(seen, Observation)
    assert seen.size == len(b"content")
    submission = new_id()
    assert outbox.claim(seen, submission)
    outbox.fetch(_ours(submission), MOST)
    assert share.fetched(submission) == b"content"
    assert tree(share.folder) == ["a.csv"]


def test_what_was_swapped_for_a_link_is_left_alone_and_never_read(share: Share) -> None:
    outbox = share.outbox()
    claimed = share.folder / ".claimed"
    claimed.mkdir()
    (claimed / f"a.csv.{new_id()}").symlink_to("/etc/passwd")

    (seen,) = outbox.look()
    assert isinstance(seen, LeftAlone)
    assert (seen.name, "symbolic link" in seen.reason) == ("a.csv", True)


def test_what_can_never_be_taken_is_refused_with_the_reason_and_stays_in_the_share(share: Share) -> None:
    outbox = share.outbox()
    path = _drop(share)
    os.link(path, share.folder / "b.part")
    submission = new_id()
    assert outbox.claim(observe(path), submission)

    for process in (outbox, share.outbox()):  # the next one says the same
        with pytest.raises(Unacceptable, match="hard links") as caught:
            process.fetch(_ours(submission), MOST)
        assert caught.value.where == str(share.folder / ".refused" / f"a.csv.{submission}")
    assert list(outbox.look()) == []
    assert share.claims() == [(submission, "a.csv")]

    filed = share.place.spool().file_away(filing(submission, outbox="share", sha256="", to="failed"))
    assert listing(share.place.root / filed.folder) == ["receipt.json"]
    assert share.claims() == []
    assert tree(share.folder) == [f".refused/a.csv.{submission}", "b.part"]


def test_a_file_that_is_too_large_is_refused_unread(share: Share) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)

    with pytest.raises(Unacceptable, match="more than the 6 allowed"):
        outbox.fetch(_ours(submission), 6)


def test_a_claimed_file_that_somebody_removed_is_said_to_be_gone(share: Share) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)
    (share.folder / ".claimed" / f"a.csv.{submission}").unlink()

    with pytest.raises(Unacceptable, match="gone"):
        outbox.fetch(_ours(submission), MOST)


def test_marked_files_lose_their_marker_after_the_claim(share: Share) -> None:
    share.convention = Convention(marker=".done")
    outbox = share.outbox()
    _drop(share)
    _drop(share, "a.csv.done", b"")
    (seen,) = outbox.look()
    assert isinstance(seen, Observation)

    assert outbox.claim(seen, new_id())

    assert not (share.folder / "a.csv.done").exists()


def test_a_full_disk_of_ours_is_no_trouble_of_the_share(share: Share) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)

    with fail_at(0, errno.ENOSPC, ("write",)), pytest.raises(NoSpace):
        outbox.fetch(_ours(submission), MOST)
    outbox.fetch(_ours(submission), MOST)
    assert share.fetched(submission) == b"content"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_share_that_fails_while_it_is_read_is_tried_again(share: Share, number: int) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)
    real = os.preadv

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    try:
        os.preadv = fail
        with pytest.raises(TemporaryFailure, match=errno.errorcode[number]):
            outbox.fetch(_ours(submission), MOST)
    finally:
        os.preadv = real
    outbox.fetch(_ours(submission), MOST)
    assert share.fetched(submission) == b"content"


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
    assert outbox.claim(observe(_drop(share)), submission)
    # After the note's temporary name and what stood for the file, the original is removed: the share goes away there.
    with fail_at(2, errno.EIO, ("unlink",)):
        outbox.fetch(_ours(submission), MOST)
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


@pytest.mark.parametrize("marker", [None, ".done"])
def test_a_process_killed_at_any_step_leaves_the_file_to_be_taken_exactly_once(
    share: Share, marker: str | None
) -> None:
    share.convention = Convention(marker=marker)
    for step in itertools.count():
        data = f"content {step}".encode()
        path = _drop(share, data=data)
        if marker is not None:
            _drop(share, f"a.csv{marker}", b"")
        outbox = share.outbox()
        submission = new_id()

        def take() -> None:
            outbox.claim(observe(path, marked=marker is not None), submission)  # noqa: B023 - runs now
            outbox.fetch(_ours(submission), MOST)  # noqa: B023 - runs now

        killed = die_at(step, take)

        outbox = share.outbox()
        found = share.claims()
        seen = list(outbox.look())
        assert len(found) + len(seen) == 1, (step, found, seen)
        for one in seen:
            assert isinstance(one, Observation)
            again = new_id()
            assert outbox.claim(one, again)
            found = [(again, "a.csv")]
        ((ours, _),) = found
        outbox.fetch(_ours(SubmissionId(ours)), MOST)
        list(outbox.look())
        assert tree(share.folder) == []
        assert [name for name in listing(share.work) if not name.startswith(".")] == [ours]
        assert tree(share.work) == [f"{ours}/dropped/a.csv"]
        dropped = share.work / ours / "dropped" / "a.csv"
        assert sha256(dropped.read_bytes()) == sha256(data)
        dropped.unlink()
        share.claims()
        if not killed:
            break
    assert step > 25


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
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)
    share.folder.rename(share.folder.with_name(f"{share.folder.name}-away"))
    try:
        with pytest.raises(TemporaryFailure):
            list(outbox.look())
        with pytest.raises(TemporaryFailure):
            outbox.probe()
        with pytest.raises(TemporaryFailure):
            outbox.fetch(_ours(submission), MOST)
    finally:
        share.folder.with_name(f"{share.folder.name}-away").rename(share.folder)
    assert list(outbox.look()) == []
    outbox.fetch(_ours(submission), MOST)
    assert share.fetched(submission) == b"content"


def test_a_copy_that_the_disk_did_not_keep_stops_the_agent_and_the_original_stays(share: Share) -> None:
    outbox = share.outbox()
    submission = new_id()
    outbox.claim(observe(_drop(share)), submission)
    real = os.write

    def rot(fd: int, data: memoryview) -> int:
        return real(fd, bytes(data).replace(b"content", b"CONTENT"))

    try:
        os.write = rot  # type: ignore[assignment]
        with pytest.raises(StorageFailure, match="not what was written"):
            outbox.fetch(_ours(submission), MOST)
    finally:
        os.write = real
    assert len(tree(share.folder)) == 1
    assert tree(share.work) == [f"{submission}/coming/a.csv"]
