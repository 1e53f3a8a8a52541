"""The rules of one kind, applied to the private copy, and its guards, which know what went before."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealdrop.core.submission import SubmissionId
from sealdrop.core.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierFile:
    """What another submission of the kind said, or is about to say, for some ordering keys.

    Args:
        submission: its id.
        path: where its content is now; it may be filed, and so moved, at any moment.
        sha256: lower-case hex digest of the content that was claimed.
        keys: the ordering keys for which it counts.
    """

    submission: SubmissionId
    path: Path
    sha256: str
    keys: AbstractSet[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What is ahead of one submission: delivered last, or under way, for each of its ordering keys.

    Args:
        files: in claim order.
        lost: those whose content was not kept or is gone.
        fresh: how many of its ordering keys have no earlier submission at all.
        too_many: there are more than anybody compares; ``files`` is then empty.
    """

    files: tuple[EarlierFile, ...] = ()
    lost: tuple[SubmissionId, ...] = ()
    fresh: int = 0
    too_many: bool = False


class Validator(Protocol):
    """The rules of one kind."""

    @property
    def compares(self) -> bool:
        """Tell whether ``guard`` wants to know what is earlier; submissions are then judged in claim order."""
        ...

    def validate(self, content: Path, file_name: str) -> Verdict:
        """Read the private copy as a stream and give the verdict. MUST NOT change the file.

        Raises:
            StorageFailure: the private copy cannot be read.
        """
        ...

    def guard(self, content: Path, verdict: Verdict, earlier: Earlier) -> Verdict:
        """Return the verdict with what the guards add; MUST NOT be asked of a rejected one. A guard never rejects.

        An earlier file whose bytes are not those of its digest, or which cannot be read or understood, MUST count as
        lost.

        Raises:
            NotYet: an earlier file has moved since; find out where it is and ask again.
            StorageFailure: the private copy cannot be read.
        """
        ...
