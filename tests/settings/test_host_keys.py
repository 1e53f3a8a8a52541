"""Pins: exactly the keys a current server can prove, and a mistake found before anything connects."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sealdrop.settings.host_keys import HostKey
from support.configurations import HOST_KEY

PIN: TypeAdapter[str] = TypeAdapter(HostKey)


def packed(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(field).to_bytes(4) + field for field in fields)).decode()


def rsa(bits: int) -> str:
    modulus = (1 << (bits - 1)) | 1
    return "ssh-rsa " + packed(b"ssh-rsa", b"\1\0\1", b"\0" + modulus.to_bytes(bits // 8))


def ecdsa(curve: str, size: int) -> str:
    kind = f"ecdsa-sha2-{curve}"
    return f"{kind} " + packed(kind.encode(), curve.encode(), b"\4" + bytes(size - 1))


def refusal(line: str) -> str:
    with pytest.raises(ValidationError) as caught:
        PIN.validate_python(line)
    return str(caught.value.errors()[0]["ctx"]["what"])


@pytest.mark.parametrize(
    "line",
    [HOST_KEY, rsa(2048), rsa(4096), ecdsa("nistp256", 65), ecdsa("nistp384", 97), ecdsa("nistp521", 133)],
    ids=["Ed25519", "RSA 2048", "RSA 4096", "P-256", "P-384", "P-521"],
)
def test_a_key_of_a_current_server_is_taken_without_its_comment(line: str) -> None:
    assert PIN.validate_python(f"  {line}\troot@relay, made 2026 ") == line


BAD: dict[str, tuple[str, str]] = {
    "nothing": ("", "is not a host key of a type we accept"),
    "a type alone": ("ssh-ed25519", "is not a complete host key"),
    "a key cut in the middle": (HOST_KEY[:40], "is not a complete host key"),
    "a key with a wrong character": (HOST_KEY.replace("AAAAC3", "AAAA*3"), "is not a complete host key"),
    "a key cut at its end": ("ssh-ed25519 " + packed(b"ssh-ed25519", bytes(31)), "is not a complete ssh-ed25519 key"),
    "a key with more than it has": (
        "ssh-ed25519 " + packed(b"ssh-ed25519", bytes(32), b"x"),
        "is not a complete ssh-ed25519 key",
    ),
    "an ECDSA point that is compressed": (
        "ecdsa-sha2-nistp256 " + packed(b"ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(64)),
        "is not a complete ecdsa-sha2-nistp256 key",
    ),
    "an ECDSA key of another curve": (
        "ecdsa-sha2-nistp256 " + packed(b"ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(64)),
        "is not a complete ecdsa-sha2-nistp256 key",
    ),
    "a key of another type": (
        "ssh-ed25519 " + rsa(2048).split()[1],
        "says ssh-ed25519 but holds a key of another type",
    ),
    "a short RSA key": (rsa(1024), "is an RSA key of 1024 bits"),
    "a DSA key": ("ssh-dss AAAAB3NzaC1kc3M=", "is not a host key of a type we accept"),
    "a fingerprint": ("SHA256:jU7vNJEJ0mG2O0", "is the fingerprint of a host key, not the key"),
    "a line of known_hosts": (f"relay.example {HOST_KEY}", "begins with a host name"),
    "a certificate authority": (f"@cert-authority *.example {HOST_KEY}", "has a known_hosts marker"),
    "a private key": ("-----BEGIN OPENSSH PRIVATE KEY-----", "is not a host key of a type we accept"),
}


@pytest.mark.parametrize(("line", "what"), BAD.values(), ids=BAD.keys())
def test_what_cannot_match_a_key_is_refused(line: str, what: str) -> None:
    assert what in refusal(line)


@given(line=st.text() | st.binary().map(lambda data: "ssh-ed25519 " + base64.b64encode(data).decode()))
def test_any_text_is_a_pin_or_is_refused(line: str) -> None:
    with contextlib.suppress(ValidationError):
        assert len(PIN.validate_python(line).split()) == 2


@given(place=st.integers(min_value=12, max_value=len(HOST_KEY) - 1))
def test_no_pin_survives_the_loss_of_a_character(place: int) -> None:
    assert "is not a complete" in refusal(HOST_KEY[:place] + HOST_KEY[place + 1 :])
