"""What is different where a venue trades perpetuals: margin instead of money, an oracle, and no closing bell."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from risk.decide import decide_again
from risk.state import Seen
from signalbox.messages import (
    FundingBooked,
    InstrumentKind,
    IntentApproved,
    IntentDenied,
    MarketState,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from signalbox.order_support import why_refused
from signalbox.subjects import FUNDING

BTC = {"symbol": "BTC-USD"}
CLOSED = [state for state in MarketState if state is not MarketState.OPEN]
STOP = {"order_type": OrderType.STOP, "limit_price": None, **BTC}


@pytest.mark.parametrize(("quantity", "passes"), [("4.9999", True), ("5", True), ("5.0001", False)])
def test_an_order_needs_the_initial_margin_of_its_value(
    perpetuals: Any, check: Any, quantity: str, passes: bool
) -> None:
    w = perpetuals(
        limits={
            name: Decimal(10_000_000) for name in ("order_notional_max", "position_notional_max", "gross_exposure_max")
        }
    )
    decision = w.decide(w.order(quantity=quantity, limit="100000", **BTC))
    found = check(decision, "funds")
    assert found.passed is passes
    assert Decimal(found.observed) == Decimal(quantity) * 2000
    assert isinstance(decision, IntentApproved) is passes


def test_orders_under_way_and_fills_not_confirmed_yet_need_their_margin_too(perpetuals: Any, check: Any) -> None:
    w = perpetuals()
    first = w.order(quantity="1", limit="100000", **BTC)
    w.decide(first)
    assert check(w.decide(w.order(quantity="0.5", limit="100000", **BTC)), "funds").observed == "3000"
    w.created(first).fill(first, "1", "0", "100000")
    assert check(w.decide(w.order(quantity="0.5", limit="100000", **BTC)), "funds").observed == "4000"


@pytest.mark.parametrize("stated", [None, Decimal(0), Decimal(-1), Decimal("1.5"), Decimal("NaN"), Decimal("Infinity")])
def test_without_a_margin_that_makes_sense_the_whole_value_is_needed(
    perpetuals: Any, check: Any, stated: Decimal | None
) -> None:
    w = perpetuals()
    w.instrument("BTC-USD", calendar="24/7", lot_size=Decimal("0.0001"), initial_margin=stated)
    assert check(w.decide(w.order(quantity="0.1", limit="100000", **BTC)), "funds").observed == "10000"


@pytest.mark.parametrize(
    ("quantity", "limit", "reason"),
    [
        ("0.00005", "100000", "the quantity 0.00005 is not a multiple of the lot size 0.0001"),
        ("0.1", "99999.5", "the price 99999.5 is not a multiple of the tick size 1"),
        ("0.0001", "100000", None),
    ],
)
def test_sizes_and_prices_are_whole_lots_and_ticks(
    perpetuals: Any, quantity: str, limit: str, reason: str | None
) -> None:
    w = perpetuals()
    found = w.decide(w.order(quantity=quantity, limit=limit, **BTC))
    assert (found.reason if isinstance(found, IntentDenied) else None) == reason


def test_a_size_below_the_minimum_is_denied(perpetuals: Any) -> None:
    w = perpetuals()
    w.instrument("BTC-USD", calendar="24/7", lot_size=Decimal("0.0001"), minimum_quantity=Decimal("0.001"))
    assert w.decide(w.order(quantity="0.0005", **BTC)).reason == "the quantity 0.0005 is below the minimum of 0.001"


@pytest.mark.parametrize("weekday", range(7))
def test_every_order_but_at_the_close_is_let_through_at_any_hour_of_any_day(perpetuals: Any, weekday: int) -> None:
    now = datetime(2024, 1, 1, 3, 30, tzinfo=UTC) + timedelta(days=weekday)
    w = perpetuals(now=now)
    for intent in (
        w.order(quantity="0.01", limit=None, **BTC),
        w.order(quantity="0.01", limit="99000", **BTC),
        w.order("SELL", quantity="0.01", **STOP, stop_price=Decimal(95_000)),
        w.order(quantity="0.01", limit="99000", time_in_force=TimeInForce.GTC, **BTC),
    ):
        assert isinstance(w.decide(intent), IntentApproved)
    at_close = w.order(quantity="0.01", **{**BTC, "order_type": OrderType.MARKET_ON_CLOSE, "limit_price": None})
    denied = w.decide(at_close)
    assert denied.reason == why_refused("dydx", InstrumentKind.PERPETUAL, at_close)
    assert "has no close and no opening to trade at" in denied.reason


@pytest.mark.parametrize(
    ("side", "stop", "passes"),
    [("BUY", "99950", False), ("BUY", "99951", True), ("SELL", "99950", False), ("SELL", "99949", True)],
)
def test_a_stop_is_held_to_the_oracle_which_triggers_it(
    perpetuals: Any, check: Any, side: str, stop: str, passes: bool
) -> None:
    w = perpetuals().quote("BTC-USD", "99000", "101000", oracle_price=Decimal(99_950))
    decision = w.decide(w.order(side, quantity="0.01", **STOP, stop_price=Decimal(stop)))
    assert check(decision, "price_collar").passed is passes


@pytest.mark.parametrize(
    ("side", "limit", "passes"),
    [
        ("BUY", None, False),  # the ask is 10 % above the oracle, the collar 5 %
        ("SELL", None, True),
        ("BUY", "105000", True),
        ("BUY", "105001", False),
        ("SELL", "95000", True),
    ],
)
def test_a_market_far_worse_than_the_oracle_is_not_traded_at(
    perpetuals: Any, check: Any, side: str, limit: str | None, passes: bool
) -> None:
    w = perpetuals().quote("BTC-USD", "99990", "110000", oracle_price=Decimal(100_000))
    found = check(w.decide(w.order(side, quantity="0.01", limit=limit, **BTC)), "oracle_distance")
    assert found.passed is passes
    assert passes or "worse than the oracle price 100000" in found.reason


def test_a_position_is_worth_what_the_oracle_says(perpetuals: Any) -> None:
    w = perpetuals()
    order = w.order(quantity="0.5", limit="100000", **BTC)
    w.decide(order)
    w.created(order).fill(order, "0.5", "0", "100000").quote("BTC-USD", "90000", "91000", oracle_price=Decimal(98_000))
    assert w.state.books["dydx", w.account_name].worst_value == 49_000


def test_a_funding_payment_changes_no_position_and_no_order(perpetuals: Any) -> None:
    w = perpetuals()
    w.decide(w.order(quantity="0.5", limit="100000", **BTC))
    books = w.state.books["dydx", w.account_name]
    before = (dict(w.state.orders), deepcopy(w.state.known), books.worst_value, books.needed_funds)
    w.event(
        FundingBooked(
            id="f/1", at=w.now, venue="dydx", account=w.account_name, order_id=FUNDING, status=OrderStatus.FILLED,
            funding_id="BTC-USD/x", symbol="BTC-USD", amount=Decimal(-1), currency="USD",
        )
    )  # fmt: skip
    assert (dict(w.state.orders), deepcopy(w.state.known), books.worst_value, books.needed_funds) == before


def test_what_only_reduces_is_let_through_without_funds(perpetuals: Any) -> None:
    w = perpetuals()
    order = w.order(quantity="0.5", limit="100000", **BTC)
    w.decide(order)
    w.created(order).fill(order, "0.5", "0", "100000").account(available_funds=Decimal(0))
    assert isinstance(w.decide(w.order("SELL", "0.5", None, reduce_only=True, **BTC)), IntentApproved)
    assert w.decide(w.order(quantity="0.1", limit="100000", **BTC)).reason.startswith("this order and those under way")


def test_margin_that_the_venue_raised_for_this_account_is_what_an_order_needs(perpetuals: Any, check: Any) -> None:
    """Near the cap of open interest a position of 10,000 binds 8,500, and not a fiftieth of it."""
    order = {"quantity": "0.1", "limit": "100000", **BTC}
    w = perpetuals()
    assert check(w.decide(w.order(**order)), "funds").observed == "200"
    raised = {"BTC-USD": Decimal("0.85"), "ETH-USD": Decimal("0.5")}
    w = perpetuals().account(available_funds=Decimal(8_499), initial_margin_fractions=raised)
    decision = w.decide(w.order(**order))
    assert isinstance(decision, IntentDenied)
    assert check(decision, "funds").observed == "8500"
    assert decide_again(w.state.rules, decision) == decision
    w.later(1).account(available_funds=Decimal(8_500), initial_margin_fractions=raised)
    assert isinstance(w.decide(w.order(**order)), IntentApproved)


@pytest.mark.parametrize("fraction", ["0.01", "NaN", "-1", "1.5"])
def test_a_fraction_that_is_none_or_less_leaves_the_instruments(perpetuals: Any, check: Any, fraction: str) -> None:
    w = perpetuals().account(available_funds=Decimal(10_000), initial_margin_fractions={"BTC-USD": Decimal(fraction)})
    assert check(w.decide(w.order(quantity="0.1", limit="100000", **BTC)), "funds").observed == "200"


def test_what_is_under_way_needs_more_when_the_venue_raises_the_margin(perpetuals: Any) -> None:
    w = perpetuals()
    assert isinstance(w.decide(w.order(quantity="0.1", limit="100000", **BTC)), IntentApproved)
    books = w.state.books["dydx", w.account_name]
    assert books.needed_funds == 200
    w.later(1).account(initial_margin_fractions={"BTC-USD": Decimal("0.5")})
    assert books.needed_funds == 5000
    w.later(1).account()
    assert books.needed_funds == 200


# ------------------------------------------------------------------------------------------- states of the market


def as_listed(w: Any, **changes: Any) -> Any:
    """The world after the venue has said something else of BTC-USD."""
    told = w.state.instruments["dydx", "BTC-USD"].message
    return w.take(Seen(structs.replace(told, **changes), "STATE:8"))


def holding(w: Any) -> Any:
    """The world with 0.01 BTC-USD bought."""
    order = w.order(quantity="0.01", limit="100000", **BTC)
    w.decide(order)
    return w.created(order).fill(order, "0.01", "0", price="100000")


@pytest.mark.parametrize("state", CLOSED)
def test_what_the_venue_takes_no_orders_for_is_denied_with_the_reason(perpetuals: Any, check: Any, state: Any) -> None:
    w = as_listed(perpetuals(), market_state=state)
    decision = w.decide(w.order(quantity="0.01", limit="100000", **BTC))
    assert isinstance(decision, IntentDenied)
    found = check(decision, "market_state")
    assert (found.limit, found.observed, found.source) == ("OPEN", state, "STATE:8")
    assert "BTC-USD" in decision.reason
    assert decision.reason == found.reason


@pytest.mark.parametrize("state", CLOSED)
def test_a_closing_order_is_denied_too_where_the_venue_takes_none(perpetuals: Any, check: Any, state: Any) -> None:
    w = as_listed(holding(perpetuals()), market_state=state)
    decision = w.decide(w.order("SELL", "0.01", "100000", reduce_only=True, **BTC))
    assert not check(decision, "market_state").passed


def test_a_market_that_takes_post_only_orders_takes_those_and_no_others(perpetuals: Any, check: Any) -> None:
    w = as_listed(perpetuals(), market_state=MarketState.POST_ONLY)
    told = check(w.decide(w.order(quantity="0.01", limit="99000", post_only=True, **BTC)), "market_state")
    assert (told.passed, told.limit, told.observed) == (True, "OPEN or POST_ONLY", "POST_ONLY")
    denied = w.decide(w.order(quantity="0.01", limit="99000", **BTC))
    assert "only orders with post_only" in check(denied, "market_state").reason
    w = as_listed(w, market_state=MarketState.CANCEL_ONLY)
    assert not check(w.decide(w.order(quantity="0.01", limit="99000", post_only=True, **BTC)), "market_state").passed


@pytest.mark.parametrize("state", CLOSED)
def test_a_cancel_passes_in_every_state(perpetuals: Any, state: Any) -> None:
    w = perpetuals()
    order = w.order(quantity="0.01", limit="99000", **BTC)
    w.decide(order)
    w.created(order).accepted(order)
    decision = as_listed(w, market_state=state).decide(w.cancel(order.id, **BTC))
    assert isinstance(decision, IntentApproved)


def test_an_open_market_passes_and_one_that_opens_again_does(perpetuals: Any) -> None:
    w = perpetuals()
    for state in (MarketState.OPEN, MarketState.PAUSED, MarketState.OPEN):
        w = as_listed(w, market_state=state)
        decision = w.decide(w.order(quantity="0.01", limit="100000", **BTC))
        assert isinstance(decision, IntentApproved) is (state is MarketState.OPEN)


def test_an_isolated_market_is_not_opened(perpetuals: Any, check: Any) -> None:
    w = as_listed(perpetuals(), is_isolated=True)
    decision = w.decide(w.order(quantity="0.01", limit="100000", **BTC))
    assert isinstance(decision, IntentDenied)
    found = check(decision, "margin_mode")
    assert (found.limit, found.observed, found.source) == ("cross", "isolated", "STATE:8")
    assert "is an isolated market of dydx" in decision.reason


def test_what_is_held_in_an_isolated_market_can_be_closed_and_not_turned(perpetuals: Any, check: Any) -> None:
    w = as_listed(holding(perpetuals()), is_isolated=True)
    assert not check(w.decide(w.order("BUY", "0.01", "100000", **BTC)), "margin_mode").passed
    assert not check(w.decide(w.order("SELL", "0.02", "100000", **BTC)), "margin_mode").passed
    assert isinstance(w.decide(w.order("SELL", "0.01", "100000", **BTC)), IntentApproved)
