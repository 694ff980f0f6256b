"""The scores: the desk's own readings of price and trend. Owns their counting rules; must not know timeframes."""

from __future__ import annotations

import math


def trend_score(score: int, direction: int) -> int:
    """Count the bars in a row in one direction: +1 each long bar, -1 each short bar; a flip restarts at +1 or -1.

    `score` is the last bar's, 0 before the first direction.
    """
    if score * direction > 0:
        return score + direction
    return direction


def ema_deviation(close: float, average: float, atr: float) -> float:
    """Say how many ATRs the close is above (+) or below (-) its EMA; NaN where ATR is 0 or not defined."""
    if atr > 0.0:
        return (close - average) / atr
    return math.nan


def new_high_score(score: int, high_close: float, close: float) -> tuple[int, float]:
    """Count the closes that made a new high of the day; give (score, highest close of the day).

    `high_close` is the highest close of the day before this bar, NaN at the day's first bar. A close above it adds 1,
    a close below it resets to 0, an equal one changes nothing; the first close of a day is what later ones are
    measured against, so it scores 0. The high is that of closes, not of wicks: N5 counts closes, and one long wick
    would otherwise silence the score for the rest of the day.

    Every bar of the trading day that is scored counts, pre-market too, so that a file of the same bars gives the same
    scores as the feed did without a calendar at hand.
    """
    if high_close != high_close:
        return 0, close
    if close > high_close:
        return score + 1, close
    if close < high_close:
        return 0, high_close
    return score, high_close
