r"""Identifiers of the network: User IDs, Request IDs, event references, Service Reference Variants.

Everything here is text or big integers, never a float: sixty-four bits do not fit in one, which is exactly how
spreadsheets damage these files. Functions that read return None for text that is not such an identifier.

    User ID            EUI-64: eight pairs of hexadecimal digits with hyphens, in either case
    Request ID         originator EUI-64 ":" target EUI-64 ":" originator counter (64 bits, no leading zeros)
    event reference    1 to 20 decimal digits
    SRV                two or three numbers joined by full stops, for example 7.10 or 6.15.1
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sealdrop.core.errors import ConfigurationError, Problem

COUNTER_BITS = 64
_EUI = r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
_USER_ID = re.compile(_EUI)
_REQUEST_ID = re.compile(rf"({_EUI}):({_EUI}):(0|[1-9][0-9]{{0,19}})")
_EVENT_REFERENCE = re.compile(r"[0-9]{1,20}")
_SRV = re.compile(r"[1-9][0-9]?(?:\.[1-9][0-9]?){1,2}")
_RANGE = re.compile(rf"\s*({_EUI})\s*(?:\.\.\s*({_EUI})\s*)?")


def normal_user_id(text: str) -> str | None:
    """Return a User ID in upper case, the form in which they are compared; None when it is not one."""
    return text.upper() if _USER_ID.fullmatch(text) else None


def user_id_number(user_id: str) -> int:
    """Return the 64-bit number of a well-formed User ID."""
    return int(user_id.replace("-", ""), 16)


def user_id_text(number: int) -> str:
    """Return the User ID of a 64-bit number, in the form in which they are compared."""
    return number.to_bytes(8, "big").hex("-").upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestId:
    """One communication: who sent it, to which device, and the sender's counter.

    Args:
        originator, target: User ID or device, upper case.
        counter: below 2 to the power 64.
    """

    originator: str
    target: str
    counter: int

    def __str__(self) -> str:
        return f"{self.originator}:{self.target}:{self.counter}"


def request_id(text: str) -> RequestId | None:
    """Read a Request ID; None when it is not one."""
    match = _REQUEST_ID.fullmatch(text)
    if match is None:
        return None
    counter = int(match[3])
    if counter >> COUNTER_BITS:
        return None
    return RequestId(originator=match[1].upper(), target=match[2].upper(), counter=counter)


def event_reference(text: str) -> int | None:
    """Read the reference of an anomaly event; None when it is not 1 to 20 decimal digits."""
    return int(text) if _EVENT_REFERENCE.fullmatch(text) else None


def is_srv(text: str) -> bool:
    """Tell whether ``text`` has the form of a Service Reference Variant, known or not."""
    return _SRV.fullmatch(text) is not None


class OwnIds:
    """The User IDs that belong to us: single ones and the ranges that SECAS allocated.

    Args:
        ranges: pairs of first and last number, both included, in any order and overlapping as they like.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in sorted(ranges):
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        self._firsts = firsts
        self._lasts = lasts

    def __contains__(self, user_id: str) -> bool:
        """Tell whether a well-formed User ID is ours."""
        number = user_id_number(user_id)
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self._lasts[place]

    def __bool__(self) -> bool:
        """False when no own User ID is known at all, so that ownership cannot be checked."""
        return bool(self._firsts)

    def __or__(self, other: OwnIds) -> OwnIds:
        return OwnIds((*self.ranges, *other.ranges))

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Merged ranges, ascending."""
        return tuple(zip(self._firsts, self._lasts, strict=True))


def own_ids(entries: Sequence[str], path: str = "own.user_ids") -> OwnIds:
    """Read own User IDs as written in a configuration: ``ID`` or ``FIRST .. LAST``.

    Raises:
        ConfigurationError: entries that are neither; all of them, by ``path`` and position.
    """
    ranges: list[tuple[int, int]] = []
    problems: list[Problem] = []
    for place, entry in enumerate(entries):
        match = _RANGE.fullmatch(entry)
        first, last = (user_id_number(match[1]), user_id_number(match[2] or match[1])) if match else (1, 0)
        if first <= last:
            ranges.append((first, last))
            continue
        what = "the range ends before it begins" if match else "neither a User ID nor a range of them"
        hint = "Write 90-B3-D5-1F-30-01-00-00, or FIRST .. LAST for a range."
        problems.append(Problem(path=f"{path}.{place}", what=what, hint=hint))
    if problems:
        raise ConfigurationError(problems)
    return OwnIds(ranges)
