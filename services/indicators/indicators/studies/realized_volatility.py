"""Realised volatility: the size of the returns from close to close.

Definition: the square root of the mean of the squares of the last `period` log returns, times the square root of
`bars_a_day` * `days_a_year`. With both 1 it is that of one bar; of minutes of a New York session a year's is 390 * 252.
Nights count as one bar: the return from the last close of a day to the first of the next.
Source: Andersen, Bollerslev, Diebold and Labys, Modeling and Forecasting Realized Volatility, Econometrica (2003).
Seed: none; the sum of squares is kept without rounding.
Warm-up: `period` + 1 bars. Not defined while a price at or below 0 is in the window.
Differs: TradingView's Historical Volatility is the standard deviation of a sample of returns around their mean, times
the square root of 365 or 252 and 100. TA-Lib (VAR, STDDEV) and talipp (StdDev) have only what it would be made of.
"""

from __future__ import annotations

from math import log, nan, sqrt

from indicators.formulas.exact import exact, mean
from indicators.studies import Bars, Memory, Parameters

PARAMETERS = {"period": 20, "bars_a_day": 1, "days_a_year": 1}
OUTPUTS = ("",)
BEGIN = (nan, 0, 0, 0)


def step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
    """(volatility, bars seen, sum of squares, returns in the sum that are not defined)."""
    period, bars_a_day, days_a_year = parameters
    _, seen, squares, undefined = memory
    if seen:
        square, unknown = _square(bars, at)
        squares, undefined = squares + square, undefined + unknown
    if seen > period:
        square, unknown = _square(bars, at - period)
        squares, undefined = squares - square, undefined - unknown
    defined = seen >= period and not undefined
    value = sqrt(mean(squares, period)) * sqrt(bars_a_day * days_a_year) if defined else nan
    return value, min(seen + 1, period + 1), squares, undefined


def _square(bars: Bars, at: int) -> tuple[int, int]:
    close, before = bars[at][4], bars[at - 1][4]
    if close <= 0.0 or before <= 0.0:
        return 0, 1
    change = log(close) - log(before)
    return exact(change * change), 0


def warm_up(parameters: Parameters) -> int:
    """The first bar that has them all."""
    bars: int = parameters[0] + 1
    return bars


reach = warm_up
