"""Who is at the other end of a connection, as the kernel tells, and what they may.

Identity is what the kernel recorded when they connected: user, group, supplementary groups, process. The login user
(``/proc/PID/loginuid``) survives ``sudo`` and is recorded for the auditor where it can be seen, which the unit's
``ProtectProc=invisible`` prevents for callers of another user; it decides nothing, for a process may end and its number
be given to another between the two looks.
"""

from __future__ import annotations

import array
import contextlib
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, Problem

_SO_PEERGROUPS = 59  # asm-generic/socket.h; Python has no name for it
_GROUPS_BYTES = 1024  # the most that Python asks the kernel for: 256 groups
_NO_LOGIN = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody at the other end of a connection.

    Args:
        pid: their process. uid: their user. groups: every group they are in.
        user: name of the user, or its number. login_uid: the user they logged in as, when known.
    """

    pid: int
    uid: int
    groups: frozenset[int]
    user: str
    login_uid: int | None

    def __str__(self) -> str:
        login = f", login uid {self.login_uid}" if self.login_uid not in {None, self.uid} else ""
        return f"{self.user} (uid {self.uid}{login})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a peer may. Root and the agent's own user may everything."""

    own_uid: int
    readers: int | None
    admins: int | None

    def may_read(self, peer: Peer) -> bool:
        """Tell whether a peer may ask questions."""
        return self.may_change(peer) or self.readers in peer.groups

    def may_change(self, peer: Peer) -> bool:
        """Tell whether a peer may ask for a change."""
        return peer.uid in {0, self.own_uid} or self.admins in peer.groups


def make_access(read_group: str, admin_group: str) -> Access:
    """Look the groups up once; an empty name is nobody.

    Raises:
        ConfigurationError: there is no such group.
    """
    return Access(
        own_uid=os.geteuid(),
        readers=_group("control.read_group", read_group),
        admins=_group("control.admin_group", admin_group),
    )


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel who is at the other end.

    Raises:
        OSError: it does not tell; then nobody is.
    """
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(
        pid=pid,
        uid=uid,
        groups=frozenset({gid, *_supplementary(connection, uid, gid)}),
        user=_user(uid),
        login_uid=_login_uid(pid),
    )


def _supplementary(connection: socket.socket, uid: int, gid: int) -> list[int]:
    groups = array.array("I")
    try:
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES))
    except OSError:  # in more groups than fit: what the system's files say instead
        return os.getgrouplist(_user(uid), gid)
    return groups.tolist()


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _login_uid(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        found = int(Path(f"/proc/{pid}/loginuid").read_text(encoding="ascii"))
        return None if found == _NO_LOGIN else found
    return None


def _group(path: str, name: str) -> int | None:
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationError(
            [Problem(path=path, what=f"there is no group {name!a}", hint="Make it (groupadd), or name another")]
        ) from error
