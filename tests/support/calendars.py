"""The shipped calendars, made from a library: ``PYTHONPATH=tests python -m support.calendars``."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path

import holidays

FOLDER = Path(__file__).parents[2] / "config" / "calendars"
NAMES = {"england-and-wales": "ENG", "scotland": "SCT"}
FIRST, LAST = date(2024, 1, 1), date(2035, 12, 31)


def library(name: str) -> dict[date, str]:
    """Return what the library knows of a country's bank holidays."""
    days = holidays.country_holidays("GB", subdiv=NAMES[name], years=range(FIRST.year, LAST.year + 1))
    return {day: days[day] for day in sorted(days)}


def made(name: str) -> str:
    """Return a calendar as it ships."""
    source = f"bank holidays of {name.replace('-', ' ')} by the Python library holidays {version('holidays')}"
    rows = [f"{day},holiday,{text}" for day, text in library(name).items()]
    assert not any("," in row.split(",", 2)[2] for row in rows)
    return "\n".join(["date,what,name", f"{FIRST},begins,{source}", *rows, f"{LAST},ends,", ""])


def main() -> None:
    """Write both anew."""
    for name in NAMES:
        (FOLDER / f"{name}.csv").write_text(made(name))


if __name__ == "__main__":
    main()
