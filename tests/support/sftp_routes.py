"""SFTP transports for tests: options that fit a test server, with short time-outs where a test is about waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from sealdrop.adapters.transports.sftp import SftpOptions, SftpTransport
from support.manual_clock import ManualClock


class Server(Protocol):
    """What both test servers have."""

    host: str
    user: str
    port: int
    user_key: Path
    inbox: Path

    @property
    def pins(self) -> tuple[str, ...]: ...


def options(server: Server, **changed: Any) -> SftpOptions:  # noqa: ANN401 - any option
    """Return options that deliver to the inbox of a test server."""
    values: dict[str, Any] = {
        "name": "relay",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "host_keys": server.pins,
        "private_key": server.user_key,
        "folder": str(server.inbox),
    }
    return SftpOptions(**(values | changed))


def connect(server: Server, clock: ManualClock | None = None, **changed: Any) -> SftpTransport:  # noqa: ANN401 - any option
    """Return a transport to a test server; it connects at its first use."""
    return SftpTransport(options(server, **changed), clock or ManualClock())


def repin(server: Server, port: int) -> tuple[str, ...]:
    """Return a server's pins as they must be for another port, that of a relay before it."""
    return tuple(pin.replace(f"]:{server.port} ", f"]:{port} ") for pin in server.pins)
