"""What is allowed in a profile and deserves a second look all the same; what is wrong, ``profile_parsing`` refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from sealdrop.core.errors import Problem, Refused
from sealdrop.rules.identifiers import OwnIds
from sealdrop.rules.profile import Profile
from sealdrop.rules.profile_text import missing_verification
from sealdrop.rules.sample_file import sample_file
from sealdrop.rules.srv_list import SrvList
from sealdrop.rules.working_days import Calendar

CALENDAR_AHEAD = timedelta(days=365)
CONFIRM = "Compare the profile with your copy of SEC Appendix AA, then fill them in."
_NESTED = re.compile(r"\([^()]*[+*][^()]*\)(?:[+*]|\{\d*,)")  # (a+)+ and the like: may backtrack without end


def second_looks(
    profile: Profile, srvs: SrvList, calendar: Calendar | None, own: OwnIds, today: date
) -> Iterator[Problem]:
    """Yield what deserves a second look.

    Args:
        profile: as loaded.
        srvs: its list.
        calendar: its holidays.
        own: User IDs that are ours, from the profile and, where there is one, the configuration.
        today: for how far the calendar still reaches.
    """
    if missing := missing_verification(profile):
        yield Problem(path=", ".join(missing), what="empty: nobody has confirmed this profile", hint=CONFIRM)
    if not own and any(column.own for column in profile.columns):
        hint = "List them there, or as own_user_ids of the kind in the configuration."
        yield Problem(path="own.user_ids", what="no User IDs of ours, so nobody checks whose a file holds", hint=hint)
    if not any(column.key for column in profile.columns) and profile.kind != "exit-quarantine":
        yield Problem(path="columns", what="no column has key = true, so no row is ever a second one")
    if calendar and calendar.last < today + CALENDAR_AHEAD:
        yield Problem(path="calendar", what=f"ends on {calendar.last}", hint="Replace it by one that reaches further.")
    patterns = {f"columns.{place}.pattern": column.pattern or "" for place, column in enumerate(profile.columns)}
    for path, pattern in {**patterns, "file_name.pattern": profile.file_name.pattern}.items():
        if _NESTED.search(pattern):
            what = "a repetition of a repetition, which can take for ever on a hostile value"
            yield Problem(path=path, what=what, hint="Write it so that it matches in one way only.")
    try:
        sample_file(profile, srvs, own)
    except Refused as error:
        yield Problem(path="(sample)", what=f"{error.where}: {error.what}", hint=error.hint)
