"""`status`, `list` and `show`: what people and programs see, with an agent and from the ledger alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.command_line import Ran
from support.house import House

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

Ask = Callable[..., Ran]

ROW = {
    "submission", "file_name", "kind", "outbox", "state", "claimed_at", "changed_at", "size", "attempts", "proof",
    "held", "reason",
}  # fmt: skip
RECORD = {
    "submission", "state", "changed_at", "events", "lease", "profile", "profile_version", "unverified", "records",
    "ordering_keys", "supersedes", "reference", "legs", "seal", "holds", "released", "findings", "suppressed",
    "rejecting", "holding", "changes", "changed", "approvals", "recoveries", "duplicate_of", "superseded_by", "reason",
    "filed", "late_write",
}  # fmt: skip


def rows(ask: Ask, house: House) -> dict[str, dict[str, Any]]:
    return {row["file_name"]: row for row in ask(house, "list", "--json").json["submissions"]}


def test_the_status_has_one_shape_whether_an_agent_runs_or_not(some_house: House, ask: Ask) -> None:
    answer = ask(some_house, "status", "--json")
    status = answer.json

    assert set(status) == {"running", "environment", "counts", "held", "outboxes", "transports", "incidents"}
    assert answer.code == (0 if status["running"] else 3)
    assert status["environment"] == "uit-test"
    assert status["held"] == 1
    assert "1 submission is held: sealdrop list --open" in ask(some_house, "status").out
    assert status["counts"] == {"claimed": 1, "deferred": 1, "failed": 1, "sent": 1}


def test_the_status_of_a_running_agent_says_what_is_wrong(lived_in: House, ask: Ask) -> None:
    status = ask(lived_in, "status", "--json").json
    told = ask(lived_in, "status")

    assert status["running"]
    assert status["outboxes"] == {"adt": 0, "exit-quarantine": 0}
    assert status["transports"]["relay"].startswith("resting for ")
    (incident,) = status["incidents"]
    assert set(incident) == {"subject", "text", "since"}
    assert told.code == 0
    assert "environment uit-test" in told.out
    assert "Wrong now" in told.out
    assert "transport relay cannot be reached" in told.out


def test_without_an_agent_the_status_says_so(left: House, ask: Ask) -> None:
    told = ask(left, "status")

    assert told.code == 3
    assert told.out.startswith("No agent runs; this is from the ledger alone.\n")
    assert "Nothing is wrong" not in told.out  # nobody looked


@pytest.mark.parametrize("command", [("status",), ("list",), ("show", "01")], ids=lambda command: command[0])
def test_before_the_first_start_there_is_nothing_to_look_at(
    make_house: Callable[..., House], ask: Ask, command: tuple[str, ...]
) -> None:
    answer = ask(make_house(), *command)

    assert (answer.code, answer.out) == (3, "")
    assert "no agent runs here, and none has left a ledger" in answer.err


def test_a_listing_shows_the_newest_first_with_the_reason(some_house: House, ask: Ask) -> None:
    listed = ask(some_house, "list", "--json").json["submissions"]
    told = ask(some_house, "list")

    assert [row["file_name"] for row in listed] == ["deferred.csv", "held.csv", "failed.csv", "sent.csv"]
    assert {frozenset(row) for row in listed} == {frozenset(ROW)}
    by_name = {row["file_name"]: row for row in listed}
    assert by_name["sent.csv"]["proof"] == "digest"
    assert by_name["held.csv"]["held"] == ["duplicate"]
    assert "Connection refused" in by_name["deferred.csv"]["reason"]
    lines = told.out.splitlines()
    assert lines[0].split()[:3] == ["submission", "file", "state"]
    assert [line.split()[0] for line in lines[1:] if line[0] != " "] == [row["submission"] for row in listed]
    assert "held, duplicate" in told.out
    assert "rejected by the rules" in told.out


def test_a_listing_can_be_cut_and_narrowed(some_house: House, ask: Ask) -> None:
    one = ask(some_house, "list", "--limit", "1", "--json").json["submissions"]
    unfiled = ask(some_house, "list", "--open", "--json").json["submissions"]

    assert [row["file_name"] for row in one] == ["deferred.csv"]
    assert [row["file_name"] for row in unfiled] == ["deferred.csv", "held.csv"]


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_listing_has_bounds(some_house: House, ask: Ask, limit: str) -> None:
    answer = ask(some_house, "list", "--limit", limit)

    assert (answer.code, answer.out) == (2, "")


def test_a_submission_is_shown_with_its_history_and_the_proof(some_house: House, ask: Ask) -> None:
    one = rows(ask, some_house)["sent.csv"]
    shown = ask(some_house, "show", one["submission"], "--json").json
    told = ask(some_house, "show", one["submission"]).out

    assert set(shown) == {"row", "record", "timeline"}
    assert (set(shown["row"]), set(shown["record"])) == (ROW, RECORD)
    assert shown["row"] == one
    events = [moment["event"] for moment in shown["timeline"]]
    assert events == ["Claimed", "Accepted", "Sealed", "AttemptStarted", "CommitStarted", "LegDelivered", "Filed"]
    assert {frozenset(moment) for moment in shown["timeline"]} == {
        frozenset({"sequence", "at", "event", "facts", "text"})
    }
    assert [line.split()[2] for line in told.splitlines() if line.startswith("20")] == events
    (leg,) = shown["record"]["legs"]
    for fact in (leg["receipt"]["sha256"], leg["receipt"]["facts"]["host_key"], "digest", shown["record"]["filed"]):
        assert fact in told


def test_findings_are_shown_with_what_to_do(some_house: House, ask: Ask) -> None:
    told = ask(some_house, "show", rows(ask, some_house)["failed.csv"]["submission"]).out

    assert "header.missing-column" in told
    assert "Name the columns in the first row." in told


def test_an_id_may_be_typed_in_part_and_in_capitals(some_house: House, ask: Ask) -> None:
    whole = rows(ask, some_house)["deferred.csv"]["submission"]
    others = [row["submission"] for row in rows(ask, some_house).values() if row["submission"] != whole]
    length = next(n for n in range(1, 27) if not any(other.startswith(whole[:n]) for other in others))

    for typed in (whole[:length], whole[:length].upper(), whole):
        assert ask(some_house, "show", typed, "--json").json["row"]["submission"] == whole
    ambiguous = ask(some_house, "show", whole[: length - 1])
    assert (ambiguous.code, ambiguous.out) == (4, "")
    assert "several submissions begin so" in ambiguous.err
    assert "Type more, for example 01" in ambiguous.err


@pytest.mark.parametrize("typed", ["zz", "01zzzzzzzzzzzzzzzzzzzzzzzz", "%", "_", "'; drop table events"])
def test_an_unknown_id_is_refused(some_house: House, ask: Ask, typed: str) -> None:
    answer = ask(some_house, "show", typed)

    assert (answer.code, answer.out) == (4, "")
    assert "no submission has such an id" in answer.err
    assert "See `sealdrop list`" in answer.err
