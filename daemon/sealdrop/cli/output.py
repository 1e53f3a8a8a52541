"""Output: tables for people, JSON for programs, errors with what, where and what next.

Nothing dropped by a producer reaches a terminal unescaped: control characters in names are shown as escapes, so that a
file name can neither move the cursor nor forge a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich costs 30 ms, which `--version` and `--json` need not pay
    from rich.console import Console

    from sealdrop.core.codec import Plain
    from sealdrop.core.errors import ConfigurationError, SealdropError

#: Columns that people copy from or compare by eye: their cells are never folded, however narrow the terminal.
WHOLE = frozenset({"submission", "since (UTC)", "time (UTC)", "fingerprint", "ends", "proof", "number", "line"})

ROLES = {
    "rejected": ("red", True),
    "held": ("yellow", True),
    "accepted": ("green", True),
    "reject": ("red", False),
    "hold": ("yellow", False),
    "warn": ("cyan", False),
    "caret": ("red", True),
    "rule": ("bright_black", False),
}
STYLES = {
    "sent": "green",
    "delivered": "green",
    "failed": "red",
    "rejected": "red",
    "undeliverable": "red",
    "set-aside": "red",
    "deferred": "yellow",
    "partly-delivered": "yellow",
}


def console(*, error: bool = False) -> Console:
    """Return a console that wraps nothing away when its output is not a terminal."""
    from rich.console import Console  # noqa: PLC0415 - see above

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=stream, highlight=False, soft_wrap=False, width=width)


def safe(text: object) -> str:
    """Return text that is safe on a terminal: control characters and undecodable bytes as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def styled(text: str, role: str) -> str:
    """Return a line of a report in the colours of its role; plain where standard output is no terminal."""
    import typer  # noqa: PLC0415 - with the command that needs it

    look = ROLES.get(role)
    plain = look is None or not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain or look is None else typer.style(text, fg=look[0], bold=look[1] or None)


def print_json(value: Plain) -> None:
    """Print one JSON document for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=True) + "\n")


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people."""
    from rich.table import Table  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in WHOLE)
    for row in rows:
        table.add_row(*(Text(safe(cell), style=STYLES.get(str(cell), "")) for cell in row))
    console().print(table)


def print_error(error: SealdropError) -> None:
    """Print an error so that a person can act on it."""
    if hasattr(error, "problems"):
        print_problems(error)  # type: ignore[arg-type]  # a ConfigurationError, told apart without its import
        return
    lines = [f"sealdrop: {safe(error.where)}: {safe(error.what)}" if error.where else f"sealdrop: {safe(error.what)}"]
    if error.hint:
        lines.append(f"  → {safe(error.hint)}")
    sys.stderr.write("\n".join(lines) + "\n")


def print_problems(error: ConfigurationError) -> None:
    """Print every problem of a configuration at once."""
    where = f" in {safe(error.where)}" if error.where else ""
    count = len(error.problems)
    lines = [f"sealdrop: {count} problem{'' if count == 1 else 's'}{where}; nothing was started"]
    for problem in error.problems:
        lines.append(f"  {safe(problem.path)}: {safe(problem.what)}")
        if problem.hint:
            lines.append(f"    → {safe(problem.hint)}")
    sys.stderr.write("\n".join(lines) + "\n")


def when(text: object) -> str:
    """Return a time from JSON as people read it, in UTC."""
    return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def size(number: object) -> str:
    """Return a number of bytes as people read it."""
    value = float(str(number))
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - SI units
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    return f"{value:.1f} TB"
