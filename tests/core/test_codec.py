"""The codec: what goes into the ledger comes out equal, in one spelling, or is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, NewType, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core import codec
from sealdrop.core.delivery import Receipt
from sealdrop.core.events import AGENT_EVENT_TYPES, EVENT_TYPES
from sealdrop.core.submission import Submission

Number = NewType("Number", int)
MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    colour: Colour
    number: Number = Number(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    text: str
    whole: int
    part: float
    flag: bool
    moment: datetime
    inner: Inner | None
    several: tuple[Inner, ...]
    facts: dict[str, str] = field(default_factory=dict)
    old_style: Optional[str] = None  # noqa: UP045 - the older spelling of a union decodes as well


INNERS = st.builds(Inner, colour=st.sampled_from(Colour), number=st.integers().map(Number))
OUTERS = st.builds(
    Outer,
    text=st.text(st.characters(), max_size=20),
    whole=st.integers(),
    part=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    moment=MOMENTS,
    inner=st.none() | INNERS,
    several=st.lists(INNERS, max_size=3).map(tuple),
    facts=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    old_style=st.none() | st.text(max_size=3),
)


@given(value=OUTERS)
def test_a_value_comes_back_equal_from_its_canonical_text(value: Outer) -> None:
    assert codec.from_plain(Outer, json.loads(codec.canonical(value))) == value


@pytest.mark.parametrize("kind", [*EVENT_TYPES.values(), *AGENT_EVENT_TYPES.values(), Receipt, Submission])
def test_every_value_of_the_ledger_comes_back_equal(kind: type) -> None:
    @given(value=st.from_type(kind))
    def comes_back(value: object) -> None:
        assert codec.from_plain(kind, json.loads(codec.canonical(value))) == value

    comes_back()


st.register_type_strategy(datetime, MOMENTS)


@given(value=OUTERS)
def test_canonical_text_is_one_line_of_ascii_with_sorted_keys(value: Outer) -> None:
    text = codec.canonical(value)

    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert json.loads(codec.pretty(value)) == json.loads(text)


def test_times_are_written_in_utc_with_z() -> None:
    moment = datetime(2026, 11, 24, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert codec.to_plain(moment) == "2026-11-24T12:00:00Z"


def test_readable_text_is_indented_and_ends_its_last_line() -> None:
    assert codec.pretty({"b": (1, 2)}) == b'{\n  "b": [\n    1,\n    2\n  ]\n}\n'


def test_names_that_are_not_utf8_survive() -> None:
    assert json.loads(codec.canonical("a\udcff")) == "a\udcff"


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, Outer], ids=["an object", "bytes", "a set", "a class"])
def test_a_value_of_an_unknown_kind_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="does not know"):
        codec.to_plain(value)


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        codec.to_plain(datetime(2026, 11, 24, 12))  # noqa: DTZ001 - what must be refused


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_refused(value: float) -> None:
    for write in (codec.canonical, codec.pretty):
        with pytest.raises(ValueError, match="Out of range"):
            write(value)


def test_a_newer_payload_with_more_fields_is_read() -> None:
    assert codec.from_plain(Inner, {"colour": "red", "number": 1, "new": [1]}) == Inner(
        colour=Colour.RED, number=Number(1)
    )


def test_an_older_payload_without_a_field_gets_its_default() -> None:
    assert codec.from_plain(Inner, {"colour": "red"}) == Inner(colour=Colour.RED)


UNFIT: dict[str, tuple[Any, Any]] = {
    "a required field is missing": (Inner, {"number": 1}),
    "an unknown choice": (Colour, "green"),
    "a list in place of a choice": (Colour, ["red"]),
    "text in place of a number": (int, "1"),
    "true in place of a number": (int, True),
    "a number in place of text": (str, 1),
    "a number in place of true": (bool, 1),
    "nothing in place of text": (str, None),
    "something in place of nothing": (type(None), 1),
    "a list in place of a table": (Inner, []),
    "text in place of a list": (tuple[str, ...], "ab"),
    "a list in place of named facts": (dict[str, str], []),
    "a number among named facts": (dict[str, str], {"a": 1}),
    "a number in place of a time": (datetime, 1),
    "text that is no time": (datetime, "yesterday"),
    "a time without a time zone": (datetime, "2026-11-24T12:00:00"),
    "nothing that fits a choice of types": (str | None, 1),
}


@pytest.mark.parametrize(("kind", "data"), UNFIT.values(), ids=UNFIT.keys())
def test_what_does_not_fit_is_a_value_error(kind: Any, data: Any) -> None:  # noqa: ANN401 - driven by type hints
    with pytest.raises(ValueError, match=r"expected|incomplete|valid|Invalid|naive"):
        codec.from_plain(kind, data)


def test_nothing_is_read_where_nothing_is_expected() -> None:
    assert codec.from_plain(type(None), None) is None
    assert codec.from_plain(int | None, None) is None
    assert codec.from_plain(Number, 3) == 3


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=PLAIN | st.fixed_dictionaries({"colour": PLAIN, "number": PLAIN}))
def test_any_plain_data_is_read_or_is_a_value_error(data: Any) -> None:  # noqa: ANN401 - plain data
    for kind in (Inner, Outer, Colour, datetime, tuple[Inner, ...], Inner | None):
        try:
            codec.from_plain(kind, data)
        except ValueError:
            continue
