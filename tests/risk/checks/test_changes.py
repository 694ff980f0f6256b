"""Changes of what works: held as the order that it is to be, in the place of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk import evolve
from risk.decide import explain
from signalbox.messages import (
    IntentApproved,
    IntentDenied,
    LinkStatus,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradingMode,
)


def working(world: Any, *, filled: str = "", **order: Any) -> tuple[Any, Any]:
    """A limit order of 10 at 100, or `order`, that works, and of which so much has filled."""
    w = world(**order.pop("desk", {})).ready()
    terms = w.order(**order)
    assert isinstance(w.decide(terms), IntentApproved)
    w.created(terms).accepted(terms)
    if filled:
        w.fill(terms, filled, str(terms.quantity - Decimal(filled)))
    return w, terms


def failed(decision: Any) -> list[str]:
    return [check.name for check in decision.checks] if isinstance(decision, IntentDenied) else []


def test_a_change_is_let_through_as_the_order_that_it_is_to_be(world: Any) -> None:
    w, order = working(world)
    decision = w.decide(w.modify(order.id, limit="99.5", quantity="12", account=""))
    assert isinstance(decision, IntentApproved)
    assert (decision.order_id, decision.reference_price, decision.intent.account) == (order.id, 100, "DU1234567")
    told = {check.name: check.observed for check in explain(w.state.rules, decision)}
    assert (told["order_notional"], told["tick_size"], told["change_made"]) == (
        "1194",
        "99.5",
        "quantity 12, limit_price 99.5",
    )
    assert decision.passed == len(told)


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({}, "change_made", "the intent names nothing to change: say quantity, limit_price or stop_price"),
        ({"quantity": "10", "limit": "100"}, "change_made", "order {} is so already: quantity 10, limit_price 100"),
        ({"stop": "101"}, "order_terms", "a LIMIT order has no stop_price"),
        ({"quantity": "0"}, "quantity", "the quantity is 0: it must be above zero; the side says which way"),
        ({"quantity": "10.5"}, "quantity", "the quantity 10.5 is not a multiple of the lot size 1"),
        ({"limit": "100.001"}, "tick_size", "the price 100.001 is not a multiple of the tick size 0.01"),
        (
            {"limit": "106"},
            "price_collar",
            "the limit 106 is more than 5.00% through the market of 100: at most 105 is let through",
        ),
        ({"quantity": "1001"}, "order_quantity", "the order is for 1001; one order may be for 1000 at most"),
        (
            {"symbol": "AAPL"},
            "order_matches",
            "order {} is for SPY at ibkr in DU1234567, not for AAPL at ibkr in DU1234567",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_is_wrong_with_a_change_is_said(world: Any, changes: Any, name: str, reason: str) -> None:
    w, order = working(world)
    decision = w.decide(w.modify(order.id, **changes))
    assert failed(decision)[0] == name
    assert decision.reason == reason.format(order.id)


def test_how_much_a_leg_is_for_its_list_says_and_nobody_else(world: Any) -> None:
    w, order = working(world)
    w.state.orders[order.id].group_id = "b.1"
    decision = w.decide(w.modify(order.id, quantity="20"))
    assert failed(decision) == ["size_is_its_own"]
    assert decision.reason.startswith(f"order {order.id} is a leg of list b, which says how much it is for")
    assert isinstance(w.decide(w.modify(order.id, quantity="10", limit="99")), IntentApproved)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (OrderStatus.PENDING_NEW, "the venue has not taken it yet"),
        (OrderStatus.PENDING_CANCEL, "it is being cancelled"),
        (OrderStatus.PENDING_REPLACE, "a change of it is under way"),
        (OrderStatus.TRIGGERED, "its stop price has been reached"),
        (OrderStatus.HELD, "the venue does not work it"),
        (OrderStatus.UNKNOWN, "it is not known what became of it"),
    ],
)
def test_only_what_the_venue_works_and_nothing_is_under_way_of_can_be_changed(
    world: Any, status: OrderStatus, why: str
) -> None:
    w, order = working(world)
    w.state.orders[order.id].status = status
    decision = w.decide(w.modify(order.id, limit="99"))
    assert failed(decision) == ["order_changeable"]
    assert decision.reason.startswith(f"order {order.id} is {status}, and can not be changed: {why}")


def test_what_is_over_or_was_never_there_can_not_be_changed(world: Any) -> None:
    w, order = working(world)
    w.fill(order, "10", "0")
    assert (
        w.decide(w.modify(order.id, limit="99")).reason
        == f"order {order.id} is FILLED: there is nothing left to change"
    )
    assert w.decide(w.modify("nobody", limit="99")).reason == "the desk has no order 'nobody'"
    denied = w.order(quantity="5000")
    w.decide(denied)
    assert "there is nothing to change" in w.decide(w.modify(denied.id, limit="99")).reason


def test_a_second_change_waits_for_what_becomes_of_the_first(world: Any) -> None:
    w, order = working(world)
    assert isinstance(w.decide(w.modify(order.id, limit="99")), IntentApproved)
    assert failed(w.decide(w.modify(order.id, limit="98"))) == ["order_changeable"], "also before the OMS has asked"
    w.pending_replace(order, limit="99").replaced(order, limit="99")
    assert isinstance(w.decide(w.modify(order.id, limit="98")), IntentApproved)


def test_an_order_placed_elsewhere_can_be_cancelled_and_not_changed(world: Any) -> None:
    w = world().ready()
    stray = w.order(id="external-9")
    w.created(stray).accepted(stray)
    decision = w.decide(w.modify(stray.id, limit="99"))
    assert decision.reason.startswith("order external-9 was not placed by this desk")
    assert isinstance(w.decide(w.cancel(stray.id)), IntentApproved)


def test_the_symbol_may_be_left_out_and_is_the_orders_then(world: Any) -> None:
    w, order = working(world)
    assert isinstance(w.decide(w.modify(order.id, symbol="", limit="99")), IntentApproved)
    w, order = working(world)
    assert failed(w.decide(w.modify(order.id, symbol="", limit="106"))) == ["price_collar"]
    assert failed(w.decide(w.modify("nobody", symbol="", limit="99"))) == ["order_working"]


def test_the_quantity_is_the_total_and_something_must_be_left(world: Any) -> None:
    w, order = working(world, filled="6")
    decision = w.decide(w.modify(order.id, quantity="6"))
    assert decision.reason == f"6 of order {order.id} have filled: a total of 6 leaves nothing; cancel it instead"
    assert isinstance(w.decide(w.modify(order.id, quantity="7")), IntentApproved)


def test_a_stop_that_has_filled_keeps_its_stop_price(world: Any) -> None:
    stop = {"limit": "101", "order_type": OrderType.STOP_LIMIT, "stop_price": Decimal("100.5")}
    w, order = working(world, filled="6", **stop)
    assert failed(w.decide(w.modify(order.id, stop="100.7")))[0] == "stop_waits"
    assert isinstance(w.decide(w.modify(order.id, limit="102")), IntentApproved)


def test_the_larger_of_the_two_counts_once(world: Any) -> None:
    """1000 of 2000 allowed are under way: 1000 more would be too much beside itself, and are not in its place."""
    w, order = working(world, quantity="1000", desk={"limits": {"position_quantity_max": Decimal(1000)}})
    assert isinstance(w.decide(w.modify(order.id, limit="99")), IntentApproved)
    held = w.state.books["ibkr", "DU1234567"].holdings["SPY"]
    assert (held.buying_quantity, held.buying_value) == (1000, 100_000), "the dearer of the two, once"


def test_what_a_change_adds_is_held_against_the_limits(world: Any) -> None:
    small = {"limits": {"position_quantity_max": Decimal(100)}}
    w, order = working(world, quantity="60", desk=small)
    second = w.order(quantity="40")
    assert isinstance(w.decide(second), IntentApproved)
    decision = w.decide(w.modify(order.id, quantity="61"))
    assert failed(decision) == ["position_quantity"]
    assert "could become 101" in decision.reason


@pytest.mark.parametrize(
    ("name", "desk"),
    [
        ("position_notional", {"limits": {"position_notional_max": Decimal(2000)}}),
        ("gross_exposure", {"limits": {"gross_exposure_max": Decimal(2000)}}),
        ("order_notional", {"limits": {"order_notional_max": Decimal(2000)}}),
    ],
)
def test_every_limit_on_worth_holds_of_the_changed_order(world: Any, name: str, desk: Any) -> None:
    w, order = working(world, quantity="10", desk=desk)
    assert isinstance(w.decide(w.modify(order.id, quantity="19")), IntentApproved)
    w, order = working(world, quantity="10", desk=desk)
    assert failed(w.decide(w.modify(order.id, quantity="21"))) == [name]


def test_a_dearer_price_needs_the_funds_of_the_dearer(world: Any) -> None:
    w, order = working(world, quantity="10")
    w.account(available_funds=Decimal(1010))
    assert isinstance(w.decide(w.modify(order.id, limit="101")), IntentApproved)
    w, order = working(world, quantity="10")
    w.account(available_funds=Decimal(1009))
    assert failed(w.decide(w.modify(order.id, limit="101"))) == ["funds"]


def test_a_cheaper_price_frees_nothing_until_the_venue_has_said_so(world: Any) -> None:
    w, order = working(world, quantity="10")
    w.account(available_funds=Decimal(999))
    assert failed(w.decide(w.modify(order.id, limit="90"))) == ["funds"], "the order as it is may fill still"


def test_what_only_takes_quantity_away_passes_where_a_cancel_does(world: Any) -> None:
    w, order = working(world, quantity="10")
    w.mode(TradingMode.HALTED).link(LinkStatus.DOWN).later(86_400)
    evolve.distrust_books(w.state, w.sequence)
    assert isinstance(w.decide(w.modify(order.id, quantity="4"), clock_is_stale=True), IntentApproved)
    w, order = working(world, quantity="10")
    w.mode(TradingMode.HALTED)
    for changes in ({"quantity": "11"}, {"limit": "99"}, {"quantity": "4", "limit": "99"}):
        assert failed(w.decide(w.modify(order.id, **changes))) == ["trading_state"]


def test_while_reducing_only_changes_of_what_reduces_are_let_through(world: Any) -> None:
    w = world().ready(positions=(world().held("SPY", "20"),))
    order = w.order("SELL", "10", "100")
    w.decide(order)
    w.created(order).accepted(order)
    w.mode(TradingMode.REDUCING)
    assert failed(w.decide(w.modify(order.id, quantity="21"))) == ["trading_state"]
    assert isinstance(w.decide(w.modify(order.id, quantity="20")), IntentApproved)


def test_a_change_counts_as_an_order_in_the_minute(world: Any) -> None:
    desk = {"limits": {"intents_per_minute_max": 2, "intents_per_minute_per_name_max": 2}}
    w, order = working(world, desk=desk)
    assert isinstance(w.decide(w.modify(order.id, limit="99")), IntentApproved)
    w.pending_replace(order, limit="99").replaced(order, limit="99")
    assert failed(w.decide(w.modify(order.id, limit="98"))) == ["intent_rate"]


def test_a_change_needs_no_room_among_the_working_orders(world: Any) -> None:
    w, order = working(world, desk={"limits": {"open_orders_max": 1}})
    assert isinstance(w.decide(w.modify(order.id, limit="99")), IntentApproved)


def test_an_old_change_was_meant_for_another_market(world: Any) -> None:
    w, order = working(world)
    change = w.modify(order.id, limit="99")
    w.later(121).quote("SPY", "99.99", "100").account().link()
    assert failed(w.decide(change)) == ["intent_age"]


@pytest.mark.parametrize(
    "terms",
    [
        {"limit": "99000", "time_in_force": TimeInForce.GTC},
        {"order_type": OrderType.STOP, "limit": None, "stop_price": Decimal(101_000)},
    ],
    ids=["GTC", "STOP"],
)
def test_at_dydx_an_order_that_is_on_the_chain_is_changed_by_another(perpetuals: Any, terms: Any) -> None:
    w = perpetuals()
    order = w.order(symbol="BTC-USD", quantity="0.1", **terms)
    assert isinstance(w.decide(order), IntentApproved)
    w.created(order, stop_price=order.stop_price).accepted(order)
    decision = w.decide(w.modify(order.id, symbol="BTC-USD", quantity="0.05"))
    assert isinstance(decision, IntentApproved)


def test_what_a_market_to_limit_order_leaves_has_the_venues_price_and_is_not_changed(world: Any) -> None:
    w, order = working(world, filled="6", order_type=OrderType.MARKET_TO_LIMIT, limit=None)
    decision = w.decide(w.modify(order.id, quantity="8"))
    assert failed(decision) == ["change_support"]
    assert decision.reason.endswith("use a cancel, and a LIMIT order for what is left once it has ended")


def test_where_the_stop_of_a_trailing_order_is_only_the_venue_knows(world: Any) -> None:
    w, order = working(world, order_type=OrderType.TRAILING_STOP, limit=None, trail_amount=Decimal(2))
    decision = w.decide(w.modify(order.id, quantity="8"))
    assert failed(decision) == ["change_support"]
    assert decision.reason.startswith("the stop of a trailing order moves with the market")


def test_what_has_filled_is_in_the_total_and_may_not_fill_again(world: Any) -> None:
    w, order = working(world, filled="6", desk={"limits": {"position_quantity_max": Decimal(12)}})
    assert failed(w.decide(w.modify(order.id, quantity="13"))) == ["position_quantity"]
    assert isinstance(w.decide(w.modify(order.id, quantity="12")), IntentApproved)
