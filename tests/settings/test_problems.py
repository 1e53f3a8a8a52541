"""Words for people: places as TOML writes them, odd characters escaped, a library's own sentences kept out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from sealdrop.core.errors import Problem
from sealdrop.settings.problems import MAX_PROBLEMS, bounded, dotted, from_pydantic, nearest, printable, suggestion


def test_a_place_is_written_as_toml_writes_it() -> None:
    assert dotted(("routes", "relay", "transports", 0, "host")) == "routes.relay.transports.0.host"
    assert dotted(("a b", "c.d", "")) == '"a b"."c.d".""'
    assert dotted(()) == "(the file)"


@given(text=st.text())
def test_text_of_unknown_origin_stays_on_its_line_and_is_bounded(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown) <= 60
    if text.isprintable() and len(text) <= 60:
        assert shown == text


def test_undecodable_bytes_are_escaped() -> None:
    assert printable("a\udcffb") == r"a\udcffb"


def test_the_nearest_name_is_found_across_case_and_hyphens_and_not_at_any_distance() -> None:
    known = ["sweep_seconds", "stop_seconds", "party"]

    assert nearest("Sweep-Second", known) == "sweep_seconds"
    assert nearest("xyzzy", known) is None
    assert suggestion("xyzzy", known, "Known here") == "Known here: sweep_seconds, stop_seconds, party."
    assert suggestion("xyzzy", [], "Known here") == ""


def test_what_the_library_may_say_some_day_is_not_passed_on() -> None:
    class Foreign(BaseModel):
        place: Path
        address: bytes

    with pytest.raises(ValidationError) as caught:
        Foreign.model_validate({"place": 3, "address": ["hunter2"]})

    found = from_pydantic(caught.value)

    assert [problem.path for problem in found] == ["place", "address"]
    assert found[1] == Problem(path="address", what="cannot be used (bytes_type)")
    assert "hunter2" not in str(found)


def test_problems_are_said_once_and_counted_when_they_are_too_many() -> None:
    some = [Problem(path=str(number), what="is wrong") for number in range(MAX_PROBLEMS)]

    assert bounded([*some, *some]) == some
    assert bounded([*some, Problem(path="x", what="is wrong"), Problem(path="y", what="is wrong")])[-1] == Problem(
        path="(the file)", what="has 2 more problems"
    )
