"""Durable files: whole or not at all, whatever fails and whenever the process dies."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters import durable
from sealdrop.adapters.durable import Folder
from sealdrop.core.errors import NoSpace, StorageFailure
from support.dying import die_at, fail_at
from support.spooling import listing
from support.tracing import traced


def _clean(folder: Path) -> list[str]:
    """Return the names in a folder, failing when a dead process's temporary file is not recognised as one."""
    return [name for name in listing(folder) if not durable.is_leftover(name)]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_new_file_has_the_whole_content_and_exactly_the_mode_asked_for(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        assert durable.write_new(tmp_path / "a", b"x" * 100_000, mode=mode)
    finally:
        os.umask(before)

    assert (tmp_path / "a").read_bytes() == b"x" * 100_000
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode
    assert (tmp_path / "a").stat().st_nlink == 1
    assert listing(tmp_path) == ["a"]


def test_a_new_file_never_takes_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "l").symlink_to("nowhere")

    assert not durable.write_new(tmp_path / "a", b"new")
    assert not durable.write_new(tmp_path / "l", b"new")

    assert (tmp_path / "a").read_bytes() == b"old"
    assert listing(tmp_path) == ["a", "l"]


def test_replacing_a_link_replaces_the_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "l").symlink_to("target")

    durable.replace(tmp_path / "l", b"new")

    assert not (tmp_path / "l").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"target"


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(StorageFailure, match=r"link.*(ELOOP|ENOTDIR)"):
        Folder.open(tmp_path / "link")
    with Folder.open(tmp_path) as folder, pytest.raises(StorageFailure, match=r"ELOOP|ENOTDIR"):
        folder.child("link")
    with pytest.raises(StorageFailure, match=r"ELOOP|ENOTDIR"):
        durable.write_new(tmp_path / "link" / "a", b"x")


def test_names_are_looked_up_in_the_open_folder_not_through_its_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with Folder.open(tmp_path / "real") as folder:
        (tmp_path / "real").rename(tmp_path / "elsewhere")
        (tmp_path / "real").mkdir()
        folder.write_new("a", b"x")

    assert listing(tmp_path / "elsewhere") == ["a"]
    assert listing(tmp_path / "real") == []


def test_moving_what_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()

    assert not durable.move(tmp_path / "a", tmp_path / "to" / "a")
    assert not durable.keep(tmp_path / "a.part", tmp_path / "a")
    assert not durable.remove(tmp_path / "a")


def test_missing_folders_are_made_one_by_one(tmp_path: Path) -> None:
    durable.make_dirs(tmp_path / "a" / "b" / "c")
    durable.make_dirs(tmp_path / "a" / "b" / "c")

    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE])
def test_an_error_at_any_step_leaves_the_old_file_or_the_new_one_and_nothing_else(tmp_path: Path, number: int) -> None:
    for step in itertools.count():
        (tmp_path / "a").write_bytes(b"old")
        refusal: StorageFailure | None = None
        with fail_at(step, number) as seen:
            try:
                durable.replace(tmp_path / "a", b"new")
            except StorageFailure as error:
                refusal = error
        if refusal is not None:
            assert errno.errorcode[number] in refusal.what
            assert str(tmp_path) in refusal.where
            exhausted = number in {errno.ENOSPC, errno.EDQUOT, errno.EMFILE}
            assert isinstance(refusal, NoSpace) == (exhausted and seen[step] != "fsync")
        assert listing(tmp_path) == ["a"]
        assert (tmp_path / "a").read_bytes() in {b"old", b"new"}
        if len(seen) <= step:
            break
    assert step > 6


def test_a_failed_sync_is_never_repeated(tmp_path: Path) -> None:
    for step in range(2):  # of the file, of the folder
        with fail_at(step, errno.EIO, ("fsync",)) as seen, pytest.raises(StorageFailure):
            durable.replace(tmp_path / "a", b"new")
        assert len(seen) == step + 1


def test_a_file_system_that_cannot_sync_folders_will_do(tmp_path: Path) -> None:
    with fail_at(1, errno.EINVAL, ("fsync",)):
        assert durable.write_new(tmp_path / "a", b"x")


def test_a_process_killed_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    for step in itertools.count():
        (tmp_path / "a").write_bytes(b"old")
        killed = die_at(step, lambda: durable.replace(tmp_path / "a", b"new"))
        assert _clean(tmp_path) == ["a"]
        assert (tmp_path / "a").read_bytes() in {b"old", b"new"}
        if not killed:
            break
    assert (tmp_path / "a").read_bytes() == b"new"
    with Folder.open(tmp_path) as folder:
        assert folder.clear_leftovers() > 0
    assert listing(tmp_path) == ["a"]


def test_a_process_killed_at_any_step_leaves_no_new_file_or_a_whole_one(tmp_path: Path) -> None:
    for step in itertools.count():
        killed = die_at(step, lambda: durable.write_new(tmp_path / "a", b"new"))
        assert _clean(tmp_path) in ([], ["a"])
        if _clean(tmp_path):
            assert (tmp_path / "a").read_bytes() == b"new"
            (tmp_path / "a").unlink()
        if not killed:
            break


def test_what_gets_a_name_was_synced_and_its_folder_is_synced_after(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = traced(
        """
from sealdrop.adapters import durable
durable.make_dirs(root / "one")
done("make")
durable.write_new(root / "one" / "new", b"x")
done("write new")
durable.replace(root / "one" / "new", b"y")
done("replace")
durable.make_dirs(root / "two")
durable.move(root / "one" / "new", root / "two" / "moved")
done("move")
(root / "two" / "part").touch()
durable.keep(root / "two" / "part", root / "two" / "whole")
done("keep")
with durable.Folder.open(root / "two") as folder:
    folder.replace_all([("a", b"x"), ("b", b"y")])
done("replace all")
durable.remove(root / "two" / "moved")
done("remove")
""",
        tmp_path / "root",
        tmp_path / "trace",
    )

    assert done.too_early == []
    operations = ("make", "write new", "replace", "move", "keep", "replace all", "remove")
    assert done.operations == {name: set() for name in operations}
    assert len(done.steps) > 20


@given(st.binary(max_size=300))
def test_any_name_is_shown_as_one_plain_line(raw: bytes) -> None:
    text = durable.shown(os.fsdecode(raw))

    assert text.isascii()
    assert text.isprintable() or text == ""
