"""Cancels: let through whenever there is something to cancel."""

from __future__ import annotations

from typing import Any

import pytest
from risk import evolve, observed
from signalbox.messages import IntentApproved, LinkStatus, OrderStatus, TradingMode


def test_an_approved_order_can_be_cancelled_before_the_venue_has_it(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    decision = w.decide(w.cancel(order.id, account=""))
    assert isinstance(decision, IntentApproved)
    assert decision.order_id == order.id
    assert decision.intent.account == "DU1234567"


def test_a_cancel_passes_whatever_the_state_of_the_desk(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.mode(TradingMode.HALTED).link(LinkStatus.DOWN).later(86_400)
    evolve.distrust_books(w.state, w.sequence)
    assert isinstance(w.decide(w.cancel(order.id), clock_is_stale=True), IntentApproved)
    observed.fold_trading_state(w.state, None, "")
    assert isinstance(w.decide(w.cancel(order.id, at=order.at)), IntentApproved)


def test_an_order_of_unknown_fate_can_be_cancelled(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.created(order).fill(order, "1", "9", status=OrderStatus.UNKNOWN)
    assert isinstance(w.decide(w.cancel(order.id)), IntentApproved)


def test_what_is_over_can_not_be_cancelled(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.created(order).fill(order, "10", "0")
    assert w.decide(w.cancel(order.id)).reason == f"order {order.id} is FILLED: there is nothing left to cancel"


def test_what_was_denied_can_not_be_cancelled(world: Any) -> None:
    w = world().ready()
    denied = w.decide(w.order(id="x", quantity="0"))
    expected = f"order x was denied at INTENTS:{denied.intent_sequence}: there is nothing to cancel"
    assert w.decide(w.cancel("x")).reason == expected


@pytest.mark.parametrize("order_id", ["nobody", "", "*", "o" * 200])
def test_what_was_never_there_can_not_be_cancelled(world: Any, order_id: str) -> None:
    w = world().ready()
    assert w.decide(w.cancel(order_id)).reason == f"the desk has no order {order_id!r}"


def test_a_cancel_must_name_the_symbol_of_its_order(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    decision = w.decide(w.cancel(order.id, symbol="AAPL"))
    assert decision.reason.startswith(f"order {order.id} is for SPY at ibkr in DU1234567, not for AAPL at ibkr")


def test_a_cancel_uses_up_its_id(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.decide(w.cancel(order.id, id="c"))
    assert "duplicate intent id" in w.decide(w.cancel(order.id, id="c")).reason


def test_a_cancel_that_names_no_symbol_is_of_its_order_whatever_that_is_of(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    decision = w.decide(w.cancel(order.id, symbol=""))
    assert isinstance(decision, IntentApproved)
    assert decision.order_id == order.id
    wrong = w.decide(w.cancel(order.id, symbol="AAPL"))
    assert wrong.reason == f"order {order.id} is for SPY at ibkr in DU1234567, not for AAPL at ibkr in DU1234567"
    assert w.decide(w.cancel("nobody", symbol="")).reason == "the desk has no order 'nobody'"
