"""Filing: what is inside the folder of a submission, and how it is settled before and after its one rename.

In ``work/`` a folder holds ``dropped/<file name>`` (what was claimed), ``content`` (our private copy), ``sealed`` and,
while a sealer works, ``sealed.part``. Until a file has come from an outbox on another mount, ``coming/<file name>``, an
empty file, stands for it. Filed, it holds the evidence files, the content under the file's own name and
``sealed``, less what the profile does not keep. ``dropped/`` is there only when the producer went on writing, or when
the thing was set aside unread.

Every step may be repeated: a process that died anywhere in between is followed by one that begins anew. The content
gets its own name before ``dropped`` is removed, and what is not kept is removed after the folder was moved, so the
bytes are in the folder at every moment until it is filed.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet

from sealdrop.adapters.durable import Folder, read_foreign
from sealdrop.core.errors import NotYet, Unacceptable
from sealdrop.ports.spool import Filing

COMING = "coming"
DROPPED = "dropped"
CONTENT = "content"
SEALED = "sealed"
UNSEALED = "sealed.part"

#: Names that mean something in a folder, before or after it is filed. A file called so is filed as ``content-<name>``.
_TAKEN = frozenset({COMING, DROPPED, CONTENT, SEALED, UNSEALED, "receipt.json", "report.json", "report.txt"})


def own_name(filing: Filing) -> str:
    """Return the name under which the content is filed: the file's own, unless it would hide something of ours."""
    return kept_name(filing.file_name, {name.casefold() for name, _ in filing.evidence})


def kept_name(file_name: str, evidence: AbstractSet[str] = frozenset()) -> str:
    """Return the name under which the content of a file is filed, beside evidence of these names.

    All evidence that is ever written beside what was sent is in ``_TAKEN``.
    """
    name = file_name
    while name.casefold() in _TAKEN | evidence:
        name = f"content-{name}"
    return name


def settle(folder: Folder, filing: Filing) -> None:
    """Do what comes before the rename: evidence written, content under its own name, ``dropped`` compared once more.

    Raises:
        NoSpace, StorageFailure: a write, rename or sync failed.
    """
    folder.clear_leftovers()
    folder.remove(UNSEALED)
    if filing.sha256:
        folder.rename(CONTENT, folder, own_name(filing))
    folder.replace_all(filing.evidence)
    if not filing.sha256 and folder.stat(COMING) is not None:
        _drop_coming(folder, filing)
    if not filing.sha256 or folder.stat(DROPPED) is None:
        return
    with folder.child(DROPPED) as dropped:
        dropped.clear_leftovers()
        content = folder.stat(own_name(filing))
        if content is not None and _is_equal(dropped, filing, content):
            dropped.unlink(filing.file_name)
    folder.remove_empty(DROPPED)
    folder.sync()


def drop_unkept(folder: Folder, filing: Filing) -> None:
    """Do what comes after the rename: remove from a folder in ``sent/`` what the profile does not keep.

    After a late write the content always stays: it is the only copy of what was sent.

    Raises:
        StorageFailure: a removal or sync failed.
    """
    if filing.to != "sent" or not filing.sha256:
        return
    unkept = [SEALED] if filing.keep != SEALED else []
    if filing.keep != CONTENT and not was_written_late(folder, filing):
        unkept.append(own_name(filing))
    if sum(folder.unlink(name) for name in unkept):
        folder.sync()


def was_written_late(folder: Folder, filing: Filing) -> bool:
    """Tell whether the producer's later bytes are kept beside the content.

    Raises:
        StorageFailure: the folder cannot be read.
    """
    if not filing.sha256 or folder.stat(DROPPED) is None:
        return False
    with folder.child(DROPPED) as dropped:
        return bool(dropped.names())


def _drop_coming(folder: Folder, filing: Filing) -> None:
    """Remove what stands for a file that was refused before it came: it stays in its outbox, nothing of it is here."""
    with folder.make(DROPPED) as dropped:
        dropped.clear_leftovers()
    folder.remove_empty(DROPPED)
    with folder.child(COMING) as coming:
        coming.unlink(filing.file_name)
    folder.remove_empty(COMING)
    folder.sync()


def _is_equal(dropped: Folder, filing: Filing, content: os.stat_result) -> bool:
    """Compare what was dropped with the digest. A thing open for writing, or no plain file any more, is not."""
    try:
        reading = read_foreign(dropped, filing.file_name, _ignore, max_bytes=content.st_size)
    except (NotYet, Unacceptable):
        return False
    return reading.sha256 == filing.sha256


def _ignore(chunk: memoryview) -> None:
    """Take bytes that only had to be hashed."""
