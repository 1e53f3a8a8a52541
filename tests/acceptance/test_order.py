"""Order at the far end: an older ADT file never lands after a newer one; Exit Quarantine files land as claimed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.house import LONG_PAUSES, House, adt_file, exit_quarantine_file, user_id

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]


def drop_while_down(house: House, outbox: str, files: dict[str, bytes]) -> None:
    """Drop files one after the other while the far end is down; the first is deferred, the rest wait sealed."""
    for name, data in files.items():
        house.drop(outbox, name, data)
        house.wait_line(event="Sealed", file=name)
    house.wait_line(event="Deferred", file=next(iter(files)))


def test_an_adt_file_that_was_overtaken_never_lands(make_house: MakeHouse) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    drop_while_down(house, "adt", {"old.csv": adt_file(warning=700), "new.csv": adt_file(warning=800)})
    house.far.start()
    new = house.listed()["new.csv"]["submission"]
    house.run("retry", new, "--reason", "it is the one that counts")
    house.wait_line(event="Filed", file="new.csv")

    house.assert_delivered_once({"new.csv": adt_file(warning=800)})
    house.wait_line(event="Filed", file="old.csv")
    old = house.listed()["old.csv"]
    assert old["state"] == "failed"
    assert new in house.run("show", old["submission"]).stdout
    (answer,) = [one for one in house.results() if one["file_name"] == "old.csv"]
    assert (answer["outcome"], answer["reason"]) == ("failed", f"submission {new} is newer and replaces it")
    superseded = house.wait_line(event="Superseded", file="old.csv")
    assert superseded["by"] == new
    lines = [line["event"] + " " + line["file"] for line in house.lines() if "file" in line]
    assert lines.index("Superseded old.csv") < lines.index("CommitStarted new.csv")

    # Whatever an operator, a restart or a later file may do.
    refused = house.run("retry", old["submission"], "--reason", "please", check=False)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "it is failed" in refused.stderr
    house.run("retry", "--route", "relay", "--reason", "please")
    assert house.stop() == 0
    house.start()
    house.drop("adt", "next.csv", adt_file(warning=900))
    house.wait_line(event="Filed", file="next.csv")
    house.assert_delivered_once({"new.csv": adt_file(warning=800), "next.csv": adt_file(warning=900)})
    assert house.listed()["old.csv"]["state"] == "failed"
    assert len(house.lines(event="AttemptStarted", file="old.csv")) == 1
    assert house.run("ledger", "verify").stdout.endswith("The ledger verifies.\n")


def test_an_adt_file_with_other_user_ids_is_not_held_up(make_house: MakeHouse) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    drop_while_down(house, "adt", {"one.csv": adt_file(user_id(1)), "other.csv": adt_file(user_id(2))})
    house.far.start()
    house.run("retry", house.listed()["other.csv"]["submission"], "--reason", "it is back")
    house.wait_line(event="Filed", file="other.csv")
    assert house.listed()["one.csv"]["state"] == "deferred"

    house.run("retry", house.listed()["one.csv"]["submission"], "--reason", "it is back")
    house.wait_filed(2)

    house.assert_delivered_once({"one.csv": adt_file(user_id(1)), "other.csv": adt_file(user_id(2))})


def test_exit_quarantine_files_of_one_user_land_in_claim_order(make_house: MakeHouse) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    files = {f"EQ_{number}.csv": exit_quarantine_file(number) for number in (1, 2, 3)}
    drop_while_down(house, "exit-quarantine", files)
    first, second, third = (house.listed()[name]["submission"] for name in files)
    house.far.start()

    # The newest may not overtake, whoever asks.
    house.run("retry", third, "--reason", "it is urgent")
    assert second in house.ask("show", third)["row"]["reason"]
    house.drop("adt", "other.csv", adt_file())  # the route is open, for others
    house.wait_line(event="Filed", file="other.csv")
    assert not [name for name in house.delivered() if name.startswith("EQ_")]

    house.run("retry", first, "--reason", "go")
    house.wait_filed(4)
    house.assert_delivered_once({**files, "other.csv": adt_file()})
    landed = [line["file"] for line in house.lines(event="LegDelivered") if line["file"] in files]
    assert landed == list(files)
    appeared = sorted(files, key=lambda name: house.delivered_as(name)[0].stat().st_ctime_ns)
    assert appeared == list(files)
