"""Rolling high and low: the highest high and the lowest low of the bars before this one.

Definition: the highest high and the lowest low of the `period` bars before this one: what a break-out is compared with.
Source: Pine v5 reference manual, `ta.highest(high, n)[1]`, `ta.lowest(low, n)[1]`.
Seed: none.
Warm-up: `period` + 1 bars.
Differs: TradingView's function, TA-Lib's (MAX, MIN) and talipp's channels take this bar in, as `donchian` does.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.extremes import NOTHING, highest_high, lowest_low
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("high", "low")
BEGIN = (nan, nan, 0, NOTHING, NOTHING)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(high, low, bars seen, memory of the highs, of the lows)."""
    (period,) = parameters
    _, _, seen, highs, lows = memory
    high = low = nan
    if seen:
        high, highs = highest_high(highs, period, bars, at - 1)
        low, lows = lowest_low(lows, period, bars, at - 1)
    if seen < period:
        high = low = nan
    return high, low, seen + 1, highs, lows


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + 1
    return bars


reach = warm_up
