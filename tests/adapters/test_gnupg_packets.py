"""The reader of OpenPGP messages: what it accepts, what it refuses, and that gpg reads the same."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.adapters.gnupg.packets import MAX_RECIPIENTS, MessageReader, NotSealed
from support.openpgp import gpg, home, make_recipient

KEY_ID = "0123456789ABCDEF"


def session(key_id: str = KEY_ID, *, version: int = 3, algorithm: int = 18, rest: bytes = b"\x00" * 40) -> bytes:
    body = bytes([version]) + bytes.fromhex(key_id) + bytes([algorithm]) + rest
    return bytes([0x84, len(body)]) + body


def sealed(size: int = 100, *, version: int = 1) -> bytes:
    return b"\xd2\xff" + size.to_bytes(4, "big") + bytes([version]) + b"s" * (size - 1)


def in_parts(*powers: int, last: int = 7) -> bytes:
    parts = b"".join(bytes([224 + power]) + b"\x01" * (1 << power) for power in powers)
    return b"\xd2" + parts + bytes([last]) + b"e" * last


def read(message: bytes, step: int = 1 << 20) -> tuple[str, ...]:
    reader = MessageReader()
    for start in range(0, len(message), step):
        reader.feed(message[start : start + step])
    return reader.finish()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(session() + sealed(), id="a packet of known length"),
        pytest.param(session() + in_parts(9), id="one part and a rest"),
        pytest.param(session() + in_parts(13, 13, 9, 0, 3), id="many parts"),
        pytest.param(session() + in_parts(13, last=0), id="an empty last part"),
        pytest.param(b"\xc1\x32" + session()[2:] + sealed(), id="a session packet in the new format"),
        pytest.param(b"\x85\x00\x32" + session()[2:] + sealed(), id="a length of two bytes"),
        pytest.param(b"\x86\x00\x00\x00\x32" + session()[2:] + sealed(), id="a length of four bytes"),
        pytest.param(session() + b"\xd2\xc0\x00" + b"\x01" + b"s" * 191, id="a new length of two bytes"),
    ],
)
def test_a_sealed_message_names_its_recipient(message: bytes) -> None:
    assert read(message) == (KEY_ID,)
    assert read(message, step=1) == (KEY_ID,)


def test_every_recipient_is_named_in_order() -> None:
    other = "FEDCBA9876543210"
    assert read(session(other) + session() + sealed()) == (other, KEY_ID)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(b"", "cut", id="nothing"),
        pytest.param(session(), "cut", id="no content"),
        pytest.param((session() + sealed())[:-1], "cut", id="a missing last byte"),
        pytest.param(session() + in_parts(9)[:-1], "cut", id="a missing last byte of the last part"),
        pytest.param(session() + sealed() + b"\x00", "follow", id="a byte too many"),
        pytest.param(session() + sealed() + session() + sealed(), "follow", id="two messages"),
        pytest.param(sealed(), "nobody", id="no recipient"),
        pytest.param(session("0" * 16) + sealed(), "anonymous", id="an anonymous recipient"),
        pytest.param(session(version=6) + sealed(), "version 3", id="a session packet of version 6"),
        pytest.param(session(algorithm=16) + sealed(), "algorithm 16", id="ElGamal"),
        pytest.param(b"\x84\x00" + sealed(), "out of bounds", id="an empty session packet"),
        pytest.param(b"\x84\x05abcde" + sealed(), "version 3", id="a session packet too short"),
        pytest.param(b"\xc1\xff\x7f\xff\xff\xff", "out of bounds", id="a session packet of 2 GB"),
        pytest.param(b"\xc1\xe9", "out of bounds", id="a session packet in parts"),
        pytest.param(session() + sealed(version=2), "version 2", id="content of version 2"),
        pytest.param(session() + b"\xc9" + sealed()[1:], "no integrity", id="content without integrity"),
        pytest.param(session() + b"\xd4" + sealed()[1:], "AEAD", id="LibrePGP AEAD"),
        pytest.param(b"\xc3\x04abcd" + session() + sealed(), "password", id="a password packet first"),
        pytest.param(session() + b"\xc3\x04abcd" + sealed(), "password", id="a password packet later"),
        pytest.param(session() + b"\xca\x03PGP" + sealed(), "type 10", id="a marker packet"),
        pytest.param(session() + b"\xcb\x0a" + b"b" * 10, "type 11", id="content in clear"),
        pytest.param(session() + sealed(40), "40 bytes only", id="content too short to hold anything"),
        pytest.param(session() + b"\xd2\xe8" + b"\x01" * 256 + b"\x00", "256 bytes only", id="a first part too short"),
        pytest.param(b"\x87" + session()[2:], "no length", id="a packet that lasts until the end"),
        pytest.param(b"-----BEGIN PGP MESSAGE-----", "binary", id="armour"),
        pytest.param(b"\x00" * 50, "binary", id="zeros"),
        pytest.param(session() * (MAX_RECIPIENTS + 1) + sealed(), "recipients", id="too many recipients"),
    ],
)
def test_anything_else_is_refused_with_its_reason(message: bytes, reason: str) -> None:
    with pytest.raises(NotSealed, match=reason):
        read(message)
    with pytest.raises(NotSealed, match=reason):
        read(message, step=1)


messages = st.builds(
    lambda recipients, content: b"".join(map(session, recipients)) + content,
    st.lists(st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex), max_size=4),
    st.one_of(
        st.integers(41, 3000).map(sealed),
        st.builds(
            lambda first, more, last: in_parts(first, *more, last=last),
            st.integers(9, 12),
            st.lists(st.integers(0, 10), max_size=4),
            st.integers(0, 191),
        ),
    ),
)


def outcome(message: bytes, cuts: list[int]) -> tuple[str, ...] | str:
    reader = MessageReader()
    edges = sorted({0, len(message), *(cut % (len(message) + 1) for cut in cuts)})
    try:
        for start, end in itertools.pairwise(edges):
            reader.feed(message[start:end])
            assert len(reader._held) <= 4096, "memory is bounded by one session packet"  # noqa: SLF001 - the bound itself
        return reader.finish()
    except NotSealed as refusal:
        return str(refusal)


@given(message=st.one_of(st.binary(max_size=400), messages), cuts=st.lists(st.integers(0, 1 << 16), max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_bytes_end_in_an_answer_that_does_not_depend_on_the_chunks(message: bytes, cuts: list[int]) -> None:
    assert outcome(message, []) == outcome(message, cuts)


@given(message=messages, place=st.integers(0, 1 << 16))
@settings(max_examples=100, deadline=None)
def test_every_cut_is_noticed(message: bytes, place: int) -> None:
    cut = message[: place % len(message)]
    with pytest.raises(NotSealed):
        read(cut)


@pytest.mark.parametrize("size", [0, 1, 500, 8192, 300_000])
@pytest.mark.parametrize("count", [1, 2])
def test_gpg_lists_the_same_recipients_in_a_message_of_its_own(tmp_path: Path, size: int, count: int) -> None:
    keys = [make_recipient(tmp_path, f"Receiver {number} <r{number}@dcc.example>") for number in range(count)]
    message = tmp_path / "message"
    with home() as own:
        for key in keys:
            gpg(own, "--import", str(key.public))
        to = [word for key in keys for word in ("--recipient", key.fingerprint)]
        gpg(own, "--trust-model", "always", "--compress-algo", "none", *to, "-o", str(message), "-e", stdin=b"a" * size)
        listed = gpg(own, "--list-packets", str(message), check=False).stdout.decode()
    assert tuple(re.findall(r"^:pubkey enc packet: .* keyid ([0-9A-F]{16})", listed, re.MULTILINE)) == read(
        message.read_bytes()
    )
