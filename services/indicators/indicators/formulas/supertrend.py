"""SuperTrend, line by line Pine's `pine_supertrend`. Owns its bands and its flips; must not know how ATR is made."""

from __future__ import annotations

LONG = 1
SHORT = -1


def supertrend(
    lower_before: float,
    upper_before: float,
    line_before: float,
    previous_close: float,
    high: float,
    low: float,
    close: float,
    reach: float,
) -> tuple[float, float, float, int]:
    """Take SuperTrend one bar on; give (lower band, upper band, line, direction).

    `reach` is multiplier * ATR of this bar. Begin at the first bar that has an ATR, with both bands 0.0 (Pine's
    `nz(band[1])`) and the line NaN. A band only tightens, unless the last close was beyond it. The trend flips on the
    close against the band of *this* bar; the first direction is SHORT. Directions here are +1 LONG, -1 SHORT: the
    opposite sign of Pine's. Source: Pine v5 reference manual, `ta.supertrend`.
    """
    middle = (high + low) / 2.0
    lower = middle - reach
    upper = middle + reach
    if not (lower > lower_before or previous_close < lower_before):
        lower = lower_before
    if not (upper < upper_before or previous_close > upper_before):
        upper = upper_before
    if line_before != line_before:
        return lower, upper, upper, SHORT
    # Pine asks which band the line was on, not which way it went: the two differ only where the bands coincide
    # (ATR 0, a price that stands still), and there the manual's answer is the upper one.
    if line_before == upper_before:
        if close > upper:
            return lower, upper, lower, LONG
        return lower, upper, upper, SHORT
    if close < lower:
        return lower, upper, upper, SHORT
    return lower, upper, lower, LONG
