"""The process: what is opened once and closed in the right order, signals, and the agent that runs in between.

Opened in this order, each refusing cleanly: the instance lock (a second agent on one root would be a disaster), the
ledger (checked), the spool (a real rename is tried), the setup (keys, rules, routes). Closed in the reverse order.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.clock import SystemClock
from sealdrop.adapters.control import ControlServer
from sealdrop.adapters.in_hand import InHandFile
from sealdrop.adapters.journal import LogJournal
from sealdrop.adapters.ledger import SqliteLedger
from sealdrop.adapters.schedule import AppSchedule
from sealdrop.adapters.spool import FolderSpool, InstanceLock
from sealdrop.adapters.systemd import Notifier
from sealdrop.core import codec
from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.flow.agent import Agent
from sealdrop.flow.line import World
from sealdrop.flow.once import Once, Tidied
from sealdrop.flow.operations import Operations
from sealdrop.flow.setup import Setup
from sealdrop.ports.people import Journal, Meter
from sealdrop.wiring.folders import ledger_path, make_folders, socket_path
from sealdrop.wiring.reporting import add_report_here
from sealdrop.wiring.setup import keys_in_use, make_setup
from sealdrop.wiring.verbs import Start, verbs


@contextmanager
def opened_world(settings: config.Settings) -> Iterator[World]:
    """Open what stays the same for the life of the process.

    Raises:
        ConfigurationError: another agent has this root, or the folders will not do.
        LedgerBroken: the ledger does not verify.
        NoSpace, StorageFailure: a folder of ours could not be written.
    """
    _quieten()
    make_folders(settings)
    clock, journal = SystemClock(), LogJournal()
    with (
        _warnings_to(journal),
        InstanceLock(settings.root),
        SqliteLedger.open(ledger_path(settings), clock) as ledger,
    ):
        yield World(
            ledger=ledger,
            journal=journal,
            spool=FolderSpool(settings.root),
            clock=clock,
            hand=InHandFile(settings.root / "work" / ".in-hand"),
        )


def serve(path: Path) -> None:
    """Run the agent until it is told to stop.

    Args:
        path: the configuration file.

    Raises:
        SealdropError: the start failed, or our own storage did.
    """
    settings = config.load(path)
    with opened_world(settings) as world, ExitStack() as closing:

        def load() -> Setup:
            """Read the configuration again, for a reload."""
            fresh = config.load(path)
            _same_house(settings, fresh)
            _say(world, path, fresh)
            return make_setup(fresh, path.parent, world.clock)

        _say(world, path, settings)
        setup = make_setup(settings, path.parent, world.clock)
        closing.callback(setup.close)  # the agent closes what it works by; this is for a start that fails
        start = Start(since=world.clock.now())
        agent = Agent(
            world,
            setup,
            supervisor=Notifier(on_failure=lambda text: world.journal.notice("systemd", text, urgent=True)),
            schedule=AppSchedule(),
            load=load,
            stop_seconds=settings.agent.stop_seconds,
            when_recovered=start.recovered.set,
        )
        server = ControlServer(
            socket_path(settings),
            verbs(
                Operations(agent, world.ledger),
                world.ledger,
                keys=lambda: keys_in_use(agent.line.setup, world.clock.now()),
                start=start,
                add_report=lambda file, profile, by: add_report_here(settings, agent.desk.books, file, profile, by),
            ),
            read_group=settings.control.read_group,
            admin_group=settings.control.admin_group,
            journal=world.journal,
        )
        with _signals(agent), server:
            agent.run()


def run_once(path: Path, patience: float, meter: Meter | None = None) -> Tidied:
    """Do what can be done now, in this thread, and return what is left.

    Args:
        path: the configuration file.
        patience: seconds to wait in all for files to become complete and submissions due.
        meter: watches uploads get on.

    Raises:
        SealdropError: the start failed, or our own storage did.
    """
    settings = config.load(path)
    with opened_world(settings) as world:
        setup = make_setup(settings, path.parent, world.clock)
        try:
            return Once(replace(world, meter=meter), setup, pause=time.sleep, patience=patience).run()
        finally:
            setup.close()


def _say(world: World, path: Path, settings: config.Settings) -> None:
    """Write the values in effect to the journal; settings hold the places of secrets, never secrets."""
    values = codec.canonical(config.effective(settings))
    world.journal.notice("configuration", f"{path}: {values}", settings_sha256=config.fingerprint(settings))


def _quieten() -> None:
    """Let libraries be silent: what they know arrives as an error of ours, once, with what to do.

    Their own lines would come again for every attempt, and python-gnupg's may quote what it was given.
    """
    for name in ("gnupg", "paramiko", "apscheduler"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _JournalHandler(logging.Handler):
    """Turns a warning of Python's logging into a line of the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        self._journal.notice("warning", record.getMessage(), logger=record.name)


@contextmanager
def _warnings_to(journal: Journal) -> Iterator[None]:
    """Let what a library warns of have the form of every other line, instead of standing raw between them."""
    handler = _JournalHandler(journal)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _signals(agent: Agent) -> Iterator[None]:
    """Let the service manager's signals reach the agent; handlers do nothing but set a flag."""
    handlers = {
        signal.SIGTERM: lambda *_: agent.stop("SIGTERM"),
        signal.SIGINT: lambda *_: agent.stop("SIGINT"),
        signal.SIGHUP: lambda *_: agent.reload(),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _same_house(running: config.Settings, fresh: config.Settings) -> None:
    """Refuse a reload that would move the agent to other folders or another environment."""
    problems = [
        Problem(path=name, what="cannot change while the agent runs", hint="Restart the agent")
        for name in ("environment", "root", "runtime", "control")
        if getattr(running, name) != getattr(fresh, name)
    ]
    if problems:
        raise ConfigurationError(problems)
