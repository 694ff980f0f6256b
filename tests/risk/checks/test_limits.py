"""The limits of the desk file, each at its boundary, with everything under way counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk.decide import decide_again
from signalbox.messages import IntentApproved, OrderStatus, OrderType

BOUND = "100"  # a BUY limited at 100 is worth 100 a share


@pytest.mark.parametrize(("quantity", "passes"), [("1000", True), ("1001", False)])
def test_order_quantity(world: Any, check: Any, quantity: str, passes: bool) -> None:
    w = world().ready()
    assert check(w.decide(w.order(quantity=quantity)), "order_quantity").passed is passes


@pytest.mark.parametrize(
    ("quantity", "terms", "observed", "passes"),
    [
        ("20", {}, "2000", True),
        ("21", {}, "2100", False),
        ("19", {"limit": None}, "1995", True),  # a MARKET order may slip by the collar: ask 100, 5 %
        ("20", {"limit": None}, "2100", False),
        ("18", {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(110)}, "2079", False),
        ("18", {"order_type": OrderType.STOP_LIMIT, "limit": "111", "stop_price": Decimal(110)}, "1998", True),
    ],
)
def test_order_notional(
    world: Any, check: Any, quantity: str, terms: dict[str, Any], observed: str, passes: bool
) -> None:
    w = world(limits={"order_notional_max": Decimal(2000)}).ready()
    found = check(w.decide(w.order(quantity=quantity, **terms)), "order_notional")
    assert (found.passed, found.limit, found.observed) == (passes, "2000", observed)


def test_a_sale_limited_below_the_market_is_worth_the_market(world: Any, check: Any) -> None:
    w = world().ready().quote("SPY", "100", "100.01")
    assert check(w.decide(w.order("SELL", "10", "96")), "order_notional").observed == "1000"


def test_the_multiplier_counts(world: Any, check: Any) -> None:
    w = world(limits={"order_notional_max": Decimal(100_000)}).ready().instrument("SPY", multiplier=100)
    assert check(w.decide(w.order(quantity="10")), "order_notional").passed
    decision = w.decide(w.order(quantity="11"))
    assert decision.reason == "the order may be worth 110,000.00 USD; one order may be worth 100,000.00 USD at most"
    assert check(decision, "gross_exposure").observed == "210000"


@pytest.mark.parametrize(
    ("held", "side", "quantity", "passes"),
    [
        ("0", "BUY", "50", True),
        ("0", "BUY", "51", False),
        ("0", "SELL", "50", True),
        ("0", "SELL", "51", False),
        ("30", "BUY", "20", True),
        ("30", "BUY", "21", False),
        ("-30", "SELL", "21", False),
        ("-30", "BUY", "80", True),
        ("-30", "BUY", "81", False),
        ("90", "SELL", "90", True),  # over the limit already: what reduces is let through
        ("90", "BUY", "1", False),
    ],
)
def test_position_quantity(world: Any, check: Any, held: str, side: str, quantity: str, passes: bool) -> None:
    w = world(limits={"position_quantity_max": Decimal(50)})
    w.ready(positions=(w.held("SPY", held),))
    assert check(w.decide(w.order(side, quantity)), "position_quantity").passed is passes


def test_a_position_counts_all_orders_of_its_side_and_none_of_the_other(world: Any, check: Any) -> None:
    w = world(limits={"position_quantity_max": Decimal(50)}).ready()
    for _ in range(2):
        assert isinstance(w.decide(w.order("BUY", "20")), IntentApproved)
        assert isinstance(w.decide(w.order("SELL", "20")), IntentApproved)
    assert check(w.decide(w.order("BUY", "11")), "position_quantity").observed == "51"
    assert check(w.decide(w.order("SELL", "11")), "position_quantity").observed == "-51"
    assert isinstance(w.decide(w.order("BUY", "10")), IntentApproved)


@pytest.mark.parametrize(("quantity", "passes"), [("10", True), ("11", False)])
def test_position_notional(world: Any, check: Any, quantity: str, passes: bool) -> None:
    w = world(limits={"position_notional_max": Decimal(3000)})
    w.ready(positions=(w.held("SPY", "20"),)).quote("SPY", "100", "100")
    found = check(w.decide(w.order("BUY", quantity)), "position_notional")
    assert (found.passed, found.observed) == (passes, str(2000 + int(quantity) * 100))


@pytest.mark.parametrize(("quantity", "passes"), [("30", True), ("31", False)])
def test_gross_exposure_adds_up_all_symbols(world: Any, check: Any, quantity: str, passes: bool) -> None:
    w = world(limits={"gross_exposure_max": Decimal(10_000)})
    w.ready(positions=(w.held("AAPL", "-100", "50"),)).quote("AAPL", "50", "50")
    assert isinstance(w.decide(w.order("SELL", "20", "100")), IntentApproved)
    decision = w.decide(w.order("SELL", quantity, "100"))
    assert check(decision, "gross_exposure").passed is passes


def test_gross_exposure_follows_the_market(world: Any, check: Any) -> None:
    w = world(limits={"gross_exposure_max": Decimal(10_000)})
    w.ready(positions=(w.held("AAPL", "100", "50"),)).quote("AAPL", "95", "95")
    assert check(w.decide(w.order("BUY", "6", "100")), "gross_exposure").observed == "10100"
    w.quote("AAPL", "94", "94")
    assert check(w.decide(w.order("BUY", "6", "100")), "gross_exposure").observed == "10000"


def test_a_position_that_nobody_can_value_denies_what_opens(world: Any, check: Any) -> None:
    w = world()
    w.ready(positions=(w.held("0700.HK", "100", "300", "HKD"), w.held("SPY", "5")))
    decision = w.decide(w.order("BUY", "1"))
    assert check(decision, "gross_exposure").reason.endswith("can not be valued: a price or rate is missing")
    assert isinstance(w.decide(w.order("SELL", "5")), IntentApproved)


def test_another_currency_without_a_rate_is_denied(world: Any) -> None:
    w = world(now=world().now.replace(hour=6)).ready()
    decision = w.decide(w.order(symbol="0700.HK", quantity="100", limit="300"))
    assert decision.reason == "the desk file has no rate for HKD ([fx_rates]), so the order can not be valued in USD"


def test_the_venues_own_rate_values_an_order_before_the_desk_files(two_currencies: Any, check: Any) -> None:
    w = two_currencies().account(rates={"HKD": Decimal("0.5")})
    decision = w.decide(w.order(symbol="0700.HK", quantity="100", limit="100"))
    told = check(decision, "currency")
    assert (told.observed, told.source) == ("HKD at 0.5", decision.basis.account.source)
    assert check(decision, "order_notional").observed == "5000"
    assert decide_again(w.state.rules, decision) == decision


@pytest.mark.parametrize("rate", ["0", "-1", "NaN"])
def test_a_rate_of_the_venue_that_is_none_leaves_the_desk_files(two_currencies: Any, check: Any, rate: str) -> None:
    w = two_currencies().account(rates={"HKD": Decimal(rate)})
    decision = w.decide(w.order(symbol="0700.HK", quantity="100", limit="100"))
    assert check(decision, "order_notional").observed == "1280"


def test_rates_of_another_currency_than_the_books_value_nothing(two_currencies: Any, check: Any) -> None:
    w = two_currencies().account(rates={"HKD": Decimal("0.5")}, currency="EUR")
    decision = w.decide(w.order(symbol="0700.HK", quantity="100", limit="100"))
    assert check(decision, "order_notional").observed == "1280"


@pytest.mark.parametrize("rate", ["0", "-1", "NaN"])
def test_a_rate_that_is_none_is_as_good_as_missing(world: Any, check: Any, rate: str) -> None:
    w = world(desk={"fx_rates": {"HKD": Decimal(rate)}}).ready()
    assert not check(w.decide(w.order(symbol="0700.HK", quantity="100", limit="300")), "currency").passed


def test_another_currency_is_valued_in_the_accounts(world: Any, check: Any) -> None:
    w = world(now=world().now.replace(hour=6), desk={"fx_rates": {"HKD": Decimal("0.128")}}).ready()
    decision = w.decide(w.order(symbol="0700.HK", quantity="100", limit="300"))
    assert isinstance(decision, IntentApproved), decision.reason
    assert check(decision, "order_notional").observed == "3840"
    assert check(w.decide(w.order(quantity="1")), "gross_exposure").observed == "3940"


@pytest.mark.parametrize(("available", "passes"), [("1000", True), ("999.99", False), ("-1", False), ("NaN", False)])
def test_funds(world: Any, check: Any, available: str, passes: bool) -> None:
    w = world().ready().account(available_funds=Decimal(available))
    assert check(w.decide(w.order(quantity="10")), "funds").passed is passes


def test_funds_are_reserved_from_the_approval_on(world: Any, check: Any) -> None:
    w = world().ready().account(available_funds=Decimal(1500))
    first = w.order(quantity="10")
    assert isinstance(w.decide(first), IntentApproved)
    refused = w.decide(w.order(quantity="6"))
    assert refused.reason == "this order and those under way need 1,600.00 USD; 1,500.00 USD are available"
    assert isinstance(w.decide(w.order(quantity="5")), IntentApproved)
    w.created(first).accepted(first).canceled(first)
    assert isinstance(w.decide(w.order(quantity="10")), IntentApproved)


def test_funds_of_a_fill_stay_taken_until_the_venue_has_counted_it(world: Any, check: Any) -> None:
    w = world().ready().account(available_funds=Decimal(1500))
    order = w.order(quantity="10")
    w.decide(order)
    w.later(1).created(order).fill(order, "10", "0")
    assert check(w.decide(w.order(quantity="6")), "funds").observed == "1600"
    w.account(available_funds=Decimal(1500))  # figures of the same instant may be from before the fill
    assert check(w.decide(w.order(quantity="6")), "funds").observed == "1600"
    w.later(1).account(available_funds=Decimal(500)).quote("SPY", "99.99", "100")
    assert check(w.decide(w.order(quantity="5")), "funds").observed == "500"


def test_a_reducing_order_needs_no_funds(world: Any, check: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "10"),)).account(available_funds=Decimal(-5))
    assert isinstance(w.decide(w.order("SELL", "10")), IntentApproved)


def test_intent_rate_counts_what_was_let_through_in_a_minute(world: Any, check: Any) -> None:
    w = world(limits={"intents_per_minute_max": 2}).ready()
    assert isinstance(w.decide(w.order()), IntentApproved)
    for _ in range(5):
        w.decide(w.order(quantity="0"))
    w.later(10)
    assert isinstance(w.decide(w.order()), IntentApproved)
    w.later(49.999999)
    decision = w.decide(w.order())
    assert check(decision, "intent_rate").reason == "this would be order 3 within a minute; 2 are allowed"
    w.later(0.000001).quote("SPY", "99.99", "100")
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_one_name_does_not_use_up_the_rate_of_all(world: Any, check: Any) -> None:
    w = world(limits={"intents_per_minute_max": 5, "intents_per_minute_per_name_max": None}).ready()
    for _ in range(2):
        assert isinstance(w.decide(w.order(), by="alice"), IntentApproved)
    decision = w.decide(w.order(), by="alice")
    assert decision.reason == "this would be order 3 of alice within a minute; 2 are allowed to one name"
    assert check(decision, "name_rate").limit == "2 a minute"
    assert isinstance(w.decide(w.order(), by="bob"), IntentApproved)
    w.later(60).quote("SPY", "99.99", "100")
    assert isinstance(w.decide(w.order(), by="alice"), IntentApproved)


def test_who_sends_too_much_is_denied_in_few_words(world: Any) -> None:
    w = world(limits={"intents_per_minute_max": 1}).ready()
    w.decide(w.order())
    assert [check.name for check in w.decide(w.order()).checks] == ["intent_rate"]


def test_cancels_do_not_count_towards_the_rate(world: Any) -> None:
    w = world(limits={"intents_per_minute_max": 2}).ready()
    order = w.order()
    w.decide(order)
    for _ in range(3):
        assert isinstance(w.decide(w.cancel(order.id)), IntentApproved)
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_open_orders(world: Any, check: Any) -> None:
    w = world(limits={"open_orders_max": 2}).ready()
    first = w.order()
    w.decide(first)
    w.decide(w.order())
    refused = w.decide(w.order())
    assert check(refused, "open_orders").reason == "this would be working order 3 of the account; 2 are allowed"
    w.created(first).fill(first, "10", "0")
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_an_unknown_order_still_counts(world: Any, check: Any) -> None:
    w = world(limits={"open_orders_max": 1}).ready()
    order = w.order()
    w.decide(order)
    w.created(order).fill(order, "3", "7", status=OrderStatus.UNKNOWN)
    decision = w.decide(w.order())
    assert not check(decision, "open_orders").passed
    assert check(decision, "position_quantity").observed == "20"
