"""Connecting: host keys, login, algorithms, and every way a network can fail, against real servers."""

from __future__ import annotations

import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from sealdrop.adapters.transports.sftp import Proxy
from sealdrop.adapters.transports.sftp.hostkeys import load_pins
from sealdrop.adapters.transports.sftp.session import CALM, WIRE_LOG
from sealdrop.core.delivery import Outcome
from sealdrop.core.errors import ConfigurationError, RouteUnusable, TemporaryFailure, Unreachable
from sealdrop.ports.transport import Parcel
from support.manual_clock import ManualClock
from support.parcels import Calls, deliver, make_parcel, names_in
from support.relay import Relay
from support.sftp_routes import connect, options, repin
from support.sftp_server import PASSWORD, ScriptedSftp
from support.sshd import Sshd, make_key
from support.waiting import wait_until

CONTENT = b"sealed" * 1000


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    return make_parcel(tmp_path / "sealed", ManualClock(), CONTENT)


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[int]]]:
    """A server that does one thing with each connection. Gives its port and a count of connections."""
    accepted: list[int] = []
    sockets: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            accepted.append(1)
            sockets.append(connection)
            threading.Thread(target=serve_quietly, args=(connection,), daemon=True).start()

    def serve_quietly(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:
            return

    threading.Thread(target=run, daemon=True).start()
    yield server.getsockname()[1], accepted
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for each in sockets:
        each.close()


def elsewhere(far: Sshd | ScriptedSftp, port: int, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any option
    return {"port": port, "host_keys": repin(far, port)} | changed


def test_a_changed_host_key_stops_the_route_before_any_login(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far") as far:
        pinned = load_pins(far.pins, host=far.host, port=far.port)[0].fingerprint
        transport = connect(far)
        deliver(transport, parcel)
        logins = far.logins()
        far.stop()
        far.new_host_key()
        far.start()
        shown = load_pins(far.pins, host=far.host, port=far.port)[0].fingerprint

        with pytest.raises(RouteUnusable) as caught:
            deliver(transport, make_parcel(tmp_path / "sealed", ManualClock(), CONTENT, "next.pgp"))
        transport.close()

        assert pinned in str(caught.value)
        assert shown in str(caught.value)
        assert far.logins() == logins
        assert "Failed" not in far.log
        assert names_in(far.inbox) == [parcel.remote_name]


def test_an_unknown_host_key_gets_no_login(tmp_path: Path, parcel: Parcel) -> None:
    stranger = Sshd(tmp_path / "other")
    with ScriptedSftp(tmp_path / "far") as far:
        transport = connect(far, host_keys=repin_of(stranger, far.port))

        with pytest.raises(RouteUnusable, match="host key"):
            deliver(transport, parcel)

        assert far.logins == 0


def repin_of(server: Sshd, port: int) -> tuple[str, ...]:
    return tuple(pin.replace(f"]:{server.port} ", f"]:{port} ") for pin in server.pins)


def test_two_pins_serve_a_rotation_and_a_warning_names_the_one_in_use(
    tmp_path: Path, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    with Sshd(tmp_path / "far") as far:
        old = far.pin
        far.stop()
        far.new_host_key()
        far.start()
        transport = connect(far, host_keys=(old, far.pin))
        with caplog.at_level(logging.WARNING, "sealdrop"):
            receipt = deliver(transport, parcel)
        transport.close()

        new = load_pins((far.pin,), host=far.host, port=far.port)[0]
        assert receipt.facts["host_key"] == str(new)
        assert "pin 2 of 2" in receipt.facts["host_key_warning"]
        assert "pin 2 of 2" in caplog.text
        first = connect(far, host_keys=(far.pin, old))
        found = deliver(first, parcel)
        assert "host_key_warning" not in found.facts
        first.close()


def test_the_pinned_type_is_asked_for_when_a_server_has_several(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far", host_key_types=("ed25519", "rsa", "ecdsa")) as far:
        for pin, algorithm in zip(far.pins, ("ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256"), strict=True):
            transport = connect(far, host_keys=(pin,))
            assert deliver(transport, parcel).facts["host_key_algorithm"] == algorithm
            transport.close()


def test_a_bad_pin_is_a_configuration_error_at_once(tmp_path: Path) -> None:
    with ScriptedSftp(tmp_path / "far") as far, pytest.raises(ConfigurationError):
        connect(far, host_keys=(f"@cert-authority {far.pin}",))


def test_the_receipt_names_server_key_and_algorithms(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far") as far:
        transport = connect(far)
        facts = deliver(transport, parcel).facts
        transport.close()

    assert facts["server"].startswith("SSH-2.0-OpenSSH")
    assert facts["cipher"] == "aes256-gcm@openssh.com"
    assert facts["key_exchange"]
    assert facts["host_key"].startswith("SHA256:")
    assert facts["path"] == f"{far.inbox}/{parcel.remote_name}"


def test_a_refused_login_is_tried_once_by_however_many_callers(tmp_path: Path) -> None:
    clock = ManualClock()
    parcels = [make_parcel(tmp_path / "sealed", clock, CONTENT, f"{n}.pgp") for n in range(12)]
    with ScriptedSftp(tmp_path / "far") as far:
        transport = connect(far, private_key=make_key(tmp_path / "wrong"))

        with ThreadPoolExecutor(12) as pool:
            errors = [pool.submit(deliver, transport, parcel).exception() for parcel in parcels]
        with pytest.raises(RouteUnusable, match="refused the login"):
            deliver(transport, parcels[0])

        assert all(isinstance(error, RouteUnusable) for error in errors)
        assert far.logins == 1
        assert names_in(far.inbox) == []


def test_a_refused_login_is_tried_again_after_close_or_with_another_key(tmp_path: Path, parcel: Parcel) -> None:
    with ScriptedSftp(tmp_path / "far") as far:
        key = make_key(tmp_path / "key")
        transport = connect(far, private_key=key)
        for logins in (1, 2):
            with pytest.raises(RouteUnusable):
                deliver(transport, parcel)
            assert far.logins == logins
            transport.close()
        with pytest.raises(RouteUnusable):
            deliver(transport, parcel)

        key.write_bytes(far.user_key.read_bytes())

        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()


def test_a_password_logs_in_when_the_route_says_so(tmp_path: Path, parcel: Parcel) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o400)
    with ScriptedSftp(tmp_path / "far", password_only=True) as far:
        transport = connect(far, private_key=None, password=secret)
        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()
        with pytest.raises(RouteUnusable, match="only by"):
            deliver(connect(far), parcel)


@pytest.mark.parametrize("server", [{"password_only": True}, {"keyboard_only": True}], ids=["wrong", "interactive"])
def test_a_password_is_never_tried_twice_nor_typed_into_a_dialogue(
    tmp_path: Path, parcel: Parcel, server: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text("not the right one")
    secret.chmod(0o600)
    with ScriptedSftp(tmp_path / "far", **server) as far, caplog.at_level(logging.DEBUG):
        transport = connect(far, private_key=None, password=secret)
        for _ in range(3):
            with pytest.raises(RouteUnusable) as caught:
                deliver(transport, parcel)
            assert "not the right one" not in str(caught.value)

        assert far.logins <= 1
        assert "not the right one" not in caplog.text


def test_a_key_with_a_passphrase_needs_the_right_one(tmp_path: Path, parcel: Parcel) -> None:
    secret = tmp_path / "passphrase"
    words = "open sesame"
    secret.write_text(f"{words}\n")
    secret.chmod(0o600)
    with Sshd(tmp_path / "far") as far:
        key = make_key(tmp_path / "key", passphrase=words)
        far.authorise(key)
        transport = connect(far, private_key=key, passphrase=secret)
        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()

        with pytest.raises(RouteUnusable, match="passphrase"):
            deliver(connect(far, private_key=key), parcel)
        secret.write_text("open barley")
        with pytest.raises(RouteUnusable) as caught:
            deliver(connect(far, private_key=key, passphrase=secret), parcel)
        assert "barley" not in str(caught.value)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_every_accepted_type_of_key_logs_in(tmp_path: Path, parcel: Parcel, kind: str) -> None:
    with Sshd(tmp_path / "far") as far:
        key = make_key(tmp_path / "key", kind)
        far.authorise(key)
        transport = connect(far, private_key=key)

        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()


def test_credentials_of_the_service_manager_log_in(tmp_path: Path, parcel: Parcel) -> None:
    """They are root's, and an access list shows its mask as the group's bits."""
    mode = 0o440 if os.geteuid() == 0 else 0o400
    words = "open sesame"
    key, phrase, password = make_key(tmp_path / "key", passphrase=words), tmp_path / "phrase", tmp_path / "password"
    phrase.write_text(f"{words}\n")
    password.write_text(f"{PASSWORD}\n")
    for path in (key, phrase, password):
        path.chmod(mode)

    with Sshd(tmp_path / "one") as far:
        far.authorise(key)
        assert deliver(connect(far, private_key=key, passphrase=phrase), parcel).outcome is Outcome.SENT
    with ScriptedSftp(tmp_path / "two", password_only=True) as other:
        assert deliver(connect(other, private_key=None, password=password), parcel).outcome is Outcome.SENT


@pytest.mark.parametrize("wrong", ["readable by others", "missing", "a folder", "no key", "empty", "a link"])
def test_a_bad_key_file_is_refused_without_bothering_the_server(tmp_path: Path, parcel: Parcel, wrong: str) -> None:
    with ScriptedSftp(tmp_path / "far") as far, Relay(far.host, far.port) as relay:
        key = make_key(tmp_path / "key")
        if wrong == "readable by others":
            key.chmod(stat.S_IRUSR | stat.S_IROTH)
        elif wrong == "a link":
            key = key.rename(key.with_suffix(".real"))
            (tmp_path / "link").symlink_to(key)
            key = tmp_path / "link"
        else:
            key.unlink()
        if wrong == "a folder":
            key.mkdir()
        if wrong in ("no key", "empty"):
            key.write_text("secret nonsense" if wrong == "no key" else "")
            key.chmod(0o600)
        transport = connect(far, **elsewhere(far, relay.port, private_key=key))

        with pytest.raises(RouteUnusable) as caught:
            deliver(transport, parcel)

        assert relay.accepted == 0
        assert "nonsense" not in str(caught.value)
        assert transport.probe().steps[-1].name == "credentials"


@pytest.mark.parametrize(
    "listening",
    [
        {"encryption_algs": ["aes256-cbc"]},
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-sha1"]},
        {"signature_algs": ["ssh-rsa"], "encryption_algs": ["3des-cbc"]},
    ],
    ids=["cbc", "sha-1 key exchange", "sha-1 mac", "3des"],
)
def test_old_algorithms_are_refused_and_named(tmp_path: Path, parcel: Parcel, listening: dict[str, Any]) -> None:
    with ScriptedSftp(tmp_path / "far", listening=listening) as far:
        transport = connect(far)

        with pytest.raises(RouteUnusable, match=r"no acceptable|algorithms"):
            deliver(transport, parcel)

        assert far.logins == 0


def test_counter_mode_is_used_where_there_is_no_gcm(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far", configuration=("Ciphers aes128-ctr", "MACs hmac-sha2-256")) as far:
        transport = connect(far)
        assert deliver(transport, parcel).facts["cipher"] == "aes128-ctr"
        transport.close()


def test_a_closed_port_is_unreachable(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far") as far:
        transport = connect(far)
        far.stop()

        with pytest.raises(Unreachable, match="refused"):
            deliver(transport, parcel)
        far.start()

        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()


@pytest.mark.parametrize("words", [b"", b"SSH-2.0-silent\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=ascii)
def test_a_server_that_says_nothing_more_is_unreachable_in_time(tmp_path: Path, parcel: Parcel, words: bytes) -> None:
    far = Sshd(tmp_path / "far")
    with listener(lambda connection: connection.sendall(words)) as (port, _):
        transport = connect(far, **elsewhere(far, port, login_timeout=0.5))

        with pytest.raises(Unreachable):
            deliver(transport, parcel)


def test_a_server_that_never_stops_talking_is_given_up(tmp_path: Path, parcel: Parcel) -> None:
    said: list[int] = []

    def talk(connection: socket.socket) -> None:
        while True:
            said.append(connection.send(b"x" * 10_000))

    far = Sshd(tmp_path / "far")
    with listener(talk) as (port, _):
        transport = connect(far, **elsewhere(far, port, login_timeout=5.0))

        with pytest.raises(Unreachable):
            deliver(transport, parcel)

    assert sum(said) < 20_000_000  # what fits the kernels' buffers; we took little of it


def test_a_long_banner_is_no_reason_to_wait_or_to_remember(tmp_path: Path, parcel: Parcel) -> None:
    with ScriptedSftp(tmp_path / "far", banner="x" * 1_000_000) as far:
        with pytest.raises(Unreachable):
            deliver(connect(far, login_timeout=5.0), parcel)
        assert far.logins <= 1
    with ScriptedSftp(tmp_path / "polite", banner="Authorised use only.\n") as far:
        transport = connect(far)
        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()


def test_callers_that_wait_for_one_connection_share_its_failure(tmp_path: Path) -> None:
    clock = ManualClock()
    parcels = [make_parcel(tmp_path / "sealed", clock, CONTENT, f"{n}.pgp") for n in range(8)]
    far = Sshd(tmp_path / "far")
    together = threading.Barrier(8)
    with listener(lambda connection: connection.sendall(b"SSH-2.0-silent\r\n")) as (port, accepted):
        transport = connect(far, **elsewhere(far, port, login_timeout=1.0))

        def attempt(parcel: Parcel) -> BaseException | None:
            together.wait(10)
            try:
                deliver(transport, parcel)
            except TemporaryFailure as error:
                return error
            return None

        with ThreadPoolExecutor(8) as pool:
            errors = list(pool.map(attempt, parcels))

    assert all(isinstance(error, Unreachable) for error in errors)
    assert len(accepted) == 1


def test_a_frozen_server_is_unreachable_in_time(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far") as far:
        far.freeze()
        with pytest.raises(Unreachable):
            deliver(connect(far, login_timeout=0.5), parcel)
        far.thaw()


@pytest.mark.parametrize("after", [100, 1500, 2200, 3000, 3600])
def test_a_cut_while_logging_in_leaves_nothing(tmp_path: Path, parcel: Parcel, after: int) -> None:
    with Sshd(tmp_path / "far") as far, Relay(far.host, far.port) as relay:
        relay.cut_after = after
        calls = Calls()
        with pytest.raises(TemporaryFailure):
            deliver(connect(far, **elsewhere(far, relay.port, login_timeout=5.0)), parcel, calls)

        assert calls.commits == []
        assert not any(name.endswith(".pgp") for name in names_in(far.inbox))


def test_an_unknown_name_is_unreachable(tmp_path: Path, parcel: Parcel) -> None:
    far = Sshd(tmp_path / "far")
    key = far.host_keys[0].with_suffix(".pub").read_text()
    for host in ("no-such-host.invalid", "x" * 70 + ".invalid"):
        with pytest.raises(Unreachable, match="resolved"):
            deliver(connect(far, host=host, port=22, host_keys=(" ".join(key.split()[:2]),)), parcel)


def test_every_address_of_a_name_is_tried(tmp_path: Path, parcel: Parcel, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sshd(tmp_path / "far") as far:
        real = socket.getaddrinfo
        dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", far.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: [dead, *real(*given, **more)])
        transport = connect(far)

        assert deliver(transport, parcel).outcome is Outcome.SENT
        transport.close()


def tunnel(far: Sshd, answer: bytes, asked: list[bytes]) -> Callable[[socket.socket], None]:
    """An HTTP proxy of one kind of answer; with a success it passes bytes on."""

    def serve(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(1)
        asked.append(request)
        if b" 200 " not in answer:
            connection.sendall(answer)
            connection.close()
            return
        with socket.create_connection((far.host, far.port)) as onward:
            connection.sendall(answer + onward.recv(4096))  # the server's first words in the same packet
            back = threading.Thread(target=pump, args=(onward, connection), daemon=True)
            back.start()
            pump(connection, onward)
            back.join(10)

    return serve


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_proxy_carries_the_connection(tmp_path: Path, parcel: Parcel) -> None:
    asked: list[bytes] = []
    with Sshd(tmp_path / "far") as far:
        answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
        with listener(tunnel(far, answer, asked)) as (port, _):
            transport = connect(far, proxy=Proxy(host="127.0.0.1", port=port))
            assert deliver(transport, parcel).outcome is Outcome.SENT
            transport.close()

    assert asked[0].startswith(f"CONNECT 127.0.0.1:{far.port} HTTP/1.1\r\nHost: 127.0.0.1:{far.port}\r\n".encode())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", RouteUnusable),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", RouteUnusable),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Unreachable),
        (b"SSH-2.0-not-a-proxy\r\n", Unreachable),
        (b"x" * 20_000, Unreachable),
        (b"\r\n\r\n", Unreachable),
    ],
    ids=["login wanted", "forbidden", "cannot connect", "no proxy", "endless", "nothing"],
)
def test_a_proxy_that_does_not_connect_is_told_apart(
    tmp_path: Path, parcel: Parcel, answer: bytes, kind: type[TemporaryFailure]
) -> None:
    far = Sshd(tmp_path / "far")
    far.port = 22022
    with listener(tunnel(far, answer, [])) as (port, _), pytest.raises(kind) as caught:
        deliver(connect(far, proxy=Proxy(host="127.0.0.1", port=port)), parcel)

    assert type(caught.value) is kind


@pytest.mark.parametrize("raw", [b"Welcome to this server!\r\n", b"\0\0\0\5\2\0\0\0\6", b"\0\0\0\1\2"], ids=ascii)
def test_what_is_no_sftp_version_3_stops_the_route(tmp_path: Path, parcel: Parcel, raw: bytes) -> None:
    (tmp_path / "raw").write_bytes(raw)
    command = f"ForceCommand cat {tmp_path}/raw; exec cat > /dev/null"
    with (
        Sshd(tmp_path / "far", configuration=(command,)) as far,
        pytest.raises(RouteUnusable, match="no SFTP version 3"),
    ):
        deliver(connect(far), parcel)


def test_a_server_without_sftp_stops_the_route(tmp_path: Path, parcel: Parcel) -> None:
    with (
        Sshd(tmp_path / "far", configuration=("MaxSessions 0",)) as far,
        pytest.raises(RouteUnusable, match="gives no SFTP session"),
    ):
        deliver(connect(far), parcel)


def test_a_probe_names_the_step_that_failed(tmp_path: Path) -> None:
    with ScriptedSftp(tmp_path / "far") as far:
        cases = {
            "connect": connect(far, **elsewhere(far, 1)),
            "login": connect(far, private_key=make_key(tmp_path / "wrong")),
            "proof": connect(far),
        }
        assert [cases[name].probe().steps[-1].name for name in cases] == list(cases)
        assert cases["proof"].probe().ok


def test_the_ssh_library_keeps_silent_and_lets_no_secret_out(
    tmp_path: Path, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    wire = logging.getLogger(WIRE_LOG)
    before = wire.level
    with Sshd(tmp_path / "far") as far, caplog.at_level(logging.DEBUG):
        transport = connect(far)
        deliver(transport, parcel)
        far.stop()
        with pytest.raises(TemporaryFailure):
            deliver(transport, make_parcel(tmp_path / "sealed", ManualClock(), CONTENT, "b.pgp"))
        transport.close()

    assert [record for record in caplog.records if record.name.startswith(("paramiko", WIRE_LOG))] == []
    wire.setLevel(before)


def test_options_refuse_what_can_never_work_all_at_once(tmp_path: Path) -> None:
    far = Sshd(tmp_path / "far")
    with pytest.raises(ConfigurationError) as caught:
        options(far, host="", port=0, private_key=None, request_timeout=0)

    assert {problem.path for problem in caught.value.problems} == {"host", "port", "private_key", "request_timeout"}


def _wakings(thread: threading.Thread) -> int:
    """Return how often a thread has gone to sleep of its own accord."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])


def test_a_kept_connection_that_idles_hardly_wakes_and_still_ends_at_once(tmp_path: Path, parcel: Parcel) -> None:
    with Sshd(tmp_path / "far") as far:
        before = set(threading.enumerate())
        transport = connect(far)
        deliver(transport, parcel)
        (reader,) = [one for one in set(threading.enumerate()) - before if isinstance(one, paramiko.Transport)]
        begun, woken = time.monotonic(), _wakings(reader)
        wait_until(lambda: time.monotonic() - begun > 1.5, what="a second and a half of idleness")
        woken = _wakings(reader) - woken
        far.freeze()  # it would close its end, too
        begun = time.monotonic()
        transport.close()
        reader.join(timeout=5)
        took = time.monotonic() - begun
        far.thaw()

    assert woken < 8  # ten a second are what paramiko asks for
    assert not reader.is_alive()
    assert took < CALM / 5
