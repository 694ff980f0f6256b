"""Average true range, of another period than the desk's set has.

Definition: Wilder's average of true ranges: the larger of high - low, |high - last close|, |low - last close|.
Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); Pine v5 reference manual, `ta.atr`.
Seed: the mean of the first `period` true ranges; that of the first bar is high - low.
Warm-up: `period` bars.
Differs: TradingView agrees, and so does talipp (ATR). TA-Lib (ATR) leaves the first bar out, which has no last close:
it begins one bar later, and the seed's difference dies out by 1 / period a bar.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import average_true_range
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 14}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0.0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(average, bars seen, average or sum so far)."""
    (period,) = parameters
    _, seen, value = memory
    _, _, high, low, _, _, _ = bars[at]
    value = average_true_range(value, seen + 1, period, high, low, bars[at - 1][4] if seen else nan)
    seen += 1
    return (value if seen >= period else nan), seen, value


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    return 1
