"""What a program really asked of the kernel, to tell whether what it changed was synced.

A test cannot cut the power, but the order of system calls is the promise: a file is synced before it gets a name, and
a folder is synced after names in it changed. On ext4 any later sync would hide a missing one; the trace does not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "fsync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}|\.part$|/part$")
_CHECKPOINT = re.compile(r"/checkpoint-([^\"]*)")
_NAME_IN_FOLDER = re.compile(r"<(/[^>]*)>, \"([^\"/]+)\"")


@dataclass(kw_only=True)
class Traced:
    """What a script did below one folder.

    Args:
        steps: lines of the trace.
        operations: for each one that the script ended with ``done(name)``, the folders whose names it left unsynced.
        too_early: files that got a name before they were synced.
    """

    steps: list[str] = field(default_factory=list)
    operations: dict[str, set[str]] = field(default_factory=dict)
    too_early: list[str] = field(default_factory=list)


def traced(script: str, below: Path, trace: Path) -> Traced:
    """Run a script under strace and follow what it changed below a folder.

    The script has ``root``, the folder, and ``done``, which ends an operation: a later sync cannot excuse it then.
    """
    done = "def done(name): (root / f'checkpoint-{name}').mkdir()"
    program = f"from pathlib import Path\nroot = Path({str(below)!r})\n{done}\n{script}"
    command = ["strace", "-f", "-y", "-e", f"trace={_CALLS}", "-o", str(trace), sys.executable, "-c", program]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    result = Traced()
    synced: set[str] = set()
    unsynced: set[str] = set()
    for line in trace.read_text().splitlines():
        if str(below) not in line or " = -1 " in line:
            continue
        if ended := _CHECKPOINT.search(line):
            result.operations[ended[1]] = set(unsynced)
            continue
        result.steps.append(line)
        if "fsync(" in line:
            path = re.findall(r"<(/[^>]*)>", line)[0]
            synced.add(path)
            unsynced.discard(path)
            continue
        names = [f"{folder}/{name}" for folder, name in _NAME_IN_FOLDER.findall(line)]
        if not names:
            continue  # the script's own doing: what is durable goes through folders held open
        if ("rename" in line or "linkat" in line) and "unlink" not in line:
            gets_a_name = _TEMPORARY.search(names[0]) and not _TEMPORARY.search(names[1])
            # A folder that is moved must have no changes in it that were not synced.
            if (gets_a_name and names[0] not in synced) or names[0] in unsynced:
                result.too_early.append(line)
        if "AT_REMOVEDIR" in line or "rmdir" in line:
            unsynced.discard(names[0])
        unsynced |= {name.rpartition("/")[0] for name in names}
    return result
