"""Other views of settings: what is in effect, its fingerprint, what deserves a second look, and the JSON schema.

None of them holds a secret, because settings hold only the places of secrets. ``effective`` is what the agent logs
when it starts and what the fingerprint in the ledger stands for: two configurations that mean the same have the same
fingerprint, however they were written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sealdrop.core import codec
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.errors import Problem
from sealdrop.core.readiness import Protocol
from sealdrop.settings.models import Settings, SftpTransport


def effective(settings: Settings) -> dict[str, Any]:
    """Return the values in effect as plain data: defaults filled in, folders and names worked out, no secrets."""
    values: dict[str, Any] = settings.model_dump(mode="json")
    for name, outbox in values["outboxes"].items():
        outbox["path"] = str(settings.outbox_path(name))
        outbox["results"] = str(settings.results_path(name))
    for name, kind in values["kinds"].items():
        del kind["route"]
        kind["legs"] = codec.to_plain(settings.kinds[name].plan)
    for name, route in values["routes"].items():
        for (transport, _), plain in zip(settings.transports(name), route["transports"], strict=True):
            plain["name"] = transport
    return values


def fingerprint(settings: Settings) -> str:
    """Return the SHA-256 of the effective values, in lower-case hex: it names a configuration in the ledger."""
    return hashlib.sha256(codec.canonical(effective(settings)).encode()).hexdigest()


def warnings(settings: Settings) -> tuple[Problem, ...]:
    """Return what is allowed but deserves a second look."""
    return tuple(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[Problem]:
    used = {
        "kinds": {outbox.kind for outbox in settings.outboxes.values()},
        "keys": {kind.keys for kind in settings.kinds.values()},
        "routes": {leg.route for kind in settings.kinds.values() for leg in kind.plan},
    }
    for section, names in used.items():
        for name in getattr(settings, section).keys() - names:
            yield Problem(path=f"{section}.{name}", what="is not used", hint="Remove it, or refer to it.")
    for name, outbox in settings.outboxes.items():
        if outbox.remote and outbox.protocol is Protocol.QUIET:
            yield Problem(
                path=f"outboxes.{name}.protocol",
                what="relies on a quiet period alone, and on a remote folder no lease can back it",
                hint="Ask the producer to rename its files in or to write a marker.",
            )
    for name, route in settings.routes.items():
        if route.minimum_proof is not ProofLevel.DIGEST:
            yield Problem(
                path=f"routes.{name}.minimum_proof",
                what="accepts a delivery whose bytes were not read back",
                hint="Keep it only where the far end lets nobody read.",
            )
        for place, transport in enumerate(route.transports):
            if isinstance(transport, SftpTransport) and transport.private_key is None:
                yield Problem(
                    path=f"routes.{name}.transports.{place}.password",
                    what="logs in with a password",
                    hint="Prefer a private_key where the far end allows one.",
                )


class _Toml(GenerateJsonSchema):
    """JSON schema of a TOML document: there is no null, other names are refused, a key needs no title."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - the library's signature
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {**super().dict_schema(schema), "additionalProperties": False}


def schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file, for editors; it is checked in as config/sealdrop.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(schema_generator=_Toml),
    }
