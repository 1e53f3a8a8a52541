"""A first start: write the smallest configuration and make the folders, changing nothing that exists."""

from __future__ import annotations

from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.durable import write_new
from sealdrop.core.errors import ConfigurationError, Problem, Refused

#: The configuration holds no secret, but it says where they are.
MODE = 0o640


def initialise(path: Path, *, root: Path, runtime: Path, environment: str, to: str) -> list[str]:
    """Write a first configuration; return what was done, one sentence each.

    Args:
        path: of the configuration file, which must not exist.
        root: the one writable tree.
        runtime: a folder in memory.
        environment: ``live``, or the name of a DCC test environment.
        to: ``sftp`` or ``directory``.

    Raises:
        Refused: the file exists, or ``to`` is neither.
        ConfigurationError: the folder of the file cannot be made.
        NoSpace, StorageFailure: it could not be written.
    """
    if path.exists():
        raise Refused("it exists and is left as it is", where=str(path), hint="Edit it, or name another with --config")
    if to not in {"sftp", "directory"}:
        raise Refused("files leave by sftp or directory", where=f"--to {to!a}", hint="Choose one of the two")
    far_end = config.SftpFacts() if to == "sftp" else config.DirectoryFacts()
    text = config.smallest(config.Facts(environment=environment, root=root, runtime=runtime, far_end=far_end))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([Problem(path=str(path.parent), what=f"cannot be made: {error.strerror}")]) from error
    write_new(path, text.encode(), mode=MODE)
    return [f"wrote {path}"]
