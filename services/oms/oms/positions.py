"""The OMS's holdings: the maths of `signalbox.average_cost` over fills and acts in order, and how figures are shown.

Owns the refolding of a history that a late or corrected fill has changed, and the rounding of what is shown. It must
not know orders, accounts or currencies; the books (`oms.state`) and the offline audit (`oms.audit`) both stand on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from signalbox.average_cost import (
    DIGITS,
    FLAT,
    ZERO,
    Holding,
    add,
    changed,
    divide,
    multiply,
    opening,
    signed,
    subtract,
    trade,
)
from signalbox.messages import PositionChange

__all__ = [
    "DIGITS",
    "FLAT",
    "ZERO",
    "Holding",
    "Step",
    "add",
    "changed",
    "divide",
    "multiply",
    "opening",
    "plain",
    "refold",
    "shown",
    "signed",
    "subtract",
    "trade",
]

SHOWN_DECIMALS = 20
_SHOWN_STEP = Decimal(1).scaleb(-SHOWN_DECIMALS)

Step = tuple[Decimal, Decimal] | PositionChange
"""What a holding is folded over: (signed quantity, price) of a fill, or what an act does."""


def refold(start: Holding, steps: Iterable[Step]) -> Holding:
    """Apply fills and acts in order: how a corrected fill reaches what came after it."""
    holding = start
    for step in steps:
        holding = trade(holding, *step) if type(step) is tuple else changed(holding, step)  # type: ignore[arg-type]
    return holding


def shown(value: Decimal) -> Decimal:
    """Round for showing: 20 decimals, half to even, no trailing zeros, no negative zero, no positive exponent."""
    rounded = DIGITS.quantize(value, _SHOWN_STEP)
    if not rounded:
        return ZERO
    text = format(rounded, "f").rstrip("0").rstrip(".")
    return Decimal(text)


def plain(value: Decimal) -> str:
    """The shown value as a plain string: digits, a point and a sign, never an exponent."""
    return format(shown(value), "f")
