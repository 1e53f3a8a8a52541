"""Parcels for transport tests: sealed files with known bytes, and a record of what a transport called back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from sealdrop.core.delivery import ProofLevel, Receipt
from sealdrop.ports.clock import Clock
from sealdrop.ports.transport import Parcel, Transport


def make_parcel(folder: Path, clock: Clock, content: bytes, name: str = "ADT.csv.pgp") -> Parcel:
    """Write a sealed file and return its parcel, with a new submission id."""
    folder.mkdir(exist_ok=True)
    submission = clock.new_id()
    path = folder / f"{submission}.sealed"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Parcel(submission=submission, remote_name=name, path=path, size=len(content), sha256=digest)


def next_attempt(parcel: Parcel) -> Parcel:
    """Return the parcel as the next attempt has it, after one that was cut."""
    return replace(parcel, attempt=parcel.attempt + 1, interrupted=True)


class Calls:
    """Callbacks of one delivery that write down what they were told."""

    def __init__(self) -> None:
        self.commits: list[ProofLevel] = []
        self.done: list[int] = []

    def commit(self, proof: ProofLevel) -> None:
        self.commits.append(proof)

    def progress(self, done: int) -> None:
        self.done.append(done)


def deliver(transport: Transport, parcel: Parcel, calls: Calls | None = None) -> Receipt:
    """Deliver with callbacks that only write down."""
    calls = calls or Calls()
    return transport.deliver(parcel, commit=calls.commit, progress=calls.progress)


def names_in(folder: Path) -> list[str]:
    """Return every name in a folder, sorted, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())
