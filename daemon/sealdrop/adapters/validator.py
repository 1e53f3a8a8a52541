"""The rules' hands: reads profiles, SRV lists and private copies, and leaves every decision to ``rules``.

``load_profile`` reads a profile, the SRV list beside it and the calendar it names, and reports everything wrong with
one of them as one ``ConfigurationError``. ``ProfileValidator`` streams a private copy through the rules; it follows no
link, reads regular files only, changes nothing, and raises ``StorageFailure`` when the copy cannot be read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import ConfigurationError, NotYet, Problem, StorageFailure, Unacceptable
from sealdrop.core.verdict import Verdict
from sealdrop.ports.reports import Reports
from sealdrop.ports.rules import Earlier, EarlierFile
from sealdrop.rules.calendar_list import parse_calendar
from sealdrop.rules.engine import check
from sealdrop.rules.findings import printable
from sealdrop.rules.guards import changes, references
from sealdrop.rules.guards.merging import merged
from sealdrop.rules.guards.reading import Unreadable
from sealdrop.rules.identifiers import own_ids
from sealdrop.rules.line_view import LineViews, pick_lines
from sealdrop.rules.profile import Guards, Profile
from sealdrop.rules.profile_parsing import parse_profile
from sealdrop.rules.srv_list import SrvList, parse_srv_list
from sealdrop.rules.working_days import Calendar

CHUNK_BYTES = 256 * 1024
MOST_CONFIGURATION_BYTES = 4 * 1024 * 1024  # of a profile or an SRV list; a larger file is not one


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProfile:
    """A profile with the data it needs.

    Args:
        path: the TOML file it came from.
        srvs: the Service Reference Variants in use; empty when the profile names no list.
        calendar: the holidays; None when the profile names no calendar.
    """

    profile: Profile
    srvs: SrvList
    path: Path
    calendar: Calendar | None = None


def load_profile(path: Path, calendars: Path | None = None) -> LoadedProfile:
    """Read a profile and the data that it names.

    Args:
        path: the profile.
        calendars: folder of the calendars that ship; a file of the same name beside the profile comes first.

    Raises:
        ConfigurationError: a file cannot be read or holds problems; all of that file's at once.
    """
    where = printable(str(path))
    try:
        data = tomllib.loads(_configuration(path, "(file)", where).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(path="(file)", what=f"not TOML: {error}")], where=where) from error
    profile = parse_profile(data, where)
    srvs, calendar = SrvList(), None
    if profile.srv is not None:
        beside = path.parent / profile.srv.list
        srvs = parse_srv_list([_configuration(beside, "srv.list", where)], printable(str(beside)))
    if profile.calendar is not None:
        holidays = path.parent / f"{profile.calendar}.csv"
        if calendars is not None and not holidays.exists():
            holidays = calendars / holidays.name
        calendar = parse_calendar([_configuration(holidays, "calendar", where)], printable(str(holidays)))
    return LoadedProfile(profile=profile, srvs=srvs, path=path, calendar=calendar)


class ProfileValidator:
    """The rules of one kind, by its profile.

    Args:
        loaded: the profile and its data.
        own_user_ids: further User IDs and ranges of ours, from the configuration.
        reports: the imported Quarantined Communications Reports; None where there is no place for any.

    Raises:
        ConfigurationError: an entry of ``own_user_ids`` is not one.
    """

    def __init__(self, loaded: LoadedProfile, own_user_ids: Sequence[str] = (), reports: Reports | None = None) -> None:
        self.profile = loaded.profile
        self._reports = reports
        self._srvs = loaded.srvs
        self._own = own_ids(loaded.profile.own.user_ids) | own_ids(own_user_ids, "own_user_ids")

    def validate(self, content: Path, file_name: str) -> Verdict:
        """Read the private copy as a stream and give the verdict; the file is not changed.

        Raises:
            StorageFailure: the private copy cannot be read.
        """
        with _opened(content) as (descriptor, size):
            return check(
                profile=self.profile,
                srvs=self._srvs,
                own=self._own,
                chunks=lambda: _chunks(descriptor),
                file_name=file_name,
                size=size,
            )

    @property
    def compares(self) -> bool:
        """See ``ports.rules.Validator.compares``."""
        return self.profile.guards is not None and self.profile.kind == "adt"

    def guard(self, content: Path, verdict: Verdict, earlier: Earlier) -> Verdict:
        """See ``ports.rules.Validator.guard``."""
        guards = self.profile.guards
        if guards is None:
            return verdict
        with _opened(content) as (descriptor, _):
            if self.profile.kind == "exit-quarantine":
                return self._looked_up(guards, _chunks(descriptor), verdict)
            outcome = changes.compare(
                self.profile,
                guards,
                self._srvs,
                _chunks(descriptor),
                map(_earlier_content, earlier.files),
                changes.Gaps(lost=earlier.lost, fresh=earlier.fresh, too_many=earlier.too_many),
            )
        return merged(verdict, outcome)

    @property
    def max_bytes(self) -> int:
        """See ``ports.reports.ReportRules.max_bytes``."""
        return self.profile.bounds.bytes

    def reported(self, content: Path) -> Iterator[bytes]:
        """See ``ports.reports.ReportRules.reported``."""
        with _opened(content) as (descriptor, _):
            try:
                for _, key in references.keys_of(self.profile, _chunks(descriptor)):
                    yield key
            except Unreadable as error:
                what = f"its communications cannot be read: {error}"
                raise Unacceptable(what, where=printable(str(content))) from error

    def _looked_up(self, guards: Guards, chunks: Iterator[bytes], verdict: Verdict) -> Verdict:
        """Look every communication up in the imported reports."""
        if guards.unknown_reference == "allow":
            return verdict
        known = self._reports.known() if self._reports is not None else None
        if known is None or not known.reports:
            return merged(verdict, references.judge(self.profile, guards, {}, reports=0))
        unknown = references.wanted_keys(self.profile, chunks)
        if unknown is not None:
            unknown = known.without(unknown)
        return merged(verdict, references.judge(self.profile, guards, unknown, reports=known.reports))

    def views(self, content: Path, verdict: Verdict) -> LineViews:
        """Return views of the lines that the findings of a verdict are about.

        Raises:
            StorageFailure: the file cannot be read.
        """
        wanted = {finding.line for finding in verdict.findings if finding.line is not None}
        with _opened(content) as (descriptor, _):
            return LineViews(self.profile, pick_lines(_chunks(descriptor), wanted))


def _earlier_content(one: EarlierFile) -> changes.EarlierContent:
    return changes.EarlierContent(submission=one.submission, keys=one.keys, chunks=_proven_chunks(one))


def _proven_chunks(one: EarlierFile) -> Iterator[bytes]:
    """Read an earlier file, and find out at its end whether it is what was claimed then.

    Raises:
        NotYet: it has moved. Unreadable: it is something else, or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with _opened(one.path) as (descriptor, _):
            for chunk in _chunks(descriptor):
                digest.update(chunk)
                yield chunk
    except StorageFailure as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotYet("an earlier file has moved", where=printable(str(one.path))) from error
        raise Unreadable(error.what) from error
    if digest.hexdigest() != one.sha256:
        message = "its bytes are not those that were claimed"
        raise Unreadable(message)


@contextmanager
def _opened(content: Path) -> Iterator[tuple[int, int]]:
    """Open a regular file, following no link; yield its descriptor and size."""
    where = printable(str(content))
    try:
        descriptor = os.open(content, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise StorageFailure("it is not a regular file", where=where)
            yield descriptor, facts.st_size
        finally:
            os.close(descriptor)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise StorageFailure(what, where=where, hint="Look at the disk, and at who may read the file.") from error


def _chunks(descriptor: int) -> Iterator[bytes]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    while chunk := os.read(descriptor, CHUNK_BYTES):
        yield chunk


def _configuration(path: Path, key: str, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_CONFIGURATION_BYTES + 1)
    except OSError as error:
        what = f"{printable(path.name)} cannot be read: {error.strerror}"
        raise ConfigurationError([Problem(path=key, what=what)], where=where) from error
    if len(data) > MOST_CONFIGURATION_BYTES:
        what = f"{printable(path.name)} has more than {MOST_CONFIGURATION_BYTES} bytes"
        raise ConfigurationError([Problem(path=key, what=what)], where=where)
    return data
