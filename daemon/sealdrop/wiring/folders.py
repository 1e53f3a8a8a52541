"""The folders of one instance: made when missing, never changed when there.

Private to the agent: the spool, the ledger, the runtime folder. The outboxes and the results are the producers' too;
their owner and group are the installer's to set (see systemd/tmpfiles.d), so an existing one is left as it is.
"""

from __future__ import annotations

from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.spool import make_layout
from sealdrop.core.errors import ConfigurationError, Problem

PRIVATE = 0o700
SHARED = 0o750


def ledger_path(settings: config.Settings) -> Path:
    """Return the ledger's file."""
    return settings.root / "ledger" / "ledger.sqlite"


def socket_path(settings: config.Settings) -> Path:
    """Return the control socket."""
    return settings.runtime / "control.sock"


def make_folders(settings: config.Settings) -> list[Path]:
    """Make what is missing and return what was made.

    Raises:
        ConfigurationError: a folder cannot be made; every one that cannot is named.
        NoSpace, StorageFailure: the spool could not be made durable.
    """
    wanted = [(settings.root, SHARED), (settings.runtime, PRIVATE), (settings.root / "ledger", PRIVATE)]
    for name in settings.outboxes:
        wanted += [(settings.outbox_path(name), SHARED), (settings.results_path(name), SHARED)]
    made, problems = [], []
    for path, mode in wanted:
        try:
            made += _make(path, mode)
        except OSError as error:
            hint = "Make it, and give it to the user the agent runs as"
            problems.append(Problem(path=str(path), what=f"cannot be made: {error.strerror}", hint=hint))
    if problems:
        raise ConfigurationError(problems)
    make_layout(settings.root)
    return made


def _make(path: Path, mode: int) -> list[Path]:
    if path.is_dir():
        return []
    above = [] if path.parent.is_dir() else _make(path.parent, SHARED)
    path.mkdir(mode=mode, exist_ok=True)
    return [*above, path]
