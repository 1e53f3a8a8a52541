"""Files claimed in an outbox on another mount: brought in by a worker, and what a share that is gone costs."""

from __future__ import annotations

from sealdrop.core.errors import NoSpace, TemporaryFailure, Unacceptable
from sealdrop.core.lifecycle import State
from support.fake_house import FakeHouse


def test_a_share_that_is_gone_delays_what_was_claimed_in_it_and_nothing_else() -> None:
    house = FakeHouse()
    house.outbox.script.add("fetch", *[TemporaryFailure("nothing is mounted there now", where="/share")] * 2)
    house.outbox.drop("a.csv")
    run = house.run(patience=30)

    assert house.record("a.csv").state is State.SENT
    begun = house.journal.texts()[0]
    assert begun == ("'a.csv' of outbox adt is claimed but cannot be brought in: /share: nothing is mounted there now")
    assert len(house.journal.texts("incident-over")) == 1
    assert run.desk.incidents.open() == ()


def test_what_is_refused_while_it_is_brought_in_is_set_aside_and_never_copied() -> None:
    house = FakeHouse()
    house.outbox.script.add("fetch", Unacceptable("a symbolic link", where="/share/.refused/a.csv"))
    house.outbox.drop("a.csv")
    house.run()

    assert house.booked("a.csv") == ["SetAside", "Filed"]


def test_a_full_disk_while_a_file_is_brought_in_makes_it_wait() -> None:
    house = FakeHouse()
    house.outbox.script.add("fetch", NoSpace("the disk is full", where="work"))
    house.outbox.drop("a.csv")
    house.run(patience=15)

    assert house.record("a.csv").state is State.SENT
