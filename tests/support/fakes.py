"""Fakes at the ports: each a small working thing with state of its own, not a mock.

The disk, outbox, spool and far end are in ``memory_disk``, ``memory_spool`` and ``far_end``; ``fake_house`` puts all
together. A dropped file says itself what the rules think of it::

    accept 1,2        first line: the verdict, and the ordering keys after it
    whatever follows  makes the bytes differ

Where a test wants guards, the second line is one number for all keys; above twice the lowest earlier one, it is held.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sealdrop.core.errors import KeyUnusable, NotYet
from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Change, Finding, Severity, Verdict
from sealdrop.ports.ledger import Committed, Entry
from sealdrop.ports.rules import Earlier
from sealdrop.ports.sealing import KeyInfo, SealedBytes
from support.manual_clock import ManualClock
from support.memory_disk import Fuse, MemoryDisk, digest
from support.memory_ledger import MemoryLedger
from support.memory_spool import Script


class FakeClock(ManualClock):
    """A clock that stands still, passes time when told, and forgets its ids when the process ends."""

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass; what a run waits with."""
        self.advance(timedelta(seconds=seconds))

    def next_process(self) -> None:
        """Forget which ids were given out."""
        with self._lock:
            self._last = None


class WordValidator:
    """``ports.rules.Validator``: the first line of the content is the verdict and the ordering keys."""

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self.script = Script()
        self.on_validate: Callable[[bytes], None] = lambda _: None
        self.compares = False
        self.approvals = 0
        self.guarded: list[Earlier] = []

    def validate(self, content: Path, file_name: str) -> Verdict:  # noqa: ARG002 - the port has it
        data = self._disk.read(content)
        self.on_validate(data)
        self.script.play("validate")
        word, _, keys = data.decode().partition("\n")[0].partition(" ")
        severity = {"reject": Severity.REJECT, "hold": Severity.HOLD, "warn": Severity.WARN}.get(word)
        findings = () if severity is None else (_finding(severity),)
        return Verdict(
            profile="words",
            profile_version="1",
            findings=findings,
            suppressed=0,
            records=data.count(b"\n"),
            ordering_keys=tuple(sorted(key for key in keys.split(",") if key)),
            unverified=False,
            rejecting=int(severity is Severity.REJECT),
            holding=int(severity is Severity.HOLD),
        )

    def guard(self, content: Path, verdict: Verdict, earlier: Earlier) -> Verdict:
        if not self.compares:
            return verdict
        self.guarded.append(earlier)
        self.script.play("guard")
        verdict = replace(verdict, approvals=self.approvals)
        new = _number(self._disk.read(content))
        old: dict[int, SubmissionId] = {}
        for one in earlier.files:
            if one.path not in self._disk.files:
                message = "it has moved"
                raise NotYet(message, where=one.submission)
            data = self._disk.read(one.path)
            assert digest(data) == one.sha256
            old.setdefault(_number(data), one.submission)
        lowest = min(old, default=new)
        rules = ["guard.no-comparison"] * bool(earlier.lost) + ["guard.too-much"] * earlier.too_many
        rules += ["guard.increase"] * (new > 2 * lowest)
        change = Change(
            user_id="1", srv="7.1", threshold="warning", old=lowest, new=new, earlier=old.get(lowest, "nobody")
        )
        return replace(
            verdict,
            findings=(*verdict.findings, *(_finding(Severity.HOLD, rule) for rule in rules)),
            holding=verdict.holding + len(rules),
            guarding=len(rules),
            changes=(change,) if new != lowest else (),
            changed=int(new != lowest),
        )


def _number(data: bytes) -> int:
    second = data.decode().split("\n")[1:2]
    return int(second[0]) if second and second[0].isdecimal() else 0


def _finding(severity: Severity, rule: str = "csv.nul") -> Finding:
    return Finding(rule=rule, severity=severity, message=f"The first word is {severity.value}", hint="Write another")


class PlainSealer:
    """``ports.sealing.Sealer``: a sealed file is legible, and never twice the same."""

    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk
        self._numbers = itertools.count(1)
        self.script = Script()
        self.problem: str | None = None
        self.warning: str | None = None
        self.closed = 0

    def seal(self, source: Path, target: Path) -> SealedBytes:
        self.script.play("seal")
        data = b"sealed %d: " % next(self._numbers) + self._disk.read(source)
        self._disk.write(target, data)
        return SealedBytes(
            sha256=digest(data), size=len(data), recipients=("R" * 40,), signer="S" * 40, engine="plain 1"
        )

    def keys(self, at: datetime) -> tuple[KeyInfo, ...]:  # noqa: ARG002 - the port has it
        key = KeyInfo(
            use="signer",
            name="signer",
            fingerprint="S" * 40,
            user_id="A tester",
            algorithm="ed25519",
            created=datetime(2026, 1, 1, tzinfo=UTC),
            expires=None,
            subkeys=(),
            problem=self.problem,
            warning=self.warning,
        )
        return (key,)

    def check(self, at: datetime) -> None:  # noqa: ARG002 - the port has it
        if self.problem is not None:
            raise KeyUnusable(self.problem, where="signer", hint="Renew it")

    def close(self) -> None:
        self.closed += 1


def content_of(sealed: bytes) -> bytes:
    """Return what a ``PlainSealer`` sealed."""
    return sealed.partition(b": ")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One journal line that is not an event."""

    kind: str
    text: str
    urgent: bool
    fields: dict[str, str | int]


class ListJournal:
    """``ports.people.Journal``."""

    def __init__(self) -> None:
        self.events: list[Committed] = []
        self.notices: list[Notice] = []
        self.broken: Exception | None = None  # a journal that breaks its contract

    def committed(self, committed: Committed) -> None:
        self.events.append(committed)
        if self.broken is not None and committed.record is not None:
            raise self.broken

    def notice(self, kind: str, text: str, *, urgent: bool = False, **fields: str | int) -> None:
        self.notices.append(Notice(kind=kind, text=text, urgent=urgent, fields=fields))

    def texts(self, kind: str = "incident") -> list[str]:
        """Return the texts of one kind of notice."""
        return [notice.text for notice in self.notices if notice.kind == kind]


class ManualSchedule:
    """``ports.schedule.Schedule``: calls back when a test says so."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[float, Callable[[], None]]] = {}
        self.running = False

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self.calls[name] = (seconds, call)

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def fire(self, name: str) -> None:
        """Call back one that was asked for."""
        self.calls[name][1]()


class RecordingSupervisor:
    """``ports.people.Supervisor``: remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.beats = 0
        self.on_beat: Callable[[], None] = lambda: None
        self.counts_to: float | None = None

    def ready(self, status: str) -> None:
        self.told.append(f"ready: {status}")

    def status(self, text: str) -> None:
        self.told.append(f"status: {text}")

    def alive(self) -> None:
        self.beats += 1
        self.on_beat()

    def extend(self, seconds: float) -> None:
        self.told.append(f"extend: {seconds:.0f}")

    def watchdog_seconds(self) -> float | None:
        return self.counts_to

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")


class FakeHints:
    """``ports.intake.Hints``: a watch that a test wakes or lets die."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] | None = None
        self.starts = 0
        self.dead = False

    def start(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.starts += 1
        self.dead = False

    def stop(self) -> None:
        self.wake = None

    def alive(self) -> bool:
        return not self.dead


class BurningLedger(MemoryLedger):
    """A ledger in memory whose process may die right before or right after a commit, and whose disk may fill up.

    ``room`` is how many more commits find space; None is no bound.
    """

    def __init__(self, clock: ManualClock, fuse: Fuse) -> None:
        super().__init__(clock)
        self._fuse = fuse
        self.room: int | None = None

    def append(self, *entries: Entry) -> Sequence[Committed]:
        names = ", ".join(type(entry.event).__name__ for entry in entries)
        self._fuse.burn(f"before booking {names}")
        if self.room is not None:
            self.full = self.room <= 0
            self.room -= 1
        committed = super().append(*entries)
        self._fuse.burn(f"after booking {names}")
        return committed

    def make_room(self) -> None:
        """Let every commit find space again."""
        self.room = None
        self.full = False
