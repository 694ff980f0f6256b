"""The checks of the market, each at its boundary: trading hours and prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox.desk import Venue
from signalbox.messages import IntentApproved, MarketDataType, OrderType, TimeInForce

AT_ONCE = timedelta(microseconds=1)
MOC = {"order_type": OrderType.MARKET_ON_CLOSE, "limit_price": None}
STOP = {"order_type": OrderType.STOP, "limit_price": None}
STOP_LIMIT = {"order_type": OrderType.STOP_LIMIT}
TOUCH, LIMIT_TOUCH = {**STOP, "order_type": OrderType.MARKET_IF_TOUCHED}, {"order_type": OrderType.LIMIT_IF_TOUCHED}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "terms", "passes"),
    [
        # MARKET: regular hours only; 2 January 2024 is 14:30 to 21:00 UTC
        ("2024-01-02T14:29:59.999999", {"limit": None}, False),
        ("2024-01-02T14:30:00", {"limit": None}, True),
        ("2024-01-02T20:59:59.999999", {"limit": None}, True),
        ("2024-01-02T21:00:00", {"limit": None}, False),
        # LIMIT for the DAY: from pre-market to the close, or to the end of late trading
        ("2024-01-02T08:59:59", {}, False),
        ("2024-01-02T09:00:00", {}, True),
        ("2024-01-02T20:59:59", {}, True),
        ("2024-01-02T21:00:00", {}, False),
        ("2024-01-02T21:00:00", {"outside_regular_hours": True}, True),
        ("2024-01-03T00:59:59", {"outside_regular_hours": True}, True),
        ("2024-01-03T01:00:00", {"outside_regular_hours": True}, False),
        # resting orders at any hour; a holiday has no session
        ("2024-01-06T12:00:00", {"time_in_force": TimeInForce.GTC}, True),
        ("2024-01-01T17:00:00", {}, False),
        ("2024-01-01T17:00:00", {"time_in_force": TimeInForce.GTC}, True),
        ("2024-01-06T12:00:00", {**STOP_LIMIT, "stop_price": Decimal(101), "time_in_force": TimeInForce.GTC}, True),
        ("2024-01-02T21:00:00", {**STOP_LIMIT, "stop_price": Decimal(101)}, False),
        # what takes at once: the market must be open for it
        ("2024-01-02T14:29:59.999999", {"time_in_force": TimeInForce.IOC}, False),
        ("2024-01-02T14:30:00", {"time_in_force": TimeInForce.IOC}, True),
        ("2024-01-02T21:00:00", {"time_in_force": TimeInForce.FOK}, False),
        ("2024-01-02T21:00:00", {"time_in_force": TimeInForce.FOK, "outside_regular_hours": True}, True),
        ("2024-01-03T01:00:00", {"time_in_force": TimeInForce.IOC, "outside_regular_hours": True}, False),
        ("2024-01-06T12:00:00", {"time_in_force": TimeInForce.IOC}, False),
        # a half day: 3 July 2024 closes at 17:00 UTC
        ("2024-07-03T16:59:59", {"limit": None}, True),
        ("2024-07-03T17:00:00", {"limit": None}, False),
        # outside the calendar's data
        ("1901-01-02T17:00:00", {}, False),
    ],
)
def test_session(world: Any, check: Any, now: str, terms: dict[str, Any], passes: bool) -> None:
    w = world(now=at(now)).ready()
    assert check(w.decide(w.order(**terms)), "session").passed is passes


@pytest.mark.parametrize(
    ("now", "passes"), [("03:59:59", True), ("04:00:00", False), ("05:00:00", True), ("08:00:00", False)]
)
def test_no_market_order_in_the_lunch_break_of_hong_kong(world: Any, check: Any, now: str, passes: bool) -> None:
    w = world(now=at(f"2024-01-02T{now}")).ready()
    assert check(w.decide(w.order(symbol="0700.HK", quantity="100", limit=None)), "session").passed is passes


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ("2024-01-02T20:44:59.999999", True),
        ("2024-01-02T20:45:00", False),
        ("2024-01-02T20:59:00", False),
        ("2024-01-02T22:00:00", False),
        ("2024-07-02T19:44:59.999999", True),  # summer time
        ("2024-07-02T19:45:00", False),
        ("2024-07-03T16:44:59.999999", True),  # a half day
        ("2024-07-03T16:45:00", False),
        ("2024-01-06T17:00:00", False),
    ],
)
def test_market_on_close_is_refused_from_a_quarter_of_an_hour_before(
    world: Any, check: Any, now: str, passes: bool
) -> None:
    w = world(now=at(now)).ready()
    decision = w.decide(w.order(**MOC))
    assert check(decision, "close_cutoff").passed is passes
    assert isinstance(decision, IntentApproved) is passes


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2024-01-02T20:47", "15:45 ET, 15 minutes before the close at 16:00 ET: it is 15:47 ET"),
        ("2024-07-03T16:50", "12:45 ET, 15 minutes before the close at 13:00 ET: it is 12:50 ET"),
    ],
)
def test_the_refusal_of_market_on_close_speaks_the_time_of_the_exchange(
    world: Any, check: Any, now: str, expected: str
) -> None:
    w = world(now=at(now)).ready()
    reason = check(w.decide(w.order(**MOC)), "close_cutoff").reason
    nearest = "use a MARKET or LIMIT order while the market is open"
    assert reason == f"orders for the close are refused from {expected}; {nearest}"


LOC = {"order_type": OrderType.LIMIT_ON_CLOSE, "limit": "100"}
MOO = {"order_type": OrderType.MARKET_ON_OPEN, "limit": None}
LOO = {"order_type": OrderType.LIMIT_ON_OPEN, "limit": "100"}


def test_a_limit_on_close_has_the_same_deadline(world: Any, check: Any) -> None:
    for now, passes in (("2024-01-02T20:44:59", True), ("2024-01-02T20:45", False)):
        assert check(world(now=at(now)).ready().decide(world().order(**LOC)), "close_cutoff").passed is passes


@pytest.mark.parametrize("terms", [MOO, LOO], ids=["market", "limit"])
@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ("2024-01-02T14:27:59.999999", True),
        ("2024-01-02T14:28", False),
        ("2024-01-02T14:30", False),
        ("2024-01-02T21:30", False),  # late trading
        ("2024-01-03T02:00", True),  # at night, for the next one
        ("2024-07-02T13:27:59", True),  # summer time
        ("2024-07-02T13:28", False),
        ("2024-01-06T17:00", True),  # on a Saturday, for Monday's
    ],
)
def test_an_order_for_the_opening_comes_before_its_deadline(
    world: Any, check: Any, now: str, passes: bool, terms: dict[str, Any]
) -> None:
    w = world(now=at(now)).ready()
    decision = w.decide(w.order(**terms))
    assert check(decision, "open_cutoff").passed is passes
    assert isinstance(decision, IntentApproved) is passes


def test_the_refusal_of_an_order_for_the_opening_says_what_comes_nearest(world: Any, check: Any) -> None:
    w = world(now=at("2024-01-02T14:29")).ready()
    assert check(w.decide(w.order(**MOO)), "open_cutoff").reason == (
        "orders for the opening are refused from 09:28 ET, 2 minutes before the opening at 09:30 ET: it is 09:29 ET; "
        "use a MARKET or LIMIT order while the market is open, or send it from 20:00 ET on, for the next opening"
    )


def test_what_never_opens_has_no_opening(world: Any, check: Any) -> None:
    w = world().ready().instrument("SPY", calendar="24/7")
    assert check(w.decide(w.order(**MOO)), "open_cutoff").reason == "SPY has no opening to trade at"


def test_hong_kong_takes_orders_for_its_opening_until_a_quarter_past_nine(world: Any, check: Any) -> None:
    for now, passes in (("2024-01-02T01:14:59", True), ("2024-01-02T01:15", False)):
        w = world(now=at(now)).ready().instrument("SPY", calendar="XHKG")
        assert check(w.decide(w.order(**MOO)), "open_cutoff").passed is passes


def test_a_market_to_limit_order_needs_regular_hours(world: Any, check: Any) -> None:
    to_limit = {"order_type": OrderType.MARKET_TO_LIMIT, "limit": None, "time_in_force": TimeInForce.GTC}
    for now, passes in (("2024-01-02T16:00", True), ("2024-01-02T14:00", False)):
        decision = world(now=at(now)).ready().decide(world().order(**to_limit))
        assert check(decision, "session").passed is passes
        assert passes or "a MARKET_TO_LIMIT order needs regular trading hours" in check(decision, "session").reason


def test_what_never_closes_has_no_market_on_close(world: Any, check: Any) -> None:
    w = world().ready().instrument("SPY", calendar="24/7")
    assert check(w.decide(w.order(**MOC)), "close_cutoff").reason == "SPY has no close to trade at"
    assert check(w.decide(w.order(limit=None)), "session").passed


def test_no_price_denies(world: Any, check: Any) -> None:
    w = world().ready()
    w.state.quotes.clear()
    decision = w.decide(w.order())
    assert decision.reason == "there is no price of SPY to hold the order against"
    assert not check(decision, "price_age").passed
    assert not check(decision, "price_collar").passed


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "0", "sNaN"])
def test_a_price_that_is_no_price_does_not_count(world: Any, check: Any, price: str) -> None:
    w = world().ready().quote("SPY", price, price, last=Decimal(price))
    assert not check(w.decide(w.order()), "price_present").passed


def test_a_quote_of_the_future_denies_and_does_not_keep_the_next_one_out(world: Any) -> None:
    w = world().ready()
    w.quote("SPY", "99", "100", at=w.now + timedelta(days=1))
    assert w.decide(w.order()).reason == "the price of SPY is dated 86400 s ahead of the desk clock"
    w.quote("SPY", "98.99", "99")
    assert w.decide(w.order(limit="99")).reference_price == Decimal(99)


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        (timedelta(seconds=60), True),
        (timedelta(seconds=60) + AT_ONCE, False),
        (timedelta(seconds=-30), True),
        (timedelta(seconds=-30) - AT_ONCE, False),
    ],
)
def test_price_age(world: Any, check: Any, age: timedelta, passes: bool) -> None:
    w = world().ready()
    w.state.quotes.clear()
    w.quote("SPY", "99", "100", at=w.now - age)
    assert check(w.decide(w.order()), "price_age").passed is passes


@pytest.mark.parametrize(
    ("asked_for", "got", "limit", "passes"),
    [
        ("LIVE", MarketDataType.LIVE, None, True),
        ("LIVE", MarketDataType.DELAYED, "100", False),
        ("DELAYED", MarketDataType.DELAYED, "100", True),
        ("DELAYED", MarketDataType.DELAYED, None, False),
        ("DELAYED", MarketDataType.DELAYED_FROZEN, "100", False),
        ("DELAYED", MarketDataType.LIVE, None, True),
        ("FROZEN", MarketDataType.FROZEN, "100", True),
    ],
)
def test_market_data_type(
    world: Any, check: Any, asked_for: str, got: MarketDataType, limit: str | None, passes: bool
) -> None:
    w = world(desk={"venues": {"ibkr": Venue(accounts=("DU1234567",), market_data_type=asked_for)}}).ready()
    w.quote("SPY", "99", "100", market_data_type=got)
    assert check(w.decide(w.order(limit=limit)), "market_data_type").passed is passes


def test_delayed_data_is_good_enough_to_get_out(world: Any, check: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "10"),)).quote("SPY", "99", "100", market_data_type=MarketDataType.DELAYED)
    assert isinstance(w.decide(w.order("SELL", "10", limit=None)), IntentApproved)


@pytest.mark.parametrize(
    ("side", "terms", "passes"),
    [
        ("BUY", {"limit": "105.00"}, True),  # ask 100, collar 5 %
        ("BUY", {"limit": "105.01"}, False),
        ("BUY", {"limit": "1"}, True),
        ("SELL", {"limit": "95.00"}, True),  # bid 100
        ("SELL", {"limit": "94.99"}, False),
        ("SELL", {"limit": "900"}, True),
        ("BUY", {"limit": None}, True),
        ("BUY", {**STOP, "stop_price": Decimal("100.01")}, True),
        ("BUY", {**STOP, "stop_price": Decimal("100.00")}, False),
        ("SELL", {**STOP, "stop_price": Decimal("99.99")}, True),
        ("SELL", {**STOP, "stop_price": Decimal("100.00")}, False),
        # what is to be touched lies on the other side of the market
        ("SELL", {**TOUCH, "stop_price": Decimal("100.01")}, True),
        ("SELL", {**TOUCH, "stop_price": Decimal("100.00")}, False),
        ("BUY", {**TOUCH, "stop_price": Decimal("99.99")}, True),
        ("BUY", {**TOUCH, "stop_price": Decimal("100.00")}, False),
        ("SELL", {**LIMIT_TOUCH, "stop_price": Decimal("120.00"), "limit": "114.00"}, True),
        ("SELL", {**LIMIT_TOUCH, "stop_price": Decimal("120.00"), "limit": "113.99"}, False),
        # the limit behind a stop is held against the stop
        ("BUY", {**STOP_LIMIT, "stop_price": Decimal("120.00"), "limit": "126.00"}, True),
        ("BUY", {**STOP_LIMIT, "stop_price": Decimal("120.00"), "limit": "126.01"}, False),
        ("BUY", {**STOP_LIMIT, "stop_price": Decimal("120.00"), "limit": "90"}, True),
        ("BUY", {**STOP_LIMIT, "stop_price": Decimal("100.00"), "limit": "90"}, False),
        ("SELL", {**STOP_LIMIT, "stop_price": Decimal("80.00"), "limit": "76.00"}, True),
        ("SELL", {**STOP_LIMIT, "stop_price": Decimal("80.00"), "limit": "75.99"}, False),
        ("SELL", {**STOP_LIMIT, "stop_price": Decimal("100.00"), "limit": "100"}, False),
    ],
)
def test_price_collar(world: Any, check: Any, side: str, terms: dict[str, Any], passes: bool) -> None:
    w = world().ready().quote("SPY", "100", "100")
    assert check(w.decide(w.order(side, **terms)), "price_collar").passed is passes


def test_both_prices_of_a_stop_with_a_limit_are_told(world: Any, check: Any) -> None:
    w = world().ready().quote("SPY", "100", "100")
    told = check(w.decide(w.order(**STOP_LIMIT, stop_price=Decimal(120), limit="130")), "price_collar")
    assert (told.limit, told.observed) == ("above 100, at most 126", "120, 130")
    assert "through its stop 120" in told.reason


@pytest.mark.parametrize(("side", "expected"), [("BUY", "101"), ("SELL", "99")])
def test_the_reference_is_the_side_an_order_would_meet(world: Any, side: str, expected: str) -> None:
    w = world().ready().quote("SPY", "99", "101", last=Decimal(100))
    assert w.decide(w.order(side)).reference_price == Decimal(expected)
