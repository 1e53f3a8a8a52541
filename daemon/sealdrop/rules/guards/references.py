"""Communications that an Exit Quarantine file decides about, against those that imported reports name.

A communication is event reference and Request ID together. Both sides are kept as digests of the normal forms, sixteen
bytes each, so that an index of many reports stays small and holds nothing that names a device. Where a report or a
profile has no event reference, it is empty on both sides only if both lack it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from sealdrop.rules.findings import WHOLE_FILE, Complaint, Findings, Place, policy_severity
from sealdrop.rules.guards.merging import Outcome
from sealdrop.rules.guards.reading import rows_of
from sealdrop.rules.profile import Guards, Profile

KEY_BYTES = 16
#: Communications of one file that are looked up; a larger file waits for a person.
MOST_LOOKED_UP = 250_000


def keys_of(profile: Profile, chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield line and key of each communication of a file or a report.

    Raises:
        Unreadable: see ``reading``.
    """
    names = profile.exit_quarantine
    wanted = (names.event_reference, names.request_id)
    for line, (event, request) in rows_of(profile, chunks, wanted, optional=frozenset({names.event_reference})):
        yield line, hashlib.sha256(f"{event}\n{request}".encode()).digest()[:KEY_BYTES]


def wanted_keys(profile: Profile, chunks: Iterable[bytes]) -> Mapping[bytes, int] | None:
    """Return the line of each communication of a file by its key; None when there are more than are looked up.

    Raises:
        Unreadable: see ``reading``.
    """
    wanted: dict[bytes, int] = {}
    for line, key in keys_of(profile, chunks):
        wanted.setdefault(key, line)
        if len(wanted) > MOST_LOOKED_UP:
            return None
    return wanted


def judge(profile: Profile, guards: Guards, unknown: Mapping[bytes, int] | None, *, reports: int) -> Outcome:
    """Say which communications nobody reported.

    Args:
        profile: for its severities and columns.
        guards: its policy.
        unknown: lines of those that no report names, by key; None when there were too many to look up.
        reports: how many reports were imported.
    """
    findings = Findings(profile.severities)
    severity = policy_severity(guards.unknown_reference)
    if severity is None:
        return Outcome(findings=findings)
    column = profile.exit_quarantine.request_id
    if unknown is None:
        message = f"more than {MOST_LOOKED_UP} communications: they cannot all be looked up in the imported reports"
        findings.add(Complaint(rule="guard.too-much", message=message))
    elif not reports:
        message = "no Quarantined Communications Report was imported, so nobody checked that these were quarantined"
        findings.add(Complaint(rule="guard.unknown-reference", message=message, severity=severity), WHOLE_FILE)
    else:
        message = "no imported Quarantined Communications Report names this communication"
        for line in sorted(unknown.values()):
            findings.add(
                Complaint(rule="guard.unknown-reference", message=message, column=column, severity=severity),
                Place(line=line),
            )
    return Outcome(findings=findings)
