"""Z-score of the close: how many standard deviations it is away from the average of the last closes.

Definition: (close - mean) / standard deviation, both of the last `period` closes, this one among them; the deviation is
that of all `period` values (not of a sample).
Source: the standard score of statistics; with Pine, (close - ta.sma(close, n)) / ta.stdev(close, n).
Seed: none; sum and sum of squares are kept without rounding.
Warm-up: `period` bars. Not defined where the last `period` closes are equal.
Differs: none of TradingView, TA-Lib and talipp has it as a function; of theirs it is made as above (STDDEV, StdDev).
"""

from __future__ import annotations

from math import nan

from indicators.formulas.exact import deviation, exact, mean
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(score, closes in the sums, sum, sum of squares)."""
    (period,) = parameters
    _, count, total, squares = memory
    close = bars[at][4]
    entering = exact(close)
    total += entering
    squares += entering * entering
    if count < period:
        count += 1
    else:
        leaving = exact(bars[at - period][4])
        total -= leaving
        squares -= leaving * leaving
    width = deviation(total, squares, period) if count == period else 0.0
    return ((close - mean(total, period)) / width if width > 0.0 else nan), count, total, squares


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0]
    return bars


reach = warm_up
