"""The reports that the DCC sent: which communications it says it has quarantined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sealdrop.core.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenReport:
    """Our own copy of a report that somebody wants to import.

    Args:
        sha256: lower-case hex digest, by which it is kept.
        path: where the copy is.
    """

    sha256: str
    path: Path


class Known(Protocol):
    """The communications of all reports that were imported when this was asked for."""

    @property
    def reports(self) -> int:
        """Return how many reports there are."""
        ...

    def without(self, wanted: Mapping[bytes, int]) -> Mapping[bytes, int]:
        """Return those of ``wanted`` that no report names. MUST NOT hold a whole index in memory.

        Raises:
            StorageFailure: an index cannot be read.
        """
        ...


class Reports(Protocol):
    """Where imported reports are kept, each under its own digest."""

    def take(self, file: Path, max_bytes: int) -> TakenReport:
        """Copy a file durably; taking equal bytes again MUST change nothing. It is not known before ``index``.

        Raises:
            NotYet: a writer has it open.
            Unacceptable: it is no regular file, cannot be read, or is larger than ``max_bytes``.
            NoSpace, StorageFailure: the copy could not be made durable.
        """
        ...

    def index(self, taken: TakenReport, keys: Iterable[bytes]) -> int:
        """Make a report known by the keys of its communications; return how many different ones there are.

        Raises:
            NoSpace, StorageFailure: the index could not be made durable; the report is not known.
        """
        ...

    def forget(self, taken: TakenReport) -> None:
        """Remove the copy of a report that was refused; one that is known MUST stay.

        Raises:
            StorageFailure: it could not be removed.
        """
        ...

    def known(self) -> Known:
        """Return what is known now; it MUST see every report whose ``index`` has returned.

        Raises:
            StorageFailure: the folder cannot be read.
        """
        ...


class ReportRules(Protocol):
    """What a report must be, and which communications it names."""

    @property
    def max_bytes(self) -> int:
        """Return the largest report in bytes."""
        ...

    def validate(self, content: Path, file_name: str) -> Verdict:
        """Judge a report, as ``ports.rules.Validator.validate``."""
        ...

    def reported(self, content: Path) -> Iterator[bytes]:
        """Yield the key of each communication of a report that ``validate`` did not reject.

        Raises:
            Unacceptable: there is none to be found. StorageFailure: it cannot be read.
        """
        ...
