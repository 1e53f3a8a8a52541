"""Private homes: closed to others, gone afterwards, and neither a frozen agent nor a dead process stays in the way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sealdrop.adapters.gnupg import GnupgSealer
from sealdrop.core.errors import ConfigurationError, NoSpace, SealFailed, StorageFailure
from support.openpgp import Party, make_party
from support.sealing import agents, assert_seals, is_running, party_key_set, runtime_folder, small_disk
from support.waiting import wait_until


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    return make_party(tmp_path_factory.mktemp("party"))


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder / "sealed"


def test_a_frozen_agent_costs_one_time_out_and_is_replaced(party: Party, content: Path, target: Path) -> None:
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 1, 2.5)
        (agent,) = agents(runtime)
        os.kill(agent, signal.SIGSTOP)
        with pytest.raises(SealFailed, match="in time"):
            sealer.seal(content, target)
        assert list(target.parent.iterdir()) == []
        assert not is_running(agent)
        assert_seals(sealer, party, content, target)
        sealer.close()
        assert agents(runtime) == []


def test_a_killed_agent_is_not_even_noticed(party: Party, content: Path, target: Path) -> None:
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 1)
        (agent,) = agents(runtime)
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda: not is_running(agent), what="the end of the agent")
        assert_seals(sealer, party, content, target)
        sealer.close()


def test_a_frozen_agent_is_ended_at_close(party: Party) -> None:
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 1)
        (agent,) = agents(runtime)
        os.kill(agent, signal.SIGSTOP)
        sealer.close()
        assert not is_running(agent)
        assert list(runtime.iterdir()) == []


_DYING = """
import os, signal, sys
from pathlib import Path
from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
signer, signer_key, recipient, public_key, runtime = sys.argv[1:]
keys = KeySet(name="dcc", environment="uit", signer=signer, signer_key=Path(signer_key),
              recipients=(Recipient(fingerprint=recipient, public_key=Path(public_key)),))
sealer = GnupgSealer(keys, Path(runtime), 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_dead_processs_agents_and_keys_are_removed_at_the_next_start(party: Party) -> None:
    with runtime_folder() as runtime:
        keys: list[str | Path] = [party.signer.fingerprint, party.signer.secret]
        keys += [party.recipient.fingerprint, party.recipient.public]
        died = subprocess.run([sys.executable, "-c", _DYING, *keys, runtime], check=False, timeout=60)
        assert died.returncode == -signal.SIGKILL
        left = agents(runtime)
        assert len(left) == 2, "the agents outlive their process"
        os.kill(left[0], signal.SIGSTOP)
        (stale,) = runtime.iterdir()
        sealer = GnupgSealer(party_key_set(party), runtime, 1)
        assert not stale.exists()
        assert not any(is_running(pid) for pid in left)
        sealer.close()


def test_nothing_else_in_the_runtime_folder_is_touched(party: Party) -> None:
    with runtime_folder() as runtime:
        for name in ("sockets", "s12345", "s1234567", "sABCDEF", "control"):
            (runtime / name).mkdir()
        before = sorted(runtime.iterdir())
        GnupgSealer(party_key_set(party), runtime, 1).close()
        assert sorted(runtime.iterdir()) == before


def test_a_runtime_folder_without_space_is_told_and_left_empty(party: Party) -> None:
    with runtime_folder() as runtime, contextlib.ExitStack() as stack:
        if os.geteuid() == 0:
            folder = stack.enter_context(small_disk(runtime / "disk"))
            stack.callback((folder / "other").unlink)
            (folder / "other").write_bytes(b"x" * (64 << 10))
            with pytest.raises(NoSpace):
                GnupgSealer(party_key_set(party), folder, 1)
            assert [path.name for path in folder.iterdir()] == ["other"]
        else:
            runtime.chmod(0o500)
            with pytest.raises(StorageFailure):
                GnupgSealer(party_key_set(party), runtime, 1)
            assert list(runtime.iterdir()) == []


def test_a_living_sealer_beside_us_keeps_its_homes(party: Party, content: Path, target: Path) -> None:
    with runtime_folder() as runtime:
        first = GnupgSealer(party_key_set(party), runtime, 1)
        second = GnupgSealer(party_key_set(party), runtime, 1)
        assert len(agents(runtime)) == 2
        second.close()
        assert_seals(first, party, content, target)
        first.close()


def test_homes_are_closed_to_everybody_else(party: Party) -> None:
    with runtime_folder() as runtime:
        sealer = GnupgSealer(party_key_set(party), runtime, 2)
        modes = {path.stat().st_mode & 0o077 for path in runtime.rglob("*")}
        names = {path.name for path in runtime.rglob("*")}
        sealer.close()
    assert modes == {0}
    assert not {"import", "probe", "probe.gpg"} & names


def test_a_runtime_path_too_long_for_a_socket_is_refused(party: Party, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    with pytest.raises(ConfigurationError, match="too long"):
        GnupgSealer(party_key_set(party), long, 1)
    assert not long.exists()


def test_the_longest_runtime_path_allowed_works(party: Party, content: Path, target: Path) -> None:
    with runtime_folder() as runtime:
        long = runtime / ("x" * (107 - len("/s123456/99/S.gpg-agent.browser") - len(str(runtime)) - 1))
        sealer = GnupgSealer(party_key_set(party), long, 1)
        assert_seals(sealer, party, content, target)
        sealer.close()
        with pytest.raises(ConfigurationError, match="too long"):
            GnupgSealer(party_key_set(party), long.with_name(long.name + "x"), 1)


def test_a_runtime_folder_that_others_may_write_is_refused(party: Party) -> None:
    with runtime_folder() as runtime:
        runtime.chmod(0o770)
        with pytest.raises(ConfigurationError, match="nobody else may write"):
            GnupgSealer(party_key_set(party), runtime, 1)


def test_a_link_as_runtime_folder_is_refused(party: Party) -> None:
    with runtime_folder() as runtime:
        (runtime / "real").mkdir(mode=0o700)
        (runtime / "link").symlink_to(runtime / "real")
        with pytest.raises(ConfigurationError, match="own user"):
            GnupgSealer(party_key_set(party), runtime / "link", 1)
