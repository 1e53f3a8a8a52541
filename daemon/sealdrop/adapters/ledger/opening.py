"""Making a ledger, and making sure that one process at a time writes to it.

A new ledger is filled under a temporary name and renamed into place, so that a file under the real name is a whole
ledger or a damaged one, never one about to be made. The writer holds a lock on a file beside it for as long as it
lives; the lock ends with the process, however it ends. (Not on the database itself: closing any descriptor of that
would drop SQLite's own locks.)
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import closing, suppress
from pathlib import Path

from sealdrop.adapters import durable
from sealdrop.adapters.ledger.rows import Identity, stamp
from sealdrop.adapters.ledger.schema import connect_draft
from sealdrop.adapters.ledger.store import Store, translating
from sealdrop.core.errors import Refused
from sealdrop.ports.clock import Clock

LEDGER_MODE = 0o640  # the group may read it beside the agent


def lock(path: Path) -> int:
    """Take the writer's lock of a ledger; return its descriptor, which holds it until closed.

    Raises:
        Refused: another process writes to this ledger. StorageFailure: the lock file could not be opened.
    """
    beside = path.with_name(f"{path.name}.lock")
    with durable.guarding("open", beside):
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, LEDGER_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Refused(
            "another process is writing to this ledger",
            where=durable.shown(path),
            hint="Stop the running agent first, or give this one a ledger of its own",
        ) from error
    return descriptor


def make(path: Path, clock: Clock) -> None:
    """Make an empty ledger with an identity of its own. The caller holds the lock.

    Raises:
        NoSpace, StorageFailure: it could not be made; nothing is there under its name.
    """
    draft = path.with_name(f".tmp-{secrets.token_hex(8)}")
    durable.write_new(draft, b"", mode=LEDGER_MODE)
    try:
        with translating(path, "create the ledger"), closing(connect_draft(draft)) as connection:
            Store(connection, draft).create(Identity(ledger=clock.new_id(), created=stamp(clock.now())))
        durable.keep(draft, path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
