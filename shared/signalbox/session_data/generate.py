"""Write the calendar files from exchange_calendars: `python -m signalbox.session_data.generate`.

Owns what the files hold. Only developers run it (exchange_calendars needs pandas, which no service may import); a test
runs it too and fails when a file is stale. It must not know who reads the calendars.

A file holds a few distinct sets of hours, each under a letter, as minutes from UTC midnight of the session's day, and
for each year one letter a day (`.` = no session). Daylight saving is therefore resolved here, once, and a service needs
no time zone database.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars

FIRST, LAST = date(2005, 1, 1), date(2049, 12, 31)
"""XHKG ends in 2049 in the library: its lunar holidays are tabulated so far. Future years follow today's rules."""

CLOSED = "."


@dataclass(frozen=True)
class ExtendedHours:
    """Local times around the regular hours that the library does not know."""

    pre_open: time
    post_close: time
    half_day_post_close: time
    regular_close: time


EXTENDED: dict[str, ExtendedHours | None] = {
    # NYSE Arca and Nasdaq early and late sessions; on half days the late session ends at 17:00
    "XNYS": ExtendedHours(time(4), time(20), time(17), time(16)),
    # The pre-opening and closing auctions of HKEX belong to no continuous session and are not offered by IBKR as such
    "XHKG": None,
}


def minutes_of(at: datetime, day: date) -> int:
    """Minutes from UTC midnight of `day` to `at`; more than 1440 when it is already the next day in UTC."""
    offset = at.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) - datetime.combine(day, time())
    minutes, rest = divmod(offset, timedelta(minutes=1))
    if rest:
        raise ValueError(f"{at} is not on a minute")
    return minutes


def hours_of(calendar: str, row: Any, day: date, zone: ZoneInfo) -> tuple[int, ...]:
    """(pre_open, open, close, post_close) and, with a lunch break, its start and end."""
    opens, closes = row["open"].to_pydatetime(), row["close"].to_pydatetime()
    extended = EXTENDED[calendar]
    pre_open, post_close = opens, closes
    if extended is not None:
        half = closes.astimezone(zone).time() < extended.regular_close
        pre_open = datetime.combine(day, extended.pre_open, zone)
        post_close = datetime.combine(day, extended.half_day_post_close if half else extended.post_close, zone)
    edges = [pre_open, opens, closes, post_close]
    if row["break_start"] == row["break_start"]:  # NaT is unequal to itself
        edges += [row["break_start"].to_pydatetime(), row["break_end"].to_pydatetime()]
    return tuple(minutes_of(edge, day) for edge in edges)


def calendar_text(calendar: str) -> str:
    """The whole file of one calendar."""
    source = exchange_calendars.get_calendar(calendar, start=FIRST.isoformat(), end=LAST.isoformat())
    zone = ZoneInfo(str(source.tz))
    letters: dict[tuple[int, ...], str] = {}
    years = {str(year): [CLOSED] * date(year, 12, 31).timetuple().tm_yday for year in range(FIRST.year, LAST.year + 1)}
    for label, row in source.schedule.iterrows():
        day = label.date()
        hours = hours_of(calendar, row, day, zone)
        letter = letters.setdefault(hours, ascii_uppercase[len(letters)])
        years[str(day.year)][day.timetuple().tm_yday - 1] = letter
    hours_lines = ",\n".join(f'  "{letter}": {json.dumps(hours)}' for hours, letter in letters.items())
    years_lines = ",\n".join(f'  "{year}": "{"".join(days)}"' for year, days in years.items())
    origin = f"exchange_calendars {exchange_calendars.__version__}"
    return (  # a line for each year, so that a change of the library reads as a change of one day in the diff
        f'{{\n "calendar": "{calendar}",\n "source": "{origin}",\n'
        f' "hours": {{\n{hours_lines}\n }},\n "years": {{\n{years_lines}\n }}\n}}\n'
    )


def main() -> int:
    """Write every calendar file beside this module."""
    for calendar in EXTENDED:
        path = Path(__file__).with_name(f"{calendar}.json")
        path.write_text(calendar_text(calendar), encoding="utf-8")
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
