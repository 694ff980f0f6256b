"""How a quantity is shared out among the accounts of a group: by equal parts, or by what each is worth or has free.

Owns the arithmetic, and what can not be shared. The methods are called as at IBKR. Pure; it must not know where an
account's figures come from, nor what an order is.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

from signalbox.errors import ConfigurationError


class Method(StrEnum):
    """By what an account's part is reckoned."""

    EQUAL = "Equal"
    NET_LIQ = "NetLiq"
    """What it is worth: net liquidation value."""
    AVAILABLE_EQUITY = "AvailableEquity"
    """What it has free for new positions."""


def allocate(quantity: Decimal, lot: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Share `quantity` out in whole lots, in proportion to the weights; the parts add up to all of it.

    Each gets its part rounded down; what is left goes, a lot each, to those that rounding took most from, in the order
    in which they stand. A part may be 0. Raises `ConfigurationError` for what can not be shared.
    """
    lots, total = quantity / lot, sum(weights.values(), Decimal(0))
    if quantity <= 0 or lots != lots.to_integral_value():
        raise ConfigurationError([f"{quantity} can not be shared out: it must be a number of lots of {lot}"])
    if without := [account for account, weight in weights.items() if not weight.is_finite() or weight < 0]:
        raise ConfigurationError([f"account {account} has nothing to reckon its part by" for account in without])
    if total <= 0:
        raise ConfigurationError(["none of the accounts has anything to reckon its part by"])
    exact = {account: lots * weight / total for account, weight in weights.items()}
    parts = {account: part.to_integral_value(ROUND_FLOOR) for account, part in exact.items()}
    left = int(lots - sum(parts.values(), Decimal(0)))
    for account in sorted(exact, key=lambda name: parts[name] - exact[name])[:left]:
        parts[account] += 1
    return {account: part * lot for account, part in parts.items()}
