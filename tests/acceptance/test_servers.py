"""Servers that are down, or not who they were: nothing is lost, nothing leaves, and people are told what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.house import LONG_PAUSES, SHORT_PAUSES, House, adt_file, exit_quarantine_file, user_id
from support.sshd import make_key, public_part
from support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

MakeHouse = Callable[..., House]

FILES = {f"ADT_{number}.csv": adt_file(user_id(number)) for number in range(1, 6)}


def drop_all(house: House, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        house.drop("adt", name, data)
    for name in files:
        house.wait_line(event="Sealed", file=name)


def fingerprint(key: Path) -> str:
    listed = subprocess.run(["ssh-keygen", "-l", "-f", f"{key}.pub"], capture_output=True, text=True, check=True)
    return listed.stdout.split()[1]


def keep_host_key(house: House) -> Path:
    (key,) = house.far.host_keys
    kept = house.folder / "host_key_before"
    shutil.copy2(key, kept)
    shutil.copy2(f"{key}.pub", f"{kept}.pub")
    return kept


def give_host_key_back(house: House, kept: Path) -> None:
    (key,) = house.far.host_keys
    shutil.copy2(kept, key)
    shutil.copy2(f"{kept}.pub", f"{key}.pub")


def connections(house: House) -> int:
    return house.far.log.count("Connection from ")


def attempts_over(house: House) -> bool:
    ended = [line for event in ("Deferred", "LegDelivered") for line in house.lines(event=event)]
    return len(ended) == len(house.lines(event="AttemptStarted"))


def test_what_was_dropped_while_the_server_was_down_goes_on_an_operators_word(make_house: MakeHouse) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    files = {**FILES, "EQ_1.csv": exit_quarantine_file()}
    house.drop("exit-quarantine", "EQ_1.csv", files["EQ_1.csv"])
    house.wait_line(event="Deferred", file="EQ_1.csv")
    drop_all(house, FILES)

    status = house.ask("status")
    assert status["transports"]["relay"].startswith("resting for ")
    assert "Connection refused" in status["incidents"][0]["text"]
    assert len(house.lines(event="AttemptStarted")) == 1  # for all that wait, not one for each

    house.far.start()
    done = house.run("retry", "--route", "relay", "--reason", "the provider called")
    assert done.stdout == "route relay is open; 1 submissions are due now\n"
    house.wait_filed(len(files))

    house.assert_delivered_once(files)
    assert house.ask("status")["incidents"] == []
    assert house.wait_line(event="RetryRequested", file="EQ_1.csv")["reason"] == "the provider called"
    # It took the second attempt; the far end saw one login for all.
    assert house.listed()["EQ_1.csv"]["attempts"] == 2
    assert house.far.logins() == 1


def test_what_was_dropped_while_the_server_was_down_goes_by_itself_after_the_rest(make_house: MakeHouse) -> None:
    house = make_house(SHORT_PAUSES)
    house.far.stop()
    house.start()
    drop_all(house, FILES)
    house.wait_line(event="Deferred", count=2)  # it was tried again, in vain

    house.far.start()
    house.wait_filed(len(FILES))

    house.assert_delivered_once(FILES)
    assert house.ask("status")["incidents"] == []
    assert house.lines(notice="incident-over", subject="transport relay")
    assert {one["outcome"] for one in house.results()} == {"sent"}


def test_nothing_is_sent_to_a_server_with_another_host_key(make_house: MakeHouse) -> None:
    house = make_house(SHORT_PAUSES)
    house.start()
    house.drop("adt", "before.csv", adt_file())
    house.wait_filed(1)
    kept = keep_host_key(house)
    (key,) = house.far.host_keys
    house.far.stop()
    house.far.new_host_key()
    house.far.start()
    logins, seen, pinned = house.far.logins(), fingerprint(key), fingerprint(kept)
    drop_all(house, FILES)
    house.wait_line(event="RouteStopped")
    wait_until(lambda: attempts_over(house), what="the end of attempts that had begun before the route was stopped")
    before = connections(house)
    more = {f"more_{number}.csv": adt_file(user_id(10 + number)) for number in range(3)}
    drop_all(house, more)

    assert list(house.delivered()) == [name for name in house.delivered() if name.startswith("before.")]
    assert not house.temporary()
    assert house.far.logins() == logins  # we did not even say who we are
    assert connections(house) == before  # nor come again
    status, told = house.ask("status"), house.run("status").stdout
    (incident,) = status["incidents"]
    assert status["transports"]["relay"].startswith("stopped: ")
    unfolded = "".join(told.split())
    for text in (incident["text"], house.wait_line(event="RouteStopped")["reason"]):
        assert seen in text
        assert pinned in text
    assert seen in unfolded
    assert pinned in unfolded
    assert "Nothing was sent. Ask the receiver whether the key was changed" in incident["text"]

    give_host_key_back(house, kept)
    house.far.stop()
    house.far.start()
    house.run("retry", "--route", "relay", "--reason", "the key is theirs again")
    house.wait_filed(1 + len(FILES) + len(more))

    house.assert_delivered_once({"before.csv": adt_file(), **FILES, **more})
    assert house.ask("status")["incidents"] == []
    assert house.wait_line(event="RouteResumed")["by"].startswith(house.far.user)


def test_a_host_key_is_changed_without_a_stop_when_both_are_pinned(make_house: MakeHouse) -> None:
    house = make_house(SHORT_PAUSES)
    following = make_key(house.folder / "host_key_following")
    (key,) = house.far.host_keys
    before, after = fingerprint(key), fingerprint(following)
    house.configure({"routes.relay.transports.0.host_keys": [public_part(key), public_part(following)]})
    house.start()
    house.drop("adt", "before.csv", adt_file(user_id(1)))
    house.wait_filed(1)
    house.far.stop()
    give_host_key_back(house, following)
    house.far.start()
    house.drop("adt", "after.csv", adt_file(user_id(2)))
    house.wait_filed(2)

    house.assert_delivered_once({"before.csv": adt_file(user_id(1)), "after.csv": adt_file(user_id(2))})
    for name, known in (("before.csv", before), ("after.csv", after)):
        shown = house.ask("show", house.listed()[name]["submission"])
        (leg,) = shown["record"]["legs"]
        assert leg["receipt"]["facts"]["host_key"] == f"{known} (ssh-ed25519)"
    assert not house.lines(event="RouteStopped")
    (warning,) = house.lines(notice="warning")
    assert "host key pin 2 of 2 was used" in warning["said"]
    assert all(" | " in line for line in house.said().splitlines()), "a line that is none of the journal's"


def test_a_login_that_is_refused_is_tried_once(make_house: MakeHouse) -> None:
    house = make_house(SHORT_PAUSES)
    stranger = make_key(house.folder / "stranger")
    house.far.authorise(stranger)
    house.start()
    drop_all(house, FILES)
    house.wait_line(event="RouteStopped")
    drop_all(house, {f"more_{number}.csv": adt_file(user_id(10 + number)) for number in range(3)})

    assert connections(house) == 1
    assert house.far.log.count("Failed publickey") <= 1
    assert not house.delivered()
    status = house.ask("status")
    assert status["transports"]["relay"].startswith("stopped: ")
    (incident,) = status["incidents"]
    assert house.far.user in incident["text"]
    assert "Check user and key with the receiver, then retry the route" in incident["text"]


def test_after_a_refused_login_an_operators_word_is_enough(make_house: MakeHouse) -> None:
    house = make_house(SHORT_PAUSES)
    house.far.authorise(make_key(house.folder / "stranger"))
    house.start()
    drop_all(house, FILES)
    house.wait_line(event="RouteStopped")

    house.far.authorise(house.far.user_key)
    house.run("retry", "--route", "relay", "--reason", "they let us in again")
    house.wait_filed(len(FILES))

    house.assert_delivered_once(FILES)
    assert house.ask("status")["incidents"] == []
