"""Bollinger bands: the average of closes, and bands at so many standard deviations.

Definition: middle = mean of the last `period` closes; upper, lower = middle +- `deviations` * their standard deviation,
that of all `period` values (not of a sample).
Source: John Bollinger, Bollinger on Bollinger Bands (2001); Pine v5 reference manual, `ta.bb`.
Seed: none; sum and sum of squares are kept without rounding, so that a price that stands still has no width at all.
Warm-up: `period` bars.
Differs: TradingView, TA-Lib (BBANDS) and talipp (BB) agree but for their rounding.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.exact import deviation, exact, mean
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20, "deviations": 2.0}
OUTPUTS = ("upper", "middle", "lower")
BEGIN = (nan, nan, nan, 0, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(upper, middle, lower, closes in the sums, sum, sum of squares)."""
    period, deviations = parameters
    _, _, _, count, total, squares = memory
    entering = exact(bars[at][4])
    total += entering
    squares += entering * entering
    if count < period:
        count += 1
    else:
        leaving = exact(bars[at - period][4])
        total -= leaving
        squares -= leaving * leaving
    if count < period:
        return nan, nan, nan, count, total, squares
    middle, width = mean(total, period), deviations * deviation(total, squares, period)
    return middle + width, middle, middle - width, count, total, squares


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
