"""The one entry of the indicators: a bar in, its score out; and the same for prices alone, as fast as the formulas.

Owns which bars count and what of a series goes from one bar to the next. It must not know where bars come from or where
scores go: live bars, a rebuild after a restart and a replay all pass through here. Pure: a `TradingDays` remembers what
it was told of the calendar, which does not change.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace
from signalbox.instruments import parse_symbol
from signalbox.messages import Bar, Score

from indicators.days import TradingDays
from indicators.decide import check_prices, score_of
from indicators.formulas.indicator_set import Memory, Parameters
from indicators.formulas.indicator_set import step as take_prices
from indicators.levels import NO_LEVELS, Span, say, take
from indicators.state import Ignored, Rules, Series
from indicators.studied import chosen, study, told


def advance(
    memory: Memory, parameters: Parameters, days: TradingDays, start: datetime, high: float, low: float, close: float
) -> Memory:
    """Take a memory on by the bar that starts at `start` (UTC), with finite prices; bars come in order of time.

    A bar between pre-market open and close counts; of any other the memory stays the same object. Raises
    `CalendarError` where the calendar does not cover `start`.
    """
    if not days.begin <= start < days.end and not days.move_to(start):
        return memory
    return take_prices(memory, parameters, days.number, high, low, close)


def step(series: Series, bar: Bar, rules: Rules) -> tuple[Series, Score | Ignored]:
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
    days = series.days or TradingDays(parse_symbol(bar.symbol).calendar)
    high, low, close = float(bar.high), float(bar.low), float(bar.close)
    memory = advance(series.memory, rules.parameters, days, bar.start, high, low, close)
    if memory is series.memory:
        return series, Ignored.OUTSIDE_SESSION
    if not rules.studies and bar.timeframe not in rules.levels_timeframes:
        return Series(bar.start, memory, days), score_of(bar, close, memory, rules.parameters, rules.warm_bars)
    return _with_more(series, bar, rules, days, memory)


def _with_more(series: Series, bar: Bar, rules: Rules, days: TradingDays, memory: Memory) -> tuple[Series, Score]:
    """The series and the score of a bar that counts, with what the desk asks for beside the set."""
    open_, high, low, close, volume = map(float, (bar.open, bar.high, bar.low, bar.close, bar.volume))
    levels, session = series.levels, days.session
    studied = series.studied or chosen(rules.studies, bar.symbol, bar.timeframe)
    score = score_of(bar, close, memory, rules.parameters, max(rules.warm_bars, studied.warm_up))
    if bar.timeframe in rules.levels_timeframes and session is not None:
        span = Span(bar.start, bar.at, open_, high, low, close, volume)
        levels = take(levels or NO_LEVELS, span, session, days.calendar, rules.opening_range)
        score = replace(score, levels=say(levels, rules.opening_range))
    if studied.studies:
        studied = study(studied, (days.number, open_, high, low, close, volume, days.is_regular(bar.start)))
        score = replace(score, studies=told(studied))
    return Series(bar.start, memory, days, studied, levels), score
