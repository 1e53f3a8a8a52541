"""Hints: sooner, never later; lost ones cost nothing, and whatever breaks can be started again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from sealdrop.adapters.hints import WatchHints
from support.waiting import wait_until


class Bell:
    """Counts the calls; each may be waited for."""

    def __init__(self) -> None:
        self._rung = threading.Semaphore(0)

    def __call__(self) -> None:
        self._rung.release()

    def rang(self, within: float = 10.0) -> bool:
        """Wait for a call, then forget the calls that came with it."""
        came = self._rung.acquire(timeout=within)
        while self._rung.acquire(timeout=0.05):
            pass
        return came


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


@pytest.fixture
def hints(outbox: Path, bell: Bell) -> Iterator[WatchHints]:
    hints = WatchHints([outbox])
    hints.start(bell)
    yield hints
    hints.stop()


@pytest.mark.usefixtures("hints")
def test_a_file_closed_after_writing_is_a_hint(outbox: Path, bell: Bell) -> None:
    with (outbox / "a.csv").open("wb") as file:
        file.write(b"x")
        file.flush()
        assert not bell.rang(0.1)
    assert bell.rang()


@pytest.mark.usefixtures("hints")
def test_a_rename_into_the_folder_is_a_hint(outbox: Path, bell: Bell, tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.csv").rename(outbox / "a.csv")

    assert bell.rang()


@pytest.mark.usefixtures("hints")
def test_reading_listing_and_claiming_are_no_hints(outbox: Path, bell: Bell, tmp_path: Path) -> None:
    (outbox / "a.csv").write_bytes(b"x")
    assert bell.rang()

    (outbox / "a.csv").read_bytes()
    list(outbox.iterdir())
    (outbox / "a.csv").chmod(0o600)
    (outbox / "a.csv").rename(tmp_path / "claimed")

    assert not bell.rang(0.3)


@pytest.mark.usefixtures("hints")
def test_a_claim_never_delays_the_hint_of_the_next_file(outbox: Path, bell: Bell, tmp_path: Path) -> None:
    """watchdog's own mask holds every rename out, and all that comes after it, for half a second."""
    delays = []
    for turn in range(5):
        (outbox / "a.csv").write_bytes(b"x")
        assert bell.rang()
        (outbox / "a.csv").rename(tmp_path / f"claimed {turn}")
        began = time.monotonic()
        (outbox / "b.csv").write_bytes(b"x")
        came = threading.Event()
        assert bell.rang()
        delays.append(time.monotonic() - began - 0.05)  # what ``rang`` itself waits for company
        came.set()
        (outbox / "b.csv").unlink()
    assert sorted(delays)[2] < 0.25, delays


def test_several_folders_are_watched(tmp_path: Path, bell: Bell) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    hints = WatchHints(folders)
    hints.start(bell)
    for folder in folders:
        (folder / "a.csv").write_bytes(b"x")
        assert bell.rang()
    hints.stop()


def test_lost_events_are_a_hint_and_no_noise(
    hints: WatchHints, bell: Bell, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own message that its queue overflowed, given to watchdog's own thread of reading."""
    lost = InotifyEvent(WatchDescriptor(-1), Mask(InotifyConstants.IN_Q_OVERFLOW), 0, b"")
    readers = [thread for thread in threading.enumerate() if isinstance(thread, InotifyFD)]
    assert len(readers) == 1
    monkeypatch.setattr(logging.getLogger("watchdog"), "propagate", True)

    readers[0].handle_event(lost)

    assert bell.rang()
    assert caplog.records == []
    assert hints.alive()


def test_nothing_of_the_hints_stays_after_they_stopped(outbox: Path, bell: Bell) -> None:
    before = set(threading.enumerate())
    logger = logging.getLogger("watchdog.observers.inotify_c")
    filters = list(logger.filters)
    hints = WatchHints([outbox])
    assert not hints.alive()

    hints.start(bell)
    assert hints.alive()
    hints.start(bell)
    assert hints.alive()
    hints.stop()
    hints.stop()

    assert not hints.alive()
    wait_until(lambda: set(threading.enumerate()) <= before, what="the end of the threads")
    assert logger.filters == filters
    (outbox / "a.csv").write_bytes(b"x")
    assert not bell.rang(0.2)


def test_a_folder_that_is_missing_costs_only_its_own_hints_until_it_comes(
    tmp_path: Path, bell: Bell, outbox: Path
) -> None:
    missing = tmp_path / "missing"
    hints = WatchHints([missing, outbox])
    hints.start(bell)
    assert hints.alive()
    (outbox / "a.csv").write_bytes(b"x")
    assert bell.rang()

    missing.mkdir()
    assert not hints.alive()
    hints.start(bell)
    assert hints.alive()
    (missing / "a.csv").write_bytes(b"x")
    assert bell.rang()
    hints.stop()


def test_a_folder_that_was_replaced_needs_a_start_and_gets_its_hints_again(
    hints: WatchHints, outbox: Path, bell: Bell
) -> None:
    outbox.rmdir()
    wait_until(lambda: not hints.alive(), what="the notice that the folder is gone")
    outbox.mkdir()
    # The new folder may have been given the number of the old one; then it is the watch's own end that tells.
    wait_until(lambda: not hints.alive(), what="the notice that it is another folder")

    hints.start(bell)

    assert hints.alive()
    (outbox / "a.csv").write_bytes(b"x")
    assert bell.rang()


def test_a_reader_that_died_is_noticed(hints: WatchHints, outbox: Path, bell: Bell) -> None:
    (reader,) = (thread for thread in threading.enumerate() if isinstance(thread, InotifyFD))
    reader.stop()

    wait_until(lambda: not hints.alive(), what="the notice that nobody reads")
    hints.start(bell)
    (outbox / "a.csv").write_bytes(b"x")
    assert bell.rang()
