"""From the tables of a TOML file to a profile, or every problem at once.

First the models of ``profile`` judge each key; when all are right by themselves, the checks here judge them together:
columns named elsewhere must exist and be of a fitting type, a reference needs a source, a severity must be one that may
be adjusted. All problems carry the dotted path of their key. Nothing here touches a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.rules.clauses import RULES
from sealdrop.rules.identifiers import own_ids
from sealdrop.rules.profile import GUARDS_OF, Column, Profile

_COMPARABLE = ({"integer"}, {"date", "date-time", "moment"})
_MEASURED = {"integer", "text"}
_LISTED = {"code", "srv"}
_OWNED = {"user-id", "request-id"}


def parse_profile(data: Mapping[str, object], where: str = "") -> Profile:
    """Turn the tables of a TOML file into a profile.

    Args:
        data: as ``tomllib`` returns it.
        where: the file, for messages.

    Raises:
        ConfigurationError: everything that is wrong, with the path of each key.
    """
    try:
        # JSON is pydantic's one strict mode in which an array may become a tuple and a text an enum.
        profile = Profile.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise ConfigurationError([_problem(item) for item in error.errors()], where=where) from error
    problems = [
        *_columns(profile),
        *_dialect(profile),
        *_relations(profile),
        *_kind(profile),
        *_guards(profile),
        *_identity(profile),
        *_severities(profile),
        *_time(profile),
    ]
    if problems:
        raise ConfigurationError(problems, where=where)
    return profile


def _problem(item: Mapping[str, object]) -> Problem:
    place = item["loc"]
    path = ".".join(str(part) for part in place) if isinstance(place, tuple) else str(place)
    if item["type"] == "extra_forbidden":
        return Problem(path=path, what="unknown key", hint="Remove it, or correct its spelling.")
    return Problem(path=path, what=str(item["msg"]))


def _columns(profile: Profile) -> Iterator[Problem]:
    seen: set[str] = set()
    for place, column in enumerate(profile.columns):
        path = f"columns.{place}"
        if column.name in seen:
            yield Problem(path=f"{path}.name", what=f"a second column is called {column.name}")
        seen.add(column.name)
        if not column.name.isprintable() or column.name != column.name.strip():
            yield Problem(path=f"{path}.name", what="spaces around it, or characters that cannot be printed")
        for key, what in _column(column):
            yield Problem(path=f"{path}.{key}", what=what)
    if len(profile.columns) > profile.bounds.columns:
        yield Problem(path="bounds.columns", what="the profile itself has more columns")
    if profile.srv is None and any(column.type == "srv" for column in profile.columns):
        yield Problem(path="srv", what="a column of type srv needs a list", hint='Write [srv] and list = "FILE.csv".')


def _column(column: Column) -> Iterator[tuple[str, str]]:
    if column.type == "code" and not column.codes:
        yield "codes", "a column of type code needs codes"
    if column.codes and column.type not in _LISTED:
        yield "codes", "only columns of type code or srv have codes"
    if column.case == "exact" and not column.codes:
        yield "case", "exact compares with codes, and there are none"
    for key, bound in (("min", column.min), ("max", column.max)):
        if bound is not None and column.type not in _MEASURED:
            yield key, "only columns of type integer (value) or text (characters) have bounds"
    if column.min is not None and column.max is not None and column.min > column.max:
        yield "max", "below min"
    if column.own and column.type not in _OWNED:
        yield "own", "only columns of type user-id or request-id can be our own"


def _dialect(profile: Profile) -> Iterator[Problem]:
    if profile.dialect.bom != "forbidden" and profile.dialect.encoding != "utf-8":
        yield Problem(
            path="dialect.bom", what="a byte order mark exists only in utf-8", hint='Write bom = "forbidden".'
        )
    if profile.bounds.field_bytes > profile.bounds.line_bytes:
        yield Problem(path="bounds.field_bytes", what="above line_bytes")
    if profile.bounds.min_rows > profile.bounds.rows:
        yield Problem(path="bounds.min_rows", what="above rows")


def _relations(profile: Profile) -> Iterator[Problem]:
    for place, comparison in enumerate(profile.compare):
        left, right = profile.column(comparison.left), profile.column(comparison.right)
        for key, side in (("left", left), ("right", right)):
            if side is None:
                yield Problem(path=f"compare.{place}.{key}", what="no such column")
        if left and right and not any({left.type, right.type} <= kinds for kinds in _COMPARABLE):
            yield Problem(path=f"compare.{place}", what="only two integers or two dates can be compared")


def _kind(profile: Profile) -> Iterator[Problem]:
    wanted: dict[str, tuple[str, set[str], bool]] = {}
    if profile.kind == "adt":
        wanted = {
            "adt.user_id": (profile.adt.user_id, {"user-id"}, True),
            "adt.user_role": (profile.adt.user_role, {"code"}, False),
            "adt.srv": (profile.adt.srv, {"srv"}, True),
            "adt.warning": (profile.adt.warning, {"integer"}, True),
            "adt.quarantine": (profile.adt.quarantine, {"integer"}, True),
        }
    elif profile.kind == "exit-quarantine":
        wanted = {
            "exit_quarantine.event_reference": (profile.exit_quarantine.event_reference, {"event-reference"}, False),
            "exit_quarantine.request_id": (profile.exit_quarantine.request_id, {"request-id"}, True),
            "exit_quarantine.action": (profile.exit_quarantine.action, {"code"}, True),
            "exit_quarantine.srv": (profile.exit_quarantine.srv, {"srv"}, False),
        }
    elif profile.kind == "report":
        wanted = {
            "exit_quarantine.event_reference": (profile.exit_quarantine.event_reference, {"event-reference"}, False),
            "exit_quarantine.request_id": (profile.exit_quarantine.request_id, {"request-id"}, True),
        }
    for section, kinds in (("adt", ("adt",)), ("exit_quarantine", ("exit-quarantine", "report"))):
        if section in profile.model_fields_set and profile.kind not in kinds:
            yield Problem(path=section, what=f"only a profile of kind {kinds[0]} has this table")
    for path, (name, types, needed) in wanted.items():
        column = profile.column(name)
        if column is None and needed:
            yield Problem(path=path, what=f"there is no column {name}")
        elif column is not None and column.type not in types:
            yield Problem(path=path, what=f"column {name} must be of type {' or '.join(sorted(types))}")
        elif column is not None and needed and not column.required:
            yield Problem(path=path, what=f"column {name} must be required")


def _guards(profile: Profile) -> Iterator[Problem]:
    guards = profile.guards
    if guards is None:
        if profile.approvals:
            hint = "Write a [guards] table, or approvals = 0."
            yield Problem(path="approvals", what="only guards ask for approvals, and there are none", hint=hint)
        return
    if not GUARDS_OF[profile.kind]:
        yield Problem(path="guards", what=f"a profile of kind {profile.kind} has no guards")
    for key in sorted(guards.model_fields_set - GUARDS_OF[profile.kind]):
        yield Problem(path=f"guards.{key}", what=f"a profile of kind {profile.kind} has no such guard")
    if profile.kind == "adt" and profile.ordering.column != profile.adt.user_id:
        hint = "Guards find earlier files by the User IDs, so they must be what orders deliveries."
        yield Problem(path="ordering.column", what="not adt.user_id, and there are guards", hint=hint)
    action = profile.column(profile.exit_quarantine.action)
    if profile.kind == "exit-quarantine" and action is not None:
        release = profile.exit_quarantine.release
        if release not in action.codes:
            what = f"column {action.name} has no such code, so the guards would see no release"
            yield Problem(path="exit_quarantine.release", what=what)
        elif action.ignores_case and release != release.upper():
            hint = "Write it in capitals: codes are compared so where either case will do."
            yield Problem(path="exit_quarantine.release", what="not in capitals", hint=hint)


def _identity(profile: Profile) -> Iterator[Problem]:
    try:
        own_ids(profile.own.user_ids)
    except ConfigurationError as error:
        yield from error.problems
    source = profile.reference.source
    reference = profile.column(profile.reference.column)
    if source == "column" and reference is None:
        yield Problem(path="reference.column", what="no such column")
    elif source == "column" and reference and reference.privacy != "public":
        yield Problem(path="reference.column", what="the ledger and reports name it, so its privacy must be public")
    if source == "file-name" and "reference" not in re.compile(profile.file_name.pattern).groupindex:
        hint = "Write (?P<reference>…) into file_name.pattern."
        yield Problem(path="reference.source", what="the file name's pattern has no group called reference", hint=hint)
    ordering = profile.column(profile.ordering.column)
    if ordering is None or not ordering.required:
        hint = "Deliveries are kept in order by it, so every row must have one."
        yield Problem(path="ordering.column", what="not the name of a required column", hint=hint)
    elif ordering.privacy != "public" and ordering.type != "request-id":  # of which only the originator is kept
        yield Problem(path="ordering.column", what="the ledger and reports name it, so its privacy must be public")


def _severities(profile: Profile) -> Iterator[Problem]:
    for name in profile.severities:
        rule = RULES.get(name)
        if rule is None:
            yield Problem(path=f"severities.{name}", what="no such rule")
        elif not rule.adjustable:
            yield Problem(path=f"severities.{name}", what="the severity of this rule cannot be adjusted")


def _time(profile: Profile) -> Iterator[Problem]:
    counts = profile.deadline or (profile.expected and profile.expected.days == "working-days")
    if counts and profile.calendar is None:
        hint = 'Write calendar = "england-and-wales" or "scotland".'
        yield Problem(path="calendar", what="working days are counted, and there is no calendar", hint=hint)
    example = profile.file_name.example
    if example is not None and not re.fullmatch(profile.file_name.pattern, example):
        yield Problem(path="file_name.example", what="does not fit the pattern")
