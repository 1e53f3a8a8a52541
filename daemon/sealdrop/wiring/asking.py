"""Questions from the command line: to the running agent where there is one, else to what is on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.control import ControlClient, NotRunning
from sealdrop.adapters.ledger import ReadOnlyLedger
from sealdrop.core.codec import Plain
from sealdrop.shipped import profile_path
from sealdrop.wiring.folders import ledger_path, ledger_to_read, socket_path
from sealdrop.wiring.verbs import READING, read_only


def keys(path: Path) -> Plain:
    """Return the keys in use: of the agent that runs, which alone holds its credentials, else as configured.

    Raises:
        ConfigurationError: the configuration or a key file will not do.
        NotRunning: no agent runs, and the service manager hands the keys to it alone.
        SealdropError: the agent refused or failed.
    """
    settings = config.load(path)
    try:
        return ControlClient(socket_path(settings)).call("keys")
    except NotRunning:
        from sealdrop.wiring import checking  # noqa: PLC0415 - costs time, and only without an agent

        return checking.keys(path)


def ask(path: Path, verb: str, **arguments: Plain) -> Plain:
    """Ask the agent, or the ledger when no agent runs and the ledger can answer.

    Args:
        path: the configuration file.
        verb: of the control socket.
        arguments: of the verb.

    Raises:
        NotRunning: no agent runs, and the verb needs one.
        Refused: this user may not read the ledger.
        SealdropError: the agent refused or failed.
    """
    settings = config.load(path)
    try:
        return ControlClient(socket_path(settings)).call(verb, **arguments)
    except NotRunning:
        if verb not in READING:
            raise
    file = ledger_to_read(settings)
    if file is None:
        hint = "Start it (systemctl start sealdrop, or sealdrop run); if it ran before, find out who removed the ledger"
        raise NotRunning("no agent runs here, and none has left a ledger", where=str(ledger_path(settings)), hint=hint)
    with ReadOnlyLedger.open(file) as ledger:
        return read_only(ledger, settings.environment, verb, arguments)


def add_report(path: Path, file: Path, profile: str) -> Plain:
    """Import a report: the agent that runs does it, which alone writes to its ledger, else this process.

    Args:
        path: the configuration file.
        file: the report.
        profile: a shipped profile or a profile's path.

    Raises:
        ConfigurationError: the configuration or the profile will not do.
        Refused: it is no such report, or this user may not.
        SealdropError: the agent refused or failed.
    """
    settings = config.load(path)
    rules, whole = profile_path(profile, Path.cwd()).absolute(), file.absolute()
    try:
        return ControlClient(socket_path(settings)).call("report-add", path=str(whole), profile=str(rules))
    except NotRunning:
        from sealdrop.flow.books import Books  # noqa: PLC0415 - costs time, and only without an agent
        from sealdrop.wiring.process import opened_world  # noqa: PLC0415
        from sealdrop.wiring.reporting import add_report_here  # noqa: PLC0415

        with opened_world(settings) as world:
            books = Books(world.ledger, world.journal)
            return add_report_here(settings, books, whole, rules, by=f"uid {os.geteuid()}")
