"""Loading: one file in, frozen settings out, or everything that is wrong with it at once."""

from __future__ import annotations

import os
from pathlib import Path

import pydantic
import pytest

from sealdrop.core.delivery import ProofLevel
from sealdrop.core.errors import ConfigurationError
from sealdrop.core.order import OrderPolicy
from sealdrop.core.readiness import Protocol
from sealdrop.core.submission import LegPlan
from sealdrop.settings import load
from sealdrop.settings.loading import MAX_FILE_BYTES
from sealdrop.settings.problems import MAX_PROBLEMS
from support.configurations import GOOD, changed, loaded, problems


def test_a_good_file_loads_into_values_that_others_can_use_as_they_are(tmp_path: Path) -> None:
    loaded_ = loaded(tmp_path, GOOD)

    assert loaded_.root == Path("/var/lib/sealdrop")
    assert loaded_.outbox_path("adt") == Path("/var/lib/sealdrop/outbox/adt")
    assert loaded_.results_path("adt") == Path("/var/lib/sealdrop/results/adt")
    assert loaded_.outboxes["adt"].protocol is Protocol.QUIET
    assert loaded_.kinds["adt"].order is OrderPolicy.CLAIM_ORDER
    assert loaded_.kinds["adt"].plan == (LegPlan(name="relay", route="relay"),)
    assert loaded_.routes["relay"].minimum_proof is ProofLevel.DIGEST
    assert [name for name, _ in loaded_.transports("relay")] == ["relay"]


def test_loading_the_same_file_twice_gives_equal_settings(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD) == loaded(tmp_path, GOOD)


def test_transports_without_a_name_are_called_after_their_route_and_numbered_from_the_second(tmp_path: Path) -> None:
    more = '[[routes.relay.transports]]\ntype = "directory"\npath = "/mnt/{}"\n'
    text = GOOD + more.format("b") + more.format("c").replace("type", 'name = "by-disk"\ntype')

    assert [name for name, _ in loaded(tmp_path, text).transports("relay")] == ["relay", "relay-2", "by-disk"]


def test_a_kind_with_legs_owes_each_of_them(tmp_path: Path) -> None:
    route = '[routes.disk]\nenvironment = "live"\n[[routes.disk.transports]]\ntype = "directory"\npath = "/mnt/b"\n'
    legs = 'legs = [{ name = "dcc", route = "relay" }, { name = "copy", route = "disk" }]'
    text = changed(('route = "relay"', legs)) + route

    expected = (LegPlan(name="dcc", route="relay"), LegPlan(name="copy", route="disk"))
    assert loaded(tmp_path, text).kinds["adt"].plan == expected


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    good = loaded(tmp_path, GOOD)

    for table, key in ((good, "root"), (good.agent, "sweep_seconds"), (good.keys["dcc"], "signer")):
        with pytest.raises(pydantic.ValidationError):
            setattr(table, key, getattr(table, key))


def test_environment_variables_and_dotenv_files_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("environment", "ENVIRONMENT", "root", "ROOT", "party", "PARTY", "agent", "AGENT__SWEEP_SECONDS"):
        monkeypatch.setenv(name, "uit-a")
    (tmp_path / ".env").write_text("party=uit-a\nroot=/elsewhere\n")
    monkeypatch.chdir(tmp_path)

    good = loaded(tmp_path, GOOD)

    assert (good.environment, good.party, good.root) == ("live", None, Path("/var/lib/sealdrop"))
    missing = changed(('root = "/var/lib/sealdrop"\n', ""))
    assert [problem.path for problem in problems(tmp_path, missing)] == ["root"]


def test_keys_that_the_library_would_take_for_its_own_are_unknown_keys(tmp_path: Path) -> None:
    names = ["_env_file", "_secrets_dir", "_cli_parse_args", "source", "ENVIRONMENT"]
    text = "".join(f'{name} = "x"\n' for name in names) + GOOD

    assert sorted(problem.path for problem in problems(tmp_path, text)) == sorted(names)


def test_every_problem_of_a_file_is_reported_at_once_with_its_path(tmp_path: Path) -> None:
    text = changed(
        ('root = "/var/lib/sealdrop"', 'root = "var"'),
        ('runtime = "/run/sealdrop"\n', ""),
        ('kind = "adt"\nenvironment = "live"', 'kind = "adtt"\nenvironment = "uit-a"'),
        ('route = "relay"', 'rout = "relay"'),
        ('[routes.relay]\nenvironment = "live"', '[routes.relay]\nenvironment = "sit-b"\nmax_parallel = 0'),
        ("host = ", "hots = "),
        ('type = "sftp"', 'type = "sftp"\nport = "22"'),
    )

    expected = {
        "root",
        "runtime",
        "outboxes.adt.kind",
        "outboxes.adt.environment",
        "kinds.adt.rout",
        "routes.relay.environment",
        "routes.relay.max_parallel",
        "routes.relay.transports.0.host",
        "routes.relay.transports.0.hots",
        "routes.relay.transports.0.port",
    }
    assert {problem.path for problem in problems(tmp_path, text)} == expected


def test_thousands_of_problems_are_counted_rather_than_listed(tmp_path: Path) -> None:
    text = GOOD + "".join(f"x{number} = 1\n" for number in range(3000))

    found = problems(tmp_path, text)

    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].what == f"has {3000 - MAX_PROBLEMS} more problems"


def test_the_error_names_the_file_with_its_odd_characters_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\u202e.toml"
    path.write_text("x = 1\n")

    with pytest.raises(ConfigurationError) as caught:
        load(path)

    assert caught.value.where.endswith(r"a\nb\u202e.toml")


UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "a syntax error names its line and column": (b"a = 1\nb = \n", "line 2, column 5", "is not TOML: invalid value"),
    "an open string ends with the file": (b'a = "x', "end of the file", "is not TOML: unterminated string"),
    "a key given twice is a syntax error": (b"a = 1\na = 2\n", "line 2, column 6", "is not TOML: cannot overwrite"),
    "text that is not UTF-8 names its line and byte": (b'a = 1\nb = "\xff"\n', "line 2, byte 6", "is not UTF-8 text"),
    "a byte order mark is named": (b"\xef\xbb\xbfa = 1\n", "line 1, column 1", "begins with a byte order mark"),
    "lists nested without end are refused": (b"a = " + b"[" * 90_000, "(the file)", "is not TOML"),
    "a number without end is refused": (b"a = " + b"9" * 9_000, "(the file)", "is not TOML"),
    "a file without end is refused": (b"#" * (MAX_FILE_BYTES + 1), "(the file)", "is larger than"),
}


@pytest.mark.parametrize(("data", "path", "what"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_not_toml(tmp_path: Path, data: bytes, path: str, what: str) -> None:
    (problem,) = problems(tmp_path, data)

    assert (problem.path, problem.what[: len(what)]) == (path, what)
    assert problem.hint


def test_a_file_that_is_missing_or_no_file_is_a_problem_and_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, what in (("none", "No such file"), (".", "Is a directory"), ("fifo", "is not a regular file")):
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path / name)

        assert what in caught.value.problems[0].what
    with pytest.raises(ConfigurationError):
        load(Path("a\0b"))
