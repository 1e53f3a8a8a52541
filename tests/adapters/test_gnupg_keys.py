"""Key sets and their files: real keys that must not be used, wrong files, and secrets left open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
from sealdrop.adapters.gnupg.keyset import read_files
from sealdrop.core.errors import ConfigurationError, KeyUnusable
from support.openpgp import Key, Party, decrypt_sq, gpg, home, make_key, make_party, make_recipient
from support.sealing import a_sealer, key_set, party_key_set, runtime_folder

LONG_AGO = "20240101T000000"
MARKER = "never-tell-this-marker"


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    return make_party(tmp_path_factory.mktemp("party"))


@pytest.fixture
def runtime() -> Iterator[Path]:
    with runtime_folder() as path:
        yield path


def encryption(algorithm: str = "cv25519", expire: str = "never") -> list[tuple[str, str, str]]:
    return [(algorithm, "encr", expire)]


def expired(folder: Path) -> Key:
    return make_key(folder, "Old <o@x>", expire="1d", subkeys=encryption(), at=LONG_AGO)


def expired_subkey(folder: Path) -> Key:
    return make_key(folder, "Half <o@x>", subkeys=encryption(expire="1d"), at=LONG_AGO)


def revoked(folder: Path) -> Key:
    return make_key(folder, "Gone <o@x>", subkeys=encryption(), revoked=True)


def sign_only(folder: Path) -> Key:
    return make_key(folder, "Sign <o@x>")


def weak(folder: Path) -> Key:
    return make_key(folder, "Weak <o@x>", primary="rsa1024", subkeys=encryption("rsa1024"))


def weak_subkey(folder: Path) -> Key:
    return make_key(folder, "Weak <o@x>", subkeys=encryption("rsa1024"))


def elgamal(folder: Path) -> Key:
    return make_key(folder, "Elg <o@x>", primary="dsa1024", subkeys=encryption("elg1024"))


def sha1(folder: Path) -> Key:
    options = ["--cert-digest-algo", "SHA1"]
    return make_key(folder, "Sha <o@x>", primary="rsa2048", subkeys=encryption("rsa2048"), options=options)


def ambiguous(folder: Path) -> Key:
    return make_key(folder, "Two <o@x>", subkeys=encryption() + encryption(), at=LONG_AGO)


def of_tomorrow(folder: Path) -> Key:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return make_key(folder, "New <o@x>", subkeys=encryption(), at=tomorrow.strftime("%Y%m%dT%H%M%S"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (expired, "expired on 2024-01-02"),
        (expired_subkey, "cannot encrypt: its subkey [0-9A-F]{40} expired on 2024-01-02"),
        (revoked, "is revoked"),
        (sign_only, "cannot encrypt: it has no key for that"),
        (weak, "RSA with 1024 bits"),
        (weak_subkey, "its subkey [0-9A-F]{40} is RSA with 1024 bits"),
        (elgamal, "uses dsa1024"),
        (sha1, "held together by SHA-1 only"),
        (ambiguous, "is ambiguous"),
        (of_tomorrow, "not valid before"),
    ],
)
def test_a_recipient_that_must_not_be_used_stops_before_anything_is_claimed(
    party: Party, tmp_path: Path, make: Callable[[Path], Key], reason: str
) -> None:
    key = make(tmp_path)
    source, target = tmp_path / "content", tmp_path / "sealed"
    source.write_text("content")
    with a_sealer(key_set(party.signer, party.recipient, key)) as sealer:
        with pytest.raises(KeyUnusable, match=f"the recipient key {key.fingerprint} .*{reason}") as caught:
            sealer.check(datetime.now(UTC))
        with pytest.raises(KeyUnusable, match=reason):
            sealer.seal(source, target)
        problems = [info.problem is None for info in sealer.keys(datetime.now(UTC))]
    assert problems == [True, True, False]
    assert caught.value.where == "keys.dcc"
    assert caught.value.hint
    assert not target.exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (expired, "expired on 2024-01-02"),
        (lambda folder: make_key(folder, "Certify <o@x>", usage="cert"), "cannot sign: it has no key for that"),
        (revoked, "is revoked"),
    ],
)
def test_a_signer_that_must_not_be_used_stops_too(
    party: Party, tmp_path: Path, make: Callable[[Path], Key], reason: str
) -> None:
    key = make(tmp_path)
    with a_sealer(key_set(key, party.recipient)) as sealer, pytest.raises(KeyUnusable, match=reason):
        sealer.check(datetime.now(UTC))


def test_a_signing_key_that_expired_in_use_is_refused_although_another_could_sign(tmp_path: Path) -> None:
    """The trap: named as a default key only, gpg signs with whatever other secret key it has."""
    key = make_key(tmp_path, "Old <o@x>", expire="1d", subkeys=[("ed25519", "sign", "never")], at=LONG_AGO)
    with (
        a_sealer(key_set(key, make_recipient(tmp_path))) as sealer,
        pytest.raises(KeyUnusable, match="expired on 2024-01-02"),
    ):
        sealer.check(datetime.now(UTC))


def test_check_looks_ahead_without_running_gpg(party: Party, tmp_path: Path) -> None:
    key = make_key(tmp_path, "Soon <o@x>", expire="10d", subkeys=encryption())
    now = datetime.now(UTC)
    with a_sealer(key_set(party.signer, key)) as sealer:
        sealer.close()  # so that no gpg could run any more
        sealer.check(now)
        assert "expires within 14 days" in (sealer.keys(now)[1].warning or "")
        with pytest.raises(KeyUnusable, match="expired on"):
            sealer.check(now + timedelta(days=11))


def test_a_second_key_with_the_same_address_is_never_used(party: Party, tmp_path: Path) -> None:
    address = "Receiver <receiver@dcc.example>"
    ours, theirs = make_recipient(tmp_path, address), make_recipient(tmp_path, address)
    source, target = tmp_path / "content", tmp_path / "sealed"
    source.write_text("content")
    with a_sealer(key_set(party.signer, ours)) as sealer:
        sealer.seal(source, target)
    assert decrypt_sq(target, recipient=ours, signer=party.signer).plaintext == b"content"
    with home() as own:
        gpg(own, "--import", str(theirs.secret))
        assert gpg(own, "--decrypt", str(target), check=False).returncode != 0


def refusal(keys: KeySet, runtime: Path) -> str:
    """Return what the constructor says of a key set, having checked that nothing of it is left."""
    with pytest.raises(ConfigurationError) as caught:
        GnupgSealer(keys, runtime, 1)
    assert list(runtime.iterdir()) == []
    assert all(problem.path.startswith("keys.dcc.") and problem.hint for problem in caught.value.problems)
    assert MARKER not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda full: full[-16:], id="a long key id"),
        pytest.param(lambda full: full[-8:], id="a short key id"),
        pytest.param(lambda full: full[:39], id="39 digits"),
        pytest.param(str.lower, id="lower case"),
        pytest.param(lambda full: " ".join(full[at : at + 4] for at in range(0, 40, 4)), id="spaces"),
        pytest.param(lambda full: "0x" + full, id="a prefix"),
        pytest.param(lambda full: full + "\n", id="a line end"),
        pytest.param(lambda _: "receiver@dcc.example", id="a mail address"),
        pytest.param(lambda _: "", id="nothing"),
    ],
)
def test_only_full_fingerprints_are_taken(party: Party, runtime: Path, change: Callable[[str], str]) -> None:
    recipient = Recipient(fingerprint=change(party.recipient.fingerprint), public_key=party.recipient.public)
    assert "full fingerprint" in refusal(key_set(party.signer, recipients=(recipient,)), runtime)
    keys = replace(party_key_set(party), signer=change(party.signer.fingerprint))
    assert "full fingerprint" in refusal(keys, runtime)


def test_every_problem_is_told_at_once(party: Party, runtime: Path, tmp_path: Path) -> None:
    recipient = Recipient(fingerprint="short", public_key=tmp_path / "missing")
    keys = key_set(party.signer, recipients=(recipient,), passphrase=tmp_path / "gone", gpg_binary=Path("gpg"))
    text = refusal(keys, runtime)
    for part in ("recipients.0: 'short'", "missing cannot be read", "gone cannot be read", "no absolute path"):
        assert part in text


def test_without_a_recipient_or_with_one_twice_nothing_starts(party: Party, runtime: Path) -> None:
    assert "no recipient" in refusal(key_set(party.signer), runtime)
    assert "named twice" in refusal(key_set(party.signer, party.recipient, party.recipient), runtime)


def test_a_file_with_another_key_is_refused_naming_both(party: Party, runtime: Path, tmp_path: Path) -> None:
    other = make_recipient(tmp_path)
    recipient = Recipient(fingerprint=party.recipient.fingerprint, public_key=other.public)
    text = refusal(key_set(party.signer, recipients=(recipient,)), runtime)
    assert other.fingerprint in text
    assert party.recipient.fingerprint in text


def test_a_file_with_a_further_key_is_refused(party: Party, runtime: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.write_bytes(party.recipient.public.read_bytes() + make_recipient(tmp_path).public.read_bytes())
    recipient = Recipient(fingerprint=party.recipient.fingerprint, public_key=both)
    assert " and " in refusal(key_set(party.signer, recipients=(recipient,)), runtime)


def test_a_recipients_secret_key_is_refused(party: Party, runtime: Path) -> None:
    recipient = Recipient(fingerprint=party.recipient.fingerprint, public_key=party.recipient.secret)
    assert "SECRET" in refusal(key_set(party.signer, recipients=(recipient,)), runtime)


def test_a_signers_file_without_its_secret_is_refused(party: Party, runtime: Path) -> None:
    party.signer.public.chmod(0o600)
    keys = key_set(party.signer, party.recipient, signer_key=party.signer.public)
    assert "holds no secret key" in refusal(keys, runtime)


@pytest.mark.parametrize("data", [b"no key", b"\x99\x00", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"])
def test_a_file_that_holds_no_key_is_refused(party: Party, runtime: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    recipient = Recipient(fingerprint=party.recipient.fingerprint, public_key=path)
    assert "holds no key that gpg can import" in refusal(key_set(party.signer, recipients=(recipient,)), runtime)


def protected(path: Path) -> Path:
    path.chmod(0o600)
    return path


def as_link(path: Path) -> Path:
    link = path.with_suffix(".link")
    link.symlink_to(protected(path))
    return link


def as_fifo(path: Path) -> Path:
    fifo = path.with_suffix(".fifo")
    os.mkfifo(fifo, 0o600)
    return fifo


def with_mode(mode: int) -> Callable[[Path], Path]:
    def change(path: Path) -> Path:
        path.chmod(mode)
        return path

    return change


def holding(data: bytes) -> Callable[[Path], Path]:
    def change(path: Path) -> Path:
        path.write_bytes(data)
        return protected(path)

    return change


EXPOSED = [
    pytest.param(as_link, "symbolic link", id="a link"),
    pytest.param(as_fifo, "no regular file", id="a FIFO"),
    pytest.param(lambda path: path.parent, "no regular file", id="a folder"),
    pytest.param(lambda path: path.with_suffix(".gone"), "cannot be read", id="a missing file"),
    pytest.param(with_mode(0o644), "open to others", id="a file for everybody"),
    pytest.param(with_mode(0o620), "open to others", id="a file that the group may write"),
    pytest.param(with_mode(0o604), "open to others", id="a file that others may read"),
    pytest.param(holding(b""), "is empty", id="an empty file"),
]


@pytest.mark.parametrize(("change", "reason"), EXPOSED)
@pytest.mark.parametrize("setting", ["passphrase", "signer_key"])
def test_a_secret_in_a_bad_place_is_refused(
    party: Party, runtime: Path, tmp_path: Path, setting: str, change: Callable[[Path], Path], reason: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(MARKER + "\n")
    text = refusal(key_set(party.signer, party.recipient, **{setting: change(path)}), runtime)
    assert reason in text
    assert f"keys.dcc.{setting}" in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\n", "empty line"),
        (b"\r\n", "empty line"),
        (f"{MARKER}\nmore\n".encode(), "more than one line"),
        (f"{MARKER}\n\n".encode(), "more than one line"),
        (f"{MARKER}\r".encode(), "more than one line"),
        (f"{MARKER}\0".encode(), "more than one line"),
        (b"x" * 256, "longer than 255 bytes"),
        (b"x" * 300, "longer than"),
    ],
)
def test_a_passphrase_that_is_not_one_line_is_refused(
    party: Party, runtime: Path, tmp_path: Path, data: bytes, reason: str
) -> None:
    keys = key_set(party.signer, party.recipient, passphrase=holding(data)(tmp_path / "secret"))
    assert reason in refusal(keys, runtime)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_end_is_no_part_of_the_passphrase_and_every_byte_else_is(tmp_path: Path, end: bytes) -> None:
    phrase = " pä€ss: "
    party = make_party(tmp_path, passphrase=phrase)
    keys = key_set(party.signer, party.recipient, passphrase_is_random=True)
    assert keys.passphrase is not None
    keys.passphrase.write_bytes(phrase.encode() + end)
    with a_sealer(keys) as sealer:
        sealer.check(datetime.now(UTC))


def test_a_credential_of_the_service_manager_is_taken(party: Party, tmp_path: Path) -> None:
    """An access list shows its mask as the group's bits; the group of such a file is root's."""
    credential = tmp_path / "credential"
    credential.write_bytes(party.signer.secret.read_bytes())
    credential.chmod(0o440 if os.geteuid() == 0 else 0o400)
    with a_sealer(key_set(party.signer, party.recipient, signer_key=credential)) as sealer:
        sealer.check(datetime.now(UTC))


def test_public_key_files_may_be_armoured_links_and_open(party: Party, tmp_path: Path) -> None:
    with home() as own:
        gpg(own, "--import", str(party.recipient.public))
        armoured = gpg(own, "--armor", "--export").stdout
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(armoured)
    file.chmod(0o644)
    link.symlink_to(file)
    recipient = Recipient(fingerprint=party.recipient.fingerprint, public_key=link)
    with a_sealer(key_set(party.signer, recipients=(recipient,))) as sealer:
        sealer.check(datetime.now(UTC))


def test_nothing_of_a_secret_shows_in_the_values_themselves(tmp_path: Path) -> None:
    party = make_party(tmp_path, passphrase=MARKER)
    files, problems = read_files(key_set(party.signer, party.recipient))
    assert not problems
    assert files.passphrase == MARKER
    assert MARKER not in f"{files!r} {files}"
    assert "data" not in repr(files)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "no GnuPG"),
        ("echo cfg:version:2.1.23", "no GnuPG of version 2.2"),
        ("echo cfg:version:1.4.23", "no GnuPG of version 2.2"),
        ("exit 3", "cannot be run"),
    ],
)
def test_a_program_that_is_no_recent_gpg_is_refused(
    party: Party, runtime: Path, tmp_path: Path, script: str, reason: str
) -> None:
    program = tmp_path / "gpg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert reason in refusal(key_set(party.signer, party.recipient, gpg_binary=program), runtime)


def test_a_missing_gpg_is_refused(party: Party, runtime: Path, tmp_path: Path) -> None:
    text = refusal(key_set(party.signer, party.recipient, gpg_binary=tmp_path / "gpg"), runtime)
    assert "cannot be run" in text


def test_a_usual_key_set_is_fine(party: Party) -> None:
    with a_sealer(party_key_set(party)) as sealer:
        infos = sealer.keys(datetime.now(UTC))
    assert [info.use for info in infos] == ["signer", "recipient"]
    assert [info.problem for info in infos] == [None, None]
    assert {info.name for info in infos} == {"dcc"}
