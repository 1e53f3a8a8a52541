"""The reports that the DCC sent: which communications it says it has quarantined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


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
    """Where imported reports are kept."""

    def known(self) -> Known:
        """Return what is known now; it MUST see every report whose import has returned.

        Raises:
            StorageFailure: the folder cannot be read.
        """
        ...
