"""SuperTrend's bands, flips and first bars, each by hand."""

from __future__ import annotations

import math

from indicators.formulas.supertrend import LONG, SHORT, supertrend


def test_first_direction_is_short_even_in_a_rising_market() -> None:
    lower, upper, line, direction = supertrend(0.0, 0.0, math.nan, 99.0, 102.0, 98.0, 101.9, 4.0)
    assert (lower, upper, line, direction) == (96.0, 104.0, 104.0, SHORT)


def test_upper_band_does_not_widen_while_the_close_is_below_it() -> None:
    assert supertrend(90.0, 105.0, 105.0, 100.0, 104.0, 100.0, 101.0, 4.0) == (98.0, 105.0, 105.0, SHORT)


def test_flip_is_decided_by_the_band_of_this_bar() -> None:
    """The close is above the new upper band (104), though below the old one (110)."""
    assert supertrend(90.0, 110.0, 110.0, 100.0, 106.0, 100.0, 105.0, 1.0) == (102.0, 104.0, 102.0, LONG)


def test_close_on_the_band_does_not_flip() -> None:
    assert supertrend(90.0, 110.0, 110.0, 100.0, 106.0, 100.0, 104.0, 1.0)[3] == SHORT
    assert supertrend(100.0, 110.0, 100.0, 101.0, 104.0, 100.0, 100.0, 5.0)[3] == LONG


def test_lower_band_gives_way_after_a_close_below_it() -> None:
    """Carried over by the previous close (99 < 100), not by this one."""
    assert supertrend(100.0, 110.0, 110.0, 99.0, 96.0, 92.0, 94.0, 4.0)[0] == 90.0


def test_a_close_below_the_lower_band_turns_short() -> None:
    assert supertrend(100.0, 120.0, 100.0, 104.0, 104.0, 96.0, 97.0, 10.0) == (100.0, 110.0, 110.0, SHORT)


def test_bands_that_coincide_count_as_the_upper_one() -> None:
    assert supertrend(10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 0.0) == (10.0, 10.0, 10.0, SHORT)


def test_negative_first_lower_band_is_zero_as_in_pine() -> None:
    assert supertrend(0.0, 0.0, math.nan, 2.0, 3.0, 1.0, 2.0, 5.0)[:2] == (0.0, 7.0)
