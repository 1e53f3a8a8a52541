"""A whole installation for acceptance tests: real sshd, real GnuPG keys, the installed command as the agent.

    with House(short_tmp, changes={"kinds.adt.duplicates": "file"}) as house:
        house.start()
        house.drop("adt", "ADT_1.csv", adt_file())
        house.wait_filed(1)

Everything lives below one short folder. The agent runs as a process of its own and is stopped, killed or restarted as
an operator or a power cut would; what it did is read from outside: folders, results, the far end, the journal's lines,
`--json` answers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sealdrop import settings as config
from sealdrop.adapters.control import ControlClient
from sealdrop.core.lifecycle import TO_FILE
from support.command_line import sealdrop
from support.configurations import document
from support.openpgp import Opened, Party, decrypt_gpg, make_party
from support.sshd import Sshd
from support.supervisor import Supervisor
from support.waiting import wait_until

OWN = "90-B3-D5-1F-30-01-00-00"
START_SECONDS = 60.0
#: The command as it was installed beside the interpreter of the tests.
COMMAND = (str(Path(sys.executable).with_name("sealdrop")),)
#: Pauses that a test can wait for.
SHORT_PAUSES = {"routes.relay.retry.first_seconds": 0.2, "routes.relay.retry.max_seconds": 1.0}
#: Pauses that no test outlasts: what is deferred stays so until somebody asks.
LONG_PAUSES = {"routes.relay.retry.first_seconds": 3600, "routes.relay.retry.max_seconds": 3600}

TO_BE_FILED = frozenset(state.value for state in TO_FILE)

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def user_id(number: int) -> str:
    """Return a User ID, a different one for each number."""
    pairs = f"{0x90B3D51F30010000 + number:016X}"
    return "-".join(pairs[at : at + 2] for at in range(0, 16, 2))


def adt_file(user: str = OWN, warning: int = 800, quarantine: int = 1000) -> bytes:
    """Return a small ADT file that the shipped profile accepts."""
    header = "user_id,srv,warning_threshold,quarantine_threshold"
    return f"{header}\n{user},1.5,{warning},{quarantine}\n".encode()


def exit_quarantine_file(event: int = 40712, user: str = OWN, counter: int = 1000) -> bytes:
    """Return a small Exit Quarantine file that the shipped profile accepts."""
    header = "quarantine_event_ref,request_id,action"
    return f"{header}\n{event},{user}:90-B3-D5-1F-30-00-00-02:{counter},RELEASE\n".encode()


class House:
    """One instance of sealdrop with its far end.

    Args:
        folder: an existing folder with a short path.
        changes: values to set in the configuration, by dotted path, for example ``routes.relay.transports.0.port``.
        party: keys; made anew when None.
    """

    def __init__(
        self, folder: Path, *, changes: Mapping[str, object] | None = None, party: Party | None = None
    ) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.config = folder / "sealdrop.toml"
        self.log = folder / "agent.log"
        self.far = Sshd(folder / "far")
        self.party = party or make_party(folder)
        self.supervisor = Supervisor(folder / "notify")
        self.agent: subprocess.Popen[bytes] | None = None
        self._changes = dict(changes or {})

    def __enter__(self) -> Self:
        self.supervisor.__enter__()
        self.far.start()
        self.configure()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.terminate()  # not killed: it ends its gpg-agents
            try:
                self.agent.wait(30)
            except subprocess.TimeoutExpired:
                self.agent.kill()
                self.agent.wait()
        self.far.stop()
        self.supervisor.__exit__(kind, error, at)
        print(self.said()[-6000:])  # noqa: T201 - pytest shows it with a failure alone

    # -- configuration and the command ---------------------------------------------------------------------

    def configure(self, changes: Mapping[str, object] | None = None) -> None:
        """Write the smallest configuration for this house with all changes so far; it counts from the next start.

        Args:
            changes: more of them; one to None takes the key away.
        """
        passphrase = None
        if self.party.signer.passphrase:
            passphrase = self.folder / "passphrase"
            passphrase.touch(mode=0o600)
            passphrase.write_text(self.party.signer.passphrase)
        facts = config.Facts(
            environment="uit-test",
            root=self.root,
            runtime=self.folder / "run",
            signer=self.party.signer.fingerprint,
            signer_key=self.party.signer.secret,
            passphrase=passphrase,
            recipients=((self.party.recipient.fingerprint, self.party.recipient.public),),
            far_end=config.SftpFacts(
                host=self.far.host,
                port=self.far.port,
                user=self.far.user,
                host_keys=tuple(" ".join(pin.split()[1:]) for pin in self.far.pins),
                private_key=self.far.user_key,
                folder=str(self.far.inbox),
            ),
            protocol="rename",
        )
        self._changes |= changes or {}
        text = config.smallest(facts)
        if self._changes:
            values = tomllib.loads(text)
            for path, value in self._changes.items():
                _set(values, path.split("."), deepcopy(value))  # a later path may lead into it
            text = document(values)
        self.config.write_text(text)

    def run(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the installed command with this configuration."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "160"},  # a test runner may say otherwise
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def ask(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Return what a command answers with ``--json``; run in this process, to be quick."""
        return sealdrop(*arguments, "--json", "--config", self.config).json

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return what ``list`` says, by file name; of equal names the newest."""
        rows = self.ask("list", "--limit", "1000")["submissions"]
        return {row["file_name"]: row for row in reversed(rows)}

    # -- the agent -----------------------------------------------------------------------------------------

    def start(
        self, *, wait: bool = True, powerless: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the agent as a process.

        Args:
            wait: return when it says that it is ready.
            powerless: without root's powers, also when the tests have them.
            environment: variables beside those of the test.
        """
        ready = self.supervisor.heard("READY=1")
        with self.log.open("ab") as stream:
            self.agent = subprocess.Popen(
                [*(WITHOUT_POWERS if powerless else ()), *COMMAND, "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env={**os.environ, "NOTIFY_SOCKET": str(self.supervisor.path), **(environment or {})},
            )
        if wait:
            wait_until(lambda: self._is_ready(ready), START_SECONDS, what=lambda: f"the agent's start\n{self.said()}")

    def _is_ready(self, before: int) -> bool:
        assert self.agent is not None
        assert self.agent.poll() is None, f"the agent ended with {self.agent.returncode}:\n{self.said()}"
        return self.supervisor.heard("READY=1") > before

    def reload(self) -> None:
        """Tell the agent to read its configuration again; return when it says that it has."""
        assert self.agent is not None
        ready = self.supervisor.heard("READY=1")
        self.agent.send_signal(signal.SIGHUP)
        wait_until(lambda: self._is_ready(ready), START_SECONDS, what="the end of the reload")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the agent to stop and return its exit code."""
        assert self.agent is not None
        self.agent.send_signal(number)
        return self.agent.wait(timeout=60)

    def kill(self) -> None:
        """Kill the agent and everything it started, as a power cut would."""
        assert self.agent is not None
        os.killpg(self.agent.pid, signal.SIGKILL)
        self.agent.wait()

    def said(self) -> str:
        """Return what the agent wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self, **fields: str) -> list[dict[str, str]]:
        """Return the journal's lines that have these fields, each as its fields; ``said`` is the sentence."""
        found = []
        for line in self.said().splitlines():
            sentence, _, rest = line.partition(" | ")
            parsed = {name: _unquoted(value) for name, value in _FIELD.findall(rest)}
            if fields.items() <= parsed.items():
                found.append({**parsed, "said": sentence})
        return found

    def wait_line(self, *, count: int = 1, timeout: float = 60.0, **fields: str) -> dict[str, str]:
        """Return when the journal has ``count`` lines with these fields, and return the newest."""
        wait_until(lambda: len(self.lines(**fields)) >= count, timeout, what=lambda: f"{fields}\n{self.said()[-3000:]}")
        return self.lines(**fields)[-1]

    # -- the producer --------------------------------------------------------------------------------------

    def outbox(self, name: str = "adt") -> Path:
        """Return an outbox's folder, made as an installer would when the agent has not yet."""
        folder = self.root / "outbox" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop(self, outbox: str, name: str, data: bytes) -> None:
        """Drop a file by renaming it in."""
        part = self.outbox(outbox) / f"{name}.part"
        part.write_bytes(data)
        part.rename(part.with_name(name))

    # -- what came of it -----------------------------------------------------------------------------------

    def filed(self, to: str) -> dict[str, Path]:
        """Return the filed folders below ``sent`` or ``failed``, by their folder name."""
        return {path.name: path for path in (self.root / to).glob("*/*")}

    def filed_as(self, to: str, name: str) -> Path:
        """Return the one filed folder of a file name."""
        (found,) = [path for folder, path in self.filed(to).items() if folder.rpartition(".")[0] == name]
        return found

    def wait_filed(self, sent: int, failed: int = 0, *, timeout: float = 60.0) -> None:
        """Return when so many submissions are filed: their result is told and the ledger has it; an agent must run."""
        control = ControlClient(self.folder / "run" / "control.sock")  # whatever becomes of the configuration

        def booked() -> bool:
            answer: Any = control.call("list", limit=1000, open=True)
            return not any(row["state"] in TO_BE_FILED for row in answer["submissions"])

        def there() -> bool:
            moved = len(self.filed("sent")) >= sent and len(self.filed("failed")) >= failed and not self.open()
            return moved and booked()

        def how_things_are() -> str:
            answer: Any = control.call("list", limit=1000, open=True)
            left = [
                f"{row['file_name']} {row['state']} {row['held']}: {row['reason']}" for row in answer["submissions"]
            ]
            return "\n".join((f"{sent} sent and {failed} failed, but open are", *left, self.said()[-3000:]))

        wait_until(there, timeout, what=how_things_are)

    def open(self) -> list[Path]:
        """Return the work folders of submissions that are not filed yet."""
        return [path for path in (self.root / "work").glob("*/*") if path.is_dir()]

    def open_or_waiting(self) -> bool:
        """Tell whether anything is in an outbox or in work."""
        waiting = [path for path in (self.root / "outbox").glob("*/*") if path.is_file()]
        return bool(self.open() or waiting)

    def unsettled(self) -> list[str]:
        """Return what is neither filed nor held: outbox files and open submissions that will go on by themselves."""
        waiting = [path.name for path in (self.root / "outbox").glob("*/*") if path.is_file()]
        answer = self.ask("list", "--limit", "1000", "--open")
        held = {one["submission"] for one in answer["submissions"] if one["held"]}
        return waiting + [path.name for path in self.open() if path.name not in held]

    def results(self, outbox: str = "adt") -> list[dict[str, Any]]:
        """Return what the producer was told."""
        folder = self.root / "results" / outbox
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    def delivered(self) -> dict[str, Path]:
        """Return what is at the far end under final names."""
        return {path.name: path for path in self.far.inbox.iterdir() if not path.name.startswith(".")}

    def delivered_as(self, name: str) -> list[Path]:
        """Return what is at the far end of a file name as dropped, with the default names of outputs."""
        stem, _, suffix = name.rpartition(".")
        wanted = re.compile(rf"{re.escape(stem)}\.[0-9a-z]{{26}}\.{re.escape(suffix)}\.pgp")
        return [path for found, path in sorted(self.delivered().items()) if wanted.fullmatch(found)]

    def temporary(self) -> list[Path]:
        """Return what is at the far end under temporary names."""
        return [path for path in self.far.inbox.iterdir() if path.name.startswith(".")]

    def open_delivered(self, path: Path) -> Opened:
        """Open a delivered file as its recipient would, demanding a valid signature."""
        return decrypt_gpg(path, recipient=self.party.recipient, signer=self.party.signer)

    def assert_delivered_once(self, files: Mapping[str, bytes]) -> None:
        """Demand that each of these files, and nothing else, is at the far end once, equal and signed."""
        assert len(self.delivered()) == len(files), sorted(self.delivered())
        assert not self.temporary()
        for name, data in files.items():
            (path,) = self.delivered_as(name)
            assert self.open_delivered(path).plaintext == data, name


#: The user stays root, so that he reaches the interpreter and his own files, but may no longer do what others may not.
WITHOUT_POWERS = (
    ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all") if os.geteuid() == 0 else ()
)


def _set(values: Any, path: list[str], value: object) -> None:  # noqa: ANN401 - what TOML holds
    for step in path[:-1]:
        values = values[int(step)] if isinstance(values, list) else values.setdefault(step, {})
    if value is None:
        values.pop(path[-1], None)
    else:
        values[path[-1]] = value


def _unquoted(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value
