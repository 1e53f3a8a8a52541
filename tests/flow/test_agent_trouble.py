"""The agent: reloads, failures of its own storage, and whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import ConfigurationError, Problem, StorageFailure, Stuck
from sealdrop.core.lifecycle import State
from sealdrop.flow import agent, recovery
from sealdrop.flow.agent import Agent
from sealdrop.ports.ledger import AGENT_STREAM
from support.fake_house import FakeHouse, make_route
from support.fake_service import Service
from support.fakes import FakeHints, ManualSchedule, RecordingSupervisor
from support.far_end import FarEnd
from support.memory_spool import ROOT


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service(FakeHouse())
    yield one
    if one.thread.is_alive():
        one.stop()


# -- reload ----------------------------------------------------------------------------------------------------


def test_a_good_configuration_is_taken_over_without_losing_what_is_open(service: Service) -> None:
    house = service.house
    house.far.locked = True
    house.outbox.drop("a.csv")
    service.start()
    service.wait_for(house.journal.texts, "the stopped route")
    other = FarEnd("other", house.disk, house.clock)
    hints = FakeHints()
    service.next_setup = replace(
        house.setup, routes={"relay": make_route("relay", other)}, hints=(hints,), settings_sha256="2" * 64
    )

    service.agent.reload()

    service.sent(1)
    service.wait_for(lambda: service.supervisor.told[-1].startswith("ready"), "READY again")
    assert service.supervisor.told[1] == "reloading"
    assert ev.ConfigurationReloaded(settings_sha256="2" * 64) in service.agent_events()
    assert len(other.appearances) == 1
    assert (service.hints.wake, hints.starts, house.far.closed) == (None, 1, 1)
    assert service.agent.desk.incidents.open() == ()
    house.outbox.drop("b.csv")
    service.agent.wake()
    service.sent(2)


def test_a_reload_tries_a_stopped_route_again(service: Service) -> None:
    service.house.far.locked = True
    service.house.outbox.drop("a.csv")
    service.start()
    service.wait_for(service.house.journal.texts, "the stopped route")
    service.house.far.locked = False

    service.agent.reload()

    service.sent(1)
    service.wait_for(lambda: service.agent.desk.incidents.open() == (), "the end of the incident")


def test_a_bad_configuration_changes_nothing_and_is_an_incident_until_a_good_one_comes(service: Service) -> None:
    good = service.next_setup
    service.start()
    service.next_setup = ConfigurationError([Problem(path="routes", what="is empty")])

    service.agent.reload()
    service.wait_for(service.house.journal.texts, "the incident")

    assert service.house.journal.texts()[0].startswith("the old configuration stays in force: 1 problem")
    service.wait_for(lambda: sum(told.startswith("ready") for told in service.supervisor.told) == 2, "READY")
    service.house.outbox.drop("a.csv")
    service.agent.wake()
    service.sent(1)
    service.next_setup = good
    service.agent.reload()
    service.wait_for(lambda: service.house.journal.texts("incident-over"), "the end of the incident")


def test_a_reload_that_work_in_hand_holds_up_ends_in_a_restart() -> None:
    service = Service(FakeHouse(), stop_seconds=0.1)
    uploading, go_on = threading.Event(), threading.Event()

    def block() -> None:
        uploading.set()
        assert go_on.wait(30)

    service.house.far.on_upload = block
    service.house.outbox.drop("a.csv")
    service.start()
    assert uploading.wait(30)

    service.agent.reload()
    service.thread.join(30)
    go_on.set()

    assert isinstance(service.failure, Stuck)
    assert "takes the new configuration" in str(service.failure)


# -- failures of our own storage -------------------------------------------------------------------------------


def test_a_failing_disk_under_a_worker_ends_the_agent_and_the_next_start_delivers(service: Service) -> None:
    service.house.spool.script.add("keep", StorageFailure("the sync failed", where="work"))
    service.house.outbox.drop("a.csv")
    service.start()
    service.thread.join(30)

    assert str(service.failure) == "work: the sync failed"
    assert service.house.journal.texts("failure") == ["the agent stops: work: the sync failed"]
    assert service.agent_events()[-1] == ev.AgentStopped(reason="failure: StorageFailure")
    service.house.run()
    assert service.house.record("a.csv").state is State.SENT


def test_a_failing_disk_during_a_sweep_ends_the_agent_and_says_why(service: Service) -> None:
    service.start()
    service.house.outbox.script.add("claim", StorageFailure("the sync failed", where="work"))
    service.house.outbox.drop("a.csv")
    service.agent.wake()
    service.thread.join(30)

    assert str(service.failure) == "work: the sync failed"
    assert service.agent_events()[-1] == ev.AgentStopped(reason="failure: StorageFailure")


def test_a_ledger_that_takes_nothing_more_ends_the_agent_and_the_first_reason_is_told(service: Service) -> None:
    service.start()
    service.house.ledger.fail_next("the disk is full")
    service.house.outbox.drop("a.csv")
    service.agent.wake()
    service.thread.join(30)

    assert "the disk is full" in str(service.failure)
    assert len(service.house.journal.texts("failure")) == 1
    assert service.supervisor.told[-1] == "stopping"


def test_a_start_that_fails_is_raised_and_never_ready(service: Service) -> None:
    service.house.ledger.fail_next("the disk is full")
    service.thread.start()
    service.thread.join(30)

    assert isinstance(service.failure, StorageFailure)
    assert not service.ready()


def test_a_fault_that_cannot_even_be_booked_ends_the_agent(service: Service) -> None:
    service.start()
    service.house.journal.broken = RuntimeError("no more lines")
    service.house.outbox.drop("a.csv")
    service.agent.wake()
    service.thread.join(30)

    assert str(service.failure) == "no more lines"


def test_the_work_folders_are_empty_at_rest(service: Service) -> None:
    for n in range(10):
        service.house.outbox.drop(f"{n}.csv", b"accept\n%d" % n)
    service.start()
    service.sent(10)
    service.stop()

    assert service.house.disk.under(ROOT / "work") == []


# -- whoever waits for us --------------------------------------------------------------------------------------


def test_the_loop_comes_round_in_time_for_a_watchdog_that_counts(service: Service) -> None:
    service.supervisor.counts_to = 0.2
    service.start()
    beats = service.supervisor.beats

    service.wait_for(lambda: service.supervisor.beats >= beats + 3, "beats without any hint or sweep")


def test_a_long_recovery_asks_for_more_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PROGRESS_EVERY", 2)
    service.house.far.down = True
    for n in range(5):
        service.house.outbox.drop(f"{n}.csv", b"accept\n%d" % n)
    service.house.run()

    service.start()

    told = service.supervisor.told
    assert told[:2] == ["extend: 60", "extend: 60"]
    assert told[2].startswith("ready")


def test_a_start_on_a_full_disk_waits_for_room(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "FULL_DISK_SECONDS", 0.01)
    service.house.ledger.full = True
    service.thread.start()
    service.wait_for(lambda: any("free space" in told for told in service.supervisor.told), "the word about space")
    assert not service.ready()

    service.house.ledger.full = False
    service.wait_for(service.ready, "READY")

    service.house.outbox.drop("a.csv")
    service.agent.wake()
    service.sent(1)


def test_operators_are_let_in_after_recovery_and_before_ready() -> None:
    house = FakeHouse()
    seen: list[str] = []
    supervisor = RecordingSupervisor()
    one = Agent(
        house.world,
        house.setup,
        supervisor=supervisor,
        schedule=ManualSchedule(),
        load=lambda: house.setup,
        stop_seconds=1,
        when_recovered=lambda: seen.extend(
            [type(event.event).__name__ for event in house.ledger.history(AGENT_STREAM)]
        ),
    )
    one.stop()
    one.run()
    assert seen == [], "a start that was called off lets nobody in"

    service = Service(house)
    service.agent = Agent(
        house.world,
        house.setup,
        supervisor=service.supervisor,
        schedule=service.schedule,
        load=lambda: house.setup,
        stop_seconds=1,
        when_recovered=lambda: seen.extend(service.supervisor.told or ["nobody was told READY yet"]),
    )
    service.start()
    service.stop()
    assert seen == ["nobody was told READY yet"]


def test_old_temporary_copies_are_swept_where_the_far_end_can_be_reached(service: Service) -> None:
    service.start()
    service.house.far.temporary["temp of nobody"] = b"x"

    service.schedule.fire("tidy")

    assert service.house.far.temporary == {}
    service.house.far.down = True
    service.schedule.fire("tidy")
    assert "stay for now" in service.house.journal.texts("tidy")[0]


def test_a_fault_in_scheduled_work_is_said(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.start()
    monkeypatch.setattr(service.house.sealer, "keys", None)

    service.schedule.fire("forecast")

    assert [one.subject for one in service.agent.desk.incidents.open()] == ["schedule forecast"]
