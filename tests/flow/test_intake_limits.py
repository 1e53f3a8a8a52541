"""Intake: what forbids claims and is said once, and what names and folders may do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealdrop.core import events as ev
from sealdrop.core.errors import StorageFailure, TemporaryFailure
from sealdrop.core.readiness import Protocol, ReadinessPolicy
from sealdrop.flow import intake as module
from sealdrop.flow.setup import OutboxSetup
from sealdrop.ports.intake import LeftAlone
from support.fake_house import RENAME, FakeHouse, make_kind, make_route
from support.fakes import PlainSealer
from support.memory_spool import MemoryOutbox

QUIET = ReadinessPolicy(protocol=Protocol.QUIET, quiet_seconds=10, alarm_seconds=60)
MARKER = ReadinessPolicy(protocol=Protocol.MARKER, alarm_seconds=60)


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


def wait_by(house: FakeHouse, policy: ReadinessPolicy) -> None:
    """Let the house's outbox tell complete from incomplete by another policy."""
    house.change(outboxes=tuple(replace(one, readiness=policy) for one in house.setup.outboxes))


def names(house: FakeHouse) -> list[str]:
    return [record.submission.file_name for record in house.records()]


def second_kind(house: FakeHouse, **kind: object) -> tuple[MemoryOutbox, PlainSealer]:
    """Give the house a second outbox, of a kind of its own with keys of its own."""
    outbox, sealer = MemoryOutbox("exit", house.disk), PlainSealer(house.disk)
    other = make_kind("exit", house.validator, sealer, **kind)  # type: ignore[arg-type] # a test names them
    house.change(
        kinds={**house.setup.kinds, "exit": other},
        outboxes=(*house.setup.outboxes, OutboxSetup(outbox=outbox, kind="exit", readiness=RENAME)),
    )
    return outbox, sealer


# -- what forbids claims ---------------------------------------------------------------------------------------


def test_keys_that_may_not_be_used_stop_their_kind_and_only_it(house: FakeHouse) -> None:
    outbox, sealer = second_kind(house)
    sealer.problem = "the key is expired"
    house.outbox.drop("a.csv")
    outbox.drop("b.csv")
    run = house.once()
    for _ in range(3):
        run.line.intake.sweep()

    assert house.outbox.waiting() == []
    assert outbox.waiting() == ["b.csv"]
    assert house.journal.texts() == ["nothing of kind exit is claimed: signer: the key is expired. Renew it"]
    sealer.problem = None
    run.line.intake.sweep()
    assert outbox.waiting() == []
    assert len(house.journal.texts("incident-over")) == 1


def test_a_backlog_on_a_route_stops_the_kinds_that_use_it_until_it_shrinks(house: FakeHouse) -> None:
    house.change(routes={"relay": make_route("relay", house.far, max_waiting_files=1)})
    house.far.down = True
    house.outbox.drop("a.csv")
    run = house.run()
    house.outbox.drop("b.csv")
    run.line.intake.sweep()
    run.line.intake.sweep()

    assert house.outbox.waiting() == ["b.csv"]
    assert "nothing of kind adt is claimed: 1 submissions wait on route relay" in house.journal.texts()
    house.far.down = False
    house.run(patience=60)
    assert house.outbox.waiting() == []


def test_without_space_beside_the_reserve_nothing_is_claimed_and_it_resumes_alone(house: FakeHouse) -> None:
    house.change(reserve_bytes=1_000)
    house.spool.free = 1_000 + 3 * 10 - 1
    house.outbox.drop("a.csv", b"accept\n---")
    run = house.once()
    for _ in range(3):
        run.line.intake.sweep()

    assert house.outbox.waiting() == ["a.csv"]
    assert run.line.intake.waiting() == {"adt": 1}
    (said,) = house.journal.texts()
    assert said.startswith("nothing is claimed: 'a.csv' needs 30 bytes beside the reserve. Free some space")
    house.spool.free += 1
    run.line.intake.sweep()
    assert house.outbox.waiting() == []
    assert run.desk.incidents.open() == ()


def test_each_claim_counts_against_the_space_that_is_left(house: FakeHouse) -> None:
    house.spool.free = 3 * 10 * 2
    for n in range(3):
        house.outbox.drop(f"{n}.csv", b"accept\n---")
    run = house.once()
    run.line.intake.sweep()

    assert house.outbox.waiting() == ["2.csv"]


def test_a_file_that_needed_too_much_space_is_forgotten_when_it_is_gone(house: FakeHouse) -> None:
    house.spool.free = 100
    house.outbox.drop("big.csv", b"accept\n" + b"-" * 100)
    run = house.once()
    run.line.intake.sweep()

    del house.disk.files[house.outbox.folder / "big.csv"]
    house.outbox.drop("small.csv", b"accept\n")
    run.line.intake.sweep()

    assert house.outbox.waiting() == []


def test_space_that_is_short_for_one_outbox_is_no_news_each_time_another_claims(house: FakeHouse) -> None:
    outbox, _ = second_kind(house)
    house.spool.free = 100
    outbox.drop("big.csv", b"accept\n" + b"-" * 100)
    run = house.once()
    for n in range(3):
        house.outbox.drop(f"{n}.csv", b"accept\n")
        run.line.intake.sweep()

    assert len(house.journal.texts()) == 1
    assert house.journal.texts("incident-over") == []


def test_a_file_larger_than_the_kind_takes_needs_space_for_no_more_than_that(house: FakeHouse) -> None:
    house.change_kind(max_bytes=10)
    house.spool.free = 30
    house.outbox.drop("huge.csv", b"-" * 1000)
    house.run()

    assert house.record("huge.csv").reason is not None
    assert "at most 10 are taken" in str(house.record("huge.csv").reason)


# -- names and folders -----------------------------------------------------------------------------------------


def test_a_name_that_is_left_alone_is_said_once_with_what_to_do(house: FakeHouse) -> None:
    house.outbox.left_alone = [LeftAlone(name="link", reason="is a symbolic link", hint="Drop the file itself")]
    run = house.once()
    for _ in range(3):
        run.line.intake.sweep()

    told = [one.event for one in house.journal.events if isinstance(one.event, ev.NameLeftAlone)]
    assert told == [ev.NameLeftAlone(outbox="adt", file_name="link", reason="is a symbolic link. Drop the file itself")]


def test_the_same_name_left_alone_for_another_reason_is_said_again(house: FakeHouse) -> None:
    run = house.once()
    for reason in ("is a symbolic link", "is a folder"):
        house.outbox.left_alone = [LeftAlone(name="x", reason=reason, hint="Remove it")]
        run.line.intake.sweep()

    assert len(house.journal.events) == 2


def test_a_flood_of_bad_names_is_no_flood_of_messages(house: FakeHouse) -> None:
    house.outbox.left_alone = [
        LeftAlone(name=f"link{n}", reason="is a symbolic link", hint="Remove it") for n in range(1_000)
    ]
    run = house.once()
    for _ in range(3):
        run.line.intake.sweep()

    assert len(house.journal.events) == module.MOST_SAID
    text = "1000 names in outbox adt are left alone, for example 'link0': is a symbolic link"
    assert house.journal.texts() == [text]
    house.outbox.left_alone = []
    run.line.intake.sweep()
    assert run.desk.incidents.open() == ()


def test_a_folder_that_is_gone_stops_its_outbox_and_only_it_and_is_found_again(house: FakeHouse) -> None:
    outbox, _ = second_kind(house)
    house.outbox.drop("a.csv")
    outbox.drop("b.csv")
    house.outbox.script.lasting["look"] = TemporaryFailure("the folder is gone", where="outbox adt")
    run = house.once()
    for _ in range(3):
        assert run.line.intake.sweep() == house.setup.sweep_seconds

    assert outbox.waiting() == []
    assert house.journal.texts() == ["outbox adt: the folder is gone"]
    house.outbox.script.lasting.clear()
    run.line.intake.sweep()
    assert house.outbox.waiting() == []
    assert house.journal.texts("incident-over") == ["over: outbox adt: the folder is gone"]


def test_a_folder_that_refuses_the_claim_is_tried_again(house: FakeHouse) -> None:
    house.outbox.script.add("claim", TemporaryFailure("permission denied", where="outbox adt"))
    house.outbox.drop("a.csv")
    house.outbox.drop("b.csv")
    run = house.once()

    assert run.line.intake.sweep() == house.setup.sweep_seconds
    run.line.intake.sweep()

    assert house.outbox.waiting() == ["a.csv"], "b.csv was next in the queue, and a.csv is seen again by the next look"
    run.line.intake.sweep()
    assert house.outbox.waiting() == []


def test_a_disk_that_fails_during_a_claim_is_let_through(house: FakeHouse) -> None:
    house.outbox.script.add("claim", StorageFailure("the sync failed", where="work"))
    house.outbox.drop("a.csv")

    with pytest.raises(StorageFailure, match="the sync failed"):
        house.once().line.intake.sweep()
