"""A way from one price to another, as people say it. Owns the words; what it comes to is `signalbox.order_lists`."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class OffsetUnit(StrEnum):
    PERCENT = "PERCENT"
    TICKS = "TICKS"
    R = "R"
    """Multiples of the risk: of the way from the entry's fill to the list's stop."""
    PRICE = "PRICE"
    """In the currency of the price: 2 is two dollars away."""


class PriceOffset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A price relative to the entry's fill: above 0 = on the side where the position wins."""

    amount: Decimal
    unit: OffsetUnit
