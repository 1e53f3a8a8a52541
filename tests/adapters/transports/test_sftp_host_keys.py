"""Which host keys a server may show: what is read, and what is refused instead of ignored."""

from __future__ import annotations

import base64
import contextlib
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.transports.sftp.hostkeys import Pin, load_pins, signature_order
from sealdrop.core.errors import ConfigurationError
from support.sshd import make_key, public_part, require


def public(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


ED = public("ssh-ed25519", bytes(32))
ED2 = public("ssh-ed25519", bytes(31) + b"\1")
RSA = public("ssh-rsa", b"\1\0\1", b"\0\xff" + bytes(383))
WEAK = public("ssh-rsa", b"\1\0\1", b"\0\xff" + bytes(127))
DSA = public("ssh-dss", b"p", b"q", b"g", b"y")


def load(*lines: str, host: str = "relay.example", port: int = 22) -> tuple[Pin, ...]:
    return load_pins(lines, host=host, port=port)


def test_pins_keep_their_order_and_lose_their_doubles() -> None:
    pins = load(f"relay.example {ED2} new key", f"relay.example {ED}", f"other.example {RSA}", f"relay.example {ED2}")

    assert [pin.kind for pin in pins] == ["ssh-ed25519", "ssh-ed25519"]
    assert pins[0].blob != pins[1].blob


@pytest.mark.parametrize(
    "line", [ED, f"relay.example {ED}", f"RELAY.example,10.0.0.7 {ED}", f"  relay.example {ED} a comment "]
)
def test_a_pin_may_be_a_key_alone_or_a_known_hosts_line(line: str) -> None:
    assert len(load(line, "", "# a comment")) == 1


def test_a_port_is_part_of_the_name() -> None:
    assert load(f"[relay.example]:2222 {ED}", port=2222)
    for line, port in ((f"relay.example {ED}", 2222), (f"[relay.example]:2222 {ED}", 22)):
        with pytest.raises(ConfigurationError, match="no host key is pinned"):
            load(line, port=port)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"@cert-authority relay.example {ED}", "@cert-authority"),
        (f"@cert-authority *.elsewhere.example {ED}", "@cert-authority"),
        (f"@revoked relay.example {ED}", "@revoked"),
        (f"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {ED}", "hashed"),
        (f"*.example {ED}", "patterns"),
        (f"relay.example,!relay2.example {ED}", "patterns"),
        (f"rela?.example {ED}", "patterns"),
        (f"relay.example {DSA}", "ssh-dss"),
        (f"relay.example {WEAK}", "too weak"),
        ("relay.example ssh-ed25519 AAAA!", "base64"),
        ("relay.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "base64"),
        (f"relay.example ssh-rsa {ED.split()[1]}", "not of type"),
        ("relay.example", "no name"),
    ],
)
def test_what_would_widen_or_weaken_a_pin_is_refused_and_never_ignored(line: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        load(f"relay.example {ED}", line)


def test_all_bad_lines_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(f"@revoked relay.example {ED}", f"relay.example {DSA}", f"relay.example {ED}")

    assert [problem.path for problem in caught.value.problems] == ["host_keys line 1", "host_keys line 2"]


def test_no_pin_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no host key is pinned for relay\.example"):
        load(f"other.example {ED}")


def test_a_known_hosts_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"# of the receiver\nrelay.example {ED}\nother.example {RSA}\n")

    assert len(load_pins(file, host="relay.example", port=22)) == 1
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_pins(tmp_path / "missing", host="relay.example", port=22)
    file.write_text(f"{ED}\n")
    with pytest.raises(ConfigurationError):
        load_pins(file, host="relay.example", port=22)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    shown = subprocess.run([require("ssh-keygen"), "-l", "-f", str(key)], check=True, capture_output=True, text=True)

    (pin,) = load(public_part(key))

    assert pin.fingerprint == shown.stdout.split()[1]


def test_the_types_of_the_pins_are_asked_for_first_and_rsa_never_with_sha1() -> None:
    order = signature_order(load(RSA, ED))

    assert order[:3] == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
    assert "ssh-rsa" not in order
    assert len(order) == len(set(order)) == 6


@given(st.text(max_size=200))
def test_any_text_is_pins_or_a_configuration_error(line: str) -> None:
    with contextlib.suppress(ConfigurationError):
        load(line)
