"""Sealing: sign then encrypt, to the configured keys and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key in use: what a person must know of it.

    Args:
        use: ``recipient`` or ``signer``. fingerprint: full, upper case. user_id: first user id.
        algorithm: for example ``ed25519`` or ``rsa4096``. created, expires: UTC; None never expires.
        subkeys: full fingerprints of the usable (sub)keys for that use.
        problem: why it may not be used; None when it may.
        warning: what is allowed but weak, or expires soon.
    """

    use: str
    name: str
    fingerprint: str
    user_id: str
    algorithm: str
    created: datetime
    expires: datetime | None
    subkeys: tuple[str, ...]
    problem: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBytes:
    """What a sealer made at the target path."""

    sha256: str
    size: int
    recipients: tuple[str, ...]
    signer: str
    engine: str


class Sealer(Protocol):
    """Sign then encrypt, once, to the configured keys of one key set and to nobody else."""

    def seal(self, source: Path, target: Path) -> SealedBytes:
        """Write the sealed file to ``target``, having checked who signed it and who can read it.

        MUST leave nothing at ``target`` on failure. MUST be callable from several threads.

        Raises:
            KeyUnusable: a key may not be used (any more).
            SealFailed: the engine failed, hung or produced something other than expected.
            NoSpace, StorageFailure: the target could not be written.
        """
        ...

    def keys(self, at: datetime) -> Sequence[KeyInfo]:
        """Return the configured keys with their problems and warnings as of ``at``."""
        ...

    def check(self, at: datetime) -> None:
        """Raise the first problem that forbids sealing, before anything is claimed.

        Raises:
            KeyUnusable: a key may not be used.
        """
        ...

    def close(self) -> None:
        """End the engine's helpers; MUST be safe to call twice."""
        ...
