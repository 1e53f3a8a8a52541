"""Secrets stay where they are: no process shows them, no line, file, ledger or answer of ours holds them."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from support.command_line import sealdrop
from support.house import House, adt_file, exit_quarantine_file, user_id
from support.openpgp import make_party
from support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


@pytest.fixture
def guarded_house(short_tmp: Path) -> Iterator[House]:
    """Give a house whose signing key has a passphrase of its own: tests beside this one show theirs to gpg."""
    with House(short_tmp, party=make_party(short_tmp, passphrase=token_hex(16))) as house:
        yield house


def markers(house: House) -> dict[str, bytes]:
    """Return what may appear nowhere, by what it is."""
    login = house.far.user_key.read_text().splitlines()
    passphrase = house.party.signer.passphrase.encode()
    secret = house.party.signer.secret.read_bytes()
    return {
        "the passphrase": passphrase,
        "the passphrase in base64": base64.b64encode(passphrase).rstrip(b"="),
        "the login key": login[len(login) // 2].encode(),  # a line from its middle
        "the signing key": secret[-40:],
        "the signing key in base64": base64.b64encode(secret)[-60:-4],
    }


def processes() -> Iterator[tuple[str, bytes]]:
    """Yield what everybody may see of each process: its command line, and its environment."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            for what in ("cmdline", "environ"):
                try:
                    yield f"{what} of {process.name}", (process / what).read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue


def leaks(house: House, shown: Iterable[tuple[str, bytes]]) -> list[str]:
    wanted = markers(house)
    return [f"{what} in the {where}" for where, data in shown for what, marker in wanted.items() if marker in data]


def test_no_process_ever_shows_a_secret(guarded_house: House) -> None:
    house = guarded_house
    house.start()
    found: list[str] = []
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        found.extend(leaks(house, processes()))
        return len(house.filed("sent")) >= 12

    for number in range(12):
        house.drop("adt", f"ADT_{number}.csv", adt_file(user_id(number)))
    wait_until(look, 60, what="twelve files")
    found.extend(leaks(house, processes()))

    assert found == []
    assert looks > 5
    assert leaks(house, [("test", b"... " + house.party.signer.passphrase.encode())]) == ["the passphrase in the test"]


def test_nothing_we_write_or_say_holds_a_secret(guarded_house: House) -> None:
    house = guarded_house
    house.start()
    house.drop("adt", "good.csv", adt_file())
    house.drop("adt", "bad.csv", b"no\n")
    house.drop("exit-quarantine", "EQ.csv", exit_quarantine_file())
    house.wait_filed(2, failed=1)
    house.far.authorise()  # an error of the login is told, too
    house.far.cut()
    house.drop("adt", "later.csv", adt_file(user_id(1)))
    house.wait_line(event="Deferred", file="later.csv")

    told = [("journal", house.said().encode())]
    commands = [("status",), ("list",), ("keys",), ("check", "config"), ("ledger", "verify")]
    commands += [("show", row["submission"]) for row in house.listed().values()]
    for command in commands:
        for more in ((), ("--json",)):
            ran = sealdrop(*command, *more, "--config", house.config)
            told.append((" ".join((*command, *more)), (ran.out + ran.err).encode()))
    files = [path for path in [*house.root.rglob("*"), house.config] if path.is_file()]
    told += [(str(path), path.read_bytes()) for path in files]

    assert leaks(house, told) == []
    assert {"ledger.sqlite", "receipt.json", "report.txt"} <= {path.name for path in files}


def test_what_is_private_is_readable_by_the_agent_alone(guarded_house: House) -> None:
    house = guarded_house
    house.start()
    house.drop("adt", "good.csv", adt_file())
    house.wait_filed(1)
    private = [house.root / name for name in ("work", "sent", "failed")] + [house.folder / "run"]

    assert {f"{path.stat().st_mode & 0o777:o}" for path in private} == {"700"}
    private.append(house.root / "ledger")  # the agent's group may read it
    everything = [path for top in private for path in top.rglob("*") if not path.is_symlink()]
    assert [str(path) for path in everything if path.stat().st_mode & 0o007] == []
