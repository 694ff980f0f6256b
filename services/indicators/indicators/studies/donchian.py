"""Donchian channel: the highest high and the lowest low of the last bars, this one among them.

Definition: upper = highest high, lower = lowest low of the last `period` bars; middle = their mean.
Source: Richard Donchian's four-week rule; TradingView, built-in indicator Donchian Channels (`ta.highest(length)`).
Seed: none.
Warm-up: `period` bars.
Differs: TradingView and talipp (DonchianChannels) agree. TA-Lib has its parts, MAX and MIN. `rolling` leaves this bar
out, which is what a break-out is compared with.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.extremes import NOTHING, highest_high, lowest_low
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("upper", "middle", "lower")
BEGIN = (nan, nan, nan, 0, NOTHING, NOTHING)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(upper, middle, lower, bars seen, memory of the highs, of the lows)."""
    (period,) = parameters
    seen, highs, lows = memory[3:]
    upper, highs = highest_high(highs, period, bars, at)
    lower, lows = lowest_low(lows, period, bars, at)
    seen += 1
    if seen < period:
        return nan, nan, nan, seen, highs, lows
    return upper, lower + (upper - lower) / 2.0, lower, seen, highs, lows


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
