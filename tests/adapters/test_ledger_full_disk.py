"""A full disk ends nothing: what finds no room says so and changes nothing, and goes on when there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.adapters.ledger.ballast import BALLAST, LOOK_AGAIN, PIECE, Ballast
from sealdrop.adapters.ledger.rows import encode
from sealdrop.adapters.ledger.writer import GroupWriter, Request
from sealdrop.core.errors import NoSpace
from sealdrop.ports.ledger import AGENT_STREAM, Committed, Entry
from support.ledgers import RESUMED, claim
from support.manual_clock import ManualClock
from support.memory_ledger import MemoryLedger
from support.namespaces import run_in_a_namespace

#: A small file system in memory with a ledger on it, and a program beside it that fills it up.
SMALL_DISK = """
import os
from datetime import timedelta
from pathlib import Path
from sealdrop.adapters.ledger import SqliteLedger, verify
from sealdrop.adapters.ledger.ballast import BALLAST, LOOK_AGAIN
from sealdrop.core.errors import NoSpace
from support.ledgers import LIFE, claim
from support.manual_clock import ManualClock

disk = Path(sys.argv[1])
mount("-t", "tmpfs", "-o", "size=6m", "none", disk)
path, ballast, hog = disk / "ledger.db", disk / "ledger.db.ballast", disk / "hog"
clock = ManualClock()

def fill_up():
    with hog.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass

def appended_until_full(ledger):
    lives = 0
    try:
        while lives < 20_000:
            claim(ledger, clock, *LIFE)
            lives += 1
    except NoSpace as error:
        return lives, error
    raise AssertionError("the disk never was full")
"""


def test_a_full_disk_spends_the_ballast_then_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    run_in_a_namespace(
        SMALL_DISK
        + """
with SqliteLedger.open(path, clock) as ledger:
    assert ballast.stat().st_blocks * 512 >= BALLAST
    claim(ledger, clock, *LIFE)
    fill_up()
    lives, error = appended_until_full(ledger)
    assert lives > 50, lives
    assert ballast.stat().st_size == 0
    assert "no room" in error.what and "Free space" in error.hint, error
    head, counts = ledger.export_head(), ledger.counts()
    for _ in range(3):
        try:
            claim(ledger, clock)
        except NoSpace:
            pass
        else:
            raise AssertionError("there is room")
    assert (ledger.export_head(), ledger.counts()) == (head, counts), "nothing was booked"
    hog.unlink()
    clock.advance(timedelta(seconds=LOOK_AGAIN))
    claim(ledger, clock, *LIFE)
    assert ballast.stat().st_blocks * 512 >= BALLAST, "it is made again"
    assert ledger.counts()["sent"] == counts["sent"] + 1
report = verify(path, scratch=Path("/dev/shm"))
assert report.ok, report.problems
""",
        tmp_path,
    )


def test_a_full_disk_is_no_hindrance_to_opening_a_ledger_that_is_there(tmp_path: Path) -> None:
    run_in_a_namespace(
        SMALL_DISK
        + """
with SqliteLedger.open(path, clock) as ledger:
    claim(ledger, clock, *LIFE)
fill_up()
with SqliteLedger.open(path, clock) as ledger:
    for _ in range(10):
        claim(ledger, clock, *LIFE)
""",
        tmp_path,
    )


def test_a_ledger_cannot_be_made_on_a_full_disk_and_nothing_of_it_stays(tmp_path: Path) -> None:
    run_in_a_namespace(
        SMALL_DISK
        + """
fill_up()
for _ in range(2):
    try:
        SqliteLedger.open(path, clock)
    except NoSpace as error:
        assert error.hint.startswith("Free space"), error
    else:
        raise AssertionError("there is room")
assert {one.name for one in disk.iterdir()} <= {"hog", "ledger.db.lock"}
hog.unlink()
SqliteLedger.open(path, clock).close()
""",
        tmp_path,
    )


def test_a_disk_without_inodes_is_a_full_one(tmp_path: Path) -> None:
    """A new ledger's first commit makes the journal, for which there is no inode left; SQLite does not say why."""
    run_in_a_namespace(
        SMALL_DISK
        + """
with SqliteLedger.open(path, clock) as ledger:
    mount("-o", f"remount,nr_inodes={len(list(disk.iterdir())) + 1}", disk)
    try:
        claim(ledger, clock)
    except NoSpace:
        pass
    else:
        raise AssertionError("there is room")
    mount("-o", "remount,nr_inodes=100", disk)
    claim(ledger, clock, *LIFE)
""",
        tmp_path,
    )


#: Appends until it was refused for want of room, then until it was not, then once more.
QUOTA = """
import os, sys
from pathlib import Path
from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.core.errors import NoSpace
from support.ledgers import RESUMED
from support.manual_clock import ManualClock
from sealdrop.ports.ledger import Entry

def append():
    try:
        ledger.append(Entry(stream="agent", event=RESUMED))
    except NoSpace:
        return False
    return True

with SqliteLedger.open(Path(sys.argv[1]), ManualClock()) as ledger:
    answers = [append() for _ in range(80)]
told = [answers[0]] + [now for before, now in zip(answers, answers[1:]) if now is not before]
if told != [True, False, True]:
    os.writev(2, [f"{answers}".encode()])  # write is what may be refused
    sys.exit(1)
"""


def test_verification_copies_beside_the_ledger_where_there_is_room_and_elsewhere_where_not(tmp_path: Path) -> None:
    run_in_a_namespace(
        SMALL_DISK
        + """
import tempfile
temporary = disk.parent / "temporary"
temporary.mkdir()
mount("-t", "tmpfs", "-o", "size=64k", "none", temporary)
tempfile.tempdir = str(temporary)
with SqliteLedger.open(path, clock) as ledger:
    for _ in range(40):
        claim(ledger, clock, *LIFE)
assert path.stat().st_size > 64 << 10
before = sorted(disk.iterdir())
assert verify(path).ok
assert sorted(disk.iterdir()) == before, "the copy is gone"

fill_up()
tempfile.tempdir = "/dev/shm"
assert verify(path).ok
""",
        tmp_path,
    )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def _request() -> Request:
    return Request(entries=(Entry(stream=AGENT_STREAM, event=RESUMED),), encoded=(encode(RESUMED),))


def test_a_used_up_quota_is_a_full_disk(tmp_path: Path) -> None:
    """The system says EDQUOT to some writes in the middle; SQLite calls that an I/O error like any other."""
    path = tmp_path / "ledger.db"
    SqliteLedger.open(path, ManualClock()).close()
    refusals = ["-e", "inject=pwrite64:error=EDQUOT:when=40..60", "-e", "inject=write:error=EDQUOT:when=1+"]
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64,write", *refusals]

    done = _run(*command, sys.executable, "-c", QUOTA, str(path))

    assert done.returncode == 0, done.stderr


def test_a_failing_disk_is_never_taken_for_a_full_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    SqliteLedger.open(path, ManualClock()).close()
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EIO:when=40+"]

    done = _run(*command, sys.executable, "-c", QUOTA, str(path))

    assert "StorageFailure" in done.stderr
    assert "takes nothing more" in done.stderr


def test_those_in_a_commit_without_room_hear_of_it_and_the_next_are_served() -> None:
    room = iter([False, True])

    def commit(_: object) -> list[list[Committed]]:
        if not next(room):
            raise NoSpace("there is no room left", where="ledger", hint="Free space")
        return [[]]

    writer = GroupWriter(commit, "ledger")
    with pytest.raises(NoSpace, match="Free space"):
        writer.append(_request())
    assert writer.append(_request()) == []
    writer.close()


def test_the_ledger_in_memory_can_be_full_for_a_while() -> None:
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    ledger.full = True
    with pytest.raises(NoSpace):
        claim(ledger, clock)
    assert ledger.counts() == {}
    ledger.full = False
    claim(ledger, clock)


def test_the_ballast_is_given_up_in_pieces_and_made_again_after_a_while(tmp_path: Path) -> None:
    ballast, file = Ballast(tmp_path / "ledger.db"), tmp_path / "ledger.db.ballast"
    ballast.fill(0)
    assert ballast.whole

    assert [ballast.release(1) for _ in range(BALLAST // PIECE + 1)] == [True] * (BALLAST // PIECE) + [False]
    assert file.stat().st_size == 0
    ballast.fill(LOOK_AGAIN)
    assert file.stat().st_size == 0, "it would be looked at on every commit"
    ballast.fill(1 + LOOK_AGAIN)
    assert file.stat().st_blocks * 512 >= BALLAST
    assert ballast.whole


def test_a_ballast_with_holes_is_none(tmp_path: Path) -> None:
    """A copy of the ledger's folder may have been made by a program that saves room."""
    file = tmp_path / "ledger.db.ballast"
    with file.open("wb") as sparse:
        sparse.truncate(BALLAST)

    Ballast(tmp_path / "ledger.db").fill(0)

    assert file.stat().st_blocks * 512 >= BALLAST


def test_a_ballast_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.ballast").symlink_to("/etc/passwd")
    ballast = Ballast(tmp_path / "ledger.db")
    ballast.fill(0)

    assert not ballast.whole
    assert not ballast.release(0)
