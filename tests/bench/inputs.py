"""The files that are measured with: real ADT rows for small ones, wide rows of text for a huge one.

Each small file has a User ID of its own, so that none supersedes or waits for another, and no two files are equal, so
that none is a duplicate.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path

from sealdrop.shipped import profile_path
from support.house import user_id

_HEADER = "reference,user_id,srv,warning_threshold,quarantine_threshold,exception\n"
_WIDE_COLUMNS = 16
_WIDE_CELL = 62

#: A profile of what no profile of ours would let through: hundreds of megabytes. No keys, so no memory for them.
WIDE_PROFILE = f"""\
kind = "table"
name = "wide"
version = "1"
header = "exact"
[bounds]
bytes = {1 << 31}
[file_name]
pattern = '.+'
[ordering]
column = "site"
[[columns]]
name = "site"
type = "text"
privacy = "public"
{"".join(f'[[columns]]{chr(10)}name = "text{n}"{chr(10)}type = "text"{chr(10)}' for n in range(1, _WIDE_COLUMNS))}"""


def adt(number: int, size: int) -> bytes:
    """Return an ADT file of about ``size`` bytes with the User ID ``number``."""
    srvs = _srvs()
    per_row = max(size - len(_HEADER), 1) // len(srvs)
    if per_row < len(_row(number, srvs[-1], "")):  # fewer rows, then
        srvs, per_row = srvs[: max(size // len(_row(number, srvs[-1], "")), 1)], 0
    rows = (_row(number, srv, "") for srv in srvs)
    text = _HEADER + "".join(row[:-1] + "x" * (per_row - len(row)) + "\n" for row in rows)
    return text.encode()


def write_wide(path: Path, size: int) -> None:
    """Write a table of about ``size`` bytes in rows of a kilobyte."""
    names = ["site", *(f"text{n}" for n in range(1, _WIDE_COLUMNS))]
    with path.open("wb") as file:
        written = file.write((",".join(names) + "\n").encode())
        number = 0
        while written < size:
            block = bytearray()
            for _ in range(1000):
                cells = (f"{number}-{n}".ljust(_WIDE_CELL, "t") for n in range(1, _WIDE_COLUMNS))
                block += ",".join(["plant", *cells]).encode() + b"\n"
                number += 1
            written += file.write(block)


@functools.cache
def _srvs() -> tuple[str, ...]:
    with (profile_path("adt", Path.cwd()).parent / "srv-duis-5.4.csv").open() as stream:
        return tuple(row["srv"] for row in csv.DictReader(stream))


def _row(number: int, srv: str, text: str) -> str:
    return f"SMSR-{number:06},{user_id(number)},{srv},800,1000,{text}\n"
