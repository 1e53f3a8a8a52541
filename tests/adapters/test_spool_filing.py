"""Filing: one rename, evidence beside it, nothing lost at any step, and the same answer however often it is asked."""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.spool.filing import own_name
from sealdrop.core.errors import StorageFailure
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.spool import FiledAs
from support.dying import die_at, fail_at
from support.spooling import Place, filing, listing, new_id, on_another_mount, tree
from support.tracing import traced


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A spool in memory: a killed process leaves there what it leaves on a disk, and hundreds of syncs cost nothing."""
    with on_another_mount(tmp_path) as root:
        yield Place(root)


def _ready(place: Place, name: str = "a.csv", data: bytes = b"content") -> SubmissionId:
    """Return a submission that is claimed, copied and sealed."""
    submission = place.claimed(name, data)
    spool = place.spool()
    (claimed,) = (one for one in spool.claimed() if one.submission == submission)
    spool.snapshot(claimed, 1 << 20)
    spool.unsealed_target(submission, "adt").write_bytes(b"sealed")
    spool.keep_sealed(submission, "adt")
    return submission


def _filed(
    place: Place, submission: SubmissionId, to: str = "sent", day: str = "2026-01-01", name: str = "a.csv"
) -> Path:
    return place.root / to / day / f"{name}.{submission}"


def test_a_sent_file_is_filed_under_its_own_name_with_its_evidence(place: Place) -> None:
    submission = _ready(place)

    filed = place.spool().file_away(filing(submission))

    assert filed == FiledAs(folder=f"sent/2026-01-01/a.csv.{submission}", late_write=False)
    folder = _filed(place, submission)
    assert tree(folder) == ["a.csv", "receipt.json"]
    assert listing(folder) == ["a.csv", "receipt.json"]
    assert (folder / "a.csv").read_bytes() == b"content"
    assert (folder / "receipt.json").read_bytes() == b"{}"
    assert listing(place.work) == []


def test_a_failed_file_keeps_its_sealed_bytes_and_its_reports(place: Place) -> None:
    submission = _ready(place)
    reports = (("report.json", b"{}"), ("report.txt", b"why"))

    place.spool().file_away(filing(submission, to="failed", evidence=reports, keep="digest"))

    assert listing(_filed(place, submission, "failed")) == ["a.csv", "report.json", "report.txt", "sealed"]


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ("content", ["a.csv", "receipt.json"]),
        ("sealed", ["receipt.json", "sealed"]),
        ("digest", ["receipt.json"]),
    ],
)
def test_what_stays_of_a_sent_file_is_the_profiles_choice(place: Place, keep: str, stays: list[str]) -> None:
    submission = _ready(place)

    place.spool().file_away(filing(submission, keep=keep))

    assert listing(_filed(place, submission)) == stays


@pytest.mark.parametrize("keep", ["content", "sealed", "digest"])
def test_what_the_producer_wrote_after_the_claim_is_kept_beside_what_was_sent(place: Place, keep: str) -> None:
    submission = _ready(place)
    with (place.work / submission / "dropped" / "a.csv").open("ab") as late:
        late.write(b", and more")

    filed = place.spool().file_away(filing(submission, keep=keep))

    assert filed.late_write
    folder = _filed(place, submission)
    assert (folder / "a.csv").read_bytes() == b"content"
    assert (folder / "dropped" / "a.csv").read_bytes() == b"content, and more"
    assert place.spool().file_away(filing(submission, keep=keep)) == filed


def test_bytes_changed_in_place_with_their_times_put_back_are_a_late_write(place: Place) -> None:
    submission = _ready(place)
    dropped = place.work / submission / "dropped" / "a.csv"
    before = dropped.stat()
    dropped.write_bytes(b"CONTENT")
    os.utime(dropped, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert place.spool().file_away(filing(submission)).late_write


def test_a_writer_who_still_has_the_file_open_is_a_late_write_although_nothing_differs_yet(place: Place) -> None:
    submission = _ready(place)
    with (place.work / submission / "dropped" / "a.csv").open("ab") as late:
        filed = place.spool().file_away(filing(submission))
        late.write(b", and more")

    assert filed.late_write
    assert (_filed(place, submission) / "dropped" / "a.csv").read_bytes() == b"content, and more"


@pytest.mark.parametrize("kind", ["link", "fifo", "terabyte"])
def test_what_somebody_put_in_place_of_the_dropped_file_is_neither_followed_nor_waited_for(
    place: Place, kind: str
) -> None:
    submission = _ready(place)
    dropped = place.work / submission / "dropped" / "a.csv"
    dropped.unlink()
    if kind == "link":
        dropped.symlink_to(place.work / submission / "content")
    elif kind == "fifo":
        os.mkfifo(dropped)
    else:
        dropped.touch()
        os.truncate(dropped, 1 << 40)

    started = time.monotonic()
    filed = place.spool().file_away(filing(submission))

    assert filed.late_write
    assert time.monotonic() - started < 5
    assert (_filed(place, submission) / "a.csv").read_bytes() == b"content"


def test_a_thing_set_aside_is_moved_as_it_is_and_never_read(place: Place) -> None:
    submission = place.claimed()
    dropped = place.work / submission / "dropped" / "a.csv"
    dropped.unlink()
    dropped.symlink_to("/etc/passwd")
    order = filing(submission, sha256="", to="failed", evidence=(("report.txt", b"a link"),))

    filed = place.spool().file_away(order)

    assert filed == FiledAs(folder=f"failed/2026-01-01/a.csv.{submission}", late_write=False)
    assert tree(_filed(place, submission, "failed")) == ["dropped/a.csv", "report.txt"]
    assert (_filed(place, submission, "failed") / "dropped" / "a.csv").is_symlink()
    assert place.spool().file_away(order) == filed


def test_a_file_set_aside_for_its_size_is_not_read_either(place: Place) -> None:
    submission = place.claimed()
    order = filing(submission, sha256="", to="failed")

    with fail_at(0, errno.EIO, ("preadv", "read", "pread")) as seen:
        place.spool().file_away(order)

    assert seen == []
    assert tree(_filed(place, submission, "failed")) == ["dropped/a.csv", "receipt.json"]


def test_a_submission_filed_yesterday_is_found_there_by_the_process_that_starts_today(place: Place) -> None:
    submission = _ready(place)
    filed = place.spool().file_away(filing(submission, day="2026-01-01"))

    assert place.spool().file_away(filing(submission, day="2026-01-02")) == filed
    assert listing(place.root / "sent") == ["2026-01-01"]


def test_a_submission_that_is_nowhere_is_a_storage_failure(place: Place) -> None:
    with pytest.raises(StorageFailure, match="neither in work nor filed"):
        place.spool().file_away(filing(new_id()))


@pytest.mark.parametrize("name", ["receipt.json", "REPORT.TXT", "content", "sealed", "dropped", "sealed.part"])
def test_a_file_named_like_something_of_ours_hides_nothing(place: Place, name: str) -> None:
    submission = _ready(place, name)

    filed = place.spool().file_away(filing(submission, file_name=name))

    folder = place.root / filed.folder
    assert (folder / f"content-{name}").read_bytes() == b"content"
    assert (folder / "receipt.json").read_bytes() == b"{}"
    assert listing(folder) == sorted([f"content-{name}", "receipt.json"])


@given(
    st.text(min_size=1, max_size=20) | st.sampled_from(["content-content", "Receipt.Json"]),
    st.lists(st.text(min_size=1, max_size=20), max_size=3),
)
def test_the_contents_name_never_meets_another(name: str, evidence: list[str]) -> None:
    order = filing(new_id(), file_name=name, evidence=tuple((one, b"") for one in evidence))

    own = own_name(order).casefold()

    assert own not in {one.casefold() for one in evidence}
    assert own not in {"content", "sealed", "sealed.part", "dropped", "receipt.json", "report.json", "report.txt"}
    assert own.endswith(name.casefold())


def test_the_only_copy_left_is_never_removed(place: Place) -> None:
    """Somebody removed our private copy: what was dropped is all there is."""
    submission = _ready(place)
    (place.work / submission / "content").unlink()

    place.spool().file_away(filing(submission))

    assert (_filed(place, submission) / "dropped" / "a.csv").read_bytes() == b"content"


def test_a_folder_that_a_dead_process_was_filing_is_still_found_under_the_files_name(place: Place) -> None:
    submission = _ready(place)
    home = place.work / submission
    (home / "content").rename(home / "a.csv")
    (home / "dropped" / "a.csv").unlink()

    (claimed,) = place.spool().claimed()

    assert (claimed.submission, claimed.file_name) == (submission, "a.csv")
    assert (home / "a.csv").read_bytes() == b"content"


@pytest.mark.parametrize("keep", ["content", "digest"])
@pytest.mark.parametrize("late", [False, True])
def test_a_process_killed_at_any_step_loses_nothing_and_the_next_one_gives_the_same_answer(
    place: Place, keep: str, *, late: bool
) -> None:
    for step in itertools.count():
        submission = _ready(place)
        if late:
            (place.work / submission / "dropped" / "a.csv").write_bytes(b"later")
        order = filing(submission, keep=keep)
        spool = place.spool()
        killed = die_at(step, lambda: spool.file_away(order))  # noqa: B023 - runs now

        in_work = (place.work / submission).is_dir()
        assert in_work != _filed(place, submission).is_dir(), "in two places or in none"
        if in_work:
            bytes_left = {path.read_bytes() for path in (place.work / submission).rglob("*") if path.is_file()}
            assert b"content" in bytes_left, "not filed, and already gone"
            claimed = [one for one in place.spool().claimed() if one.submission == submission]
            assert [one.file_name for one in claimed] == ["a.csv"]

        filed = place.spool().file_away(order)
        assert filed == FiledAs(folder=f"sent/2026-01-01/a.csv.{submission}", late_write=late)
        kept = ["a.csv"] if keep == "content" or late else []
        kept += ["dropped"] if late else []
        assert listing(_filed(place, submission)) == [*kept, "receipt.json"]
        assert listing(place.work) == []
        if not killed:
            break
    assert step > 15


@pytest.mark.parametrize("to", ["sent", "failed"])
@pytest.mark.parametrize("name", ["a.csv", "content", "receipt.json"])
def test_the_content_is_found_whatever_step_of_filing_was_the_last(place: Place, to: str, name: str) -> None:
    for step in itertools.count():
        submission = _ready(place, name)
        order = filing(submission, to=to, file_name=name)
        spool = place.spool()
        killed = die_at(step, lambda: spool.file_away(order))  # noqa: B023 - runs now

        found = place.spool().kept(submission, "adt", name, None)
        assert found is not None
        assert found.read_bytes() == b"content"
        filed = place.spool().file_away(order)
        found = place.spool().kept(submission, "adt", name, filed.folder)
        assert found == place.root / filed.folder / own_name(order)
        assert found.read_bytes() == b"content"
        if not killed:
            break


@pytest.mark.parametrize("keep", ["sealed", "digest"])
def test_content_that_was_not_kept_is_not_found(place: Place, keep: str) -> None:
    submission = _ready(place)
    filed = place.spool().file_away(filing(submission, keep=keep))

    for folder in (None, filed.folder):
        assert place.spool().kept(submission, "adt", "a.csv", folder) is None
    assert place.spool().kept(new_id(), "adt", "a.csv", None) is None


def test_a_thing_set_aside_survives_a_kill_at_any_step(place: Place) -> None:
    for step in itertools.count():
        submission = place.claimed()
        dropped = place.work / submission / "dropped" / "a.csv"
        dropped.unlink()
        dropped.symlink_to("/etc/passwd")
        order = filing(submission, sha256="", to="failed", evidence=(("report.txt", b"a link"),))
        spool = place.spool()
        killed = die_at(step, lambda: spool.file_away(order))  # noqa: B023 - runs now

        place.spool().file_away(order)
        assert tree(_filed(place, submission, "failed")) == ["dropped/a.csv", "report.txt"]
        assert listing(place.work) == []
        if not killed:
            break


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_error_at_any_step_loses_nothing_and_trying_again_files_it(place: Place, number: int) -> None:
    for step in itertools.count():
        submission = _ready(place)
        spool = place.spool()
        with fail_at(step, number) as seen:
            try:
                spool.file_away(filing(submission))
            except StorageFailure as error:
                assert errno.errorcode[number] in error.what  # noqa: PT017 - most steps fail, some may not
        assert (place.work / submission).is_dir() != _filed(place, submission).is_dir()

        filed = place.spool().file_away(filing(submission))
        assert (_filed(place, submission) / "a.csv").read_bytes() == b"content"
        # An error while comparing says that the dropped file may differ, so both may stay; never neither.
        assert set(listing(_filed(place, submission))) - {"dropped"} == {"a.csv", "receipt.json"}
        assert filed.late_write == (_filed(place, submission) / "dropped").exists()
        if len(seen) <= step:
            break
    assert step > 15


def test_from_claim_to_filing_every_change_is_synced_before_the_next_depends_on_it(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = traced(
        """
from support.spooling import Place, filing, new_id, observe
place = Place(root)
outbox, spool = place.folder_outbox(), place.spool()
done("start")
path = place.drop("a.csv")
submission = new_id()
assert outbox.claim(observe(path), submission)
done("claim")
(claimed,) = spool.claimed()
spool.snapshot(claimed, 100)
done("snapshot")
spool.unsealed_target(submission, "adt").write_bytes(b"sealed")
spool.keep_sealed(submission, "adt")
done("seal")
spool.file_away(filing(submission, keep="digest"))
done("file")
outbox.publish_result("a.csv", submission, [(".json", b"{}")])
done("publish")
""",
        tmp_path / "root",
        tmp_path / "trace",
    )

    assert done.too_early == []
    operations = ("start", "claim", "snapshot", "seal", "file", "publish")
    assert done.operations == {name: set() for name in operations}
    assert sum("fsync" in step for step in done.steps) > 20
