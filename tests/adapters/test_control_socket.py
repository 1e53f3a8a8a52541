"""The control socket: who may ask what, and what a bad, slow or hostile caller gets."""

from __future__ import annotations

import errno
import grp
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealdrop.adapters.control import ControlClient, ControlServer, NotRunning, Request, Unanswered, Verb
from sealdrop.adapters.control.peers import Access, Peer
from sealdrop.adapters.control.place import bind
from sealdrop.adapters.control.protocol import MAX_REQUEST, parse_answer, parse_request, request_line
from sealdrop.adapters.control.server import MAX_CONNECTIONS
from sealdrop.core.codec import Plain
from sealdrop.core.errors import (
    ConfigurationError,
    KeyUnusable,
    Problem,
    Refused,
    SealdropError,
    StaleTransition,
    StorageFailure,
    TemporaryFailure,
)
from support.noted import NotedJournal
from support.unprivileged import NOBODY, need_root
from support.waiting import wait_until

READERS, ADMINS = "games", "daemon"  # groups that every Debian has


def fail_with(error: Exception) -> Callable[[Request], Plain]:
    def handler(_: Request) -> Plain:
        raise error

    return handler


class Agent:
    """A control server with verbs of all kinds, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / "control.sock"
        self.journal = NotedJournal()
        self.asked: list[Request] = []
        self.may_go_on = threading.Event()
        self.at_work = threading.Event()
        self.verbs = {
            "status": Verb(admin=False, handler=lambda _: {"open": 3}),
            "echo": Verb(admin=False, handler=self._echo),
            "retry": Verb(admin=True, handler=self._echo),
            "slow": Verb(admin=False, handler=self._slow),
            "fault": Verb(admin=False, handler=fail_with(ZeroDivisionError("a secret"))),
            "big": Verb(admin=False, handler=lambda _: "x" * (1 << 20)),
            "huge": Verb(admin=False, handler=lambda _: "x" * (17 << 20)),
        }

    def server(self, **options: object) -> ControlServer:
        return ControlServer(self.path, self.verbs, journal=self.journal, **options)  # type: ignore[arg-type] # forwarded

    def client(self, patience: float = 10.0) -> ControlClient:
        return ControlClient(self.path, patience=patience)

    def _echo(self, request: Request) -> Plain:
        self.asked.append(request)
        return dict(request.arguments)

    def _slow(self, _: Request) -> Plain:
        self.at_work.set()
        self.may_go_on.wait(10)
        return "done"


@pytest.fixture
def agent(short_tmp: Path) -> Agent:
    return Agent(short_tmp)


@pytest.fixture
def running(agent: Agent) -> Iterator[Agent]:
    with agent.server(deadline=0.5):
        yield agent


def talk(path: Path, data: bytes, *, end: bool = False) -> bytes:
    """Send raw bytes and return all that comes back."""
    with closing(connected(path)) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        return answer


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))  # waits while others are in front
    except OSError:
        connection.close()
        raise
    connection.settimeout(10)
    return connection


def refusal(answer: bytes) -> str:
    with pytest.raises(Refused) as caught:
        parse_answer(answer)
    return caught.value.what


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_question_gets_its_answer(running: Agent) -> None:
    assert running.client().call("status") == {"open": 3}


@pytest.mark.parametrize("value", ["../../etc/passwd", "'; DROP TABLE events; --", "\x00\n\x1b", "\udcff", "ü" * 9000])
def test_j4_hostile_arguments_arrive_as_what_they_are(running: Agent, value: str) -> None:
    assert running.client().call("echo", submission=value, deep=[1, None, {"a": True}]) == {
        "submission": value,
        "deep": [1, None, {"a": True}],
    }


def test_the_caller_is_who_the_kernel_says(running: Agent) -> None:
    running.client().call("echo", caller="somebody else", uid=4711)

    (request,) = running.asked
    assert request.verb == "echo"
    assert (request.peer.uid, request.peer.pid) == (os.geteuid(), os.getpid())
    assert os.getegid() in request.peer.groups
    assert f"(uid {os.geteuid()}" in request.caller


@pytest.mark.parametrize(
    "error",
    [
        Refused("no", where="here", hint="Do that"),
        StaleTransition("moved on", where="01…"),
        KeyUnusable("expired"),
        TemporaryFailure("later"),
        StorageFailure("the disk is full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_travels_by_its_kind_with_its_place_and_advice(agent: Agent, error: SealdropError) -> None:
    agent.verbs["echo"] = Verb(admin=False, handler=fail_with(error))
    with agent.server(), pytest.raises(type(error)) as caught:
        agent.client().call("echo")

    assert type(caught.value) is type(error)
    assert (caught.value.what, caught.value.where, caught.value.hint) == (error.what, error.where, error.hint)


def test_all_problems_of_a_configuration_travel_in_words(agent: Agent) -> None:
    problem = Problem(path="routes.relay.host", what="is missing", hint="Say it")
    agent.verbs["echo"] = Verb(admin=False, handler=fail_with(ConfigurationError([problem])))
    with agent.server(), pytest.raises(SealdropError, match=r"routes\.relay\.host: is missing"):
        agent.client().call("echo")


def test_a_fault_of_ours_is_answered_without_details_said_in_the_journal_and_survived(running: Agent) -> None:
    with pytest.raises(SealdropError, match="ZeroDivisionError") as caught:
        running.client().call("fault")

    assert "secret" not in str(caught.value)
    assert running.journal.notices[0][:3] == (
        "control-fault",
        "the agent failed on this request: ZeroDivisionError",
        True,
    )
    assert running.client().call("status") == {"open": 3}


def test_an_unknown_verb_is_refused_and_the_known_ones_are_named(running: Agent) -> None:
    with pytest.raises(Refused, match=r"no verb 'x\\n'.*status, echo, retry"):
        running.client().call("x\n")


def test_an_answer_too_long_is_refused(running: Agent) -> None:
    with pytest.raises(Refused, match="Ask for less"):
        running.client().call("huge")


def test_a_request_too_long_is_not_even_sent(running: Agent) -> None:
    with pytest.raises(Refused, match="longer than"):
        running.client().call("echo", reason="x" * MAX_REQUEST)
    assert running.asked == []


# --- J1: who may ask ---------------------------------------------------------------------------------------------


def peer(uid: int = 1000, *groups: int) -> Peer:
    return Peer(pid=1, uid=uid, groups=frozenset(groups), user="somebody", login_uid=None)


@pytest.mark.parametrize(
    ("who", "may"),
    [
        (peer(0), "change"),
        (peer(500), "change"),
        (peer(1000, 20), "change"),
        (peer(1000, 10), "read"),
        (peer(1000, 10, 20), "change"),
        (peer(1000, 30), "nothing"),
        (peer(1000), "nothing"),
    ],
    ids=["root", "the agent itself", "administrator", "reader", "both", "another group", "no group"],
)
def test_access_follows_user_and_groups(who: Peer, may: str) -> None:
    access = Access(own_uid=500, readers=10, admins=20)

    assert access.may_change(who) is (may == "change")
    assert access.may_read(who) is (may != "nothing")
    assert not Access(own_uid=500, readers=None, admins=None).may_read(peer(1000, 0, 10, 20))


def as_somebody(groups: list[int], path: Path, data: bytes) -> bytes:
    """Ask as an ordinary user in these groups, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, talk(path, data))
        except OSError as error:
            os.write(writing, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:  # noqa: PTH123 - a descriptor, not a path
        heard = answer.read()
    os.waitpid(child, 0)
    return heard


@pytest.mark.parametrize(
    ("groups", "reads", "changes"),
    [([READERS], True, False), ([ADMINS], True, True), ([], False, False)],
    ids=["a reader may only ask", "an administrator may do both", "anybody else may nothing"],
)
def test_j1_supplementary_groups_decide(
    agent: Agent, short_tmp: Path, groups: list[str], *, reads: bool, changes: bool
) -> None:
    need_root()
    gids = [grp.getgrnam(name).gr_gid for name in groups]
    with agent.server(read_group=READERS, admin_group=ADMINS):
        for place in (short_tmp, agent.path.parent, agent.path):
            place.chmod(0o777)  # what is tested is the server's own decision
        read, change = (
            json.loads(as_somebody(gids, agent.path, request_line(verb, {"n": 1}))) for verb in ("echo", "retry")
        )

    assert (read["ok"], change["ok"]) == (reads, changes)
    refused = 2 - reads - changes
    assert agent.journal.kinds == ["control-refused"] * refused
    assert all(fields["uid"] == NOBODY for _, _, _, fields in agent.journal.notices)
    assert [request.verb for request in agent.asked] == ["echo"] * reads + ["retry"] * changes


def test_j1_the_file_system_keeps_everybody_else_from_connecting(agent: Agent, short_tmp: Path) -> None:
    need_root()
    short_tmp.chmod(0o755)
    readers = grp.getgrnam(READERS).gr_gid
    with agent.server(read_group=READERS):
        folder, made = agent.path.parent.stat(), agent.path.stat()
        assert (stat.S_IMODE(folder.st_mode), folder.st_gid) == (0o750, readers)
        assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o660, readers)
        assert as_somebody([], agent.path, request_line("status", {})) == b"PermissionError"
        assert b'"ok":true' in as_somebody([readers], agent.path, request_line("status", {}))


def test_without_a_group_the_socket_is_the_agents_alone(running: Agent) -> None:
    assert stat.S_IMODE(running.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.path.parent.stat().st_mode) == 0o700


def test_an_unknown_group_is_a_wrong_configuration(agent: Agent) -> None:
    with pytest.raises(ConfigurationError, match=r"control\.admin_group: there is no group 'nobody-here'"):
        agent.server(admin_group="nobody-here")


# --- J2, J3: bad, slow and many callers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'{"verb": "status"}\n',
        b'{"verb": 1, "arguments": {}}\n',
        b'{"verb": "status", "arguments": {}, "uid": 0}\n',
        b'{"verb": "status", "arguments": {"a": NaN}}\n',
        b"[" * 60_000 + b"\n",
        b"9" * 60_000 + b"\n",
        b"\xff\xfe\n",
        b'{"verb": "status", "arguments": {}}\n{"verb": "status", "arguments": {}}\n',
    ],
    ids=["empty", "no JSON", "a list", "half", "wrong type", "unknown field", "NaN", "deep", "number", "bytes", "two"],
)
def test_j2_what_is_no_request_is_refused(running: Agent, data: bytes) -> None:
    assert refusal(talk(running.path, data)) == "this is not a request"
    assert running.client().call("status") == {"open": 3}


@pytest.mark.parametrize(
    ("data", "end"),
    [(b'{"verb": "sta', False), (b'{"verb": "sta', True), (b"", False), (b"", True)],
    ids=["slow", "half", "silent", "nothing"],
)
def test_j2_a_slow_or_half_request_is_dropped_by_the_deadline(running: Agent, data: bytes, *, end: bool) -> None:
    assert "no whole request" in refusal(talk(running.path, data, end=end))


def test_j2_an_oversized_request_is_dropped_at_once(agent: Agent) -> None:
    with agent.server(deadline=60):
        assert "no whole request" in refusal(talk(agent.path, b"x" * (MAX_REQUEST + 1)))


def test_j2_the_deadline_is_for_the_whole_request_not_for_each_byte(running: Agent) -> None:
    with closing(connected(running.path)) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(200):  # a byte every 0.05 s, for 10 s unless it is stopped
            with suppress(BrokenPipeError):
                connection.send(b" ")
            with suppress(TimeoutError):
                answer = connection.recv(1 << 16)
                break

    assert "no whole request" in refusal(answer)


def test_j2_a_caller_who_goes_away_costs_nothing(running: Agent) -> None:
    for _ in range(3 * MAX_CONNECTIONS):
        with closing(connected(running.path)) as connection:
            connection.sendall(request_line("big", {}))

    wait_until(lambda: answered(running), what="an answer to the next caller")
    assert running.journal.kinds == []


def answered(agent: Agent) -> bool:
    try:
        return agent.client().call("status") == {"open": 3}
    except TemporaryFailure:
        return False


def test_j3_connections_are_capped_and_the_others_told_to_come_again(agent: Agent) -> None:
    with agent.server(deadline=60):
        before = threading.active_count()
        with ExitStack() as crowd:
            connections = [crowd.enter_context(closing(connected(agent.path))) for _ in range(500)]
            assert threading.active_count() <= before + MAX_CONNECTIONS
            with pytest.raises(TemporaryFailure, match="too many others"):
                parse_answer(connections[-1].recv(1 << 16))

        wait_until(lambda: answered(agent), what="room for the next caller")


@given(data=st.one_of(st.binary(max_size=300), st.text().map(lambda text: json.dumps(text).encode())))
def test_whatever_comes_is_a_request_or_refused(data: bytes) -> None:
    try:
        verb, arguments = parse_request(data)
    except Refused:
        return
    assert isinstance(verb, str)
    assert isinstance(arguments, dict)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(verb=st.text(max_size=20), arguments=st.dictionaries(st.text(), PLAIN, max_size=4))
def test_every_request_is_read_as_it_was_meant(verb: str, arguments: dict[str, Plain]) -> None:
    assert parse_request(request_line(verb, arguments)) == (verb, arguments)


# --- J5: the socket's place --------------------------------------------------------------------------------------


def test_j5_a_socket_left_by_a_dead_agent_is_replaced(agent: Agent) -> None:
    agent.path.parent.mkdir(mode=0o700)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as dead:
        dead.bind(str(agent.path))

    with agent.server():
        assert agent.client().call("status") == {"open": 3}


def test_j5_a_socket_that_answers_is_left_to_its_agent(running: Agent) -> None:
    with pytest.raises(Refused, match="another agent answers"):
        running.server().start()
    assert running.client().call("status") == {"open": 3}


def plant_file(path: Path) -> None:
    path.write_text("precious")


def plant_link(path: Path) -> None:
    path.with_name("target").write_text("precious")
    path.symlink_to("target")


def plant_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("plant", [plant_file, plant_link, plant_link_to_nothing, Path.mkdir, os.mkfifo])
def test_j5_anything_else_in_its_place_is_refused_and_left_alone(agent: Agent, plant: Callable[[Path], None]) -> None:
    agent.path.parent.mkdir(mode=0o700)
    plant(agent.path)
    before = agent.path.lstat()

    with pytest.raises(ConfigurationError, match="no socket is in its place"):
        agent.server().start()
    assert (agent.path.lstat().st_ino, agent.path.lstat().st_mode) == (before.st_ino, before.st_mode)


def test_j5_a_folder_that_others_may_write_to_is_refused(agent: Agent) -> None:
    agent.path.parent.mkdir()
    agent.path.parent.chmod(0o770)
    with pytest.raises(ConfigurationError, match="others may write"):
        agent.server().start()


def test_j5_a_linked_folder_is_refused(agent: Agent, short_tmp: Path) -> None:
    (short_tmp / "elsewhere").mkdir(mode=0o700)
    agent.path.parent.symlink_to("elsewhere")
    with pytest.raises(ConfigurationError, match="no folder of its own"):
        agent.server().start()


def test_a_path_too_long_for_a_socket_is_said_so(short_tmp: Path) -> None:
    agent = Agent(short_tmp / ("x" * 100))
    with pytest.raises(ConfigurationError, match="more than 107 bytes"):
        agent.server().start()


# --- J6: no agent, no answer -------------------------------------------------------------------------------------


def test_j6_no_socket_and_a_dead_socket_both_mean_that_no_agent_runs(agent: Agent) -> None:
    with pytest.raises(NotRunning, match="Start it"):
        agent.client().call("status")
    agent.path.parent.mkdir()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as dead:
        dead.bind(str(agent.path))
    with pytest.raises(NotRunning):
        agent.client().call("status")


@contextmanager
def impostor(path: Path, answer: bytes | None) -> Iterator[None]:
    """Listen in the agent's place and answer these bytes, or nothing at all (None)."""
    path.parent.mkdir(mode=0o700)
    over = threading.Event()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                if answer is None:
                    over.wait(10)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        over.set()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [None, b"", b'{"ok": true, "res', b'{"ok": true}\n', b"{}\n", b'{"ok": false, "error": "no"}\n', b"\xff\n"],
    ids=["never", "at once the end", "cut", "no result", "empty", "no error", "bytes"],
)
def test_what_is_no_answer_leaves_open_whether_the_agent_acted(agent: Agent, answer: bytes | None) -> None:
    with impostor(agent.path, answer), pytest.raises(Unanswered, match="before asking again"):
        agent.client(patience=0.3).call("retry")


# --- ending ------------------------------------------------------------------------------------------------------


def test_closing_lets_a_request_under_way_finish_and_removes_the_socket(agent: Agent) -> None:
    server = agent.server()
    server.start()
    answers: list[Plain] = []
    caller = threading.Thread(target=lambda: answers.append(agent.client().call("slow")))
    caller.start()
    assert agent.at_work.wait(10)
    closer = threading.Thread(target=server.close)
    closer.start()
    agent.may_go_on.set()
    closer.join()
    caller.join()
    server.close()

    assert answers == ["done"]
    assert not agent.path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("control")]


def test_closing_does_not_wait_for_those_who_ask_nothing(agent: Agent) -> None:
    server = agent.server(deadline=30.0)
    server.start()
    with closing(connected(agent.path)):
        wait_until(lambda: any(thread.name == "control-request" for thread in threading.enumerate()))
        closer = threading.Thread(target=server.close)
        closer.start()
        closer.join(timeout=5)
        assert not closer.is_alive()


def test_closing_leaves_a_successors_socket_alone(agent: Agent) -> None:
    server = agent.server()
    server.start()
    agent.path.rename(agent.path.with_name("old"))
    with agent.server():
        server.close()
        assert agent.client().call("status") == {"open": 3}


def test_a_group_that_has_the_socket_already_is_not_given_it_again(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit's system call filter refuses every chown, so none may be needed for the unit's own group."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "refused as by the unit's filter")

    monkeypatch.setattr(os, "chown", refused)

    bind(short_tmp / "control.sock", os.getegid()).close()
