"""Open files and directories: syncing and closing them.

A failed sync is final: the kernel may have dropped the pages it could not write, and a second sync may report success
for pages that are gone. So it is always ``StorageFailure`` and nothing here ever tries again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sealdrop.adapters.durable.trouble import failure
from sealdrop.core.errors import StorageFailure


def sync_fd(fd: int, *where: str | Path) -> None:
    """Sync an open file or directory.

    Args:
        fd: what is synced.
        where: its path, or the parts of it.

    Raises:
        StorageFailure: always this and never ``NoSpace``: what was written before is in doubt.
    """
    try:
        os.fsync(fd)
    except OSError as error:
        reason = failure(error, "sync", Path(*where))
        raise StorageFailure(reason.what, where=reason.where, hint=reason.hint) from error


def close_read(fd: int) -> None:
    """Close what was only read: an error then tells of nothing that could be lost."""
    with suppress(OSError):
        os.close(fd)
