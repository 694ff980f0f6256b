"""The decision at each bar: (series, bar) -> (series, score), or why the bar is ignored. Pure.

Owns which bars count. It must not know where bars come from or where scores go: live bars, a rebuild after a restart
and a replay all pass through here.
"""

from __future__ import annotations

from enum import StrEnum

from signalbox.errors import MessageError
from signalbox.instruments import parse_symbol
from signalbox.messages import Bar, Score, Utc
from signalbox.sessions import session_at

from indicators.formulas.indicator_set import step
from indicators.readings import read
from indicators.state import Ignored, LastScore, Rules, Series

PRICE_DIGITS_MAX = 30
"""More digits before or behind the point than any price has: 1e400 is a Decimal, but as a float it is infinite."""


def decide(series: Series, bar: Bar, rules: Rules) -> tuple[Series, Score | Ignored]:
    """Take a series one bar on.

    A bar counts when it starts after the last one of its series and in [pre-market open, close) of a trading session:
    pre-market warms the indicators up (and counts for the day's new highs), after-hours is ignored. The score's id
    and time derive from the bar, so that a repetition after a crash is the same message.

    Raises `MessageError` (a bar with impossible prices), `SymbolError`, `CalendarError`; the series is then unchanged.
    """
    if bar.timeframe not in rules.timeframes:
        return series, Ignored.TIMEFRAME
    if bar.start <= series.last_start:
        return series, Ignored.NOT_NEWER
    check_prices(bar)
    session = session_at(parse_symbol(bar.symbol).calendar, bar.start)
    if session is None or bar.start >= session.close:
        return series, Ignored.OUTSIDE_SESSION
    memory = step(
        series.memory, rules.parameters, session.day.toordinal(), float(bar.high), float(bar.low), float(bar.close)
    )
    series = Series(last_start=bar.start, memory=memory)
    return series, score_of(bar, series, rules)


def score_of(bar: Bar, series: Series, rules: Rules) -> Score:
    """The score at the close of `bar`, the last bar of `series`."""
    readings = read(series.memory, rules.parameters)
    return Score(
        id=f"score/{bar.venue}/{bar.symbol}/{bar.timeframe}/{bar.start.isoformat()}",
        at=bar.at,
        cause=bar.id,
        venue=bar.venue,
        symbol=bar.symbol,
        timeframe=bar.timeframe,
        bar_start=bar.start,
        close=float(bar.close),
        supertrend=readings.supertrend,
        direction=readings.direction,
        ema=readings.ema,
        atr=readings.atr,
        trend_score=readings.trend_score,
        ema_deviation=readings.ema_deviation,
        new_high_score=readings.new_high_score,
    )


class Fence(StrEnum):
    """What the last stored score of a series says to a process that is about to store the next."""

    OPEN = "open"  # store it behind that one
    DONE = "done"  # another process has stored it, and perhaps later ones
    BEHIND = "behind"  # another process has scored a bar that this one has not read: the score would be wrong


def fence(last: LastScore, series_start: Utc, bar_start: Utc) -> Fence:
    """Judge a score of the bar at `bar_start`, whose series' bar before it started at `series_start`.

    Scores of a series are stored in the order of its bars, and a bar is only given out once the one before is scored.
    So a score of this bar or a later one means that this bar is scored. A last score older than the bar before is no
    reason to stop: it has reached its age, or that timeframe was not scored then.
    """
    if last.bar_start >= bar_start:
        return Fence.DONE
    return Fence.BEHIND if last.bar_start > series_start else Fence.OPEN


def check_prices(bar: Bar) -> None:
    """Raise `MessageError` for prices that would spoil every later score: one NaN would stay in the averages."""
    for name, price in (("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)):
        if not price.is_finite() or abs(price.adjusted()) > PRICE_DIGITS_MAX:
            raise MessageError(f"bar {bar.id}: {name} is {price}, which is no price")
    if bar.high < bar.low:
        raise MessageError(f"bar {bar.id}: high {bar.high} is below low {bar.low}")
