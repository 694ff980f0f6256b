"""How fast the desk's indicator set is, beside NautilusTrader's indicators on the same bars in the same run.

Per bar, the desk's live code: SuperTrend, EMA, ATR, trend score, EMA deviation and new-high score, interpreted, on
plain floats. NautilusTrader's side is what its user would run: its compiled ATR and EMA on its `Bar` objects, and
SuperTrend with the trend score in Python (it has none); it is spared the deviation and the new highs. Both must end on
the same SuperTrend. Repetitions take turns; medians are compared.

    python -m benchmarks.indicator_speed
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from indicators.formulas.indicator_set import EMPTY, step
from indicators.readings import read
from indicators.state import parameters_of
from signalbox.desk import IndicatorParameters

DAYS, MINUTES = 126, 390
REPETITIONS = 11
RATIO_MIN = 1.5

Cents = tuple[int, int, int, int, int]
"""Trading day, open, high, low, close; prices in cents."""


def random_bars(seed: int = 1) -> list[Cents]:
    """A seeded random walk of one symbol: half a year of minutes."""
    walk, bars, close = random.Random(seed), [], 40_000
    for day in range(1, DAYS + 1):
        for _ in range(MINUTES):
            open_ = close
            close = max(100, open_ + round(walk.gauss(0, 12)))
            high, low = max(open_, close) + walk.randrange(8), min(open_, close) - walk.randrange(8)
            bars.append((day, open_, high, low, close))
    return bars


def signalbox(bars: list[Cents]) -> Callable[[], float | None]:
    """The desk's own step, fed with floats as `decide` feeds it; the run gives the last SuperTrend."""
    parameters = parameters_of(IndicatorParameters())
    rows = [(day, high / 100, low / 100, close / 100) for day, _, high, low, close in bars]

    def run_once() -> float | None:
        memory = EMPTY
        for day, high, low, close in rows:
            memory = step(memory, parameters, day, high, low, close)
        return read(memory, parameters).supertrend

    return run_once


def nautilus(bars: list[Cents]) -> Callable[[], float | None]:
    """NautilusTrader's indicators, fed with its bars."""
    from nautilus_trader.indicators import AverageTrueRange, ExponentialMovingAverage, MovingAverageType
    from nautilus_trader.model.data import Bar, BarType
    from nautilus_trader.model.objects import Price, Quantity

    kind, volume = BarType.from_str("SPY.ARCA-1-MINUTE-LAST-EXTERNAL"), Quantity(100, 0)
    prices = [[Price(price / 100, 2) for price in row[1:]] for row in bars]
    stamps = [60_000_000_000 * number for number in range(len(bars))]
    rows = [Bar(kind, *four, volume, at, at) for four, at in zip(prices, stamps, strict=True)]

    def run_once() -> float | None:
        average = ExponentialMovingAverage(21)
        trend = NautilusSuperTrend(AverageTrueRange(10, MovingAverageType.WILDER), 2.0)
        for bar in rows:
            average.handle_bar(bar)
            trend.handle_bar(bar)
        return trend.line

    return run_once


class NautilusSuperTrend:
    """SuperTrend as a NautilusTrader user writes it: an indicator in Python over the compiled ATR."""

    def __init__(self, atr: Any, multiplier: float) -> None:
        self.atr, self.multiplier = atr, multiplier
        self.lower = self.upper = self.previous_close = 0.0
        self.line: float | None = None
        self.direction = self.score = 0

    def handle_bar(self, bar: Any) -> None:
        self.atr.handle_bar(bar)
        close = bar.close.as_double()
        if self.atr.initialized:
            self._update(bar.high.as_double(), bar.low.as_double(), close)
        self.previous_close = close

    def _update(self, high: float, low: float, close: float) -> None:
        middle, reach = (high + low) / 2, self.multiplier * self.atr.value
        lower, upper = middle - reach, middle + reach
        if self.line is None:
            self.direction = -1
        else:
            if lower < self.lower <= self.previous_close:
                lower = self.lower
            if upper > self.upper >= self.previous_close:
                upper = self.upper
            if self.direction < 0:
                self.direction = 1 if close > upper else -1
            else:
                self.direction = -1 if close < lower else 1
        self.lower, self.upper = lower, upper
        self.line = lower if self.direction > 0 else upper
        self.score = self.score + self.direction if self.score * self.direction > 0 else self.direction


def run() -> list[dict[str, Any]]:
    """Measure; one row, in bars a second. Raises when the two disagree on the SuperTrend of the last bar."""
    bars = random_bars()
    ours, theirs = signalbox(bars), nautilus(bars)
    seconds: dict[Callable[[], float | None], list[float]] = {ours: [], theirs: []}
    lines: dict[Callable[[], float | None], float | None] = {}
    for _ in range(REPETITIONS):
        for side, measured in seconds.items():
            begun = perf_counter()
            lines[side] = side()
            measured.append(perf_counter() - begun)
    if abs((lines[ours] or 0.0) - (lines[theirs] or 1.0)) > 1e-6:
        raise AssertionError(f"not the same work: SuperTrend ends at {lines[ours]} here, at {lines[theirs]} there")
    value, reference = (len(bars) / median(seconds[side]) for side in (ours, theirs))
    ratio = value / reference
    return [
        {
            "name": "indicator set",
            "value": round(value),
            "unit": "bars/s",
            "reference": round(reference),
            "ratio": round(ratio, 2),
            "goal": f"ratio >= {RATIO_MIN}",
            "met": ratio >= RATIO_MIN,
        }
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
