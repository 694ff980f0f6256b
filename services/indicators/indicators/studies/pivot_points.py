"""Pivot points of the day: levels made of the high, low and close of the trading day before.

Definition: p = (high + low + close) / 3; r1, s1 = 2p - low, 2p - high; r2, s2 = p +- (high - low);
r3, s3 = high + 2(p - low), low - 2(high - p): of the regular hours of the last trading day that had a bar in them.
Source: the floor traders' method; TradingView, built-in indicator Pivot Points Standard, type Traditional.
Seed: none.
Warm-up: the first bar of the second trading day.
Differs: TradingView agrees (it has r4, r5 and s4, s5 too). TA-Lib has none. talipp (PivotsHL) has local highs and lows
under a name like it.
"""

from __future__ import annotations

from math import nan

from indicators.studies import Bars, Memory, Parameters

PARAMETERS: dict[str, int] = {}
OUTPUTS = ("p", "r1", "s1", "r2", "s2", "r3", "s3")
BEGIN = (*[nan] * 7, 0, nan, nan, nan)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(seven levels, trading day, and of its regular hours so far: high, low, close)."""
    levels, (day_before, top, bottom, last) = memory[:7], memory[7:]
    day, _, high, low, close, _, regular = bars[at]
    if day != day_before:
        if top == top:
            levels = _levels(top, bottom, last)
        top = bottom = last = nan
    if regular:
        top = high if top != top or high > top else top
        bottom = low if bottom != bottom or low < bottom else bottom
        last = close
    return (*levels, day, top, bottom, last)


def _levels(high: float, low: float, close: float) -> tuple[float, ...]:
    p, reach = (high + low + close) / 3.0, high - low
    return p, 2 * p - low, 2 * p - high, p + reach, p - reach, high + 2 * (p - low), low - 2 * (high - p)
