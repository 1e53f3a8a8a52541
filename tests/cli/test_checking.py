"""`check` and `keys`: a yes or no with all the reasons, and nothing is started or changed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command_line import Ran, sealdrop
from support.house import House, adt_file
from support.openpgp import make_key

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

#: Until somebody fills in who compared a profile with the SEC documents, each look says so.
UNCONFIRMED = ["kinds.adt.profile", "kinds.exit-quarantine.profile"]

Ask = Callable[..., Ran]
MakeHouse = Callable[..., House]


# -- check config ------------------------------------------------------------------------------------------


def test_a_good_configuration_is_good_and_nothing_is_made(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house()
    for_producers(house)
    before = sorted(house.root.rglob("*"))
    answer = ask(house, "check", "config")
    for_programs = ask(house, "check", "config", "--json")

    assert (answer.code, answer.out.splitlines()[-1], answer.err) == (0, f"{house.config} is good", "")
    assert [line.partition(": nobody has")[0] for line in answer.out.splitlines()[:-1]] == [
        f"warning: {path}" for path in UNCONFIRMED
    ]
    assert (for_programs.json["good"], for_programs.json["problems"]) == (True, [])
    assert sorted(house.root.rglob("*")) == before


def for_producers(house: House, mode: int = 0o770) -> None:
    """Make the outboxes as an installer does, or otherwise."""
    for name in ("adt", "exit-quarantine"):
        house.outbox(name).chmod(mode)


def test_an_outbox_that_no_producer_can_drop_into_is_told_with_the_lines_to_add(
    make_house: MakeHouse, ask: Ask
) -> None:
    house = make_house()
    missing = ask(house, "check", "config")
    for_producers(house, 0o750)
    closed = ask(house, "check", "config")
    house.outbox("adt").chmod(0o3770)
    half = ask(house, "check", "config", "--json")

    user = pwd.getpwuid(os.geteuid()).pw_name
    assert (missing.code, closed.code) == (0, 0)
    folder, results = house.root / "outbox" / "adt", house.root / "results" / "adt"
    assert f"warning: outboxes.adt: {folder} is not there" in missing.out
    assert f"d {folder} 3770 sealdrop sealdrop-drop - and d {results} 2750 sealdrop sealdrop-drop -" in missing.out
    assert f"warning: outboxes.adt: {folder} is writable by its owner alone" in closed.out
    assert f"d {folder} 3770 {user} sealdrop-drop -" in closed.out
    assert [warning.partition(": ")[0] for warning in half.json["warnings"]] == [
        "outboxes.exit-quarantine",
        *UNCONFIRMED,
    ]


def test_every_problem_is_told_at_once_with_its_place_and_what_to_do(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house(
        {
            "environment": "live",
            "agent.sweep_seconds": -1,
            "kinds.adt.route": "rellay",
            "outboxes.adt.colour": "blue",
            "keys.dcc.signer": "ABCD",
        }
    )
    answer, for_programs = ask(house, "check", "config"), ask(house, "check", "config", "--json")

    assert (answer.code, answer.out) == (78, "")
    problems = {problem["path"]: problem for problem in for_programs.json["problems"]}
    assert answer.err.startswith(f"sealdrop: {len(problems)} problems in {house.config}; nothing was started\n")
    wanted = {"agent.sweep_seconds", "kinds.adt.route", "outboxes.adt.colour", "keys.dcc.signer"}
    assert wanted | {f"{place}.environment" for place in ("keys.dcc", "routes.relay", "outboxes.adt")} <= set(problems)
    for path, problem in problems.items():
        assert f"  {path}: {problem['what']}\n" in answer.err
        assert problem["hint"]
        assert f"    → {problem['hint']}\n" in answer.err
    assert for_programs.code == 78
    assert for_programs.json["good"] is False


def test_what_a_configuration_refers_to_is_checked_in_one_go(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house()
    nowhere = str(house.folder / "nowhere")
    house.configure(
        {
            "kinds.adt.profile": f"{nowhere}.toml",
            "keys.dcc.signer_key": {"file": nowhere},
            "routes.relay.transports.0.host_keys": None,
            "routes.relay.transports.0.known_hosts": nowhere,
        }
    )
    answer = ask(house, "check", "config")

    assert answer.code == 78
    assert "3 problems" in answer.err
    for place in ("kinds.adt.profile", "keys.dcc.signer_key", nowhere):
        assert f"  {place}: " in answer.err


def test_a_key_of_somebody_else_is_a_problem(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house()
    other = str(house.party.signer.public)
    house.configure(
        {"keys.dcc.recipients": [{"fingerprint": house.party.recipient.fingerprint, "file": other}]},
    )
    answer = ask(house, "check", "config")

    assert answer.code == 78
    assert house.party.signer.fingerprint in answer.err
    assert house.party.recipient.fingerprint in answer.err


def test_what_only_the_service_manager_hands_over_is_no_problem_here(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house(
        {
            "keys.dcc.signer_key": {"credential": "signing-key"},
            "routes.relay.transports.0.private_key": {"credential": "login-key"},
        }
    )
    for_producers(house)
    answer = ask(house, "check", "config")

    assert answer.code == 0
    assert [line.partition(": names credentials")[0] for line in answer.out.splitlines()[len(UNCONFIRMED) : -1]] == [
        "warning: keys.dcc",
        "warning: routes.relay",
    ]


@pytest.mark.parametrize("command", ["run", "once"])
def test_nothing_starts_with_a_bad_configuration(make_house: MakeHouse, command: str) -> None:
    house = make_house({"agent.sweep_seconds": -1, "outboxes.adt.colour": "blue"})
    done = house.run(command, check=False)

    assert (done.returncode, done.stdout) == (78, "")
    assert "2 problems" in done.stderr
    assert not house.root.exists()
    assert not (house.folder / "run").exists()
    assert "Connection from" not in house.far.log


# -- keys --------------------------------------------------------------------------------------------------


def test_the_keys_in_use_are_listed(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house()
    answer, listed = ask(house, "keys"), ask(house, "keys", "--json").json

    assert answer.code == 0
    assert [(one["use"], one["fingerprint"], one["problem"]) for one in listed] == [
        ("signer", house.party.signer.fingerprint, None),
        ("recipient", house.party.recipient.fingerprint, None),
    ]
    assert {frozenset(one) for one in listed} == {
        frozenset(
            {
                "use",
                "name",
                "fingerprint",
                "user_id",
                "algorithm",
                "created",
                "expires",
                "subkeys",
                "problem",
                "warning",
            }
        )
    }
    for one in listed:
        assert one["fingerprint"] in answer.out
    assert "never" in answer.out


def test_an_expired_key_is_named_before_anything_is_dropped(make_house: MakeHouse, ask: Ask) -> None:
    house = make_house()
    old = make_key(
        house.folder,
        "Old <old@dcc.example>",
        usage="cert",
        subkeys=[("cv25519", "encr", "1d")],
        expire="1d",
        at="20200101T000000",
    )
    house.configure({"keys.dcc.recipients": [{"fingerprint": old.fingerprint, "file": str(old.public)}]})
    answer, listed = ask(house, "keys"), ask(house, "keys", "--json")

    assert (answer.code, listed.code) == (1, 1)
    (problem,) = [one["problem"] for one in listed.json if one["problem"]]
    assert problem == "expired on 2020-01-02 00:00 UTC"
    assert "2020-01-02" in answer.out
    assert f"the recipient key {old.fingerprint}: {problem}" in ask(house, "check", "config").out

    house.start()
    house.drop("adt", "waits.csv", adt_file())
    incident = house.wait_line(notice="incident", subject="keys of adt")
    assert old.fingerprint in incident["said"]
    assert not house.open()
    assert (house.outbox() / "waits.csv").exists()


# -- check file --------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Give a good and a bad file."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(adt_file())
    bad.write_bytes(adt_file(warning=1000, quarantine=800))
    return {"good": good, "bad": bad}


@pytest.mark.parametrize("by", [("--kind", "adt"), ("--profile", "adt")], ids=["by its kind", "by a profile"])
def test_a_file_is_checked_without_an_agent(left: House, ask: Ask, files: dict[str, Path], by: tuple[str, str]) -> None:
    good, bad = ask(left, "check", "file", files["good"], *by), ask(left, "check", "file", files["bad"], *by)
    for_programs = ask(left, "check", "file", files["bad"], *by, "--json")

    assert good.code == 0
    assert good.out.startswith("ACCEPTED")
    assert bad.code == for_programs.code == 1
    assert bad.out.startswith("REJECTED: bad.csv\n")
    assert "Rule adt.warning-above-quarantine" in bad.out
    answer = for_programs.json
    assert set(answer) == {
        "version", "verdict", "file", "submission", "profile", "records", "reference", "ordering_keys", "counts",
        "findings", "changed", "changes",
    }  # fmt: skip
    assert answer["verdict"] == "rejected"
    assert [one["rule"] for one in answer["findings"] if one["severity"] == "reject"] == [
        "adt.warning-above-quarantine"
    ]
    assert files["bad"].read_bytes() == adt_file(warning=1000, quarantine=800)


def test_a_file_is_checked_by_a_shipped_profile_where_nothing_is_installed(files: dict[str, Path]) -> None:
    answer = sealdrop("check", "file", files["good"], "--profile", "adt", "--config", "/nonexistent")

    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give either --kind or --profile"),
        (("--kind", "adt", "--profile", "adt"), 2, "give either --kind or --profile"),
        (("--kind", "adtt"), 4, "Configured are: adt, exit-quarantine"),
        (("--profile", "adtt"), 78, "Shipped are: adt, exit-quarantine, quarantine-report"),
    ],
)
def test_a_file_cannot_be_checked_by_what_there_is_not(
    left: House, ask: Ask, files: dict[str, Path], arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = ask(left, "check", "file", files["good"], *arguments)

    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err


@pytest.mark.parametrize("what", ["missing.csv", "."])
def test_what_is_no_file_cannot_be_checked(left: House, ask: Ask, tmp_path: Path, what: str) -> None:
    answer = ask(left, "check", "file", tmp_path / what, "--kind", "adt")

    assert (answer.code, answer.out) == (2, "")
