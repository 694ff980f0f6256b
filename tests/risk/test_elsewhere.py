"""Orders that others have placed count at what they may come to, and nothing ends them unasked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk.checkpoint import StateLoader, capture
from risk.decide import explain
from risk.elsewhere import price_of
from risk.state import opening_state
from signalbox.messages import (
    ClaimOrder,
    Fill,
    FlattenEnded,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    Order,
    OrderCanceled,
    OrderClaimed,
    OrderCreated,
    OrderFilled,
    OrderReplaced,
    OrderStatus,
    OrderType,
    Side,
)

NAME = "external-77"
KEY = f"ibkr/DU1234567/{NAME}"
COLLAR = Decimal("0.05")


def terms(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": NAME,
        "intent_id": "",
        "venue": "ibkr",
        "account": "DU1234567",
        "symbol": "SPY",
        "side": Side.SELL,
        "quantity": Decimal(100),
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal(120),
        "placed_by": "by hand",
    }
    return Order(**{**values, **changes})


def event(w: Any, kind: Any, status: OrderStatus = OrderStatus.NEW, **facts: Any) -> Any:
    common = {"venue": "ibkr", "account": "DU1234567", "order_id": facts.pop("order_id", NAME), "status": status}
    w.event(kind(id=f"{NAME}/{w.sequence}", at=w.now, **common, **facts))
    return w


def placed(w: Any, **changes: Any) -> Any:
    return event(w, OrderCreated, OrderStatus.PENDING_NEW, order=terms(**changes))


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({}, "120"),
        ({"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(90)}, "94.5"),
        ({"order_type": OrderType.MARKET, "limit_price": None}, "100"),
        ({"order_type": OrderType.MARKET, "venue_type": "PEG MID", "limit_price": Decimal(130)}, "130"),
        ({"order_type": OrderType.MARKET_ON_CLOSE, "limit_price": None}, "100"),
        ({"limit_price": Decimal("NaN")}, "100"),
        ({"limit_price": Decimal(-3)}, "100"),
    ],
)
def test_it_is_worth_its_limit_its_stop_or_the_present_price(changes: dict[str, Any], price: str) -> None:
    assert price_of(terms(**changes), Decimal(100), COLLAR) == Decimal(price)


def test_where_there_is_no_price_at_all_it_has_none_until_there_is_one(world: Any) -> None:
    w = placed(world().ready(), symbol="XYZ:USD:9", currency="USD", order_type=OrderType.MARKET, limit_price=None)
    assert w.state.orders[KEY].price is None
    assert w.state.books["ibkr", "DU1234567"].unvalued == {"XYZ:USD:9"}
    w.quote("XYZ:USD:9", "7", "9")
    assert w.state.orders[KEY].price == 8
    assert not w.state.books["ibkr", "DU1234567"].unvalued


def test_it_counts_in_the_position_that_there_may_be(world: Any) -> None:
    w = placed(world().ready(), side=Side.BUY, quantity=Decimal(1995), limit_price=Decimal(100))
    denied = w.decide(w.order("BUY", "10", "100"))
    assert isinstance(denied, IntentDenied)
    assert "2005" in denied.reason


def test_it_counts_among_the_orders_that_work(world: Any) -> None:
    w = world(limits={"open_orders_max": 2}).ready()
    placed(w, quantity=Decimal(1))
    assert isinstance(w.decide(w.order("BUY", "1", "100")), IntentApproved)
    denied = w.decide(w.order("BUY", "1", "100"))
    assert isinstance(denied, IntentDenied)
    assert "working order 3" in denied.reason


def test_other_terms_a_fill_and_its_end_are_followed(world: Any) -> None:
    w = placed(world().ready())
    changed = terms(quantity=Decimal(50), limit_price=Decimal(130))
    event(w, OrderReplaced, order=changed, leaves_quantity=Decimal(50))
    order = w.state.orders[KEY]
    assert (order.open_quantity, order.price) == (50, 130)
    event(w, OrderCanceled, OrderStatus.CANCELED, reason="by hand")
    assert KEY not in w.state.orders
    assert w.state.books["ibkr", "DU1234567"].working_orders == 0
    assert not w.state.working_external
    event(w, OrderReplaced, OrderStatus.NEW, order=changed, leaves_quantity=Decimal(50))
    assert w.state.orders[KEY].open_quantity == 50
    assert w.state.orders[KEY].external


def test_a_name_that_risk_does_not_offer_stops_nothing(world: Any) -> None:
    w = placed(world().ready(), symbol="CLM6:USD:5", currency="USD", limit_price=Decimal("63.1"))
    assert isinstance(w.decide(w.order("BUY", "10", "100")), IntentApproved)


def test_it_can_be_cancelled_by_its_id(world: Any) -> None:
    w = placed(world().ready())
    assert isinstance(w.decide(w.cancel(NAME)), IntentApproved)


@pytest.mark.parametrize(("external", "covered", "spared"), [(False, 1, 1), (True, 2, 0)])
def test_a_cancel_of_many_says_how_many_it_leaves_alone(world: Any, external: bool, covered: int, spared: int) -> None:
    w = placed(world().ready())
    w.decide(w.order("SELL", "50", "110"))
    decision = w.decide(w.mass_cancel(external=external))
    assert isinstance(decision, IntentApproved)
    assert (decision.basis.covered_orders, decision.basis.spared_orders) == (covered, spared)
    told = {check.name: check.observed for check in explain(w.state.rules, decision)}
    assert ("placed elsewhere and stay" in told["covered_orders"]) is bool(spared)


def test_a_flatten_closes_nothing_beside_it_and_says_so(world: Any) -> None:
    w = world()
    w = placed(w.ready(positions=(w.held("SPY", "100"),)))
    decision = w.decide(w.flatten())
    name = decision.intent.id
    assert w.look() == ()
    why = w.state.flattens[name].waits["ibkr", "DU1234567", "SPY"]
    assert NAME in why
    assert "--external" in why
    w.later(700)
    [ended] = w.look()
    assert isinstance(ended, FlattenEnded)
    assert (ended.is_flat, NAME in ended.left[0].reason) == (False, True)


def test_a_flatten_goes_on_when_it_has_ended(world: Any) -> None:
    w = world()
    w = placed(w.ready(positions=(w.held("SPY", "100"),)))
    w.decide(w.flatten())
    w.look()
    event(w, OrderCanceled, OrderStatus.CANCELED, reason="by hand")
    assert w.look() == ()
    w.later(2)
    [closing] = w.look()
    assert closing.placed.order_type is OrderType.MARKET


def test_a_flatten_that_is_for_it_too_has_it_cancelled(world: Any) -> None:
    w = world()
    w = placed(w.ready(positions=(w.held("SPY", "100"),)))
    decision = w.decide(w.flatten(external=True))
    assert decision.basis.covered_orders == 1
    w.look()
    w.later(11)
    [again] = w.look()
    assert isinstance(again.intent, MassCancelIntent)
    assert again.intent.external


def test_where_nothing_is_held_it_is_in_nobodys_way(world: Any) -> None:
    w = placed(world().ready())
    w.decide(w.flatten())
    [ended] = w.look()
    assert ended.is_flat


def test_once_claimed_it_is_the_strategys(world: Any) -> None:
    w = placed(world().ready())
    act = ClaimOrder(
        id="b-1", at=w.now, venue="ibkr", account="DU1234567", reason="x", by="carol", order_id=NAME, strategy="trend"
    )
    event(w, OrderClaimed, order=terms(strategy="trend"), act=act)
    order = w.state.orders[KEY]
    assert (order.strategy, order.external, order.open_quantity) == ("trend", False, 100)
    assert w.decide(w.mass_cancel(strategy="trend")).basis.covered_orders == 1
    assert w.decide(w.mass_cancel()).basis.spared_orders == 0


def test_a_checkpoint_has_it(world: Any) -> None:
    w = placed(world().ready())
    loader, loaded = StateLoader(), opening_state(w.state.desk)
    for frame in capture(w.state, 1, 1):
        loader.take(frame)
    loader.finish()
    loader.restore(loaded)
    assert loaded.orders[KEY].external
    assert loaded.working_external == w.state.working_external


def test_a_fill_completes_it(world: Any) -> None:
    w = placed(world().ready())
    fill = Fill(
        execution_id="e", revision=1, order_id=NAME, symbol="SPY", side=Side.SELL, quantity=Decimal(100),
        price=Decimal(120), at=w.now,
    )  # fmt: skip
    event(w, OrderFilled, OrderStatus.FILLED, fill=fill, cumulative_quantity=Decimal(100), leaves_quantity=Decimal(0))
    assert KEY not in w.state.orders
    assert w.state.books["ibkr", "DU1234567"].holdings["SPY"].quantity == -100
