"""The socket under SSH: every address tried, nothing waits for ever, optionally through an HTTP proxy.

Sockets have TCP_NODELAY, TCP_USER_TIMEOUT (a network gone black is noticed even while we only send) and TCP keep-alive
(noticed even while idle). Whatever goes wrong here is ``Unreachable``, except a proxy that refuses us for good.
Names are resolved anew each time: a changed address is followed, and the pinned host key still decides.
"""

from __future__ import annotations

import socket
import time

from sealdrop.adapters.transports.sftp.options import Proxy, SftpOptions
from sealdrop.core.errors import RouteUnusable, Unreachable

_MAX_PROXY_ANSWER = 16 * 1024
_KEEPALIVE_INTERVAL = 10  # seconds between probes, and
_KEEPALIVE_PROBES = 3  # how many may stay unanswered
_PROXY_REFUSALS = {401, 403, 405, 407}


def connect(options: SftpOptions) -> socket.socket:
    """Return a connected socket.

    Raises:
        Unreachable: no address answered, or the proxy could not reach it. RouteUnusable: the proxy refuses us.
    """
    proxy = options.proxy
    if proxy is None:
        return _dial(options.host, options.port, options)
    sock = _dial(proxy.host, proxy.port, options)
    try:
        _through(proxy, sock, options)
    except BaseException:
        sock.close()
        raise
    return sock


def _dial(host: str, port: int, options: SftpOptions) -> socket.socket:
    where = f"{host}:{port}"
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        hint = "Check the name and the resolver (resolvectl query NAME)"
        raise Unreachable(f"the name cannot be resolved: {_reason(error)}", where=where, hint=hint) from error
    failures = []
    for family, kind, protocol, _, address in addresses:
        try:
            return _open(family, kind, protocol, address, options)
        except OSError as error:
            failures.append(f"{address[0]}: {_reason(error)}")
    hint = "Check that the server runs and that no firewall is in between"
    raise Unreachable(f"cannot connect ({'; '.join(failures)})", where=where, hint=hint)


def _open(family: int, kind: int, protocol: int, address: object, options: SftpOptions) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(options.network_timeout * 1000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, int(options.network_timeout)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
        sock.settimeout(options.connect_timeout)
        sock.connect(address)  # type: ignore[arg-type] # whatever getaddrinfo gave for this family
    except BaseException:
        sock.close()
        raise
    return sock


def _through(proxy: Proxy, sock: socket.socket, options: SftpOptions) -> None:
    """Ask an HTTP proxy for a tunnel."""
    where = f"proxy {proxy.host}:{proxy.port}"
    deadline = time.monotonic() + options.connect_timeout
    request = f"CONNECT {options.address} HTTP/1.1\r\nHost: {options.address}\r\n\r\n"
    answer = bytearray()
    try:
        sock.sendall(request.encode("ascii"))
        # Byte by byte: what follows the blank line is SSH already and must stay in the socket.
        while not answer.endswith(b"\r\n\r\n"):
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            byte = sock.recv(1)
            if not byte or len(answer) > _MAX_PROXY_ANSWER:
                message = "the proxy gave no proper answer"
                raise Unreachable(message, where=where, hint="Check that it is an HTTP proxy")
            answer += byte
    except OSError as error:
        raise Unreachable(f"the proxy does not answer: {_reason(error)}", where=where) from error
    status = bytes(answer).split(b"\r\n", 1)[0].decode("ascii", "replace").split()
    code = int(status[1]) if len(status) > 1 and status[1].isdigit() else 0
    if code in _PROXY_REFUSALS:
        hint = f"Ask for permission to CONNECT to {options.address}"
        raise RouteUnusable(f"the proxy refuses the connection with status {code}", where=where, hint=hint)
    if not 200 <= code < 300:  # noqa: PLR2004 - success in HTTP
        raise Unreachable(f"the proxy cannot connect, status {code}", where=where)


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__
