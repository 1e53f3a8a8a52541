"""Looking at an outbox: every name is an observation, left alone with a reason, or passed over."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.outbox import Convention, FolderOutbox
from sealdrop.core.errors import ConfigurationError, TemporaryFailure
from sealdrop.core.file_names import danger
from sealdrop.core.readiness import Observation
from sealdrop.ports.intake import LeftAlone
from support.spooling import Place, listing, names, observe, on_another_mount
from support.unprivileged import as_nobody, give_to_nobody


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def shm(tmp_path: Path) -> Iterator[Path]:
    with on_another_mount(tmp_path) as folder:
        yield folder


def test_a_file_is_observed_as_lstat_sees_it(place: Place) -> None:
    path = place.drop("a.csv")

    assert list(place.folder_outbox().look()) == [observe(path)]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "a symbolic link"),
        (os.mkfifo, "a named pipe"),
        (_socket, "a socket"),
        (os.mkdir, "a folder"),
    ],
)
def test_what_is_no_file_is_left_alone(short_tmp: Path, make: Callable[[Path], None], reason: str) -> None:
    place = Place(short_tmp)
    make(place.outbox / "x.csv")

    (seen,) = place.folder_outbox().look()

    assert isinstance(seen, LeftAlone)
    assert (seen.name, reason in seen.reason) == ("x.csv", True)
    assert seen.hint


@pytest.mark.parametrize("raw", [b"\xff.csv", b"a\nb", b"-rf", "a\u202eb".encode(), b"CON.csv", b"x" * 201])
def test_dangerous_names_are_left_alone(place: Place, raw: bytes) -> None:
    Path(os.fsdecode(os.fsencode(place.outbox) + b"/" + raw)).touch()

    (seen,) = place.folder_outbox().look()

    assert isinstance(seen, LeftAlone)
    assert os.fsencode(seen.name) == raw
    assert seen.reason.isprintable()


@given(st.binary(min_size=1, max_size=255).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_any_name_a_disk_can_hold_is_safe_or_not_observed(raw: bytes) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        place = Place(root)
        target = os.fsencode(place.outbox) + b"/" + raw
        if raw not in {b".", b"..", b"results"}:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        for seen in place.folder_outbox().look():
            assert os.fsencode(seen.name) == raw
            assert isinstance(seen, LeftAlone) == (danger(seen.name) is not None)
    finally:
        shutil.rmtree(root)


def test_names_that_fit_no_glob_are_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(accept=("ADT_*.csv", "*.CSV")))
    for name in ("ADT_1.csv", "b.CSV", "adt_1.csv", "readme.txt", "evil.pth"):
        place.drop(name)

    seen = list(place.folder_outbox().look())

    assert names(seen, Observation) == {"ADT_1.csv", "b.CSV"}
    assert names(seen, LeftAlone) == {"adt_1.csv", "readme.txt", "evil.pth"}


def test_names_in_progress_and_folders_of_ours_are_passed_over(place: Place) -> None:
    for name in ("a.csv.part", "b.tmp", "c.filepart", ".a.csv.x7Gh2", ".tmp-0123456789abcdef"):
        (place.outbox / name).touch()
    (place.outbox / ".claimed").mkdir()

    assert list(place.folder_outbox().look()) == []


def test_a_forgotten_name_in_progress_is_reported_when_it_is_old(place: Place) -> None:
    (place.outbox / "a.csv.part").touch()
    (place.outbox / ".hidden.csv").touch()
    outbox = place.folder_outbox()

    place.clock.advance(timedelta(seconds=3500))
    assert list(outbox.look()) == []
    place.clock.advance(timedelta(seconds=200))
    assert names(list(outbox.look()), LeftAlone) == {"a.csv.part", ".hidden.csv"}


def test_a_file_named_like_a_folder_of_ours_is_judged_like_any_other(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.outbox / "results").rmdir()
    place.drop("results")

    assert names(list(place.folder_outbox().look()), Observation) == {"results"}


def test_a_marker_marks_its_file_and_is_itself_passed_over(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(marker=".done"))
    place.drop("a.csv")
    place.drop("b.csv")
    (place.outbox / "a.csv.done").touch()

    seen = {one.name: one for one in place.folder_outbox().look()}

    assert seen == {
        "a.csv": observe(place.outbox / "a.csv", marked=True),
        "b.csv": observe(place.outbox / "b.csv", marked=False),
    }


def test_a_marker_that_is_no_file_marks_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(marker=".done"))
    place.drop("a.csv")
    (place.outbox / "a.csv.done").symlink_to("a.csv")

    seen = list(place.folder_outbox().look())

    assert [one.marked for one in seen if isinstance(one, Observation)] == [False]
    assert names(seen, LeftAlone) == {"a.csv.done"}


def test_a_marker_without_its_file_is_reported_only_when_it_is_old(tmp_path: Path) -> None:
    place = Place(tmp_path, Convention(marker=".done"))
    (place.outbox / "a.csv.done").touch()
    outbox = place.folder_outbox()

    assert list(outbox.look()) == []
    place.clock.advance(timedelta(hours=2))
    (seen,) = outbox.look()
    assert isinstance(seen, LeftAlone)
    assert "not there" in seen.reason


def test_without_the_marker_protocol_a_name_like_a_marker_is_a_name(place: Place) -> None:
    place.drop("a.csv.done")

    assert names(list(place.folder_outbox().look()), Observation) == {"a.csv.done"}


def test_a_file_with_two_links_is_left_alone_at_the_second_look(place: Place) -> None:
    path = place.drop("a.csv")
    os.link(path, place.root / "outside.csv")
    outbox = place.folder_outbox()

    assert list(outbox.look()) == []
    (seen,) = outbox.look()
    assert isinstance(seen, LeftAlone)
    assert "hard link" in seen.reason


def test_a_producer_that_publishes_by_link_and_unlink_raises_no_alarm(place: Place) -> None:
    (place.outbox / "a.csv.part").write_bytes(b"x")
    os.link(place.outbox / "a.csv.part", place.outbox / "a.csv")
    outbox = place.folder_outbox()

    assert list(outbox.look()) == []
    (place.outbox / "a.csv.part").unlink()
    assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_a_file_we_may_not_read_is_left_alone_until_we_may(short_tmp: Path) -> None:
    place = Place(short_tmp)
    path = place.drop("a.csv")
    path.chmod(0)
    give_to_nobody(short_tmp, *short_tmp.rglob("*"))
    outbox = place.folder_outbox()

    with as_nobody():
        (seen,) = outbox.look()
        assert isinstance(seen, LeftAlone)
        assert "may not read" in seen.reason
        path.chmod(0o400)
        assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_a_file_withdrawn_between_listing_and_looking_is_passed_over(place: Place) -> None:
    for number in range(20):
        place.drop(f"{number}.csv")

    seen = []
    for one in place.folder_outbox().look():
        seen.append(one)
        for path in place.outbox.glob("*.csv"):
            path.unlink()

    assert len(seen) == 1


def test_memory_does_not_grow_with_the_number_of_files(place: Place) -> None:
    outbox = place.folder_outbox()
    peaks: list[int] = []
    for begin, end in ((0, 500), (500, 10_000)):
        for number in range(begin, end):
            (place.outbox / f"a-rather-long-file-name-{number}.csv").touch()
        tracemalloc.start()
        assert sum(1 for _ in outbox.look()) == end
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 100_000


def test_an_outbox_that_is_missing_at_the_start_is_reported_and_used_when_it_comes(place: Place) -> None:
    shutil.rmtree(place.outbox)
    outbox = place.folder_outbox()

    with pytest.raises(TemporaryFailure, match="outbox/adt"):
        list(outbox.look())
    place.outbox.mkdir()
    place.drop("a.csv")

    assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_an_outbox_that_was_replaced_is_said_once_and_then_used(place: Place) -> None:
    outbox = place.folder_outbox()
    place.outbox.rename(place.root / "old")
    place.outbox.mkdir()
    place.drop("a.csv")

    with pytest.raises(TemporaryFailure, match="another folder"):
        list(outbox.look())
    assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_an_outbox_that_comes_back_as_it_was_is_used_at_once(place: Place) -> None:
    outbox = place.folder_outbox()
    place.outbox.rename(place.root / "away")
    with pytest.raises(TemporaryFailure):
        list(outbox.look())
    (place.root / "away").rename(place.outbox)
    place.drop("a.csv")

    assert names(list(outbox.look()), Observation) == {"a.csv"}


def test_a_link_in_place_of_the_outbox_is_never_followed(place: Place) -> None:
    outbox = place.folder_outbox()
    place.outbox.rename(place.root / "old")
    place.outbox.symlink_to(place.root / "old")

    with pytest.raises(TemporaryFailure):
        list(outbox.look())


def test_an_outbox_on_another_mount_is_a_mistake_of_configuration(place: Place, shm: Path) -> None:
    with pytest.raises(ConfigurationError, match="not on one mount"):
        FolderOutbox("adt", shm, place.root, convention=Convention(), clock=place.clock)
    assert listing(shm) == []
    assert listing(place.work) == []


def test_a_probe_proves_the_rename_and_leaves_nothing(place: Place) -> None:
    place.folder_outbox().probe()

    assert listing(place.outbox) == ["results"]
    assert listing(place.work) == []
