"""SFTP packets against an independent codec (paramiko's), and against hostile bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko import Message, SFTPAttributes

from sealdrop.adapters.transports.sftp import packets, requests
from sealdrop.adapters.transports.sftp.packets import (
    MAX_HANDLE,
    MAX_NAMES,
    MAX_PACKET,
    Attributes,
    Code,
    Data,
    Extended,
    Handle,
    Kind,
    Name,
    Names,
    Open,
    ProtocolError,
    Request,
    Splitter,
    Status,
    decode,
    decode_version,
)
from support.sftp_wire import packet, status, text

NUMBERS = st.integers(0, 2**32 - 1)
SHORT = st.binary(max_size=100)


def body_of(request: Request, number: int = 7) -> Message:
    encoded = request.encode(number)
    message = Message(encoded)
    assert message.get_int() == len(encoded) - 4
    assert message.get_byte() == bytes((request.kind,))
    assert message.get_int() == number
    return message


@given(path=SHORT, handle=SHORT, offset=st.integers(0, 2**63), data=SHORT, number=NUMBERS)
def test_requests_read_as_the_draft_says(path: bytes, handle: bytes, offset: int, data: bytes, number: int) -> None:
    opened = body_of(requests.open_file(path, Open.WRITE | Open.CREATE | Open.EXCLUSIVE, 0o640), number)
    assert opened.get_binary() == path
    assert opened.get_int() == 0x2A
    assert SFTPAttributes._from_msg(opened).st_mode == 0o640  # noqa: SLF001 - the independent codec has no public door

    written = body_of(requests.write(handle, offset, data))
    assert (written.get_binary(), written.get_int64(), written.get_binary()) == (handle, offset, data)
    read = body_of(requests.read(handle, offset, 4096))
    assert (read.get_binary(), read.get_int64(), read.get_int()) == (handle, offset, 4096)
    renamed = body_of(requests.rename(path, data))
    assert (renamed.get_binary(), renamed.get_binary()) == (path, data)
    linked = body_of(requests.hard_link(path, data))
    assert (linked.get_binary(), linked.get_binary(), linked.get_binary()) == (b"hardlink@openssh.com", path, data)
    synced = body_of(requests.fsync(handle))
    assert (synced.get_binary(), synced.get_binary()) == (b"fsync@openssh.com", handle)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (requests.close, 4),
        (requests.lstat, 7),
        (requests.fstat, 8),
        (requests.opendir, 11),
        (requests.readdir, 12),
        (requests.remove, 13),
        (requests.stat, 17),
    ],
)
def test_requests_with_one_field(make: Callable[[bytes], Request], kind: int) -> None:
    request = make(b"field")

    assert request.kind == kind
    assert body_of(request).get_binary() == b"field"


def test_the_first_packet_has_no_number() -> None:
    assert requests.init() == b"\0\0\0\5\1\0\0\0\3"


@given(number=NUMBERS, size=st.none() | st.integers(0, 2**63), mode=st.none() | st.integers(0, 2**32 - 1))
def test_attributes_of_another_codec_are_understood(number: int, size: int | None, mode: int | None) -> None:
    attributes = SFTPAttributes()
    attributes.st_size, attributes.st_mode = size, mode
    attributes.st_uid = attributes.st_gid = 5
    attributes.st_atime, attributes.st_mtime = 1, 2
    message = Message()
    attributes._pack(message)  # noqa: SLF001 - the independent codec has no public door

    found = decode(packet(Kind.ATTRS, number, message.asbytes())[4:])

    assert found == (number, Attributes(size=size, permissions=mode, modified=2))


REPLIES = st.one_of(
    st.builds(lambda code, said: (status(0, code, said), code), NUMBERS, SHORT).map(lambda pair: pair[0]),
    SHORT.map(lambda value: packet(Kind.HANDLE, 0, text(value))),
    SHORT.map(lambda value: packet(Kind.DATA, 0, text(value))),
    SHORT.map(lambda value: packet(Kind.EXTENDED_REPLY, 0, value)),
)


@given(replies=st.lists(REPLIES, max_size=8), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_packets_are_cut_out_of_the_stream_wherever_it_is_torn(replies: list[bytes], cuts: list[int]) -> None:
    stream, splitter = b"".join(replies), Splitter()
    found: list[bytes] = []
    while stream:
        cut = cuts[len(found) % len(cuts)]
        found.extend(splitter.feed(stream[:cut]))
        stream = stream[cut:]

    assert [struct.pack(">I", len(each)) + each for each in found] == replies


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reply_or_a_protocol_error(junk: bytes) -> None:
    for read in (decode, decode_version):
        try:
            read(junk)
        except ProtocolError:
            continue


@given(reply=REPLIES, cut=st.integers(1, 60), more=st.binary(min_size=1, max_size=9))
def test_a_reply_that_is_cut_short_or_too_long_is_refused(reply: bytes, cut: int, more: bytes) -> None:
    if reply[4] in (Kind.STATUS, Kind.EXTENDED_REPLY):
        return  # a status may end after its code and has a tag nobody reads; an extended reply is whatever is there
    whole = reply[4:]
    for wrong in (whole[:-cut] if cut < len(whole) else b"", whole + more):
        with pytest.raises(ProtocolError):
            decode(wrong or b"")


def test_every_kind_of_reply_is_read() -> None:
    names = struct.pack(">I", 1) + text(b"../x") + text(b"-rw- ../x") + struct.pack(">I", 0)

    assert decode(status(1, Code.FAILURE, b"disk full")[4:]) == (1, Status(4, "disk full"))
    assert decode(packet(Kind.STATUS, 2, struct.pack(">I", 0))[4:]) == (2, Status(0))
    assert decode(packet(Kind.HANDLE, 3, text(b"h"))[4:]) == (3, Handle(b"h"))
    assert decode(packet(Kind.DATA, 4, text(b"d"))[4:]) == (4, Data(b"d"))
    assert decode(packet(Kind.NAME, 5, names)[4:]) == (5, Names((Name(b"../x", Attributes()),)))
    assert decode(packet(Kind.EXTENDED_REPLY, 6, b"e")[4:]) == (6, Extended(b"e"))


@pytest.mark.parametrize(
    "reply",
    [
        packet(Kind.HANDLE, 0, text(b"x" * (MAX_HANDLE + 1))),
        packet(Kind.HANDLE, 0, struct.pack(">I", 2**32 - 1)),
        packet(Kind.DATA, 0, struct.pack(">I", MAX_PACKET + 1)),
        packet(Kind.NAME, 0, struct.pack(">I", MAX_NAMES + 1)),
        packet(Kind.NAME, 0, struct.pack(">I", 1) + text(b"x" * 5000)),
        packet(Kind.ATTRS, 0, struct.pack(">II", 0x80000000, 2**31)),
        packet(Kind.OPEN, 0, b""),
    ],
    ids=["long handle", "claimed handle", "claimed data", "many names", "long name", "many attributes", "a request"],
)
def test_what_is_out_of_bounds_is_refused_before_memory_is_spent(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(reply[4:])


@pytest.mark.parametrize("length", [0, MAX_PACKET + 1, 0x57656C63], ids=["nothing", "too long", "text"])
def test_a_packet_of_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError):
        list(Splitter().feed(struct.pack(">I", length)))


def test_the_text_of_a_status_is_bounded() -> None:
    _, reply = decode(status(1, Code.FAILURE, b"x" * 100_000)[4:])

    assert isinstance(reply, Status)
    assert len(reply.message) == packets.MAX_TEXT


def test_a_version_lists_its_extensions_and_no_other_version_will_do() -> None:
    first = b"\x02" + struct.pack(">I", 3)

    assert decode_version(first + text(b"fsync@openssh.com") + text(b"1")) == {"fsync@openssh.com": b"1"}
    many = b"".join(text(bytes((number,))) + text(b"1") for number in range(65))
    for wrong in (b"\x02" + struct.pack(">I", 4), b"\x65" + first[1:], first + many, first + b"\0"):
        with pytest.raises(ProtocolError):
            decode_version(wrong)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (requests.close(b"h"), Handle(b"h")),
        (requests.lstat(b"p"), Data(b"")),
        (requests.read(b"h", 0, 4), Data(b"12345")),
        (requests.open_file(b"p", Open.READ), Attributes()),
    ],
)
def test_a_reply_that_does_not_fit_its_request_is_refused(request_: Request, reply: packets.Reply) -> None:
    with pytest.raises(ProtocolError):
        request_.accept(reply)
