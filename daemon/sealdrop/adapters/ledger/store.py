"""Every SQL statement of the ledger, and nothing else: rows in, rows out, over one connection.

No locking (the ledger's lock), no threads, no decisions. Statements are parametrised without exception. Each read
fetches all it returns, at most a page, so that no read lock outlives the call.

Fails with ``LedgerBroken`` when the file is damaged, ``NoSpace`` when the disk is full, else with ``StorageFailure``;
``Refused`` when it is not a ledger this program may open.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sealdrop.adapters.durable import Folder, shown
from sealdrop.adapters.ledger import schema
from sealdrop.adapters.ledger.derived import Change, SubmissionRow, landed_keys, submission_row, tally_changes, text
from sealdrop.adapters.ledger.rows import Identity, Row
from sealdrop.core.errors import LedgerBroken, NoSpace, Refused, StorageFailure

PAGE = 500  # rows fetched at a time
BACKUP_PAGES = 1024  # database pages copied at a time, between which others get a turn
#: A copy in steps that takes longer than this many undisturbed ones is made in one go.
MOST_COPIES = 3
HOT_PATIENCE = 1.0  # seconds until a commit that seems unfinished is believed to be
HOT_PAUSE = 0.002  # seconds between two looks at it

ROOM_WANTED = 1 << 20  # bytes that must find room where SQLite does not say why it could not write

_Read = TypeVar("_Read")

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
#: What SQLite makes of a used-up quota, and of a journal for which there is no inode left.
_MAYBE_FULL = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN})
_HINTS = {
    sqlite3.SQLITE_IOERR: "Look in the kernel log, check the disk, then start the agent again",
    sqlite3.SQLITE_BUSY: "End the program that keeps the ledger open for reading (lsof names it)",
    sqlite3.SQLITE_READONLY: "Start the agent, or run this as its user: an unfinished commit must be rolled back first",
    sqlite3.SQLITE_CANTOPEN: "Check that the file exists and that this user may read it and its folder",
}


@contextmanager
def translating(path: Path, doing: str) -> Iterator[None]:
    """Let only our errors out of a block that talks to SQLite.

    Raises:
        LedgerBroken: the file is damaged. NoSpace: the disk is full. StorageFailure: anything else SQLite reports.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise _full(path, doing, error) from error
        if code in _DAMAGED:
            raise LedgerBroken(
                f"the file is damaged: {error}",
                where=shown(path),
                hint="Keep a copy of it, restore the newest backup, then run sealdrop ledger verify",
            ) from error
        raise StorageFailure(f"cannot {doing}: {error}", where=shown(path), hint=_HINTS.get(code, "")) from error


def _full(path: Path, doing: str, error: sqlite3.Error) -> NoSpace:
    hint = "Free space on the ledger's file system, or raise the quota of the agent's user"
    return NoSpace(f"cannot {doing}: there is no room left ({error})", where=shown(path), hint=hint)


def _no_room(folder: Path) -> bool:
    """Tell whether the file system refuses us room, by trying: what is free is not what a quota allows."""
    try:
        with Folder.open(folder) as here, here.draft() as draft:
            draft.write(bytes(ROOM_WANTED))
    except NoSpace:
        return True
    except StorageFailure:
        return False
    return False


def _patiently(read: Callable[[], _Read]) -> _Read:
    """Read, and read again while there seems to be an unfinished commit.

    SQLite looks at lock and journal one after the other. Between the two looks a commit may begin, and the journal then
    looks left behind; a connection that may only read cannot find out more and gives up. A second look tells.
    """
    until = time.monotonic() + HOT_PATIENCE
    while True:
        try:
            return read()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK or time.monotonic() > until:
                raise
            time.sleep(HOT_PAUSE)


class _BegunTooOften(Exception):
    """A copy in steps begins anew faster than it gets on."""


class Store:
    """The tables over one connection. Every method raises as the module says."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._sql = connection
        self.path = path

    # --- the file ------------------------------------------------------------------------------------------

    def create(self, identity: Identity) -> None:
        """Fill an empty file: all tables, and which ledger it is."""
        with translating(self.path, "create the ledger"), self._transaction():
            for statement in schema.TRUTH.values():
                self._sql.execute(statement)
            self._sql.execute(
                "INSERT INTO identity (ledger, created) VALUES (?, ?)", (identity.ledger, identity.created)
            )
            self._create_derived()
            self._sql.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            self._sql.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")

    def check_schema(self) -> None:
        """See that the file is a ledger of a version we know, with every table and trigger as we made it.

        Raises:
            Refused: something else, or written by a newer program. LedgerBroken: the schema was altered.
        """
        if self._one("PRAGMA application_id") != schema.APPLICATION_ID:
            raise Refused("the file is not a ledger", where=shown(self.path), hint="Correct the path of the ledger")
        version = self._one("PRAGMA user_version")
        if version != schema.SCHEMA_VERSION:
            raise Refused(
                f"the ledger has schema {version}, this program knows {schema.SCHEMA_VERSION}",
                where=shown(self.path),
                hint="Use the version of sealdrop that wrote it, or a newer one",
            )
        found = self._definitions()
        expected = dict(schema.TRUTH)
        if self._derived_is_current(found):
            expected.update(schema.DERIVED)
        else:  # what another version derived is dropped soon; nothing but its tables may be there, though
            found = {name: sql for name, sql in found.items() if name in expected or not _is_derivable(sql)}
        for name in sorted({*expected, *found}):
            if found.get(name) != expected.get(name):
                state = "altered" if name in found and name in expected else "added" if name in found else "missing"
                raise LedgerBroken(
                    f"the schema was tampered with: {name!a} is {state}",
                    where=shown(self.path),
                    hint="Find out who opened the file; compare it with a backup and an exported head",
                )

    def damage(self) -> str | None:
        """Return what SQLite's own check of every page and index finds wrong first, or None."""
        try:
            found = str(self._one("PRAGMA integrity_check(1)"))
        except LedgerBroken as error:
            return error.what
        return None if found == "ok" else found

    def backup_to(self, target: Path) -> None:
        """Copy everything to a new file, some pages at a time, so that the writer gets its turn in between.

        Each commit makes it begin anew. Beside a busy agent it would never end, so after as many steps as a few whole
        copies take it is made in one go, for which the writer waits.
        """
        steps = 0

        def count(_status: int, _remaining: int, total: int) -> None:
            nonlocal steps
            steps += 1
            if steps > MOST_COPIES * (total // BACKUP_PAGES + 1):
                raise _BegunTooOften

        with translating(target, "copy the ledger"):
            copy = sqlite3.connect(target, isolation_level=None)
            try:
                _patiently(lambda: self._sql.backup(copy, pages=BACKUP_PAGES, progress=count))
            except _BegunTooOften:
                _patiently(lambda: self._sql.backup(copy))
            finally:
                copy.close()

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        with translating(self.path, "close the ledger"):
            self._sql.close()

    # --- truth ---------------------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Return which ledger this is."""
        found = self._all("SELECT ledger, created FROM identity")
        if len(found) != 1:
            raise LedgerBroken("it has no single identity", where=shown(self.path), hint="Restore the newest backup")
        return Identity(ledger=found[0][0], created=found[0][1])

    def commit(self, rows: Sequence[Row], changes: Sequence[Change]) -> None:
        """Add rows and what follows from them to the derived tables, all or none, durably.

        A failed *sync* is never taken for a full disk, whatever its cause: what was written before is in doubt then.

        Raises:
            NoSpace: there is no room, and SQLite took back what it had written.
        """
        with translating(self.path, "commit"):
            try:
                with self._transaction():
                    self._sql.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                    self._derive(list(changes))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode in _MAYBE_FULL and _no_room(self.path.parent):
                    raise _full(self.path, "commit", error) from error
                raise

    def newest_rows(self, limit: int) -> list[Row]:
        """Return the last rows, in ledger order."""
        found = self._all("SELECT * FROM events ORDER BY sequence DESC LIMIT ?", limit)
        return [Row(*one) for one in reversed(found)]

    def row(self, sequence: int) -> Row | None:
        """Return one row."""
        found = self._all("SELECT * FROM events WHERE sequence = ?", sequence)
        return Row(*found[0]) if found else None

    def rows(self, after: int, limit: int = PAGE) -> list[Row]:
        """Return a page of all rows, in ledger order."""
        found = self._all("SELECT * FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?", after, limit)
        return [Row(*one) for one in found]

    def stream_rows(self, stream: str, after: int = 0, limit: int = PAGE) -> list[Row]:
        """Return a page of one stream, in ledger order."""
        found = self._all(
            "SELECT * FROM events WHERE stream = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            text(stream),
            after,
            limit,
        )
        return [Row(*one) for one in found]

    # --- derived -------------------------------------------------------------------------------------------

    def derived_is_current(self) -> bool:
        """Tell whether the derived tables are those this program fills."""
        return self._derived_is_current(self._definitions())

    def rebuild(self, changes: Iterator[Change]) -> None:
        """Drop all that is derived and fill it anew, all or none."""
        with translating(self.path, "rebuild the derived tables"), self._transaction():
            for name, sql in self._definitions().items():
                if name not in schema.TRUTH and sql.startswith("CREATE TABLE"):
                    self._sql.execute(f'DROP TABLE "{name.replace(chr(34), chr(34) * 2)}"')
            self._create_derived()
            for change in changes:
                self._derive([change])

    def submission(self, submission: str) -> SubmissionRow | None:
        """Return the derived row of a submission."""
        found = self._all("SELECT * FROM submissions WHERE id = ?", text(submission))
        return SubmissionRow(*found[0]) if found else None

    def submission_rows(self, after: str, limit: int = PAGE) -> list[SubmissionRow]:
        """Return a page of the derived rows, in id order."""
        found = self._all("SELECT * FROM submissions WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [SubmissionRow(*one) for one in found]

    def delivered_keys(self) -> dict[tuple[str, str], str]:
        """Return the newest delivered submission of every (kind, key)."""
        return {(kind, key): one for kind, key, one in self._all("SELECT kind, key, submission FROM delivered_keys")}

    def open_ids(self, after: str, limit: int = PAGE) -> list[str]:
        """Return a page of the ids that are not terminal, in id order."""
        sql = "SELECT id FROM submissions WHERE open = 1 AND id > ? ORDER BY id LIMIT ?"
        return [one for (one,) in self._all(sql, after, limit)]

    def newest_ids(self, limit: int) -> list[str]:
        """Return the largest ids, largest first."""
        return [one for (one,) in self._all("SELECT id FROM submissions ORDER BY id DESC LIMIT ?", limit)]

    def ids_between(self, least: str, beyond: str, limit: int) -> list[str]:
        """Return ids of a half-open range, in order."""
        sql = "SELECT id FROM submissions WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        return [one for (one,) in self._all(sql, least, beyond, limit)]

    def earlier_equal(self, kind: str, sha256: str, since: str, before: str) -> str | None:
        """Return the largest standing id before ``before`` with equal bytes, claimed since ``since``."""
        found = self._all(
            "SELECT id FROM submissions WHERE standing = 1 AND kind = ? AND sha256 = ? AND id < ? AND claimed_at >= ? "
            "ORDER BY id DESC LIMIT 1",
            text(kind),
            text(sha256),
            text(before),
            since,
        )
        return found[0][0] if found else None

    def newest_delivered(self, kind: str, keys: Sequence[str]) -> str | None:
        """Return the largest id that landed with any of the keys."""
        found = self._one(
            "SELECT max(submission) FROM delivered_keys WHERE kind = ? AND key IN (SELECT value FROM json_each(?))",
            text(kind),
            json.dumps([text(key) for key in keys]),
        )
        return None if found is None else str(found)

    def tallies(self) -> dict[str, int]:
        """Return how many submissions are in each state."""
        return dict(self._all("SELECT state, number FROM tallies WHERE number <> 0 ORDER BY state"))

    # --- beneath -------------------------------------------------------------------------------------------

    def _create_derived(self) -> None:
        for statement in schema.DERIVED.values():
            self._sql.execute(statement)
        self._sql.execute("INSERT INTO derived (version) VALUES (?)", (schema.DERIVED_VERSION,))

    def _derive(self, changes: list[Change]) -> None:
        self._sql.executemany(
            "INSERT INTO submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "state = excluded.state, changed_at = excluded.changed_at, events = excluded.events, "
            "open = excluded.open, standing = excluded.standing",
            [submission_row(change.after) for change in changes],
        )
        self._sql.executemany(
            "INSERT INTO delivered_keys VALUES (?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET submission = max(submission, excluded.submission)",
            [key for change in changes for key in landed_keys(change)],
        )
        self._sql.executemany(
            "INSERT INTO tallies VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET number = number + excluded.number",
            sorted(tally_changes(changes).items()),
        )

    def _definitions(self) -> dict[str, str]:
        return dict(self._all("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))

    def _derived_is_current(self, found: dict[str, str]) -> bool:
        return "derived" in found and self._all("SELECT version FROM derived") == [(schema.DERIVED_VERSION,)]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._sql.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself; the first error is the one to tell
                self._sql.execute("ROLLBACK")
            raise

    def _all(self, statement: str, *values: str | int) -> list[Any]:
        with translating(self.path, "read the ledger"):
            return _patiently(lambda: self._sql.execute(statement, values).fetchall())

    def _one(self, statement: str, *values: str | int) -> object:
        found = self._all(statement, *values)
        return found[0][0] if found else None


def _is_derivable(sql: str) -> bool:
    return sql.startswith(("CREATE TABLE", "CREATE INDEX"))
