"""The agent as a service: what the service manager hears, signals, reloads, and who may start beside it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.command_line import sealdrop
from support.house import LONG_PAUSES, SHORT_PAUSES, House, adt_file, exit_quarantine_file, user_id
from support.relay import Relay
from support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

MakeHouse = Callable[..., House]

STOP_SECONDS = 3.0


# -- what the service manager hears ------------------------------------------------------------------------


def test_ready_is_said_after_recovery_and_stopping_at_the_end(make_house: MakeHouse) -> None:
    house = make_house({**LONG_PAUSES, "agent.sweep_seconds": 0.1})
    house.far.stop()
    house.start()
    house.drop("adt", "before.csv", adt_file())
    house.wait_line(event="Deferred", file="before.csv")
    house.kill()
    house.supervisor.messages.clear()
    said_before = len(house.lines())

    house.start()
    started = house.lines(event="AgentStarted")[-1]
    assert started["open_submissions"] == "1"
    assert house.supervisor.words[0] == "READY=1"
    assert house.supervisor.messages[0]["STATUS"] == "0 in outboxes; 1 deferred; 0 held; 0 incidents"
    events = [line.get("event") for line in house.lines()[said_before:]]
    assert "AgentStarted" in events
    wait_until(lambda: house.supervisor.heard("WATCHDOG=1") >= 5, what="five signs of life")

    assert house.stop() == 0
    assert house.supervisor.words[-1] == "STOPPING=1"
    assert house.supervisor.heard("READY=1") == 1
    assert house.lines(event="AgentStopped")[-1]["reason"] == "SIGTERM"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_agent_stops_cleanly_when_told_so(make_house: MakeHouse, number: signal.Signals) -> None:
    house = make_house()
    house.start()

    assert house.stop(number) == 0
    assert house.lines(event="AgentStopped")[-1]["reason"] == number.name
    assert not list((house.folder / "run").iterdir())  # no socket, no keys in memory


def test_every_line_of_the_journal_is_printable_and_has_its_fields(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    house.drop("adt", "good.csv", adt_file())
    house.drop("adt", "bad.csv", b"no\n")
    house.wait_filed(1, failed=1)
    assert house.stop() == 0

    lines = house.said().splitlines()
    assert all(re.fullmatch(r"[ -~]+ \| (event|notice)=[A-Za-z-]+( \w+=.*)?", line) for line in lines)
    events = [line["event"] for line in house.lines(file="good.csv")]
    assert events == ["Claimed", "Accepted", "Sealed", "AttemptStarted", "CommitStarted", "LegDelivered", "Filed"]
    assert all(line["submission"] and line["kind"] == "adt" and line["state"] for line in house.lines(file="bad.csv"))


# -- reloads -----------------------------------------------------------------------------------------------


def status_by(house: House, configuration: str) -> Any:  # noqa: ANN401 - JSON
    """Ask for the status by another configuration than the one that lies there now."""
    kept = house.folder / "kept.toml"
    kept.write_text(configuration)
    return sealdrop("status", "--json", "--config", kept).json


def test_a_reload_with_a_bad_configuration_keeps_the_old_one_and_says_so(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    good = house.config.read_text()
    house.config.write_text(good.replace("protocol", "protocole") + 'unknown = "key"\n')
    house.reload()

    (incident,) = status_by(house, good)["incidents"]
    assert incident["text"].startswith("the old configuration stays in force: ")
    assert "protocole" in incident["text"]
    assert house.wait_line(notice="incident", subject="reload")
    house.drop("adt", "after.csv", adt_file())
    house.wait_filed(1)

    house.config.write_text(good)
    house.reload()
    assert house.ask("status")["incidents"] == []
    assert house.lines(event="ConfigurationReloaded")


def test_a_reload_takes_up_a_new_outbox_and_keeps_what_is_under_way(make_house: MakeHouse) -> None:
    house = make_house(LONG_PAUSES)
    house.far.stop()
    house.start()
    house.drop("adt", "before.csv", adt_file())
    house.wait_line(event="Deferred", file="before.csv")
    house.outbox("second")
    (house.root / "results" / "second").mkdir()
    house.configure({"outboxes.second": {"kind": "adt", "environment": "uit-test", "protocol": "rename"}})
    house.far.start()
    house.reload()
    house.drop("second", "after.csv", adt_file(user_id(1)))
    house.wait_line(event="Filed", file="after.csv")
    house.run("retry", "--route", "relay", "--reason", "it is back")
    house.wait_filed(2)

    house.assert_delivered_once({"before.csv": adt_file(), "after.csv": adt_file(user_id(1))})
    assert [one["file_name"] for one in house.results("second")] == ["after.csv"]
    assert house.supervisor.heard("RELOADING=1") == 1
    words = [word for word in house.supervisor.words if word in {"READY=1", "RELOADING=1"}]
    assert words == ["READY=1", "RELOADING=1", "READY=1"]


def test_a_reload_may_not_move_the_house(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    good = house.config.read_text()
    elsewhere = house.folder / "elsewhere"
    house.config.write_text(good.replace(str(house.root), str(elsewhere)))
    house.reload()

    (incident,) = status_by(house, good)["incidents"]
    assert "root: cannot change while the agent runs. Restart the agent" in incident["text"]
    assert not elsewhere.exists()


# -- stops in the middle -----------------------------------------------------------------------------------


@pytest.fixture
def slow_house(make_house: MakeHouse) -> Iterator[tuple[House, Relay]]:
    """Give a house whose far end is reached through a relay that a test can hold."""
    house = make_house({**SHORT_PAUSES, "agent.stop_seconds": STOP_SECONDS})
    with Relay(house.far.host, house.far.port) as relay:
        house.configure({"routes.relay.transports.0.port": relay.port})
        yield house, relay


def large_file(rows: int) -> bytes:
    row = (
        exit_quarantine_file(counter=7777777).splitlines(keepends=True)[1].replace(b"RELEASE", b"DELETE")
    )  # many are held
    return exit_quarantine_file() + b"".join(row.replace(b"7777777", b"%d" % (2000 + n)) for n in range(1, rows))


def test_a_stop_in_the_middle_of_an_upload_is_quick_and_sends_nothing_twice(
    slow_house: tuple[House, Relay],
) -> None:
    house, relay = slow_house
    house.start()
    house.drop("adt", "first.csv", adt_file())
    house.wait_filed(1)
    big = large_file(30_000)
    relay.hold_after = relay.passed + 300_000
    house.drop("exit-quarantine", "big.csv", big)
    wait_until(lambda: [path for path in house.temporary() if path.stat().st_size], 60, what="half an upload")

    assert house.agent is not None
    house.agent.send_signal(signal.SIGTERM)
    assert house.agent.wait(timeout=STOP_SECONDS + 20) == 0
    assert len(house.delivered()) == 1
    (half,) = house.temporary()
    assert 0 < half.stat().st_size < 1_000_000

    relay.hold_after = None
    relay.cut()
    relay.flow()
    house.start()
    house.wait_filed(2)
    house.assert_delivered_once({"first.csv": adt_file(), "big.csv": big})
    attempts = house.lines(event="AttemptStarted", file="big.csv")
    assert len(attempts) == 2
    assert house.run("ledger", "verify").stdout.endswith("The ledger verifies.\n")


def test_a_stop_during_a_backlog_leaves_everything_in_one_place(make_house: MakeHouse) -> None:
    house = make_house({**SHORT_PAUSES, "kinds.adt.max_active_files": 4})
    files = {f"ADT_{number:02}.csv": adt_file(user_id(number)) for number in range(30)}
    for name, data in files.items():
        house.drop("adt", name, data)
    house.start()
    house.wait_line(event="LegDelivered", count=5)
    assert house.stop() == 0

    assert house.open_or_waiting()
    house.start()
    house.wait_filed(len(files))
    house.assert_delivered_once(files)
    assert not house.lines(event="AttemptInterrupted")
    claims = sorted(house.ask("list", "--limit", "100")["submissions"], key=lambda row: str(row["submission"]))
    assert [row["file_name"] for row in claims] == list(files)  # the oldest first


# -- a second one ------------------------------------------------------------------------------------------


def test_a_second_agent_on_the_same_root_refuses_to_start(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    assert house.agent is not None

    for command in ("run", "once"):
        second = house.run(command, check=False)
        assert second.returncode == 4
        assert f"another agent is at work on this spool (process {house.agent.pid})" in second.stderr
        assert "Stop it first" in second.stderr

    house.drop("adt", "unharmed.csv", adt_file())
    house.wait_filed(1)
    assert house.ask("status")["running"]
    assert house.stop() == 0
    house.start()  # nothing of it is left in the way
