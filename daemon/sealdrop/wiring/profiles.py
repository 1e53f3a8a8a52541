"""Profiles without an agent: look at one, try it, compare two. Nothing but a sample that was asked for is written."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sealdrop.adapters.clock import SystemClock
from sealdrop.adapters.validator import LoadedProfile, load_profile
from sealdrop.core.codec import Plain, to_plain
from sealdrop.core.errors import Problem, Refused
from sealdrop.rules.identifiers import own_ids
from sealdrop.rules.profile_diff import Difference, calendar_differences, differences, list_differences
from sealdrop.rules.profile_lint import second_looks
from sealdrop.rules.profile_text import COLUMN_HEADINGS, columns, facts
from sealdrop.rules.sample_file import SampleFile, sample_file
from sealdrop.shipped import calendars, profile_path

__all__ = ["COLUMN_HEADINGS", "ProfileView", "described", "diff", "lint", "plain", "sample", "show", "write_sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A profile for people and for programs.

    Args:
        title: name and version.
        facts: label and sentence.
        columns: a row for each column, under ``profile_text.COLUMN_HEADINGS``.
        machine: every key with its value, defaults included.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Sequence[str]]
    machine: Plain


def lint(name_or_path: str) -> Sequence[Problem]:
    """Return what deserves a second look in a profile and the data it names.

    Raises:
        ConfigurationError: something is wrong; everything that is, at once.
    """
    loaded = _load(name_or_path)
    own = own_ids(loaded.profile.own.user_ids)
    today = SystemClock().now().date()
    return tuple(second_looks(loaded.profile, loaded.srvs, loaded.calendar, own, today))


def show(name_or_path: str) -> ProfileView:
    """Return a profile in words.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
    """
    loaded = _load(name_or_path)
    profile = loaded.profile
    machine = profile.model_dump(mode="json") | {"unverified": profile.unverified, "path": str(loaded.path)}
    return ProfileView(
        title=f"{profile.name}, version {profile.version}",
        facts=tuple(facts(profile, loaded.srvs, loaded.calendar)),
        columns=tuple(columns(profile)),
        machine=machine,
    )


def sample(name_or_path: str) -> SampleFile:
    """Make a correct file of a profile.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
        Refused: no correct file can be guessed.
    """
    loaded = _load(name_or_path)
    return sample_file(loaded.profile, loaded.srvs, own_ids(loaded.profile.own.user_ids))


def write_sample(made: SampleFile, target: Path) -> Path:
    """Write a sample to a file, or under its own name into a folder; return where. Nothing is overwritten.

    Raises:
        Refused: there is a file already, or the place cannot be written.
    """
    path = target / made.name if target.is_dir() else target
    try:
        with path.open("xb") as file:
            file.write(made.data)
    except OSError as error:
        raise Refused(f"cannot be written: {error.strerror}", where=str(path), hint="Name another place.") from error
    return path


def described(made: SampleFile, path: Path | None) -> Plain:
    """Return a sample for programs, with its content in Base64 unless it was written."""
    content: dict[str, Plain] = {} if path else {"content_base64": b64encode(made.data).decode()}
    return {
        "name": made.name,
        "size": len(made.data),
        "sha256": hashlib.sha256(made.data).hexdigest(),
        "path": str(path) if path else None,
        **content,
    }


def diff(old: str, new: str) -> Sequence[Difference]:
    """Return what changed in meaning between two profiles and the data they name.

    Raises:
        ConfigurationError: one of them does not exist, or is wrong.
    """
    before, after = _load(old), _load(new)
    return (
        *differences(before.profile, after.profile),
        *list_differences(before.srvs, after.srvs),
        *calendar_differences(before.calendar, after.calendar),
    )


def plain(found: Sequence[Difference]) -> Plain:
    """Return differences for programs."""
    return [to_plain(one) for one in found]


def _load(name_or_path: str) -> LoadedProfile:
    return load_profile(profile_path(name_or_path, Path.cwd()), calendars())
