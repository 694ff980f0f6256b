"""The averages. Owns how each is seeded; must not know what is made of them.

All step by a fraction of the difference, `before + alpha * (source - before)`. That is Pine's `alpha * source +
(1 - alpha) * before` in fewer operations, and exact while nothing changes: the average of one price is that price.
"""

from __future__ import annotations


def ema(average: float, source: float, alpha: float) -> float:
    """Take the exponential moving average one value on.

    `average` is the last one, NaN before the first value, which seeds it; alpha = 2 / (period + 1). Defined from the
    first value on. Source: Pine v5 reference manual, `ta.ema` (`pine_ema`).
    """
    if average == average:
        return average + alpha * (source - average)
    return source


def average_true_range(value: float, seen: int, period: int, high: float, low: float, previous_close: float) -> float:
    """Take the average true range one bar on.

    A bar's true range is how far the price went, the gap from the last close included; the first bar has no last close
    (NaN) and goes from high to low. `seen` counts the bars up to and with this one. Below `period` the result is the
    sum of true ranges so far, which is not an average yet (Pine: `na`); at `period` it is their mean; from then on
    Wilder's average, alpha = 1 / period. Start from 0. Source: Pine v5 reference manual, `ta.tr(true)`, `ta.rma`
    (`pine_rma`), `ta.atr` (`pine_atr`).
    """
    # To the bit max(high - low, abs(high - previous close), abs(low - previous close)), at a third of the cost
    if previous_close > high:
        true_range = previous_close - low
    elif previous_close < low:
        true_range = high - previous_close
    else:
        true_range = high - low
    if seen > period:
        return value + (true_range - value) / period
    value += true_range
    return value / period if seen == period else value


def wilder(value: float, seen: int, period: int, source: float) -> float:
    """Take Wilder's average one value on; alpha = 1 / period.

    `seen` counts the values up to and with this one. Below `period` the result is their sum so far, which is no average
    yet; at `period` it is their mean. Start from 0. Source: Pine v5 reference manual, `ta.rma` (`pine_rma`).
    """
    if seen > period:
        return value + (source - value) / period
    value += source
    return value / period if seen == period else value
