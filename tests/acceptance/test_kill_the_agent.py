"""Kill the agent at random moments during a backlog: nothing lost, nothing twice, the ledger whole.

The moments are drawn from the test's own random seed (pytest prints it); each is a number of lines the agent writes to
its journal, so that kills fall all over the work and none of them waits for a clock.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from support.house import House, adt_file, user_id
from support.waiting import wait_until

FILES = 200
KILLS = 20

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


class Receiver(threading.Thread):
    """Takes each file away as soon as it appears under its final name, and counts the appearances."""

    def __init__(self, inbox: Path, taken: Path) -> None:
        super().__init__(daemon=True)
        self._inbox = inbox
        self._taken = taken
        self._end = threading.Event()
        self.appearances: Counter[str] = Counter()
        taken.mkdir()

    def run(self) -> None:
        while not self._end.is_set():
            for path in self._inbox.iterdir():
                if not path.name.startswith("."):
                    self.appearances[path.name] += 1
                    path.rename(self._taken / f"{path.name}.{self.appearances[path.name]}")
            self._end.wait(0.0005)

    def stop(self) -> None:
        self._end.set()
        self.join()


def wait_for_lines(house: House, number: int) -> None:
    wait_until(lambda: lines(house) >= number or not house.open_or_waiting(), 30, what="more lines in the journal")


def lines(house: House) -> int:
    return house.said().count("\n")


def kill_again_and_again(house: House) -> None:
    for number in range(FILES):
        house.drop("adt", f"ADT_{number:03}.csv", adt_file(user_id(number)))
    for _ in range(KILLS):
        before = lines(house)
        house.start(wait=False)
        wait_for_lines(house, before + random.randint(1, 120))
        house.kill()
    house.start()


def lift_poison(house: House) -> None:
    """Do what an operator does who knows why the agent died: whatever was in hand three times in a row is held."""
    wait_until(lambda: not house.unsettled(), 120, what="a settled house")
    for one in house.ask("list", "--limit", "1000", "--open")["submissions"]:
        if one["held"] == ["poison"]:
            house.run("retry", one["submission"], "--reason", "it was killed by a test")


def test_every_file_is_delivered_exactly_once_however_often_the_agent_dies(short_tmp: Path) -> None:
    with House(short_tmp) as house:
        kill_again_and_again(house)
        lift_poison(house)
        house.wait_filed(FILES, timeout=120)
        assert house.stop() == 0

        sent = house.filed("sent")
        delivered = house.delivered()
        assert len(sent) == FILES
        assert len(delivered) == FILES
        assert not list(house.outbox().iterdir())
        ids = [name.rpartition(".")[2] for name in sent]
        # What a killed agent was trying the server with has an id of its own, and is swept when it is old.
        copies = [path.name for path in house.temporary() if any(one in path.name for one in ids)]
        assert not copies, "temporary copies are left"
        names = sorted(name.rsplit(".", 1)[0] for name in sent)
        assert names == [f"ADT_{number:03}.csv" for number in range(FILES)]
        for number in (0, FILES - 1):
            (path,) = [one for name, one in delivered.items() if name.startswith(f"ADT_{number:03}.")]
            assert house.open_delivered(path).plaintext == adt_file(user_id(number))
        assert "verifies" in house.run("ledger", "verify").stdout


def test_a_receiver_that_takes_each_file_at_once_never_gets_one_twice(short_tmp: Path) -> None:
    with House(short_tmp) as house:
        receiver = Receiver(house.far.inbox, short_tmp / "taken")
        receiver.start()
        kill_again_and_again(house)
        lift_poison(house)
        wait_until(lambda: not house.unsettled(), 120, what=lambda: f"a settled house\n{house.said()[-3000:]}")
        assert house.stop() == 0
        receiver.stop()

        held = {one["submission"] for one in house.ask("list", "--limit", "1000", "--open")["submissions"]}
        assert len(house.filed("sent")) + len(held) == FILES
        assert set(receiver.appearances.values()) <= {1}
        # A file whose rename was cut off mid-answer and that is gone cannot be told from one that never arrived:
        # it is held, not sent again. Each of the others appeared, and so did each held one or it never left.
        assert len(receiver.appearances) >= FILES - len(held)
        assert len(receiver.appearances) == FILES
        assert "verifies" in house.run("ledger", "verify").stdout
