"""Sealing when gpg, its agent, the disk or the environment misbehave: an error, nothing left, and it works again."""

from __future__ import annotations

import itertools
import logging
import os
import re
import resource
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealdrop.adapters.gnupg import GnupgSealer
from sealdrop.core.errors import KeyUnusable, NoSpace, SealFailed, StorageFailure
from support.openpgp import Party, decrypt_gpg, make_party, make_recipient
from support.sealing import (
    FalseGpg,
    a_sealer,
    agents,
    assert_seals,
    is_running,
    key_set,
    party_key_set,
    runtime_folder,
    small_disk,
)
from support.waiting import wait_until

CONTENT = b"marker-of-the-payload " * 2000
PHRASE = "marker-of-the-passphrase-" + "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    return make_party(tmp_path_factory.mktemp("party"))


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder / "sealed"


@pytest.fixture
def false_gpg(tmp_path: Path) -> FalseGpg:
    return FalseGpg(tmp_path)


SIGNED = "SIG_CREATED S 22 10 00 1 {signer}"
EVERY_SIGN = [SIGNED, "BEGIN_ENCRYPTION 2 9", "END_ENCRYPTION"]


def prints(*lines: str) -> str:
    return "\n".join(f"echo '[GNUPG:] {line}' >&2" for line in lines)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("exit 0", "0 signatures", id="exits 0 in silence"),
        pytest.param(f"{prints(*EVERY_SIGN)}\nexit 0", "not a sealed message", id="says all and writes nothing"),
        pytest.param(f"{prints(*EVERY_SIGN)}\nexit 2", "exit code 2", id="says all and exits 2"),
        pytest.param(f"{prints(*EVERY_SIGN[:2])}\nexit 0", "did not finish", id="does not end"),
        pytest.param(f"{prints(*EVERY_SIGN[1:])}\nexit 0", "0 signatures", id="does not sign"),
        pytest.param("kill -SEGV $$", "signal 11", id="crashes"),
        pytest.param("head -c 100000 /dev/urandom >&2; exit 0", "signatures", id="says bytes that are no text"),
        pytest.param(
            f"printf 'gpg: \\302\\205{EVERY_SIGN[0]}\\n' >&2\n" + prints(*EVERY_SIGN[1:]) + "\nexit 0",
            "0 signatures",
            id="hides a status line behind another kind of line end",
        ),
        pytest.param("exec 0<&- 1>&- 2>&-; exit 0", "signatures", id="closes its pipes"),
        pytest.param("yes 'no status' | head -c 3000000 >&2; exit 1", "exit code 1", id="talks without end"),
    ],
)
def test_a_gpg_that_lies_or_crashes_seals_nothing(
    party: Party, content: Path, target: Path, false_gpg: FalseGpg, script: str, reason: str
) -> None:
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        false_gpg.arm(script.format(signer=party.signer.fingerprint))
        with pytest.raises(SealFailed, match=reason):
            sealer.seal(content, target)
        assert list(target.parent.iterdir()) == []
        false_gpg.disarm()
        assert_seals(sealer, party, content, target)


def test_an_empty_output_with_every_good_sign_is_no_sealed_file(
    party: Party, target: Path, tmp_path: Path, false_gpg: FalseGpg
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        false_gpg.arm(prints(*EVERY_SIGN).format(signer=party.signer.fingerprint) + "\nexit 0")
        with pytest.raises(SealFailed, match="cut"):
            sealer.seal(empty, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param('set -- "$@" --no-such-option', "exit code 2", id="an option nobody knows"),
        pytest.param("/usr/bin/gpg {swapped}; exit $?", "can be opened by the keys", id="another recipient"),
        pytest.param("/usr/bin/gpg {added}; exit $?", "can be opened by the keys", id="one recipient more"),
        pytest.param("/usr/bin/gpg {hidden}; exit $?", "anonymous recipient", id="a hidden recipient"),
        pytest.param("/usr/bin/gpg {armoured}; exit $?", "no binary|not a binary", id="armour"),
        pytest.param('/usr/bin/gpg "$@" && echo x >>{target}; exit 0', "bytes follow", id="a byte more"),
        pytest.param('/usr/bin/gpg "$@" && truncate -s -1 {target}; exit 0', "cut", id="a byte less"),
    ],
)
def test_what_came_out_is_checked_whatever_gpg_says(
    party: Party, content: Path, target: Path, tmp_path: Path, false_gpg: FalseGpg, change: str, reason: str
) -> None:
    other = make_recipient(tmp_path)
    own, extra = party.recipient.subkeys[0], other.subkeys[0]
    keyring = f"--import {other.public}"
    take = f'/usr/bin/gpg --homedir "$PWD" --batch {keyring} 2>/dev/null;'
    # The arguments that follow win or add; the file to seal stays the last one.
    words = {
        "swapped": f'$(echo "$@" | sed s/{own}/{extra}/)',
        "added": f'-r {extra} "$@"',
        "hidden": f'$(echo "$@" | sed "s/--recipient {own}/--hidden-recipient {own}/; s/--set-filename//")',
        "armoured": '$(echo "$@" | sed "s/--no-armor/--armor/; s/--set-filename//")',
        "target": str(target),
    }
    words["swapped"] = words["swapped"].replace("sed s", 'sed "s/--set-filename//;s').replace("/)", '/")')
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        false_gpg.arm(take + "\n" + change.format(**words))
        with pytest.raises(SealFailed, match=reason):
            sealer.seal(content, target)
    assert not target.exists()


def test_a_gpg_that_hangs_is_killed_with_all_it_started(
    party: Party, content: Path, target: Path, tmp_path: Path, false_gpg: FalseGpg
) -> None:
    child = tmp_path / "child"
    keys = key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)
    with a_sealer(keys, timeout_seconds=2.5) as sealer:
        false_gpg.arm(f"sleep 1000 & echo $! >{child}; wait")
        begun = time.monotonic()
        with pytest.raises(SealFailed, match="in time"):
            sealer.seal(content, target)
        assert time.monotonic() - begun < 10
        assert list(target.parent.iterdir()) == []
        pid = int(child.read_text())
        wait_until(lambda: not is_running(pid), what="the end of what gpg started")
        false_gpg.disarm()
        assert_seals(sealer, party, content, target)


def test_a_pipe_held_open_by_something_that_escaped_is_given_up(
    party: Party, content: Path, target: Path, tmp_path: Path, false_gpg: FalseGpg
) -> None:
    escaped = tmp_path / "escaped"
    keys = key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)
    with a_sealer(keys, timeout_seconds=2.5) as sealer:
        false_gpg.arm(f"setsid sh -c 'echo $$ >{escaped}.new; mv {escaped}.new {escaped}; exec sleep 1000' & wait")
        begun = time.monotonic()
        with pytest.raises(SealFailed, match="in time"):
            sealer.seal(content, target)
        assert time.monotonic() - begun < 20
        assert list(target.parent.iterdir()) == []
        false_gpg.disarm()
        assert_seals(sealer, party, content, target)
        os.kill(int(escaped.read_text()), signal.SIGKILL)
        wait_until(lambda: "gpg" not in [thread.name for thread in threading.enumerate()], what="the end of its thread")


def test_an_interrupt_leaves_neither_output_nor_child(
    party: Party, content: Path, target: Path, tmp_path: Path, false_gpg: FalseGpg
) -> None:
    child = tmp_path / "child"
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
            false_gpg.arm(f"echo $$ >{child}; echo partial >{target}; kill -INT $PPID; exec sleep 1000")
            with pytest.raises(KeyboardInterrupt):
                sealer.seal(content, target)
            assert not is_running(int(child.read_text()))
            assert list(target.parent.iterdir()) == []
            false_gpg.disarm()
            assert_seals(sealer, party, content, target)
    finally:
        signal.signal(signal.SIGINT, usual)


@pytest.mark.parametrize("filled", [0, 40 << 10])
def test_a_full_disk_is_no_success_and_leaves_nothing(party: Party, tmp_path: Path, filled: int) -> None:
    """The trap: gpg prints END_ENCRYPTION although it could not write, and python-gnupg calls that ok."""
    source = tmp_path / "content"
    source.write_bytes(os.urandom(100_000))
    with a_sealer(party_key_set(party)) as sealer:
        if os.geteuid() == 0:
            with small_disk(tmp_path / "disk") as disk:
                (disk / "other").write_bytes(b"x" * filled)
                with pytest.raises(NoSpace, match="No space left on device"):
                    sealer.seal(source, disk / "sealed")
                assert [path.name for path in disk.iterdir()] == ["other"]
        else:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000 - filled, before[1]))
            try:
                with pytest.raises(StorageFailure):
                    sealer.seal(source, tmp_path / "sealed")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert not (tmp_path / "sealed").exists()
        assert_seals(sealer, party, source, tmp_path / "sealed")


def test_a_limit_of_the_file_size_is_told(party: Party, content: Path, target: Path, false_gpg: FalseGpg) -> None:
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        false_gpg.arm("ulimit -f 16")
        with pytest.raises(StorageFailure, match="file size"):
            sealer.seal(content, target)
    assert list(target.parent.iterdir()) == []


def test_a_hostile_environment_reaches_neither_gpg_nor_agent(
    party: Party, content: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    evil.mkdir(mode=0o700)
    for name in ("gpg", "gpgconf", "gpg-agent", "pinentry"):
        (evil / name).write_text(f"#!/bin/sh\ntouch {evil}/was-run\nexit 0\n")
        (evil / name).chmod(0o755)
    (evil / "gpg.conf").write_text("armor\nthrow-keyids\nno-such-option\n")
    (evil / ".gnupg").symlink_to(evil)
    for name, value in {
        "GNUPGHOME": str(evil),
        "HOME": str(evil),
        "PATH": f"{evil}:{os.environ['PATH']}",
        "LD_PRELOAD": str(evil / "none.so"),
        "LANG": "de_DE.UTF-8",
        "LC_MESSAGES": "de_DE.UTF-8",
        "GPG_TTY": "/dev/tty",
        "DISPLAY": ":0",
        "DEBUG_IPC": "1",
        "GPG_AGENT_INFO": f"{evil}/socket:1:1",
    }.items():
        monkeypatch.setenv(name, value)
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 1)
        sealer.seal(content, target)
        (agent,) = agents(runtime)
        seen = Path(f"/proc/{agent}/environ").read_bytes().split(b"\0")
        sealer.close()
    monkeypatch.undo()
    assert decrypt_gpg(target, recipient=party.recipient, signer=party.signer).plaintext == CONTENT
    assert sorted(filter(None, seen)) == [b"LC_ALL=C", b"PATH=/usr/bin:/bin"]
    assert not (evil / "was-run").exists()
    assert sorted(path.name for path in evil.iterdir()) == [
        ".gnupg",
        "gpg",
        "gpg-agent",
        "gpg.conf",
        "gpgconf",
        "pinentry",
    ]


def test_a_configuration_of_the_whole_machine_changes_nothing_that_leaves(
    party: Party, content: Path, target: Path, tmp_path: Path, false_gpg: FalseGpg
) -> None:
    """gpg reads ``/etc/gnupg/gpg.conf`` in spite of ``--no-options``; ``--options`` stands in for it here."""
    hostile = tmp_path / "gpg.conf"
    hostile.write_text(
        "armor\nthrow-keyids\nencrypt-to 0123456789ABCDEF\ncompress-algo zlib\ncipher-algo 3DES\n"
        "digest-algo SHA1\nset-filename secret.csv\ngroup x=y\nno-batch\n"
    )
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        # The dot script's "set" puts the file's options before ours, where gpg's own reading of it would.
        words = " ".join(
            f"'--{line}'" if " " not in line else "'--{}' '{}'".format(*line.split(" ", 1))
            for line in hostile.read_text().splitlines()
        )
        false_gpg.arm(f'set -- {words} "$@"')
        assert_seals(sealer, party, content, target)
    assert target.stat().st_size > len(CONTENT)


def test_gpg_is_told_the_very_keys_to_use(party: Party, content: Path, target: Path, false_gpg: FalseGpg) -> None:
    """A key that is only its default may be passed over for another; a primary key lets gpg choose a subkey."""
    seen = target.with_name("seen")
    with a_sealer(key_set(party.signer, party.recipient, gpg_binary=false_gpg.path)) as sealer:
        false_gpg.arm(f'printf "%s\\n" "$@" >{seen}')
        sealer.seal(content, target)
    words = seen.read_text().splitlines()
    assert [after for word, after in itertools.pairwise(words) if word == "--local-user"] == [
        f"{party.signer.fingerprint}!"
    ]
    assert [after for word, after in itertools.pairwise(words) if word == "--recipient"] == [
        f"{party.recipient.subkeys[0]}!"
    ]
    assert words[-2:] == ["--", str(content)]


def test_no_secret_shows_in_arguments_environment_logs_or_errors(
    tmp_path: Path, target: Path, content: Path, false_gpg: FalseGpg, caplog: pytest.LogCaptureFixture
) -> None:
    party = make_party(tmp_path, passphrase=PHRASE)
    seen = tmp_path / "seen"
    false_gpg.path.write_text(
        f'#!/bin/sh\n{{ tr "\\0" "\\n" </proc/$$/cmdline; tr "\\0" "\\n" </proc/$$/environ; }} >>{seen}\n'
        'exec /usr/bin/gpg "$@"\n'
    )
    keys = key_set(party.signer, party.recipient, gpg_binary=false_gpg.path, passphrase_is_random=True)
    caplog.set_level(logging.DEBUG)
    with a_sealer(keys) as sealer:
        sealer.seal(content, target)
        told = [repr(sealer.keys(datetime.now(UTC))), repr(keys)]
        with pytest.raises(StorageFailure) as caught:
            sealer.seal(content, target)
        told += [str(caught.value), repr(caught.value)]
    party.signer.secret.with_suffix(".pass").write_text(PHRASE + "-wrong\n")
    with runtime_folder() as runtime, pytest.raises(KeyUnusable) as refused:
        GnupgSealer(keys, runtime, 1)
    told += [str(refused.value), repr(refused.value), repr(refused.value.__cause__)]
    everything = "\n".join([*told, seen.read_text(), caplog.text])
    assert "--passphrase-fd=0" in everything, "the recording works"
    assert "gpg returned a non-zero error code" in caplog.text, "the recording works"
    assert "marker-of" not in everything
    assert not re.search("PRIVATE KEY", everything)
    secret = party.signer.secret.read_bytes()
    assert repr(secret[:40])[2:-1] not in everything
