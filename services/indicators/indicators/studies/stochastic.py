"""Stochastic: where the close is between the lowest low and the highest high of the last bars, from 0 to 100.

Definition: raw = 100 * (close - lowest low) / (highest high - lowest low) of the last `period` bars; k = mean of the
last `smooth` raw values; d = mean of the last `signal` values of k. With `smooth` 1 it is the fast one, with 3 the
slow one.
Source: George Lane; Pine v5 reference manual, `ta.stoch`; TradingView, built-in indicator Stochastic.
Seed: none.
Warm-up: `period` + `smooth` - 1 bars for k, `signal` - 1 more for d. Not defined while a bar without any range over
`period` bars is among what is averaged.
Differs: TradingView agrees. TA-Lib (STOCHF, STOCH; the defaults of STOCH are 5, 3, 3) says k only from where d is
defined, and takes 0 for a raw value without a range; talipp (Stoch) takes 100, and does not smooth k.
"""

from __future__ import annotations

from math import fsum, nan

from indicators.formulas.extremes import NOTHING, highest_high, lowest_low
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 14, "smooth": 1, "signal": 3}
OUTPUTS = ("k", "d")
BEGIN = (nan, nan, 0, NOTHING, NOTHING, (), ())


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(k, d, bars seen, memory of the highs, of the lows, last raw values, last values of k)."""
    period, smooth, signal = parameters
    _, _, seen, highs, lows, raws, ks = memory
    top, highs = highest_high(highs, period, bars, at)
    bottom, lows = lowest_low(lows, period, bars, at)
    seen += 1
    if seen < period:
        return nan, nan, seen, highs, lows, raws, ks
    raws = (
        *raws[-smooth + 1 :] * (smooth > 1),
        100.0 * (bars[at][4] - bottom) / (top - bottom) if top > bottom else nan,
    )
    if len(raws) < smooth:
        return nan, nan, seen, highs, lows, raws, ks
    ks = (*ks[-signal + 1 :] * (signal > 1), fsum(raws) / smooth)
    return ks[-1], (fsum(ks) / signal if len(ks) == signal else nan), seen, highs, lows, raws, ks


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + parameters[1] + parameters[2] - 2
    return bars


def reach(parameters: Parameters) -> int:
    """How many bars behind this one are looked at."""
    bars: int = parameters[0]
    return bars
