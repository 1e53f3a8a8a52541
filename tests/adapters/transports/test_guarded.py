"""The guard: only the port's errors, a deadline that is kept, bounds, and a transport held to its contract."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from sealdrop.adapters.transports.guarded import Deadline, Guarded
from sealdrop.core.delivery import Absent, Look, Outcome, ProofLevel, Receipt
from sealdrop.core.errors import (
    LedgerBroken,
    PermanentFailure,
    Refused,
    RouteUnusable,
    StaleTransition,
    StorageFailure,
    TemporaryFailure,
    Unreachable,
)
from sealdrop.core.submission import SubmissionId
from sealdrop.ports.transport import Parcel, ProbeResult, Traits
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver, make_parcel

SECRET = "payload that must not be repeated"  # noqa: S105 - it stands for payload


@dataclass
class Scripted:
    """A transport that does what a test says; by default it delivers."""

    clock: ManualClock
    name: str = "relay"
    traits: Traits = field(default_factory=lambda: Traits(can_look=True, best_proof=ProofLevel.DIGEST))
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    commits: int = 1
    outcome: Outcome = Outcome.SENT
    called: int = 0

    def deliver(
        self, parcel: Parcel, *, commit: Callable[[ProofLevel], None], progress: Callable[[int], None]
    ) -> Receipt:
        self.called += 1
        self.before()
        progress(parcel.size)
        for _ in range(self.commits):
            commit(ProofLevel.DIGEST)
        self.after()
        progress(parcel.size)
        return Receipt(
            transport=self.name,
            location="here",
            remote_name=parcel.remote_name,
            size=parcel.size,
            sha256=parcel.sha256,
            proof=ProofLevel.DIGEST,
            outcome=self.outcome,
            proven_at=self.clock.now(),
        )

    def find(self, _: Parcel) -> Look:
        self.before()
        return Absent(withdrawn=False)

    def probe(self) -> ProbeResult:
        self.before()
        return ProbeResult()

    def sweep(self, open_ids: Collection[SubmissionId]) -> int:
        self.before()
        return len(open_ids)

    def close(self) -> None:
        self.before()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def inner(clock: ManualClock) -> Scripted:
    return Scripted(clock)


@pytest.fixture
def guarded(inner: Scripted, clock: ManualClock) -> Guarded:
    return Guarded(inner, clock=clock, deadline=Deadline(base=10, slowest=1_000))


@pytest.fixture
def parcel(tmp_path: Path, clock: ManualClock) -> Parcel:
    return make_parcel(tmp_path / "sealed", clock, b"x" * 5_000)


def raising(error: BaseException) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise error

    return call


def test_a_delivery_passes_through(guarded: Guarded, inner: Scripted, parcel: Parcel) -> None:
    calls = Calls()

    receipt = deliver(guarded, parcel, calls)

    assert receipt.outcome is Outcome.SENT
    assert calls.commits == [ProofLevel.DIGEST]
    assert calls.done == [5_000, 5_000]
    assert (guarded.name, guarded.traits) == (inner.name, inner.traits)
    assert guarded.find(parcel) == Absent(withdrawn=False)
    assert guarded.probe().ok


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), OSError(5, SECRET), LedgerBroken(SECRET)])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_surprise_becomes_a_temporary_failure_without_what_it_carried(
    guarded: Guarded, inner: Scripted, parcel: Parcel, error: Exception, moment: str
) -> None:
    setattr(inner, moment, raising(error))

    with pytest.raises(TemporaryFailure, match=type(error).__name__) as caught:
        deliver(guarded, parcel)

    assert SECRET not in str(caught.value)
    assert not caught.value.certain
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [TemporaryFailure("t"), Unreachable("u"), RouteUnusable("r"), PermanentFailure("p"), StorageFailure("s")],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_port_pass_unchanged(guarded: Guarded, inner: Scripted, parcel: Parcel, error: Exception) -> None:
    inner.before = raising(error)

    for call in (lambda: deliver(guarded, parcel), lambda: guarded.find(parcel), guarded.close):
        with pytest.raises(type(error)) as caught:
            call()
        assert caught.value is error


@pytest.mark.parametrize("error", [StaleTransition("moved on"), Refused("held"), LedgerBroken("x"), ValueError("bug")])
def test_what_the_callers_own_callbacks_raise_passes_unchanged(
    guarded: Guarded, parcel: Parcel, error: Exception
) -> None:
    calls = Calls()
    for commit, progress in ((raising(error), calls.progress), (calls.commit, raising(error))):
        with pytest.raises(type(error)) as caught:
            guarded.deliver(parcel, commit=commit, progress=progress)
        assert caught.value is error


def test_an_interrupt_is_not_a_surprise(guarded: Guarded, inner: Scripted, parcel: Parcel) -> None:
    inner.before = raising(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        deliver(guarded, parcel)


def test_surprises_of_find_and_close_are_temporary_and_of_a_probe_a_failed_step(
    guarded: Guarded, inner: Scripted, parcel: Parcel
) -> None:
    inner.before = raising(ValueError(SECRET))

    for call in (lambda: guarded.find(parcel), guarded.close):
        with pytest.raises(TemporaryFailure, match="ValueError"):
            call()
    probed = guarded.probe()
    assert not probed.ok
    assert SECRET not in str(probed)


@pytest.mark.parametrize(("seconds", "in_time"), [(14, True), (16, False)])
def test_the_deadline_grows_with_the_size_and_is_kept_before_the_commit(
    guarded: Guarded,
    inner: Scripted,
    parcel: Parcel,
    clock: ManualClock,
    seconds: int,
    in_time: bool,  # noqa: FBT001 - a column of the table
) -> None:
    calls = Calls()
    inner.before = lambda: clock.advance(timedelta(seconds=seconds))
    if in_time:
        assert deliver(guarded, parcel, calls).outcome is Outcome.SENT
        return

    with pytest.raises(TemporaryFailure, match="longer than 15 s"):
        deliver(guarded, parcel, calls)
    assert calls.commits == []


def test_the_deadline_is_looked_at_right_before_the_commit_too(
    guarded: Guarded, parcel: Parcel, clock: ManualClock
) -> None:
    calls = Calls()

    with pytest.raises(TemporaryFailure, match="longer"):
        guarded.deliver(parcel, commit=calls.commit, progress=lambda _: clock.advance(timedelta(seconds=16)))

    assert calls.commits == []


def test_after_the_commit_no_deadline_interferes(
    guarded: Guarded, inner: Scripted, parcel: Parcel, clock: ManualClock
) -> None:
    inner.after = lambda: clock.advance(timedelta(hours=1))

    assert deliver(guarded, parcel).outcome is Outcome.SENT


def test_a_parcel_beyond_the_largest_size_never_reaches_the_transport(
    guarded: Guarded, inner: Scripted, parcel: Parcel
) -> None:
    inner.traits = Traits(can_look=True, best_proof=ProofLevel.DIGEST, max_bytes=4_999)
    with pytest.raises(PermanentFailure, match="takes 4999"):
        deliver(guarded, parcel)
    assert inner.called == 0

    inner.traits = Traits(can_look=True, best_proof=ProofLevel.DIGEST, max_bytes=5_000)
    assert deliver(guarded, parcel).outcome is Outcome.SENT


@pytest.mark.parametrize("wrong", ["longer", "shorter", "link", "folder"])
def test_a_sealed_file_of_another_shape_never_reaches_the_transport(
    guarded: Guarded, inner: Scripted, parcel: Parcel, wrong: str
) -> None:
    content = parcel.path.read_bytes()
    parcel.path.unlink()
    if wrong == "folder":
        parcel.path.mkdir()
    elif wrong == "link":
        other = parcel.path.with_name("other")
        other.write_bytes(content)
        parcel.path.symlink_to(other)
    else:
        parcel.path.write_bytes(content + b"x" if wrong == "longer" else content[:-1])

    with pytest.raises(PermanentFailure, match="no longer what was sealed"):
        deliver(guarded, parcel)
    assert inner.called == 0


def test_a_missing_sealed_file_is_trouble_with_our_own_disk(guarded: Guarded, inner: Scripted, parcel: Parcel) -> None:
    parcel.path.unlink()

    with pytest.raises(StorageFailure):
        deliver(guarded, parcel)
    assert inner.called == 0


def test_a_transport_is_held_to_one_commit(guarded: Guarded, inner: Scripted, parcel: Parcel) -> None:
    inner.commits = 2
    calls = Calls()
    with pytest.raises(TemporaryFailure, match="second commit"):
        deliver(guarded, parcel, calls)
    assert len(calls.commits) == 1

    inner.commits = 0
    with pytest.raises(TemporaryFailure, match="without having asked"):
        deliver(guarded, parcel)
    inner.outcome = Outcome.FOUND
    assert deliver(guarded, parcel).outcome is Outcome.FOUND
