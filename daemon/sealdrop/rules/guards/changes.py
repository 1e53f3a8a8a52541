"""An ADT file against what was sent, or goes ahead of it, for the same User IDs.

For each User ID there may be several earlier files: the newest delivered one, and those that are on their way. The
worst comparison counts: of every threshold the *lowest* earlier value, and of the Variants all that any of them has.
So two files in flight cannot slip past each other. The table of changes shows that comparison, largest increase first.

Bounded: ``MOST_PAIRS`` pairs of User ID and Variant in memory on each side, ``MOST_ROWS`` earlier rows read. Beyond
that nothing is compared and one finding asks for a person. Percentages are compared by multiplication, exactly.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from heapq import nlargest

from sealdrop.core.verdict import Change
from sealdrop.rules.findings import Complaint, Findings, Place, Privacy, excerpt, policy_severity
from sealdrop.rules.guards.merging import MOST_CHANGES, Outcome
from sealdrop.rules.guards.reading import Unreadable, rows_of
from sealdrop.rules.guards.thresholds import is_critical
from sealdrop.rules.profile import Guards, Profile
from sealdrop.rules.srv_list import SrvList

MOST_PAIRS = 250_000  # in memory, of the new file and of the earlier ones each
MOST_ROWS = 2_000_000  # read of all earlier files together
MOST_DIGITS = 40

_NUMBER = re.compile(rf"[0-9]{{1,{MOST_DIGITS}}}")

Pair = tuple[str, str]  # User ID and Service Reference Variant


class _TooMuch(Exception):
    """A bound was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierContent:
    """One earlier file.

    Args:
        submission: its id.
        keys: the User IDs for which it counts.
        chunks: its bytes; raises ``Unreadable`` when they are not those that were sent.
    """

    submission: str
    keys: AbstractSet[str]
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """What cannot be compared.

    Args:
        lost: submissions whose content is not there. fresh: how many User IDs have no earlier file at all.
        too_many: there are more earlier files than are compared.
    """

    lost: Sequence[str] = ()
    fresh: int = 0
    too_many: bool = False


@dataclass(slots=True)
class _Lowest:
    """The lowest earlier value of one threshold, and which submission has it."""

    value: int
    submission: str


_Old = dict[Pair, tuple[_Lowest, _Lowest]]
_New = Mapping[Pair, tuple[int, int, int]]  # warning, quarantine, line


def compare(
    profile: Profile, guards: Guards, srvs: SrvList, new: Iterable[bytes], earlier: Iterable[EarlierContent], gaps: Gaps
) -> Outcome:
    """Compare a file that the rules accept with earlier ones.

    Args:
        profile: of the file.
        guards: its guards.
        srvs: the Variants in use.
        new: the file.
        earlier: what it is compared with, opened one after the other.
        gaps: what cannot be compared.
    """
    findings = Findings(profile.severities)
    files = iter(earlier)
    first = next(files, None)
    lost = list(gaps.lost)
    changes: Sequence[Change] = ()
    if gaps.too_many:
        _say_too_much(findings, "more earlier files than are compared share a User ID with it")
    elif first is not None:
        try:
            ours = _new_table(profile, new)
            old = _old_table(profile, [first], files, lost)
        except _TooMuch as bound:
            _say_too_much(findings, str(bound))
        except Unreadable as error:  # of the file itself, though the rules accept it
            _say_too_much(findings, f"it cannot be compared: {error}")
        else:
            changes = _changes(profile, ours, old)
            _say_increases(profile, guards, findings, ours, changes)
            _say_gone(profile, guards, findings, srvs, changes)
    _say_gaps(guards, findings, lost, gaps.fresh)
    shown = changes if _all_public(profile) else ()
    return Outcome(findings=findings, changes=tuple(nlargest(MOST_CHANGES, shown, key=_weight)), changed=len(changes))


def _thresholds(profile: Profile, chunks: Iterable[bytes]) -> Iterator[tuple[int, Pair, int, int]]:
    names = profile.adt
    for line, (user, srv, warning, quarantine) in rows_of(
        profile, chunks, (names.user_id, names.srv, names.warning, names.quarantine)
    ):
        if not _NUMBER.fullmatch(warning) or not _NUMBER.fullmatch(quarantine):
            message = "a threshold is not a number"
            raise Unreadable(message)
        yield line, (user, srv), int(warning), int(quarantine)


def _new_table(profile: Profile, chunks: Iterable[bytes]) -> _New:
    table: dict[Pair, tuple[int, int, int]] = {}
    for line, pair, warning, quarantine in _thresholds(profile, chunks):
        table[pair] = (warning, quarantine, line)
        if len(table) > MOST_PAIRS:
            message = f"the file has more than {MOST_PAIRS} thresholds to compare"
            raise _TooMuch(message)
    return table


def _old_table(
    profile: Profile, first: Iterable[EarlierContent], rest: Iterable[EarlierContent], lost: list[str]
) -> _Old:
    """Return the lowest earlier values; files that cannot be read are added to ``lost``."""
    table: _Old = {}
    rows = 0
    for files in (first, rest):
        for one in files:
            counted = False
            try:
                for _, pair, warning, quarantine in _thresholds(profile, one.chunks):
                    rows += 1
                    if pair[0] in one.keys:
                        counted = True
                        _lower(table, pair, (warning, quarantine), one.submission)
                    if rows > MOST_ROWS or len(table) > MOST_PAIRS:
                        message = "the earlier files have too many rows to compare them all"
                        raise _TooMuch(message)
            except Unreadable:
                counted = False
            if not counted:  # without any row of its own User IDs it is not what it was taken for
                lost.append(one.submission)
    return table


def _lower(table: _Old, pair: Pair, values: tuple[int, int], submission: str) -> None:
    known = table.get(pair)
    if known is None:
        table[pair] = (_Lowest(values[0], submission), _Lowest(values[1], submission))
        return
    for lowest, value in zip(known, values, strict=True):
        if value < lowest.value:
            lowest.value, lowest.submission = value, submission


def _changes(profile: Profile, ours: _New, old: _Old) -> list[Change]:
    """Return every threshold that differs. What is new counts only where the User ID has an earlier file."""
    names = (profile.adt.warning, profile.adt.quarantine)
    known = {user: lowest[0].submission for (user, _), lowest in old.items()}
    changes: list[Change] = []
    for (user, srv), lowest in old.items():
        here = ours.get((user, srv))
        for place, (name, one) in enumerate(zip(names, lowest, strict=True)):
            new = here[place] if here is not None else None
            if new != one.value:
                changes.append(
                    Change(user_id=user, srv=srv, threshold=name, old=one.value, new=new, earlier=one.submission)
                )
    for (user, srv), here in ours.items():
        if user in known and (user, srv) not in old:
            changes += [
                Change(user_id=user, srv=srv, threshold=name, old=None, new=here[place], earlier=known[user])
                for place, name in enumerate(names)
            ]
    return changes


def _weight(change: Change) -> tuple[int, Fraction]:
    """Return how high a change stands in the table: increases, what is gone, what is new, decreases."""
    if change.old is None:
        return 1, Fraction(change.new or 0)
    if change.new is None:
        return 2, Fraction(change.old)
    if change.old == 0:
        return 4, Fraction(change.new)
    grown = Fraction(change.new - change.old, change.old)
    return (3, grown) if grown > 0 else (0, -grown)


def exceeds(old: int, new: int, percent: int) -> bool:
    """Tell whether ``new`` is more than ``percent`` per cent above ``old``; above zero, anything is."""
    return (new - old) * 100 > percent * old


def _say_increases(profile: Profile, guards: Guards, findings: Findings, ours: _New, changes: Iterable[Change]) -> None:
    most = guards.max_increase_percent
    if most is None:
        return
    found = [
        (ours[change.user_id, change.srv][2], change)
        for change in changes
        if change.old is not None and change.new is not None and exceeds(change.old, change.new, most)
    ]
    for line, change in sorted(found, key=lambda one: one[0]):
        message = f"the threshold is more than {most} % above that of submission {change.earlier}"
        seen = excerpt(f"{change.old} -> {change.new}", _privacy(profile, change.threshold))
        findings.add(Complaint(rule="guard.increase", message=message, column=change.threshold), Place(line=line), seen)


def _say_gone(profile: Profile, guards: Guards, findings: Findings, srvs: SrvList, changes: Iterable[Change]) -> None:
    gone = {(one.user_id, one.srv): one.earlier for one in changes if one.new is None}
    others: defaultdict[str, list[str]] = defaultdict(list)
    critical = policy_severity(guards.critical_gone)
    for (user, srv), submission in sorted(gone.items()):
        if not is_critical(srv, srvs):
            others[user].append(submission)
        elif critical is not None:
            message = f"a critical Service Reference Variant of submission {submission} is not there any more"
            seen = _named(profile, user, srv)
            column = profile.adt.srv
            findings.add(Complaint(rule="guard.critical-gone", message=message, column=column, severity=critical),
                         excerpt=seen)  # fmt: skip
    shrank = policy_severity(guards.set_shrank)
    for user, submissions in others.items() if shrank is not None else ():
        message = f"{len(submissions)} Service Reference Variants of submission {submissions[0]} are not there any more"
        seen = excerpt(user, _privacy(profile, profile.adt.user_id))
        complaint = Complaint(rule="guard.set-shrank", message=message, column=profile.adt.user_id, severity=shrank)
        findings.add(complaint, excerpt=seen)


def _say_gaps(guards: Guards, findings: Findings, lost: Sequence[str], fresh: int) -> None:
    severity = policy_severity(guards.no_comparison)
    if lost and severity is not None:
        message = f"of {len(lost)} earlier files nothing that could be compared is left, first of submission {lost[0]}"
        findings.add(Complaint(rule="guard.no-comparison", message=message, severity=severity))
    severity = policy_severity(guards.first_file)
    if fresh and severity is not None:
        message = f"no earlier file is known of {fresh} of its User IDs"
        findings.add(Complaint(rule="guard.first-file", message=message, severity=severity))


def _say_too_much(findings: Findings, message: str) -> None:
    findings.add(Complaint(rule="guard.too-much", message=message))


def _named(profile: Profile, user: str, srv: str) -> str | None:
    parts = (
        excerpt(user, _privacy(profile, profile.adt.user_id)),
        excerpt(srv, _privacy(profile, profile.adt.srv)),
    )
    return " ".join(part for part in parts if part) or None


def _privacy(profile: Profile, name: str) -> Privacy:
    column = profile.column(name)
    return column.privacy if column is not None else "secret"


def _all_public(profile: Profile) -> bool:
    names = profile.adt
    return all(
        _privacy(profile, name) == "public" for name in (names.user_id, names.srv, names.warning, names.quarantine)
    )
