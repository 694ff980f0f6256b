"""All indicators and scores of one series, one bar at a time. Owns the memory a series needs between two bars.

It must not know what the series is (venue, symbol, timeframe) or when a bar was: the caller numbers the trading days.
"""

from __future__ import annotations

import math

from indicators.formulas.averages import average_true_range, ema
from indicators.formulas.scores import ema_deviation, new_high_score, trend_score
from indicators.formulas.supertrend import supertrend

Parameters = tuple[int, float, float, int]
"""SuperTrend period, SuperTrend multiplier, EMA alpha, ATR period; periods in bars, at least 1."""

Memory = tuple[int, float, float, float, float, float, float, float, int, int, float, int, float, int]
"""Of the last bar: bars seen, close, EMA, ATR, ATR of SuperTrend, lower band, upper band, SuperTrend line, direction,
trend score, EMA deviation, trading day, highest close of that day, new-high score. The two ATRs are sums of true
ranges until their period is full. A plain tuple: a NamedTuple costs 1.8 times as much per bar."""

EMPTY: Memory = (0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, math.nan, 0, 0, math.nan, 0, math.nan, 0)
"""The memory before the first bar."""


def step(memory: Memory, parameters: Parameters, day: int, high: float, low: float, close: float) -> Memory:
    """Take one series one closed bar on.

    `day` is a number of the bar's trading day: equal within a day, different from the day before. Prices are finite.
    SuperTrend and its score begin with the bar that fills its ATR; EMA and the new-high score with the first bar.
    """
    seen, before, average, atr, reach, lower, upper, line, direction, trend, _, day_before, top, highs = memory
    supertrend_period, multiplier, alpha, atr_period = parameters
    seen += 1
    average = ema(average, close, alpha)
    atr = average_true_range(atr, seen, atr_period, high, low, before)
    if supertrend_period == atr_period:
        reach = atr
    else:
        reach = average_true_range(reach, seen, supertrend_period, high, low, before)
    if seen >= supertrend_period:
        lower, upper, line, direction = supertrend(lower, upper, line, before, high, low, close, multiplier * reach)
        trend = trend_score(trend, direction)
    deviation = ema_deviation(close, average, atr) if seen >= atr_period else math.nan
    if day != day_before:
        top = math.nan
    highs, top = new_high_score(highs, top, close)
    return seen, close, average, atr, reach, lower, upper, line, direction, trend, deviation, day, top, highs
