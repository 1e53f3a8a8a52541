"""Names in the folder: those of our temporary copies, and giving a file a new name without replacing another.

Publishing is one atomic rename that refuses an existing target (``RENAME_NOREPLACE``), and a hard link where the file
system cannot do that. Fails with the system's own errors, which ``FarSide.guarding`` turns into ours.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress

from sealdrop.adapters.durable import Folder
from sealdrop.core.submission import SubmissionId

BY_RENAME = "rename that refuses an existing target"
BY_LINK = "hard link, then removal of the temporary name"

_OURS = re.compile(r"\.sealdrop-([0-7][0-9a-hjkmnp-tv-z]{25})-([0-9]+|[a-z])")
#: Mark of a copy that was set aside: what it was made for did not become visible, and cannot any more.
ASIDE = "w"
_RENAME_NOREPLACE = 1
_CANNOT_REFUSE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def temporary(submission: SubmissionId, mark: str) -> str:
    """Return the name for an attempt (a number) or a trial of ours (a letter)."""
    return f".sealdrop-{submission}-{mark}"


def owner(name: str) -> SubmissionId | None:
    """Return the submission a temporary name belongs to; None for every name that is not exactly one of ours."""
    found = _OURS.fullmatch(name)
    return SubmissionId(found.group(1)) if found else None


def rename_new(folder: Folder, old: str, new: str) -> str:
    """Rename within a folder, never replacing; return how.

    Raises:
        FileExistsError: the target is there; nothing changed. OSError: anything else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rename: Callable[..., int] = libc.renameat2
    if rename(folder.fd, os.fsencode(old), folder.fd, os.fsencode(new), _RENAME_NOREPLACE) == 0:
        return BY_RENAME
    code = ctypes.get_errno()
    if code not in _CANNOT_REFUSE:
        raise OSError(code, os.strerror(code), old)
    os.link(old, new, src_dir_fd=folder.fd, dst_dir_fd=folder.fd, follow_symlinks=False)
    os.unlink(old, dir_fd=folder.fd)
    return BY_LINK


def withdraw(folder: Folder, name: str, aside: str) -> bool:
    """Rename our copy away. True only when that proves that it was never published.

    It stays there until the next attempt removes it: should we die before the answer is booked, whoever asks again gets
    the same one. Where publishing is a hard link, the copy stays behind for a moment after it, so its presence proves
    nothing; then it is removed.

    Raises:
        OSError, StorageFailure: the system refused.
    """
    if folder.stat(aside) is not None:
        remove(folder, [name])
        return True
    with suppress(FileNotFoundError):
        atomic = rename_new(folder, name, aside) != BY_LINK
        if not atomic:
            os.unlink(aside, dir_fd=folder.fd)
        folder.sync()
        return atomic
    return False


def remove(folder: Folder, names: Iterable[str]) -> int:
    """Remove files that are there; return how many were.

    Raises:
        OSError: the system refused.
    """
    removed = 0
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder.fd)
            removed += 1
    return removed
