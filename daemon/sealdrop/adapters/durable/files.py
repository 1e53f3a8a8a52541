"""The operations of ``Folder`` for callers that have paths: each opens the parent folders, works and lets go."""

from __future__ import annotations

import os
from pathlib import Path

from sealdrop.adapters.durable.descriptors import close_read, sync_fd
from sealdrop.adapters.durable.folder import PRIVATE_FILE, PRIVATE_FOLDER, Folder
from sealdrop.adapters.durable.trouble import guarding


def write_new(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> bool:
    """``Folder.write_new`` for a path."""
    with Folder.open(path.parent) as folder:
        return folder.write_new(path.name, data, mode=mode)


def replace(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """``Folder.replace`` for a path."""
    with Folder.open(path.parent) as folder:
        folder.replace(path.name, data, mode=mode)


def move(source: Path, target: Path) -> bool:
    """``Folder.move`` for two paths."""
    with Folder.open(source.parent) as here, Folder.open(target.parent) as there:
        return here.move(source.name, there, target.name)


def remove(path: Path) -> bool:
    """``Folder.remove`` for a path."""
    with Folder.open(path.parent) as folder:
        return folder.remove(path.name)


def keep(temporary: Path, final: Path) -> bool:
    """Sync a file that somebody else wrote, then rename it within its folder and sync that; False when it is gone.

    Raises:
        StorageFailure: a sync or rename failed.
    """
    with Folder.open(final.parent) as folder:
        with guarding("open", temporary):
            try:
                fd = os.open(temporary.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.fd)
            except FileNotFoundError:
                return False
        try:
            sync_fd(fd, temporary)
        finally:
            close_read(fd)
        return folder.move(temporary.name, folder, final.name)


def probe_rename(source: Folder, target: Folder) -> None:
    """Prove that a file can be renamed from one folder into another; nothing of the proof stays.

    Raises:
        NoSpace, StorageFailure: it cannot, and the cause says why (EXDEV: not one mount).
    """
    with source.draft() as draft:
        source.rename(draft.name, target, draft.name)
        target.remove(draft.name)
        source.sync()


def make_dirs(path: Path, *, mode: int = PRIVATE_FOLDER) -> None:
    """Make a directory and whatever is missing above it, each durably.

    Raises:
        NoSpace, StorageFailure: one could not be made.
    """
    missing = [path]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    with Folder.open(missing[-1].parent.resolve()) as parent:
        folder = parent
        for step in reversed(missing):
            deeper = folder.make(step.name, mode)
            if folder is not parent:
                folder.close()
            folder = deeper
        folder.close()
