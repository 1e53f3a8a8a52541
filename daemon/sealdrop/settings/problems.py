"""From what a validator refused to what a person reads: a dotted path, one sentence, what to do.

Promises: no value of the document is repeated here, only names of keys and tables (``agreement`` repeats well-formed
names, environments and fingerprints, which are what it is about); a library's own sentence never reaches a person, so
an upgrade cannot begin to leak one. Unknown keys get the nearest known name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sealdrop.core.errors import Problem
from sealdrop.settings.fields import REFUSAL
from sealdrop.settings.models import Settings, Transport
from sealdrop.settings.secret_refs import SecretRef

Place = tuple[str | int, ...]

#: A file can be wrong in ten thousand places; nobody reads more than these at once.
MAX_PROBLEMS = 100
_MAX_SHOWN = 60
_KEY = "[key]"  # pydantic's mark for the name of a table rather than its content
_SORTS: dict[str, str] = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a table",
    "list": "a list",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}
_WANTED: dict[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "path_type": "text: a path",
    "tuple_type": "a list",
    "mapping_type": "a table",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "must be more than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def printable(text: str, most: int = _MAX_SHOWN) -> str:
    """Return text of unknown origin so that it can neither end a line nor deceive an eye."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def dotted(place: Iterable[str | int]) -> str:
    """Return the path of a setting as it would be written in TOML, places in a list counted from 0."""
    words = [str(word) for word in place]
    bare = [word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else f'"{printable(word)}"' for word in words]
    return ".".join(printable(word) for word in bare) or "(the file)"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant."""
    close = difflib.get_close_matches(name[:_MAX_SHOWN].lower().replace("-", "_"), folded := _folded(known), n=1)
    return folded[close[0]] if close else None


def _folded(known: Iterable[str]) -> dict[str, str]:
    return {name.lower().replace("-", "_"): name for name in known}


def suggestion(name: str, known: Sequence[str], called: str) -> str:
    """Return the hint for a name that is not among the known ones."""
    near = nearest(name, known)
    if near is not None:
        return f"Did you mean '{near}'?"
    return f"{called}: {', '.join(known)}." if known else ""


def from_pydantic(error: ValidationError) -> list[Problem]:
    """Return one problem for each thing pydantic refused, in the order of the document."""
    return [_problem(details) for details in error.errors(include_url=False) if not _is_echo(details)]


def bounded(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems without repeats, at most ``MAX_PROBLEMS`` and a last one that counts the rest."""
    unique = list(dict.fromkeys(problems))
    if len(unique) <= MAX_PROBLEMS:
        return unique
    rest = len(unique) - MAX_PROBLEMS
    return [*unique[:MAX_PROBLEMS], Problem(path="(the file)", what=f"has {rest} more problems")]


def _is_echo(details: ErrorDetails) -> bool:
    """Tell whether a list is called too short only because what is in it was refused."""
    return details["type"] == "too_short" and bool(details["input"])


def _problem(details: ErrorDetails) -> Problem:
    place, kind, context = details["loc"], details["type"], details.get("ctx", {})
    shown = dotted(_without_tag(place))
    if kind == REFUSAL:
        shown = dotted(place[:-1]) if place[-1:] == (_KEY,) else shown
        return Problem(path=shown, what=context["what"], hint=context["hint"])
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "missing":
        return Problem(path=shown, what="is missing", hint=_description(place))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        what = "is missing" if kind == "union_tag_not_found" else "is not a type of transport"
        return Problem(path=f"{shown}.type", what=what, hint=f"Choose one of: {', '.join(_transport_types())}.")
    what, hint = _sentence(kind, context, details["input"])
    return Problem(path=shown, what=what, hint=hint or _description(place))


def _sentence(kind: str, context: dict[str, Any], value: object) -> tuple[str, str]:
    """Say what is wrong with a value in terms of its sort and bounds, never of its content."""
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_SORTS.get(type(value).__name__, 'something else')}", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {context[key]}", ""
    if kind in ("enum", "literal_error"):
        expected = re.findall(r"'([^']+)'", context["expected"])
        near = nearest(value, expected) if isinstance(value, str) else None
        return "is not one of the choices", f"Choose one of: {', '.join(expected)}." + (
            f" Did you mean '{near}'?" if near else ""
        )
    if kind in ("too_short", "string_too_short"):
        return "is empty", ""
    if kind in ("too_long", "string_too_long"):
        return f"is too long: at most {context['max_length']}", ""
    if kind == "finite_number":
        return "must be a finite number", ""
    return f"cannot be used ({kind})", ""


def _unknown_key(place: Place) -> Problem:
    name = str(place[-1])
    table = _table_at(place[:-1])
    known = list(table.model_fields) if table is not None else []
    homes = _homes().get(name, [])
    hint = f"It belongs in {' or '.join(homes)}." if homes else suggestion(name, known, "Known here")
    return Problem(path=dotted(_without_tag(place)), what=f"unknown key '{printable(name)}'", hint=hint)


def _description(place: Place) -> str:
    table = _table_at(place[:-1]) if place else None
    field = table.model_fields.get(str(place[-1])) if table is not None else None
    return (field.description or "") if field is not None else ""


def _without_tag(place: Place) -> Place:
    """Leave out the type of transport, which pydantic counts as a step and the document does not."""
    match place:
        case ("routes", route, "transports", int() as index, _, *rest):
            return ("routes", route, "transports", index, *rest)
    return place


def _table_at(place: Place) -> type[BaseModel] | None:
    """Return the model of the table at a place as pydantic counts it, or None where there is none."""
    kind: Any = Settings
    for step in place:
        kind = _step(kind, step)
    return next((one for one in _alternatives(kind) if _is_table(one)), None)


def _step(kind: Any, step: str | int) -> Any:  # noqa: ANN401 - walks type hints
    for one in _alternatives(kind):
        origin, inner = get_origin(one), get_args(one)
        if origin in (tuple, Mapping):
            return inner[0] if origin is tuple else inner[1]
        if _is_table(one) and get_args(getattr(one.model_fields.get("type"), "annotation", None)) == (step,):
            return one
        if _is_table(one) and step in one.model_fields:
            return one.model_fields[step].annotation
    return None


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - walks type hints
    origin = get_origin(kind)
    if origin is Annotated:
        return _alternatives(get_args(kind)[0])
    if origin in (Union, UnionType):
        return tuple(found for one in get_args(kind) for found in _alternatives(one))
    return (kind,)


def _is_table(kind: Any) -> bool:  # noqa: ANN401 - walks type hints
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _transport_types() -> list[str]:
    return [get_args(one.model_fields["type"].annotation)[0] for one in _alternatives(Transport)]


def tables() -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield every table a configuration may have: its place, ``NAME`` for a name and ``0`` in a list, and its model."""
    yield from _tables((), Settings)


def _tables(place: tuple[str, ...], kind: Any) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:  # noqa: ANN401
    for one in _alternatives(kind):
        origin, inner = get_origin(one), get_args(one)
        if origin is tuple:
            yield from _tables((*place, "0"), inner[0])
        elif origin is Mapping:
            yield from _tables((*place, "NAME"), inner[1])
        elif _is_table(one):
            yield place, one
            for name, field in one.model_fields.items():
                yield from _tables((*place, name), field.annotation)


@cache
def _homes() -> dict[str, list[str]]:
    """Return, for each key, the tables it belongs in."""
    homes: dict[str, list[str]] = {}
    for place, table in tables():
        if place and table is not SecretRef:
            shown = ".".join(step for step in place if step != "0")
            header = f"[[{shown}]]" if place[-1] == "0" else f"[{shown}]"
            for name in table.model_fields:
                homes.setdefault(name, []).append(header)
    return {name: list(dict.fromkeys(places)) for name, places in homes.items()}
