"""The table of what an order may say: whole, told in full, and in the document as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import pytest
from signalbox.change_support import VENUE_CHANGES, change_of
from signalbox.messages import InstrumentKind, OrderIntent, OrderType, Side, TimeInForce, TriggerMethod
from signalbox.order_support import EVERYWHERE, NATIVE, VENUE_ORDERS, first_of, flags_of, rule_of, why_refused
from signalbox.order_terms import TRAILING, WITH_LIMIT, WITH_STOP, Flag, Support, VenueOrders, contradiction, protects
from signalbox.venues import VENUES
from signalbox_cli.order_types_reference import page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "order-types.md"
FLAGS = [frozenset(some) for some in chain.from_iterable(combinations(Flag, n) for n in range(4))]
"""Three at once are enough: a rule is about one."""
ASKED: dict[Flag, dict[str, Any]] = {
    **{flag: {flag.value: True} for flag in Flag},
    Flag.DISPLAY_QUANTITY: {"display_quantity": Decimal(1)},
    Flag.NOT_BEFORE: {"not_before": datetime(2024, 1, 3, tzinfo=UTC)},
    Flag.TRIGGER: {"trigger": TriggerMethod.MID},
    Flag.TRIGGER_ORACLE: {"trigger": TriggerMethod.ORACLE},
    Flag.ACTIVATION_PRICE: {"activation_price": Decimal(110)},
}
BOTH_TRIGGERS = {Flag.TRIGGER, Flag.TRIGGER_ORACLE}
"""No order says both."""
STOCK, OPTION, PERPETUAL = InstrumentKind.STOCK, InstrumentKind.OPTION, InstrumentKind.PERPETUAL


LATER = datetime(2024, 1, 3, tzinfo=UTC)


def test_what_fills_whole_shows_itself_whole() -> None:
    assert "whole" in contradiction(intent(all_or_none=True, display_quantity=Decimal(1)))
    assert contradiction(intent(all_or_none=True)) == contradiction(intent(display_quantity=Decimal(1))) == ""


def test_a_stop_that_works_later_protects_nothing_yet() -> None:
    kinds = [kind for kind in OrderType if protects(intent(kind))]
    protecting = [OrderType.STOP, OrderType.TRAILING_STOP]
    assert (kinds, protects(intent(OrderType.STOP, not_before=LATER))) == (protecting, False)
    assert not protects(intent(OrderType.TRAILING_STOP, activation_price=Decimal(110)))


@pytest.mark.parametrize(
    ("kind", "terms", "reason"),
    [
        (OrderType.TRAILING_STOP, {}, ""),
        (OrderType.TRAILING_STOP, {"trail_amount": None, "trail_percent": Decimal("1.5")}, ""),
        (OrderType.TRAILING_STOP, {"trail_amount": None}, "needs trail_amount or trail_percent"),
        (OrderType.TRAILING_STOP, {"trail_percent": Decimal(1)}, "one of them"),
        (OrderType.TRAILING_STOP, {"trail_amount": Decimal(0)}, "above zero"),
        (OrderType.TRAILING_STOP, {"trail_amount": Decimal("NaN")}, "a number"),
        (OrderType.TRAILING_STOP, {"trail_amount": None, "trail_percent": Decimal(100)}, "below 100 percent"),
        (OrderType.TRAILING_STOP, {"limit_offset": Decimal(1)}, "has no limit_offset"),
        (OrderType.TRAILING_STOP_LIMIT, {}, ""),
        (OrderType.TRAILING_STOP_LIMIT, {"limit_offset": None}, "needs limit_offset"),
        (OrderType.TRAILING_STOP_LIMIT, {"limit_offset": Decimal(-1)}, "below zero"),
        (OrderType.TRAILING_STOP, {"stop_price": Decimal(1)}, "has no stop_price"),
        (OrderType.TRAILING_STOP, {"activation_price": Decimal(110)}, ""),
        (OrderType.TRAILING_STOP, {"activation_price": Decimal(0)}, "above zero"),
        (OrderType.TRAILING_STOP, {"activation_price": Decimal("NaN")}, "above zero"),
        (OrderType.STOP, {"trail_amount": Decimal(1)}, "a STOP order has no trail_amount"),
    ],
)
def test_a_trailing_order_says_one_distance(kind: OrderType, terms: dict[str, Any], reason: str) -> None:
    said = contradiction(intent(kind, **terms))
    assert (said == "") is (reason == "")
    assert reason in said


def intent(order_type: OrderType = OrderType.LIMIT, **terms: Any) -> OrderIntent:
    prices = {
        "limit_price": Decimal(100) if order_type in WITH_LIMIT else None,
        "stop_price": Decimal(99) if order_type in WITH_STOP else None,
    }
    if order_type in TRAILING:
        terms = {"trail_amount": Decimal(2)} | terms
    if order_type is OrderType.TRAILING_STOP_LIMIT:
        terms = {"limit_offset": Decimal(0)} | terms
    values = {"id": "i", "at": "2024-01-02", "venue": "ibkr", "symbol": "SPY", "side": Side.BUY, "quantity": Decimal(1)}
    return OrderIntent(**{**values, "order_type": order_type, **prices, **terms})


def test_the_document_is_what_the_table_says() -> None:
    assert DOCUMENT.read_text() == page(), "run: python -m signalbox_cli.order_types_reference > docs/order-types.md"


def test_every_venue_has_its_rules() -> None:
    assert [orders.name for orders in VENUE_ORDERS] == list(VENUE_CHANGES) == [row.name for row in VENUES]


@pytest.mark.parametrize("orders", VENUE_ORDERS, ids=lambda orders: orders.name)
def test_every_change_has_one_answer_that_explains_itself(orders: VenueOrders) -> None:
    for kind, order_type, validity in product(orders.kinds, OrderType, TimeInForce):
        rule = change_of(orders.name, kind, intent(order_type, time_in_force=validity))
        assert (rule.support is Support.REFUSED) is bool(rule.instead), "a refusal names what comes nearest"


@pytest.mark.parametrize("orders", VENUE_ORDERS, ids=lambda orders: orders.name)
def test_every_order_that_can_be_said_has_one_answer_that_explains_itself(orders: VenueOrders) -> None:
    for kind, order_type, validity, flags in product(orders.kinds, OrderType, TimeInForce, FLAGS):
        if flags >= BOTH_TRIGGERS:
            continue
        asked = {name: value for flag in flags for name, value in ASKED[flag].items()}
        order = intent(order_type, time_in_force=validity, **asked)
        assert frozenset(flags_of(order)) == flags
        rule = rule_of(orders.name, kind, order)
        assert rule is first_of(orders, kind, order_type, validity, flags)
        assert rule.support is Support.NATIVE or rule.why, "what is not native says how, or why not"
        assert (rule.support is Support.REFUSED) is bool(rule.instead), "a refusal names what comes nearest"
        assert why_refused(orders.name, kind, order) == (rule.sentence if rule.support is Support.REFUSED else "")


@pytest.mark.parametrize("orders", VENUE_ORDERS, ids=lambda orders: orders.name)
def test_a_flag_more_never_makes_an_order_possible(orders: VenueOrders) -> None:
    for kind, order_type, validity, flags in product(orders.kinds, OrderType, TimeInForce, FLAGS):
        for fewer in (flags - {flag} for flag in flags):
            if first_of(orders, kind, order_type, validity, fewer).support is Support.REFUSED:
                assert first_of(orders, kind, order_type, validity, flags).support is Support.REFUSED


@pytest.mark.parametrize("orders", VENUE_ORDERS, ids=lambda orders: orders.name)
def test_every_rule_is_of_some_order(orders: VenueOrders) -> None:
    """One that stands behind a wider one says nothing."""
    every = product(orders.kinds, OrderType, TimeInForce, FLAGS)
    used = {first_of(orders, *one).sentence for one in every}
    assert {rule.sentence for rule in (*EVERYWHERE, *orders.rules)} <= used


@pytest.mark.parametrize(
    ("venue", "kind", "order", "words"),
    [
        ("ibkr", STOCK, intent(), ""),
        ("ibkr", STOCK, intent(OrderType.MARKET_ON_CLOSE), ""),
        ("ibkr", STOCK, intent(OrderType.MARKET, time_in_force=TimeInForce.GTC), "is a DAY order"),
        ("ibkr", STOCK, intent(OrderType.STOP, outside_regular_hours=True), "outside regular hours"),
        ("ibkr", STOCK, intent(outside_regular_hours=True), ""),
        ("ibkr", OPTION, intent(outside_regular_hours=True), "regular hours alone"),
        ("ibkr", OPTION, intent(OrderType.MARKET_ON_CLOSE), "no closing auction"),
        ("ibkr", STOCK, intent(OrderType.TRAILING_STOP, time_in_force=TimeInForce.GTC), ""),
        ("ibkr", STOCK, intent(OrderType.TRAILING_STOP_LIMIT, trigger=TriggerMethod.BID_ASK), ""),
        ("dydx", PERPETUAL, intent(OrderType.TRAILING_STOP), ""),
        ("dydx", PERPETUAL, intent(OrderType.TRAILING_STOP_LIMIT), ""),
        ("dydx", PERPETUAL, intent(OrderType.TRAILING_STOP_LIMIT, reduce_only=True), "takes reduce-only of what takes"),
        ("ibkr", STOCK, intent(OrderType.TRAILING_STOP_LIMIT, activation_price=Decimal(110)), ""),
        ("ibkr", STOCK, intent(OrderType.STOP, activation_price=Decimal(110)), "use a TRAILING_STOP order"),
        ("dydx", PERPETUAL, intent(OrderType.TRAILING_STOP, activation_price=Decimal(110)), ""),
        ("dydx", PERPETUAL, intent(activation_price=Decimal(110)), "only one that trails does"),
        ("ibkr", STOCK, intent(all_or_none=True), ""),
        ("ibkr", STOCK, intent(OrderType.MARKET, all_or_none=True), "use a LIMIT order"),
        ("ibkr", STOCK, intent(OrderType.LIMIT_ON_CLOSE, all_or_none=True), "use a LIMIT order"),
        ("ibkr", STOCK, intent(all_or_none=True, time_in_force=TimeInForce.IOC), "use FOK"),
        ("ibkr", InstrumentKind.FOREX, intent(all_or_none=True), "currency pairs"),
        ("ibkr", STOCK, intent(display_quantity=Decimal(1)), ""),
        ("ibkr", InstrumentKind.FOREX, intent(display_quantity=Decimal(1)), "currency pairs"),
        ("ibkr", STOCK, intent(OrderType.STOP, display_quantity=Decimal(1)), "use a LIMIT order"),
        ("ibkr", STOCK, intent(display_quantity=Decimal(1), time_in_force=TimeInForce.FOK), "never do"),
        ("ibkr", STOCK, intent(OrderType.STOP, not_before=LATER), ""),
        ("ibkr", STOCK, intent(not_before=LATER, time_in_force=TimeInForce.IOC), "at once or never"),
        ("ibkr", STOCK, intent(OrderType.MARKET_ON_CLOSE, not_before=LATER), "without not_before"),
        ("ibkr", STOCK, intent(OrderType.STOP, trigger=TriggerMethod.MID), ""),
        ("ibkr", STOCK, intent(OrderType.STOP, trigger=TriggerMethod.ORACLE), "use LAST, BID_ASK or MID"),
        ("ibkr", STOCK, intent(trigger=TriggerMethod.LAST), "waits for its stop price"),
        ("dydx", PERPETUAL, intent(all_or_none=True), "use IOC"),
        ("dydx", PERPETUAL, intent(display_quantity=Decimal(1)), "shows every order whole"),
        ("dydx", PERPETUAL, intent(not_before=LATER), "sent at that time"),
        ("dydx", PERPETUAL, intent(OrderType.STOP, trigger=TriggerMethod.LAST), "use trigger ORACLE"),
        ("dydx", PERPETUAL, intent(OrderType.STOP, trigger=TriggerMethod.ORACLE), ""),
        ("ibkr", OPTION, intent(OrderType.LIMIT_ON_CLOSE), "no closing auction"),
        ("ibkr", OPTION, intent(OrderType.MARKET_ON_OPEN), "exchange by exchange"),
        ("ibkr", STOCK, intent(OrderType.LIMIT_ON_CLOSE), ""),
        ("ibkr", STOCK, intent(OrderType.LIMIT_ON_CLOSE, outside_regular_hours=True), "none that is for an auction"),
        ("ibkr", STOCK, intent(OrderType.MARKET_ON_OPEN, time_in_force=TimeInForce.GTC), "use DAY"),
        ("ibkr", InstrumentKind.FOREX, intent(OrderType.LIMIT_ON_OPEN), "no opening"),
        ("ibkr", InstrumentKind.FOREX, intent(OrderType.MARKET_TO_LIMIT), "use a LIMIT order"),
        ("ibkr", STOCK, intent(OrderType.MARKET_TO_LIMIT, time_in_force=TimeInForce.GTC), ""),
        ("ibkr", STOCK, intent(OrderType.MARKET_TO_LIMIT, outside_regular_hours=True), "only an order with a limit"),
        ("dydx", PERPETUAL, intent(OrderType.MARKET_ON_OPEN), "never closes"),
        ("dydx", PERPETUAL, intent(OrderType.MARKET_TO_LIMIT), "use a LIMIT order"),
        ("ibkr", InstrumentKind.FOREX, intent(OrderType.MARKET_ON_CLOSE), "round the clock"),
        ("ibkr", STOCK, intent(reduce_only=True), ""),
        ("ibkr", STOCK, intent(time_in_force=TimeInForce.IOC), ""),
        ("ibkr", STOCK, intent(time_in_force=TimeInForce.FOK, outside_regular_hours=True), ""),
        ("ibkr", STOCK, intent(OrderType.MARKET, time_in_force=TimeInForce.IOC), "a LIMIT order with the worst price"),
        ("ibkr", STOCK, intent(OrderType.STOP, time_in_force=TimeInForce.FOK), "IOC and FOK"),
        ("ibkr", STOCK, intent(post_only=True), "does not reach the other side"),
        ("dydx", PERPETUAL, intent(post_only=True), ""),
        ("dydx", PERPETUAL, intent(post_only=True, time_in_force=TimeInForce.GTC), ""),
        ("dydx", PERPETUAL, intent(OrderType.STOP, post_only=True), "a LIMIT order, which can rest"),
        ("dydx", PERPETUAL, intent(post_only=True, time_in_force=TimeInForce.IOC), "IOC and FOK never do"),
        ("dydx", PERPETUAL, intent(post_only=True, reduce_only=True), "clob/9003"),
        ("dydx", PERPETUAL, intent(time_in_force=TimeInForce.IOC), ""),
        ("dydx", PERPETUAL, intent(time_in_force=TimeInForce.IOC, reduce_only=True), ""),
        ("dydx", PERPETUAL, intent(time_in_force=TimeInForce.FOK), "use IOC"),
        ("ibkr", STOCK, intent(OrderType.STOP_LIMIT, outside_regular_hours=True), ""),
        ("ibkr", STOCK, intent(OrderType.STOP_LIMIT, time_in_force=TimeInForce.IOC), "IOC and FOK"),
        ("dydx", PERPETUAL, intent(OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTC), ""),
        ("dydx", PERPETUAL, intent(OrderType.STOP_LIMIT, reduce_only=True), "clob/9003"),
        ("ibkr", STOCK, intent(OrderType.MARKET_IF_TOUCHED, outside_regular_hours=True), "an order with a limit"),
        ("ibkr", STOCK, intent(OrderType.LIMIT_IF_TOUCHED, time_in_force=TimeInForce.GTC), ""),
        ("dydx", PERPETUAL, intent(OrderType.MARKET_IF_TOUCHED, reduce_only=True), ""),
        ("dydx", PERPETUAL, intent(OrderType.LIMIT_IF_TOUCHED), ""),
        ("dydx", PERPETUAL, intent(OrderType.LIMIT_IF_TOUCHED, reduce_only=True), "clob/9003"),
        ("dydx", PERPETUAL, intent(OrderType.MARKET_ON_CLOSE), "never closes"),
        ("dydx", PERPETUAL, intent(reduce_only=True), "clob/9003"),
        ("dydx", PERPETUAL, intent(OrderType.STOP, reduce_only=True), ""),
        ("dydx", PERPETUAL, intent(OrderType.MARKET, reduce_only=True), ""),
    ],
)
def test_what_a_venue_can_not_do_is_refused(venue: str, kind: InstrumentKind, order: OrderIntent, words: str) -> None:
    assert words in why_refused(venue, kind, order)
    assert bool(words) is bool(why_refused(venue, kind, order))


def test_of_a_venue_that_is_not_in_the_table_nothing_is_refused() -> None:
    assert rule_of("nowhere", STOCK, intent(OrderType.MARKET, time_in_force=TimeInForce.GTC)) is NATIVE


@pytest.mark.parametrize("order_type", OrderType)
def test_a_type_has_the_prices_it_needs_and_no_other(order_type: OrderType) -> None:
    assert contradiction(intent(order_type)) == ""
    for name, types in (("limit_price", WITH_LIMIT), ("stop_price", WITH_STOP)):
        wrong = intent(order_type, **{name: None if order_type in types else Decimal(1)})
        needs = "needs" if order_type in types else "has no"
        assert contradiction(wrong) == f"a {order_type} order {needs} {name}"
