"""Values to plain data and back, by their type hints: the one codec for ledger payloads, receipts and the socket.

Dataclasses become objects, enums their value, datetimes ISO 8601 in UTC with ``Z``, tuples lists. Decoding ignores
unknown fields (an older program reading a newer payload) and refuses missing ones without a default.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin

from sealdrop.core.submission import require_aware

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def to_plain(value: object) -> Plain:
    """Turn a value of ours into JSON-ready data.

    Raises:
        TypeError: a value of a kind the codec does not know.
        ValueError: a time without a time zone.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return require_aware(value).astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Enum():
            return to_plain(value.value)
        case tuple() | list():
            return [to_plain(item) for item in value]
        case dict():
            return {str(key): to_plain(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    message = f"the codec does not know {type(value).__name__}"
    raise TypeError(message)


def from_plain(kind: Any, data: Plain) -> Any:  # noqa: ANN401 - driven by type hints at run time
    """Turn plain data back into a value of ``kind``.

    Raises:
        ValueError: the data do not fit the type.
    """
    origin = get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _one_of(get_args(kind), data)
    if kind is type(None) or data is None:
        return _exact(type(None), data) if kind is type(None) else _fail(kind)
    if origin is tuple:
        return tuple(from_plain(get_args(kind)[0], item) for item in _exact(list, data))
    if origin is dict:
        return {key: from_plain(get_args(kind)[1], item) for key, item in _exact(dict, data).items()}
    if hasattr(kind, "__supertype__"):
        return from_plain(kind.__supertype__, data)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, _exact(dict, data))
    if issubclass(kind, Enum):
        return kind(data)
    if issubclass(kind, datetime):
        return require_aware(datetime.fromisoformat(_exact(str, data)))
    return _exact(kind, data)


def _one_of(kinds: tuple[Any, ...], data: Plain) -> Any:  # noqa: ANN401
    if data is None and type(None) in kinds:
        return None
    (kind,) = (one for one in kinds if one is not type(None))  # only "X or nothing": a choice would need a tag
    return from_plain(kind, data)


def _dataclass(kind: Any, data: dict[str, Plain]) -> Any:  # noqa: ANN401
    hints = _hints(kind)
    values = {name: from_plain(hint, data[name]) for name, hint in hints.items() if name in data}
    try:
        return kind(**values)
    except TypeError as error:
        message = f"incomplete {kind.__name__}: {error}"
        raise ValueError(message) from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _exact(kind: Any, data: Plain) -> Any:  # noqa: ANN401
    if isinstance(data, kind) and not (isinstance(data, bool) and kind is not bool):
        return data
    return _fail(kind)


def _fail(kind: Any) -> Any:  # noqa: ANN401
    message = f"expected {kind}"
    raise ValueError(message)


def canonical(value: object) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, ASCII only. It is what gets hashed."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def pretty(value: object) -> bytes:
    """Return readable JSON with a final line end, for evidence files."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=True, allow_nan=False).encode() + b"\n"
