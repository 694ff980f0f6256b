"""The checks of an intent by itself, each at its boundary."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox.desk import Venue
from signalbox.messages import InstrumentKind, IntentApproved, IntentDenied, OrderType, TimeInForce
from signalbox.order_support import why_refused

MARKET, LIMIT, STOP, MOC = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.MARKET_ON_CLOSE
AT_ONCE = timedelta(microseconds=1)


def test_a_plain_order_passes_every_check(world: Any, checks: Any) -> None:
    w = world().ready()
    decision = w.decide(w.order())
    assert isinstance(decision, IntentApproved)
    assert (decision.checks, decision.passed) == ((), len(checks(decision)))
    assert all(check.passed and not check.reason for check in checks(decision))
    assert all(check.limit and check.observed and check.source for check in checks(decision))


def test_every_check_has_a_name_of_its_own(world: Any, checks: Any) -> None:
    w = world().ready()
    names = [check.name for check in checks(w.decide(w.order()))]
    assert len(names) == len(set(names)) >= 30


@pytest.mark.parametrize(
    ("identifier", "passes"),
    [
        ("a", True),
        ("A-1", True),
        ("9" * 64, True),
        ("9" * 65, False),
        ("", False),
        ("-a", False),
        ("_baseline", False),
        ("a b", False),
        ("a.b", False),
        ("é", False),
        ("a\n", False),
        ("external", True),
        ("external-777", False),
        ("_unattributed", False),
    ],
)
def test_intent_id(world: Any, check: Any, identifier: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(id=identifier)), "intent_id").passed is passes


@pytest.mark.parametrize("identifier", ["external-777", "_baseline"])
def test_the_names_that_the_desk_gives_itself_are_denied_with_a_sentence(world: Any, identifier: str) -> None:
    w = world().ready()
    for intent in (w.order(id=identifier), w.cancel("i1", id=identifier)):
        decision = w.decide(intent)
        assert isinstance(decision, IntentDenied)
        assert f"the id '{identifier}' can not be used: " in decision.reason


@pytest.mark.parametrize(
    "symbol", ["SPY.", "*", ">", "SP Y Z", "ÄPFEL", "", "S" * 200, "SPY\n", "EURUSD", "%", "\U0001f600"]
)
def test_a_symbol_that_is_none_is_denied_with_a_sentence(world: Any, check: Any, symbol: str) -> None:
    w = world().ready()
    decision = w.decide(w.order(symbol=symbol))
    assert isinstance(decision, IntentDenied)
    assert len(check(decision, "instrument_allowed").reason) > 20
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_an_unknown_symbol_is_denied_by_name(world: Any) -> None:
    w = world().ready()
    decision = w.decide(w.order(symbol="MSFT"))
    assert decision.reason == "MSFT at 'ibkr' is not among the desk file's instruments"


@pytest.mark.parametrize("symbol", ["700", "00700", "0700.HK", "700.hk"])
def test_an_approved_symbol_is_canonical(world: Any, check: Any, symbol: str) -> None:
    w = world(desk={"fx_rates": {"HKD": Decimal("0.128")}}).ready()
    decision = w.decide(w.order(symbol=symbol, quantity="100", limit="300", time_in_force=TimeInForce.GTC))
    assert isinstance(decision, IntentApproved), decision.reason
    assert decision.intent.symbol == "0700.HK"


def test_a_listed_symbol_that_the_venue_has_not_qualified_is_denied(world: Any, check: Any) -> None:
    w = world()
    w.adopt().account().link()
    failed = check(w.decide(w.order()), "instrument_qualified")
    assert failed.reason == "ibkr has not said what SPY is: it is not qualified there"


@pytest.mark.parametrize(
    ("venue", "passes"), [("ibkr", True), ("IBKR", False), ("dydx", False), ("", False), ("i.b", False)]
)
def test_venue(world: Any, check: Any, venue: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(venue=venue)), "venue").passed is passes


def test_the_only_account_of_a_venue_is_filled_in(world: Any) -> None:
    w = world().ready()
    assert w.decide(w.order(account="")).intent.account == "DU1234567"


def test_an_unknown_account_is_denied(world: Any) -> None:
    w = world().ready()
    decision = w.decide(w.order(account="U999"))
    assert decision.reason == "the desk has no account 'U999' at ibkr; it has DU1234567"


def test_an_account_must_be_named_where_there_are_several(world: Any) -> None:
    w = world(desk={"venues": {"ibkr": Venue(accounts=("DU1234567", "DU2"))}}).ready()
    decision = w.decide(w.order(account=""))
    assert decision.reason == "name the account: the desk has several at ibkr (DU1234567, DU2)"
    assert isinstance(w.decide(w.order(account="DU1234567")), IntentApproved)


@pytest.mark.parametrize(
    ("quantity", "passes"), [("1", True), ("0", False), ("-1", False), ("-0", False), ("1.5", False), ("1.0", True)]
)
def test_quantity(world: Any, check: Any, quantity: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(quantity=quantity)), "quantity").passed is passes


@pytest.mark.parametrize(("quantity", "passes"), [("100", True), ("150", False), ("300", True), ("50", False)])
def test_board_lots(world: Any, check: Any, quantity: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(symbol="0700.HK", quantity=quantity, limit="300")), "quantity").passed is passes


def test_a_quantity_below_the_venue_minimum_is_denied(world: Any, check: Any) -> None:
    w = world().ready().instrument("SPY", lot_size=Decimal("0.1"), minimum_quantity=1)
    assert check(w.decide(w.order(quantity="0.9")), "quantity").reason == "the quantity 0.9 is below the minimum of 1"
    assert check(w.decide(w.order(quantity="1.1")), "quantity").passed


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        ({"order_type": MARKET, "limit_price": None}, True),
        ({"order_type": MARKET, "limit_price": Decimal(1)}, False),
        ({"order_type": MARKET, "limit_price": None, "stop_price": Decimal(1)}, False),
        ({"order_type": LIMIT, "limit_price": None}, False),
        ({"order_type": LIMIT, "stop_price": Decimal(1)}, False),
        ({"order_type": STOP, "limit_price": None, "stop_price": Decimal(101)}, True),
        ({"order_type": STOP, "limit_price": None}, False),
        ({"order_type": STOP, "stop_price": Decimal(101)}, False),
        ({"order_type": MOC, "limit_price": None}, True),
        ({"order_type": MOC}, False),
    ],
)
def test_order_terms(world: Any, check: Any, terms: dict[str, Any], passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(**terms)), "order_terms").passed is passes


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        ({"outside_regular_hours": True}, True),
        ({"order_type": MARKET, "limit_price": None, "outside_regular_hours": True}, False),
        ({"order_type": MOC, "limit_price": None, "time_in_force": TimeInForce.GTC}, False),
        ({"reduce_only": True}, True),
    ],
)
def test_what_the_venue_can_not_do_is_denied_with_the_sentence_of_the_table(
    world: Any, check: Any, terms: dict[str, Any], passes: bool
) -> None:
    w = world().ready()
    order = w.order(**terms)
    decision = w.decide(order)
    told = check(decision, "order_support")
    assert (told.passed, told.reason) == (passes, why_refused("ibkr", InstrumentKind.STOCK, order))
    if not passes:
        assert decision.reason == told.reason


@pytest.mark.parametrize(
    ("price", "passes"), [("100.01", True), ("100.010", True), ("100.001", False), ("0", False), ("-100", False)]
)
def test_tick_size(world: Any, check: Any, price: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(limit=price)), "tick_size").passed is passes


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        ({"time_in_force": TimeInForce.DAY}, True),
        ({"time_in_force": TimeInForce.GTC}, True),
        ({"time_in_force": TimeInForce.GTD}, False),
        ({"time_in_force": TimeInForce.GTD, "ends": AT_ONCE}, True),
        ({"time_in_force": TimeInForce.GTD, "ends": timedelta(0)}, False),
        ({"time_in_force": TimeInForce.DAY, "ends": AT_ONCE}, False),
    ],
)
def test_time_in_force(world: Any, check: Any, terms: dict[str, Any], passes: bool) -> None:
    w = world().ready()
    ends = terms.pop("ends", None) if "ends" in terms else None
    order = w.order(**{key: value for key, value in terms.items() if key != "ends"}, good_till=ends and w.now + ends)
    if ends == timedelta(0):
        order = w.order(**terms, good_till=w.now)
    assert check(w.decide(order), "time_in_force").passed is passes


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        (timedelta(seconds=120), True),
        (timedelta(seconds=120) + AT_ONCE, False),
        (timedelta(seconds=-30), True),
        (timedelta(seconds=-30) - AT_ONCE, False),
        (timedelta(days=365), False),
    ],
)
def test_intent_age(world: Any, check: Any, age: timedelta, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(at=w.now - age)), "intent_age").passed is passes


@pytest.mark.parametrize(("till", "passes"), [(timedelta(0), True), (-AT_ONCE, False)])
def test_valid_until(world: Any, check: Any, till: timedelta, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(valid_until=w.now + till)), "valid_until").passed is passes


def test_an_id_is_used_once_whatever_became_of_it(world: Any) -> None:
    w = world().ready()
    approved = w.order(id="x")
    first = w.decide(approved)
    assert isinstance(first, IntentApproved)
    again = w.decide(approved)
    assert again.reason == f"duplicate intent id: it was already decided: approved at INTENTS:{first.intent_sequence}"
    w.decide(w.order(id="y", quantity="0"))
    assert "duplicate intent id: it was already decided: denied at INTENTS:" in w.decide(w.order(id="y")).reason
    assert "duplicate" in w.decide(w.cancel("x", id="x")).reason


def test_the_first_verdict_on_an_id_is_the_one_that_is_told(world: Any) -> None:
    w = world().ready()
    first = w.decide(w.order(id="x"))
    w.decide(w.order(id="x"))
    assert f"approved at INTENTS:{first.intent_sequence}" in w.decide(w.order(id="x")).reason
