"""The scores that a file of bars would have got: the live formulas over rows, one line a bar. Pure.

Owns what a trading day and a session mean for rows without a venue. It must not know files (the command reads them) or
the bus.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from msgspec.structs import asdict
from signalbox.bars import Timeframe, bucket_start
from signalbox.desk import IndicatorParameters
from signalbox.errors import MessageError
from signalbox.messages import NEVER, DayLevels
from signalbox.sessions import Session

from indicators.days import TradingDays
from indicators.decide import PRICE_DIGITS_MAX
from indicators.formulas.indicator_set import EMPTY, Memory, step
from indicators.levels import NO_LEVELS, Span, say, take
from indicators.readings import Readings, read
from indicators.state import parameters_of
from indicators.studied import Study, chosen, study, told

Row = tuple[datetime, float, float, float, float, float]
"""Start of the bar (without a zone: UTC), open, high, low, close, volume (NaN = the file does not say)."""


PRICE_MAX = 10.0 ** (PRICE_DIGITS_MAX + 1)


class Place(NamedTuple):
    """Where a row belongs: the number of its trading day, the beginning (UTC) of its bar, whether it is in regular
    hours, and the session that it is in, where one is known."""

    day: int
    start: datetime
    regular: bool = True
    session: Session | None = None


class Days(Protocol):
    """What a trading day is, by which calendar ("" = none)."""

    calendar: str

    def place(self, timeframe: Timeframe, at: datetime) -> Place | None:
        """Where a row that begins at `at` (UTC) belongs; None = left out."""
        ...


class LocalDays:
    """Trading days from midnight to midnight of `zone`, the exchange's time zone; no row is left out.

    Bars are counted from that midnight, and all hours are regular ones.
    """

    calendar = ""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._number, self._first, self._last = 0, NEVER, NEVER

    def place(self, timeframe: Timeframe, at: datetime) -> Place:
        if not self._first <= at < self._last:  # a zone is asked once a day: it costs as much as all the indicators
            midnight = at.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
            self._number = midnight.toordinal()
            self._first = midnight.astimezone(UTC)
            self._last = (midnight + timedelta(days=1)).astimezone(UTC)
        length = timedelta(seconds=timeframe.seconds)
        return Place(self._number, self._first + (at - self._first) // length * length)


class SessionDays:
    """The sessions of an exchange's calendar, each from pre-market to the close, as the service scores them.

    The rest is left out. Raises `CalendarError` where the calendar does not cover a row.
    """

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self._days = TradingDays(calendar)

    def place(self, timeframe: Timeframe, at: datetime) -> Place | None:
        if not self._days.move_to(at):
            return None
        start = bucket_start(timeframe, self.calendar, at)
        return Place(self._days.number, start, self._days.is_regular(at), self._days.session)


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
    studies: dict[str, float | None]
    levels: DayLevels | None


def score_history(
    rows: Iterable[Row],
    parameters: IndicatorParameters,
    timeframe: Timeframe,
    days: Days,
    studies: Iterable[Study] = (),
    symbol: str = "",
    opening_range: timedelta | None = None,
) -> Iterator[ScoredBar]:
    """Score the bars of `rows`, which come in order of time, as the indicator service would have of `symbol`.

    With an `opening_range`, where sessions are known, each bar has the levels of its day.

    Rows shorter than `timeframe` are joined to bars of it, the last one even if it is not complete; rows of that length
    or longer are bars as they are; a row without any price (a day on which nothing traded) is no bar. Raises
    `MessageError` for a row that is not later than the one before, whose prices are not numbers, or whose high is below
    its low (columns taken for each other).
    """
    numbers = parameters_of(parameters)
    memory: Memory = EMPTY
    studied, levels, length = chosen(studies, symbol, timeframe.text), NO_LEVELS, timedelta(seconds=timeframe.seconds)
    for place, (start, open_, high, low, close, volume) in joined(rows, timeframe, days):
        memory = step(memory, numbers, place.day, high, low, close)
        if studied.studies:
            studied = study(studied, (place.day, open_, high, low, close, volume, place.regular))
        said = None
        if opening_range is not None and place.session is not None and not timeframe.whole_session:
            span = Span(start, start + length, open_, high, low, close, volume)
            levels = take(levels, span, place.session, days.calendar, opening_range)
            said = say(levels, opening_range)
        readings = read(memory, numbers)
        yield ScoredBar(start, timeframe.text, open_, high, low, close, volume, readings, told(studied), said)


def joined(rows: Iterable[Row], timeframe: Timeframe, days: Days) -> Iterator[tuple[Place, Row]]:
    """The bars of `timeframe` that `rows` make, each with its place. Raises as `score_history`."""
    place: Place | None = None
    bar: Row | None = None
    for row in _checked(rows):
        found = days.place(timeframe, row[0])
        if found is None:
            continue
        if bar is not None and found == place:
            start, open_, high, low, _, volume = bar
            bar = (start, open_, max(high, row[2]), min(low, row[3]), row[4], volume + row[5])
            continue
        if place is not None and bar is not None:
            yield place, bar
        place, bar = found, (found.start, *row[1:])
    if place is not None and bar is not None:
        yield place, bar


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
        **({"studies": bar.studies} if bar.studies else {}),
        **({"levels": asdict(bar.levels)} if bar.levels else {}),
    }


def _checked(rows: Iterable[Row]) -> Iterator[Row]:
    previous = NEVER
    for number, (at, *prices, volume) in enumerate(rows, 1):
        start = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if start <= previous:
            raise MessageError(f"bar {number} ({start.isoformat()}) is not later than the one before it")
        previous = start
        if all(price is None or math.isnan(price) for price in prices):
            continue
        if not all(price is not None and math.isfinite(price) for price in prices):
            raise MessageError(f"bar {number} ({start.isoformat()}) has a price that is not a number: {prices}")
        open_, high, low, close = map(float, prices)
        if max(map(abs, (open_, high, low, close))) > PRICE_MAX:
            raise MessageError(f"bar {number} ({start.isoformat()}) has a price that is none: {prices}")
        if high < low:
            raise MessageError(f"bar {number} ({start.isoformat()}) has its high {high:g} below its low {low:g}")
        yield start, open_, high, low, close, math.nan if volume is None else float(volume)
