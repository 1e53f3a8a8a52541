# ruff: noqa: E501 - one mistake is one line: a table is read by its lines
"""What one value may be: each mistake a person can make, with the place and the advice it earns."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.configurations import HOST_KEY, RECIPIENT, SIGNER, changed, problems

SFTP = "routes.relay.transports.0"
Edit = tuple[str, str]


def after(line: str, more: str) -> Edit:
    """Put another line after one."""
    return line, f"{line}\n{more}"


def top(more: str) -> Edit:
    return after('runtime = "/run/sealdrop"', more)


def outbox(more: str) -> Edit:
    return after('kind = "adt"', more)


def kind(more: str) -> Edit:
    return after('keys = "dcc"', more)


def keys(more: str) -> Edit:
    return after(f'signer = "{SIGNER}"', more)


def route(more: str) -> Edit:
    return after('[routes.relay]\nenvironment = "live"', more)


def sftp(more: str) -> Edit:
    return after('user = "example"', more)


def signer(text: str) -> Edit:
    return SIGNER, text


def host(text: str) -> Edit:
    return "sftp.relay.example", text


#: sentence → edit of the good file, path, words of the problem, words of the hint
BAD: dict[str, tuple[Edit, str, str, str]] = {
    # --- keys and tables
    "a misspelt key is told its neighbour": (("host = ", "hots = "), f"{SFTP}.hots", "unknown key 'hots'", "'host'"),
    "an upper-case key is told its neighbour": (top('Party = "x"'), "Party", "unknown key 'Party'", "'party'"),
    "a key with hyphens is told its neighbour": (outbox("quiet-seconds = 3"), "outboxes.adt.quiet-seconds", "unknown key", "'quiet_seconds'"),
    "a key in the wrong table is told its home": (top("sweep_seconds = 3"), "sweep_seconds", "unknown key", "[agent]"),
    "a key of a transport in another's table is told its home": (top('[agent]\nhost = "x"'), "agent.host", "unknown key", "[[routes.NAME.transports]]"),
    "a key like no other is shown what there is": (top("[control]\nxyzzy = 1"), "control.xyzzy", "unknown key 'xyzzy'", "Known here: read_group, admin_group"),
    "a key that would turn a check off is unknown": (route("insecure = true"), "routes.relay.insecure", "unknown key", "Known here"),
    "a key with odd characters cannot deceive the reader": (top('"a\\nb\\u202e" = 1'), '"a\\nb\\u202e"', "unknown key 'a\\nb\\u202e'", ""),
    "a value in place of a table": (top("agent = 3"), "agent", "must be a table, not a whole number", "How the agent works"),
    "a table in place of a value": (top("party = {}"), "party", "must be text, not a table", "Name of the SEC Party"),
    "a table in place of a list of tables": (("[[routes.relay.transports]]", "[routes.relay.transports]"), "routes.relay.transports", "must be a list, not a table", "best first"),
    "a name with upper-case letters": (("[outboxes.adt]", "[outboxes.ADT]"), "outboxes.ADT", "is not a usable name", "lower-case"),
    "a name with dots": (("[outboxes.adt]", '[outboxes."a.b"]'), 'outboxes."a.b"', "is not a usable name", "lower-case"),
    "a name that would climb out of the root": (("[outboxes.adt]", '[outboxes."../x"]'), 'outboxes."../x"', "is not a usable name", "lower-case"),
    "no outbox at all": (('[outboxes.adt]\nkind = "adt"\nenvironment = "live"', "[outboxes]"), "outboxes", "is empty", "folders that producers fill"),
    "a missing key is described": ((f'signer = "{SIGNER}"\n', ""), "keys.dcc.signer", "is missing", "Full fingerprint"),
    # --- sorts and bounds
    "text in place of a number": (sftp('port = "22"'), f"{SFTP}.port", "must be a whole number, not text", "TCP port"),
    "a broken number in place of a whole one": (sftp("port = 22.0"), f"{SFTP}.port", "must be a whole number, not a number", ""),
    "true in place of a number": (top("[agent]\nseal_workers = true"), "agent.seal_workers", "must be a whole number, not true or false", ""),
    "text in place of true": (outbox('remote = "yes"'), "outboxes.adt.remote", "must be true or false, not text", ""),
    "a date in place of a number": (top("[agent]\nsweep_seconds = 2026-01-01"), "agent.sweep_seconds", "must be a number, not a date", ""),
    "text in place of a list": (outbox('accept = "*.csv"'), "outboxes.adt.accept", "must be a list, not text", ""),
    "a number beyond every number": (top("[agent]\nsweep_seconds = inf"), "agent.sweep_seconds", "must be a finite number", ""),
    "not a number": (top("[agent]\nsweep_seconds = nan"), "agent.sweep_seconds", "must be a finite number", ""),
    "a port out of range": (sftp("port = 65536"), f"{SFTP}.port", "must be at most 65535", ""),
    "no parallel delivery at all": (route("max_parallel = 0"), "routes.relay.max_parallel", "must be at least 1", ""),
    "no patience at all": (kind("patience_hours = 0"), "kinds.adt.patience_hours", "must be more than 0", ""),
    "no reserve of free space": (top("[agent]\nfree_space_reserve_bytes = 0"), "agent.free_space_reserve_bytes", "must be at least 1048576", "nothing new is claimed"),
    "a priority above the highest": (kind("priority = 101"), "kinds.adt.priority", "must be at most 100", "Higher goes first"),
    "an empty list of patterns": (outbox("accept = []"), "outboxes.adt.accept", "is empty", ""),
    "too many pins": ((HOST_KEY, '", "'.join([HOST_KEY] * 9)), f"{SFTP}.host_keys", "is too long: at most 8", ""),
    "an empty party": (top('party = ""'), "party", "is empty", ""),
    "a party with an escape sequence": (top('party = "a\\u001b[2J"'), "party", "holds a character that does not print", "invisible"),
    # --- choices
    "a misspelt protocol": (outbox('protocol = "renamed"'), "outboxes.adt.protocol", "is not one of the choices", "rename, marker, quiet. Did you mean 'rename'?"),
    "a proof that only a person can give": (route('minimum_proof = "by-hand"'), "routes.relay.minimum_proof", "is not a proof that a transport can give", "digest, digest-xor, size, accepted"),
    "no proof at all": (route('minimum_proof = "none"'), "routes.relay.minimum_proof", "is not one of the choices", "digest"),
    "an order that is not known": (kind('order = "newest"'), "kinds.adt.order", "is not one of the choices", "supersede, claim-order, none"),
    "a transport of another type": (('type = "sftp"', 'type = "ftp"'), f"{SFTP}.type", "is not a type of transport", "sftp, directory"),
    "a transport without a type": (('type = "sftp"\n', ""), f"{SFTP}.type", "is missing", "sftp, directory"),
    "production is called live": (('environment = "live"', 'environment = "production"'), "environment", "is not the name of a DCC environment", '"live"'),
    "an environment in upper case": (('environment = "live"', 'environment = "UIT-A"'), "environment", "is not a usable name", "lower-case"),
    # --- paths
    "a relative root": (("/var/lib/sealdrop", "var/lib"), "root", "is not an absolute path", "from '/'"),
    "a root in a home folder": (("/var/lib/sealdrop", "~/sealdrop"), "root", "is not an absolute path", "'~' is not expanded"),
    "a root with a way up": (("/var/lib/sealdrop", "/var/lib/../x"), "root", "holds '..'", ""),
    "the whole file system as root": (("/var/lib/sealdrop", "/"), "root", "is the whole file system", "folder of its own"),
    "the whole file system in another spelling": (("/var/lib/sealdrop", "//"), "root", "is the whole file system", ""),
    "a path with a zero byte": (("/var/lib/sealdrop", "/a\\u0000b"), "root", "does not print", ""),
    "a path longer than the kernel takes": (("/var/lib/sealdrop", "/" + "a" * 4096), "root", "is longer than 4095 bytes", ""),
    "a runtime folder too long for sockets": (("/run/sealdrop", "/" + "r" * 76), "runtime", "is longer than 76 bytes", "/run/sealdrop"),
    "a relative key file": (("/etc/sealdrop/dcc.asc", "dcc.asc"), "keys.dcc.recipients.0.file", "is not an absolute path", ""),
    "a profile that is neither name nor path": (('profile = "adt"', 'profile = "Adt"'), "kinds.adt.profile", "neither the name of a shipped profile", ".toml"),
    "a pattern with a folder": (outbox('accept = ["in/*.csv"]'), "outboxes.adt.accept.0", "is not a pattern for file names", ""),
    "a suffix without its dot": (outbox('marker_suffix = "done"'), "outboxes.adt.marker_suffix", "is not a suffix", '".done"'),
    "a group name with a space": (top('[control]\nread_group = "our people"'), "control.read_group", "is not a group name", "getent"),
    # --- fingerprints
    "a short key id": (signer("01234567"), "keys.dcc.signer", "it has 8 digits instead of 40 (or 64)", "short ids can be forged"),
    "a long key id with 0x": (signer("0x0123456789ABCDEF"), "keys.dcc.signer", "it has 16 digits", ""),
    "a fingerprint of 39 digits": (signer(SIGNER[:-1]), "keys.dcc.signer", "it has 39 digits", ""),
    "a fingerprint with spaces": (signer("0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"), "keys.dcc.signer", "it holds spaces", ""),
    "a fingerprint in lower case": (signer(SIGNER.lower()), "keys.dcc.signer", "it holds lower-case letters", ""),
    "a mail address in place of a fingerprint": (signer("ops@example.net"), "keys.dcc.signer", "other characters than hexadecimal digits", ""),
    "an empty fingerprint": (signer(""), "keys.dcc.signer", "other characters than hexadecimal digits", ""),
    "a bad fingerprint of a recipient": ((RECIPIENT, RECIPIENT.lower()), "keys.dcc.recipients.0.fingerprint", "lower-case", ""),
    # --- secrets
    "a passphrase in the file": (keys('passphrase = "hunter2"'), "keys.dcc.passphrase", "holds a secret itself", "{ file = "),
    "a password in a table": (sftp('password = { value = "hunter2" }'), f"{SFTP}.password", "is not a reference to a secret", "{ credential = "),
    "a secret in two places": (keys('passphrase = { file = "/a", credential = "b" }'), "keys.dcc.passphrase", "is not a reference to a secret", ""),
    "a number as a secret": (keys("passphrase = 1234"), "keys.dcc.passphrase", "is not a reference to a secret", ""),
    "a secret in a relative file": (keys('passphrase = { file = "p" }'), "keys.dcc.passphrase.file", "is not an absolute path", ""),
    "a credential with a path": (keys('passphrase = { credential = "../p" }'), "keys.dcc.passphrase.credential", "is not a credential name", "LoadCredential="),
    # --- the far end
    "a host with a scheme": (host("sftp://relay"), f"{SFTP}.host", "is not a host name or address", '"sftp://"'),
    "a host with a port": (host("relay:22"), f"{SFTP}.host", "is not a host name or address", "port"),
    "a host with a user": (host("me@relay"), f"{SFTP}.host", "is not a host name or address", "user"),
    "an address in brackets": (host("[::1]"), f"{SFTP}.host", "is not a host name or address", "brackets"),
    "a host name longer than any": (host(".".join(["a" * 60] * 5)), f"{SFTP}.host", "is not a host name", ""),
    "a user with a colon": (('user = "example"', 'user = "a:b"'), f"{SFTP}.user", "is not a login name", ""),
    "a user with an invisible character": (('user = "example"', 'user = "a\\u202eb"'), f"{SFTP}.user", "does not print", ""),
    "a remote folder with a way up": (sftp('folder = "in/../.."'), f"{SFTP}.folder", "holds '..'", ""),
    "an empty remote folder": (sftp('folder = ""'), f"{SFTP}.folder", "is empty", '"."'),
    "a proxy with a password": (sftp('proxy = "http://u:hunter2@p:3128"'), f"{SFTP}.proxy", "holds a user or password", ""),
    "a proxy without a port": (sftp('proxy = "http://p"'), f"{SFTP}.proxy", "is not a proxy address", "http://host:port"),
    "a proxy of another kind": (sftp('proxy = "socks5://p:1080"'), f"{SFTP}.proxy", "is not a proxy address", ""),
    "a proxy with a path": (sftp('proxy = "http://p:3128/x"'), f"{SFTP}.proxy", "is not a proxy address", ""),
    "a proxy with a port that is no number": (sftp('proxy = "http://p:http"'), f"{SFTP}.proxy", "is not a proxy address", ""),
    "a proxy whose host is no host": (sftp('proxy = "http://a b:1"'), f"{SFTP}.proxy", "is not a host name", ""),
    # --- names at the far end, User IDs
    "an output name without the id": (kind('output_name = "{stem}.pgp"'), "kinds.adt.output_name", "does not hold {id}", "{stem}"),
    "an output name with an unknown field": (kind('output_name = "{id}{x}"'), "kinds.adt.output_name", "does not make a file name", "{kind}"),
    "an output name that reaches into objects": (kind('output_name = "{id.__class__}{id}"'), "kinds.adt.output_name", "does not make a file name", ""),
    "an output name with a folder": (kind('output_name = "in/{id}"'), "kinds.adt.output_name", "does not make a file name", "no slash"),
    "an output name with an open brace": (kind('output_name = "{id}{"'), "kinds.adt.output_name", "does not make a file name", ""),
    "an output name without end": (kind(f'output_name = "{{id}}{"a" * 120}"'), "kinds.adt.output_name", "is longer than 120 characters", ""),
    "a User ID with a digit missing": (kind('own_user_ids = ["90-B3-D5-1F-30-01-00-0"]'), "kinds.adt.own_user_ids.0", "is not a User ID", "90-B3"),
    "a range that ends before it begins": (kind('own_user_ids = ["90-B3-D5-1F-30-01-00-01..90-B3-D5-1F-30-01-00-00"]'), "kinds.adt.own_user_ids.0", "ends before it begins", ""),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "path", "what", "hint"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_refused_with_its_place_and_advice(
    tmp_path: Path, edit: Edit, path: str, what: str, hint: str
) -> None:
    found = problems(tmp_path, changed(edit))

    assert path in [problem.path for problem in found]
    problem = next(problem for problem in found if problem.path == path)
    assert what in problem.what
    assert hint in problem.hint
    assert "hunter2" not in "".join(map(str, found))


GOOD_VALUES: dict[str, Edit] = {
    "an IPv6 address": host("2001:db8::1"),
    "an absolute name with its last dot": host("relay.example.net."),
    "a login that is a mail address": ('user = "example"', 'user = "ops@example.net"'),
    "a Windows login": ('user = "example"', "user = 'EXAMPLE\\ops'"),
    "a fingerprint of version 6": signer("0" * 64),
    "a profile of one's own": ('profile = "adt"', 'profile = "profiles/our adt.toml"'),
    "a test environment": ('environment = "live"', 'environment = "uit-a"'),
    "a whole number where a number is wanted": top("[agent]\nsweep_seconds = 5"),
    "a proxy by address": sftp('proxy = "http://[::1]:3128"'),
    "a User ID in lower case and a range": kind(
        'own_user_ids = ["90-b3-d5-1f-30-01-00-00", "90-B3-D5-1F-30-01-00-00 .. 90-B3-D5-1F-30-01-00-FF"]'
    ),
    "a lower level of proof, named": route('minimum_proof = "accepted"'),
    "a runtime folder as long as may be": ("/run/sealdrop", "/" + "r" * 75),
    "a temporary folder elsewhere": sftp('folder = "in"\ntemporary = { style = "folder", text = "/uploads/tmp" }'),
}


@pytest.mark.parametrize("edit", GOOD_VALUES.values(), ids=GOOD_VALUES.keys())
def test_what_is_unusual_but_right_is_taken(tmp_path: Path, edit: Edit) -> None:
    assert problems(tmp_path, changed(edit)) == ()
