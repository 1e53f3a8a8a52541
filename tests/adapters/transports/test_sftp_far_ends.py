"""Delivering to servers that refuse, lie, cut, stall or cannot do everything; the conformance suite covers the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealdrop.adapters.transports.sftp import SftpTransport, TemporaryName, TemporaryStyle
from sealdrop.adapters.transports.sftp.farend import FarEnd
from sealdrop.adapters.transports.sftp.packets import Splitter
from sealdrop.adapters.transports.sftp.session import Session
from sealdrop.adapters.transports.sftp.upload import Upload
from sealdrop.core.delivery import Absent, Conflict, Found, Outcome, ProofLevel, Unknowable
from sealdrop.core.errors import PermanentFailure, RouteUnusable, TemporaryFailure
from sealdrop.ports.transport import Parcel
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver, make_parcel, names_in, next_attempt
from support.relay import Relay
from support.sftp_routes import connect, options, repin
from support.sftp_server import Cut, Manners, ScriptedSftp
from support.sftp_wire import MemoryServer, WireChannel
from support.sshd import Sshd, require

CONTENT = os.urandom(5_000)
READS = frozenset({"read"})
LOOKS = frozenset({"lstat", "stat", "fstat"})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def parcel(tmp_path: Path, clock: ManualClock) -> Parcel:
    return make_parcel(tmp_path / "sealed", clock, CONTENT)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[ScriptedSftp]:
    with ScriptedSftp(tmp_path / "far") as server:
        yield server


@pytest.fixture
def transport(far: ScriptedSftp, clock: ManualClock) -> Iterator[SftpTransport]:
    made = connect(far, clock)
    yield made
    made.close()


def put(path: Path) -> Callable[[ProofLevel], None]:
    """Return a commit during which somebody else puts a file there."""

    def commit(_: ProofLevel) -> None:
        path.write_bytes(b"theirs")

    return commit


def settle_and_finish(transport: SftpTransport, parcel: Parcel, *, committed: bool) -> None:
    """What the flow does after an attempt was cut: find out, and send again only what surely never appeared."""
    again = next_attempt(parcel)
    if committed:
        look = transport.find(again)
        if isinstance(look, Found):
            return
        assert look == Absent(withdrawn=True)
    deliver(transport, again)


@pytest.mark.parametrize("moment", ["before it is executed", "after it was executed"])
@pytest.mark.parametrize(("size", "step"), [(5_000, 1), (1_200_000, 9)], ids=["small", "large"])
def test_a_cut_at_any_request_ends_in_exactly_one_whole_file(
    far: ScriptedSftp, tmp_path: Path, size: int, step: int, moment: str
) -> None:
    clock, cuts = ManualClock(), 0
    for at in range(1, 200, step):
        parcel, calls = make_parcel(tmp_path / "sealed", clock, os.urandom(size), f"{at}.pgp"), Calls()
        final = far.inbox / parcel.remote_name
        transport = connect(far, clock)
        far.manners = Manners(cut=Cut(at=at, executed=moment.startswith("after")))
        failure = failure_of(transport, parcel, calls)
        if failure is not None:
            cuts += 1
            assert not failure.certain
            assert not final.exists() or final.read_bytes() == parcel.path.read_bytes()
            far.manners = Manners()
            settle_and_finish(transport, parcel, committed=bool(calls.commits))
        transport.close()
        assert final.read_bytes() == parcel.path.read_bytes()
        assert [name for name in names_in(far.inbox) if parcel.submission in name] == []
        final.unlink()
        if failure is None:  # there are no more requests to cut
            break

    assert cuts >= 9


def failure_of(transport: SftpTransport, parcel: Parcel, calls: Calls) -> TemporaryFailure | None:
    try:
        deliver(transport, parcel, calls)
    except TemporaryFailure as error:
        return error
    return None


def test_a_cut_connection_leaves_at_most_tiny_trial_files_that_a_sweep_removes(
    far: ScriptedSftp, clock: ManualClock
) -> None:
    far.manners = Manners(cut=Cut(at=8, executed=True))
    with pytest.raises(TemporaryFailure):
        connect(far, clock).sweep()
    far.manners = Manners()
    left = names_in(far.inbox)
    for name in left:
        os.utime(far.inbox / name, (0, 0))
    transport = connect(far, clock)

    assert transport.sweep() == len(left) > 0
    assert names_in(far.inbox) == []
    transport.close()


@pytest.mark.parametrize("passed", [5_000, 100_000, 399_000, 401_000])
def test_a_line_cut_after_some_bytes_never_leaves_part_of_a_file(
    tmp_path: Path, clock: ManualClock, passed: int
) -> None:
    parcel = make_parcel(tmp_path / "sealed", clock, os.urandom(400_000))
    with Sshd(tmp_path / "far") as far, Relay(far.host, far.port) as relay:
        transport = connect(far, clock, port=relay.port, host_keys=repin(far, relay.port))
        transport.find(parcel)  # logged in
        calls = Calls()
        relay.cut_after = relay.passed + passed
        with pytest.raises(TemporaryFailure):
            deliver(transport, parcel, calls)
        assert not (far.inbox / parcel.remote_name).exists()
        settle_and_finish(transport, parcel, committed=bool(calls.commits))

        assert names_in(far.inbox) == [parcel.remote_name]
        assert (far.inbox / parcel.remote_name).read_bytes() == parcel.path.read_bytes()
        transport.close()


def test_a_lost_answer_to_the_rename_is_recognised(far: ScriptedSftp, transport: SftpTransport, parcel: Parcel) -> None:
    far.manners, calls = Manners(cut_after_rename=True), Calls()
    with pytest.raises(TemporaryFailure) as caught:
        deliver(transport, parcel, calls)
    far.manners = Manners()

    assert calls.commits == [ProofLevel.DIGEST]
    assert not caught.value.certain
    assert isinstance(transport.find(next_attempt(parcel)), Found)
    assert deliver(transport, next_attempt(parcel)).outcome is Outcome.FOUND
    assert names_in(far.inbox) == [parcel.remote_name]


def test_a_receiver_that_takes_the_file_at_once_ends_the_delivery(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(taken_at_once=True)

    assert deliver(transport, parcel).outcome is Outcome.TAKEN
    assert names_in(far.inbox) == []


def test_taken_with_a_lost_answer_is_never_called_withdrawn(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(taken_at_once=True, cut_after_rename=True)
    with pytest.raises(TemporaryFailure):
        deliver(transport, parcel)
    far.manners = Manners()

    assert transport.find(next_attempt(parcel)) == Absent(withdrawn=False)


def test_a_file_that_changed_after_it_was_published_is_left_to_a_person(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(emptied_at_once=True)
    with pytest.raises(TemporaryFailure, match="0 bytes is there instead") as caught:
        deliver(transport, parcel)

    assert not caught.value.certain
    assert isinstance(transport.find(next_attempt(parcel)), Conflict)


@pytest.mark.parametrize(("request_", "kind"), [("open", RouteUnusable), ("lstat", TemporaryFailure)])
def test_a_permission_taken_away_is_noticed_before_anything_is_sent(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel, request_: str, kind: type[TemporaryFailure]
) -> None:
    transport.find(parcel)
    far.manners, calls = Manners(refused=frozenset({request_})), Calls()

    with pytest.raises(TemporaryFailure, match="permission denied") as caught:
        deliver(transport, parcel, calls)
    assert type(caught.value) is kind
    assert calls.commits == []
    assert names_in(far.inbox) == []


def test_a_rename_that_was_surely_refused_is_certain_and_leaves_nothing(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    def refuse_from_now_on(_: ProofLevel) -> None:
        far.manners = Manners(refused=frozenset({"rename"}))

    with pytest.raises(TemporaryFailure, match="rename") as caught:
        transport.deliver(parcel, commit=refuse_from_now_on, progress=lambda _: None)

    assert caught.value.certain
    assert names_in(far.inbox) == []


def test_an_overwriting_server_is_published_to_by_hard_link(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel, tmp_path: Path, clock: ManualClock
) -> None:
    far.manners = Manners(overwriting_rename=True)

    receipt = deliver(transport, parcel)

    assert (receipt.outcome, receipt.proof) == (Outcome.SENT, ProofLevel.DIGEST)
    assert "hard link" in receipt.facts["published_by"]
    other = make_parcel(tmp_path / "sealed", clock, CONTENT, "other.pgp")
    with pytest.raises(PermanentFailure):
        transport.deliver(other, commit=put(far.inbox / "other.pgp"), progress=lambda _: None)
    assert (far.inbox / "other.pgp").read_bytes() == b"theirs"
    assert names_in(far.inbox) == [parcel.remote_name, "other.pgp"]


def test_where_a_hard_link_publishes_a_copy_that_is_still_there_proves_nothing(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(overwriting_rename=True)
    transport.find(parcel)
    name = options(far).temporary.name(parcel.submission, "1")
    (far.inbox / name).write_bytes(CONTENT)

    assert transport.find(next_attempt(parcel)) == Absent(withdrawn=False)
    assert names_in(far.inbox) == []


def test_an_overwriting_server_without_hard_links_is_refused_unless_the_risk_is_accepted(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel, clock: ManualClock
) -> None:
    far.manners = Manners(overwriting_rename=True, unsupported=frozenset({"link"}))
    with pytest.raises(RouteUnusable, match="overwrites"):
        deliver(transport, parcel)
    assert names_in(far.inbox) == []

    daring = connect(far, clock, allow_rename_after_look=True)
    with pytest.raises(PermanentFailure):
        daring.deliver(
            parcel,
            commit=put(far.inbox / parcel.remote_name),
            progress=lambda _: None,
        )
    assert (far.inbox / parcel.remote_name).read_bytes() == b"theirs"
    (far.inbox / parcel.remote_name).unlink()
    assert "look" in deliver(daring, next_attempt(parcel)).facts["published_by"]
    daring.close()


def test_a_server_that_cannot_rename_is_served_by_hard_link_or_not_at_all(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(unsupported=frozenset({"rename", "link"}))
    with pytest.raises(RouteUnusable, match="cannot be renamed"):
        deliver(transport, parcel)
    assert names_in(far.inbox) == []

    far.manners = Manners(refused=frozenset({"rename"}))
    assert "hard link" in deliver(transport, parcel).facts["published_by"]
    assert names_in(far.inbox) == [parcel.remote_name]


def test_without_read_permission_a_digest_is_refused_and_a_size_is_named(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel, clock: ManualClock
) -> None:
    far.manners, calls = Manners(refused=READS), Calls()
    with pytest.raises(RouteUnusable, match="size, the route wants digest"):
        deliver(transport, parcel, calls)
    assert calls.commits == []
    assert names_in(far.inbox) == []

    modest = connect(far, clock, minimum_proof=ProofLevel.SIZE)
    receipt = deliver(modest, parcel, calls)

    assert receipt.proof is ProofLevel.SIZE
    assert calls.commits == [ProofLevel.SIZE]
    assert modest.traits.best_proof is ProofLevel.SIZE
    found = modest.find(parcel)
    assert isinstance(found, Found)
    assert found.receipt.proof is ProofLevel.SIZE
    modest.close()


def test_a_server_that_lets_us_see_nothing_gives_the_least_proof_and_cannot_be_asked(
    far: ScriptedSftp, parcel: Parcel, clock: ManualClock
) -> None:
    far.manners, calls = Manners(refused=READS | LOOKS), Calls()
    with pytest.raises(RouteUnusable, match="accepted, the route wants size"):
        deliver(connect(far, clock, minimum_proof=ProofLevel.SIZE), parcel)

    trusting = connect(far, clock, minimum_proof=ProofLevel.ACCEPTED)
    receipt = deliver(trusting, parcel, calls)

    assert (receipt.proof, receipt.outcome) == (ProofLevel.ACCEPTED, Outcome.SENT)
    assert not trusting.traits.can_look
    assert isinstance(trusting.find(parcel), Unknowable)
    with pytest.raises(TemporaryFailure) as caught:  # the rename refuses: something is there already
        deliver(trusting, replace(parcel, attempt=2))
    assert caught.value.certain
    assert names_in(far.inbox) == [parcel.remote_name]
    trusting.close()


def test_a_file_that_may_not_be_read_any_more_is_no_proof(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    deliver(transport, parcel)
    far.manners = Manners(refused=READS)

    with pytest.raises((PermanentFailure, TemporaryFailure)):
        deliver(transport, next_attempt(parcel))
    assert not isinstance(transport.find(next_attempt(parcel)), Found)


def test_a_server_that_lets_nothing_be_removed_is_refused(
    far: ScriptedSftp, transport: SftpTransport, parcel: Parcel
) -> None:
    far.manners = Manners(refused=frozenset({"remove"}))

    with pytest.raises(RouteUnusable, match="remove its own files"):
        deliver(transport, parcel)


@pytest.mark.parametrize("size", [5_000, 1_200_000])
@pytest.mark.parametrize("lie", [Manners(changed_bytes=True), Manners(short_writes=True)], ids=["bytes", "length"])
def test_a_server_that_keeps_other_bytes_than_it_says_is_found_out(
    far: ScriptedSftp, tmp_path: Path, clock: ManualClock, size: int, lie: Manners
) -> None:
    parcel, calls = make_parcel(tmp_path / "sealed", clock, os.urandom(size)), Calls()
    far.manners = lie
    transport = connect(far, clock)

    for _ in range(2):
        with pytest.raises(TemporaryFailure, match=r"other bytes|instead of"):
            deliver(transport, parcel, calls)

    assert calls.commits == []
    assert names_in(far.inbox) == []
    far.manners = Manners()
    assert deliver(transport, parcel).proof is ProofLevel.DIGEST
    transport.close()


@pytest.mark.parametrize("size", [5_000, 1_200_000])
def test_a_full_disk_leaves_no_copy_and_is_tried_again(
    far: ScriptedSftp, tmp_path: Path, clock: ManualClock, size: int
) -> None:
    parcel = make_parcel(tmp_path / "sealed", clock, os.urandom(size))
    far.manners = Manners(room=4_000 if size < 10_000 else 700_000)
    transport = connect(far, clock)
    with pytest.raises(TemporaryFailure, match="write"):
        deliver(transport, parcel)
    assert names_in(far.inbox) == []
    far.manners = Manners()

    assert deliver(transport, parcel).outcome is Outcome.SENT
    transport.close()


@pytest.mark.parametrize("request_", ["open", "write", "fsync", "fstat", "close", "rename", "lstat", "remove"])
def test_a_server_that_stops_answering_is_given_up_in_time(
    far: ScriptedSftp, parcel: Parcel, clock: ManualClock, request_: str
) -> None:
    transport = connect(far, clock, request_timeout=0.4)
    transport.find(parcel)
    calls = Calls()
    far.manners = Manners(frozen=frozenset({request_}))
    target = next_attempt(parcel) if request_ == "remove" else parcel
    with pytest.raises(TemporaryFailure, match=r"no answer for 0\.4"):
        deliver(transport, target, calls)
    far.manners = Manners()
    settle_and_finish(transport, target, committed=bool(calls.commits))

    assert [name for name in names_in(far.inbox) if name.endswith(".pgp")] == [parcel.remote_name]
    transport.close()


def test_answers_cut_short_are_read_again_until_whole(
    far: ScriptedSftp, tmp_path: Path, clock: ManualClock, transport: SftpTransport
) -> None:
    far.manners = Manners(short_reads=999)
    for size in (5_000, 300_000):
        parcel = make_parcel(tmp_path / "sealed", clock, os.urandom(size), f"{size}.pgp")
        assert deliver(transport, parcel).proof is ProofLevel.DIGEST


def test_a_folder_without_end_is_not_listed_for_ever(far: ScriptedSftp, clock: ManualClock) -> None:
    transport = connect(far, clock, max_listed=1_000)
    far.manners = Manners(endless_names=True)

    with pytest.raises(TemporaryFailure, match="more than 1000 names"):
        transport.sweep()
    transport.close()


@pytest.mark.parametrize(
    ("denied", "fact"),
    [
        (("-P", "fsync"), "no sync"),
        (("-P", "rename"), "hard link"),
        (("-P", "hardlink"), "rename that refuses"),
        (("-P", "posix-rename"), "rename that refuses"),
    ],
)
def test_openssh_without_an_extension_is_served_all_the_same(
    tmp_path: Path, parcel: Parcel, clock: ManualClock, denied: tuple[str, ...], fact: str
) -> None:
    with Sshd(tmp_path / "far", sftp_arguments=denied) as far:
        transport = connect(far, clock)
        receipt = deliver(transport, parcel)
        transport.close()

        assert receipt.proof is ProofLevel.DIGEST
        assert fact in " ".join(receipt.facts.values())
        assert names_in(far.inbox) == [parcel.remote_name]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-R",), "no file can be made"),
        (("-P", "rename,hardlink"), "cannot be renamed"),
        (("-P", "remove"), "remove its own"),
        (("-P", "read"), "route wants digest"),
    ],
)
def test_openssh_that_cannot_serve_the_route_stops_it(
    tmp_path: Path, parcel: Parcel, clock: ManualClock, arguments: tuple[str, ...], reason: str
) -> None:
    with Sshd(tmp_path / "far", sftp_arguments=arguments) as far:
        calls = Calls()
        with pytest.raises(RouteUnusable, match=reason):
            deliver(connect(far, clock), parcel, calls)

        assert calls.commits == []
        assert not (far.inbox / parcel.remote_name).exists()


def test_the_server_dying_right_after_the_commit_is_settled_by_a_look(
    tmp_path: Path, parcel: Parcel, clock: ManualClock
) -> None:
    with Sshd(tmp_path / "far") as far:
        transport = connect(far, clock)
        with pytest.raises(TemporaryFailure) as caught:
            transport.deliver(parcel, commit=lambda _: far.cut(), progress=lambda _: None)

        assert not caught.value.certain
        assert transport.find(next_attempt(parcel)) == Absent(withdrawn=True)
        assert deliver(transport, next_attempt(parcel)).outcome is Outcome.SENT
        assert names_in(far.inbox) == [parcel.remote_name]
        transport.close()


def test_a_kept_connection_that_died_unnoticed_is_replaced_without_a_failure(
    tmp_path: Path, parcel: Parcel, clock: ManualClock
) -> None:
    """As when a firewall forgot it: only the next byte we send is answered with a reset."""
    with Sshd(tmp_path / "far") as far, Relay(far.host, far.port) as relay:
        transport = connect(far, clock, port=relay.port, host_keys=repin(far, relay.port))
        deliver(transport, parcel)
        relay.cut_after = relay.passed
        second = make_parcel(tmp_path / "sealed", clock, CONTENT, "second.pgp")

        assert deliver(transport, second).outcome is Outcome.SENT
        assert far.logins() == relay.accepted == 2
        transport.close()


def test_a_server_frozen_midway_is_given_up_and_used_again(tmp_path: Path, parcel: Parcel, clock: ManualClock) -> None:
    with Sshd(tmp_path / "far") as far:
        transport = connect(far, clock, request_timeout=0.5, login_timeout=5.0)
        with pytest.raises(TemporaryFailure, match="no answer"):
            transport.deliver(parcel, commit=lambda _: far.freeze(), progress=lambda _: None)
        far.thaw()

        settle_and_finish(transport, parcel, committed=True)
        assert names_in(far.inbox) == [parcel.remote_name]
        transport.close()


@pytest.mark.parametrize("style", list(TemporaryStyle))
def test_temporary_copies_are_named_as_the_receiver_needs(
    tmp_path: Path, parcel: Parcel, clock: ManualClock, style: TemporaryStyle
) -> None:
    with Sshd(tmp_path / "far") as far:
        aside = far.folder / "aside"
        aside.mkdir()
        text = {"prefix": "#", "suffix": ".part", "folder": str(aside)}[style.value]
        transport = connect(far, clock, temporary=TemporaryName(style=style, text=text))
        seen: list[list[str]] = []
        transport.deliver(
            parcel,
            commit=lambda _: seen.extend([names_in(far.inbox), names_in(aside)]),
            progress=lambda _: None,
        )
        stem = f"sealdrop-{parcel.submission}-1"
        expected = {"prefix": [["#" + stem], []], "suffix": [[stem + ".part"], []], "folder": [[], [stem]]}

        assert seen == expected[style.value]
        assert names_in(far.inbox) == [parcel.remote_name]
        transport.close()


def test_a_relative_folder_begins_where_the_login_does(tmp_path: Path, parcel: Parcel, clock: ManualClock) -> None:
    relative = os.path.relpath(tmp_path / "far" / "inbox", Path("~").expanduser())
    with Sshd(tmp_path / "far") as far:
        transport = connect(far, clock, folder=relative)

        assert deliver(transport, parcel).location.startswith(f"sftp://{far.user}@127.0.0.1:{far.port}/~/")
        assert names_in(far.inbox) == [parcel.remote_name]
        transport.close()


def test_a_file_is_read_back_by_an_independent_client(tmp_path: Path, clock: ManualClock) -> None:
    parcel = make_parcel(tmp_path / "sealed", clock, os.urandom(700_000), "it's a file.pgp")
    with Sshd(tmp_path / "far") as far:
        transport = connect(far, clock)
        deliver(transport, parcel)
        transport.close()
        (tmp_path / "known_hosts").write_text(f"{far.pin}\n")
        subprocess.run(
            [
                require("sftp"), "-q", "-b", "-", "-P", str(far.port), "-i", str(far.user_key),
                "-o", f"UserKnownHostsFile={tmp_path}/known_hosts", "-o", "BatchMode=yes", f"{far.user}@{far.host}",
            ],
            input=f'get "{far.inbox}/{parcel.remote_name}" "{tmp_path}/back"\n', text=True, check=True,
        )  # fmt: skip

    assert (tmp_path / "back").read_bytes() == parcel.path.read_bytes()


def test_a_large_file_is_streamed_with_flat_memory(tmp_path: Path) -> None:
    """100 MB through a process of its own, whose peak must stay far below that."""
    program = """
import hashlib, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver
from support.sftp_routes import connect
from support.sshd import Sshd
from sealdrop.ports.transport import Parcel
folder = Path(sys.argv[2])
block, hasher = bytes(range(256)) * 4096, hashlib.sha256()
with (folder / "large").open("wb") as file:
    for _ in range(100):
        file.write(block)
        hasher.update(block)
clock = ManualClock()
parcel = Parcel(submission=clock.new_id(), remote_name="large.pgp", path=folder / "large", size=100 << 20,
                sha256=hasher.hexdigest())
with Sshd(folder / "far") as far:
    transport = connect(far, clock)
    transport.find(parcel)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(deliver(transport, parcel).proof.value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    transport.close()
"""
    support = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program, support, str(tmp_path)], check=True, capture_output=True, text=True
    )
    proof, kilobytes = done.stdout.split()

    assert proof == "digest"
    assert int(kilobytes) < 25_000


def test_a_server_that_executes_out_of_order_is_served_step_by_step(
    tmp_path: Path, parcel: Parcel, clock: ManualClock
) -> None:
    server = MemoryServer()
    channel = WireChannel(server)
    session = Session(channel=channel, splitter=Splitter(), extensions={}, facts={})
    route = options(Sshd(tmp_path / "far"), port=22, folder="/in")
    far = FarEnd.greet(session, route, clock.new_id(), lambda _name, _detail: None)
    server.backwards = True

    def attempt() -> Outcome:
        with parcel.path.open("rb") as source:
            upload = Upload(far, parcel, source, lambda _: None)
            upload.begin()
            upload.send()
            return upload.publish()

    with pytest.raises(TemporaryFailure):
        attempt()
    assert attempt() is Outcome.SENT

    assert server.files == {b"/in/ADT.csv.pgp": bytearray(CONTENT)}
    far.close()
