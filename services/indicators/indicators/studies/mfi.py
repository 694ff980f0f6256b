"""Money flow index: how much of the money went into rising bars, from 0 to 100.

Definition: 100 * rising / (rising + falling): the sums of typical price * volume over those of the last `period` bars
whose typical price (high + low + close) / 3 is above, and below, that of the bar before.
Source: Gene Quong and Avrum Soudack, Technical Analysis of Stocks & Commodities (1989); Pine v5 manual, `ta.mfi`.
Seed: none; both sums are kept without rounding.
Warm-up: `period` + 1 bars. Not defined where nothing flowed, or a volume in the window was not stated.
Differs: TradingView counts the first bar of all as rising, and begins one bar earlier. TA-Lib (MFI) says 0 where less
than 1 flowed in all, which for volumes of a fraction is often. talipp has none.
"""

from __future__ import annotations

from math import nan

from indicators.formulas.exact import exact
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 14}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(index, bars seen, rising, falling, bars in the sums without a volume)."""
    (period,) = parameters
    _, seen, rising, falling, unstated = memory
    if seen:
        up, down, unknown = _flow(bars, at)
        rising, falling, unstated = rising + up, falling + down, unstated + unknown
    if seen > period:
        up, down, unknown = _flow(bars, at - period)
        rising, falling, unstated = rising - up, falling - down, unstated - unknown
    both = rising + falling
    defined = seen >= period and not unstated and both > 0
    return (100 * rising / both if defined else nan), min(seen + 1, period + 1), rising, falling, unstated


def _flow(bars: Bars, at: int) -> tuple[int, int, int]:
    _, _, high, low, close, volume, _ = bars[at]
    _, _, high_before, low_before, close_before, _, _ = bars[at - 1]
    if volume != volume:
        return 0, 0, 1
    typical, before = (high + low + close) / 3.0, (high_before + low_before + close_before) / 3.0
    if typical > before:
        return exact(typical * volume), 0, 0
    return 0, exact(typical * volume) if typical < before else 0, 0


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + 1
    return bars


reach = warm_up
