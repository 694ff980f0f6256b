"""Days in process on which the stop of a bracket trails, from the first or from a time on, at both kinds of venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import (
    Contingency,
    IntentApproved,
    ListAlarmed,
    ListLeg,
    OrderListIntent,
    OrderType,
    Side,
    TimedAction,
    TimedStep,
)

from tests.desk_in_process.test_lists import PRICES, held, working

MINUTE = 60
TRAILS = {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(5)}
BOTH = [("SPY", "10"), ("BTC-USD", "0.01")]


def bracket(day: Any, symbol: str, quantity: str, *steps: TimedStep, **stop: Any) -> str:
    """Buy at the market with a stop 10 % below."""
    day.now, day.number = day.now.replace(microsecond=0), day.number + 1
    at, venue = PRICES[symbol]
    exit_leg = ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, stop_price=at * 9 / 10)
    if stop:
        exit_leg = replace(exit_leg, **{"stop_price": None} | stop)
    entry = ListLeg(name="entry", side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(quantity))
    intent = OrderListIntent(
        id=f"l{day.number}",
        at=day.now,
        venue=venue,
        symbol=symbol,
        contingency=Contingency.BRACKET,
        legs=(entry, exit_leg),
        timed=steps,
    )
    decision = day.want(intent, day.now, "alice")
    assert isinstance(decision, IntentApproved), decision
    return intent.id


def moves(day: Any, symbol: str, *factors: str) -> None:
    """The market goes to so much of its first price."""
    price, venue = PRICES[symbol]
    for factor in factors:
        day.price(venue, symbol, str((price * Decimal(factor)).normalize()))


@pytest.mark.parametrize(("symbol", "quantity"), BOTH)
def test_the_stop_follows_the_market_and_closes_what_is_held_when_it_turns(day, symbol, quantity):
    d = day()
    moves(d, symbol, "1")
    name = bracket(d, symbol, quantity, **TRAILS)
    assert working(d) == {f"{name}.stop": Decimal(quantity)}
    moves(d, symbol, "1.20", "1.15")
    assert held(d, symbol) == Decimal(quantity)
    moves(d, symbol, "1.13")
    assert (held(d, symbol), working(d)) == (0, {})


@pytest.mark.parametrize(("symbol", "quantity"), BOTH)
def test_a_stop_trails_from_its_time_on_and_is_never_looser_than_it_was(day, symbol, quantity):
    d = day()
    moves(d, symbol, "1")
    step = TimedStep(action=TimedAction.TRAIL_STOP, after_seconds=MINUTE, trail_percent=Decimal(5))
    name = bracket(d, symbol, quantity, step)
    moves(d, symbol, "1.20", "0.92")
    assert held(d, symbol) == Decimal(quantity), "it does not trail yet"
    d.later(MINUTE)
    stop = d.orders.state.orders[f"{name}.stop"].order
    assert (stop.order_type, stop.trail_percent) == (OrderType.TRAILING_STOP, 5)
    moves(d, symbol, "0.91")
    assert held(d, symbol) == Decimal(quantity), "5 % behind 0.92 is looser than where the stop was: 0.90"
    moves(d, symbol, "1.00", "0.94")
    assert (held(d, symbol), working(d)) == (0, {})
    assert not [each for each in d.trade.stored if isinstance(each, ListAlarmed)]


@pytest.mark.parametrize(("symbol", "quantity"), BOTH)
def test_a_stop_that_would_be_passed_stays_where_it_was(day, symbol, quantity):
    d = day()
    moves(d, symbol, "1")
    wide = TimedStep(action=TimedAction.TRAIL_STOP, after_seconds=MINUTE, trail_percent=Decimal(20))
    bracket(d, symbol, quantity, wide)
    d.later(MINUTE)
    moves(d, symbol, "0.91")
    assert held(d, symbol) == Decimal(quantity)
    moves(d, symbol, "0.90")
    assert (held(d, symbol), working(d)) == (0, {})
