"""How an order is to be worked: a part that is shown is a part, and what begins later begins before it ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk.prices import worst_price
from signalbox.messages import IntentApproved, IntentDenied, OrderIntent, OrderType, Side, TimeInForce, TriggerMethod

from tests.risk.conftest import NOON

AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("1", ""),
        ("9", ""),
        ("0", "no part of the quantity 10"),
        ("10", "no part of the quantity 10"),
        ("1.5", "not a multiple of the lot size 1"),
    ],
)
def test_what_is_shown_is_a_part_in_whole_lots(world: Any, check: Any, shown: str, reason: str) -> None:
    w = world().ready()
    decision = w.decide(w.order(quantity="10", display_quantity=Decimal(shown)))
    assert isinstance(decision, IntentApproved) is (reason == "")
    assert reason in check(decision, "display_quantity").reason


@pytest.mark.parametrize(
    ("begins", "terms", "reason"),
    [
        (AN_HOUR, {}, ""),
        (timedelta(0), {}, "has passed; leave it away"),
        (-AN_HOUR, {"time_in_force": TimeInForce.GTC}, "has passed"),
        (4 * AN_HOUR, {}, "and ends at 2024-01-02 21:00:00 UTC"),
        (4 * AN_HOUR, {"outside_regular_hours": True}, ""),
        (50 * AN_HOUR, {"time_in_force": TimeInForce.GTC}, ""),
        (AN_HOUR, {"time_in_force": TimeInForce.GTD, "good_till": NOON + 2 * AN_HOUR}, ""),
        (2 * AN_HOUR, {"time_in_force": TimeInForce.GTD, "good_till": NOON + 2 * AN_HOUR}, "and ends at"),
    ],
)
def test_what_begins_later_begins_before_it_ends(
    world: Any, check: Any, begins: timedelta, terms: dict[str, Any], reason: str
) -> None:
    w = world().ready()
    decision = w.decide(w.order(not_before=NOON + begins, **terms))
    assert isinstance(decision, IntentApproved) is (reason == "")
    assert reason in check(decision, "not_before").reason


def test_an_order_that_has_begun_is_changed_as_any_other(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="10", not_before=NOON + timedelta(minutes=1))
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order).accepted(order).later(121).quote("SPY", "99.99", "100").account().link()
    assert isinstance(w.decide(w.modify(order.id, limit="99")), IntentApproved)


def test_what_is_shown_is_a_part_of_what_a_change_leaves_too(world: Any) -> None:
    w = world().ready()
    order = w.order(quantity="10", display_quantity=Decimal(5))
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order).accepted(order)
    denied = w.decide(w.modify(order.id, quantity="5"))
    assert isinstance(denied, IntentDenied)
    assert denied.reason == "the display_quantity 5 is no part of the quantity 5"
    assert isinstance(w.decide(w.modify(order.id, quantity="6")), IntentApproved)


STOP = {"order_type": OrderType.STOP, "limit": None, "stop_price": Decimal(120)}
BY_THEN = {"valid_until": NOON + AN_HOUR}
"""A form that no other test here has."""
AT_ONCE = {"time_in_force": TimeInForce.IOC}


@pytest.mark.parametrize(
    ("first", "more", "reason"),
    [
        (BY_THEN, {"display_quantity": Decimal(1000)}, "the display_quantity 1000"),
        (BY_THEN, {"not_before": NOON - AN_HOUR}, "it is"),
        (AT_ONCE, {"all_or_none": True}, "of an order that takes at once, all or none is FOK"),
        (STOP, {"trigger": TriggerMethod.ORACLE}, "IBKR has no oracle's price"),
    ],
)
def test_what_an_intent_asks_for_is_held_against_it_though_one_without_it_has_passed(
    world: Any, first: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    w = world().ready()
    assert isinstance(w.decide(w.order(**first)), IntentApproved)
    denied = w.decide(w.order(**first, **more))
    assert isinstance(denied, IntentDenied)
    assert denied.reason.startswith(reason)


TRAIL = {"order_type": OrderType.TRAILING_STOP, "limit": None}


@pytest.mark.parametrize(
    ("side", "terms", "reason"),
    [
        ("SELL", {"trail_amount": Decimal(2)}, ""),
        ("BUY", {"trail_percent": Decimal("1.5")}, ""),
        ("SELL", {"trail_amount": Decimal("0.005")}, "the trail_amount 0.005 is not a multiple of the tick size"),
        ("SELL", {"trail_amount": Decimal(100)}, "the trail would start at"),
        ("BUY", {"trail_amount": Decimal(150)}, ""),
    ],
)
def test_a_trail_is_whole_ticks_and_starts_at_a_price(
    world: Any, check: Any, side: str, terms: dict[str, Any], reason: str
) -> None:
    decision = world().ready().decide(world().order(side, **TRAIL, **terms))
    found = check(decision, "trail")
    assert (found.passed, reason in found.reason) == (reason == "", True)


def test_where_a_trail_starts_is_told_beside_the_market(world: Any, check: Any) -> None:
    w = world().ready().quote("SPY", "99.99", "100")
    told = check(w.decide(w.order(**TRAIL, trail_amount=Decimal(2))), "trail")
    assert told.observed == "its stop starts at 102, the market is at 100"
    assert told.source.startswith("quote:")


@pytest.mark.parametrize(
    ("side", "activation", "observed"),
    [
        ("SELL", "110", "its stop starts at 108 once it has been at 110, the market is at 99.99"),
        ("SELL", "99", "its stop starts at 97.99 once it has been at 99, the market is at 99.99"),
        ("BUY", "90", "its stop starts at 92 once it has been at 90, the market is at 100"),
    ],
)
def test_where_a_trail_begins_is_told(world: Any, check: Any, side: str, activation: str, observed: str) -> None:
    w = world().ready().quote("SPY", "99.99", "100")
    intent = w.order(side, **TRAIL, trail_amount=Decimal(2), activation_price=Decimal(activation))
    assert check(w.decide(intent), "trail").observed == observed


def test_an_activation_price_is_a_price_there(world: Any, check: Any) -> None:
    w = world().ready()
    off = check(w.decide(w.order(**TRAIL, trail_amount=Decimal(2), activation_price=Decimal("99.001"))), "trail")
    assert off.reason == "the activation_price 99.001 is not a multiple of the tick size 0.01"
    first = {"trail_amount": Decimal(2), "activation_price": Decimal(90)}
    assert isinstance(w.decide(w.order("BUY", **TRAIL, **first)), IntentApproved)
    assert isinstance(w.decide(w.order("BUY")), IntentApproved)
    denied = w.decide(w.order("BUY", activation_price=Decimal(90)))
    assert isinstance(denied, IntentDenied)
    assert "only one that trails does" in denied.reason, "what was let through before says nothing of it"


def test_a_purchase_that_trails_is_as_large_as_its_stop_of_now_makes_it() -> None:
    def worst(side: Side, **terms: Any) -> Decimal | None:
        intent = OrderIntent(
            id="i",
            at=NOON,
            venue="ibkr",
            symbol="SPY",
            side=side,
            quantity=Decimal(1),
            **{"order_type": OrderType.TRAILING_STOP, **terms},
        )
        return worst_price(intent, Decimal(100), Decimal("0.05"))

    assert worst(Side.BUY, trail_amount=Decimal(10)) == Decimal("115.5")
    assert worst(Side.BUY, trail_percent=Decimal(20)) == Decimal(126)
    limit = {"order_type": OrderType.TRAILING_STOP_LIMIT, "limit_offset": Decimal(1)}
    assert worst(Side.BUY, trail_amount=Decimal(10), **limit) == Decimal(111)
    assert worst(Side.SELL, trail_amount=Decimal(10)) == Decimal(105)


def test_a_trail_is_asked_of_each_intent_that_has_one(world: Any) -> None:
    w = world().ready()
    assert isinstance(w.decide(w.order(**TRAIL, **BY_THEN, trail_amount=Decimal(2))), IntentApproved)
    assert isinstance(w.decide(w.order("SELL", **TRAIL, **BY_THEN, trail_amount=Decimal(200))), IntentDenied)
