"""A file is taken once, when it is complete, however its producer says so; and the bytes taken are the bytes sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.house import LONG_PAUSES, House, adt_file, user_id
from support.unprivileged import give_to_nobody
from support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]

#: Three producers with three habits, beside the one that renames.
OUTBOXES: dict[str, object] = {
    "outboxes.slow": {"kind": "adt", "environment": "uit-test", "protocol": "quiet", "quiet_seconds": 0.5},
    "outboxes.marked": {"kind": "adt", "environment": "uit-test", "protocol": "marker"},
    "agent.sweep_seconds": 0.2,  # a file that stays open gives no hint
}


def in_work(house: House, outbox: str) -> list[Path]:
    return [path for path in (house.root / "work" / outbox).iterdir() if path.is_dir()]


def test_each_outbox_takes_a_file_when_its_own_producer_says_that_it_is_complete(make_house: MakeHouse) -> None:
    house = make_house(OUTBOXES)
    house.start()
    files = {
        "renamed.csv": adt_file(user_id(1)),
        "quiet.csv": adt_file(user_id(2)),
        "marked.csv": adt_file(user_id(3)),
        "marked_late.csv": adt_file(user_id(4)),
    }
    early, late = "marked.csv", "marked_late.csv"

    for name in (early, late):
        (house.outbox("marked") / name).write_bytes(files[name])
    (house.outbox("adt") / "renamed.csv.part").write_bytes(files["renamed.csv"])
    (house.outbox("slow") / "quiet.csv").write_bytes(files["quiet.csv"])
    (house.outbox("marked") / f"{early}.done").touch()
    house.wait_filed(2)

    assert (house.outbox("adt") / "renamed.csv.part").exists()  # waits for ever, and so does what has no marker
    assert (house.outbox("marked") / late).exists()
    house.assert_delivered_once({name: files[name] for name in ("quiet.csv", early)})

    (house.outbox("adt") / "renamed.csv.part").rename(house.outbox("adt") / "renamed.csv")
    (house.outbox("marked") / f"{late}.done").touch()
    house.wait_filed(4)

    house.assert_delivered_once(files)
    assert not [path for name in ("adt", "slow", "marked") for path in house.outbox(name).iterdir()]
    assert [one["outcome"] for name in ("adt", "slow", "marked") for one in house.results(name)] == ["sent"] * 4


def test_a_writer_that_pauses_for_longer_than_the_quiet_time_is_waited_for(make_house: MakeHouse) -> None:
    house = make_house(OUTBOXES)
    house.start()
    whole = adt_file(user_id(1))
    with (house.outbox("slow") / "slow.csv").open("wb", buffering=0) as writer:
        writer.write(whole[:40])
        wait_until(lambda: in_work(house, "slow"), 30, what="the claim of a file that has been quiet")
        writer.write(whole[40:60])
        # While it is written, others pass, and some looks at it have been taken.
        for number in (2, 3):
            house.drop("adt", f"other_{number}.csv", adt_file(user_id(number)))
            house.wait_line(event="Filed", file=f"other_{number}.csv")
        assert "slow.csv" not in house.listed()
        writer.write(whole[60:])
    house.wait_filed(3)

    (path,) = house.delivered_as("slow.csv")
    assert house.open_delivered(path).plaintext == whole
    assert house.wait_line(event="Claimed", file="slow.csv")["lease"] == "yes"


def test_a_file_that_grows_in_several_sittings_is_taken_when_it_has_been_quiet(make_house: MakeHouse) -> None:
    house = make_house({**OUTBOXES, "outboxes.slow.quiet_seconds": 4.0})
    house.start()
    path = house.outbox("slow") / "growing.csv"
    path.write_bytes(b"user_id,srv,warning_threshold,quarantine_threshold\n")
    for number in range(1, 6):
        house.drop("adt", f"other_{number}.csv", adt_file(user_id(number)))
        house.wait_line(event="Filed", file=f"other_{number}.csv")  # the agent has looked meanwhile
        with path.open("ab") as appended:  # fails when the agent took it
            appended.write(f"{user_id(100 + number)},1.5,800,1000\n".encode())
    whole = path.read_bytes()
    house.wait_filed(6)

    assert whole.count(b"\n") == 6
    (delivered,) = house.delivered_as("growing.csv")
    assert house.open_delivered(delivered).plaintext == whole


def test_a_writer_that_cannot_be_noticed_changes_nothing_that_leaves(make_house: MakeHouse) -> None:
    """A stranger's file cannot be leased without a power; its writer may go on, and what was there first leaves."""
    house = make_house({**OUTBOXES, **LONG_PAUSES})
    house.far.stop()  # so that the writer is faster than the delivery
    house.start(powerless=True)
    whole = adt_file(user_id(1))
    path = house.outbox("slow") / "late.csv"
    with path.open("wb", buffering=0) as writer:
        writer.write(whole)
        give_to_nobody(path)
        path.chmod(0o644)
        stranger = path.stat().st_uid != os.geteuid()
        if stranger:
            house.wait_line(event="Deferred", file="late.csv")
            writer.write(b"more\n")
    house.wait_line(event="Deferred", file="late.csv")
    house.far.start()
    house.run("retry", "--route", "relay", "--reason", "it is back")
    house.wait_filed(1)

    (delivered,) = house.delivered_as("late.csv")
    assert house.open_delivered(delivered).plaintext == whole
    filed, claimed = house.wait_line(event="Filed", file="late.csv"), house.wait_line(event="Claimed", file="late.csv")
    # Tests that do not run as root own every file; there the lease waits for the writer.
    assert (claimed["lease"], filed["late_write"]) == (("no", "yes") if stranger else ("yes", "no"))
    if stranger:
        kept = {one.read_bytes() for one in house.filed_as("sent", "late.csv").rglob("*late.csv*") if one.is_file()}
        assert kept == {whole, whole + b"more\n"}


def test_once_takes_what_is_complete_and_says_what_is_not(make_house: MakeHouse) -> None:
    house = make_house(OUTBOXES)
    files = {"renamed.csv": adt_file(user_id(1)), "quiet.csv": adt_file(user_id(2))}
    house.drop("adt", "renamed.csv", files["renamed.csv"])
    (house.outbox("slow") / "quiet.csv").write_bytes(files["quiet.csv"])
    (house.outbox("marked") / "marked.csv").write_bytes(adt_file(user_id(3)))

    left = house.run("once", "--json", check=False)
    assert (left.returncode, json.loads(left.stdout)) == (75, {"open_submissions": 0, "not_complete": 1})
    house.assert_delivered_once(files)

    (house.outbox("marked") / "marked.csv.done").touch()
    done = house.run("once")
    assert done.stdout == "0 submissions open, 0 files not complete yet\n"
    house.assert_delivered_once({**files, "marked.csv": adt_file(user_id(3))})
    assert house.run("once", "--json").stdout == '{\n  "open_submissions": 0,\n  "not_complete": 0\n}\n'


def test_once_is_not_patient_for_longer_than_it_is_told(make_house: MakeHouse) -> None:
    house = make_house({**OUTBOXES, "outboxes.slow.quiet_seconds": 3600.0})
    (house.outbox("slow") / "quiet.csv").write_bytes(adt_file())

    left = house.run("once", "--patience", "0.5", check=False)

    assert (left.returncode, left.stdout) == (75, "0 submissions open, 1 files not complete yet\n")
    assert (house.outbox("slow") / "quiet.csv").read_bytes() == adt_file()
