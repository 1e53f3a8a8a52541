"""Every exit code there is comes from a real case, and each case says on standard error what to do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sealdrop.cli.exits import Exit, exit_of
from sealdrop.core import errors
from support.house import COMMAND, House, adt_file
from support.unmeasured import unmeasured

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

MakeHouse = Callable[..., House]
Done = subprocess.CompletedProcess[str]


def run(*command: object) -> Done:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=unmeasured(),
    )


def done(house: House) -> Done:
    return run(*COMMAND, "check", "config", "--config", house.config)


def the_answer_is_no(house: House) -> Done:
    bad = house.folder / "bad.csv"
    bad.write_bytes(b"no\n")
    return run(*COMMAND, "check", "file", bad, "--kind", "adt", "--config", house.config)


def a_wrong_command_line(house: House) -> Done:
    return run(*COMMAND, "show", "--config", house.config)


def nobody_runs(house: House) -> Done:
    return run(*COMMAND, "retry", "01", "--reason", "please", "--config", house.config)


def not_allowed(house: House) -> Done:
    return run(*COMMAND, "init", "--config", house.config)


def our_own_disk(house: House) -> Done:
    """Files may not grow: what a full or broken disk does."""
    return run("prlimit", "--fsize=4096", *COMMAND, "once", "--config", house.config)


def not_now(house: House) -> Done:
    (house.outbox() / "waits.csv").touch()
    return run(*COMMAND, "once", "--patience", "0", "--config", house.config)


def a_bad_configuration(house: House) -> Done:
    house.configure({"agent.sweep_seconds": -1})
    return run(*COMMAND, "run", "--config", house.config)


CASES: dict[Exit, Callable[[House], Done]] = {
    Exit.OK: done,
    Exit.NO: the_answer_is_no,
    Exit.USAGE: a_wrong_command_line,
    Exit.NOT_RUNNING: nobody_runs,
    Exit.REFUSED: not_allowed,
    Exit.STORAGE: our_own_disk,
    Exit.TEMPORARY: not_now,
    Exit.CONFIGURATION: a_bad_configuration,
}


@pytest.mark.parametrize("code", Exit, ids=lambda code: code.name)
def test_an_exit_code_comes_from_a_real_case(make_house: MakeHouse, code: Exit) -> None:
    ended = CASES[code](make_house())

    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    if code in {Exit.USAGE, Exit.NOT_RUNNING, Exit.REFUSED, Exit.CONFIGURATION}:
        assert (ended.stdout, bool(ended.stderr)) == ("", True)


def leaves(kind: type[errors.SealdropError]) -> list[type[errors.SealdropError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


@pytest.mark.parametrize("kind", leaves(errors.SealdropError), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_that_is_not_success(kind: type[errors.SealdropError]) -> None:
    error = kind([], where="here") if kind is errors.ConfigurationError else kind("what")

    assert exit_of(error) not in {Exit.OK, Exit.USAGE}


def test_a_storage_failure_loses_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    house.drop("adt", "one.csv", adt_file())
    assert our_own_disk(house).returncode == Exit.STORAGE

    assert run(*COMMAND, "once", "--config", house.config).returncode == Exit.OK
    house.assert_delivered_once({"one.csv": adt_file()})


def test_a_secret_that_others_may_read_is_refused_in_words(make_house: MakeHouse) -> None:
    house = make_house()
    open_key = house.folder / "open.sec"
    open_key.write_bytes(house.party.signer.secret.read_bytes())
    open_key.chmod(0o644)
    house.configure({"keys.dcc.signer_key": {"file": str(open_key)}})
    ended = run(*COMMAND, "run", "--config", house.config)

    assert ended.returncode == Exit.CONFIGURATION
    assert str(open_key) in ended.stderr
    assert "is open to others (mode 0644)" in ended.stderr
    assert "Make the agent's user its owner, and its mode 0600" in ended.stderr
    assert not Path(house.folder / "run" / "control.sock").exists()
