"""Guards as an operator meets them: held with a table, released, delivered; reports imported; approvals wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.house import OWN, House, adt_file

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]
DEVICE = "90-B3-D5-1F-30-00-00-02"


def releases(count: int) -> bytes:
    rows = "".join(f"{number},{OWN}:{DEVICE}:{number},RELEASE\n" for number in range(1, count + 1))
    return f"quarantine_event_ref,request_id,action\n{rows}".encode()


def rules_of(house: House, name: str) -> list[str]:
    detail = house.ask("show", house.listed()[name]["submission"])
    return [finding["rule"] for finding in detail["record"]["findings"]]


def test_a_hundredfold_increase_is_held_with_its_table_released_and_delivered(make_house: MakeHouse) -> None:
    house = make_house()
    house.start()
    house.drop("adt", "first.csv", adt_file(warning=8, quarantine=10))
    house.wait_filed(1)
    house.drop("adt", "second.csv", adt_file(warning=800, quarantine=1000))
    house.wait_line(event="Held", file="second.csv")

    held = house.listed()["second.csv"]
    assert held["held"] == ["finding"]
    assert "guard.increase" in held["reason"]
    shown = house.run("show", held["submission"]).stdout
    assert "Changed against earlier files: 2, the largest increase first" in shown
    (row,) = [line.split() for line in shown.splitlines() if "quarantine_threshold" in line and "+990" in line]
    assert row == [OWN, "1.5", "quarantine_threshold", "10", "1000", "+990", "+9900", "%"]
    house.run("release", held["submission"], "--reason", "a new tariff, confirmed by phone")
    house.wait_filed(2)

    house.assert_delivered_once(
        {"first.csv": adt_file(warning=8, quarantine=10), "second.csv": adt_file(warning=800, quarantine=1000)}
    )
    receipt = json.loads((house.filed_as("sent", "second.csv") / "receipt.json").read_text())
    assert [change["percent"] for change in receipt["profile"]["changes"]] == [9900, 9900]
    assert house.run("ledger", "verify").stdout.endswith("The ledger verifies.\n")


def test_a_bulk_release_is_held_and_unknown_references_are_noticed_once_a_report_is_there(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    house = make_house()
    report = tmp_path / "report.csv"
    report.write_text(f"quarantine_event_ref,request_id\n1,{OWN}:{DEVICE}:1\n")
    house.start()
    house.drop("exit-quarantine", "none-yet.csv", releases(1))
    house.wait_filed(1)
    added = house.ask("reports", "add", str(report))
    house.drop("exit-quarantine", "unknown.csv", releases(3))
    house.wait_line(event="Accepted", file="unknown.csv")
    house.drop("exit-quarantine", "bulk.csv", releases(101))
    house.wait_line(event="Held", file="bulk.csv")

    assert (added["rows"], added["communications"]) == (1, 1)
    assert (house.root / "reports" / f"{added['sha256']}.csv").read_bytes() == report.read_bytes()
    imported = house.wait_line(event="ReportAdded")
    assert (imported["sha256"], imported["file"]) == (added["sha256"], "report.csv")
    assert rules_of(house, "none-yet.csv").count("guard.unknown-reference") == 1
    assert rules_of(house, "unknown.csv").count("guard.unknown-reference") == 2
    assert "guard.bulk-release" in rules_of(house, "bulk.csv")
    refused = house.run("reports", "add", str(house.config), check=False)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "it is not such a report" in refused.stderr
    house.stop()
    again = house.run("reports", "add", str(report)).stdout  # without an agent
    assert added["sha256"] in again
    assert house.run("ledger", "verify").stdout.endswith("The ledger verifies.\n")


def test_where_approvals_are_wanted_no_operator_lifts_the_hold(make_house: MakeHouse, tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "config" / "profiles"
    (tmp_path / "strict.toml").write_text((shipped / "adt.toml").read_text().replace("approvals = 0", "approvals = 2"))
    (tmp_path / "srv-duis-5.4.csv").write_bytes((shipped / "srv-duis-5.4.csv").read_bytes())
    house = make_house({"kinds.adt.profile": str(tmp_path / "strict.toml")})
    house.start()
    house.drop("adt", "first.csv", adt_file(warning=8, quarantine=10))
    house.wait_filed(1)
    house.drop("adt", "second.csv", adt_file(warning=800, quarantine=1000))
    house.wait_line(event="Held", file="second.csv")
    held = house.listed()["second.csv"]

    assert held["held"] == ["approval"]
    refused = house.run("release", held["submission"], "--reason", "please", check=False)
    assert refused.returncode == 4
    assert "an operator may not lift this hold" in refused.stderr
    house.run("abandon", held["submission"], "--reason", "a slip of the keyboard")
    house.wait_filed(1, 1)
    report = (house.filed_as("failed", "second.csv") / "report.txt").read_text()
    assert "+9900 %" in report
    assert len(house.delivered()) == 1
