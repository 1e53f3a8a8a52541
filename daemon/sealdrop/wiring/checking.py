"""Checks without an agent: a configuration, a file, the keys, the ledger. They change nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.clock import SystemClock
from sealdrop.adapters.ledger import Head, VerifyReport, verify
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import ConfigurationError, Problem, Refused
from sealdrop.rules.report import Subject, report_json, report_text
from sealdrop.shipped import profile_path
from sealdrop.wiring.folders import ledger_path
from sealdrop.wiring.setup import make_sealer, make_validator

HEAD_WORDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """What the rules say of a file: the two reports, and whether it would be rejected."""

    rejected: bool
    text: str
    machine: str


def keys(path: Path) -> Plain:
    """Return the keys in use, with their problems and warnings.

    Raises:
        ConfigurationError: the configuration or a key file will not do.
    """
    settings = config.load(path)
    now = SystemClock().now()
    found: list[Plain] = []
    for name in settings.keys:
        sealer = make_sealer(settings, name)
        try:
            found += [to_plain(key) for key in sealer.keys(now)]
        finally:
            sealer.close()
    return found


def check_config(path: Path) -> Sequence[Problem]:
    """Check a configuration with what it refers to: profiles, keys, pins. Return what deserves a second look.

    Raises:
        ConfigurationError: it is bad; all problems at once.
    """
    settings = config.load(path)
    problems: list[Problem] = []
    for name in settings.kinds:
        try:
            make_validator(settings, name, path.parent)
        except ConfigurationError as error:  # a profile's keys are named after its file
            place = f"{error.where}: " if error.where else ""
            problems += [replace(problem, path=f"{place}{problem.path}") for problem in error.problems]
    if problems:
        raise ConfigurationError(problems, where=str(path))
    return config.warnings(settings)


def check_file(path: Path, file: Path, *, kind: str | None, profile: str | None) -> FileAnswer:
    """Apply rules to a file, which is neither moved nor changed.

    Args:
        path: the configuration file, needed only for a kind.
        file: the file.
        kind: a kind of the configuration.
        profile: a shipped profile or a profile's path, instead of a kind.

    Raises:
        ConfigurationError: the configuration or the profile will not do.
        Refused: there is no such kind.
        StorageFailure: the file cannot be read.
    """
    if profile is not None:
        validator = ProfileValidator(load_profile(profile_path(profile, Path.cwd())))
    else:
        settings = config.load(path)
        if kind not in settings.kinds:
            known = ", ".join(sorted(settings.kinds))
            raise Refused("there is no such kind", where=ascii(kind), hint=f"Configured are: {known}")
        validator = make_validator(settings, str(kind), path.parent)
    verdict = validator.validate(file, file.name)
    subject = Subject(file_name=file.name, size=file.stat().st_size, sha256=_sha256(file))
    return FileAnswer(
        rejected=verdict.rejected,
        text=report_text(subject, verdict).decode(),
        machine=report_json(subject, verdict).decode(),
    )


def verify_ledger(path: Path, head: str | None) -> VerifyReport:
    """Verify the whole ledger.

    Args:
        path: the configuration file.
        head: text of a head that was printed earlier and kept elsewhere.

    Raises:
        ConfigurationError: the configuration is bad, or ``head`` is no head.
        LedgerBroken: the file is no ledger at all.
    """
    settings = config.load(path)
    return verify(ledger_path(settings), expected=parse_head(head) if head is not None else None)


def head_text(head: Head) -> str:
    """Return a head as one line, to be kept elsewhere."""
    return f"{head.ledger} {head.sequence} {head.hash} {head.at}"


def parse_head(text: str) -> Head:
    """Return the head that ``head_text`` wrote.

    Raises:
        Refused: it is no such line.
    """
    words = text.split()
    if len(words) != HEAD_WORDS or not words[1].isdecimal():
        raise Refused("it is not a head", where="--head", hint="Give the four words that `ledger verify` printed")
    return Head(ledger=words[0], sequence=int(words[1]), hash=words[2], at=words[3])


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
