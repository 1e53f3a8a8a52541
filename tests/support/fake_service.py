"""An agent running in a thread over a house of fakes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sealdrop.core import events as ev
from sealdrop.flow.agent import Agent
from sealdrop.flow.setup import Setup
from sealdrop.ports.ledger import AGENT_STREAM
from support.fake_house import FakeHouse
from support.fakes import FakeHints, ManualSchedule, RecordingSupervisor
from support.waiting import wait_until


class Service:
    """An agent running in a thread over a house of fakes."""

    def __init__(self, house: FakeHouse, stop_seconds: float = 10.0) -> None:
        self.house = house
        self.hints = FakeHints()
        house.change(hints=(self.hints,))
        self.supervisor = RecordingSupervisor()
        self.schedule = ManualSchedule()
        self.next_setup: Setup | Exception = house.setup
        self.agent = Agent(
            house.world,
            house.setup,
            supervisor=self.supervisor,
            schedule=self.schedule,
            load=self._load,
            stop_seconds=stop_seconds,
        )
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _load(self) -> Setup:
        if isinstance(self.next_setup, Exception):
            raise self.next_setup
        return self.next_setup

    def _run(self) -> None:
        try:
            self.agent.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def start(self) -> None:
        self.thread.start()
        wait_until(self.ready, what="READY")

    def ready(self) -> bool:
        return any(told.startswith("ready") for told in self.supervisor.told)

    def wait_for(self, predicate: Callable[[], object], what: str) -> None:
        wait_until(predicate, what=what)

    def stop(self) -> None:
        self.agent.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def agent_events(self) -> list[ev.Event | ev.AgentEvent]:
        return [one.event for one in self.house.ledger.history(AGENT_STREAM)]

    def sent(self, number: int) -> None:
        self.wait_for(lambda: len(self.house.filed("sent")) == number, f"{number} files in sent")
