"""How a quantity is shared out among the accounts of a group: by equal parts, or by what each is worth or has free.

Owns the arithmetic, and what can not be shared. By what is reckoned: `messages.AllocationMethod`. Pure; it must not
know where an account's figures come from, nor what an order is.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import floor

from signalbox.errors import ConfigurationError


def allocate(quantity: Decimal, lot: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Share `quantity` out in whole lots, in proportion to the weights; the parts add up to all of it.

    Each gets its part rounded down; what is left goes, a lot each, to those that rounding took most from, in the order
    in which they stand. A part may be 0. Raises `ConfigurationError` for what can not be shared.
    """
    if without := [account for account, weight in weights.items() if not weight.is_finite() or weight < 0]:
        raise ConfigurationError([f"account {account} has nothing to reckon its part by" for account in without])
    total = sum(map(Fraction, weights.values()), Fraction(0))  # exact: what is rounded may add up to more than there is
    lots = Fraction(quantity) / Fraction(lot)
    if quantity <= 0 or lots.denominator != 1:
        raise ConfigurationError([f"{quantity} can not be shared out: it must be a number of lots of {lot}"])
    if total <= 0:
        raise ConfigurationError(["none of the accounts has anything to reckon its part by"])
    exact = {account: lots * Fraction(weight) / total for account, weight in weights.items()}
    parts = {account: floor(part) for account, part in exact.items()}
    left = int(lots) - sum(parts.values())
    for account in sorted(exact, key=lambda name: parts[name] - exact[name])[:left]:
        parts[account] += 1
    return {account: part * lot for account, part in parts.items()}
