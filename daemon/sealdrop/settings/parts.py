"""The parts of a configuration that are good by themselves, whatever is wrong with the rest.

A misspelt key in one table must not hide that two others contradict each other, so the agreement of values is
checked on what can be read of a document, not on finished settings. Environments and references are picked even out
of tables that are otherwise bad: a mixture of test and live is always reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from sealdrop.settings import fields as f
from sealdrop.settings.models import MAX_TABLES, KeySet, Kind, Outbox, Route

_Table = TypeVar("_Table", bound=BaseModel)
_NAME: TypeAdapter[str] = TypeAdapter(f.Name)
_ENVIRONMENT: TypeAdapter[str] = TypeAdapter(f.Environment)
_ROOT: TypeAdapter[Path] = TypeAdapter(f.FolderPath)
_RUNTIME: TypeAdapter[Path] = TypeAdapter(f.RuntimePath)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The tables and values of a document that are good by themselves.

    Args:
        declared: section → every name it has, good or not, so that a bad table is not also called missing.
        environments: dotted path → environment, for every place that carries a readable one.
        references: (dotted path, section, name) for every readable reference.
        root, runtime: the two folders, None when not usable.
        outboxes, kinds, keys, routes: good tables by name.
    """

    declared: Mapping[str, tuple[str, ...]]
    environments: Mapping[str, str]
    references: tuple[tuple[str, str, str], ...]
    root: Path | None
    runtime: Path | None
    outboxes: Mapping[str, Outbox]
    kinds: Mapping[str, Kind]
    keys: Mapping[str, KeySet]
    routes: Mapping[str, Route]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Parts:
        """Pick the good parts out of a document."""
        return cls(
            declared={
                section: tuple(_tables(document, section)) for section in ("outboxes", "kinds", "keys", "routes")
            },
            environments=dict(_environments(document)),
            references=tuple(_references(document)),
            root=_value(_ROOT, document.get("root")),
            runtime=_value(_RUNTIME, document.get("runtime")),
            outboxes=_good(Outbox, document, "outboxes"),
            kinds=_good(Kind, document, "kinds"),
            keys=_good(KeySet, document, "keys"),
            routes=_good(Route, document, "routes"),
        )


def _tables(document: Mapping[str, Any], section: str) -> dict[str, Mapping[str, Any]]:
    tables = document.get(section)
    if not isinstance(tables, dict):
        return {}
    named = (
        (name, table) for name, table in tables.items() if isinstance(table, dict) and _value(_NAME, name) is not None
    )
    return dict(itertools.islice(named, MAX_TABLES))


def _good(table: type[_Table], document: Mapping[str, Any], section: str) -> dict[str, _Table]:
    adapter = TypeAdapter(table)
    found = {name: _value(adapter, data) for name, data in _tables(document, section).items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(kind: TypeAdapter[_Value], data: object) -> _Value | None:
    try:
        return kind.validate_python(data)
    except ValidationError:
        return None


def _environments(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    places = {"environment": document.get("environment")}
    for section in ("outboxes", "keys", "routes"):
        for name, table in _tables(document, section).items():
            places[f"{section}.{name}.environment"] = table.get("environment")
    for path, value in places.items():
        if _value(_ENVIRONMENT, value) is not None:
            yield path, str(value)


def _references(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    places: list[tuple[str, str, object]] = []
    for name, outbox in _tables(document, "outboxes").items():
        places.append((f"outboxes.{name}.kind", "kinds", outbox.get("kind")))
    for name, kind in _tables(document, "kinds").items():
        places.append((f"kinds.{name}.keys", "keys", kind.get("keys")))
        places.append((f"kinds.{name}.route", "routes", kind.get("route")))
        legs = kind.get("legs")
        for place, leg in enumerate(legs if isinstance(legs, list) else ()):
            if isinstance(leg, dict):
                places.append((f"kinds.{name}.legs.{place}.route", "routes", leg.get("route")))
    for path, section, target in places:
        if _value(_NAME, target) is not None:
            yield path, section, str(target)
