"""Mending without an agent: what follows from the events is made anew from them. The events are never touched."""

from __future__ import annotations

import os
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.durable import shown
from sealdrop.adapters.ledger import rebuild
from sealdrop.core.errors import LedgerBroken, Refused
from sealdrop.wiring.folders import ledger_path, ledger_to_read


def rebuild_ledger(path: Path) -> None:
    """Fill the derived tables of the ledger anew.

    Args:
        path: the configuration file.

    Raises:
        ConfigurationError: the configuration is bad.
        Refused: an agent runs, or this user may not.
        LedgerBroken: the events themselves do not verify, or there is no ledger.
        StorageFailure: the file system refused; nothing changed.
    """
    settings = config.load(path)
    ledger = ledger_to_read(settings)
    if ledger is None:
        raise LedgerBroken("there is no ledger", where=shown(ledger_path(settings)), hint="Find out who removed it")
    if not os.access(ledger, os.W_OK, effective_ids=True):
        raise Refused("you may not write to the ledger", where=shown(ledger), hint="The agent's user may, and root")
    rebuild(ledger)
