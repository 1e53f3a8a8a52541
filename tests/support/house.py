"""A whole installation for acceptance tests: real sshd, real GnuPG keys, the installed command as the agent.

    with House(short_tmp) as house:
        house.start()
        house.drop("adt", "ADT_1.csv", adt_file())
        house.wait_filed(1)

Everything lives below one short folder. The agent runs as a process of its own and is stopped, killed or restarted as
an operator or a power cut would; what it did is read from outside: folders, results, the far end, `--json` answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sealdrop import settings as config
from support.openpgp import Opened, Party, decrypt_gpg, make_party
from support.sshd import Sshd
from support.waiting import wait_until

OWN = "90-B3-D5-1F-30-01-00-00"
START_SECONDS = 30.0


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
        edits: (old, new) replacements in the written configuration.
        more: lines added to the end of the configuration.
        party: keys; made anew when None.
    """

    def __init__(
        self, folder: Path, *, edits: Mapping[str, str] | None = None, more: str = "", party: Party | None = None
    ) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.config = folder / "sealdrop.toml"
        self.log = folder / "agent.log"
        self.far = Sshd(folder / "far")
        self.party = party or make_party(folder)
        self.agent: subprocess.Popen[bytes] | None = None
        self._edits = dict(edits or {})
        self._more = more

    def __enter__(self) -> Self:
        self.far.start()
        self.write_config()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        self.far.stop()

    # -- configuration and the command ---------------------------------------------------------------------

    def write_config(self) -> None:
        """Write the smallest configuration for this house, with the edits."""
        facts = config.Facts(
            environment="uit-test",
            root=self.root,
            runtime=self.folder / "run",
            signer=self.party.signer.fingerprint,
            signer_key=self.party.signer.secret,
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
        text = config.smallest(facts)
        for old, new in self._edits.items():
            assert old in text, f"the configuration has no {old!r}:\n{text}"
            text = text.replace(old, new)
        self.config.write_text(text + self._more)

    def run(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the installed command with this configuration."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def ask(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command with ``--json`` and return its answer."""
        return json.loads(self.run(*arguments, "--json", check=False).stdout)

    # -- the agent -----------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> None:
        """Start the agent as a process; return when it answers."""
        with self.log.open("ab") as stream:
            self.agent = subprocess.Popen(
                [*COMMAND, "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        if wait:
            wait_until(self._answers, START_SECONDS, what=f"the agent's start\n{self.said()}")

    def _answers(self) -> bool:
        assert self.agent is not None
        assert self.agent.poll() is None, f"the agent ended with {self.agent.returncode}:\n{self.said()}"
        return self.run("status", check=False).returncode == 0

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

    def wait_filed(self, sent: int, failed: int = 0, *, timeout: float = 60.0) -> None:
        """Return when so many submissions are filed; the result for the producer is there then, too."""

        def there() -> bool:
            return len(self.filed("sent")) >= sent and len(self.filed("failed")) >= failed and not self.open()

        wait_until(there, timeout, what=f"{sent} sent and {failed} failed\n{self.said()[-3000:]}")

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

    def open_delivered(self, path: Path) -> Opened:
        """Open a delivered file as its recipient would, demanding a valid signature."""
        return decrypt_gpg(path, recipient=self.party.recipient, signer=self.party.signer)


COMMAND = (sys.executable, "-m", "sealdrop.cli.main")
