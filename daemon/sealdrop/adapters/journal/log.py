"""Writing journal lines: to a descriptor, by default standard error, one whole line a write.

Promises: never raises; never blocks (a reader that does not read costs lines, never the agent's progress: they are
counted, and the loss is said as soon as the reader is back); whatever a name holds, a line stays one line of
printable ASCII and no field can pass for another. Under journald, told by ``JOURNAL_STREAM``, each line begins with
its urgency as ``<N>``; on a terminal it does not.

The sentence of an event is ours and short. The text of a notice may be long (the values in effect): it goes on over as
many lines as it needs, up to a bound, each with all fields and ``part=1/3``. Longer lines would not do: the system
takes them in pieces, which may block and may mix with those of others.
"""

from __future__ import annotations

import json
import os
import re
import select
import threading
from collections.abc import Mapping
from datetime import datetime

from sealdrop.adapters.journal.wording import LINES, Fields, Urgency, Value, said, sentence
from sealdrop.core.codec import to_plain
from sealdrop.ports.ledger import Committed

MAX_LINE = 4000  # bytes; the system takes a line of less than 4096 whole or not at all
MAX_VALUE = 256  # characters of one value or of an event's sentence; the ledger has the rest
MAX_NOTICE = 16 * 1024  # bytes of one notice's text, escaped
MAX_PIECE = 2000  # bytes of it in one line; the rest of the line is for the fields

STDERR = 2
_PLAIN = re.compile(r"[A-Za-z0-9._:/@,+%~^-]+")
_SEPARATOR = " | "
_CUT = " cut=yes"


class LogJournal:
    """``ports.people.Journal`` as lines of text.

    Args:
        descriptor: where lines go.
        priorities: whether each begins with ``<N>``; None: when journald reads the other end.
        environment: variables that say so; the process's own when None.
    """

    def __init__(
        self, descriptor: int = STDERR, *, priorities: bool | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._descriptor = descriptor
        variables = os.environ if environment is None else environment
        self._priorities = reads_journald(descriptor, variables) if priorities is None else priorities
        self._lock = threading.Lock()
        self._lost = 0

    def committed(self, committed: Committed) -> None:
        """Write one line for one event: a sentence and stable fields."""
        self._write(LINES[type(committed.event)].urgency, line_of(sentence(committed)[:MAX_VALUE], said(committed)))

    def notice(self, kind: str, text: str, *, urgent: bool = False, **fields: str | int) -> None:
        """Write a line for something that is not an event; ``urgent`` means that a person must act.

        A long text goes on over further lines.
        """
        pieces = _pieces(text)
        lines = []
        for number, piece in enumerate(pieces, 1):
            part = f"{number}/{len(pieces)}" if len(pieces) > 1 else None
            lines.append(line_of(piece, {"notice": kind, "part": part, **fields}))
        self._write(Urgency.ERROR if urgent else Urgency.INFO, *lines)

    def _write(self, urgency: Urgency, *lines: bytes) -> None:
        with self._lock:
            for line in lines:
                self._say(self._prefix(urgency) + line + b"\n")

    def _say(self, line: bytes) -> None:
        if self._lost:
            told = line_of("lines are missing: nobody read them", {"notice": "lines-lost", "lines": self._lost})
            if not self._send(self._prefix(Urgency.WARNING) + told + b"\n"):
                self._lost += 1
                return
            self._lost = 0
        if not self._send(line):
            self._lost += 1

    def _send(self, line: bytes) -> bool:
        try:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            if [events for _, events in ready.poll(0)] != [select.POLLOUT]:
                return False
            os.write(self._descriptor, line)
        except OSError:
            return False
        return True

    def _prefix(self, urgency: Urgency) -> bytes:
        return b"<%d>" % urgency if self._priorities else b""


def reads_journald(descriptor: int, variables: Mapping[str, str]) -> bool:
    """Tell whether journald reads what is written to a descriptor (systemd.exec(5), ``JOURNAL_STREAM``)."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return variables.get("JOURNAL_STREAM", "") == f"{found.st_dev}:{found.st_ino}"


def line_of(text: str, fields: Fields) -> bytes:
    """Return one line without its end: the sentence, a separator that occurs in no sentence, and the fields."""
    line = _sentence(text) + _SEPARATOR
    pairs = [f"{name}={shown(value)}" for name, value in fields.items() if value is not None]
    line += pairs[0]
    for pair in pairs[1:]:
        if len(line) + 1 + len(pair) > MAX_LINE - len(_CUT):
            return (line + _CUT).encode()
        line += f" {pair}"
    return line.encode()


def shown(value: Value) -> str:
    """Return a value as it stands after ``key=``: bare when it is a plain word, else quoted as in JSON."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return str(to_plain(value))
    text = str(value)
    short = text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "..."
    return short if _PLAIN.fullmatch(short) else f'"{_escaped(short)}"'


def _pieces(text: str) -> list[str]:
    """Cut a notice's text into pieces that fit a line each, and end it where it is too long altogether."""
    pieces: list[str] = []
    start = size = whole = 0
    for place, character in enumerate(text):
        width = len(_sentence(character))
        if whole + width > MAX_NOTICE:
            return [*pieces, text[start:place] + "..."]
        if size + width > MAX_PIECE:
            pieces.append(text[start:place])
            start, size = place, 0
        size += width
        whole += width
    return [*pieces, text[start:]]


def _sentence(text: str) -> str:
    return _escaped(text).replace("|", "\\u007c")


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]  # leaves nothing but printable ASCII
