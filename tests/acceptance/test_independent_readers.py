"""What we deliver is read by programs that share no code with ours: Sequoia opens it, rclone fetches it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.house import House, adt_file, exit_quarantine_file, user_id
from support.openpgp import decrypt_sq
from support.sshd import require

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]

FILES = {
    "adt": {
        "small.csv": adt_file(user_id(1)),
        "crlf and spaces.csv": adt_file(user_id(2)).replace(b"\n", b"\r\n"),
        "large.csv": adt_file(user_id(3))
        + b"".join(adt_file(user_id(n)).splitlines(keepends=True)[1] for n in range(9, 4000)),
    },
    "exit-quarantine": {"EQ_40712.csv": exit_quarantine_file()},
}


def rclone_fetches(house: House, into: Path) -> None:
    """Copy the whole inbox with rclone, told everything on its command line: no configuration of anybody is read."""
    known_hosts = house.folder / "known_hosts"
    known_hosts.write_text(house.far.pin + "\n")
    options = {
        "config": "/dev/null",
        "sftp-host": house.far.host,
        "sftp-port": str(house.far.port),
        "sftp-user": house.far.user,
        "sftp-key-file": str(house.far.user_key),
        "sftp-known-hosts-file": str(known_hosts),
        "sftp-disable-hashcheck": "true",  # hashes would be those of the far end's own programs
        "retries": "1",
    }
    command = [require("rclone"), "copy", f":sftp:{house.far.inbox}", str(into)]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(house.folder / "nobody's-home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_delivered_file_is_opened_by_sequoia_and_fetched_by_rclone(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    for outbox, files in FILES.items():
        for name, data in files.items():
            house.drop(outbox, name, data)
    contents = {name: data for files in FILES.values() for name, data in files.items()}
    house.wait_filed(len(contents))
    fetched = house.folder / "fetched"
    rclone_fetches(house, fetched)

    assert sorted(path.name for path in fetched.iterdir()) == sorted(house.delivered())
    for name, data in contents.items():
        (there,) = house.delivered_as(name)
        here = fetched / there.name
        opened = decrypt_sq(here, recipient=house.party.recipient, signer=house.party.signer)
        receipt = json.loads((house.filed_as("sent", name) / "receipt.json").read_text())
        (delivery,) = receipt["deliveries"]

        assert here.read_bytes() == there.read_bytes()
        assert opened.plaintext == data
        assert delivery["receipt"]["sha256"] == hashlib.sha256(here.read_bytes()).hexdigest()
        assert delivery["receipt"]["proof"] == "digest"
        assert (house.filed_as("sent", name) / name).read_bytes() == data
