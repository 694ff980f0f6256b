"""How an order is to be worked: a part that is shown is a part, and what begins later begins before it ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox.messages import IntentApproved, IntentDenied, OrderType, TimeInForce, TriggerMethod

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
