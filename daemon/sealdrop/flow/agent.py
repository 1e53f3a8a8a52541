"""The agent: the long-running loop around one line and its crew.

Starts (recovery, keys, workers, READY), sweeps when hinted or when it is time, reloads without losing what is in
hand, and stops cleanly: uploads that are not visible yet are called off, everything else is finished. The watchdog is
fed from here, after a sweep that came to its end while no worker was stuck; never by a mere timer.

A full disk is waited out, at the start as well. Any other failure of our own storage ends the loop; ``run`` raises it,
and the next start derives everything anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from sealdrop import __version__
from sealdrop.core.errors import NoSpace, SealdropError, StorageFailure, Stuck, TemporaryFailure
from sealdrop.core.events import AgentStarted, AgentStopped, ConfigurationReloaded
from sealdrop.flow.crew import Crew
from sealdrop.flow.line import World, make_desk, make_line
from sealdrop.flow.pipeline import SPACE, describe_fault
from sealdrop.flow.setup import Setup
from sealdrop.ports.people import Supervisor
from sealdrop.ports.schedule import Schedule

#: How often keys are looked at for what will stop the flow, and the status line is renewed, in seconds.
FORECAST_SECONDS = 3600.0
STATUS_SECONDS = 60.0
#: How often old temporary copies of ours are looked for at the far ends, in seconds.
TIDY_SECONDS = 6 * 3600.0
#: What is asked for at a time while a start takes long, and the pause before a full disk is tried again, in seconds.
EXTENSION_SECONDS = 60.0
FULL_DISK_SECONDS = 15.0


class Agent:
    """The agent of one instance. ``wake``, ``reload`` and ``stop`` may be called from any thread or signal handler."""

    def __init__(
        self,
        world: World,
        setup: Setup,
        *,
        supervisor: Supervisor,
        schedule: Schedule,
        load: Callable[[], Setup],
        stop_seconds: float,
        when_recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare an agent.

        Args:
            world: what stays the same for the life of the process.
            setup: what it works by at first.
            supervisor: is told how the service fares.
            schedule: calls back now and then.
            load: reads the configuration again, for a reload.
            stop_seconds: how long work in hand may take to end.
            when_recovered: called once ledger and disk agree, before READY: operators may be let in.
        """
        self._world = world
        self._supervisor = supervisor
        self._schedule = schedule
        self._load = load
        self._stop_seconds = stop_seconds
        self._when_recovered = when_recovered
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._failure: Exception | None = None
        self._reason = "asked to stop"
        self._revive_after = 0.0
        self.desk = make_desk(world, setup, self._wake.set)
        self.line = make_line(world, self.desk, setup, self._stop.is_set)
        self._crew = self._make_crew()

    # -- what others call ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look into the outboxes soon."""
        self._wake.set()

    def reload(self) -> None:
        """Read the configuration again; a bad one changes nothing."""
        self._reload.set()
        self._wake.set()

    def stop(self, reason: str = "asked to stop") -> None:
        """Stop cleanly."""
        self._reason = reason
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Run until stopped.

        Raises:
            StorageFailure: our own disk or the ledger failed.
            SealdropError: the start failed.
        """
        try:
            self._start()
            while not self._stop.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001 - said, booked as the reason of the end, and raised below
            self._fail(error)
        finally:
            self._end()
        if self._failure is not None:
            raise self._failure

    # -- start and end -------------------------------------------------------------------------------------

    def _start(self) -> None:
        if not self._recover():
            return
        self.forecast()
        self._crew.start()
        self._when_recovered()
        self._watch(self.line.setup)
        self._every("forecast", FORECAST_SECONDS, self.forecast)
        self._every("status", STATUS_SECONDS, self._say_status)
        self._every("tidy", TIDY_SECONDS, self.tidy)
        self._schedule.start()
        self.line.intake.sweep()
        self._supervisor.ready(self.status_line())

    def _every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Schedule a call; a fault of ours in it is said, since nobody waits for its return."""

        def safely() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - a thread of the schedule would swallow it
                text = f"a fault of sealdrop's own while it did this: {name}. {describe_fault(error)}"
                self.desk.incidents.begin(f"schedule {name}", text)

        self._schedule.every(name, seconds, safely)

    def _recover(self) -> bool:
        """Recover, however long it takes and however full the disk is; tell whether it was done before a stop."""
        setup = self.line.setup
        while not self._stop.is_set():
            try:
                found = self.line.recovery.run(lambda: self._supervisor.extend(EXTENSION_SECONDS))
                self.desk.books.tell(
                    AgentStarted(
                        version=__version__,
                        environment=setup.environment,
                        settings_sha256=setup.settings_sha256,
                        open_submissions=found,
                    )
                )
            except NoSpace as error:
                self.desk.incidents.begin(SPACE, f"the start waits for free space: {error}")
                self._supervisor.status(f"waits for free space: {error.where}")
                self._supervisor.extend(EXTENSION_SECONDS)
                self._stop.wait(FULL_DISK_SECONDS)
            else:
                self.desk.incidents.end(SPACE)
                return True
        return False

    def _watch(self, setup: Setup) -> None:
        self._schedule.every("sweep", setup.sweep_seconds, self._wake.set)
        for hints in setup.hints:
            hints.start(self._wake.set)

    def _unwatch(self) -> None:
        for hints in self.line.setup.hints:
            hints.stop()

    def _end(self) -> None:
        self._supervisor.stopping()
        self._stop.set()
        self._schedule.stop()
        self._unwatch()
        home = self._crew.stop(self._stop_seconds)
        if not home:
            text = f"some work did not end within {self._stop_seconds:.0f} s; it is settled at the next start"
            self._world.journal.notice("stop", text, urgent=True)
        with suppress(StorageFailure):  # a ledger that failed is the reason for the end; it was said already
            self.desk.books.tell(AgentStopped(reason=self._reason))
        self.line.setup.close()

    # -- the loop ------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Do one round: reload when asked, sweep, let what is due go, and sleep until there is a reason not to."""
        self._wake.clear()
        if self._reload.is_set():
            self._reload.clear()
            self._change_over()
        look_again = self.line.intake.sweep()
        due = self.desk.board.tick()
        self._revive_hints()
        stuck = self.desk.board.longest_without_progress()
        if stuck < self.line.setup.stuck_seconds:
            self._supervisor.alive()
            self.desk.incidents.end("workers")
        else:
            self.desk.incidents.begin("workers", f"a worker made no progress for {stuck:.0f} s")
        watchdog = self._supervisor.watchdog_seconds()
        waits = [look_again, due, watchdog / 2 if watchdog is not None else None]
        self._wake.wait(min((seconds for seconds in waits if seconds is not None), default=None))

    def _revive_hints(self) -> None:
        """Start a dead folder watch again, once a sweep at most; sweeps find everything meanwhile."""
        dead = [hints for hints in self.line.setup.hints if not hints.alive()]
        if not dead:
            self.desk.incidents.end("folder watch")
            return
        now = self._world.clock.monotonic()
        if now < self._revive_after:
            return
        self._revive_after = now + self.line.setup.sweep_seconds
        for hints in dead:
            hints.stop()
            hints.start(self._wake.set)
        if not all(hints.alive() for hints in dead):
            self.desk.incidents.begin(
                "folder watch", "the folder watch does not start; files are found by sweeps alone"
            )

    def _change_over(self) -> None:
        """Put a new setup in place of the old one, or keep the old one and say why."""
        self._supervisor.reloading()
        try:
            setup = self._load()
            self.desk.books.tell(ConfigurationReloaded(settings_sha256=setup.settings_sha256))
        except SealdropError as error:
            self.desk.incidents.begin("reload", f"the old configuration stays in force: {error}")
            self._supervisor.ready(self.status_line())
            return
        self.desk.incidents.end("reload")
        old = self.line.setup
        self._unwatch()
        if not self._crew.stop(self._stop_seconds):
            setup.close()
            problem = "work in hand did not end in time"
            hint = "The agent ends; started again, it settles that work and takes the new configuration"
            self._fail(Stuck(problem, where="reload", hint=hint))
            return
        old.close()
        for route in (*old.routes.values(), *setup.routes.values()):
            for transport in route.transports:
                self.desk.gates.resume(transport.name)
        self.desk.incidents.end_all()  # what is still wrong under the new configuration is found and said again
        self.desk.board.reopen(setup)
        self.line = make_line(self._world, self.desk, setup, self._stop.is_set)
        self.forecast()
        self._crew = self._make_crew()
        self._crew.start()
        self._watch(setup)
        self._supervisor.ready(self.status_line())

    def _make_crew(self) -> Crew:
        return Crew(self.line.setup, self.desk.board, self.line.pipeline, on_done=self._job_done, on_failure=self._fail)

    def _job_done(self) -> None:
        if self.line.intake.hungry():
            self._wake.set()

    def _fail(self, error: Exception) -> None:
        """Keep the first failure and end the loop."""
        if self._failure is None:
            self._failure = error
            self._world.journal.notice("failure", f"the agent stops: {error}", urgent=True)
        self.stop(f"failure: {type(error).__name__}")

    # -- what people look at -------------------------------------------------------------------------------

    def forecast(self) -> None:
        """Report keys that may not be used, or will soon not be."""
        now = self._world.clock.now()
        for kind in self.line.setup.kinds.values():
            for key in kind.sealer.keys(now):
                subject = f"key {key.fingerprint}"
                said = key.problem or key.warning
                if said is None:
                    self.desk.incidents.end(subject)
                else:
                    self.desk.incidents.begin(subject, f"{key.use} key {key.fingerprint} of {kind.key_set}: {said}")

    def tidy(self) -> None:
        """Remove old temporary copies of ours from the far ends that can be reached."""
        open_ids = {record.submission.id for record in self.desk.board.records()}
        for route in self.line.setup.routes.values():
            for transport in route.transports:
                if self.desk.gates.open(transport.name):
                    try:
                        transport.sweep(open_ids)
                    except TemporaryFailure as error:
                        self._world.journal.notice("tidy", f"old temporary copies stay for now: {error}")

    def status_line(self) -> str:
        """Return one line with counts."""
        counts = self._world.ledger.counts()
        shown = ", ".join(
            f"{number} {state}" for state, number in counts.items() if number and state not in {"sent", "failed"}
        )
        waiting = sum(self.line.intake.waiting().values())
        held = sum(self.desk.board.held().values())
        incidents = len(self.desk.incidents.open())
        return f"{waiting} in outboxes; {shown or 'nothing open'}; {held} held; {incidents} incidents"

    def _say_status(self) -> None:
        self._supervisor.status(self.status_line())
