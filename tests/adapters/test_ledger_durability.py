"""What was acknowledged is there, whatever happens: kills, full disks, readers beside the agent, two agents at once."""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealdrop.adapters.ledger import ReadOnlyLedger, SqliteLedger, verify
from sealdrop.core.errors import Refused, StorageFailure
from sealdrop.ports.ledger import AGENT_STREAM, Entry
from support import lifecycles as lc
from support.ledgers import LIFE, RESUMED, claim, make_ledger
from support.manual_clock import ManualClock
from support.unmeasured import unmeasured
from support.waiting import wait_until

KILLS = 12


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path, clock: ManualClock) -> Path:
    made = tmp_path / "ledger.db"
    make_ledger(made, clock)
    return made


@pytest.fixture
def ledger(path: Path, clock: ManualClock) -> Iterator[SqliteLedger]:
    with SqliteLedger.open(path, clock) as opened:
        yield opened


#: Appends whole lives from four threads and says so on standard output, one line an acknowledged event.
APPENDING = """
import os, sys, threading
from pathlib import Path
from sealdrop.adapters.clock import SystemClock
from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.core.errors import SealdropError
from sealdrop.ports.ledger import Entry
from support.ledgers import LIFE, claimed_now

clock = SystemClock()
ledger = SqliteLedger.open(Path(sys.argv[1]), clock)
clock.never_before(ledger.newest_id())
{limit}

def work():
    try:
        while True:
            one, first = claimed_now(clock)
            for event in (first, *LIFE):
                (committed,) = ledger.append(Entry(stream=one, event=event))
                os.write(1, f"{{committed.sequence}} {{one}} {{type(event).__name__}}\\n".encode())
    except SealdropError as error:
        os.write(2, f"{{type(error).__name__}}: {{error}}\\n".encode())

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def start(path: Path, limit: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDING.format(limit=limit), str(path)],
        bufsize=0,  # what is read here must not swallow what communicate reads later
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def environment() -> dict[str, str]:
    """Let a child find what we find."""
    return {**unmeasured(), "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def acknowledged(output: bytes) -> set[tuple[int, str, str]]:
    whole_lines = output[: output.rfind(b"\n") + 1].decode().splitlines()
    return {(int(sequence), one, kind) for sequence, one, kind in (line.split() for line in whole_lines)}


def stored(path: Path) -> set[tuple[int, str, str]]:
    with closing(sqlite3.connect(path)) as sql:
        return set(sql.execute("SELECT sequence, stream, type FROM events"))


def test_whatever_was_acknowledged_survives_a_kill_at_any_moment(path: Path, clock: ManualClock) -> None:
    chance = random.Random()
    for _ in range(KILLS):
        child = start(path)
        assert child.stdout is not None
        output = child.stdout.read(1)  # it is at work
        select.select([], [], [], chance.uniform(0.0, 0.15))
        child.kill()
        rest, errors = child.communicate()
        assert (child.returncode, errors) == (-9, b"")

        with SqliteLedger.open(path, clock):  # rolls an unfinished commit back, and the dead one's lock is gone
            pass
        assert acknowledged(output + rest) <= stored(path)
        report = verify(path)
        assert report.ok, report.problems


#: Appends, and says so on standard output after each append.
SAYING = """
import os, sys
from pathlib import Path
from sealdrop.adapters.ledger import SqliteLedger
from support.ledgers import RESUMED
from support.manual_clock import ManualClock
from sealdrop.ports.ledger import Entry

with SqliteLedger.open(Path(sys.argv[1]), ManualClock()) as ledger:
    for number in range(5):
        os.write(1, b"asking")
        ledger.append(Entry(stream="agent", event=RESUMED))
        os.write(1, b"durable")
"""


def test_each_append_is_on_the_disk_before_its_caller_hears(path: Path, tmp_path: Path) -> None:
    """As the system sees it: journal synced, then the ledger, then the journal's end, then the answer."""
    trace = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-o",
            str(trace),
            "-e",
            "trace=write,fsync,fdatasync",
            sys.executable,
            "-c",
            SAYING,
            path,
        ],
        env=environment(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    calls = re.findall(r"(write|fsync|fdatasync)\(\d+<([^>]*)>(?:, \"(asking|durable)\")?", trace.read_text())
    letters = {"asking": "(", "durable": ")", "ledger.db-journal": "j", "ledger.db": "l"}
    told = [word if call == "write" else Path(name).name for call, name, word in calls]
    syncs = "".join(letters.get(one, "") for one in told)

    assert re.fullmatch(r"[jl]*(\(j+lj\)){5}[jl]*", syncs), syncs


def test_a_commit_that_fails_leaves_nothing_half_written_and_ends_the_ledger(path: Path, clock: ManualClock) -> None:
    room = path.stat().st_size + 10 * 4096
    child = start(path, limit=f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))")
    output, errors = child.communicate(timeout=60)

    failures = errors.decode().splitlines()
    assert len(failures) == 4, "every caller hears of it"
    assert all(line.startswith("StorageFailure: ") and "takes nothing more" in line for line in failures), failures
    already = 7 * 3
    assert {one for one in stored(path) if one[0] > already} == acknowledged(output) != set()
    assert verify(path).ok
    with SqliteLedger.open(path, clock) as ledger:
        clock.never_before(ledger.newest_id() or lc.ID)
        claim(ledger, clock, *LIFE)


def test_one_process_at_a_time_writes(path: Path, ledger: SqliteLedger, clock: ManualClock) -> None:
    with pytest.raises(Refused, match="another process"):
        SqliteLedger.open(path, clock)
    child = start(path)
    _, errors = child.communicate(timeout=60)
    assert b"another process is writing to this ledger" in errors

    ledger.close()
    SqliteLedger.open(path, clock).close()


def test_a_failed_opening_lets_the_lock_go(tmp_path: Path, clock: ManualClock) -> None:
    bad = tmp_path / "ledger.db"
    bad.write_bytes(b"x" * 5000)
    for _ in range(2):
        with pytest.raises(Exception, match="damaged"):
            SqliteLedger.open(bad, clock)
    bad.unlink()
    SqliteLedger.open(bad, clock).close()


def test_a_ledger_is_made_readable_for_its_group_only_and_leaves_no_draft(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o640
    beside = {"ledger.db.lock", "ledger.db-journal", "ledger.db.ballast"}
    assert {one.name for one in path.parent.iterdir()} == {"ledger.db", *beside}


def test_one_commit_serves_many_callers(path: Path, ledger: SqliteLedger, clock: ManualClock) -> None:
    callers, each = 16, 12
    before = commits(path)
    begin = threading.Barrier(callers)

    def work() -> None:
        begin.wait()
        for _ in range(each):
            claim(ledger, clock)

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert commits(path) - before < callers * each / 4


def commits(path: Path) -> int:
    """Return SQLite's count of changes to the file, one a transaction (bytes 24 to 27 of its header)."""
    return int.from_bytes(path.read_bytes()[24:28], "big")


def test_a_reader_beside_the_agent_sees_what_is_committed(path: Path, ledger: SqliteLedger, clock: ManualClock) -> None:
    with ReadOnlyLedger.open(path) as beside:
        one = claim(ledger, clock, *LIFE[:2])

        assert beside.record(one) == ledger.record(one)
        assert [record.submission.id for record in beside.open_records()] == [one]
        assert beside.counts() == ledger.counts() == {"sealed": 1, "sent": 3}
        assert beside.export_head() == ledger.export_head()


def test_readers_and_the_writer_do_not_make_each_other_fail(
    path: Path, ledger: SqliteLedger, clock: ManualClock
) -> None:
    done = threading.Event()
    rounds = [0, 0]

    def read(place: int) -> None:
        with ReadOnlyLedger.open(path) as beside:
            while not done.is_set():
                beside.counts()
                list(beside.open_records())
                rounds[place] += 1

    readers = [threading.Thread(target=read, args=(place,)) for place in (0, 1)]
    for reader in readers:
        reader.start()
    wait_until(lambda: all(rounds), what="both readers")
    for _ in range(20):
        claim(ledger, clock, *LIFE)
    done.set()
    for reader in readers:
        reader.join()

    assert verify(path).ok


def test_a_commit_waits_for_a_slow_reader_instead_of_failing(
    path: Path, ledger: SqliteLedger, clock: ManualClock
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as slow:
        slow.execute("BEGIN")
        slow.execute("SELECT * FROM events").fetchone()
        caller = threading.Thread(target=claim, args=(ledger, clock))
        caller.start()
        wait_until(lambda: is_locked(path), what="a commit that waits")
        assert caller.is_alive()
        slow.execute("COMMIT")
        caller.join(timeout=10)

    assert not caller.is_alive()
    assert ledger.counts() == {"claimed": 1, "sent": 3}


def is_locked(path: Path) -> bool:
    """Tell whether a commit keeps new readers out."""
    with closing(sqlite3.connect(path, timeout=0)) as newcomer:
        try:
            newcomer.execute("SELECT * FROM identity").fetchall()
        except sqlite3.OperationalError:
            return True
        return False


def test_an_unfinished_commit_is_rolled_back_by_the_agent_and_explained_to_a_reader(
    path: Path, clock: ManualClock, tmp_path: Path
) -> None:
    torn = tear(path, tmp_path / "torn")

    with pytest.raises(StorageFailure, match="unfinished commit must be rolled back"):
        ReadOnlyLedger.open(torn)
    with SqliteLedger.open(torn, clock) as ledger:
        assert ledger.counts() == {"sent": 3}
    ReadOnlyLedger.open(torn).close()
    assert verify(torn).ok


def tear(path: Path, folder: Path) -> Path:
    """Copy a ledger as a power cut in the middle of a commit would leave it."""
    folder.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute("PRAGMA cache_size = 1")  # makes SQLite write pages before the commit
        sql.execute("BEGIN IMMEDIATE")
        sql.execute("UPDATE submissions SET outbox = hex(zeroblob(3000))")
        for name in ("ledger.db", "ledger.db-journal"):
            shutil.copy(path.with_name(name), folder / name)
        sql.execute("ROLLBACK")
    return folder / "ledger.db"


def test_a_commit_that_only_seems_unfinished_is_looked_at_again(path: Path, tmp_path: Path) -> None:
    torn = tear(path, tmp_path / "torn")
    shutil.copy(path, torn)  # whole, with a journal beside it as while a commit begins
    found: list[dict[str, int]] = []

    def read() -> None:
        with ReadOnlyLedger.open(torn) as beside:
            found.append(beside.counts())

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(timeout=0.1)
    assert reader.is_alive(), "it looks again"
    torn.with_name("ledger.db-journal").unlink()  # as the end of a commit would
    reader.join()

    assert found == [{"sent": 3}]


def test_verification_sees_a_whole_ledger_while_events_are_appended(
    path: Path, ledger: SqliteLedger, clock: ManualClock
) -> None:
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            claim(ledger, clock, *LIFE)

    caller = threading.Thread(target=work)
    caller.start()
    try:
        wait_until(lambda: ledger.counts().get("sent", 0) > 10, what="ten lives")
        for _ in range(5):
            report = verify(path, expected=ledger.export_head())
            assert report.ok, report.problems
    finally:
        done.set()
        caller.join()


def test_verification_works_beside_the_agent(path: Path, ledger: SqliteLedger, clock: ManualClock) -> None:
    claim(ledger, clock)

    assert verify(path, expected=ledger.export_head()).ok


def test_a_reader_cannot_write(path: Path) -> None:
    with ReadOnlyLedger.open(path) as ledger:
        assert not hasattr(ledger, "append")


def test_what_was_known_before_is_known_after_a_restart(path: Path, clock: ManualClock) -> None:
    with SqliteLedger.open(path, clock) as ledger:
        one = claim(ledger, clock, *LIFE[:3])
        ledger.append(Entry(stream=AGENT_STREAM, event=RESUMED))
        before = ledger.record(one)

    with SqliteLedger.open(path, clock) as again:
        assert again.record(one) == before
        assert [committed.event for committed in again.history(AGENT_STREAM)] == [RESUMED]
        (committed,) = again.append(Entry(stream=one, event=lc.commit()))
        assert committed.sequence == 7 * 3 + 6


def test_close_finishes_what_is_queued(path: Path, clock: ManualClock) -> None:
    ledger = SqliteLedger.open(path, clock)
    outcomes: list[bool] = []

    def work() -> None:
        try:
            while True:
                claim(ledger, clock)
                outcomes.append(True)
        except StorageFailure:
            outcomes.append(False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(outcomes) > 8, what="some appends")
    ledger.close()
    for thread in threads:
        thread.join(timeout=10)

    assert outcomes.count(False) == 4
    with ReadOnlyLedger.open(path) as after:
        assert after.counts()["claimed"] == outcomes.count(True)
