"""The list of Service Reference Variants: replaceable, versioned data beside the profiles.

A CSV file with the columns ``srv,name,critical,user_roles,non_device``; ``critical`` and ``non_device`` are ``yes`` or
``no``, ``user_roles`` are codes separated by spaces, or nothing where the list does not say who may send the Variant.
It is read with our own reader, and everything wrong with it is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.rules.csv_text import read_records
from sealdrop.rules.identifiers import is_srv
from sealdrop.rules.lines import Fault
from sealdrop.rules.profile import Bounds, Dialect

HEADER = ["srv", "name", "critical", "user_roles", "non_device"]
USER_ROLES = frozenset({"IS", "ES", "GS", "ED", "GT", "RSA", "OU"})
PROBLEMS = 50  # reported at once
_YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Srv:
    """One Service Reference Variant.

    Args:
        critical: a Critical Command, which can change supply or security.
        user_roles: who may send it; empty when the list does not say.
        non_device: served by the DCC itself, not by a device.
    """

    srv: str
    name: str
    critical: bool
    user_roles: frozenset[str]
    non_device: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SrvList:
    """The Variants in use, by their reference."""

    variants: Mapping[str, Srv] = field(default_factory=dict)

    def __contains__(self, srv: str) -> bool:
        return srv in self.variants

    def get(self, srv: str) -> Srv | None:
        """Return a Variant; None when it is not in the list."""
        return self.variants.get(srv)


def parse_srv_list(chunks: Iterable[bytes], where: str = "") -> SrvList:
    """Read a list.

    Args:
        chunks: the file.
        where: its name, for messages.

    Raises:
        ConfigurationError: everything that is wrong, by line.
    """
    variants: dict[str, Srv] = {}
    problems: list[Problem] = []
    for run in read_records(chunks, Dialect(), Bounds()):
        if isinstance(run, Fault):
            problems.append(Problem(path=f"line {run.line or 1}", what=run.message))
            continue
        for line, cells in zip(run.lines, run.rows, strict=True):
            what = _header(cells) if line == 1 else _add(cells, variants)
            if what:
                problems.append(Problem(path=f"line {line}", what=what))
    if not variants and not problems:
        problems.append(Problem(path="line 1", what="the list is empty"))
    if problems:
        raise ConfigurationError(problems[:PROBLEMS], where=where)
    return SrvList(variants=variants)


def _header(cells: list[str]) -> str | None:
    return None if cells == HEADER else f"the first line must be {','.join(HEADER)}"


def _add(cells: list[str], variants: dict[str, Srv]) -> str | None:
    """Add one line to the list; return what is wrong with it instead, if anything is."""
    if len(cells) != len(HEADER):
        return f"{len(cells)} cells where {len(HEADER)} belong"
    srv, name, critical, user_roles, non_device = cells
    roles = frozenset(user_roles.split())
    if not is_srv(srv):
        return "not a Service Reference Variant"
    if srv in variants:
        return f"{srv} is listed twice"
    if critical not in _YES_NO or non_device not in _YES_NO:
        return "critical and non_device must be yes or no"
    if not roles <= USER_ROLES:
        return f"user_roles must be among {' '.join(sorted(USER_ROLES))}"
    variants[srv] = Srv(
        srv=srv, name=name, critical=critical == "yes", user_roles=roles, non_device=non_device == "yes"
    )
    return None
