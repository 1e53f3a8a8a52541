# ruff: noqa: E501 - one contradiction is one line: a table is read by its lines
"""How values must agree: environments, references, folders, and pairs of keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealdrop.settings import warnings
from support.configurations import GOOD, HOST_KEY, RECIPIENT, SIGNER, changed, loaded, problems

SFTP = "routes.relay.transports.0"
Edit = tuple[str, str]

OUTBOX = '\n[outboxes.other]\nkind = "adt"\nenvironment = "live"\n'
DISK = '\n[routes.disk]\nenvironment = "live"\n[[routes.disk.transports]]\ntype = "directory"\npath = "/mnt/disk"\n'
END = 'private_key = { file = "/etc/sealdrop/login" }\n'


def also(more: str) -> Edit:
    """Put another table at the end."""
    return END, END + more


def outbox(more: str) -> Edit:
    return "[outboxes.adt]\n", f"[outboxes.adt]\n{more}\n"


def kind(more: str) -> Edit:
    return "[kinds.adt]\n", f"[kinds.adt]\n{more}\n"


def sftp(more: str) -> Edit:
    return 'type = "sftp"\n', f'type = "sftp"\n{more}\n'


def legs(*routes: str) -> Edit:
    listed = ", ".join(
        f'{{ name = "{name}", route = "{route}" }}' for name, _, route in (one.partition(">") for one in routes)
    )
    return 'route = "relay"', f"legs = [{listed}]"


#: sentence → edits of the good file, path of the one problem, words of the problem, words of the hint
BAD: dict[str, tuple[list[Edit], str, str, str]] = {
    # --- environments
    "an outbox of another environment": ([('kind = "adt"\nenvironment = "live"', 'kind = "adt"\nenvironment = "uit-a"')], "outboxes.adt.environment", "is 'uit-a', but this instance is 'live'", "never mix"),
    "keys of another environment": ([('[keys.dcc]\nenvironment = "live"', '[keys.dcc]\nenvironment = "uit-a"')], "keys.dcc.environment", "is 'uit-a', but this instance is 'live'", "never mix"),
    "a route of another environment": ([('[routes.relay]\nenvironment = "live"', '[routes.relay]\nenvironment = "uit-a"')], "routes.relay.environment", "is 'uit-a', but this instance is 'live'", "never mix"),
    # --- references
    "a kind that does not exist": ([('kind = "adt"', 'kind = "adtt"')], "outboxes.adt.kind", "there is no [kinds.adtt]", "'adt'"),
    "keys that do not exist": ([('keys = "dcc"', 'keys = "xyzzy"')], "kinds.adt.keys", "there is no [keys.xyzzy]", "There are: dcc."),
    "a route that does not exist": ([('route = "relay"', 'route = "rely"')], "kinds.adt.route", "there is no [routes.rely]", "'relay'"),
    "a leg whose route does not exist": ([legs("one>relay", "two>rely")], "kinds.adt.legs.1.route", "there is no [routes.rely]", "'relay'"),
    # --- kinds
    "a kind that owes nothing": ([('route = "relay"\n', "")], "kinds.adt.route", "is missing", "legs"),
    "a kind with a route beside legs": ([kind('legs = [{ name = "one", route = "relay" }]')], "kinds.adt.legs", "stands beside route", "one of the two"),
    "two legs of one name": ([legs("one>relay", "one>disk"), also(DISK)], "kinds.adt.legs", "leg name 'one' appears 2 times", ""),
    "two legs through one route": ([legs("one>relay", "two>relay")], "kinds.adt.legs", "route 'relay' appears 2 times", ""),
    "less room than the largest file": ([kind("max_active_bytes = 10\nmax_bytes = 11")], "kinds.adt.max_active_bytes", "is less than max_bytes", "at least 11"),
    # --- outboxes
    "a marker that looks unfinished": ([outbox('marker_suffix = ".done.part"')], "outboxes.adt.marker_suffix", "ends like files in progress ('.part')", ""),
    # --- keys
    "a recipient named twice": ([("recipients = [", f'recipients = [{{ fingerprint = "{RECIPIENT}", file = "/a" }}, ')], "keys.dcc.recipients", f"fingerprint '{RECIPIENT}' appears 2 times", ""),
    "a random passphrase that is not there": ([(f'signer = "{SIGNER}"', f'signer = "{SIGNER}"\npassphrase_is_random = true')], "keys.dcc.passphrase_is_random", "there is none", ""),
    # --- routes
    "a longest pause below the first": ([also("[routes.relay.retry]\nfirst_seconds = 60\nmax_seconds = 30\n")], "routes.relay.retry.max_seconds", "is less than first_seconds", ""),
    "a server without a pinned key": ([(f'host_keys = ["{HOST_KEY}"]\n', "")], f"{SFTP}.host_keys", "is missing: without a pinned key", "public host key"),
    "an empty list of pins": ([(f'host_keys = ["{HOST_KEY}"]', "host_keys = []")], f"{SFTP}.host_keys", "is missing: without a pinned key", ""),
    "pins in two places": ([sftp('known_hosts = "/etc/k"')], f"{SFTP}.known_hosts", "stands beside host_keys", ""),
    "nothing to log in with": ([(END, "")], f"{SFTP}.private_key", "is missing", "or password"),
    "a key and a password": ([sftp('password = { file = "/p" }')], f"{SFTP}.password", "stands beside private_key", "prefer the key"),
    "a passphrase for no key": ([(END, 'password = { file = "/p" }\npassphrase = { file = "/q" }\n')], f"{SFTP}.passphrase", "belongs to a private_key", ""),
    "a temporary suffix that is none": ([sftp('temporary = { style = "suffix" }')], f"{SFTP}.temporary.text", "does not make a suffix", '".part"'),
    "a temporary prefix with a folder": ([sftp('temporary = { text = "tmp/" }'), ("tmp/", "a/b")], f"{SFTP}.temporary.text", "does not make a prefix", ""),
    "a temporary folder that is the folder": ([sftp('temporary = { style = "folder" }')], f"{SFTP}.temporary.text", "is the folder itself", "another one"),
    "two transports of one name": ([('route = "relay"', 'route = "relay"'), also(DISK.replace("path =", 'name = "relay"\npath ='))], "routes.disk.transports.0.name", "'relay' is also the name of routes.relay.transports.0", "ledger"),
    "a second transport named like another route": ([also('[[routes.relay.transports]]\ntype = "directory"\npath = "/mnt/a"\n' + DISK.replace("routes.disk", "routes.relay-2"))], "routes.relay-2.transports.0.name", "'relay-2' is also the name of routes.relay.transports.1", ""),
    # --- folders
    "a runtime folder in the root": ([("/run/sealdrop", "/var/lib/sealdrop/run")], "runtime", "and root run into each other", "beside"),
    "a root in the runtime folder": ([("/var/lib/sealdrop", "/run/sealdrop/root")], "runtime", "and root run into each other", ""),
    "the root as an outbox": ([outbox('path = "/var/lib/sealdrop"')], "outboxes.adt.path", "and root run into each other", "only outbox/…"),
    "an outbox around the root": ([outbox('path = "/var/lib"')], "outboxes.adt.path", "and root run into each other", ""),
    "an outbox in work/": ([outbox('path = "/var/lib/sealdrop/work/adt"')], "outboxes.adt.path", "and root run into each other", "only outbox/…"),
    "the folder of all outboxes as an outbox": ([outbox('path = "/var/lib/sealdrop/outbox"')], "outboxes.adt.path", "and root run into each other", ""),
    "results in sent/": ([outbox('results = "/var/lib/sealdrop/sent"')], "outboxes.adt.results", "and root run into each other", "only results/…"),
    "an outbox in the runtime folder": ([outbox('path = "/run/sealdrop/adt"')], "outboxes.adt.path", "and runtime run into each other", ""),
    "two outboxes in one folder": ([outbox('path = "/srv/drop"'), also(OUTBOX + 'path = "/srv/drop/"\n')], "outboxes.other.path", "is the same folder as outboxes.adt.path", ""),
    "an outbox in an outbox": ([outbox('path = "/srv/drop"'), also(OUTBOX + 'path = "/srv/drop/in"\n')], "outboxes.other.path", "runs into outboxes.adt.path", ""),
    "an outbox that takes another's default folder": ([also(OUTBOX + 'path = "/var/lib/sealdrop/outbox/adt"\n')], "outboxes.other.path", "is the same folder as outboxes.adt.path", ""),
    "results that drop into the outbox": ([outbox('path = "/srv/drop"\nresults = "/srv/drop"')], "outboxes.adt.results", "is the same folder as outboxes.adt.path", ""),
    "results of one outbox in another": ([outbox('path = "/srv/drop"'), also(OUTBOX + 'results = "/srv/drop/results"\n')], "outboxes.other.results", "runs into outboxes.adt.path", ""),
    "delivery into an outbox": ([outbox('path = "/mnt/disk/in"'), also(DISK)], "routes.disk.transports.0.path", "runs into outboxes.adt.path", ""),
    "delivery into the root": ([also(DISK.replace("/mnt/disk", "/var/lib/sealdrop/sent"))], "routes.disk.transports.0.path", "and root run into each other", "agent's own"),
}  # fmt: skip


@pytest.mark.parametrize(("edits", "path", "what", "hint"), BAD.values(), ids=BAD.keys())
def test_a_contradiction_is_refused_with_its_place_and_advice(
    tmp_path: Path, edits: list[Edit], path: str, what: str, hint: str
) -> None:
    (problem,) = problems(tmp_path, changed(*edits))

    assert problem.path == path
    assert what in problem.what
    assert hint in problem.hint


GOOD_ONES: dict[str, list[Edit]] = {
    "results inside their own outbox": [outbox('path = "/srv/drop"\nresults = "/srv/drop/results"')],
    "an outbox of another name below outbox/": [outbox('path = "/var/lib/sealdrop/outbox/x/y"')],
    "neighbours whose names begin alike": [outbox('path = "/srv/drop"'), also(OUTBOX + 'path = "/srv/drop2"\n')],
    "one folder reached by two routes": [also(DISK), also(DISK.replace("routes.disk", "routes.again"))],
    "as much room as the largest file": [kind("max_active_bytes = 11\nmax_bytes = 11")],
}


@pytest.mark.parametrize("edits", GOOD_ONES.values(), ids=GOOD_ONES.keys())
def test_what_only_looks_like_a_contradiction_is_taken(tmp_path: Path, edits: list[Edit]) -> None:
    assert problems(tmp_path, changed(*edits)) == ()


def test_a_missing_environment_of_the_instance_does_not_hide_a_mixture(tmp_path: Path) -> None:
    text = changed(('[keys.dcc]\nenvironment = "live"', '[keys.dcc]\nenvironment = "uit-a"')).replace(
        'environment = "live"\n', "", 1
    )

    found = {problem.what for problem in problems(tmp_path, text) if problem.path == "environment"}

    assert "is missing" in found
    mixture = next(what for what in found if what.startswith("several environments are mixed"))
    for place in (
        "outboxes.adt.environment = 'live'",
        "keys.dcc.environment = 'uit-a'",
        "routes.relay.environment = 'live'",
    ):
        assert place in mixture


def test_two_environments_never_meet_at_one_far_end(tmp_path: Path) -> None:
    copy = GOOD[GOOD.index("[routes.relay]") :].replace("routes.relay", "routes.test").replace('"live"', '"uit-a"')
    text = (
        GOOD
        + copy.replace("sftp.relay.example", "SFTP.relay.example.")
        + DISK
        + DISK.replace("routes.disk", "routes.copy").replace('"live"', '"sit-b"')
    )

    found = {problem.path: problem.what for problem in problems(tmp_path, text)}

    assert (
        found["routes.test.transports.0"]
        == "is 'uit-a' and leads to the same place as routes.relay.transports.0, which is 'live'"
    )
    assert (
        found["routes.copy.transports.0"]
        == "is 'sit-b' and leads to the same place as routes.disk.transports.0, which is 'live'"
    )


def test_a_bad_table_hides_no_contradiction_elsewhere_and_is_not_called_missing(tmp_path: Path) -> None:
    text = changed(
        ('[routes.relay]\nenvironment = "live"', '[routes.relay]\nenvironment = "uit-a"\nnonsense = 1'),
        outbox('path = "/var/lib"'),
        kind("nonsense = 1"),
    )

    expected = {"routes.relay.nonsense", "routes.relay.environment", "outboxes.adt.path", "kinds.adt.nonsense"}
    assert {problem.path for problem in problems(tmp_path, text)} == expected


ENVIRONMENTS = st.sampled_from(["live", "uit-a", "sit-b"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own=ENVIRONMENTS,
    others=st.fixed_dictionaries(
        {"outboxes.adt": ENVIRONMENTS, "keys.dcc": ENVIRONMENTS, "routes.relay": ENVIRONMENTS}
    ),
)
def test_no_mixture_of_environments_loads_and_each_stranger_is_named(
    tmp_path: Path, own: str, others: dict[str, str]
) -> None:
    lines = GOOD.replace('environment = "live"', f'environment = "{own}"', 1).split("\n")
    table = ""
    for number, line in enumerate(lines):
        table = line.strip("[]") if line.startswith("[") else table
        if table and line.startswith("environment"):
            lines[number] = f'environment = "{others[table]}"'

    found = {problem.path for problem in problems(tmp_path, "\n".join(lines))}

    assert found == {f"{table}.environment" for table, value in others.items() if value != own}


def test_what_is_allowed_but_odd_is_a_warning(tmp_path: Path) -> None:
    spare = (
        GOOD[GOOD.index("[kinds.adt]") : GOOD.index("[routes.relay]")]
        .replace("kinds.adt", "kinds.spare")
        .replace("keys.dcc", "keys.spare")
    )
    text = changed(
        outbox("remote = true"),
        ("[routes.relay]\n", '[routes.relay]\nminimum_proof = "size"\n'),
        (END, 'password = { file = "/p" }\n' + spare + DISK),
    )  # fmt: skip

    expected = {
        "kinds.spare",
        "keys.spare",
        "routes.disk",
        "outboxes.adt.protocol",
        "routes.relay.minimum_proof",
        "routes.relay.transports.0.password",
    }
    assert {problem.path for problem in warnings(loaded(tmp_path, text))} == expected
    assert warnings(loaded(tmp_path, GOOD)) == ()
