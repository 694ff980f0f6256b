"""Days in process on which brackets are traded, at a venue of stocks and at one of perpetuals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import (
    Contingency,
    IntentApproved,
    ListAlarmed,
    ListLeg,
    ModifyIntent,
    OrderCreated,
    OrderListIntent,
    OrderType,
    Side,
)

PRICES = {"SPY": (Decimal(400), "ibkr"), "BTC-USD": (Decimal(60_000), "dydx")}
TARGETS = {"SPY": "LIMIT", "BTC-USD": "MARKET_IF_TOUCHED"}


def bracket(day: Any, symbol: str, quantity: str, shares: tuple[str, ...] = ("0.5", "0.5")) -> str:
    """Buy at the market: a stop 10 % below, a target 10 % above, another one 20 %."""
    day.now, day.number = day.now.replace(microsecond=0), day.number + 1
    at, venue = PRICES[symbol]
    kind = OrderType(TARGETS[symbol])
    name = "limit_price" if kind is OrderType.LIMIT else "stop_price"
    targets = [
        ListLeg(name=f"t{n}", side=Side.SELL, order_type=kind, share=Decimal(share), **{name: at * (10 + n) / 10})
        for n, share in enumerate(shares, 1)
    ]
    intent = OrderListIntent(
        id=f"l{day.number}",
        at=day.now,
        venue=venue,
        symbol=symbol,
        contingency=Contingency.BRACKET,
        legs=(
            ListLeg(name="entry", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(quantity)),
            ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=at * 9 / 10),
            *targets,
        ),
    )
    decision = day.want(intent, day.now, "alice")
    assert isinstance(decision, IntentApproved), decision
    return intent.id


def held(day: Any, symbol: str) -> Decimal:
    venue = day.venues[PRICES[symbol][1]]
    position = venue.exchange.books[venue.account].positions.get(symbol)
    return position.quantity if position is not None else Decimal(0)


def working(day: Any) -> dict[str, Decimal]:
    orders = (day.orders.state.orders[key] for key in sorted(day.orders.state.working))
    return {order.order_id: order.order.quantity - order.filled_quantity for order in orders}


@pytest.mark.parametrize(("symbol", "quantity"), [("SPY", "10"), ("BTC-USD", "0.01")])
def test_a_target_is_reached_and_then_the_stop(day, symbol, quantity):
    d, half, price = day(), Decimal(quantity) / 2, PRICES[symbol][0]
    venue = PRICES[symbol][1]
    d.price(venue, symbol, str(price))
    name = bracket(d, symbol, quantity)
    assert held(d, symbol) == Decimal(quantity)
    expected = {f"{name}.stop": half, f"{name}.stop-2": half, f"{name}.t1": half, f"{name}.t2": half}
    assert working(d) == expected
    d.price(venue, symbol, str(price * Decimal("1.11")))
    assert held(d, symbol) == half
    assert working(d) == {f"{name}.stop-2": half, f"{name}.t2": half}
    d.price(venue, symbol, str(price * Decimal("0.89")))
    assert (held(d, symbol), working(d)) == (0, {})
    assert d.orders.state.lists[name].unprotected_since is None


@pytest.mark.parametrize(("symbol", "quantity"), [("SPY", "10"), ("BTC-USD", "0.01")])
def test_an_entry_in_parts_has_its_exits_for_each(day, symbol, quantity):
    d, price = day(), PRICES[symbol][0]
    venue = PRICES[symbol][1]
    part = Decimal(quantity) * 3 / 10
    d.price(venue, symbol, str(price), str(part))
    name = bracket(d, symbol, quantity, ("1",))
    assert [size for key, size in working(d).items() if "entry" not in key] == [part, part]
    rest = Decimal(quantity) - part
    d.price(venue, symbol, str(price), "500")
    if venue == "ibkr":  # they were sent with it, and have grown
        assert working(d) == {f"{name}.stop": Decimal(quantity), f"{name}.t1": Decimal(quantity)}
        return
    assert working(d) == {
        f"{name}.stop": part, f"{name}.stop-2": rest, f"{name}.t1": part, f"{name}.t1-2": rest,
    }  # fmt: skip


@pytest.mark.parametrize(("symbol", "quantity"), [("SPY", "10"), ("BTC-USD", "0.01")])
def test_a_target_that_fills_in_part_leaves_a_stop_of_the_rest(day, symbol, quantity):
    d, price = day(), PRICES[symbol][0]
    venue = PRICES[symbol][1]
    d.price(venue, symbol, str(price))
    bracket(d, symbol, quantity, ("1",))
    d.price(venue, symbol, str(price * Decimal("1.11")), str(Decimal(quantity) / 5))
    rest = Decimal(quantity) * 4 / 5
    assert held(d, symbol) == rest
    at_venue = {order.terms.client_reference: order.leaves for order in d.venues[venue].exchange.orders.values()}
    stops = [quantity for key, quantity in at_venue.items() if ".stop" in key and quantity]
    assert stops == [rest], "reduced by its group at IBKR, replaced by a smaller one at dYdX"
    d.price(venue, symbol, str(price * Decimal("1.11" if symbol == "BTC-USD" else "0.89")))
    assert (held(d, symbol), working(d)) == (0, {})


def test_risk_counts_what_works_of_a_list_as_the_oms_does(day):
    d = day()
    d.price("ibkr", "SPY", "400")
    name = bracket(d, "SPY", "10")
    d.follow()
    holding = d.risk.books["ibkr", "DU1234567"].holdings["SPY"]
    assert (holding.quantity, holding.selling_quantity, set(d.risk.lists[name])) == (10, 10, set(working(d)))


@pytest.mark.parametrize(("symbol", "quantity"), [("SPY", "10"), ("BTC-USD", "0.01")])
@pytest.mark.parametrize("part", ["0.3", "1"])
def test_a_flatten_takes_the_exits_away_and_closes_what_they_protected_and_none_comes_after(
    day, symbol, quantity, part
):
    d, price = day(), PRICES[symbol][0]
    venue = PRICES[symbol][1]
    d.price(venue, symbol, str(price), str(Decimal(quantity) * Decimal(part)))
    name = bracket(d, symbol, quantity)
    assert held(d, symbol) == Decimal(quantity) * Decimal(part)
    assert working(d)
    flatten = d.flatten(symbol=symbol)
    d.later(2)
    d.price(venue, symbol, str(price), "500")
    d.later(2)
    assert (held(d, symbol), working(d), d.risk.flattens) == (0, {}, {})
    began = [event.order_id for event in d.trade.stored if isinstance(event, OrderCreated)]
    at = began.index(f"{flatten.cause}.1")
    assert [each for each in began[at:] if each.startswith(name)] == []
    assert not [event for event in d.trade.stored if isinstance(event, ListAlarmed)]


@pytest.mark.parametrize(("symbol", "quantity"), [("SPY", "10"), ("BTC-USD", "0.01")])
@pytest.mark.parametrize("leg", ["stop", "t1"])
def test_a_person_can_not_make_an_exit_larger_than_what_it_protects(day, symbol, quantity, leg):
    d, (price, venue) = day(), PRICES[symbol]
    d.price(venue, symbol, str(price))
    name = bracket(d, symbol, quantity, ("1",))
    named = {"venue": venue, "symbol": symbol, "order_id": f"{name}.{leg}", "quantity": Decimal(quantity) * 2}
    decision = d.want(ModifyIntent(id="larger", at=d.now, **named), d.now, "alice")
    assert [check.name for check in decision.checks] == ["size_is_its_own"]
