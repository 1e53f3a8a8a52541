"""What changed in meaning between two profiles: not their text, but what they would say of a file.

Comments, order of keys, and values that only spell out a default make no difference. Columns are compared by name, and
their order only where it matters. Each difference says whether the new profile refuses more (``stricter``) or less
(``looser``), or merely something else (``different``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sealdrop.rules.profile import Profile
from sealdrop.rules.srv_list import SrvList
from sealdrop.rules.working_days import Calendar

Effect = Literal["stricter", "looser", "different"]

_SCALES: Mapping[str, tuple[object, ...]] = {  # from the loosest to the strictest
    "extra_columns": ("allow", "deny"),
    "formula_cells": ("flag", "reject"),
    "unknown": ("allow", "warn", "hold", "reject"),
    "zero": ("allow", "warn", "hold", "reject"),
    "severities": ("warn", "hold", "reject"),
    "required": (False, True),
    "key": (False, True),
    "own": (False, True),
    "privacy": ("public", "masked", "secret"),
    "header": ("any-order", "exact"),
    "quoting": ("allowed", "required"),
    "bom": ("allowed", "required"),
    "line_ends": ("either", "lf"),
    "must_be": ("<=", "<"),
}
_LOWER_IS_STRICTER = frozenset({"bytes", "line_bytes", "field_bytes", "columns", "rows", "ordering_keys", "max"})
_HIGHER_IS_STRICTER = frozenset({"min_rows", "min", "files"})
_SETS = frozenset({"codes", "user_ids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that changed.

    Args:
        path: dotted path of the key, columns by name.
        old, new: the values as text; None where there is none.
        effect: what it does to files.
    """

    path: str
    old: str | None
    new: str | None
    effect: Effect


def differences(old: Profile, new: Profile) -> Iterator[Difference]:
    """Yield every difference, in the order of the profile's keys."""
    before, after = _flat(old), _flat(new)
    for path in dict.fromkeys((*before, *after)):
        left, right = before.get(path), after.get(path)
        if left != right:
            yield Difference(path=path, old=_text(left), new=_text(right), effect=_effect(path, left, right))
    names = [[column.name for column in one.columns] for one in (old, new)]
    common = [[name for name in side if name in names[0] and name in names[1]] for side in names]
    if common[0] != common[1] and "any-order" not in (old.header, new.header):
        yield Difference(path="columns", old=" ".join(common[0]), new=" ".join(common[1]), effect="different")


def list_differences(old: SrvList, new: SrvList) -> Iterator[Difference]:
    """Yield what changed in the list of Variants."""
    for srv in sorted({*old.variants, *new.variants}):
        left, right = old.get(srv), new.get(srv)
        if left == right:
            continue
        if left is None or right is None:
            effect: Effect = "looser" if left is None else "stricter"
        else:
            effect = "different"
        texts = [
            None
            if one is None
            else f"{one.name}, {'critical' if one.critical else 'not critical'}, "
            f"{' '.join(sorted(one.user_roles)) or 'any role'}{', not by a device' if one.non_device else ''}"
            for one in (left, right)
        ]
        yield Difference(path=f"srv {srv}", old=texts[0], new=texts[1], effect=effect)


def calendar_differences(old: Calendar | None, new: Calendar | None) -> Iterator[Difference]:
    """Yield what changed in the calendar."""
    left, right = (dict(one.holidays) if one else {} for one in (old, new))
    for day in sorted({*left, *right}):
        if (day in left) != (day in right):
            path = f"holiday {day.isoformat()}"
            yield Difference(path=path, old=left.get(day), new=right.get(day), effect="different")


def _flat(profile: Profile) -> dict[str, Any]:
    """Return every value by its dotted path, columns by name; what a profile leaves out is its default."""
    found: dict[str, Any] = {}
    for name in type(profile).model_fields:
        value = getattr(profile, name)
        if name == "columns":
            for column in value:
                found |= _below(f"columns.{column.name}", column.model_dump(mode="json"))
        elif name == "compare":
            for one in value:
                found[f"compare.{one.left}.{one.right}.must_be"] = one.must_be
        elif (name == "adt" and profile.kind != "adt") or (
            name == "exit_quarantine" and profile.kind != "exit-quarantine"
        ):
            continue
        else:
            found |= _below(name, profile.model_dump(mode="json", include={name})[name])
    return found


def _below(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _below(f"{path}.{key}", inner)
    return found


def _text(value: object) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _effect(path: str, old: Any, new: Any) -> Effect:  # noqa: ANN401 - values of any key
    key = path.rsplit(".", 1)[-1]
    key = "severities" if path.startswith("severities.") else key
    scale = _SCALES.get(key, ())
    if old in scale and new in scale:
        return "stricter" if scale.index(new) > scale.index(old) else "looser"
    if key in _LOWER_IS_STRICTER | _HIGHER_IS_STRICTER:
        return _bound(old, new, lower=key in _LOWER_IS_STRICTER)
    if key in _SETS and old and new:
        if set(old) < set(new):
            return "looser"
        return "stricter" if set(new) < set(old) else "different"
    if key == "pattern" and None in (old, new):
        return "stricter" if old is None else "looser"
    return "different"


def _bound(old: int | None, new: int | None, *, lower: bool) -> Effect:
    if old is None or new is None:
        return "stricter" if old is None else "looser"
    return "stricter" if (new < old) == lower else "looser"
