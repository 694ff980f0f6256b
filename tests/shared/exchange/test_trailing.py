"""Orders of an exchange that are made to trail, or to trail otherwise, while they work."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from signalbox.exchange.orders import OrderTerms
from signalbox.exchange.trailing import has_begun, trailed, trailing_as
from signalbox.messages import OrderType, Side

STOP = OrderTerms(
    account="a", symbol="SPY", side=Side.SELL, quantity=Decimal(10), order_type=OrderType.STOP, stop_price=Decimal(90)
)
TRAIL = replace(STOP, order_type=OrderType.TRAILING_STOP, trail_percent=Decimal(5), stop_price=None)


def test_a_stop_that_is_made_to_trail_begins_where_it_is_told() -> None:
    made = trailing_as(STOP, replace(TRAIL, stop_price=Decimal(94)))
    assert (made.order_type, made.stop_price) == (OrderType.TRAILING_STOP, 94)
    assert trailed(made, Decimal(96)).stop_price == 94, "nearer than the distance, and not moved back"
    assert trailed(made, Decimal(100)).stop_price == 95


def test_one_that_is_told_nothing_begins_with_the_market() -> None:
    made = trailing_as(replace(TRAIL, stop_price=Decimal(99)), TRAIL)
    assert made.stop_price is None
    assert trailed(made, Decimal(100)).stop_price == 95


def test_its_limit_begins_with_its_stop() -> None:
    limit = replace(TRAIL, order_type=OrderType.TRAILING_STOP_LIMIT, limit_offset=Decimal(1), stop_price=Decimal(94))
    assert trailing_as(STOP, limit).limit_price == 93
    assert trailing_as(STOP, replace(limit, stop_price=None)).limit_price is None


@pytest.mark.parametrize(("side", "before", "after"), [(Side.SELL, 109, 110), (Side.BUY, 91, 90)])
def test_it_begins_to_follow_once_the_market_has_been_there(side: Side, before: int, after: int) -> None:
    waits = replace(TRAIL, side=side, activation_price=Decimal(after))
    assert not has_begun(waits, Decimal(before))
    assert has_begun(waits, Decimal(after))
    begun = trailed(waits, Decimal(after))
    assert has_begun(begun, Decimal(before)), "it does not wait again"
    assert has_begun(TRAIL, Decimal(1)), "one that names no price follows at once"
