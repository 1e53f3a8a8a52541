"""Secret files: whose they may be, how closed they must be, and that nothing of them shows."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealdrop.adapters.durable import Unfit, read_line, read_secret, read_small
from sealdrop.adapters.durable.secret import why_exposed
from support.unprivileged import NOBODY, as_nobody, need_root

MARKER = "never-tell-this-marker"


@pytest.fixture
def memory() -> Iterator[Path]:
    """Give a folder in memory, where the service manager keeps its credentials, that everybody may enter."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def secret(folder: Path, data: bytes = MARKER.encode(), mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def let_nobody_read(path: Path) -> None:
    """Give a file the access list that the service manager gives a credential: its owner and one user may read."""
    entries = [(0x01, 4, 0xFFFFFFFF), (0x02, 4, NOBODY), (0x04, 0, 0xFFFFFFFF), (0x10, 4, 0xFFFFFFFF)]
    entries.append((0x20, 0, 0xFFFFFFFF))
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)


def test_a_credential_of_the_service_manager_is_read_by_its_unit(memory: Path) -> None:
    need_root()
    path = secret(memory, mode=0o400)
    let_nobody_read(path)
    assert path.stat().st_mode & 0o777 == 0o440, "the list's mask shows as the group's bits"

    with as_nobody():
        assert read_secret(path, 100) == MARKER.encode()


@pytest.mark.parametrize(
    ("mode", "owner", "group", "reason"),
    [
        (0o600, 12345, 0, "belongs to user 12345"),
        (0o440, 0, 12345, "open to others"),
        (0o460, 0, 0, "open to others"),
        (0o444, 0, 0, "open to others"),
        (0o400, 0, 0, None),
        (0o440, 0, 0, None),
        (0o400, os.geteuid(), 12345, None),
    ],
)
def test_a_secret_belongs_to_us_or_to_root_alone(mode: int, owner: int, group: int, reason: str | None) -> None:
    why = why_exposed(os.stat_result((0o100000 | mode, 1, 1, 1, owner, group, 10, 0, 0, 0)))
    assert why is None if reason is None else reason in (why or "")


def as_link(folder: Path) -> Path:
    link = folder / "link"
    link.symlink_to(secret(folder))
    return link


def as_fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo", 0o600)
    return folder / "fifo"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(as_link, "is a symbolic link", id="a link"),
        pytest.param(as_fifo, "is no regular file", id="a FIFO"),
        pytest.param(lambda folder: folder, "is no regular file", id="a folder"),
        pytest.param(lambda folder: folder / "gone", "cannot be read: No such file", id="a missing file"),
        pytest.param(lambda folder: secret(folder, mode=0o644), "is open to others (mode 0644)", id="an open file"),
        pytest.param(lambda folder: secret(folder, b""), "is empty", id="an empty file"),
        pytest.param(lambda folder: secret(folder, MARKER.encode() * 9), "is longer than 100 bytes", id="a long file"),
    ],
)
def test_what_is_no_proper_secret_is_refused_without_its_value(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    path = make(tmp_path)
    for read in (read_secret, read_line):
        with pytest.raises(Unfit) as caught:
            read(path, 100)
        assert caught.value.what.startswith(reason)
        assert caught.value.hint
        assert MARKER not in f"{caught.value} {caught.value!r} {caught.value.hint}"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_end_is_no_part_of_the_line_and_every_byte_else_is(tmp_path: Path, end: bytes) -> None:
    line = b" p\xe4\xff: "
    assert read_line(secret(tmp_path, line + end), len(line)) == line


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\n", "holds an empty line"),
        (b"\r\n", "holds an empty line"),
        (b"a\nb\n", "holds more than one line"),
        (b"a\n\n", "holds more than one line"),
        (b"a\r", "holds more than one line"),
        (b"a\0", "holds more than one line"),
        (b"x" * 11, "is longer than 10 bytes"),
        (b"x" * 300, "is longer than 10 bytes"),
    ],
)
def test_what_is_not_one_line_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        read_line(secret(tmp_path, data), 10)


def test_a_public_file_may_be_open_and_a_link_but_is_bounded(tmp_path: Path) -> None:
    path = as_link(tmp_path)
    path.resolve().chmod(0o644)

    assert read_small(path, 100) == MARKER.encode()
    with pytest.raises(Unfit, match="longer than 10 bytes"):
        read_small(path, 10)
