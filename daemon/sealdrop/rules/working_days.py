"""Working days and cut-off hours: arithmetic over a calendar of holidays that is given as data.

A working day is a day from Monday to Friday that the calendar does not list. A calendar knows nothing outside its
range, and does not guess: whoever counts beyond it gets a ``ConfigurationError`` that names the file to replace.

What arrives at the cut-off hour or later, or on a day that is no working day, counts as arriving on the next working
day. Hours are those of the time zone that the caller passes; days are days there. Moments come and go in UTC or any
other zone, never without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from sealdrop.core.errors import ConfigurationError, Problem
from sealdrop.core.submission import require_aware

_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The holidays of one country over a range of days.

    Args:
        source: where the holidays come from, as its file says.
        first, last: the range in which all holidays are listed, both included.
        holidays: their names by day.
        where: the file, for messages.
    """

    source: str
    first: date
    last: date
    holidays: Mapping[date, str]
    where: str = ""

    def is_working(self, day: date) -> bool:
        """Tell whether people work on this day.

        Raises:
            ConfigurationError: the calendar does not reach this day.
        """
        if not self.first <= day <= self.last:
            what = f"the calendar reaches from {self.first} to {self.last}, not to {day}"
            hint = "Replace it by one that does."
            raise ConfigurationError([Problem(path="calendar", what=what, hint=hint)], where=self.where)
        return day.weekday() < _SATURDAY and day not in self.holidays

    def on_or_after(self, day: date) -> date:
        """Return the first working day from ``day`` on.

        Raises:
            ConfigurationError: the calendar does not reach that far.
        """
        while not self.is_working(day):
            day += _DAY
        return day

    def after(self, day: date, count: int) -> date:
        """Return the ``count``-th working day after ``day``; for 0, the first one from ``day`` on.

        Raises:
            ConfigurationError: the calendar does not reach that far.
        """
        day = self.on_or_after(day) if count == 0 else day
        for _ in range(count):
            day = self.on_or_after(day + _DAY)
        return day

    def between(self, start: date, end: date) -> int:
        """Count the working days after ``start`` up to and with ``end``; none when ``end`` is not later.

        Raises:
            ConfigurationError: the calendar does not reach that far.
        """
        return sum(self.is_working(start + _DAY * number) for number in range(1, (end - start).days + 1))


def counted_day(calendar: Calendar, arrived: datetime, cut_off: time, zone: tzinfo) -> date:
    """Return the working day on which something counts as arrived.

    Raises:
        ConfigurationError: the calendar does not reach that far.
        ValueError: ``arrived`` has no time zone.
    """
    local = require_aware(arrived).astimezone(zone)
    late = local.timetz().replace(tzinfo=None) >= cut_off
    return calendar.on_or_after(local.date() + _DAY if late else local.date())


def due(calendar: Calendar, arrived: datetime, working_days: int, cut_off: time, zone: tzinfo) -> datetime:
    """Return the moment by which something that arrived must be dealt with: a cut-off hour, so many working days on.

    Raises:
        ConfigurationError: the calendar does not reach that far.
        ValueError: ``arrived`` has no time zone.
    """
    day = calendar.after(counted_day(calendar, arrived, cut_off, zone), working_days)
    return datetime.combine(day, cut_off, zone)


def next_expected(calendar: Calendar | None, now: datetime, by: time, zone: tzinfo) -> datetime:
    """Return the next moment, after ``now``, by which a file is expected.

    Args:
        calendar: expected on its working days; None: on every day.
        now: any moment.
        by: the hour.
        zone: whose hours they are.

    Raises:
        ConfigurationError: the calendar does not reach that far.
        ValueError: ``now`` has no time zone.
    """
    local = require_aware(now).astimezone(zone)
    day = local.date() if local.timetz().replace(tzinfo=None) < by else local.date() + _DAY
    return datetime.combine(calendar.on_or_after(day) if calendar else day, by, zone)
