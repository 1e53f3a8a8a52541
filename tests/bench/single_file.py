"""One small file at a time: from the producer's rename to the result that tells it where its file went.

The agent is warm and idle. Beside each file the parts that nobody can do without are done alone, by other programs:
three durable steps (claim, snapshot, filing), gpg, and an upload with read-back over a kept connection.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench import inputs, parts
from bench.runner import Arrivals, Series, heading, installation, ratio, say, scratch
from support.house import House
from support.openpgp import Party, make_party

WARM_UP = 10
PATIENCE = 60.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="single_file", description=__doc__)
    parser.add_argument("--repeats", type=int, default=200, help="files (default 200)")
    parser.add_argument("--bytes", type=int, default=10_000, help="size of a file (default 10,000)")
    options = parser.parse_args(arguments)
    heading(f"One file of {options.bytes:,} bytes, {options.repeats} times")
    with scratch() as folder:
        party = make_party(folder)
        with installation(party, {"kinds.adt.duplicates": "send"}) as house:
            house.start()
            product, alone = _measure(house, party, options.repeats, options.bytes)
    _report(product, alone)


def _measure(house: House, party: Party, repeats: int, size: int) -> tuple[Series, dict[str, Series]]:
    taken: list[float] = []
    alone: dict[str, list[float]] = {"3 durable steps": [], "gpg": [], "upload, read-back, rename": []}
    with (
        parts.gpg_home(party) as gpg,
        closing(parts.Line(house.far)) as line,
        Arrivals(house.root / "results" / "adt", ".json") as results,
    ):
        for number in range(WARM_UP + repeats):
            data, name = inputs.adt(number + 1, size), f"ADT_{number}.csv"
            steps = _alone(house.folder / "alone", gpg, line, name, data)
            ready = house.outbox("adt") / f"{name}.part"
            ready.write_bytes(data)
            begun = time.perf_counter()
            ready.rename(ready.with_name(name))
            results.wait(number + 1, PATIENCE)
            took = time.perf_counter() - begun
            if number >= WARM_UP:
                taken.append(took)
                for values, seconds in zip(alone.values(), steps, strict=True):
                    values.append(seconds)
    return Series(taken), {what: Series(values) for what, values in alone.items()}


def _alone(folder: Path, gpg: parts.Gpg, line: parts.Line, name: str, data: bytes) -> tuple[float, float, float]:
    folder.mkdir(exist_ok=True)
    marks = [time.perf_counter()]
    for step in range(3):
        parts.durable_step(folder, f"{name}.{step}", data)
    marks.append(time.perf_counter())
    gpg.seal(folder / f"{name}.0", folder / f"{name}.pgp")
    marks.append(time.perf_counter())
    line.deliver(folder / f"{name}.pgp", name)
    marks.append(time.perf_counter())
    return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]


def _report(product: Series, alone: dict[str, Series]) -> None:
    for what, series in alone.items():
        say(f"{what:28}{series.shown('ms', 1e3)}")
    both = Series([sum(steps) for steps in zip(*(one.values for one in alone.values()), strict=True)])
    say(f"{'sum of these parts':28}{both.shown('ms', 1e3)}")
    say(f"{'sealdrop, rename to result':28}{product.shown('ms', 1e3)}   p99 {product.percentile(0.99) * 1e3:8.2f}")
    say(f"ratio of medians {ratio(product.median, both.median)}, of the least {ratio(product.least, both.least)}")
    say("The parts alone keep no ledger, check no rules, tell nobody, and prove nothing about a power cut in between.")
    say()


if __name__ == "__main__":
    main()
