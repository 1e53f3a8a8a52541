"""Configurations for tests: a small good one to break in one place, and a writer of TOML from plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.settings import Settings, load

SIGNER = "0123456789ABCDEF0123456789ABCDEF01234567"
RECIPIENT = "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIII5aG4Sd8kzYf8eT4W9lP8tHDhJ2pYGtBJtfydOwp3C"

GOOD = f"""\
environment = "live"
root = "/var/lib/sealdrop"
runtime = "/run/sealdrop"

[outboxes.adt]
kind = "adt"
environment = "live"

[kinds.adt]
profile = "adt"
keys = "dcc"
route = "relay"

[keys.dcc]
environment = "live"
signer = "{SIGNER}"
signer_key = {{ credential = "signing-key" }}
recipients = [{{ fingerprint = "{RECIPIENT}", file = "/etc/sealdrop/dcc.asc" }}]

[routes.relay]
environment = "live"

[[routes.relay.transports]]
type = "sftp"
host = "sftp.relay.example"
user = "example"
host_keys = ["{HOST_KEY}"]
private_key = {{ file = "/etc/sealdrop/login" }}
"""


def loaded(folder: Path, text: str | bytes) -> Settings:
    """Load a text as the configuration file it would be."""
    path = folder / "sealdrop.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path)


def problems(folder: Path, text: str | bytes) -> Sequence[Problem]:
    """Return what is wrong with a text; nothing when it loads."""
    try:
        loaded(folder, text)
    except ConfigurationError as error:
        return error.problems
    return ()


def changed(*edits: tuple[str, str]) -> str:
    """Return the good configuration with pieces replaced; a piece that is not there is a mistake in the test."""
    text = GOOD
    for old, new in edits:
        assert old in text, f"{old!r} is not in the good configuration"
        text = text.replace(old, new)
    return text


def toml(value: object) -> str:
    """Write a plain value in TOML's inline form; a whole document is ``document``."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def document(values: dict[str, object]) -> str:
    """Write a whole document."""
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in values.items())
