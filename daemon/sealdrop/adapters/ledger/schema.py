"""The ledger's tables: what is truth, what is derived, and the settings of every connection.

Truth is ``identity`` and ``events``; triggers refuse to change or remove either (a guard against accidents: the hash
chain is what tells of malice). Everything else is derived from the events in the same transaction, may be dropped at
any time, and is built again when its version differs.

Journal: rollback (PERSIST) with ``synchronous=EXTRA``. Measured on ext4, one change a commit, median: DELETE 0.87 ms,
TRUNCATE 0.73 ms, PERSIST 0.77 ms; WAL under an exclusive lock 0.20 ms. WAL is left alone all the same: before SQLite
3.51.3 it can corrupt a database that two connections use, Debian 12 has 3.40.1, and under an exclusive lock nobody
could read the ledger beside the agent. PERSIST syncs the zeroed journal header, so a commit needs no directory entry
to change; that matters where directories are slow and costs nothing here.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sealdrop.adapters.ledger.rows import HASH_BYTES

APPLICATION_ID = 0x5EA1_D409  # marks the file as ours
SCHEMA_VERSION = 1  # of identity and events
DERIVED_VERSION = 1  # of everything else

BUSY_WRITER = 30.0  # seconds that a commit waits for readers in other processes
BUSY_READER = 5.0  # seconds that a reader waits for a commit
JOURNAL_BYTES = 1 << 20  # a bigger rollback journal is cut back to this after its commit


def _refusing(name: str, when: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"


#: name → statement. SQLite keeps these texts word for word, which lets ``Store.check_schema`` compare them.
TRUTH = {
    "identity": "CREATE TABLE identity (ledger TEXT NOT NULL, created TEXT NOT NULL) STRICT",
    "events": (
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY, at TEXT NOT NULL, stream TEXT NOT NULL, "
        "type TEXT NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL, "
        f"previous BLOB NOT NULL CHECK (length(previous) = {HASH_BYTES}), "
        f"hash BLOB NOT NULL CHECK (length(hash) = {HASH_BYTES})) STRICT"
    ),
    "events_by_stream": "CREATE INDEX events_by_stream ON events (stream, sequence)",
    "events_never_change": _refusing("events_never_change", "UPDATE ON events"),
    "events_never_leave": _refusing("events_never_leave", "DELETE ON events"),
    # Without this one, INSERT OR REPLACE would remove a row and fire no trigger.
    "events_only_follow": _refusing(
        "events_only_follow",
        "INSERT ON events WHEN NEW.sequence IS NOT (SELECT ifnull(max(sequence), 0) + 1 FROM events)",
    ),
    "identity_never_changes": _refusing("identity_never_changes", "UPDATE ON identity"),
    "identity_never_leaves": _refusing("identity_never_leaves", "DELETE ON identity"),
    "identity_is_one": _refusing("identity_is_one", "INSERT ON identity WHEN EXISTS (SELECT 1 FROM identity)"),
}

DERIVED = {
    "derived": "CREATE TABLE derived (version INTEGER NOT NULL) STRICT",
    "submissions": (
        "CREATE TABLE submissions (id TEXT PRIMARY KEY, outbox TEXT NOT NULL, kind TEXT NOT NULL, "
        "file_name TEXT NOT NULL, sha256 TEXT NOT NULL, claimed_at TEXT NOT NULL, state TEXT NOT NULL, "
        "changed_at TEXT NOT NULL, events INTEGER NOT NULL, open INTEGER NOT NULL, standing INTEGER NOT NULL) "
        "STRICT, WITHOUT ROWID"
    ),
    "submissions_open": "CREATE INDEX submissions_open ON submissions (id) WHERE open = 1",
    "submissions_equal": (
        "CREATE INDEX submissions_equal ON submissions (kind, sha256, id, claimed_at) WHERE standing = 1"
    ),
    "delivered_keys": (
        "CREATE TABLE delivered_keys (kind TEXT NOT NULL, key TEXT NOT NULL, submission TEXT NOT NULL, "
        "PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID"
    ),
    "tallies": "CREATE TABLE tallies (state TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID",
}

_COMMON = (
    "PRAGMA trusted_schema = OFF",  # nothing hidden in the file may call functions with effects
    "PRAGMA cell_size_check = ON",  # notice damaged pages early
    "PRAGMA mmap_size = 0",  # an I/O error must be an error, not a signal
    "PRAGMA temp_store = MEMORY",
)
_WRITER = (
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA synchronous = EXTRA",
    f"PRAGMA journal_size_limit = {JOURNAL_BYTES}",
)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open an existing ledger for writing; a missing file is an error, never a new one.

    Raises:
        sqlite3.Error: SQLite refused.
    """
    return _connect(path, "rw", BUSY_WRITER, _WRITER)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing ledger for reading only.

    Raises:
        sqlite3.Error: SQLite refused.
    """
    return _connect(path, "ro", BUSY_READER, ("PRAGMA query_only = ON",))


def connect_draft(path: Path) -> sqlite3.Connection:
    """Open a file that nobody knows of yet; whoever gives it its name syncs it first.

    Raises:
        sqlite3.Error: SQLite refused.
    """
    return _connect(path, "rwc", 0, ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF"))


def _connect(path: Path, mode: str, busy: float, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # isolation_level None: transactions are begun and ended in plain sight. Several threads share a connection, one
    # at a time: the ledger's lock sees to that.
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*_COMMON, *pragmas):
            connection.execute(pragma).fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
