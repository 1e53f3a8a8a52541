"""The notifier speaks sd_notify to a real datagram socket, and to nobody when nobody listens."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealdrop.adapters.systemd import Notifier
from sealdrop.core.errors import ConfigurationError


class Systemd:
    """The receiving end of ``NOTIFY_SOCKET``."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.settimeout(5)
        self.environment = {"NOTIFY_SOCKET": address}

    def heard(self) -> str:
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, short_tmp: Path) -> Iterator[Systemd]:
    address = str(short_tmp / "notify") if request.param == "path" else f"@sealdrop-test-{secrets.token_hex(8)}"
    with closing(Systemd(address)) as receiver:
        yield receiver


def test_each_message_is_one_datagram(systemd: Systemd) -> None:
    with closing(Notifier(systemd.environment, monotonic=lambda: 12.5)) as notifier:
        told: list[tuple[Callable[[], None], str]] = [
            (lambda: notifier.ready("2 open"), "READY=1\nSTATUS=2 open"),
            (lambda: notifier.status("sweeping"), "STATUS=sweeping"),
            (notifier.alive, "WATCHDOG=1"),
            (notifier.reloading, "RELOADING=1\nMONOTONIC_USEC=12500000"),
            (lambda: notifier.extend(1.5), "EXTEND_TIMEOUT_USEC=1500000"),
            (notifier.stopping, "STOPPING=1"),
        ]
        for say, expected in told:
            say()
            assert systemd.heard() == expected


def test_a_status_cannot_smuggle_another_assignment(systemd: Systemd) -> None:
    with closing(Notifier(systemd.environment)) as notifier:
        notifier.status("a\nMAINPID=1\x00\udcff" + "x" * 5000)

    heard = systemd.heard()
    assert heard.startswith("STATUS=a\\nMAINPID=1\\x00\\udcffxxx")
    assert "\n" not in heard
    assert len(heard) < 400


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_supervisor_nothing_happens(environment: dict[str, str]) -> None:
    notifier = Notifier(environment, on_failure=pytest.fail)
    for say in (notifier.alive, notifier.reloading, notifier.stopping, notifier.close, notifier.close):
        say()
    notifier.ready("")
    assert notifier.watchdog_seconds() is None


def test_a_deaf_supervisor_is_told_of_once_and_stops_nothing(short_tmp: Path) -> None:
    failures: list[str] = []
    with closing(Notifier({"NOTIFY_SOCKET": str(short_tmp / "nobody")}, on_failure=failures.append)) as notifier:
        for _ in range(3):
            notifier.alive()

    assert failures == ["systemd cannot be told how the service fares: No such file or directory"]


def test_a_supervisor_that_does_not_read_never_blocks(short_tmp: Path) -> None:
    address = str(short_tmp / "notify")
    failures: list[str] = []
    with (
        closing(Systemd(address)) as receiver,
        closing(Notifier(receiver.environment, on_failure=failures.append)) as it,
    ):
        for _ in range(10_000):
            it.alive()
            it.status("sweeping")
        it.stopping()

    assert failures == ["systemd cannot be told how the service fares: Resource temporarily unavailable"]


def test_being_ready_waits_for_room_in_the_queue(short_tmp: Path) -> None:
    address = str(short_tmp / "notify")
    full: list[str] = []
    with closing(Systemd(address)) as receiver, closing(Notifier(receiver.environment, on_failure=full.append)) as it:
        while not full:
            it.alive()
        saying = threading.Thread(target=it.ready, args=("late",))
        saying.start()
        saying.join(timeout=0.1)
        assert saying.is_alive(), "there is no room yet"
        heard = ""
        while not heard.startswith("READY=1"):
            heard = receiver.heard()
        saying.join()


@pytest.mark.parametrize("address", ["relative", "@", "vsock:2:1"])
def test_an_address_the_protocol_does_not_have_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="NOTIFY_SOCKET"):
        Notifier({"NOTIFY_SOCKET": address})


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({}, None),
    ],
    ids=["for whoever asks", "for us", "for another process", "off", "nonsense", "digits of another kind", "absent"],
)
def test_the_watchdog_counts_for_the_process_it_names(variables: dict[str, str], seconds: float | None) -> None:
    assert Notifier(variables).watchdog_seconds() == seconds


COUNT_SOCKETS = """
import os
links = [os.readlink(one.path) for one in os.scandir("/proc/self/fd") if os.path.islink(one.path)]
print(sum(link.startswith("socket:") for link in links))
"""


def test_the_socket_is_not_inherited_by_programs_we_start(systemd: Systemd) -> None:
    with closing(Notifier(systemd.environment)) as notifier:
        notifier.alive()
        child = subprocess.run(
            [sys.executable, "-c", COUNT_SOCKETS],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            close_fds=False,
            check=True,
        )

    assert child.stdout == b"0\n"
