"""The folders of one instance: made when missing, never changed when there.

Private to the agent: the spool and the runtime folder. The ledger is the agent's to write and its group's to read, so
that operators can look while no agent runs. The outboxes and the results are the producers' too; their owner and group
are the installer's to set (see systemd/tmpfiles.d), so an existing one is left as it is. What the agent makes itself is
for its own user and group alone.
"""

from __future__ import annotations

import grp
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.durable import guarding, shown
from sealdrop.adapters.spool import make_layout
from sealdrop.core.errors import ConfigurationError, Problem, Refused

PRIVATE = 0o700
SHARED = 0o750
#: As systemd/sysusers.d makes them.
AGENT = "sealdrop"
DROP_GROUP = "sealdrop-drop"


def ledger_path(settings: config.Settings) -> Path:
    """Return the ledger's file."""
    return settings.root / "ledger" / "ledger.sqlite"


def ledger_to_read(settings: config.Settings) -> Path | None:
    """Return the ledger's file when this user may read it, None when there is none.

    Raises:
        Refused: it is not for this user. StorageFailure: the file system refused otherwise.
    """
    path = ledger_path(settings)
    with guarding("read", path):
        try:
            path.open("rb").close()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            hint = f"The agent's user may, root, and members of the group {_group_of(path.parent)}"
            raise Refused("you may not read the ledger", where=shown(path), hint=hint) from error
    return path


def socket_path(settings: config.Settings) -> Path:
    """Return the control socket."""
    return settings.runtime / "control.sock"


def reports_path(settings: config.Settings) -> Path:
    """Return the folder of imported reports, which is there once one was imported."""
    return settings.root / "reports"


def make_folders(settings: config.Settings) -> list[Path]:
    """Make what is missing and return what was made.

    Raises:
        ConfigurationError: a folder cannot be made; every one that cannot is named.
        NoSpace, StorageFailure: the spool could not be made durable.
    """
    wanted = [(settings.root, SHARED), (settings.runtime, PRIVATE), (settings.root / "ledger", SHARED)]
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


def outbox_warnings(settings: config.Settings) -> list[Problem]:
    """Return each outbox that its agent's user alone can drop into, with the lines that make it the producers'.

    Remote outboxes are left out: modes say nothing about who may write to a file server.
    """
    agent = _owner_of(settings.root)
    warnings = []
    for name in (name for name, outbox in settings.outboxes.items() if not outbox.remote):
        folder, results = settings.outbox_path(name), settings.results_path(name)
        what = _closed_to_producers(folder)
        if what is not None:
            lines = f"d {folder} 3770 {agent} {DROP_GROUP} -", f"d {results} 2750 {agent} {DROP_GROUP} -"
            hint = (
                f"Unless they run as that user, add to /etc/tmpfiles.d/sealdrop-local.conf: {' and '.join(lines)}; "
                "then run systemd-tmpfiles --create"
            )
            warnings.append(Problem(path=f"outboxes.{name}", what=what, hint=hint))
    return warnings


def _closed_to_producers(folder: Path) -> str | None:
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        return f"{shown(folder)} is not there; the agent would make it for its own user, and no producer could drop"
    except OSError:  # this user may not even look; whoever may is told
        return None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    return f"{shown(folder)} is writable by its owner alone, and no producer can drop"


def _make(path: Path, mode: int) -> list[Path]:
    if path.is_dir():
        return []
    above = [] if path.parent.is_dir() else _make(path.parent, SHARED)
    path.mkdir(mode=mode)
    path.chmod(mode)  # mkdir let the umask take bits away
    return [*above, path]


def _owner_of(path: Path) -> str:
    """Return who owns a folder of the agent's, or who will as installed."""
    with suppress(OSError, KeyError):
        return pwd.getpwuid(path.stat().st_uid).pw_name
    return AGENT


def _group_of(path: Path) -> str:
    with suppress(OSError, KeyError):
        return grp.getgrgid(path.stat().st_gid).gr_name
    return "that the agent runs in"
