"""The socket's place in the file system: who may get as far as connecting, and what may lie in the way.

The socket is made with mode 0600 and opened to its group only when all is set; it lies in a folder that nobody else
may write to, so nobody can put another in its place. A socket left by a dead agent is replaced, one that answers is
not, and anything else in its place is refused and left alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from sealdrop.adapters.durable import guarding, shown
from sealdrop.core.errors import ConfigurationError, Problem, Refused

SOCKET_MODE = 0o660
FOLDER_MODE = 0o750
PRIVATE_SOCKET = 0o600
PRIVATE_FOLDER = 0o700
BACKLOG = 64  # connections the kernel keeps waiting
_MAX_PATH = 107  # bytes, unix(7)
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def bind(path: Path, group: int | None) -> socket.socket:
    """Make a listening socket at ``path`` for the agent's user and ``group``.

    Raises:
        ConfigurationError: the path will not do, or its folder is not safe.
        Refused: another agent answers there.
        StorageFailure: the file system refused.
    """
    if len(os.fsencode(path)) > _MAX_PATH:
        raise _unfit(path, f"the path has more than {_MAX_PATH} bytes", "Choose a shorter runtime folder")
    _prepare_folder(path.parent, group)
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with guarding("make the control socket", path):
            os.fchmod(listener.fileno(), PRIVATE_SOCKET)  # before bind: it is never open to more, whatever the umask
            listener.bind(os.fsencode(path))
            if group is not None:
                _give(path, group)
                path.chmod(SOCKET_MODE)
            listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return listener


def _prepare_folder(folder: Path, group: int | None) -> None:
    with guarding("prepare the folder of the control socket", folder):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(PRIVATE_FOLDER)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except NotADirectoryError as error:  # what the system says of a symbolic link as well
            raise _unfit(folder, "it is no folder of its own", "Remove what is there; a link will not do") from error
        try:
            found = os.fstat(descriptor)
            if found.st_uid not in {0, os.geteuid()} or found.st_mode & _WRITABLE_BY_OTHERS:
                raise _unfit(folder, "others may write to it", "Give it to the agent's user alone (mode 0750)")
            if group is not None and found.st_uid == os.geteuid():
                _give(descriptor, group)
                os.fchmod(descriptor, FOLDER_MODE)
        finally:
            os.close(descriptor)


def _give(target: Path | int, group: int) -> None:
    if os.stat(target).st_gid == group:  # noqa: PTH116 - a path or a descriptor
        return  # the unit's system call filter refuses every chown, needed or not
    try:
        os.chown(target, -1, group)
    except PermissionError as error:
        raise ConfigurationError(
            [
                Problem(
                    path="control",
                    what=f"the agent's user is not in group {group} and cannot open the socket to it",
                    hint="Make it the Group= of the unit, or take another group",
                )
            ]
        ) from error


def _clear(path: Path) -> None:
    with guarding("look at", path):
        if not os.path.lexists(path):
            return
        found = path.lstat()
    if not stat.S_ISSOCK(found.st_mode):
        raise _unfit(path, "something that is no socket is in its place", "Find out what it is, then remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(1.0)
        try:
            visitor.connect(os.fsencode(path))
        except OSError:
            pass  # nobody is behind it
        else:
            raise Refused(
                "another agent answers on the control socket",
                where=shown(path),
                hint="Stop the running agent first, or give this one a runtime folder of its own",
            )
    with guarding("remove the dead control socket", path):
        path.unlink()


def _unfit(path: Path, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(path="runtime", what=what, hint=hint)], where=shown(path))
