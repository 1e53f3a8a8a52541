"""A first start: write the smallest configuration and make its folders, changing nothing that exists.

What is told is filled in; what is not becomes a word in capitals, which ``sealdrop check config`` refuses by its place.
The folders are made once nothing is missing any more: a path that still has to be decided makes no folder. Root makes
none below a root folder that is the agent's already: the agent could not write to them, and makes them itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.durable import write_new
from sealdrop.adapters.gnupg import fingerprint_in
from sealdrop.core.errors import ConfigurationError, Problem, Refused
from sealdrop.wiring.folders import make_folders

#: The configuration holds no secret, but it says where they are.
MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person says of a first configuration.

    Args:
        root: the one writable tree. runtime: a folder in memory. environment: live, or a DCC test environment.
        signer_key: file of the secret signing key. recipient_keys: files of the public keys that may read.
        far_end: where files go.
    """

    root: Path
    runtime: Path
    environment: str
    signer_key: Path | None = None
    recipient_keys: tuple[Path, ...] = ()
    far_end: config.SftpFacts | config.DirectoryFacts = field(default_factory=config.SftpFacts)


def initialise(path: Path, wishes: Wishes) -> list[str]:
    """Write a first configuration; return what was done and what is left to do, one sentence each.

    Args:
        path: of the configuration file, which must not exist.
        wishes: what is known; fingerprints are read from the key files.

    Raises:
        Refused: the file exists.
        ConfigurationError: a key file does not hold one key, or a folder cannot be made.
        NoSpace, StorageFailure: something could not be written.
    """
    if path.exists():
        raise Refused("it exists and is left as it is", where=str(path), hint="Edit it, or name another with --config")
    facts = config.Facts(
        environment=wishes.environment,
        root=wishes.root,
        runtime=wishes.runtime,
        signer=fingerprint_in(wishes.signer_key) if wishes.signer_key is not None else None,
        signer_key=wishes.signer_key,
        recipients=tuple((fingerprint_in(file), file) for file in wishes.recipient_keys),
        far_end=wishes.far_end,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = Problem(path=str(path.parent), what=f"cannot be made: {error.strerror}")
        raise ConfigurationError([problem]) from error
    write_new(path, config.smallest(facts).encode(), mode=MODE)
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(path, -1, path.parent.stat().st_gid)  # the group that may read what is in this folder
    done = [f"wrote {path}"]
    try:
        settings = config.load(path)
    except ConfigurationError as error:
        return [*done, *(f"to be filled in: {problem.path}" for problem in error.problems)]
    if as_root and wishes.root.exists() and (owner := wishes.root.stat().st_uid) != 0:
        return [*done, f"folders are made when the agent starts, as the user with number {owner}"]
    return [*done, *(f"made {folder}" for folder in make_folders(settings))]
