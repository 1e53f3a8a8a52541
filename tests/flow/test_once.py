"""Once: the same results in one thread, an end that always comes, and what it left."""

from __future__ import annotations

from datetime import timedelta

from sealdrop.core import events as ev
from sealdrop.core.errors import TemporaryFailure
from sealdrop.flow.once import Tidied
from sealdrop.ports.ledger import AGENT_STREAM
from support.fake_house import FakeHouse
from support.far_end import Fault


def agent_events(house: FakeHouse) -> list[ev.Event | ev.AgentEvent]:
    return [one.event for one in house.ledger.history(AGENT_STREAM)]


def test_everything_that_is_there_is_worked_off() -> None:
    house = FakeHouse(max_active_files=2)
    for n in range(7):
        house.outbox.drop(f"{n}.csv", b"accept\n%d" % n)

    assert house.once().run() == Tidied(open_submissions=0, not_complete=0)
    assert len(house.far.appearances) == 7


def test_it_says_what_it_left() -> None:
    house = FakeHouse()
    house.outbox.drop("held.csv", b"hold\n")
    house.outbox.drop("empty.csv", b"")

    assert house.once().run() == Tidied(open_submissions=1, not_complete=1)


def test_it_waits_within_its_patience_for_what_becomes_complete_or_due() -> None:
    house = FakeHouse()
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    house.outbox.drop("empty.csv", b"")

    assert house.once(patience=10).run().open_submissions == 0
    assert [one.submission for one in house.far.appearances] == [record.submission.id for record in house.records()]


def test_it_does_not_begin_a_wait_that_is_beyond_its_patience() -> None:
    house = FakeHouse()
    house.far.faults.append(Fault.CUT_EARLY)
    house.outbox.drop("a.csv")
    before = house.clock.now()

    assert house.once(patience=9.9).run().open_submissions == 1
    assert house.clock.now() == before


def test_its_patience_is_for_all_waits_together_so_it_always_ends() -> None:
    house = FakeHouse()
    house.outbox.script.lasting["publish"] = TemporaryFailure("permission denied", where="results")
    house.outbox.drop("a.csv")
    before = house.clock.now()

    house.once(patience=100).run()

    assert house.clock.now() - before <= timedelta(seconds=100)


def test_its_start_and_end_are_booked_with_the_configuration_it_ran_on() -> None:
    house = FakeHouse()
    house.outbox.drop("a.csv", b"hold\n")
    house.run()
    house.run()

    started, stopped, again, _ = agent_events(house)
    assert isinstance(started, ev.AgentStarted)
    assert isinstance(again, ev.AgentStarted)
    assert (started.open_submissions, again.open_submissions) == (0, 1)
    assert started.settings_sha256 == house.setup.settings_sha256
    assert stopped == ev.AgentStopped(reason="nothing more can be done now")
