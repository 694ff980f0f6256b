"""Keltner channel: an average of closes, and bands at so many average true ranges.

Definition: middle = EMA(close, period); upper, lower = middle +- `multiplier` * ATR(atr_period), Wilder's.
Source: Linda Bradford Raschke's form of Chester Keltner's channel; TradingView, built-in indicator Keltner Channels.
Seed: that of `ema` and that of `atr`.
Warm-up: the larger of both periods.
Differs: TradingView's built-in indicator agrees; its function `ta.kc` takes an EMA of the true range instead of
Wilder's average. talipp (KeltnerChannels) seeds the EMA with a simple average. TA-Lib has none.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import average_true_range, ema
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20, "multiplier": 2.0, "atr_period": 10}
OUTPUTS = ("upper", "middle", "lower")
BEGIN = (nan, nan, nan, 0, nan, 0.0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(upper, middle, lower, bars seen, average, average true range or sum so far)."""
    period, multiplier, atr_period = parameters
    _, _, _, seen, average, ranges = memory
    _, _, high, low, close, _, _ = bars[at]
    ranges = average_true_range(ranges, seen + 1, atr_period, high, low, bars[at - 1][4] if seen else nan)
    average = ema(average, close, 2.0 / (period + 1.0))
    seen += 1
    if seen < warm_up(parameters):
        return nan, nan, nan, seen, average, ranges
    return average + multiplier * ranges, average, average - multiplier * ranges, seen, average, ranges


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = max(parameters[0], parameters[2])
    return bars


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    return 1
