"""How much of what an entry has filled each set of its exits is for, where the exits are there before it fills.

Owns that question for the OMS, which gives the exits their quantities, and for risk, which counts them by it. What
follows an entry's fill is given out part by part and remembers what it was given (`order_lists.share_out`); what was
sent with the entry has no such memory, so the parts are a function of what has filled alone. Pure.

The theory. Rounding each share to whole lots by itself leaves lots over, and who gets those by the largest remainder
may lose one again as more fills (the Alabama paradox): an exit that has filled by then would have closed too much. The
method of highest averages (D'Hondt's) takes nothing back, gives nobody less than his share rounded down, and comes out
at the weights exactly when all has filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

ZERO = Decimal(0)


def apportioned(weights: Sequence[Decimal], whole: Decimal, filled: Decimal, lot: Decimal) -> list[Decimal]:
    """What each has once `filled` of `whole` has: whole lots, but for what of a lot has filled; never less than before.

    `weights` are what each has when all has filled: together `whole`, or less where some have no part in this.
    """
    if whole <= 0 or filled >= whole:
        return list(weights)
    if len(weights) == 1 and weights[0] == whole:
        return [filled]
    if lot <= 0:
        return [filled * weight / whole for weight in weights]
    total = filled if sum(weights, ZERO) == whole else filled * sum(weights, ZERO) // (whole * lot) * lot
    parts = [filled * weight // (whole * lot) * lot for weight in weights]
    left = total - sum(parts, ZERO)
    while left > 0:
        number = max(range(len(parts)), key=lambda each: weights[each] / (parts[each] + lot))
        part = min(lot, left)
        parts[number], left = parts[number] + part, left - part
    return parts
