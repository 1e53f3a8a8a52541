"""SSH: from a connected socket to an SFTP session on one channel. paramiko does the cryptography, we set the limits.

The order is the point. Only algorithms of the list below are offered; then the host key must be one of the pins; only
then is anything sent that could log us in, once, with the one key (or password) configured. No agent, no other keys,
no files of a home directory, no system-wide known hosts. Every phase has its time-out, and one alarm over all of them
closes the socket, because paramiko waits without bound in places.

Fails with ``RouteUnusable`` for what only a person can mend (host key, login, algorithms, no SFTP), else with
``Unreachable``. paramiko's own log is silent unless somebody sets a level for the logger ``sealdrop.sftp.wire``.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, Self

import paramiko

from sealdrop.adapters.transports.sftp import network, packets, requests
from sealdrop.adapters.transports.sftp.credentials import load_credential
from sealdrop.adapters.transports.sftp.hostkeys import Pin, fingerprint, signature_order
from sealdrop.adapters.transports.sftp.multiplexer import ByteChannel
from sealdrop.adapters.transports.sftp.options import SftpOptions
from sealdrop.core.errors import RouteUnusable, SealdropError, Unreachable

CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
MACS = (
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512",
    "hmac-sha2-256",
)
KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
WIRE_LOG = "sealdrop.sftp.wire"
CALM = 1.0  # seconds after which an idle connection looks whether it was closed
MAX_GREETING = 256 * 1024  # bytes of the far end before we are logged in: banner, key exchange, messages
_SSH_KEEPALIVE = 30  # seconds; keeps a translating firewall from forgetting us

_log = logging.getLogger(__name__)


class LoginRefused(RouteUnusable):
    """The server refused our login; asking again would lock the account or get our address banned."""


#: Called when a step of connecting has worked: its name, and what was seen.
Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open SFTP session.

    Args:
        channel: carries its bytes, past the version exchange.
        splitter: holds what was read beyond the version.
        extensions: that the server offers.
        facts: for the receipt: server version, host key, algorithms.
    """

    channel: ByteChannel
    splitter: packets.Splitter
    extensions: dict[str, bytes]
    facts: dict[str, str]


def open_session(options: SftpOptions, pins: tuple[Pin, ...], report: Report) -> Session:
    """Connect, check the host key, log in and open an SFTP session.

    Raises:
        Unreachable: it did not come to that for a reason that may pass.
        RouteUnusable: algorithms, host key, login, or no SFTP: a person must act.
    """
    credential = load_credential(options)  # first: without one there is no reason to bother the server
    report("credentials", "password" if isinstance(credential, str) else f"private key {credential.get_name()}")
    sock = network.connect(options)
    report("connect", f"connected to {options.address}")
    greeting = _Greeting(sock)
    transport = paramiko.Transport(greeting)
    with _Alarm(options.login_timeout, transport):
        try:
            _negotiate(transport, options, pins)
            report("algorithms", f"{transport.remote_cipher}, {_key_exchange(transport)}")
            facts = _check_host_key(transport, options, pins)
            report("host key", facts["host_key"])
            _log_in(transport, options, credential)
            greeting.end()
            report("login", f"logged in as {options.user}")
            session = _open_sftp(transport, options, facts)
            report("sftp", f"session open, extensions: {', '.join(sorted(session.extensions)) or 'none'}")
        except SealdropError:
            transport.close()
            raise
        except (paramiko.SSHException, OSError, EOFError, packets.ProtocolError) as error:
            transport.close()
            _unreachable(options, "the connection broke while logging in", error)
        except BaseException:
            transport.close()
            raise
    return session


def _negotiate(transport: paramiko.Transport, options: SftpOptions, pins: tuple[Pin, ...]) -> None:
    """Restrict the algorithms and exchange keys."""
    wire = logging.getLogger(WIRE_LOG)
    if wire.level == logging.NOTSET:
        wire.setLevel(logging.CRITICAL)  # what it says reaches the operator through our errors, once
    transport.set_log_channel(WIRE_LOG)
    transport.banner_timeout = transport.handshake_timeout = options.login_timeout
    transport.auth_timeout = transport.channel_timeout = options.login_timeout
    offered = transport.get_security_options()
    offered.ciphers = CIPHERS
    offered.digests = MACS
    offered.kex = tuple(name for name in KEY_EXCHANGES if name in offered.kex)  # not every build has all
    offered.key_types = signature_order(pins)
    try:
        transport.start_client(timeout=options.login_timeout)
    except paramiko.ssh_exception.IncompatiblePeer as error:
        hint = "The server must be updated: SHA-1, CBC, DSA and MD5 are never used"
        what = f"the server offers no algorithms we accept ({_text(error)})"
        raise RouteUnusable(what, where=options.address, hint=hint) from error
    except paramiko.SSHException as error:
        _unreachable(options, "the key exchange failed", error)


def _check_host_key(transport: paramiko.Transport, options: SftpOptions, pins: tuple[Pin, ...]) -> dict[str, str]:
    """Compare the host key with the pins; nothing that could log us in has been sent yet."""
    try:
        key = transport.get_remote_server_key()
    except paramiko.SSHException as error:  # start_client returns silently when its time is over
        _unreachable(options, f"no key exchange within {options.login_timeout:g} s", error)
    blob = key.asbytes()
    place = next((place for place, pin in enumerate(pins) if pin.blob == blob), None)
    if place is None:
        shown = f"{fingerprint(blob)} ({key.get_name()})"
        what = f"the server shows host key {shown}, pinned is {' or '.join(map(str, pins))}"
        hint = "Nothing was sent. Ask the receiver whether the key was changed; if so pin the new one, else investigate"
        raise RouteUnusable(what, where=options.address, hint=hint)
    facts = {
        "server": _ascii(transport.remote_version),
        "host_key": str(pins[place]),
        "host_key_algorithm": str(transport.host_key_type),
        "cipher": str(transport.remote_cipher),
        "key_exchange": _key_exchange(transport),
    }
    if place:
        facts["host_key_warning"] = f"pin {place + 1} of {len(pins)} was used; the first is {pins[0]}"
        _log.warning("%s: host key %s", options.address, facts["host_key_warning"])
    return facts


def _log_in(transport: paramiko.Transport, options: SftpOptions, credential: paramiko.PKey | str) -> None:
    """Try once. A refusal is final until a person acts: repeating it locks accounts and gets addresses banned."""
    try:
        if isinstance(credential, str):
            missing = transport.auth_password(options.user, credential, fallback=False)
        else:
            missing = transport.auth_publickey(options.user, credential)
    except paramiko.BadAuthenticationType as error:
        allowed = ", ".join(_ascii(name) for name in error.allowed_types)
        _refused(options, f"the server does not let {options.user} log in that way, only by {allowed}", error)
    except paramiko.AuthenticationException as error:
        if not transport.is_active() or "timeout" in str(error).lower():
            _unreachable(options, "no answer to the login", error)
        _refused(options, f"the server refused the login of {options.user}", error)
    if missing:
        _refused(options, f"the server wants a further login step ({', '.join(map(_ascii, missing))})", None)


def _open_sftp(transport: paramiko.Transport, options: SftpOptions, facts: dict[str, str]) -> Session:
    transport.set_keepalive(_SSH_KEEPALIVE)
    try:
        inner = transport.open_session(timeout=options.login_timeout)
        inner.invoke_subsystem("sftp")
    except paramiko.SSHException as error:
        if not transport.is_active():
            raise
        hint = "Ask the receiver to enable SFTP for this account"
        raise RouteUnusable("the server gives no SFTP session", where=options.address, hint=hint) from error
    channel = _Channel(transport, inner)
    channel.settimeout(options.login_timeout)
    splitter = packets.Splitter()
    try:
        channel.send(requests.init())
        extensions = packets.decode_version(_first(channel, splitter))
    except packets.ProtocolError as error:
        hint = "Check that it is an SFTP server, and that the account's start-up files print nothing"
        raise RouteUnusable(f"no SFTP version 3: {error}", where=options.address, hint=hint) from error
    return Session(channel=channel, splitter=splitter, extensions=extensions, facts=facts)


def _first(channel: _Channel, splitter: packets.Splitter) -> bytes:
    """Return the first packet, leaving the splitter to cut the rest."""
    while True:
        data = channel.recv(packets.MAX_PACKET)
        if not data:
            message = "the session ended before it began"
            raise EOFError(message)
        found = list(splitter.feed(data))
        if len(found) > 1:
            message = "the server speaks before it is asked"
            raise packets.ProtocolError(message)
        if found:
            return found[0]


class _Channel:
    """A paramiko channel whose ``close`` ends the whole connection at once, without a farewell that could block."""

    __slots__ = ("_inner", "_transport")

    def __init__(self, transport: paramiko.Transport, inner: paramiko.Channel) -> None:
        self._transport = transport
        self._inner = inner

    def settimeout(self, timeout: float | None) -> None:
        self._inner.settimeout(timeout)

    def send(self, data: bytes) -> int:
        return int(self._inner.send(data))

    def recv(self, nbytes: int) -> bytes:
        return bytes(self._inner.recv(nbytes))

    def close(self) -> None:
        self._transport.close()


class _Greeting(socket.socket):
    """The connected socket, with a bound on what a server may say before we are logged in.

    paramiko has its socket wake it ten times a second, only to see whether it was closed or must exchange new keys.
    Once logged in, less often will do, because closing wakes whoever waits in ``recv``.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self._left: int | None = MAX_GREETING

    def end(self) -> None:
        """Lift the bound, and wake less often."""
        self._left = None
        self.settimeout(CALM)

    def close(self) -> None:
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()

    def recv(self, count: int, flags: int = 0) -> bytes:
        data = super().recv(count, flags)
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                message = f"more than {MAX_GREETING} bytes before the login"
                raise EOFError(message)
        return data


class _Alarm:
    """Ends a connection that is not ready in time, whatever it is waiting for."""

    def __init__(self, seconds: float, transport: paramiko.Transport) -> None:
        self._timer = threading.Timer(seconds, transport.close)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _key_exchange(transport: paramiko.Transport) -> str:
    name = getattr(transport.kex_engine, "name", None)  # the curve25519 engine carries none
    return str(name) if name else "curve25519-sha256"


def _unreachable(options: SftpOptions, what: str, error: BaseException) -> NoReturn:
    hint = "Check that it is an SSH server, that it is up, and that it accepts connections from here"
    raise Unreachable(f"{what} ({type(error).__name__}: {_text(error)})", where=options.address, hint=hint) from error


def _refused(options: SftpOptions, what: str, error: BaseException | None) -> NoReturn:
    hint = "It is not tried again. Check user and key with the receiver, then retry the route"
    raise LoginRefused(what, where=options.address, hint=hint) from error


def _text(error: BaseException) -> str:
    return _ascii(str(error))[:200]


def _ascii(text: str) -> str:
    """Return text of the far end fit for a message or a log."""
    return ascii(text)[1:-1]
