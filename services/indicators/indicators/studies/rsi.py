"""Relative strength index: how much of the movement between closes went up, from 0 to 100.

Definition: 100 * up / (up + down), where up and down are Wilder's averages of the rises and of the falls of the close.
Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); Pine v5 reference manual, `ta.rsi`.
Seed: the means of the first `period` rises and falls.
Warm-up: `period` + 1 bars. 100 where nothing has moved at all, as in Pine's source.
Differs: TradingView, TA-Lib (RSI) and talipp (RSI) agree but for a price that has not moved since the first bar: TA-Lib
says 0 there.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import wilder
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 14}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0.0, 0.0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(index, bars seen, up, down)."""
    (period,) = parameters
    _, seen, up, down = memory
    if seen:
        change = bars[at][4] - bars[at - 1][4]
        up = wilder(up, seen, period, change if change > 0.0 else 0.0)
        down = wilder(down, seen, period, -change if change < 0.0 else 0.0)
    seen += 1
    if seen <= period:
        return nan, seen, up, down
    return (100.0 * up / (up + down) if down > 0.0 else 100.0), seen, up, down


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + 1
    return bars


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    return 1
