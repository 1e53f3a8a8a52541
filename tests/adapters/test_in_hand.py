"""What is in hand outlives the process that had it, and nothing else does."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.in_hand import SLOT_BYTES, SLOTS, InHandFile
from sealdrop.core.errors import StorageFailure
from support.dying import die_at
from support.spooling import new_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in-hand"


def test_what_a_killed_process_had_in_hand_is_known_to_the_next(path: Path) -> None:
    busy, done = new_id(), new_id()

    def work() -> None:
        hand = InHandFile(path)
        slot = hand.begin(done, "validate")
        hand.begin(busy, "seal")
        hand.end(slot)
        os.fsync(0)  # killed here

    assert die_at(0, work, ("fsync",))

    assert InHandFile(path).left() == ((busy, "seal"),)


def test_a_process_killed_at_any_step_leaves_only_what_it_began(path: Path) -> None:
    ids = [new_id() for _ in range(3)]

    def work() -> None:
        hand = InHandFile(path)
        hand.clear()
        for submission in ids:
            hand.end(hand.begin(submission, "seal"))

    for step in itertools.count():
        killed = die_at(step, work, ("pwrite",))
        left = InHandFile(path).left()
        assert len(left) <= 1
        assert {submission for submission, _ in left} <= set(ids)
        if not killed:
            assert left == ()
            break


def test_what_was_left_stays_until_it_is_cleared_even_when_the_next_process_dies_too(path: Path) -> None:
    first = new_id()
    InHandFile(path).begin(first, "seal")

    second = new_id()
    hand = InHandFile(path)
    hand.begin(second, "validate")
    assert hand.left() == ((first, "seal"),)

    assert set(InHandFile(path).left()) == {(first, "seal"), (second, "validate")}


def test_clearing_forgets_what_was_left_and_not_what_is_in_hand_now(path: Path) -> None:
    InHandFile(path).begin(new_id(), "seal")
    hand = InHandFile(path)
    ours = new_id()
    hand.begin(ours, "validate")

    hand.clear()

    assert hand.left() == ()
    assert InHandFile(path).left() == ((ours, "validate"),)


def test_many_workers_share_the_file(path: Path) -> None:
    hand = InHandFile(path)
    kept: list[str] = []

    def work() -> None:
        for _ in range(50):
            hand.end(hand.begin(new_id(), "seal"))
        ours = new_id()
        kept.append(ours)
        hand.begin(ours, "validate")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {submission for submission, _ in InHandFile(path).left()} == set(kept)


def test_there_is_a_bound_and_an_ended_slot_is_used_again(path: Path) -> None:
    hand = InHandFile(path)
    slots = [hand.begin(new_id(), "seal") for _ in range(SLOTS)]

    with pytest.raises(StorageFailure, match=f"more than {SLOTS}"):
        hand.begin(new_id(), "seal")
    hand.end(slots[7])
    assert hand.begin(new_id(), "seal") == slots[7]
    assert path.stat().st_size == SLOTS * SLOT_BYTES


def test_a_long_description_is_cut_and_never_runs_into_the_next_slot(path: Path) -> None:
    hand = InHandFile(path)
    first, second = new_id(), new_id()
    hand.begin(first, "x" * 500)
    hand.begin(second, "ü\nseal")

    left = dict(InHandFile(path).left())

    assert set(left) == {first, second}
    assert set(left[first]) == {"x"}


@given(content=st.binary(max_size=SLOT_BYTES * 4) | st.text("0123 abz\n", max_size=200).map(str.encode))
def test_whatever_is_in_the_file_it_starts(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("hand") / "in-hand"
    path.write_bytes(content)

    hand = InHandFile(path)
    hand.begin(new_id(), "seal")
    hand.clear()
    hand.close()
    hand.close()

    assert len(InHandFile(path).left()) == 1


def test_the_file_is_private_and_a_link_in_its_place_is_refused(path: Path, tmp_path: Path) -> None:
    InHandFile(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailure):
        InHandFile(path)
    assert not (tmp_path / "elsewhere").exists()
