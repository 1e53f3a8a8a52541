"""What the README shows, produced: the picture of states, a session, the smallest configuration, the tables.

Each block stands in the README between ``<!-- NAME -->`` and ``<!-- /NAME -->``. ``python -m support.readme`` (with
``tests`` on the path) writes them anew; ``tests/project/test_readme.py`` compares them. The session is played on a real
installation; only what differs from run to run (ids, times, digests, ports, folders) is replaced, each by a value of
the same length where a table depends on it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from sealdrop.adapters.journal import LINES
from sealdrop.cli.exits import Exit
from sealdrop.core.lifecycle import TERMINAL, TRANSITIONS, State
from sealdrop.demo.files import ADT, BAD_ADT
from sealdrop.settings import Facts, SftpFacts, smallest
from support.house import House

README = Path(__file__).parents[2] / "README.md"
MAIN_WAY = (State.CLAIMED, State.ACCEPTED, State.SEALED, State.DELIVERED, State.SENT)


def picture() -> str:
    """Draw the states from the transition table: the way a good file goes, then every other step."""
    steps = {
        (before, after)
        for moves in TRANSITIONS.values()
        for before, afters in moves.items()
        for after in afters
        if before is not None and before is not after
    }
    main = set(pairwise(MAIN_WAY))
    assert main <= steps, "the main way is not in the table"
    lines = ["outbox → " + " → ".join(state.value for state in MAIN_WAY) + "      (sent: proven, filed, final)"]
    first = {after for moves in TRANSITIONS.values() for after in moves.get(None, ())} - {State.CLAIMED}
    others = {"outbox": tuple(after for after in State if after in first)}
    others |= {before.value: tuple(after for after in State if (before, after) in steps - main) for before in State}
    for afters in dict.fromkeys(filter(None, others.values())):  # states that lead to the same ones share a line
        sources = ", ".join(name for name, found in others.items() if found == afters)
        lines.append(f"{sources} → {', '.join(after.value for after in afters)}")
    assert {State.SENT, State.FAILED} == TERMINAL
    return "\n".join(lines)


def configuration() -> str:
    """Return the smallest configuration for one kind of file."""
    key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ8TnLwr2x0yN3R5r0l1jQyQxk1hX9mYw3bq0S6e1o2p"
    facts = Facts(
        environment="live",
        root=Path("/var/lib/sealdrop"),
        runtime=Path("/run/sealdrop"),
        kinds=("adt",),
        signer="0123456789ABCDEF0123456789ABCDEF01234567",
        signer_key=Path("/etc/sealdrop/keys/signer.sec"),
        recipients=(("FEDCBA9876543210FEDCBA9876543210FEDCBA98", Path("/etc/sealdrop/keys/dcc.pub")),),
        far_end=SftpFacts(
            host="relay.example.net",
            user="supplier",
            host_keys=(f"ssh-ed25519 {key}",),
            private_key=Path("/etc/sealdrop/keys/relay"),
            folder="inbox",
        ),
    )
    return smallest(facts).split("\n", 1)[1].rstrip("\n")


def exits() -> str:
    """Return the table of exit codes, with the words that stand beside each in the source."""
    source = Path(sys.modules[Exit.__module__].__file__ or "").read_text()
    rows = ["| Code | Name | Meaning |", "|---|---|---|"]
    for code in Exit:
        found = re.search(rf"^    {code.name} = {code.value}  # (.+)$", source, re.MULTILINE)
        assert found is not None, f"{code.name} has no words"
        rows.append(f"| {code.value} | `{code.name}` | {found.group(1)} |")
    return "\n".join(rows)


def journal() -> str:
    """Return the table of journal lines."""
    rows = ["| Line | Urgency | Sentence | Fields |", "|---|---|---|---|"]
    for kind, line in LINES.items():
        fields = ", ".join(line.fields)
        rows.append(f"| `{kind.__name__}` | {line.urgency.name.lower()} | {line.sentence} | {fields} |")
    return "\n".join(rows)


def session() -> dict[str, str]:
    """Play a session on a real installation; return the short block and the long one."""
    folder = Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp"))
    try:
        with House(folder) as house:
            house.start()
            house.drop("adt", "ADT_2026-11.csv", ADT.encode())
            house.wait_filed(1)
            house.drop("adt", "ADT_by_hand.csv", BAD_ADT.encode())
            house.wait_filed(1, 1)
            good = next(iter(house.filed("sent"))).rsplit(".", 1)[1]
            (bad,) = house.filed("failed").values()
            short = [
                "$ mv ADT_2026-11.csv ADT_by_hand.csv /var/lib/sealdrop/outbox/adt/",
                "$ sealdrop list",
                *house.run("list").stdout.splitlines(),
            ]
            long = [
                "$ sealdrop status",
                *house.run("status").stdout.splitlines(),
                "",
                f"$ sealdrop show {good[:12]}",
                *house.run("show", good[:12]).stdout.splitlines(),
                "",
                f"$ cat /var/lib/sealdrop/failed/{bad.parent.name}/{bad.name}/report.txt",
                *(bad / "report.txt").read_text().splitlines(),
            ]
            house.stop()
            replace = dict(_replacements(house))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"session": _same("\n".join(short), replace), "details": _same("\n".join(long), replace)}


def _replacements(house: House) -> Iterator[tuple[str, str]]:
    yield str(house.root), "/var/lib/sealdrop"
    yield str(house.far.inbox), "/inbox"
    yield f"{house.far.user}@{house.far.host}:{house.far.port}", "supplier@relay.example.net:22"
    yield f"{house.far.host}:{house.far.port}", "relay.example.net:22"


def _same(text: str, replace: dict[str, str]) -> str:
    """Replace what differs from run to run, each kind of it in the order of its first appearance."""
    for old, new in replace.items():
        text = text.replace(old, new)
    seen: dict[str, str] = {}

    def id_of(match: re.Match[str]) -> str:
        whole = match.group(0)
        if whole[:12] not in seen:
            seen[whole[:12]] = f"01m87nvb6p{len(seen):02}7wvztq578z1hxh"
        return seen[whole[:12]][: len(whole)]

    text = re.sub(r"\b01[0-9a-hjkmnp-tv-z]{10}(?:[0-9a-hjkmnp-tv-z]{14})?\b", id_of, text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d(?=[ /T])", "2026-11-24", text)
    text = re.sub(r"(?<=[ T])\d\d:\d\d:\d\d(?:\.\d+)?", "21:02:07", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
    text = re.sub(r"\b[0-9A-F]{40}\b", "0123456789ABCDEF0123456789ABCDEF01234567", text)
    text = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:" + "n" * 43, text)
    text = re.sub(r"SSH-2\.0-OpenSSH\S*(?: Debian\S*)?", "SSH-2.0-OpenSSH_9.2p1", text)
    text = re.sub(r"\b\d+(?= bytes read back)", "442", text)  # a signature may be a byte shorter
    text = re.sub(r"(?<=sealed size         )\d+", "442", text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def blocks() -> dict[str, str]:
    """Return every block that needs no installation."""
    return {
        "states": f"```text\n{picture()}\n```",
        "configuration": f"```toml\n{configuration()}\n```",
        "exits": exits(),
        "journal": journal(),
    }


def played() -> dict[str, str]:
    """Return every block that is played on a real installation."""
    return {name: f"```console\n{text}\n```" for name, text in session().items()}


def shown(readme: str, name: str) -> str:
    """Return what the README shows under a name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", readme, re.DOTALL)
    assert found is not None, f"the README has no block {name}"
    return found.group(1)


def main() -> None:
    """Write every block anew."""
    text = README.read_text()
    for name, block in {**blocks(), **played()}.items():
        frame = f"<!-- {name} -->\n%s\n<!-- /{name} -->"
        text = text.replace(frame % shown(text, name), frame % block)
    README.write_text(text)


if __name__ == "__main__":
    main()
