"""What a series' memory says, in the words of the desk. Owns where NaN ends and None begins.

It must not know how the figures are computed (`formulas`) or how they travel (`decide`, `history`).
"""

from __future__ import annotations

from msgspec import Struct

from indicators.formulas.indicator_set import Memory, Parameters


class Readings(Struct, frozen=True):
    """Indicators and scores at the close of one bar; None = not enough bars yet, or ATR is 0.

    `direction` is +1 long, -1 short and 0 before the first SuperTrend; `trend_score` is 0 with it.
    """

    supertrend: float | None
    direction: int
    ema: float | None
    atr: float | None
    trend_score: int
    ema_deviation: float | None
    new_high_score: int


def read(memory: Memory, parameters: Parameters) -> Readings:
    """Read a memory that has seen at least one bar; NaN, which equals nothing, becomes None."""
    seen, _, average, atr, _, _, _, line, direction, trend, deviation, _, _, highs = memory
    return Readings(
        line if line == line else None,
        direction,
        average if average == average else None,
        atr if seen >= parameters[3] else None,
        trend,
        deviation if deviation == deviation else None,
        highs,
    )
