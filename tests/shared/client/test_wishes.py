"""What a program writes becomes the intent that it means, and a slip of its own is told before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.client import away
from signalbox.client.wishes import bracket, new_id, number, order, venue_of
from signalbox.messages import OffsetUnit, OrderType, PriceOffset, TimeInForce
from signalbox.order_lists import contradiction


@pytest.mark.parametrize(
    ("terms", "order_type"),
    [
        ({}, OrderType.MARKET),
        ({"limit": "430.10"}, OrderType.LIMIT),
        ({"stop": 420}, OrderType.STOP),
        ({"limit": 430, "stop": Decimal(431)}, OrderType.STOP_LIMIT),
        ({"order_type": "MARKET_ON_CLOSE"}, OrderType.MARKET_ON_CLOSE),
        ({"stop": 430, "order_type": "MARKET_IF_TOUCHED"}, OrderType.MARKET_IF_TOUCHED),
    ],
)
def test_prices_say_what_type_it_is(terms: dict[str, Any], order_type: OrderType) -> None:
    made = order("BUY", "SPY", 100, id="x", **terms)
    assert (made.id, made.venue, made.quantity, made.order_type) == ("x", "ibkr", 100, order_type)
    assert made.limit_price == (number(terms["limit"]) if "limit" in terms else None)
    assert made.stop_price == (number(terms["stop"]) if "stop" in terms else None)


def test_further_terms_are_the_intents_own() -> None:
    made = order("SELL", "BTC-USD", "0.01", limit="104000", time_in_force="GTC", post_only=True, strategy="mine")
    assert (made.venue, made.time_in_force, made.post_only, made.strategy) == ("dydx", TimeInForce.GTC, True, "mine")
    with pytest.raises(TypeError, match="postonly"):
        order("SELL", "SPY", 1, postonly=True)


@pytest.mark.parametrize("value", [0.1, 1.0, True])
def test_a_float_is_no_price(value: Any) -> None:
    with pytest.raises(TypeError, match="write a price or a quantity as a Decimal or a text"):
        order("BUY", "SPY", 1, limit=value)


@pytest.mark.parametrize("value", ["", "1,5", "ten", None])
def test_what_is_no_number_is_told(value: Any) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number(value)


def test_ids_are_new() -> None:
    assert len({new_id("i") for _ in range(1000)}) == 1000


def test_where_a_symbol_trades() -> None:
    assert (venue_of("SPY"), venue_of("BTC-USD"), venue_of("0700.HK")) == ("ibkr", "dydx", "ibkr")


def test_a_bracket_of_stocks() -> None:
    made = bracket("BUY", "SPY", 100, stop=420, targets=[("440", "0.5"), 450], limit=430, strategy="mine")
    assert contradiction(made) == ""
    entry, stop, first, second = made.legs
    assert (entry.order_type, entry.limit_price, entry.quantity) == (OrderType.LIMIT, 430, 100)
    assert (stop.side, stop.order_type, stop.stop_price, stop.time_in_force) == ("SELL", "STOP", 420, "GTC")
    assert (first.order_type, first.limit_price, first.share) == (OrderType.LIMIT, 440, Decimal("0.5"))
    assert (second.limit_price, second.share, made.strategy) == (450, None, "mine")


def test_a_bracket_of_perpetuals_by_distances_has_targets_that_are_touched() -> None:
    made = bracket("SELL", "BTC-USD", "0.01", stop=away(3, "PERCENT"), targets=[away("2", "R")])
    assert contradiction(made) == ""
    _, stop, target = made.legs
    assert (stop.side, stop.stop_offset) == ("BUY", PriceOffset(amount=Decimal(-3), unit=OffsetUnit.PERCENT))
    assert (target.order_type, target.stop_offset) == (
        OrderType.MARKET_IF_TOUCHED,
        PriceOffset(amount=Decimal(2), unit=OffsetUnit.R),
    )
    assert away(2).unit is OffsetUnit.PRICE
