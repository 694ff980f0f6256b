"""Commodity channel index: how far the typical price is from its average, in mean deviations.

Definition: (typical - mean) / (0.015 * mean of |typical - mean|), over the last `period` bars; typical = (high + low +
close) / 3.
Source: Donald Lambert, Commodity Channel Index, Commodities (1980); Pine v5 reference manual, `ta.cci`.
Seed: none. The mean deviation is worked out anew at each bar: it takes time in proportion to `period`.
Warm-up: `period` bars. Not defined where the last `period` typical prices are equal.
Differs: TradingView, TA-Lib (CCI) and talipp (CCI) agree but for their rounding. Where it is not defined TA-Lib says 0,
and talipp ends with an error.
"""

from __future__ import annotations

from math import fsum, nan

from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("",)
BEGIN = (nan, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(index, bars seen)."""
    (period,) = parameters
    seen = memory[1] + 1
    if seen < period:
        return nan, seen
    typical = [(bar[2] + bar[3] + bar[4]) / 3.0 for bar in bars[at - period + 1 : at + 1]]
    mean = fsum(typical) / period
    spread = fsum([abs(price - mean) for price in typical]) / period
    if min(typical) == max(typical) or not spread > 0.0:
        return nan, seen
    return (typical[-1] - mean) / (0.015 * spread), seen


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
