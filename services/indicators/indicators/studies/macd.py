"""Moving average convergence and divergence: a fast average less a slow one, and that difference's own average.

Definition: line = EMA(close, fast) - EMA(close, slow); signal = EMA(line, signal); histogram = line - signal.
Source: Gerald Appel, Technical Analysis: Power Tools for Active Investors (2005); Pine v5 reference manual, `ta.macd`.
Seed: each EMA is seeded with its first value, so that the line begins at 0.
Warm-up: `slow` + `signal` - 1 bars, where the others say their first value; before that it would be the seed's.
Differs: TradingView's function has a value from the first bar on. TA-Lib (MACD) seeds each average with a simple one,
the fast one `slow` - `fast` bars late; talipp (MACD) seeds each with a simple one. The differences die out with
the slow average's seed: below 0.01 % of it after 5 * `slow` bars.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.averages import ema
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"fast": 12, "slow": 26, "signal": 9}
OUTPUTS = ("line", "signal", "histogram")
BEGIN = (nan, nan, nan, 0, nan, nan, nan)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(line, signal, histogram, bars seen, fast average, slow average, average of the line)."""
    fast, slow, signal = parameters
    _, _, _, seen, fast_average, slow_average, average = memory
    close = bars[at][4]
    fast_average = ema(fast_average, close, 2.0 / (fast + 1.0))
    slow_average = ema(slow_average, close, 2.0 / (slow + 1.0))
    line = fast_average - slow_average
    average = ema(average, line, 2.0 / (signal + 1.0))
    seen += 1
    if seen < warm_up(parameters):
        return nan, nan, nan, seen, fast_average, slow_average, average
    return line, average, line - average, seen, fast_average, slow_average, average


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = max(parameters[:2]) + parameters[2] - 1
    return bars
