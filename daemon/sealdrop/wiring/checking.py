"""Checks without an agent: a configuration, a file, the keys, the ledger. They change nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sealdrop import settings as config
from sealdrop.adapters.clock import SystemClock
from sealdrop.adapters.ledger import Head, VerifyReport, verify
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import (
    ConfigurationError,
    KeyUnusable,
    LedgerBroken,
    NotRunning,
    Problem,
    Refused,
    StorageFailure,
)
from sealdrop.rules.profile_lint import CONFIRM
from sealdrop.rules.profile_text import missing_verification
from sealdrop.rules.report import ReportLine, Subject, report_json, report_lines
from sealdrop.shipped import calendars, profile_path
from sealdrop.wiring.folders import ledger_path, ledger_to_read, outbox_warnings
from sealdrop.wiring.setup import make_route, make_sealer, make_validator

HEAD_WORDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """What the rules say of a file.

    Args:
        rejected: it would be.
        lines: the report for people, with the lines of the file that it is about; each with its role.
        machine: the report for programs.
    """

    rejected: bool
    lines: Sequence[ReportLine]
    machine: str


def keys(path: Path) -> Plain:
    """Return the configured keys, with their problems and warnings.

    Raises:
        ConfigurationError: the configuration or a key file will not do.
        NotRunning: the service manager alone hands them over, and it does not run us.
    """
    settings = config.load(path)
    for name, one in settings.keys.items():
        if _out_of_reach(one.signer_key, one.passphrase):
            what = "no agent runs here, and the service manager hands the credentials of these keys to it alone"
            hint = "Start it (systemctl start sealdrop), then ask again: it answers for the keys it uses"
            raise NotRunning(what, where=f"keys.{name}", hint=hint)
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

    A key that may not be used is worth a second look only: the agent starts with it, and claims nothing of its kinds.

    Raises:
        ConfigurationError: it is bad; all problems at once.
    """
    settings = config.load(path)
    clock = SystemClock()
    problems: list[Problem] = []
    warnings = [*config.warnings(settings), *outbox_warnings(settings)]
    for name in settings.kinds:
        with _collecting(problems):
            profile = make_validator(settings, name, path.parent).profile
            if missing := missing_verification(profile):
                what = f"nobody has confirmed profile {profile.name}: {', '.join(missing)} empty"
                warnings.append(Problem(path=f"kinds.{name}.profile", what=what, hint=CONFIRM))
    for name, keys_ in settings.keys.items():
        if _out_of_reach(keys_.signer_key, keys_.passphrase):
            warnings.append(_unchecked(f"keys.{name}"))
            continue
        with _collecting(problems), _noting(warnings, f"keys.{name}"), closing(make_sealer(settings, name)) as sealer:
            found = [(key, key.problem or key.warning) for key in sealer.keys(clock.now())]
            warnings += [
                Problem(path=f"keys.{name}", what=f"the {key.use} key {key.fingerprint}: {said}")
                for key, said in found
                if said
            ]
    for name in settings.routes:
        sftp = [one for _, one in settings.transports(name) if isinstance(one, config.SftpTransport)]
        if any(_out_of_reach(one.private_key, one.passphrase, one.password) for one in sftp):
            warnings.append(_unchecked(f"routes.{name}"))
            continue
        with _collecting(problems):
            for transport in make_route(settings, name, clock).transports:
                transport.close()
    if problems:
        raise ConfigurationError(problems, where=str(path))
    return warnings


@contextmanager
def _collecting(problems: list[Problem]) -> Iterator[None]:
    """Gather the problems of one part, so that the next is looked at all the same."""
    try:
        yield
    except ConfigurationError as error:  # a profile's keys are named after its file
        place = f"{error.where}: " if error.where else ""
        problems += [replace(problem, path=f"{place}{problem.path}") for problem in error.problems]
    except KeyUnusable as error:
        problems.append(Problem(path=error.where, what=error.what, hint=error.hint))


@contextmanager
def _noting(warnings: list[Problem], path: str) -> Iterator[None]:
    """Note that keys could not be looked at here: the runtime folder may be the service manager's to make."""
    try:
        yield
    except StorageFailure as error:
        warnings.append(Problem(path=path, what=f"is not checked: {error.what} {error.where}", hint=error.hint))


def _out_of_reach(*refs: config.SecretRef | None) -> bool:
    """Tell whether one of these is handed over by the service manager alone, and it does not run us."""
    handed_over = any(ref is not None and ref.credential is not None for ref in refs)
    return handed_over and not os.environ.get("CREDENTIALS_DIRECTORY")


def _unchecked(path: str) -> Problem:
    hint = "The agent checks them when it starts; see its journal"
    return Problem(path=path, what="names credentials, which only the service manager hands over", hint=hint)


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
        validator = ProfileValidator(load_profile(profile_path(profile, Path.cwd()), calendars()))
    else:
        settings = config.load(path)
        if kind not in settings.kinds:
            known = ", ".join(sorted(settings.kinds))
            raise Refused("there is no such kind", where=ascii(kind), hint=f"Configured are: {known}")
        validator = make_validator(settings, str(kind), path.parent)
    content = file.resolve() if file.is_file() else file  # a person may name a link; the agent follows none
    verdict = validator.validate(content, file.name)
    subject = Subject(file_name=file.name, size=content.stat().st_size, sha256=_sha256(content))
    return FileAnswer(
        rejected=verdict.rejected,
        lines=tuple(report_lines(subject, verdict, validator.views(content, verdict).of)),
        machine=report_json(subject, verdict).decode(),
    )


def verify_ledger(path: Path, head: str | None) -> VerifyReport:
    """Verify the whole ledger.

    Args:
        path: the configuration file.
        head: text of a head that was printed earlier and kept elsewhere.

    Raises:
        ConfigurationError: the configuration is bad, or ``head`` is no head.
        LedgerBroken: the file is no ledger at all, or is not there.
        Refused: this user may not read it.
    """
    settings = config.load(path)
    ledger = ledger_to_read(settings)
    if ledger is None:
        hint = "An agent that has run made one: if it ran, find out who removed the file"
        raise LedgerBroken("there is no ledger", where=str(ledger_path(settings)), hint=hint)
    return verify(ledger, expected=parse_head(head) if head is not None else None)


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
