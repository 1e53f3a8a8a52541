"""The ledger on SQLite: append-only, hash-chained, one writer with group commit. Implements ``ports.ledger``.

rows      how an event becomes a row, and how rows are chained (enough to write an independent verifier)
schema    tables, triggers, connection settings
derived   what the derived tables say of a record
store     every SQL statement
checks    checks of single rows and of the end
reading   the reading half, and ``ReadOnlyLedger``
writer    group commit
ballast   room for the last events on a full disk
opening   making a ledger; one writer process
sqlite    ``SqliteLedger``
verify    the whole history checked
"""

from sealdrop.adapters.ledger.reading import ReadOnlyLedger
from sealdrop.adapters.ledger.rows import Head
from sealdrop.adapters.ledger.sqlite import SqliteLedger, rebuild
from sealdrop.adapters.ledger.verify import Flaw, LedgerProblem, VerifyReport, verify

__all__ = [
    "Flaw",
    "Head",
    "LedgerProblem",
    "ReadOnlyLedger",
    "SqliteLedger",
    "VerifyReport",
    "rebuild",
    "verify",
]
