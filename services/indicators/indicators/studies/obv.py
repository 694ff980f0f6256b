"""On-balance volume: the volume of the bars that closed higher, less that of those that closed lower.

Definition: + volume where the close is above the last one, - volume where it is below it, else unchanged. The sum
begins with each trading day, at 0 with its first bar; with `continuous` 1 it goes on for as long as the series does.
Source: Joseph Granville, New Key to Stock Market Profits (1963); Pine v5 reference manual, `ta.obv`.
Seed: 0. Only its changes mean anything, and a continuous one depends on the bar that the desk's memory begins with:
that is why a day's is the default, which no restart changes.
Warm-up: defined from the first bar. A bar without a stated volume adds nothing, and is not defined itself.
Differs: TradingView, TA-Lib (OBV) and talipp (OBV) never begin anew; the latter two begin with the first volume, and so
are higher by it all the time.
"""

from __future__ import annotations

from math import nan

from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"continuous": 0}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0.0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(volume, bars seen, sum)."""
    _, seen, total = memory
    day, _, _, _, close, volume, _ = bars[at]
    if not seen or (day != bars[at - 1][0] and not parameters[0]):
        return 0.0, 1, 0.0
    if volume != volume:
        return nan, seen, total
    before = bars[at - 1][4]
    if close > before:
        total += volume
    elif close < before:
        total -= volume
    return total, seen, total


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    return 1
