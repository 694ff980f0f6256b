"""Days in process on which an entry fills in many small parts: its exits stay few, whatever fills of them meanwhile."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from oms.joining import ORDERS_MAX, PARTS_MAX
from signalbox.messages import IntentApproved, ListAlarmed, OrderListIntent

from tests.desk_in_process.test_lists import PRICES, bracket, held, working

PARTS = 30
SIZES = {"SPY": Decimal(2), "BTC-USD": Decimal("0.01")}


def bought(day: Any, symbol: str, shares: tuple[str, ...] = ("1",)) -> str:
    """A bracket whose entry fills in so many parts of one size."""
    price, venue = PRICES[symbol]
    day.price(venue, symbol, str(price), str(SIZES[symbol]))
    name = bracket(day, symbol, str(SIZES[symbol] * PARTS), shares)
    for number in range(1, PARTS):
        assert held(day, symbol) == SIZES[symbol] * number
        assert at_venue(day, symbol, ".stop") == held(day, symbol)
        day.price(venue, symbol, str(price), str(SIZES[symbol]))
    assert held(day, symbol) == SIZES[symbol] * PARTS
    return name


def at_venue(day: Any, symbol: str, leg: str) -> Decimal:
    """What works of a leg there."""
    orders = day.venues[PRICES[symbol][1]].exchange.orders.values()
    return sum((each.leaves for each in orders if leg in each.terms.client_reference), Decimal(0))


def alarmed(day: Any) -> list[Any]:
    return [each for each in day.orders.trade.stored if isinstance(each, ListAlarmed)]


@pytest.mark.parametrize("symbol", SIZES)
def test_thirty_parts_have_few_exits_for_all_that_is_held(day: Any, symbol: str) -> None:
    d = day()
    bought(d, symbol)
    assert at_venue(d, symbol, ".stop") == at_venue(d, symbol, ".t1") == held(d, symbol)
    assert len(working(d)) <= 2 * PARTS_MAX
    assert alarmed(d) == []
    price, venue = PRICES[symbol]
    d.price(venue, symbol, str(price * Decimal("0.89")))
    assert (held(d, symbol), working(d)) == (0, {})


@pytest.mark.parametrize("symbol", SIZES)
def test_targets_of_many_parts_that_fill_in_part_leave_a_stop_for_the_rest(day: Any, symbol: str) -> None:
    d = day()
    bought(d, symbol, ("0.5", "0.5"))
    assert len(working(d)) <= ORDERS_MAX
    price, venue = PRICES[symbol]
    for _ in range(8):
        d.price(venue, symbol, str(price * Decimal("1.11")), str(SIZES[symbol] * 3))
        assert at_venue(d, symbol, ".stop") == held(d, symbol), "neither more nor less than what is held"
    d.price(venue, symbol, str(price * Decimal("0.89")))
    assert (held(d, symbol), working(d), alarmed(d)) == (0, {}, [])


@pytest.mark.parametrize("symbol", SIZES)
def test_risk_counts_what_has_joined_as_the_oms_does(day: Any, symbol: str) -> None:
    d = day()
    name = bought(d, symbol)
    d.follow()
    venue = PRICES[symbol][1]
    holding = d.risk.books[venue, d.venues[venue].account].holdings[symbol]
    assert (holding.quantity, holding.selling_quantity) == (held(d, symbol), held(d, symbol))
    assert set(d.risk.lists[name]) == set(working(d))


def test_the_list_was_one_decision(day: Any) -> None:
    d = day()
    bought(d, "SPY")
    approved = [each for each in d.orders.trade.stored if isinstance(each, IntentApproved)]
    assert [type(each.intent) for each in approved] == [OrderListIntent]
