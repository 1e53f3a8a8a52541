"""What is shipped agrees with the code: the sample, the schema, the smallest configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from sealdrop.core import codec
from sealdrop.core.errors import ConfigurationError
from sealdrop.settings import (
    DirectoryFacts,
    Facts,
    SecretRef,
    Settings,
    SftpFacts,
    SftpTransport,
    load,
    schema,
    smallest,
    warnings,
)
from sealdrop.settings.problems import tables
from support.configurations import HOST_KEY, RECIPIENT, SIGNER, loaded, problems
from support.sample import SAMPLE, uncommented, whole

SCHEMA = SAMPLE.with_name("sealdrop.schema.json")


def test_the_sample_loads_as_it_stands_without_a_warning() -> None:
    assert warnings(load(SAMPLE)) == ()


def test_the_sample_loads_with_every_commented_key_in_force(tmp_path: Path) -> None:
    assert problems(tmp_path, uncommented()) == ()


def _at(document: Any, place: tuple[str, ...]) -> list[dict[str, Any]]:  # noqa: ANN401 - plain data
    """Return the tables that a document has at a place; NAME is any name, 0 any place in a list."""
    found = [document]
    for step in place:
        if step == "0":
            found = [item for one in found for item in one]
        elif step == "NAME":
            found = [item for one in found for item in one.values()]
        else:
            found = [one[step] for one in found if step in one]
    return found


TABLES = {".".join(place) + f" ({table.__name__})": (place, table) for place, table in tables()}


@pytest.mark.parametrize(("place", "table"), TABLES.values(), ids=TABLES.keys())
def test_the_sample_holds_every_key_of_every_table(place: tuple[str, ...], table: type[BaseModel]) -> None:
    in_sample = {key for one in _at(whole(), place) for key in one}

    if table is SecretRef:  # it has one of the two
        assert in_sample & set(table.model_fields)
    else:
        assert set(table.model_fields) - in_sample == set()


#: Keys whose value in the sample is an example or a choice, and not the default.
EXAMPLES = {"read_group", "admin_group", "accept", "own_user_ids", "order", "host_keys", "folder"}


@pytest.mark.parametrize(("place", "table"), TABLES.values(), ids=TABLES.keys())
def test_what_the_sample_shows_as_a_default_is_the_default(place: tuple[str, ...], table: type[BaseModel]) -> None:
    for name, field in table.model_fields.items():
        if field.is_required() or field.default is None or isinstance(field.default, BaseModel) or name in EXAMPLES:
            continue
        default = codec.to_plain(field.default)
        shown = [one[name] for one in _at(whole(), place) if name in one]
        assert default in shown, name


def test_the_schema_that_is_checked_in_is_the_schema_of_the_code() -> None:
    assert codec.pretty(schema()).decode() == SCHEMA.read_text()


def test_the_command_that_makes_the_schema_prints_it() -> None:
    made = subprocess.run([sys.executable, "-m", "sealdrop.settings"], check=True, capture_output=True)

    assert json.loads(made.stdout) == schema()


def test_the_schema_refuses_unknown_keys_and_knows_no_null() -> None:
    text = json.dumps(schema())

    assert '"null"' not in text
    for name, table in [("Settings", schema()), *schema()["$defs"].items()]:
        if table.get("type") == "object":
            assert table["additionalProperties"] is False, name


SFTP = SftpFacts(
    host="sftp.relay.example", user="example", host_keys=(HOST_KEY,), private_key=Path("/etc/sealdrop/login")
)
FULL = Facts(
    environment="live",
    root=Path("/var/lib/sealdrop"),
    runtime=Path("/run/sealdrop"),
    signer=SIGNER,
    signer_key=Path("/etc/sealdrop/signing.asc"),
    recipients=((RECIPIENT, Path("/etc/sealdrop/dcc.asc")),),
    far_end=SFTP,
)


def test_the_smallest_configuration_loads_and_is_small(tmp_path: Path) -> None:
    text = smallest(FULL)

    made = loaded(tmp_path, text)

    assert warnings(made) == ()
    assert list(made.outboxes) == ["adt", "exit-quarantine"]
    assert len([line for line in text.splitlines() if line]) <= 36


def test_every_fact_is_written_down(tmp_path: Path) -> None:
    facts = replace(
        FULL,
        environment="uit-a",
        kinds=("adt",),
        passphrase=Path('/etc/a "quoted"\\naméé'),
        protocol="rename",
        quiet_seconds=0.5,
        far_end=replace(SFTP, port=2222, folder="in"),
    )

    made = loaded(tmp_path, smallest(facts))
    ((_, transport),) = made.transports("relay")

    assert made.environment == "uit-a"
    assert made.keys["dcc"].passphrase == SecretRef(file=facts.passphrase)
    assert made.outboxes["adt"].protocol.value == "rename"
    assert made.outboxes["adt"].quiet_seconds == 0.5
    assert isinstance(transport, SftpTransport)
    assert (transport.port, transport.folder) == (2222, "in")


def test_a_folder_can_be_the_far_end(tmp_path: Path) -> None:
    made = loaded(tmp_path, smallest(replace(FULL, far_end=DirectoryFacts(path=Path("/mnt/relay")))))

    assert [transport.type for _, transport in made.transports("relay")] == ["directory"]


@pytest.mark.parametrize(
    ("far_end", "expected"),
    [
        (SftpFacts(), {"host", "user", "host_keys.0", "private_key.file"}),
        (DirectoryFacts(), {"path"}),
    ],
    ids=["an SFTP server", "a folder"],
)
def test_what_is_not_known_yet_is_refused_with_its_place(
    tmp_path: Path, far_end: SftpFacts | DirectoryFacts, expected: set[str]
) -> None:
    facts = Facts(environment="live", root=Path("/a"), runtime=Path("/b"), far_end=far_end)
    keys = {"signer", "signer_key.file", "recipients.0.fingerprint", "recipients.0.file"}

    found = {problem.path for problem in problems(tmp_path, smallest(facts))}

    assert found == {f"keys.dcc.{key}" for key in keys} | {f"routes.relay.transports.0.{key}" for key in expected}


def test_a_path_that_is_not_utf8_cannot_stand_in_a_configuration() -> None:
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        smallest(Facts(environment="live", root=Path("/a\udcff"), runtime=Path("/b")))


def test_settings_have_no_other_way_in() -> None:
    with pytest.raises(TypeError):
        Settings(environment="live")  # type: ignore[call-arg]
