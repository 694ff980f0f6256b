"""Every study bar by bar against its definition over the whole series, written apart and slow."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indicators.studied import Study, chosen, study
from indicators.study_files import find

FORMULAS = find()
NAN = math.nan
Bar = tuple[int, float, float, float, float, float, bool]
Column = list[float]
PERIODS = st.integers(1, 12)


@st.composite
def series(draw: st.DrawFn) -> list[Bar]:
    """Bars on a grid of quarters, so that prices often stand still; volumes of 0, and some that nobody has said."""
    bars: list[Bar] = []
    price, day = draw(st.integers(40, 4000)), 1
    for _ in range(draw(st.integers(1, 45))):
        day += draw(st.sampled_from((0, 0, 0, 0, 0, 0, 1)))
        opened = price
        price = max(8, price + draw(st.integers(-12, 12)) * draw(st.integers(0, 1)))
        high = max(opened, price) + draw(st.integers(0, 4))
        low = min(opened, price) - draw(st.integers(0, 4))
        volume = draw(st.sampled_from((0.0, 1.0, 7.0, 300.5, 12.25, NAN)))
        bars.append((day, opened / 4, high / 4, low / 4, price / 4, volume, draw(st.booleans())))
    return bars


def said(name: str, parameters: tuple[float, ...], bars: list[Bar]) -> list[Column]:
    """One column an output, through the whole way of a series."""
    state = chosen([Study(name, FORMULAS[name], parameters)], "", "1m")
    rows = []
    for bar in bars:
        state = study(state, bar)
        rows.append(state.memories[0][: len(FORMULAS[name].outputs)])
    return [list(column) for column in zip(*rows, strict=True)]


def rolling(values: Column, period: int, of: Callable[[Column], float]) -> Column:
    """`of` the last `period` values; NaN where there are fewer, or one of them is NaN."""
    windows = [values[max(0, end - period) : end] for end in range(1, len(values) + 1)]
    return [of(window) if len(window) == period and not any(map(math.isnan, window)) else NAN for window in windows]


def rma(values: Column, period: int) -> Column:
    """Pine's `ta.rma`: the mean of the first `period` defined values, then Wilder's recursion."""
    column: Column = []
    known = [value for value in values if value == value]
    skipped, average = len(values) - len(known), NAN
    for count, value in enumerate(known, 1):
        if count == period:
            average = sum(known[:period]) / period
        elif count > period:
            average = (average * (period - 1) + value) / period
        column.append(average)
    return [NAN] * skipped + column


def ema(values: Column, period: int) -> Column:
    alpha, column = 2 / (period + 1), values[:1]
    for value in values[1:]:
        column.append(alpha * value + (1 - alpha) * column[-1])
    return column


def column(bars: list[Bar], number: int) -> Column:
    return [float(bar[number]) for bar in bars]


def typical(bars: list[Bar]) -> Column:
    return [(bar[2] + bar[3] + bar[4]) / 3 for bar in bars]


def true_ranges(bars: list[Bar], first: bool) -> Column:
    rest = [max(b[2] - b[3], abs(b[2] - a[4]), abs(b[3] - a[4])) for a, b in pairwise(bars)]
    return [bars[0][2] - bars[0][3] if first else NAN, *rest]


def weighted(window: Column) -> float:
    weights = range(1, len(window) + 1)
    return float(sum(Fraction(v) * w for v, w in zip(window, weights, strict=True)) / sum(weights))


def sma(bars: list[Bar], period: int) -> list[Column]:
    return [rolling(column(bars, 4), period, lambda window: float(sum(map(Fraction, window)) / len(window)))]


def wma(bars: list[Bar], period: int) -> list[Column]:
    return [rolling(column(bars, 4), period, weighted)]


def one_ema(bars: list[Bar], period: int) -> list[Column]:
    return [ema(column(bars, 4), period)]


def atr(bars: list[Bar], period: int) -> list[Column]:
    return [rma(true_ranges(bars, first=True), period)]


def rsi(bars: list[Bar], period: int) -> list[Column]:
    changes = [NAN, *(b[4] - a[4] for a, b in pairwise(bars))]
    up = rma([change if change != change else max(change, 0.0) for change in changes], period)
    down = rma([change if change != change else max(-change, 0.0) for change in changes], period)
    pairs = zip(up, down, strict=True)
    return [[NAN if u != u else 100.0 if d == 0 else 100 - 100 / (1 + u / d) for u, d in pairs]]


def macd(bars: list[Bar], fast: int, slow: int, signal: int) -> list[Column]:
    closes = column(bars, 4)
    line = [f - s for f, s in zip(ema(closes, fast), ema(closes, slow), strict=True)]
    average = ema(line, signal)
    hidden = max(fast, slow) + signal - 2
    columns = line, average, [a - b for a, b in zip(line, average, strict=True)]
    return [[NAN if at < hidden else value for at, value in enumerate(each)] for each in columns]


def bollinger(bars: list[Bar], period: int, deviations: float) -> list[Column]:
    middle = rolling(column(bars, 4), period, fmean)
    width = rolling(column(bars, 4), period, pstdev)
    pairs = list(zip(middle, width, strict=True))
    return [[m + deviations * w for m, w in pairs], middle, [m - deviations * w for m, w in pairs]]


def zscore(bars: list[Bar], period: int) -> list[Column]:
    closes = column(bars, 4)
    rows = zip(closes, rolling(closes, period, fmean), rolling(closes, period, pstdev), strict=True)
    return [[(close - mean) / width if width > 0 else NAN for close, mean, width in rows]]


def donchian(bars: list[Bar], period: int) -> list[Column]:
    upper, lower = rolling(column(bars, 2), period, max), rolling(column(bars, 3), period, min)
    return [upper, [(u + d) / 2 for u, d in zip(upper, lower, strict=True)], lower]


def rolling_extremes(bars: list[Bar], period: int) -> list[Column]:
    return [[NAN, *each[:-1]] for each in (donchian(bars, period)[0], donchian(bars, period)[2])]


def keltner(bars: list[Bar], period: int, multiplier: float, atr_period: int) -> list[Column]:
    rows = list(zip(ema(column(bars, 4), period), rma(true_ranges(bars, first=True), atr_period), strict=True))
    begin = max(period, atr_period) - 1
    signs = (1, 0, -1)
    return [[NAN if at < begin else m + sign * multiplier * r for at, (m, r) in enumerate(rows)] for sign in signs]


def adx(bars: list[Bar], period: int, smoothing: int) -> list[Column]:
    plus, minus = [NAN], [NAN]
    for before, bar in pairwise(bars):
        up, down = bar[2] - before[2], before[3] - bar[3]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    ranges = rma(true_ranges(bars, first=False), period)
    directions = [
        [NAN if r != r else 100 * m / r if r > 0 else 0.0 for m, r in zip(rma(moves, period), ranges, strict=True)]
        for moves in (plus, minus)
    ]
    strength = [100 * abs(p - m) / (p + m) if p + m > 0 else p + m for p, m in zip(*directions, strict=True)]
    return [rma(strength, smoothing), *directions]


def stochastic(bars: list[Bar], period: int, smooth: int, signal: int) -> list[Column]:
    rows = zip(bars, *donchian(bars, period)[::2], strict=True)
    raw = [100 * (bar[4] - low) / (high - low) if high > low else NAN for bar, high, low in rows]
    k = rolling(raw, smooth, fmean)
    return [k, rolling(k, signal, fmean)]


def cci(bars: list[Bar], period: int) -> list[Column]:
    def index(window: Column) -> float:
        mean = fmean(window)
        spread = fmean([abs(price - mean) for price in window])
        return (window[-1] - mean) / (0.015 * spread) if len(set(window)) > 1 else NAN

    return [rolling(typical(bars), period, index)]


def obv(bars: list[Bar], continuous: int) -> list[Column]:
    values, total = [0.0], 0.0
    for before, bar in pairwise(bars):
        if before[0] != bar[0] and not continuous:
            total = 0.0
            values.append(total)
            continue
        total += 0.0 if bar[5] != bar[5] else bar[5] * ((bar[4] > before[4]) - (bar[4] < before[4]))
        values.append(NAN if bar[5] != bar[5] else total)
    return [values]


def mfi(bars: list[Bar], period: int) -> list[Column]:
    flows = [NAN]
    for (before, price), (_, bar) in zip(pairwise(typical(bars)), pairwise(bars), strict=True):
        flows.append(price * bar[5] * ((price > before) - (price < before)))

    def index(window: Column) -> float:
        rising, both = sum(flow for flow in window if flow > 0), sum(map(abs, window))
        return 100 * rising / both if both else NAN

    return [rolling(flows, period, index)]


def realized_volatility(bars: list[Bar], period: int, bars_a_day: int, days_a_year: int) -> list[Column]:
    returns = [NAN, *(math.log(b[4] / a[4]) for a, b in pairwise(bars))]
    scale = bars_a_day * days_a_year
    return [rolling(returns, period, lambda window: math.sqrt(fmean([r * r for r in window]) * scale))]


def pivot_points(bars: list[Bar]) -> list[Column]:
    rows = []
    for bar in bars:
        days = sorted({each[0] for each in bars if each[0] < bar[0] and each[6]})
        last = [each for each in bars if days and each[0] == days[-1] and each[6]]
        if not last:
            rows.append([NAN] * 7)
            continue
        high, low, close = max(b[2] for b in last), min(b[3] for b in last), last[-1][4]
        p = (high + low + close) / 3
        up, down = 2 * (p - low), 2 * (high - p)
        rows.append([p, 2 * p - low, 2 * p - high, p + high - low, p - high + low, high + up, low - down])
    return [list(each) for each in zip(*rows, strict=True)]


DEFINITIONS: dict[str, tuple[Callable[..., list[Column]], tuple[Any, ...]]] = {
    "sma": (sma, (PERIODS,)),
    "wma": (wma, (PERIODS,)),
    "ema": (one_ema, (PERIODS,)),
    "atr": (atr, (PERIODS,)),
    "rsi": (rsi, (PERIODS,)),
    "macd": (macd, (PERIODS, PERIODS, PERIODS)),
    "bollinger": (bollinger, (PERIODS, st.sampled_from((0.5, 2.0, 3.0)))),
    "zscore": (zscore, (PERIODS,)),
    "donchian": (donchian, (PERIODS,)),
    "rolling": (rolling_extremes, (PERIODS,)),
    "keltner": (keltner, (PERIODS, st.sampled_from((0.5, 2.0)), PERIODS)),
    "adx": (adx, (PERIODS, PERIODS)),
    "stochastic": (stochastic, (PERIODS, st.integers(1, 4), st.integers(1, 4))),
    "cci": (cci, (PERIODS,)),
    "obv": (obv, (st.sampled_from((0, 1)),)),
    "mfi": (mfi, (PERIODS,)),
    "realized_volatility": (realized_volatility, (PERIODS, st.sampled_from((1, 390)), st.sampled_from((1, 252)))),
    "pivot_points": (pivot_points, ()),
}


def test_every_study_has_its_definition_here() -> None:
    assert DEFINITIONS.keys() == FORMULAS.keys()


@pytest.mark.parametrize("name", DEFINITIONS)
def test_bar_by_bar_is_the_definition_over_the_whole_series(name: str) -> None:
    definition, drawn = DEFINITIONS[name]

    @given(bars=series(), parameters=st.tuples(*drawn))
    @settings(max_examples=40, deadline=None)
    def agrees(bars: list[Bar], parameters: tuple[Any, ...]) -> None:
        expected = definition(bars, *parameters)
        for ours, theirs in zip(said(name, parameters, bars), expected, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)

    agrees()


@pytest.mark.parametrize("name", DEFINITIONS)
def test_defined_from_the_bar_that_is_said(name: str) -> None:
    """Of prices and volumes that always move; and not one bar sooner, for the output that is last."""
    formula = FORMULAS[name]
    parameters = tuple(formula.parameters.values())
    bars = [(1 + at // 40, *([100.0 + at % 7 + at / 9] * 4), 5.0 + at % 3, True) for at in range(80)]
    bars = [(day, o, h + 1, low - 1, c, v, r) for day, o, h, low, c, v, r in bars]
    rows = list(zip(*said(name, parameters, bars), strict=True))
    first = next(at for at, row in enumerate(rows, 1) if not any(map(math.isnan, row)))
    assert first == (41 if name == "pivot_points" else formula.warm_up(parameters))
    assert not any(math.isnan(value) for row in rows[first:] for value in row)


@pytest.mark.parametrize("name", ["sma", "wma", "bollinger", "zscore"])
def test_window_says_the_same_wherever_the_series_began(name: str) -> None:
    """To the bit: after a restart the desk begins with the bars that the stream still has."""

    @given(
        prices=st.lists(st.floats(1e-12, 1e12), min_size=30, max_size=60),
        period=st.integers(1, 9),
    )
    @settings(max_examples=20, deadline=None)
    def agrees(prices: list[float], period: int) -> None:
        bars = [(1, price, price, price, price, 1.0, True) for price in prices]
        parameters = (period, *list(FORMULAS[name].parameters.values())[1:])
        whole = said(name, parameters, bars)
        for begin in (1, 7, 20):
            later = said(name, parameters, bars[begin:])
            for ours, theirs in zip(later, whole, strict=True):
                assert list(map(repr, ours[period - 1 :])) == list(map(repr, theirs[begin + period - 1 :]))

    agrees()
