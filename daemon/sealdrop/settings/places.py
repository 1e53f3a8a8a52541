"""Where things may be: root, runtime, outboxes, results and delivery folders must not run into each other.

One folder inside another is how a file gets claimed twice, an outbox swallows its own results, or a delivered file
comes back as a dropped one. Paths are compared as they are written; links and mounts are looked at when the agent
starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealdrop.core.errors import Problem
from sealdrop.settings.models import DirectoryTransport
from sealdrop.settings.parts import Parts

_APART = "Give each a folder of its own, beside the other."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder that a setting names, and the only place inside the root where it may be: below ``root/home``."""

    setting: str
    path: Path
    home: str | None = None


def misplaced(parts: Parts) -> Iterator[Problem]:
    """Yield every pair of folders that run into each other; one mistake is said once."""
    root, runtime = parts.root, parts.runtime
    if root is not None and runtime is not None and _overlap(root, runtime):
        yield Problem(path="runtime", what="and root run into each other", hint=_APART)
        runtime = None
    sound: list[_Folder] = []
    for folder in (*_outbox_folders(parts), *_delivery_folders(parts)):
        problem = _intrusion(folder, root, runtime)
        if problem is None:
            sound.append(folder)
        else:
            yield problem
    for first, second in itertools.combinations(sound, 2):
        if _overlap(first.path, second.path) and not _own_results(first, second):
            same = "is the same folder as" if first.path == second.path else "runs into"
            yield Problem(path=second.setting, what=f"{same} {first.setting}", hint=_APART)


def _intrusion(folder: _Folder, root: Path | None, runtime: Path | None) -> Problem | None:
    if root is not None and _overlap(folder.path, root) and not _at_home(folder, root):
        hint = f"Inside the root only {folder.home}/… is for it." if folder.home else "The root is the agent's own."
        return Problem(path=folder.setting, what="and root run into each other", hint=hint)
    if runtime is not None and _overlap(folder.path, runtime):
        return Problem(path=folder.setting, what="and runtime run into each other", hint=_APART)
    return None


def _outbox_folders(parts: Parts) -> Iterator[_Folder]:
    for name, outbox in parts.outboxes.items():
        for key, given, home in (("path", outbox.path, "outbox"), ("results", outbox.results, "results")):
            path = given or (parts.root / home / name if parts.root is not None else None)
            if path is not None:
                yield _Folder(setting=f"outboxes.{name}.{key}", path=path, home=home)


def _delivery_folders(parts: Parts) -> Iterator[_Folder]:
    """Yield the folders of directory transports; two transports may well share one."""
    seen: set[Path] = set()
    for name, route in parts.routes.items():
        for place, transport in enumerate(route.transports):
            if isinstance(transport, DirectoryTransport) and transport.path not in seen:
                seen.add(transport.path)
                yield _Folder(setting=f"routes.{name}.transports.{place}.path", path=transport.path)


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _at_home(folder: _Folder, root: Path) -> bool:
    return folder.home is not None and (root / folder.home) in folder.path.parents


def _own_results(first: _Folder, second: _Folder) -> bool:
    """Tell whether the second is the ``results/`` folder in an outbox, a place the agent knows and leaves alone."""
    same_outbox = first.setting.removesuffix(".path") == second.setting.removesuffix(".results")
    return same_outbox and second.path == first.path / "results"
