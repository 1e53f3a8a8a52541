"""Views of settings: effective values and the fingerprint that stands for them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sealdrop.settings import effective, fingerprint
from support.configurations import GOOD, HOST_KEY, changed, loaded
from support.sample import uncommented


def test_effective_values_are_plain_and_complete(tmp_path: Path) -> None:
    values = effective(loaded(tmp_path, GOOD))

    assert json.loads(json.dumps(values)) == values
    assert values["outboxes"]["adt"]["path"] == "/var/lib/sealdrop/outbox/adt"
    assert values["outboxes"]["adt"]["results"] == "/var/lib/sealdrop/results/adt"
    assert values["outboxes"]["adt"]["protocol"] == "quiet"
    assert values["kinds"]["adt"]["legs"] == [{"name": "relay", "route": "relay"}]
    assert values["routes"]["relay"]["transports"][0]["name"] == "relay"
    assert values["agent"]["sweep_seconds"] == 30.0


def test_of_a_secret_only_its_place_is_in_effect(tmp_path: Path) -> None:
    values = effective(loaded(tmp_path, uncommented()))

    assert values["keys"]["dcc"]["passphrase"] == {"file": None, "credential": "signing-passphrase"}


SAME: dict[str, tuple[str, str]] = {
    "a default written out": ('keys = "dcc"', 'keys = "dcc"\npriority = 50'),
    "a default folder written out": ('kind = "adt"', 'kind = "adt"\npath = "/var/lib/sealdrop/outbox/adt"'),
    "one leg in place of a route": ('route = "relay"', 'legs = [{ name = "relay", route = "relay" }]'),
    "a name in place of none": ('type = "sftp"', 'type = "sftp"\nname = "relay"'),
    "a comment on a pin": (HOST_KEY, f"{HOST_KEY} root@relay"),
    "another spelling of a path": ("/var/lib/sealdrop", "//var/lib/./sealdrop/"),
    "a whole number": ('runtime = "/run/sealdrop"', 'runtime = "/run/sealdrop"\n[agent]\nsweep_seconds = 30'),
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME.keys())
def test_the_same_meaning_has_the_same_fingerprint(tmp_path: Path, edit: tuple[str, str]) -> None:
    assert fingerprint(loaded(tmp_path, changed(edit))) == fingerprint(loaded(tmp_path, GOOD))


def test_another_meaning_has_another_fingerprint(tmp_path: Path) -> None:
    prints = {
        fingerprint(loaded(tmp_path, text))
        for text in (
            GOOD,
            changed(("sftp.relay.example", "sftp2.relay.example")),
            changed(('keys = "dcc"', 'keys = "dcc"\npriority = 51')),
            changed(('environment = "live"', 'environment = "uit-a"')),
        )
    }

    assert len(prints) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in prints)
