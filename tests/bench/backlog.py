"""A backlog of small files: the warm agent against the script a sysadmin would write, in turns.

Also told, because a script that proves nothing may well be quick: what gpg alone needs for the same files with as many
homes at once as the product uses, processor time, memory, and how many syncs each file costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench import inputs, parts
from bench.runner import (
    PAIRS,
    Arrivals,
    Cost,
    Series,
    Syncs,
    agent_pid,
    counted_syncs,
    cpu_seconds,
    gpg_agents,
    heading,
    installation,
    ratio,
    resident,
    run,
    say,
    scratch,
)
from support import openpgp
from support.house import House
from support.openpgp import Party, make_party
from support.sshd import Sshd

BASELINE = Path(__file__).with_name("baseline.sh")
PATIENCE = 900.0
MISSING = """\
What the script does not do: claim a file once, wait for complete ones, check any content, keep order by User ID, notice
changed or expired keys by status lines, check who can read the result, read back what was uploaded, refuse to
overwrite, survive a power cut or a kill at any moment, send again after a failure, keep a ledger, tell the producer."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="backlog", description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="files in the backlog (default 2,000)")
    parser.add_argument("--bytes", type=int, default=4096, help="size of a file (default 4,096)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"runs of each, in turns (default {PAIRS})")
    parser.add_argument("--traced", type=int, default=200, help="files of the run that counts syncs (default 200)")
    options = parser.parse_args(arguments)
    heading(f"A backlog of {options.files:,} files of {options.bytes:,} bytes, Ed25519, {options.pairs} pairs")
    ours: list[Cost] = []
    scripts: list[Cost] = []
    seals: list[float] = []
    peaks: list[int] = []
    with scratch() as folder:
        party = make_party(folder)
        data = [inputs.adt(number + 1, options.bytes) for number in range(options.files)]
        for pair in range(options.pairs):
            cost, peak = _product(party, data)
            ours.append(cost)
            peaks.append(peak)
            scripts.append(_script(party, data))
            seals.append(_seals(party, data))
            walls = f"sealdrop {ours[-1].wall:.2f} s, script {scripts[-1].wall:.2f} s, gpg alone {seals[-1]:.2f} s"
            say(f"pair {pair + 1}: {walls}")
        syncs = _syncs(party, data[: options.traced])
    _report(options.files, ours, scripts, seals, syncs)
    say(f"the agent was at most {max(peaks) / 1e6:.0f} MB large")
    say(MISSING)
    say()


def _product(party: Party, data: Sequence[bytes]) -> tuple[Cost, int]:
    """Let a warm agent work off the backlog, from the first rename to the last result; its largest size is told too."""
    with installation(party, {"kinds.adt.max_active_files": 1000}) as house:
        house.start()
        pid = agent_pid(house)
        staged = _stage(house, data)
        with Arrivals(house.root / "results" / "adt", ".json") as results:
            before = cpu_seconds([pid, *gpg_agents(house.folder)])
            begun = time.perf_counter()
            _drop(house, staged)
            results.wait(len(data), PATIENCE)
            wall = time.perf_counter() - begun
            cpu = cpu_seconds([pid, *gpg_agents(house.folder)]) - before
        peak = resident(pid, "VmHWM")
        house.wait_filed(len(data))
        if len(house.delivered()) != len(data):
            message = "not every file was delivered, so the time means nothing"
            raise RuntimeError(message)
    return Cost(wall=wall, cpu=cpu), peak


def _script(party: Party, data: Sequence[bytes]) -> Cost:
    """Let the script do the same, from its start to its end."""
    with scratch() as folder, openpgp.home() as home, Sshd(folder / "far") as far:
        environment = _script_environment(folder, parts.Gpg(home, party), party, far, data)
        before = cpu_seconds(gpg_agents(home))
        used = run([BASELINE], environment)
        agents = cpu_seconds(gpg_agents(home)) - before
        if len(list(far.inbox.glob("*.pgp"))) != len(data):
            message = "the script did not deliver every file, so the time means nothing"
            raise RuntimeError(message)
    return Cost(wall=used.wall, cpu=used.cpu + agents)


def _script_environment(folder: Path, gpg: parts.Gpg, party: Party, far: Sshd, data: Sequence[bytes]) -> dict[str, str]:
    outbox = folder / "outbox"
    outbox.mkdir()
    for number, content in enumerate(data):
        (outbox / _name(number)).write_bytes(content)
    pins = folder / "known_hosts"
    pins.write_text(far.pin + "\n")
    gpg.seal(outbox / _name(0), folder / "warm.pgp")  # the product's gpg-agents are warm, too
    return {
        "OUTBOX": str(outbox),
        "SEALED": str(folder / "sealed"),
        "SENT": str(folder / "sent"),
        "GNUPGHOME": str(gpg.home),
        "SIGNER": party.signer.fingerprint,
        "RECIPIENT": party.recipient.fingerprint,
        "FAR_HOST": far.host,
        "FAR_PORT": str(far.port),
        "FAR_USER": far.user,
        "FAR_FOLDER": str(far.inbox),
        "LOGIN_KEY": str(far.user_key),
        "KNOWN_HOSTS": str(pins),
    }


def _seals(party: Party, data: Sequence[bytes]) -> float:
    """Let gpg alone seal the same files, with as many homes at once as the product uses; return the seconds."""
    homes = len(os.sched_getaffinity(0))
    with scratch() as folder, ExitStack() as opened:
        gpgs = [opened.enter_context(parts.gpg_home(party)) for _ in range(homes)]
        for number, content in enumerate(data):
            (folder / _name(number)).write_bytes(content)
        for gpg in gpgs:
            gpg.seal(folder / _name(0), folder / f"warm{id(gpg)}.pgp")

        def work(place: int) -> None:
            for number in range(place, len(data), homes):
                source = folder / _name(number)
                gpgs[place].seal(source, source.with_suffix(".pgp"))

        begun = time.perf_counter()
        with ThreadPoolExecutor(homes) as pool:
            list(pool.map(work, range(homes)))
        return time.perf_counter() - begun


def _syncs(party: Party, data: Sequence[bytes]) -> tuple[float, float]:
    """Count the syncs for each file, the product's and the script's, in runs whose times do not count."""
    with installation(party) as house:
        house.start()
        staged = _stage(house, data)
        with (
            Arrivals(house.root / "results" / "adt", ".json") as results,
            Syncs(agent_pid(house), house.folder) as ours,
        ):
            _drop(house, staged)
            results.wait(len(data), PATIENCE)
            house.wait_filed(len(data), timeout=PATIENCE)
    with scratch() as folder, openpgp.home() as home, Sshd(folder / "far") as far:
        environment = _script_environment(folder, parts.Gpg(home, party), party, far, data)
        table = folder / "table"
        traced = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs", "-o", str(table)]
        subprocess.run([*traced, BASELINE], check=True, env={**os.environ, **environment}, capture_output=True)
        theirs = counted_syncs(table)
    return ours.count / len(data), theirs / len(data)


def _stage(house: House, data: Sequence[bytes]) -> list[Path]:
    """Write the files beside the outbox, on its file system."""
    folder = house.root / "staged"
    folder.mkdir()
    paths = [folder / _name(number) for number in range(len(data))]
    for path, content in zip(paths, data, strict=True):
        path.write_bytes(content)
    return paths


def _drop(house: House, staged: Sequence[Path]) -> None:
    outbox = house.outbox("adt")
    for path in staged:
        path.rename(outbox / path.name)


def _name(number: int) -> str:
    return f"ADT_{number:05}.csv"


def _report(
    files: int, ours: Sequence[Cost], scripts: Sequence[Cost], seals: Sequence[float], syncs: tuple[float, float]
) -> None:
    product, script = Series([one.wall for one in ours]), Series([one.wall for one in scripts])
    seal = Series(seals)
    walls = {"sealdrop": product, "script (gpg each, one sftp -b)": script, "gpg alone, same homes": seal}
    say()
    for what, series in walls.items():
        say(f"{what:32}{series.shown('s')}   {files / series.median:7.1f} files/s")
    say(
        f"against the script: {ratio(script.median, product.median)} its speed "
        f"(of the least {ratio(script.least, product.least)}); "
        f"against gpg alone: {ratio(seal.median, product.median)} (of the least {ratio(seal.least, product.least)})"
    )
    for what, runs, each in (("sealdrop", ours, syncs[0]), ("script", scripts, syncs[1])):
        cpu = Series([one.cpu / files for one in runs])
        say(f"{what:10}processor per file: {cpu.shown('ms', 1e3)}; syncs per file: {each:.1f}")


if __name__ == "__main__":
    main()
