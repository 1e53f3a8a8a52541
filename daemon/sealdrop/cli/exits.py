"""Exit codes: one documented table, so that scripts can tell what happened without reading text.

78, 74 and 75 are those of ``sysexits.h``. systemd does not restart the agent on 78: a bad configuration stays bad.
"""

from __future__ import annotations

from enum import IntEnum

from sealdrop.core.errors import (
    ConfigurationError,
    KeyUnusable,
    LedgerBroken,
    NotRunning,
    NotYet,
    Refused,
    SealdropError,
    StorageFailure,
    Stuck,
    TemporaryFailure,
    Unanswered,
)


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0  # done
    NO = 1  # the answer is no: rejected by the rules, ledger does not verify, a key may not be used
    USAGE = 2  # the command line is wrong
    NOT_RUNNING = 3  # no agent runs, and the command needs one
    REFUSED = 4  # the request is not allowed, and nothing changed
    STORAGE = 74  # our own disk failed; nothing was lost, the next start derives everything anew
    TEMPORARY = 75  # not now; the same command may work later
    CONFIGURATION = 78  # the configuration is wrong; nothing was started


_EXITS: tuple[tuple[type[SealdropError], Exit], ...] = (
    (ConfigurationError, Exit.CONFIGURATION),
    (NotRunning, Exit.NOT_RUNNING),
    (Refused, Exit.REFUSED),
    (KeyUnusable, Exit.NO),
    (LedgerBroken, Exit.NO),
    (StorageFailure, Exit.STORAGE),
    (TemporaryFailure, Exit.TEMPORARY),
    (Stuck, Exit.TEMPORARY),
    (NotYet, Exit.TEMPORARY),
    (Unanswered, Exit.TEMPORARY),
)


def exit_of(error: SealdropError) -> Exit:
    """Return the exit code that stands for an error."""
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.NO)
