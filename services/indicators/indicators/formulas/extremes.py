"""The highest high and the lowest low of the last bars, at a constant cost a bar however long the window.

Owns the memory that this takes. Once every `period` bars it is worked out what the extreme of each number of the
newest of them is; until the next time these are the older part of the window, which only shrinks, and of the newer part
the extreme so far is enough. An extreme is one of the prices: nothing is rounded, wherever the fold of bars began.
"""

from __future__ import annotations

from itertools import accumulate
from math import nan

from indicators.studies import Bars

Extreme = tuple[tuple[float, ...], int, float]
"""The extreme of the newest 1, 2, ... of the older bars; how many newer ones there are, and their extreme."""

NOTHING: Extreme = ((), 0, nan)


def highest_high(memory: Extreme, period: int, bars: Bars, at: int) -> tuple[float, Extreme]:
    """Take the highest high of the last `period` bars on by `bars[at]`; of fewer while there are fewer."""
    older, newer, top = memory
    high = bars[at][2]
    if not top >= high:
        top = high
    newer += 1
    if newer == period:
        newest_first = [bar[2] for bar in bars[at - period + 1 : at + 1]][::-1]
        return top, (tuple(accumulate(newest_first, max)), 0, nan)
    found = older[period - newer - 1] if older else top
    return (found if found > top else top), (older, newer, top)


def lowest_low(memory: Extreme, period: int, bars: Bars, at: int) -> tuple[float, Extreme]:
    """Take the lowest low of the last `period` bars on by `bars[at]`; of fewer while there are fewer."""
    older, newer, bottom = memory
    low = bars[at][3]
    if not bottom <= low:
        bottom = low
    newer += 1
    if newer == period:
        newest_first = [bar[3] for bar in bars[at - period + 1 : at + 1]][::-1]
        return bottom, (tuple(accumulate(newest_first, min)), 0, nan)
    found = older[period - newer - 1] if older else bottom
    return (found if found < bottom else bottom), (older, newer, bottom)
