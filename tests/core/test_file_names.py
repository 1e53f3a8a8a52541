"""Names of dropped files: taken when they mean the same everywhere, else left alone with the reason."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.core.file_names import MAX_BYTES, danger


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "ADT_2026-01-01.csv",
        "exit quarantine (2).csv",
        "größe.csv",
        "日本語.csv",
        "a..b",
        "console.txt",
        "com10.txt",
        "-".join("ab"),
        "100%#1.csv",
        "x" * MAX_BYTES,
    ],
)
def test_plain_names_are_taken(name: str) -> None:
    assert danger(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (os.fsdecode(b"a\xff.csv"), "UTF-8"),
        ("a\nb.csv", "U+000A"),
        ("a\x1b[31m.csv", "U+001B"),
        ("a\u202egpj.csv", "U+202E"),
        ("a\u2066b", "U+2066"),
        ("a\u200db", "U+200D"),
        ("a\u2028b", "U+2028"),
        ("a\u00a0b", "U+00A0"),
        ("a\ue000b", "U+E000"),
        (".hidden.csv", "begins with ."),
        ("..", "begins with ."),
        ("-rf", "begins with -"),
        ("--output=x", "begins with -"),
        ("~$book.xlsx", "begins with ~"),
        (" a", "space"),
        ("a ", "space"),
        ("a.", "dot"),
        (unicodedata.normalize("NFD", "größe.csv"), "normal form C"),
        ("x" * (MAX_BYTES + 1), f"{MAX_BYTES + 1} bytes"),
        ("é" * (MAX_BYTES // 2 + 1), "bytes"),
        ("CON", "device"),
        ("con.txt", "device"),
        ("NUL .csv", "device"),
        ("Lpt1.adt.csv", "device"),
        ("COM\u00b9", "device"),
        ("a:b", "the character :"),
        ("a/b", "the character /"),
        ("a\\b", "the character \\"),
        ('a"b', 'the character "'),
        ("a*", "the character *"),
        ("Desktop.ini", "reserved"),
        ("a_VTI_b", "reserved"),
    ],
)
def test_dangerous_names_are_refused_with_the_reason(name: str, why: str) -> None:
    reason = danger(name)

    assert reason is not None
    assert why in reason


@given(st.one_of(st.binary(max_size=260).map(os.fsdecode), st.text(max_size=210)))
def test_a_name_that_is_taken_is_safe_whatever_it_was_made_of(name: str) -> None:
    if danger(name) is not None:
        return
    encoded = name.encode()
    assert 0 < len(encoded) <= MAX_BYTES
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert name.isprintable()
    assert unicodedata.normalize("NFC", name) == name


@given(st.one_of(st.binary(max_size=260).map(os.fsdecode), st.text(max_size=210)))
def test_a_reason_can_be_shown_to_anybody(name: str) -> None:
    reason = danger(name)
    assert reason is None or (reason.isprintable() and len(reason) < 120)
