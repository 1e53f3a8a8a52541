"""How many rows of an ADT File the rules judge in a second on one core, and how large that gets.

Beside it, on the same rows in the same run: a plain ``csv.reader`` loop that only reads, and the way most would write
it, a pydantic model for each row. Each runs in a process of its own, so that its largest resident size is its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from bench.runner import heading, say
from sealdrop.adapters.validator import LoadedProfile, ProfileValidator, load_profile
from sealdrop.core.verdict import Verdict
from sealdrop.rules.engine import check
from sealdrop.rules.identifiers import OwnIds

CONFIG = Path(__file__).parents[2] / "config"
HEADER = "user_id,user_role,srv,warning_threshold,quarantine_threshold,period"
OWN = ("90-B3-D5-1F-30-01-00-00 .. 90-B3-D5-1F-30-01-FF-FF",)
BLOCK_ROWS = 5_000


def rows(count: int) -> Iterator[str]:
    """Yield lines of an ADT File in which no key occurs twice."""
    srvs = [srv for srv, one in _profile().srvs.variants.items() if not one.user_roles or "IS" in one.user_roles]
    yield HEADER
    for number in range(count):
        user, srv = divmod(number, len(srvs))
        user_id = (0x90B3D51F30010000 + user).to_bytes(8, "big").hex("-").upper()
        warning = 100 + number % 7919
        yield f"{user_id},IS,{srvs[srv]},{warning},{warning + 1000},24"


def write(path: Path, count: int) -> None:
    """Write such a file."""
    with path.open("w", newline="") as file:
        file.writelines(f"{row}\r\n" for row in rows(count))


def by_rules(path: Path) -> int:
    """Judge the file as the product does."""
    verdict = ProfileValidator(_profile(), OWN).validate(path, path.name)
    return _good(verdict)


def by_reader(path: Path) -> int:
    """Read the file with the standard library, and look at nothing."""
    with path.open(newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


class _Row(BaseModel):
    """One row as a model; it knows the form of each cell, and neither the list of Variants nor the rows before."""

    user_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){7}$")]
    user_role: str
    srv: Annotated[str, Field(pattern=r"^[1-9][0-9]?(\.[1-9][0-9]?){1,2}$")]
    warning_threshold: Annotated[int, Field(ge=0)]
    quarantine_threshold: Annotated[int, Field(ge=0)]
    period: Annotated[int, Field(ge=1, le=8784)]

    @model_validator(mode="after")
    def _in_order(self) -> _Row:
        if self.warning_threshold > self.quarantine_threshold:
            message = "warning above quarantine"
            raise ValueError(message)
        return self


def by_models(path: Path) -> int:
    """Make a model of each row."""
    with path.open(newline="") as file:
        return len([None for row in map(_Row.model_validate, csv.DictReader(file)) if row.period])


WAYS: dict[str, Callable[[Path], int]] = {"rules": by_rules, "csv.reader": by_reader, "pydantic": by_models}


def huge(megabytes: int) -> int:
    """Judge a stream of so many megabytes, in which no key occurs twice; return its rows."""
    profile = _profile()
    allowed = profile.profile.model_copy(
        update={
            "bounds": profile.profile.bounds.model_copy(update={"bytes": 2**31, "rows": 2**31, "ordering_keys": 2**31}),
            "ordering": profile.profile.ordering.model_copy(update={"column": "srv"}),
        }
    )
    own = OwnIds([(0x90B3D51F30010000, 0x90B3D51F30FFFFFF)])
    size = megabytes * 1_000_000

    def chunks() -> Iterator[bytes]:
        left, block = size, list[str]()
        for row in rows(1 << 40):
            block.append(row)
            if len(block) == BLOCK_ROWS:
                data = ("\r\n".join(block) + "\r\n").encode()
                yield data
                left, block = left - len(data), []
                if left <= 0:
                    return

    verdict = check(profile=allowed, srvs=profile.srvs, own=own, chunks=chunks, file_name="a.csv", size=size)
    return _good(verdict)


def _good(verdict: Verdict) -> int:
    assert not verdict.rejecting, verdict.findings[:3]
    return verdict.records


def _profile() -> LoadedProfile:
    return load_profile(CONFIG / "profiles" / "adt.toml", CONFIG / "calendars")


def _alone(*arguments: str) -> dict[str, float]:
    """Run one way in a process of its own; return rows, seconds and megabytes."""
    done = subprocess.run([sys.executable, "-m", "bench.rows", *arguments], check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _measure(way: Callable[[], int]) -> None:
    started = time.process_time()
    found = way()
    spent = time.process_time() - started
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(json.dumps({"rows": found, "seconds": spent, "megabytes": size}))


def main(arguments: list[str]) -> None:
    """Run the benchmark, or one way of it when it calls itself."""
    parser = argparse.ArgumentParser(prog="rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="of the file that all ways read")
    parser.add_argument("--huge", type=int, default=1000, help="megabytes of the stream whose size in memory is shown")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.alone:
        way, what = given.alone
        _measure(lambda: huge(int(what)) if way == "huge" else WAYS[way](Path(what)))
        return
    heading(f"{given.rows:,} rows of an ADT File with six columns, one core")
    with tempfile.TemporaryDirectory(prefix="sd-bench-") as folder:
        path = Path(folder) / "adt.csv"
        write(path, given.rows)
        say(f"{'':12}{'rows/s':>12}{'us/row':>9}{'resident':>12}")
        for name in WAYS:
            best = min((_alone("--alone", name, str(path)) for _ in range(3)), key=lambda one: one["seconds"])
            speed = best["rows"] / best["seconds"]
            say(f"{name:12}{speed:12,.0f}{1e6 / speed:9.2f}{best['megabytes']:9.0f} MB")
    if given.huge:
        one = _alone("--alone", "huge", str(given.huge))
        say()
        spent, size = f"{one['seconds']:.0f} s with making them", f"{one['megabytes']:.0f} MB resident"
        say(f"{given.huge} MB, {one['rows']:,.0f} rows: {spent}, {size}")


if __name__ == "__main__":
    main(sys.argv[1:])
