"""Weighted moving average of the close: the newest weighs most.

Definition: the sum of close * weight over the sum of weights; the newest of the last `period` closes weighs `period`,
the one before it one less, the oldest 1.
Source: Pine v5 reference manual, `ta.wma` (`pine_wma`).
Seed: none; both sums are kept without rounding.
Warm-up: `period` bars.
Differs: TradingView, TA-Lib (WMA) and talipp (WMA) agree but for their rounding.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.exact import exact, mean
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(average, closes in the sums, sum, weighted sum)."""
    (period,) = parameters
    _, count, total, weighted = memory
    close = exact(bars[at][4])
    if count < period:
        count += 1
        weighted += count * close
    else:
        weighted += period * close - total
        total -= exact(bars[at - period][4])
    total += close
    return (mean(weighted, period * (period + 1) // 2) if count == period else nan), count, total, weighted


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
