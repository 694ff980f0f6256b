"""The reference: Pine's definitions once more, as a table with one column an indicator. Slow, and written apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile
from typing import Any

import pytest

Bars = Sequence[tuple[int, float, float, float]]
"""Trading day, high, low, close."""

MINUTES_A_DAY = 1440


def _rma(values: list[float], length: int) -> list[float | None]:
    column: list[float | None] = []
    for index, value in enumerate(values):
        before = column[-1] if column else None
        if before is not None:
            column.append(before + (value - before) / length)  # in this form a tie with a band stays one
        else:
            window = values[max(0, index - length + 1) : index + 1]
            column.append(sum(window) / length if len(window) == length else None)
    return column


def _true_ranges(bars: Bars) -> list[float]:
    ranges = [bars[0][1] - bars[0][2]]
    for (_, _, _, close), (_, high, low, _) in pairwise(bars):
        ranges.append(max(high - low, abs(high - close), abs(low - close)))
    return ranges


def _ema(closes: list[float], length: int) -> list[float]:
    column = closes[:1]
    for close in closes[1:]:
        column.append(column[-1] + 2 / (length + 1) * (close - column[-1]))
    return column


def _less(left: float | None, right: float | None) -> bool:
    """`na` compares false."""
    return left is not None and right is not None and left < right


def _supertrend(bars: Bars, factor: float, length: int) -> tuple[list[float | None], list[int]]:
    """`pine_supertrend`, with Pine's direction turned round: 1 is up here."""
    atr = _rma(_true_ranges(bars), length)
    lowers: list[float | None] = []
    uppers: list[float | None] = []
    lines: list[float | None] = []
    directions: list[int] = []
    for index, (_, high, low, close) in enumerate(bars):
        reach = atr[index]
        lower = None if reach is None else (high + low) / 2 - factor * reach
        upper = None if reach is None else (high + low) / 2 + factor * reach
        previous_lower = (lowers[-1] if lowers else None) or 0.0
        previous_upper = (uppers[-1] if uppers else None) or 0.0
        previous_close = bars[index - 1][3] if index else None
        lower = lower if _less(previous_lower, lower) or _less(previous_close, previous_lower) else previous_lower
        upper = upper if _less(upper, previous_upper) or _less(previous_upper, previous_close) else previous_upper
        if index == 0 or atr[index - 1] is None:
            up = False
        elif lines[-1] == previous_upper:
            up = _less(upper, close)
        else:
            up = not _less(close, lower)
        lowers.append(lower)
        uppers.append(upper)
        lines.append(None if reach is None else lower if up else upper)
        directions.append(0 if reach is None else 1 if up else -1)
    return lines, directions


def _trend_scores(directions: list[int]) -> list[int]:
    column = []
    for index, direction in enumerate(directions):
        run = 0
        while run <= index and directions[index - run] == direction:
            run += 1
        column.append(direction * run)
    return column


def _new_high_scores(bars: Bars) -> list[int]:
    column: list[int] = []
    for index, (day, _, _, close) in enumerate(bars):
        earlier = takewhile(lambda bar, day=day: bar[0] == day, reversed(bars[max(0, index - MINUTES_A_DAY) : index]))
        closes = [bar[3] for bar in earlier]
        if not closes or close < max(closes):
            column.append(0)
        else:
            column.append(column[-1] + (close > max(closes)))
    return column


def _table(bars: Bars, supertrend: tuple[int, float], ema: int, atr: int) -> list[dict[str, Any]]:
    lines, directions = _supertrend(bars, supertrend[1], supertrend[0])
    emas = _ema([bar[3] for bar in bars], ema)
    atrs = _rma(_true_ranges(bars), atr)
    columns = zip(bars, lines, directions, emas, atrs, _trend_scores(directions), _new_high_scores(bars), strict=True)
    return [
        {
            "supertrend": line,
            "direction": direction,
            "ema": average,
            "atr": spread,
            "trend_score": trend,
            "ema_deviation": (bar[3] - average) / spread if spread else None,
            "new_high_score": highs,
        }
        for bar, line, direction, average, spread, trend, highs in columns
    ]


@pytest.fixture(scope="session")
def pine_table() -> Callable[..., list[dict[str, Any]]]:
    """`pine_table(bars, (supertrend period, multiplier), ema period, atr period)`: one row of readings a bar."""
    return _table


@pytest.fixture(scope="session")
def approximately() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Readings to compare with: floats to nine digits, None only equal to None."""
    return lambda row: {
        name: pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        for name, value in row.items()
    }
