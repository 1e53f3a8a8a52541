"""Profiles drawn at random, that a sample can be made of: for properties that must hold for any of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from sealdrop.rules.identifiers import user_id_number, user_id_text
from sealdrop.rules.profile import Profile
from sealdrop.rules.profile_parsing import parse_profile
from support.rule_cases import U1

OWN_RANGE = f"{U1} .. {user_id_text(user_id_number(U1) + 0xFFFF)}"

_NAMES = st.text(alphabet="abcXYZ_ é", min_size=1, max_size=8).map(str.strip).filter(bool)


@st.composite
def _column(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(
        st.sampled_from(
            [
                "text",
                "code",
                "integer",
                "user-id",
                "request-id",
                "event-reference",
                "srv",
                "date",
                "date-time",
                "moment",
            ]
        )
    )
    column: dict[str, Any] = {"name": name, "type": kind, "required": draw(st.booleans())}
    column["privacy"] = draw(st.sampled_from(["public", "masked", "secret"]))
    if kind == "text":
        low = draw(st.integers(0, 5))
        column |= {"min": low, "max": draw(st.integers(max(low, 3), 30))}
    if kind == "integer":
        low = draw(st.integers(0, 10**6))
        column |= {"min": low, "max": low + draw(st.integers(100, 10**6))}
    if kind == "code":
        column["codes"] = draw(st.lists(st.sampled_from(["ON", "off", "Left", "R-1", "é"]), min_size=1, unique=True))
        column["case"] = draw(st.sampled_from(["any", "exact", None]))
    if kind in ("user-id", "request-id"):
        column["own"] = draw(st.booleans())
        column["case"] = draw(st.sampled_from(["any", "upper", "lower", None]))
    return column


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Draw a profile of kind table, in any dialect."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    columns = [draw(_column(name)) for name in names]
    ordering = draw(st.sampled_from(columns))
    ordering |= {"required": True, "privacy": "public"}
    if draw(st.booleans()):
        keyed = draw(st.sampled_from(columns))
        keyed["key"] = keyed["type"] not in ("code", "text")  # few codes and short texts run out of different values
    quoting = draw(st.sampled_from(["allowed", "forbidden", "required"]))
    encoding = draw(st.sampled_from(["utf-8", "windows-1252"]))
    tables: dict[str, Any] = {
        "kind": "table",
        "name": "drawn",
        "version": "1",
        "columns": columns,
        "ordering": {"column": ordering["name"]},
        "own": {"user_ids": draw(st.sampled_from([[], [OWN_RANGE]]))},
        "srv": {"list": "srv-duis-5.4.csv", "unknown": draw(st.sampled_from(["allow", "warn", "hold", "reject"]))},
        "header": draw(st.sampled_from(["exact", "any-order", "none"])),
        "extra_columns": draw(st.sampled_from(["allow", "deny"])),
        "bounds": {"min_rows": draw(st.integers(0, 5))},
        "dialect": {
            "delimiter": draw(st.sampled_from([",", ";", "|", "\t", "~"])),
            "quote": draw(st.sampled_from(['"', "'"])),
            "quoting": quoting,
            "line_ends": draw(st.sampled_from(["lf", "crlf", "either"])),
            "encoding": encoding,
            "bom": draw(st.sampled_from(["forbidden", "allowed", "required"])) if encoding == "utf-8" else "forbidden",
        },
    }
    comparable = [[one for one in columns if one["type"] in kinds] for kinds in (("integer",), ("date", "moment"))]
    for group in comparable:
        for left, right in pairwise(group):
            if left["type"] != "integer" or left["min"] + 50 < right["max"]:
                relation = draw(st.sampled_from(["<", "<="]))
                tables.setdefault("compare", []).append(
                    {"left": left["name"], "must_be": relation, "right": right["name"]}
                )
    if draw(st.booleans()):
        tables["trailer"] = {
            "marker": "END",
            "count_position": draw(st.integers(2, 4)),
            "required": draw(st.booleans()),
        }
    return parse_profile(tables)
