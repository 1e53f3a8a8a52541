"""`init`: a first configuration that works when all is told, and that says what is missing when not."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from support.command_line import sealdrop
from support.openpgp import Party
from support.sshd import make_key, public_part
from support.unprivileged import NOBODY, need_root

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def places(folder: Path) -> list[object]:
    return ["--config", folder / "etc" / "sealdrop.toml", "--root", folder / "root", "--runtime", folder / "run"]


def test_what_was_not_told_stands_in_capitals_and_is_refused_by_its_place(short_tmp: Path) -> None:
    made = sealdrop("init", *places(short_tmp), "--environment", "uit-a")
    config = short_tmp / "etc" / "sealdrop.toml"
    checked = sealdrop("check", "config", "--config", config, "--json")

    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"wrote {config}\n")
    assert made.out.endswith(f"Check it: sealdrop check config --config {config}\n")
    assert config.stat().st_mode & 0o777 == 0o640
    assert not (short_tmp / "root").exists()
    missing = {problem["path"] for problem in checked.json["problems"]}
    transport = "routes.relay.transports.0"
    assert missing == {
        "keys.dcc.signer", "keys.dcc.signer_key.file", "keys.dcc.recipients.0.fingerprint",
        "keys.dcc.recipients.0.file", f"{transport}.host", f"{transport}.user", f"{transport}.host_keys.0",
        f"{transport}.private_key.file",
    }  # fmt: skip
    assert {line.removeprefix("to be filled in: ") for line in made.out.splitlines()[1:-1]} == missing
    assert checked.code == 78
    assert sealdrop("run", "--config", config).code == 78


def test_with_everything_told_the_configuration_works(short_tmp: Path, party: Party) -> None:
    host_key, login_key = make_key(short_tmp / "host_key"), make_key(short_tmp / "login_key")
    made = sealdrop(
        "init", *places(short_tmp), "--environment", "uit-a",
        "--signer-key", party.signer.secret, "--recipient-key", party.recipient.public,
        "--host", "relay.example", "--port", 2222, "--user", "party", "--folder", "in",
        "--host-key", public_part(host_key), "--login-key", login_key,
    )  # fmt: skip
    config = short_tmp / "etc" / "sealdrop.toml"
    checked = sealdrop("check", "config", "--config", config)

    assert made.code == 0, made.err
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.endswith(f"{config} is good\n")
    keys = tomllib.loads(config.read_text())["keys"]["dcc"]
    assert keys["signer"] == party.signer.fingerprint
    for folder in ("outbox/adt", "outbox/exit-quarantine", "results/adt", "work", "sent", "failed", "ledger"):
        assert (short_tmp / "root" / folder).is_dir()
    assert sealdrop("once", "--config", config).code == 0


def test_a_folder_may_stand_in_for_a_server(short_tmp: Path, party: Party) -> None:
    target = short_tmp / "target"
    target.mkdir()
    made = sealdrop(
        "init", *places(short_tmp), "--environment", "uit-a", "--directory", target,
        "--signer-key", party.signer.secret, "--recipient-key", party.recipient.public,
    )  # fmt: skip

    assert made.code == 0, made.err
    assert sealdrop("check", "config", "--config", short_tmp / "etc" / "sealdrop.toml").code == 0


def test_root_leaves_to_the_agent_what_must_be_the_agents(short_tmp: Path, party: Party) -> None:
    need_root()
    root, etc = short_tmp / "root", short_tmp / "etc"
    for folder in (root, etc, short_tmp / "target"):
        folder.mkdir()
    os.chown(root, NOBODY, NOBODY)
    os.chown(etc, 0, NOBODY)
    made = sealdrop(
        "init", *places(short_tmp), "--environment", "uit-a", "--directory", short_tmp / "target",
        "--signer-key", party.signer.secret, "--recipient-key", party.recipient.public,
    )  # fmt: skip
    config = (etc / "sealdrop.toml").stat()

    assert made.code == 0, made.err
    assert "folders are made when the agent starts" in made.out
    assert list(root.iterdir()) == []
    assert (config.st_uid, config.st_gid, config.st_mode & 0o777) == (0, NOBODY, 0o640)


def test_an_existing_configuration_is_left_as_it_is(short_tmp: Path) -> None:
    config = short_tmp / "etc" / "sealdrop.toml"
    config.parent.mkdir()
    config.write_text("mine\n")
    answer = sealdrop("init", *places(short_tmp))

    assert (answer.code, answer.out) == (4, "")
    assert "it exists and is left as it is" in answer.err
    assert config.read_text() == "mine\n"
    assert not (short_tmp / "root").exists()


def test_a_key_file_that_is_none_is_refused_and_nothing_is_written(short_tmp: Path) -> None:
    (short_tmp / "no.key").write_text("no key\n")
    answer = sealdrop("init", *places(short_tmp), "--signer-key", short_tmp / "no.key")

    assert (answer.code, answer.out) == (78, "")
    assert "no.key" in answer.err
    assert not (short_tmp / "etc").exists()
