"""Sealing with real gpg: what comes out, who can open it, and what a seal leaves behind."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealdrop.adapters.gnupg import GnupgSealer
from sealdrop.core.errors import ConfigurationError, KeyUnusable, SealFailed, StorageFailure
from sealdrop.ports.sealing import Sealer
from support.openpgp import Party, decrypt_gpg, decrypt_sq, gpg, home, make_key, make_party, make_recipient
from support.sealing import a_sealer, key_set, party_key_set, runtime_folder

PHRASE = "correct horse"
CONTENT = b"GASU,00-11-22\r\n" * 700


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    return make_party(tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def sealer(party: Party) -> Iterator[GnupgSealer]:
    with a_sealer(party_key_set(party), homes=2) as ready:
        yield ready


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


def test_the_receiver_opens_it_and_finds_our_signature(
    sealer: GnupgSealer, party: Party, content: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sealed"
    result = sealer.seal(content, target)
    for opened in (
        decrypt_gpg(target, recipient=party.recipient, signer=party.signer),
        decrypt_sq(target, recipient=party.recipient, signer=party.signer),
    ):
        assert opened.plaintext == CONTENT
        assert opened.signer == party.signer.fingerprint
    data = target.read_bytes()
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert result.size == len(data)
    assert result.recipients == (party.recipient.fingerprint,)
    assert result.signer == party.signer.fingerprint
    assert result.engine.startswith("gpg 2.")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_it_is_a_sealer(sealer: GnupgSealer) -> None:
    port: Sealer = sealer
    assert port.keys(datetime.now(UTC))


def test_it_is_binary_uncompressed_by_aes_and_names_nothing_of_our_spool(
    sealer: GnupgSealer, party: Party, content: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sealed"
    sealer.seal(content, target)
    assert not target.read_bytes().isascii()
    assert 0 < target.stat().st_size - len(CONTENT) < 600
    with home() as own:
        gpg(own, "--import", str(party.recipient.secret))
        listed = gpg(own, "-v", "--list-packets", str(target))
    said = (listed.stdout + listed.stderr).decode()
    assert ":compressed packet" not in said
    assert 'name=""' in said
    assert "AES256" in said
    assert "digest algo 10" in said
    assert "mdc_method: 2" in said


@pytest.mark.parametrize("size", [0, 1, 41, 8192, 1_000_003])
def test_any_size_arrives_as_it_was(sealer: GnupgSealer, party: Party, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "-content with spaces and ünïcödé", tmp_path / "sealed"
    source.write_bytes(os.urandom(size))
    sealer.seal(source, target)
    opened = decrypt_gpg(target, recipient=party.recipient, signer=party.signer)
    assert opened.plaintext == source.read_bytes()


def test_old_and_new_recipient_can_both_open_it_during_a_rotation(party: Party, content: Path, tmp_path: Path) -> None:
    new = make_recipient(tmp_path)
    target = tmp_path / "sealed"
    with a_sealer(key_set(party.signer, party.recipient, new)) as sealer:
        result = sealer.seal(content, target)
    assert result.recipients == tuple(sorted([party.recipient.fingerprint, new.fingerprint]))
    for recipient in (party.recipient, new):
        assert decrypt_sq(target, recipient=recipient, signer=party.signer).plaintext == CONTENT


def test_the_signer_may_be_a_recipient_too(content: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path, "Both <both@party.example>", subkeys=[("cv25519", "encr", "never")])
    target = tmp_path / "sealed"
    with a_sealer(key_set(key, key)) as sealer:
        sealer.seal(content, target)
    assert decrypt_sq(target, recipient=key, signer=key).plaintext == CONTENT


@pytest.mark.parametrize("algorithm", ["rsa3072", "nistp256"])
def test_other_strong_algorithms_do_as_well(content: Path, tmp_path: Path, algorithm: str) -> None:
    encryption = [(algorithm, "encr", "never")]
    key = make_key(tmp_path, "Any <any@party.example>", primary=algorithm, subkeys=encryption)
    target = tmp_path / "sealed"
    with a_sealer(key_set(key, key)) as sealer:
        assert all(info.warning is None for info in sealer.keys(datetime.now(UTC)))
        sealer.seal(content, target)
    assert decrypt_sq(target, recipient=key, signer=key).plaintext == CONTENT


def test_a_signing_subkey_is_used_before_its_primary_key(content: Path, party: Party, tmp_path: Path) -> None:
    signer = make_key(tmp_path, "Sub <sub@party.example>", subkeys=[("ed25519", "sign", "never")])
    target = tmp_path / "sealed"
    with a_sealer(key_set(signer, party.recipient)) as sealer:
        result = sealer.seal(content, target)
    assert result.signer == signer.subkeys[0]
    assert decrypt_gpg(target, recipient=party.recipient, signer=signer).signer == signer.fingerprint


def test_the_newest_encryption_subkey_is_used_and_said(party: Party, content: Path, tmp_path: Path) -> None:
    old = make_key(
        tmp_path, "Old <old@dcc.example>", usage="cert", subkeys=[("cv25519", "encr", "never")], at="20240101T000000"
    )
    with home() as own:
        gpg(own, "--import", str(old.secret))
        gpg(own, "--passphrase", "", "--quick-add-key", old.fingerprint, "cv25519", "encr", "never")
        old.public.write_bytes(gpg(own, "--export", old.fingerprint).stdout)
        old.secret.write_bytes(gpg(own, "--export-secret-keys", old.fingerprint).stdout)
    target = tmp_path / "sealed"
    with a_sealer(key_set(party.signer, old)) as sealer:
        recipient = sealer.keys(datetime.now(UTC))[1]
        sealer.seal(content, target)
    newest, oldest = recipient.subkeys
    assert oldest == old.subkeys[0]
    assert f"the newest, {newest}, is used" in (recipient.warning or "")
    assert bytes.fromhex(newest[-16:]) in target.read_bytes()[:200]
    assert decrypt_sq(target, recipient=old, signer=party.signer).plaintext == CONTENT


def test_many_threads_seal_at_a_time(sealer: GnupgSealer, party: Party, tmp_path: Path) -> None:
    sources = [tmp_path / f"content{number}" for number in range(16)]
    for number, source in enumerate(sources):
        source.write_bytes(f"file {number}".encode() * 1000)
    targets = [source.with_suffix(".sealed") for source in sources]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(sealer.seal, sources, targets))
    assert len({result.sha256 for result in results}) == len(sources)
    for source, target, result in zip(sources, targets, results, strict=True):
        assert hashlib.sha256(target.read_bytes()).hexdigest() == result.sha256
        opened = decrypt_sq(target, recipient=party.recipient, signer=party.signer)
        assert opened.plaintext == source.read_bytes()


def test_a_target_that_exists_is_not_touched(sealer: GnupgSealer, content: Path, tmp_path: Path) -> None:
    target = tmp_path / "sealed"
    target.write_bytes(b"somebody else's")
    with pytest.raises(StorageFailure):
        sealer.seal(content, target)
    assert target.read_bytes() == b"somebody else's"


def test_a_link_at_the_target_is_not_followed(sealer: GnupgSealer, content: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "sealed", tmp_path / "elsewhere"
    target.symlink_to(elsewhere)
    with pytest.raises(StorageFailure):
        sealer.seal(content, target)
    assert not elsewhere.exists()


def test_a_missing_source_is_told_and_leaves_nothing(sealer: GnupgSealer, tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match="content"):
        sealer.seal(tmp_path / "content", tmp_path / "sealed")
    assert list(tmp_path.iterdir()) == []


def test_after_close_nothing_is_sealed_and_nothing_is_left(party: Party, content: Path, tmp_path: Path) -> None:
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 2)
        assert list(runtime.iterdir())
        sealer.close()
        sealer.close()
        assert list(runtime.iterdir()) == []
        with pytest.raises(SealFailed, match="closed"):
            sealer.seal(content, tmp_path / "sealed")
        assert not (tmp_path / "sealed").exists()


def test_a_protected_key_signs_with_its_passphrase(content: Path, tmp_path: Path) -> None:
    party = make_party(tmp_path, passphrase=PHRASE)
    target = tmp_path / "sealed"
    with a_sealer(key_set(party.signer, party.recipient)) as sealer:
        signer, _ = sealer.keys(datetime.now(UTC))
        sealer.seal(content, target)
    assert "ms for a signature" in (signer.warning or "")
    assert decrypt_sq(target, recipient=party.recipient, signer=party.signer).plaintext == CONTENT


def test_a_random_passphrase_may_be_stretched_less_and_then_costs_no_time(content: Path, tmp_path: Path) -> None:
    party = make_party(tmp_path, passphrase=os.urandom(16).hex())
    with a_sealer(key_set(party.signer, party.recipient, passphrase_is_random=True)) as sealer:
        sealer.seal(content, tmp_path / "sealed")
        assert sealer.keys(datetime.now(UTC))[0].warning is None


def test_a_wrong_passphrase_shows_before_anything_is_claimed(tmp_path: Path) -> None:
    party = make_party(tmp_path, passphrase=PHRASE)
    keys = key_set(party.signer, party.recipient)
    party.signer.secret.with_suffix(".pass").write_text("wrong-marker\n")
    with runtime_folder() as runtime:
        with pytest.raises(KeyUnusable, match="does not unlock") as caught:
            GnupgSealer(keys, runtime, 1)
        assert list(runtime.iterdir()) == []
    assert "wrong-marker" not in str(caught.value)


def test_a_missing_passphrase_is_an_error_and_never_a_question(tmp_path: Path) -> None:
    party = make_party(tmp_path, passphrase=PHRASE)
    with runtime_folder() as runtime, pytest.raises(KeyUnusable, match="no passphrase is configured"):
        GnupgSealer(key_set(party.signer, party.recipient, passphrase=None), runtime, 1, 10)


@pytest.mark.parametrize("homes", [0, 65])
def test_the_number_of_homes_is_bounded(party: Party, homes: int) -> None:
    with runtime_folder() as runtime, pytest.raises(ConfigurationError, match="between 1 and 64"):
        GnupgSealer(party_key_set(party), runtime, homes)


_STREAMING = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
signer, signer_key, recipient, public_key, runtime, source, target = sys.argv[2:]
keys = KeySet(name="dcc", environment="uit", signer=signer, signer_key=Path(signer_key),
              recipients=(Recipient(fingerprint=recipient, public_key=Path(public_key)),))
sealer = GnupgSealer(keys, Path(runtime), 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sealer.seal(Path(source), Path(target)).size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sealer.close()
"""


def test_a_large_file_streams_through_little_memory(party: Party, tmp_path: Path) -> None:
    source = tmp_path / "content"
    size = 50 << 20
    with source.open("wb") as file:
        file.truncate(size)
    with runtime_folder() as runtime:
        words: list[str | Path] = [
            party.signer.fingerprint,
            party.signer.secret,
            party.recipient.fingerprint,
            party.recipient.public,
        ]
        command = [sys.executable, "-c", _STREAMING, Path(__file__).parents[1], *words, runtime, source]
        done = subprocess.run([*command, tmp_path / "sealed"], check=True, capture_output=True, timeout=60)
    sealed, grown, child = map(int, done.stdout.split())
    assert sealed > size
    assert grown < 8 << 10, "KiB of our own"
    assert child < 40 << 10, "KiB of gpg"
