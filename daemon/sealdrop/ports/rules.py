"""The rules of one kind, applied to the private copy."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sealdrop.core.verdict import Verdict


class Validator(Protocol):
    """The rules of one kind."""

    def validate(self, content: Path, file_name: str) -> Verdict:
        """Read the private copy as a stream and give the verdict. MUST NOT change the file.

        Raises:
            StorageFailure: the private copy cannot be read.
        """
        ...
