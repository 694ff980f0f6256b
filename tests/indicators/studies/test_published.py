"""Worked examples that others have published: StockCharts ChartSchool's sheets, to their four digits and more."""

from __future__ import annotations

import pytest
from indicators.study_files import find

FORMULAS = find()

RSI_SHEET = (  # chartschool.stockcharts.com, Relative Strength Index (RSI), cs-rsi.xls: close, RSI(14)
    (44.3389, None), (44.0902, None), (44.1497, None), (43.6124, None), (44.3278, None), (44.8264, None),
    (45.0955, None), (45.4245, None), (45.8433, None), (46.0826, None), (45.8931, None), (46.0328, None),
    (45.614, None), (46.282, None), (46.282, 70.5328), (46.0028, 66.3186), (46.0328, 66.5498), (46.4116, 69.4063),
    (46.2222, 66.3552), (45.6439, 57.9749), (46.2122, 62.9296), (46.2521, 63.2571), (45.7137, 56.0593),
    (46.4515, 62.3771), (45.7835, 54.7076), (45.3548, 50.4228), (44.0288, 39.9898), (44.1783, 41.4605),
    (44.2181, 41.8689), (44.5672, 45.4632), (43.4205, 37.304), (42.6628, 33.0795), (43.1314, 37.773),
)  # fmt: skip
ATR_SHEET = (  # the same, Average True Range (ATR), cs-atr.xls: high, low, close, ATR(14)
    (48.7, 47.79, 48.16, None), (48.72, 48.14, 48.61, None), (48.9, 48.39, 48.75, None), (48.87, 48.37, 48.63, None),
    (48.82, 48.24, 48.74, None), (49.05, 48.635, 49.03, None), (49.2, 48.94, 49.07, None), (49.35, 48.86, 49.32, None),
    (49.92, 49.5, 49.91, None), (50.19, 49.87, 50.13, None), (50.12, 49.2, 49.53, None), (49.66, 48.9, 49.5, None),
    (49.88, 49.43, 49.75, None), (50.19, 49.725, 50.03, 0.555), (50.36, 49.26, 50.31, 0.593929),
    (50.57, 50.09, 50.52, 0.585791), (50.65, 50.3, 50.41, 0.568949), (50.43, 49.21, 49.34, 0.615452),
    (49.63, 48.98, 49.37, 0.61792), (50.33, 49.61, 50.23, 0.642354), (50.29, 49.2, 49.2375, 0.674329),
    (50.17, 49.43, 49.93, 0.69277), (49.32, 48.08, 48.43, 0.775429), (48.5, 47.64, 48.18, 0.78147),
    (48.3201, 41.55, 46.57, 1.209229), (46.8, 44.2833, 45.41, 1.30262), (47.8, 47.31, 47.77, 1.38029),
    (48.39, 47.2, 47.72, 1.366698), (48.66, 47.9, 48.62, 1.336219), (48.79, 47.7301, 47.85, 1.316482),
)  # fmt: skip
BANDS_CLOSES = (  # the same, Bollinger Bands, cs-bbands.xls: close
    86.1557, 89.0867, 88.7829, 90.3228, 89.0671, 91.1453, 89.4397, 89.175, 86.9302, 87.6752, 86.9596, 89.4299, 89.3221,
    88.7241, 87.4497, 87.2634, 89.4985, 87.9006, 89.126, 90.7043, 92.9001, 92.9784, 91.8021, 92.6647, 92.6843, 92.3021,
)  # fmt: skip
BANDS = (  # upper, middle, lower from the 20th close on
    (91.291862, 88.70794, 86.124018), (91.949268, 89.04516, 86.141052), (92.612595, 89.239745, 85.866895),
    (92.9342, 89.390705, 85.84721), (93.31195, 89.5078, 85.70365), (93.72845, 89.68866, 85.64887),
    (93.899592, 89.7465, 85.593408),
)  # fmt: skip


def said(name: str, prices: list[tuple[float, float, float]]) -> list[tuple[float, ...]]:
    """The outputs of a study with its own parameters over (high, low, close)."""
    formula = FORMULAS[name]
    parameters = tuple(formula.parameters.values())
    bars = [(1, close, high, low, close, 1.0, True) for high, low, close in prices]
    memory, rows = formula.begin, []
    for at in range(len(bars)):
        memory = formula.step(memory, parameters, bars, at)
        rows.append(memory[: len(formula.outputs)])
    return rows


def defined(rows: list[tuple[float, ...]]) -> list[float | None]:
    return [value if value == value else None for (value,) in rows]


def test_rsi_is_chart_schools() -> None:
    column = defined(said("rsi", [(close, close, close) for close, _ in RSI_SHEET]))
    for value, (_, expected) in zip(column, RSI_SHEET, strict=True):
        assert value == (None if expected is None else pytest.approx(expected, abs=1e-3))


def test_atr_is_chart_schools() -> None:
    column = defined(said("atr", [row[:3] for row in ATR_SHEET]))
    for value, (*_, expected) in zip(column, ATR_SHEET, strict=True):
        assert value == (None if expected is None else pytest.approx(expected, abs=2e-6))


def test_bollinger_bands_are_chart_schools() -> None:
    rows = said("bollinger", [(close, close, close) for close in BANDS_CLOSES])
    assert [row == row for row in rows[:19]] == [True] * 19
    assert all(value != value for row in rows[:19] for value in row)
    for row, expected in zip(rows[19:], BANDS, strict=True):
        assert row == pytest.approx(expected, abs=1e-5)


def test_simple_average_is_chart_schools() -> None:
    """chartschool.stockcharts.com, Moving Averages: closes 11 to 17, five days."""
    formula, memory, column = FORMULAS["sma"], FORMULAS["sma"].begin, []
    bars = [(1, price, price, price, price, 1.0, True) for price in map(float, range(11, 18))]
    for at in range(len(bars)):
        memory = formula.step(memory, (5,), bars, at)
        column.append(memory[0])
    assert column[4:] == [13.0, 14.0, 15.0]


def test_pivot_points_of_a_day() -> None:
    """The floor traders' arithmetic by hand: high 110, low 100, close 105."""
    formula, memory = FORMULAS["pivot_points"], FORMULAS["pivot_points"].begin
    bars = [
        (1, 104.0, 200.0, 1.0, 104.0, 1.0, False),  # before the open: not the day's
        (1, 104.0, 110.0, 101.0, 104.0, 1.0, True),
        (1, 104.0, 106.0, 100.0, 105.0, 1.0, True),
        (1, 300.0, 300.0, 300.0, 300.0, 1.0, False),  # after the close
        (2, 106.0, 107.0, 106.0, 107.0, 1.0, False),
    ]
    rows = []
    for at in range(len(bars)):
        memory = formula.step(memory, (), bars, at)
        rows.append(dict(zip(formula.outputs, memory, strict=False)))
    assert all(value != value for row in rows[:4] for value in row.values())
    assert rows[4] == {"p": 105.0, "r1": 110.0, "s1": 100.0, "r2": 115.0, "s2": 95.0, "r3": 120.0, "s3": 90.0}
