"""The two moving averages and the true range. Owns how each is seeded; must not know what is averaged."""

from __future__ import annotations


def ema(previous: float, source: float, period: int) -> float:
    """Take the exponential moving average one value on.

    `previous` is the last average, NaN before the first value, which seeds it; alpha = 2 / (period + 1). Defined from
    the first value on. Source: Pine v5 reference manual, `ta.ema` (`pine_ema`).
    """
    if previous != previous:
        return source
    alpha = 2.0 / (period + 1.0)
    return alpha * source + (1.0 - alpha) * previous


def rma(value: float, source: float, period: int, seen: int) -> float:
    """Take Wilder's moving average one value on.

    `seen` counts the values up to and with this one. Below `period` the result is the sum so far, which is not an
    average yet (Pine: `na`); at `period` it is the simple average; from then on alpha = 1 / period. Start from 0.
    Source: Pine v5 reference manual, `ta.rma` (`pine_rma`), which `ta.atr` is made of.
    """
    if seen > period:
        alpha = 1.0 / period
        return alpha * source + (1.0 - alpha) * value
    total = value + source
    return total / period if seen == period else total


def true_range(high: float, low: float, previous_close: float) -> float:
    """Measure how far the price went in a bar, the gap from the last close included.

    `previous_close` is NaN on the first bar, whose true range is high - low. The same figure, to the bit, as Pine's
    max(high - low, abs(high - close[1]), abs(low - close[1])), at a third of the cost. Source: `ta.tr(true)`.
    """
    if previous_close > high:
        return previous_close - low
    if previous_close < low:
        return high - previous_close
    return high - low
