"""The story of the demonstration, told while it happens.

A far end, keys and a configuration are made in a temporary folder; the installed command runs as the agent; a producer
drops three files and reads the answers from its results folder; a delivered file is fetched back over SFTP, opened
with gpg as the recipient would, and compared with what was dropped. Every step is checked: the demonstration fails
when any of them does not hold.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from sealdrop import settings as config
from sealdrop.core.errors import PermanentFailure, TemporaryFailure
from sealdrop.demo.far_end import HOST, FarEnd, far_end
from sealdrop.demo.files import ADT, BAD_ADT, EXIT_QUARANTINE, OWN
from sealdrop.demo.keys import DemoKey, make_key, open_sealed

PATIENCE_SECONDS = 60.0
DROPS = (
    ("adt", "ADT_2026-11.csv", ADT, "sent"),
    ("exit-quarantine", "EQ_40712.csv", EXIT_QUARANTINE, "sent"),
    ("adt", "ADT_typed_by_hand.csv", BAD_ADT, "failed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the story plays: the folder, the far end, the keys, the configuration."""

    folder: Path
    far: FarEnd
    signer: DemoKey
    recipient: DemoKey
    config: Path

    @property
    def root(self) -> Path:
        """The instance's one writable tree."""
        return self.folder / "root"


def tell(say: Callable[[str], None]) -> None:
    """Run the demonstration.

    Args:
        say: prints one line.

    Raises:
        SealdropError: a step did not do what it should.
    """
    if shutil.which("gpg") is None:
        raise PermanentFailure("gpg is not installed", where="demo", hint="Install Debian's gnupg")
    folder = Path(tempfile.mkdtemp(prefix="sd-"))  # short: sockets live below it
    try:
        with far_end(folder) as far:
            stage = _set_up(folder, far, say)
            with _agent(stage, say):
                results = _drop_all(stage, say)
                _look(stage, results, say)
            _compare(stage, results, say)
            _last_words(stage, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(folder: Path, far: FarEnd, say: Callable[[str], None]) -> Stage:
    say(f"A far end: {far.software} on {HOST}:{far.port}, its host key pinned.")
    signer = make_key(folder, "supplier", "cert,sign", encryption=False)
    recipient = make_key(folder, "dcc", "cert", encryption=True)
    say(f"Keys: signed by {signer.fingerprint},")
    say(f"      readable by {recipient.fingerprint} alone.")
    facts = config.Facts(
        environment="uit-demo",
        root=folder / "root",
        runtime=folder / "run",
        signer=signer.fingerprint,
        signer_key=signer.secret,
        recipients=((recipient.fingerprint, recipient.public),),
        far_end=config.SftpFacts(
            host=HOST,
            port=far.port,
            user=far.user,
            host_keys=(far.host_key,),
            private_key=far.user_key,
            folder=str(far.inbox),
        ),
        protocol="rename",
    )
    text = config.smallest(facts)
    path = folder / "sealdrop.toml"
    path.write_text(text)
    say(f"A configuration of {len(text.splitlines())} lines.")
    return Stage(folder=folder, far=far, signer=signer, recipient=recipient, config=path)


@contextmanager
def _agent(stage: Stage, say: Callable[[str], None]) -> Iterator[None]:
    log = stage.folder / "agent.log"
    say("")
    say("$ sealdrop run &")
    with log.open("wb") as stream, subprocess.Popen(_command(stage, "run"), stderr=stream) as agent:  # noqa: S603 - our own command
        try:
            _wait(lambda: _running(stage) or agent.poll() is not None, "the agent's start")
            if agent.poll() is not None:
                raise PermanentFailure(f"the agent ended: {log.read_text(errors='replace')}", where="demo")
            yield
            agent.send_signal(signal.SIGTERM)
            if agent.wait(timeout=PATIENCE_SECONDS) != 0:
                raise PermanentFailure(
                    f"the agent did not end cleanly: {log.read_text(errors='replace')}", where="demo"
                )
        finally:
            if agent.poll() is None:
                agent.kill()


def _drop_all(stage: Stage, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    for outbox, name, text, _ in DROPS:
        folder = stage.root / "outbox" / outbox
        (folder / f"{name}.part").write_text(text)  # the producer's side: write under another name, then rename in
        (folder / f"{name}.part").rename(folder / name)
        say(f"$ mv {name}.part {name}     # in outbox/{outbox}")
    results = {}
    for outbox, name, _, expected in DROPS:
        answers = stage.root / "results" / outbox
        _wait(lambda answers=answers, name=name: list(answers.glob(f"{name}.*[0-9a-z].json")), f"the answer for {name}")  # type: ignore[misc]
        found = next(answers.glob(f"{name}.*.json"))
        results[name] = json.loads(found.read_text())
        outcome = results[name]["outcome"]
        say(f"  results/{outbox}/{found.name}: {outcome}, {results[name]['filed']}")
        if outcome != expected:
            raise PermanentFailure(f"{name} is {outcome}, not {expected}: {results[name]['reason']}", where="demo")
    return results


def _look(stage: Stage, results: dict[str, dict[str, Any]], say: Callable[[str], None]) -> None:
    for arguments in (
        ("status",),
        ("list",),
        ("show", results[DROPS[0][1]]["submission"]),
    ):
        say("")
        say(f"$ sealdrop {' '.join(arguments)}")
        for line in _run(stage, *arguments).splitlines():
            say(line.rstrip())
    bad = DROPS[2][1]
    say("")
    say(f"$ cat {results[bad]['filed']}/report.txt")
    for line in (stage.root / results[bad]["filed"] / "report.txt").read_text().splitlines():
        say(line)


def _compare(stage: Stage, results: dict[str, dict[str, Any]], say: Callable[[str], None]) -> None:
    say("")
    for _, name, text, expected in DROPS:
        if expected != "sent":
            continue
        folder = stage.root / results[name]["filed"]
        receipt = json.loads((folder / "receipt.json").read_text())
        delivered = receipt["deliveries"][0]["receipt"]
        if delivered["proof"] != "digest":
            raise PermanentFailure(f"the proof of {name} is {delivered['proof']}, not digest", where="demo")
        fetched = _fetch(stage, delivered["remote_name"])
        opened = open_sealed(fetched, recipient=stage.recipient, signer=stage.signer)
        if opened != text.encode():
            raise PermanentFailure(f"{name} came back with other bytes", where="demo")
        say(f"{name}: fetched back over SFTP, opened with the recipient's key, signature good, equal to the original.")


def _fetch(stage: Stage, name: str) -> Path:
    """Fetch a file as a stranger would: with a client of another make, and the host key pinned."""
    kind, data = stage.far.host_key.split()
    target = stage.folder / "fetched.pgp"
    with paramiko.Transport((HOST, stage.far.port)) as transport:
        transport.connect(
            hostkey=paramiko.PKey.from_type_string(kind, base64.b64decode(data)),
            username=stage.far.user,
            pkey=paramiko.Ed25519Key.from_private_key_file(str(stage.far.user_key)),
        )
        client = paramiko.SFTPClient.from_transport(transport)
        if client is None:
            raise TemporaryFailure("the far end opens no SFTP session", where="demo")
        client.get(f"{stage.far.inbox}/{name}", str(target))
    return target


def _last_words(stage: Stage, say: Callable[[str], None]) -> None:
    say("")
    say("$ sealdrop ledger verify")
    for line in _run(stage, "ledger", "verify").splitlines():
        say(line.rstrip())
    say(f"All of it on real parts, for User ID {OWN}; nothing is left behind.")


def _command(stage: Stage, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sealdrop.cli.main", *arguments, "--config", str(stage.config)]


def _run(stage: Stage, *arguments: str) -> str:
    done = subprocess.run(_command(stage, *arguments), check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    if done.returncode != 0:
        raise PermanentFailure(f"`sealdrop {arguments[0]}` failed: {done.stderr.strip()}", where="demo")
    return done.stdout


def _running(stage: Stage) -> bool:
    done = subprocess.run(_command(stage, "status", "--json"), check=False, capture_output=True)  # noqa: S603 - our own command
    return done.returncode == 0


def _wait(until: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not until():
        if time.monotonic() > deadline:
            raise TemporaryFailure(f"{what} did not come within {PATIENCE_SECONDS:.0f} s", where="demo")
        time.sleep(0.05)
