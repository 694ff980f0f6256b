"""Simple moving average of the close.

Definition: the mean of the last `period` closes.
Source: Pine v5 reference manual, `ta.sma`.
Seed: none; the sum is kept without rounding, so that the value is that of its window alone.
Warm-up: `period` bars.
Differs: TradingView, TA-Lib (SMA) and talipp (SMA) agree but for their rounding: a running sum of floats drifts.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.exact import exact, mean
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(average, closes in the sum, sum)."""
    (period,) = parameters
    _, count, total = memory
    total += exact(bars[at][4])
    if count < period:
        count += 1
    else:
        total -= exact(bars[at - period][4])
    return (mean(total, count) if count == period else nan), count, total


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
