"""Sums over a window without rounding: they say the same wherever the fold of bars began, and never drift.

A float is a whole number times a power of two, so a sum of floats kept as one whole number loses nothing, and what
leaves the window leaves it entirely. Owns that number; must not know what is summed.
"""

from __future__ import annotations

from math import frexp, inf, sqrt

SCALE_BITS = 208
"""Of a price from 1e-40 up the last bit is worth at least 2 to the power of -186. Of a smaller number what is below 2
to the power of -208 is cut off, the same way whenever it comes in or goes out."""
_MANTISSA = 9007199254740992.0  # 2 to the power of 53


def exact(value: float) -> int:
    """The finite `value` times 2 to the power of `SCALE_BITS`, as a whole number."""
    mantissa, exponent = frexp(value)
    whole, shift = int(mantissa * _MANTISSA), exponent + SCALE_BITS - 53
    return whole << shift if shift >= 0 else whole >> -shift


def mean(total: int, count: int) -> float:
    """The sum of `count` values over their number, rounded once. `total` is a sum of `exact` values."""
    return _over(total, count << SCALE_BITS)


def deviation(total: int, squares: int, count: int) -> float:
    """The standard deviation of `count` values (of all of them, not of a sample): exactly 0 where they are equal.

    `squares` is the sum of the squares of `exact` values.
    """
    return sqrt(_over(count * squares - total * total, count * count << 2 * SCALE_BITS))


def _over(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator
    except OverflowError:  # of prices beyond any market's
        return inf if numerator > 0 else -inf
