"""The scores that a file of bars would have got: the live formulas over rows, one line a bar. Pure.

Owns what a trading day, a session and a timeframe mean for rows without a venue. It must not know files (the command
reads them) or the bus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from signalbox.desk import IndicatorParameters
from signalbox.errors import MessageError
from signalbox.messages import NEVER
from signalbox.sessions import session_at

from indicators.formulas.indicator_set import EMPTY, Memory, step
from indicators.readings import Readings, read
from indicators.state import parameters_of

Row = tuple[datetime, float, float, float, float, float]
"""Start of the bar (without a zone: UTC), open, high, low, close, volume."""

DayOf = Callable[[datetime], int | None]
"""The number of a bar's trading day, or None for a bar to leave out."""


@dataclass(frozen=True, slots=True)
class ScoredBar:
    """One bar of a file, its `start` in UTC, and what the indicators said at its close."""

    start: datetime
    timeframe: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    readings: Readings


def score_history(
    rows: Iterable[Row], parameters: IndicatorParameters, day_of: DayOf, timeframe: str = "1m"
) -> Iterator[ScoredBar]:
    """Score every bar of `rows`, which come in order of time, as the indicator service would have.

    `day_of` is `days_in(zone)`, which keeps every bar, or `sessions_of(calendar)`, which leaves out what the service
    ignores. Bars shorter than `timeframe` are aggregated to it first, the last one even if it is not complete.
    Raises `MessageError` for a row that is not later than the one before, or whose prices are not numbers.
    """
    numbers = parameters_of(parameters)
    memory: Memory = EMPTY
    for start, open_, high, low, close, volume in aggregate(_kept(_checked(rows), day_of), minutes_of(timeframe)):
        day = day_of(start)
        memory = step(memory, numbers, 0 if day is None else day, high, low, close)
        yield ScoredBar(start, timeframe, open_, high, low, close, volume, read(memory, numbers))


def days_in(zone: ZoneInfo) -> DayOf:
    """Trading days that begin at midnight of `zone`, the exchange's time zone; no bar is left out."""
    first = last = NEVER
    number = 0

    def day_of(start: datetime) -> int:
        nonlocal first, last, number
        if not first <= start < last:  # a zone is asked once a day: its answer costs as much as all the indicators
            midnight = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            number = midnight.toordinal()
            first = midnight.astimezone(UTC)
            last = (midnight + timedelta(days=1)).astimezone(UTC)
        return number

    return day_of


def sessions_of(calendar: str) -> DayOf:
    """The trading days of an exchange's calendar; bars outside [pre-market open, close) are left out.

    `day_of` raises `CalendarError` where the calendar does not cover a bar.
    """

    def day_of(start: datetime) -> int | None:
        session = session_at(calendar, start)
        return None if session is None or start >= session.close else session.day.toordinal()

    return day_of


def format_line(bar: ScoredBar) -> dict[str, object]:
    """The JSON object of one bar: `ts` is its start in UTC; null = not defined yet (too few bars, or ATR is 0)."""
    readings = bar.readings
    begun = readings.direction != 0
    return {
        "ts": bar.start.isoformat().replace("+00:00", "Z"),
        "timeframe": bar.timeframe,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume if math.isfinite(bar.volume) else None,
        "supertrend": readings.supertrend,
        "direction": readings.direction if begun else None,
        "ema": readings.ema,
        "atr": readings.atr,
        "trend_score": readings.trend_score if begun else None,
        "ema_deviation": readings.ema_deviation,
        "new_high_score": readings.new_high_score,
    }


def minutes_of(timeframe: str) -> int:
    """The length of a timeframe like `1m` or `5m`; raises `MessageError` for anything else."""
    number, unit = timeframe[:-1], timeframe[-1:]
    if unit != "m" or not number.isascii() or not number.isdigit() or int(number) == 0:
        raise MessageError(f"{timeframe!r} is no timeframe: minutes are meant, like 1m or 5m")
    return int(number)


def aggregate(rows: Iterable[Row], minutes: int) -> Iterator[Row]:
    """Join the rows that begin within the same `minutes`, counted from midnight UTC; longer rows stay as they are."""
    length = timedelta(minutes=minutes)
    joined: Row | None = None
    for row in rows:
        midnight = row[0].replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight + (row[0] - midnight) // length * length
        if joined is None or joined[0] != start:
            if joined is not None:
                yield joined
            joined = (start, *row[1:])
        else:
            _, open_, high, low, _, volume = joined
            joined = (start, open_, max(high, row[2]), min(low, row[3]), row[4], volume + row[5])
    if joined is not None:
        yield joined


def _checked(rows: Iterable[Row]) -> Iterator[Row]:
    previous = NEVER
    for number, row in enumerate(rows, 1):
        start = row[0].replace(tzinfo=UTC) if row[0].tzinfo is None else row[0].astimezone(UTC)
        if start <= previous:
            raise MessageError(f"bar {number} ({start.isoformat()}) is not later than the one before it")
        if not all(math.isfinite(price) for price in row[1:5]):
            raise MessageError(f"bar {number} ({start.isoformat()}) has a price that is not a number: {row[1:5]}")
        previous = start
        yield (start, *row[1:])


def _kept(rows: Iterable[Row], day_of: DayOf) -> Iterator[Row]:
    return (row for row in rows if day_of(row[0]) is not None)
