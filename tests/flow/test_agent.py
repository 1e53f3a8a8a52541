"""The agent: starts, sweeps, stops, and tells its supervisor the truth."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sealdrop.core import events as ev
from sealdrop.core.lifecycle import State
from sealdrop.flow.operations import Operations
from sealdrop.ports.spool import Claimed
from support.fake_house import FakeHouse
from support.fake_service import Service
from support.far_end import Fault
from support.memory_spool import MemorySpool


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service(FakeHouse())
    yield one
    if one.thread.is_alive():
        one.stop()


def test_a_file_is_delivered_when_a_hint_comes(service: Service) -> None:
    service.start()
    service.house.outbox.drop("a.csv")

    assert service.hints.wake is not None
    service.hints.wake()

    service.sent(1)
    service.stop()
    assert service.failure is None
    assert len(service.house.far.appearances) == 1


def test_without_any_hint_the_scheduled_sweep_finds_it(service: Service) -> None:
    service.start()
    assert service.schedule.running
    assert service.schedule.calls["sweep"][0] == service.house.setup.sweep_seconds
    service.house.outbox.drop("a.csv")

    service.schedule.fire("sweep")

    service.sent(1)


def test_a_backlog_flows_through_bounded_room_without_further_hints() -> None:
    service = Service(FakeHouse(max_active_files=4))
    for n in range(40):
        service.house.outbox.drop(f"{n}.csv", b"accept\n%d" % n)
    service.start()

    service.sent(40)
    service.stop()


class WatchedSpool(MemorySpool):
    """A spool that notes what the supervisor had been told when recovery looked at it."""

    told: list[str]
    seen: list[str] | None = None

    def claimed(self) -> Iterator[Claimed]:
        self.seen = list(self.told)
        return super().claimed()


def test_it_is_ready_only_after_recovery() -> None:
    house = FakeHouse()
    house.outbox.drop("a.csv")
    house.once().line.intake.sweep()
    house.spool = spool = WatchedSpool(house.disk)
    service = Service(house)
    spool.told = service.supervisor.told
    service.start()
    service.sent(1)
    service.stop()

    assert spool.seen == [], "recovery looked before anything was told"
    started = service.agent_events()[0]
    assert isinstance(started, ev.AgentStarted)
    assert started.open_submissions == 1


def test_a_clean_stop_is_told_booked_and_closes_everything(service: Service) -> None:
    service.start()
    service.agent.stop("SIGTERM")
    service.thread.join(30)

    assert service.supervisor.told[-1] == "stopping"
    assert service.agent_events()[-1] == ev.AgentStopped(reason="SIGTERM")
    assert not service.schedule.running
    assert service.hints.wake is None
    assert service.house.far.closed == service.house.sealer.closed == 1


def test_a_stop_during_an_upload_calls_it_off_and_the_next_start_delivers(service: Service) -> None:
    uploading, go_on = threading.Event(), threading.Event()

    def block() -> None:
        uploading.set()
        assert go_on.wait(30)

    service.house.far.on_upload = block
    service.house.outbox.drop("a.csv")
    service.start()
    assert uploading.wait(30)

    service.agent.stop()
    go_on.set()
    service.thread.join(30)

    leg = service.house.record("a.csv").legs[0]
    assert (leg.trying, leg.uncertain) == (None, False)
    assert service.house.far.appearances == []
    service.house.far.on_upload = lambda: None
    service.house.run()
    assert service.house.record("a.csv").state is State.SENT


def test_work_that_does_not_end_in_time_is_left_to_the_next_start() -> None:
    service = Service(FakeHouse(), stop_seconds=0.1)
    uploading, go_on = threading.Event(), threading.Event()

    def block() -> None:
        uploading.set()
        assert go_on.wait(30)

    service.house.far.on_upload = block
    service.house.outbox.drop("a.csv")
    service.start()
    assert uploading.wait(30)

    service.stop()

    assert service.house.journal.texts("stop") == ["some work did not end within 0 s; it is settled at the next start"]
    go_on.set()


# -- watchdog and status ---------------------------------------------------------------------------------------


def test_the_watchdog_is_fed_by_sweeps_and_not_by_time(service: Service) -> None:
    service.start()
    beats = service.supervisor.beats
    service.house.clock.pass_seconds(10**6)
    assert service.supervisor.beats == beats or service.supervisor.beats == beats + 1

    before = service.supervisor.beats
    service.agent.wake()
    service.wait_for(lambda: service.supervisor.beats > before, "a beat")


def test_a_stuck_worker_starves_the_watchdog_and_is_an_incident_until_it_gets_on(service: Service) -> None:
    uploading, go_on = threading.Event(), threading.Event()

    def block() -> None:
        uploading.set()
        assert go_on.wait(30)

    service.house.far.on_upload = block
    service.house.outbox.drop("a.csv")
    service.start()
    assert uploading.wait(30)
    service.house.clock.pass_seconds(service.house.setup.stuck_seconds)
    service.agent.wake()
    service.wait_for(lambda: "a worker made no progress for 60 s" in service.house.journal.texts(), "the incident")

    beats = service.supervisor.beats
    looks = service.house.outbox.looks
    service.agent.wake()
    service.wait_for(lambda: service.house.outbox.looks > looks, "another sweep")
    assert service.supervisor.beats == beats

    go_on.set()
    service.sent(1)
    service.agent.wake()
    service.wait_for(lambda: service.supervisor.beats > beats, "a beat")


def test_the_status_line_counts_what_is_open_waiting_and_wrong(service: Service) -> None:
    service.house.outbox.drop("held.csv", b"hold\n")
    service.house.outbox.drop("empty.csv", b"")
    service.start()
    service.wait_for(lambda: service.house.ledger.counts() == {"accepted": 1}, "the held one")
    service.wait_for(lambda: service.house.record("held.csv").holds, "the hold")

    service.schedule.fire("status")

    assert service.supervisor.told[-1] == "status: 1 in outboxes; 1 accepted; 1 held; 0 incidents"


def test_an_idle_agent_says_so(service: Service) -> None:
    service.start()

    assert service.supervisor.told == ["ready: 0 in outboxes; nothing open; 0 held; 0 incidents"]


def test_keys_that_end_soon_are_incidents_until_they_are_renewed(service: Service) -> None:
    service.house.sealer.warning = "expires in 14 days"
    service.start()
    assert service.house.journal.texts() == [f"signer key {'S' * 40} of test keys: expires in 14 days"]

    service.house.sealer.warning = None
    service.schedule.fire("forecast")

    assert len(service.house.journal.texts("incident-over")) == 1


def test_a_dead_folder_watch_is_started_again(service: Service) -> None:
    service.start()
    service.hints.dead = True
    service.agent.wake()
    service.wait_for(lambda: service.hints.starts == 2, "the restart")

    assert service.house.journal.texts() == [], "what mended itself at once is no incident"


# -- timers and operators --------------------------------------------------------------------------------------


def test_a_deferred_submission_goes_when_it_is_due(service: Service) -> None:
    service.house.far.faults.append(Fault.CUT_EARLY)
    service.house.outbox.drop("a.csv")
    service.start()
    service.wait_for(lambda: service.house.state("a.csv") is State.DEFERRED, "the first attempt")

    service.house.clock.pass_seconds(10)
    service.agent.wake()

    service.sent(1)


def test_an_operators_retry_reaches_the_running_agent(service: Service) -> None:
    service.house.far.locked = True
    service.house.outbox.drop("a.csv")
    service.start()
    service.wait_for(service.house.journal.texts, "the stopped route")
    service.wait_for(lambda: service.agent.desk.board.records()[0].state is State.DEFERRED, "the deferral")
    service.house.far.locked = False

    Operations(service.agent, service.house.ledger).retry_route("relay", "uid 1", "compared the fingerprints")

    service.sent(1)
