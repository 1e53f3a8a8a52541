"""Run one benchmark with its options, or all: ``python -m bench [single_file | backlog | big_file | idle | rows]``."""

from __future__ import annotations

import sys

from bench import backlog, big_file, idle, rows, single_file
from bench.runner import say

BENCHES = {
    "single_file": single_file.main,
    "backlog": backlog.main,
    "big_file": big_file.main,
    "idle": idle.main,
    "rows": rows.main,
}


def main() -> int:
    """Run what was asked for."""
    name, *rest = sys.argv[1:] or [""]
    if name in BENCHES:
        BENCHES[name](rest)
        return 0
    if name:
        say(f"there is no benchmark {name}; there are {', '.join(BENCHES)}, each with --help")
        return 2
    for bench in BENCHES.values():
        bench([])
    return 0


if __name__ == "__main__":
    sys.exit(main())
