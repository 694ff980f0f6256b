"""The levels of a trading day: what its first minutes, the day before and the time before the open leave behind. Pure.

Owns which bar counts for which level, by the session of the symbol's calendar: half days, clock changes and holidays
are the calendar's (`signalbox.sessions`). It must not know messages' subjects, nor where bars come from.

Definitions. *Regular hours* are those between open and close without the breaks; round the clock they are the whole day
of UTC, and nothing is before the open. The day's open, high and low, the opening range and VWAP are made of bars in
regular hours, the pre-market's high and low of those before the open. The *opening range* is the high and low of the
first minutes after the open; it is complete once they have passed, if the first bar of the day began with the open. The
*previous day* is the session before this one in the calendar: if no bar of its regular hours was seen, there is none,
rather than an older one; it is complete if its first bar began with the open and its last one ended with the close.
*VWAP* is the sum of (high + low + close) / 3 * volume over that of volume, from the open on (TradingView: `ta.vwap`,
hlc3, by session); a bar without a stated volume leaves it undefined for the rest of the day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import isfinite, nan

from msgspec import Struct
from msgspec.structs import replace
from signalbox.errors import CalendarError
from signalbox.messages import DayLevels
from signalbox.sessions import Session, previous_session


class RegularHours(Struct, frozen=True):
    """What has been seen of the regular hours of one day: its prices, when its first bar began and its last ended."""

    day: date
    first: datetime
    until: datetime
    open: float
    high: float
    low: float
    close: float


class LevelsMemory(Struct, frozen=True):
    """The levels of one series after a bar. `previous_complete` is that of `previous`. NaN = nothing seen yet.

    `range_fits`: no bar has reached beyond the end of the opening range that it began in.
    """

    session: Session | None = None
    today: RegularHours | None = None
    previous: RegularHours | None = None
    previous_complete: bool = False
    pre_market_high: float = nan
    pre_market_low: float = nan
    range_high: float = nan
    range_low: float = nan
    range_fits: bool = True
    flow: float = 0.0
    volume: float = 0.0


NO_LEVELS = LevelsMemory()


class Span(Struct, frozen=True):
    """A bar as levels see it: when, and floats."""

    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def take(memory: LevelsMemory, bar: Span, session: Session, calendar: str, opening_range: timedelta) -> LevelsMemory:
    """Take the levels one bar on, which begins in `session` of `calendar`; bars come in order of time."""
    if memory.session is None or memory.session.day != session.day:
        memory = _next_day(memory, session, calendar)
    if bar.start < session.open:
        return replace(
            memory,
            pre_market_high=_higher(memory.pre_market_high, bar.high),
            pre_market_low=_lower(memory.pre_market_low, bar.low),
        )
    if not session.is_regular(bar.start):
        return memory
    before, range_end = memory.today, session.open + opening_range
    in_range = bar.start < range_end
    if before is None:
        today = RegularHours(session.day, bar.start, bar.end, bar.open, bar.high, bar.low, bar.close)
    else:
        high, low = max(before.high, bar.high), min(before.low, bar.low)
        today = RegularHours(session.day, before.first, bar.end, before.open, high, low, bar.close)
    volume = bar.volume if bar.volume >= 0.0 else nan
    return replace(
        memory,
        today=today,
        range_high=_higher(memory.range_high, bar.high) if in_range else memory.range_high,
        range_low=_lower(memory.range_low, bar.low) if in_range else memory.range_low,
        range_fits=memory.range_fits and not (in_range and bar.end > range_end),
        flow=memory.flow + (bar.high + bar.low + bar.close) / 3.0 * volume,
        volume=memory.volume + volume,
    )


def say(memory: LevelsMemory, opening_range: timedelta) -> DayLevels:
    """The levels after a bar; None = not defined (yet)."""
    session, today, previous = memory.session, memory.today, memory.previous
    complete = False
    if session is not None and today is not None:
        complete = today.first <= session.open and today.until >= session.open + opening_range
    return DayLevels(
        day=session.day.isoformat() if session else "",
        open=today.open if today else None,
        high=today.high if today else None,
        low=today.low if today else None,
        opening_range_high=_known(memory.range_high) if memory.range_fits else None,
        opening_range_low=_known(memory.range_low) if memory.range_fits else None,
        opening_range_complete=complete and memory.range_fits,
        previous_day=previous.day.isoformat() if previous else "",
        previous_high=previous.high if previous else None,
        previous_low=previous.low if previous else None,
        previous_close=previous.close if previous else None,
        previous_complete=memory.previous_complete,
        pre_market_high=_known(memory.pre_market_high),
        pre_market_low=_known(memory.pre_market_low),
        vwap=_known(memory.flow / memory.volume) if memory.volume > 0.0 else None,
    )


def _next_day(memory: LevelsMemory, session: Session, calendar: str) -> LevelsMemory:
    last, seen = memory.session, memory.today
    try:
        day_before = previous_session(calendar, session.pre_open).day
    except CalendarError:  # the first day of the calendar
        return LevelsMemory(session)
    if last is None or seen is None or seen.day != day_before:
        return LevelsMemory(session)
    return LevelsMemory(session, previous=seen, previous_complete=seen.first <= last.open and seen.until >= last.close)


def _higher(before: float, value: float) -> float:
    return before if before >= value else value  # NaN is not


def _lower(before: float, value: float) -> float:
    return before if before <= value else value


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
