"""Average directional index: how strongly a price moves in one direction, from 0 to 100, and the two directions.

Definition: +DM is the rise of the high where it is above 0 and above the fall of the low, else 0, and -DM the other way
round; +DI, -DI = 100 * Wilder's averages of them over that of the true range; ADX = Wilder's average, over `smoothing`
bars, of 100 * |+DI - -DI| / (+DI + -DI). What has not moved at all has +DI and -DI 0, and adds 0.
Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); Pine v5 reference manual, `ta.dmi`.
Seed: the means of the first `period` values, from the second bar on; of ADX the mean of the first `smoothing` ones.
Warm-up: `period` + 1 bars for +DI and -DI, `period` + `smoothing` for ADX.
Differs: TradingView agrees. TA-Lib (ADX, PLUS_DI, MINUS_DI) begins with the sum of the first `period` - 1 values and
takes the next one as Wilder's average does; talipp (ADX) counts the first bar's true range in +DI and -DI. Both come
within a hundredth of a point after some 10 periods.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import average_true_range, wilder
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 14, "smoothing": 14}
OUTPUTS = ("adx", "plus_di", "minus_di")
BEGIN = (nan, nan, nan, 0, 0.0, 0.0, 0.0, 0.0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(ADX, +DI, -DI, bars seen, and averages or sums so far: true range, +DM, -DM, DX)."""
    period, smoothing = parameters
    seen, ranges, plus, minus, strength = memory[3:]
    if not seen:
        return nan, nan, nan, 1, ranges, plus, minus, strength
    _, _, high, low, _, _, _ = bars[at]
    _, _, high_before, low_before, close_before, _, _ = bars[at - 1]
    rise, fall = high - high_before, low_before - low
    ranges = average_true_range(ranges, seen, period, high, low, close_before)
    plus = wilder(plus, seen, period, rise if rise > fall and rise > 0.0 else 0.0)
    minus = wilder(minus, seen, period, fall if fall > rise and fall > 0.0 else 0.0)
    seen += 1
    if seen <= period:
        return nan, nan, nan, seen, ranges, plus, minus, strength
    plus_di = 100.0 * plus / ranges if ranges > 0.0 else 0.0
    minus_di = 100.0 * minus / ranges if ranges > 0.0 else 0.0
    both = plus_di + minus_di
    strength = wilder(strength, seen - period, smoothing, 100.0 * abs(plus_di - minus_di) / both if both > 0.0 else 0.0)
    adx = strength if seen - period >= smoothing else nan
    return adx, plus_di, minus_di, seen, ranges, plus, minus, strength


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + parameters[1]
    return bars


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    return 1
