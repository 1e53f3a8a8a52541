"""Doing nothing: how large the agent is and how much processor time it takes, with nothing and with very much waiting.

With 100,000 files waiting the far end is down and as many submissions wait for it as may, so that nothing more can be
claimed: what is left is waking up for each sweep and finding that there is no room.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from bench import inputs
from bench.runner import agent_pid, cpu_seconds, heading, installation, resident, say, scratch
from support.house import House
from support.openpgp import Party, make_party
from support.waiting import wait_until

EMPTY_MB, FULL_MB = 80, 120
FEW = 10
CALM = 15.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look on (default 60)")
    parser.add_argument("--files", type=int, default=100_000, help="files that wait, the second time (default 100,000)")
    options = parser.parse_args(arguments)
    heading(f"Idle for {options.seconds:.0f} s, with 0 and with {options.files:,} files waiting")
    with scratch() as folder:
        party = make_party(folder)
        _look_on(party, 0, options.seconds, EMPTY_MB)
        _look_on(party, options.files, options.seconds, FULL_MB)
    say()


def _look_on(party: Party, files: int, seconds: float, limit: int) -> None:
    changes = {"kinds.adt.max_active_files": FEW, "routes.relay.max_waiting_files": FEW,
               "routes.relay.retry.first_seconds": 3600, "routes.relay.retry.max_seconds": 3600}  # fmt: skip
    with installation(party, changes) as house:
        if files:
            house.far.stop()
            _fill(house, files)
        house.start()
        pid = agent_pid(house)
        if files:
            wait_until(lambda: len(house.open()) >= FEW, 120, what="the first claims")
        _settle(pid)
        cpu, begun = cpu_seconds([pid]), time.monotonic()
        _rest(seconds)
        share = (cpu_seconds([pid]) - cpu) / (time.monotonic() - begun)
        now, peak = resident(pid), resident(pid, "VmHWM")
        within = "within" if now <= limit * 10**6 else "ABOVE"
        say(f"{files:7,} waiting: {now / 1e6:.1f} MB resident ({within} {limit} MB), at most {peak / 1e6:.1f} MB; "
            f"{share * 100:.3f} % of one core")  # fmt: skip


def _fill(house: House, files: int) -> None:
    outbox = house.outbox("adt")
    for number in range(files):
        (outbox / f"ADT_{number:06}.csv").write_bytes(inputs.adt(number % 60_000 + 1, 1))


def _settle(pid: int) -> None:
    """Return when the agent has taken next to no processor time for a while."""
    last = cpu_seconds([pid])
    for _ in range(20):
        _rest(CALM / 5)
        now = cpu_seconds([pid])
        if now - last < 0.02:
            return
        last = now


def _rest(seconds: float) -> None:
    time.sleep(seconds)


if __name__ == "__main__":
    main()
