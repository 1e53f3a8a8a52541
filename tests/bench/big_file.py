"""One huge file through the whole pipeline, and how large the agent gets meanwhile.

The parts alone: a durable copy with its digest, the rules, gpg, and OpenSSH's own client putting the sealed file and
getting it back. What the product does beside them: reads the sealed file once more to see who can open it, the content
once more to see that it is what was judged, and compares what the producer left.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import inputs, parts
from bench.runner import MIB, Arrivals, agent_pid, heading, installation, ratio, resident, run, say, scratch
from sealdrop.adapters.validator import ProfileValidator, load_profile
from support.house import House
from support.openpgp import Party, make_party
from support.sshd import Sshd

PATIENCE = 1800.0
LIMIT_MB = 150


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="big_file", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the file in MiB (default 500)")
    options = parser.parse_args(arguments)
    heading(f"One file of {options.megabytes:,} MiB")
    with scratch() as folder:
        party, source = make_party(folder), folder / "WIDE.csv"
        profile = folder / "wide.toml"
        profile.write_text(inputs.WIDE_PROFILE)
        inputs.write_wide(source, options.megabytes * MIB)
        alone = _alone(folder, party, source, profile)
        changes = {
            "kinds.adt.profile": str(profile),
            "kinds.adt.max_bytes": 1 << 31,
            "kinds.adt.max_active_bytes": 1 << 32,
        }
        with installation(party, changes) as house:
            house.start()
            took, before, peak = _product(house, source)
    _report(alone, took, before, peak)


def _alone(folder: Path, party: Party, source: Path, profile: Path) -> dict[str, float]:
    """Do each part alone; return the seconds of each."""
    copy, sealed = folder / "copy", folder / "sealed"
    rules = ProfileValidator(load_profile(profile))
    verdict = rules.validate(source, source.name)
    if verdict.rejected:
        message = f"the rules reject the file, so nothing can be measured: {verdict.findings[:1]}"
        raise RuntimeError(message)
    with parts.gpg_home(party) as gpg, Sshd(folder / "alone") as far:
        put = _sftp(folder, far, f'put "{sealed}" "{far.inbox}/sealed"')
        get = _sftp(folder, far, f'get "{far.inbox}/sealed" "{folder}/back"')
        alone = {
            "snapshot (copy, digest, sync)": _seconds(lambda: parts.snapshot(source, copy)),
            "rules": _seconds(lambda: rules.validate(copy, source.name)),
            "gpg": _seconds(lambda: gpg.seal(copy, sealed)),
            "upload (OpenSSH)": run(put).wall,
            "read-back (OpenSSH)": run(get).wall,
        }
    for left in (copy, sealed, folder / "back"):
        left.unlink()
    return alone


def _sftp(folder: Path, far: Sshd, line: str) -> list[str]:
    batch, pins = folder / f"batch-{line[:3]}", folder / "known_hosts"
    batch.write_text(line + "\n")
    pins.write_text(far.pin + "\n")
    options = f"-q -P {far.port} -o BatchMode=yes -o UserKnownHostsFile={pins} -c aes256-gcm@openssh.com"
    return ["sftp", *options.split(), "-i", str(far.user_key), "-b", str(batch), f"{far.user}@{far.host}"]


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _product(house: House, source: Path) -> tuple[float, int, int]:
    """Let the agent deliver the file; return seconds, and its resident size before and at most, in bytes."""
    pid = agent_pid(house)
    before = resident(pid)
    ready = house.root / "staged.csv"
    ready.write_bytes(b"")
    with source.open("rb") as reader, ready.open("wb") as writer:
        while chunk := reader.read(MIB):
            writer.write(chunk)
    with Arrivals(house.root / "results" / "adt", ".json") as results:
        begun = time.perf_counter()
        ready.rename(house.outbox("adt") / source.name)
        results.wait(1, PATIENCE)
        took = time.perf_counter() - begun
    house.wait_filed(1)
    return took, before, resident(pid, "VmHWM")


def _report(alone: dict[str, float], took: float, before: int, peak: int) -> None:
    for what, seconds in alone.items():
        say(f"{what:32}{seconds:8.2f} s")
    everything = sum(alone.values())
    say(f"{'sum of these parts':32}{everything:8.2f} s")
    say(f"{'sealdrop, rename to result':32}{took:8.2f} s, {ratio(took, everything)} the sum")
    without = everything - alone["rules"]
    say(f"without the rules, on both sides: {ratio(took - alone['rules'], without)}")
    within = "within" if peak < LIMIT_MB * 10**6 else "ABOVE"
    say(f"the agent was {before / 1e6:.1f} MB large and grew to {peak / 1e6:.1f} MB at most: {within} {LIMIT_MB} MB")
    say()


if __name__ == "__main__":
    main()
