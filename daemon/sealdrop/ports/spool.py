"""The spool: where claimed bytes live until they are filed, all under one root on one mount."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealdrop.core.submission import SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A folder ``work/<outbox>/<id>/`` found on disk: which file was claimed, and what is beside it.

    The file is in ``dropped/``, or, with its name alone in ``coming/``, still in an outbox on another mount.
    """

    submission: SubmissionId
    outbox: str
    file_name: str  # as dropped
    has_content: bool
    has_sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Private, immutable bytes of a claimed file.

    Args:
        size: bytes. sha256: lower-case hex digest.
        path: the private copy, mode 0600.
        lease: False when no read lease could be had (then the completeness protocol stands alone).
    """

    size: int
    sha256: str
    path: Path
    lease: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One filing order: where the folder of a submission goes and what evidence goes with it.

    Args:
        submission, outbox, file_name, sha256: as in the submission; ``sha256`` is empty for a thing set aside unread.
        to: ``sent`` or ``failed``.
        day: ``YYYY-MM-DD`` in UTC, the folder it is filed under.
        evidence: (name, bytes) written durably into the folder before it is moved.
        keep: what stays in ``sent/``: ``content``, ``sealed`` or ``digest``.
    """

    submission: SubmissionId
    outbox: str
    file_name: str
    sha256: str
    to: str
    day: str
    evidence: tuple[tuple[str, bytes], ...]
    keep: str = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledAs:
    """Where a submission was filed.

    Args:
        folder: path relative to the root.
        late_write: the producer went on writing after the claim; its later bytes are kept beside the content.
    """

    folder: str
    late_write: bool


class Spool(Protocol):
    """``work/``, ``sent/`` and ``failed/`` under one root on one mount."""

    def claimed(self) -> Iterator[Claimed]:
        """Yield every folder in ``work/`` that holds a claimed file, in id order.

        A folder that an earlier process left without one (the claim never happened) MUST be removed on the way and
        not yielded; one that this process is just filling MUST be left alone.
        """
        ...

    def snapshot(self, claimed: Claimed, max_bytes: int) -> Snapshot:
        """Copy the claimed file to ``content`` while hashing; read lease held; stat before equals stat after.

        Repeating it MUST replace an unfinished copy.

        Raises:
            NotYet: a writer still has it open, it changed while being copied, or it was not brought in yet.
            Unacceptable: not a regular file, more than one link, unreadable, or larger than ``max_bytes``.
            NoSpace, StorageFailure: the copy could not be made durable.
        """
        ...

    def content(self, submission: SubmissionId, outbox: str) -> Path:
        """Return the path of the private copy."""
        ...

    def kept(self, submission: SubmissionId, outbox: str, file_name: str, filed: str | None) -> Path | None:
        """Return where the content of a submission is now, filed or not; None when it was not kept.

        Args:
            submission: its id.
            outbox: as in the submission.
            file_name: as dropped.
            filed: its folder relative to the root, once that is booked.
        """
        ...

    def intact(self, submission: SubmissionId, outbox: str, sha256: str) -> bool:
        """Tell whether the private copy still has this digest (lower-case hex), reading it as a stream.

        Raises:
            StorageFailure: the private copy cannot be read.
        """
        ...

    def sealed(self, submission: SubmissionId, outbox: str) -> Path:
        """Return the path of the sealed file."""
        ...

    def unsealed_target(self, submission: SubmissionId, outbox: str) -> Path:
        """Return a temporary path beside the sealed file for a sealer to write to; any leftover is removed."""
        ...

    def keep_sealed(self, submission: SubmissionId, outbox: str) -> None:
        """Sync the temporary sealed file, rename it to its final name, sync the directory.

        Raises:
            StorageFailure: a sync or rename failed.
        """
        ...

    def file_away(self, filing: Filing) -> FiledAs:
        """Write the evidence files, settle ``dropped``, and move the folder to ``sent/`` or ``failed/`` by one rename.

        The folder becomes ``<to>/<day>/<file name>.<submission>/``. MUST compare ``dropped`` with the digest once
        more: equal, it is removed and ``content`` takes the file's own name; different, both stay
        (``FiledAs.late_write``). A move already done, by this process or an earlier one, MUST count as success.

        Raises:
            StorageFailure: a write, sync or rename failed.
        """
        ...

    def free_bytes(self) -> int:
        """Return the bytes an unprivileged process may still use on the spool's file system."""
        ...
