"""The operator's journal: one line kind per committed event, to standard error, where journald takes it.

    wording   every line kind: its sentence, urgency and fields (``LINES`` documents them, a README is made from it)
    log       ``LogJournal``, which writes lines and never raises, blocks or lets a name start a line of its own

A line is a sentence, `` | ``, and fields as ``key=value``; a value that is not a plain word is quoted as in JSON:

    delivered | event=LegDelivered submission=01… kind=adt file="ADT 1.csv" state=delivered leg=main attempt=1 …
"""

from sealdrop.adapters.journal.log import LogJournal
from sealdrop.adapters.journal.wording import LINES, LineKind, Urgency, sentence

__all__ = ["LINES", "LineKind", "LogJournal", "Urgency", "sentence"]
