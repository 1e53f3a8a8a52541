"""Working days and cut-off hours, against a plain walk over the days and the library the calendars come from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.errors import ConfigurationError
from sealdrop.rules.calendar_list import PROBLEMS, parse_calendar
from sealdrop.rules.working_days import Calendar, counted_day, due, next_expected
from support.calendars import FIRST, FOLDER, LAST, NAMES, library

LONDON = ZoneInfo("Europe/London")
FIVE = time(17, 0)


def shipped(name: str = "england-and-wales") -> Calendar:
    return parse_calendar([(FOLDER / f"{name}.csv").read_bytes()], f"{name}.csv")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_shipped_calendar_is_what_the_library_knows(name: str) -> None:
    calendar = shipped(name)

    assert dict(calendar.holidays) == library(name), "PYTHONPATH=tests python -m support.calendars"
    assert (calendar.first, calendar.last) == (FIRST, LAST)
    assert "holidays" in calendar.source


def test_the_two_countries_differ_where_people_know_they_do() -> None:
    easter_monday, second_of_january = date(2026, 4, 6), date(2026, 1, 2)

    assert [shipped(name).is_working(easter_monday) for name in sorted(NAMES)] == [False, True]
    assert [shipped(name).is_working(second_of_january) for name in sorted(NAMES)] == [True, False]


# --- arithmetic ---------------------------------------------------------------------------------------------------

_DAYS = st.dates(date(2024, 2, 1), date(2034, 6, 1))
_CALENDAR = shipped()


def plain_walk(day: date, count: int) -> date:
    while count > 0:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in _CALENDAR.holidays:
            count -= 1
    return day


@settings(max_examples=200)
@given(day=_DAYS, count=st.integers(1, 200))
def test_counting_forwards_agrees_with_a_plain_walk_and_with_counting_back(day: date, count: int) -> None:
    end = _CALENDAR.after(day, count)

    assert end == plain_walk(day, count)
    assert _CALENDAR.is_working(end)
    assert _CALENDAR.between(day, end) == count
    assert _CALENDAR.between(end, day) == 0


@settings(max_examples=200)
@given(day=_DAYS, first=st.integers(0, 60), second=st.integers(0, 60))
def test_counting_in_two_parts_is_counting_at_once(day: date, first: int, second: int) -> None:
    start = _CALENDAR.on_or_after(day)

    assert _CALENDAR.after(_CALENDAR.after(start, first), second) == _CALENDAR.after(start, first + second)


@settings(max_examples=200)
@given(
    arrived=st.datetimes(datetime(2024, 2, 1), datetime(2034, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - drawn naive, as hypothesis asks
    days=st.integers(0, 30),
    cut_off=st.times().map(lambda drawn: drawn.replace(second=0, microsecond=0)),
)
def test_a_deadline_is_a_cut_off_on_a_working_day_and_never_passed_already(
    arrived: datetime, days: int, cut_off: time
) -> None:
    moment_due = due(_CALENDAR, arrived, days, cut_off, LONDON)
    counted = counted_day(_CALENDAR, arrived, cut_off, LONDON)

    assert moment_due > arrived or moment_due.fold  # an hour that occurs twice is meant when it comes first
    assert moment_due.astimezone(LONDON).timetz().replace(tzinfo=None) == cut_off
    assert _CALENDAR.is_working(moment_due.date())
    assert _CALENDAR.between(counted, moment_due.date()) == days
    assert due(_CALENDAR, arrived + timedelta(hours=1), days, cut_off, LONDON) >= moment_due


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        ("2026-11-24T16:59:59", "2026-11-26T17:00"),
        ("2026-11-24T17:00:00", "2026-11-27T17:00"),
        ("2026-11-27T17:00:00", "2026-12-02T17:00"),
        ("2026-12-24T09:00:00", "2026-12-30T17:00"),
        ("2026-12-26T09:00:00", "2026-12-31T17:00"),
    ],
    ids=["before the cut-off", "at the cut-off", "on Friday evening", "over Christmas", "on Boxing Day"],
)
def test_two_working_days_later(arrived: str, expected: str) -> None:
    assert due(_CALENDAR, moment(arrived), 2, FIVE, LONDON) == moment(expected)


@pytest.mark.parametrize(("zone", "day"), [("+00:00", date(2026, 7, 2)), ("+01:00", date(2026, 7, 1))])
def test_the_hour_is_that_of_the_zone_in_summer_too(zone: str, day: date) -> None:
    arrived = datetime.fromisoformat(f"2026-07-01T16:30{zone}")

    assert counted_day(_CALENDAR, arrived, FIVE, LONDON) == day


@pytest.mark.parametrize(
    ("now", "every_day", "expected"),
    [
        ("2026-11-27T16:00", False, "2026-11-27T17:00"),
        ("2026-11-27T17:00", False, "2026-11-30T17:00"),
        ("2026-11-27T17:00", True, "2026-11-28T17:00"),
    ],
)
def test_a_file_is_expected_next(now: str, every_day: bool, expected: str) -> None:  # noqa: FBT001 - a case
    assert next_expected(None if every_day else _CALENDAR, moment(now), FIVE, LONDON) == moment(expected)


def test_a_calendar_does_not_guess_beyond_its_range() -> None:
    for ask in (
        lambda: _CALENDAR.is_working(date(2023, 12, 31)),
        lambda: _CALENDAR.after(date(2035, 12, 20), 20),
        lambda: _CALENDAR.between(date(2035, 12, 20), date(2036, 1, 10)),
    ):
        with pytest.raises(ConfigurationError, match=r"reaches from 2024-01-01 to 2035-12-31.*Replace it") as caught:
            ask()
        assert caught.value.where == "england-and-wales.csv"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        due(_CALENDAR, datetime(2026, 1, 1), 1, FIVE, LONDON)  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match="naive"):
        next_expected(None, datetime(2026, 1, 1), FIVE, LONDON)  # noqa: DTZ001 - the point


# --- the file -----------------------------------------------------------------------------------------------------

_TOP = "date,what,name\n2024-01-01,begins,made up\n"
_END = "2026-12-31,ends,\n"
_SOUND = "2024-01-01,holiday,New Year\n2025-12-25,holiday,Christmas\n2026-12-25,holiday,Christmas\n"
_WRONG = {
    "nothing at all": ("", "line 1", "the first row must begin the range and the last one must end it"),
    "another header": ("day,what,name\n", "line 1", "the first line must be date,what,name"),
    "no end": (_TOP + _SOUND, "line 5", "the first row must begin the range and the last one must end it"),
    "no beginning": (
        "date,what,name\n" + _SOUND + _END, "line 5", "the first row must begin the range and the last one must end it",
    ),
    "only a beginning": (_TOP, "line 2", "the first row must begin the range and the last one must end it"),
    "a row too short": (_TOP + "2024-01-01,holiday\n" + _END, "line 3", "2 cells where 3 belong"),
    "a row of no kind": (_TOP + "2024-01-01,feast,X\n" + _END, "line 3", "what must be one of begins, holiday, ends"),
    "a day that is none": (
        _TOP + "2025-02-29,holiday,X\n" + _END, "line 3", "not a day of the calendar, such as 2026-12-25",
    ),
    "a day without a name": (_TOP + "2025-02-28,holiday,\n" + _END, "line 3", "the name is missing"),
    "a range without a source": ("date,what,name\n2024-01-01,begins,\n" + _END, "line 2", "the source is missing"),
    "days out of order": (
        _TOP + "2025-12-25,holiday,X\n2025-01-01,holiday,Y\n" + _END, "line 4",
        "out of order, or before the range begins",
    ),
    "a day before the range": (
        _TOP + "2023-12-25,holiday,X\n2025-01-01,holiday,Y\n" + _END, "line 3",
        "out of order, or before the range begins",
    ),
    "a day after the range": (
        _TOP + "2025-12-25,holiday,X\n2027-01-01,holiday,Y\n" + _END, "line 5",
        "the range ends before what it must contain",
    ),
    "a day twice": (_TOP + "2025-12-25,holiday,X\n2025-12-25,holiday,Y\n" + _END, "line 4", "this day is listed twice"),
    "a year that was forgotten": (
        _TOP + "2024-12-25,holiday,X\n2026-01-01,holiday,Y\n" + _END, "line 5",
        "a gap: the whole of 2025 has no holiday",
    ),
    "two beginnings": (_TOP + "2024-01-01,begins,X\n2025-12-25,holiday,X\n" + _END, "line 3",
                       "the range begins and ends once"),
    "two ends": (_TOP + "2025-12-25,holiday,X\n" + _END + _END, "line 5", "the range begins and ends once"),
    "a NUL": (_TOP + "2025-12-25,holiday,\0\n" + _END, "line 3", "character 20 of the line is NUL"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_WRONG))
def test_a_calendar_is_refused_with(name: str) -> None:
    text, line, what = _WRONG[name]
    with pytest.raises(ConfigurationError) as caught:
        parse_calendar([text.encode()], "x.csv")

    assert (line, what) in [(problem.path, problem.what) for problem in caught.value.problems]
    assert caught.value.where == "x.csv"


def test_a_sound_calendar_is_read() -> None:
    calendar = parse_calendar([(_TOP + _SOUND + _END).encode()])

    assert (calendar.source, calendar.first, calendar.last) == ("made up", date(2024, 1, 1), date(2026, 12, 31))
    assert list(calendar.holidays.values()) == ["New Year", "Christmas", "Christmas"]


def test_all_problems_of_a_calendar_are_reported_at_once_up_to_a_bound() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_calendar([(_TOP + "x,holiday,X\n" * 99 + _END).encode()])

    assert len(caught.value.problems) == PROBLEMS
