"""What an operator, or a list left without its stop, has made of one symbol: decided by, and outliving a restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk import switches
from risk.checkpoint import StateLoader, capture
from risk.state import opening_state
from signalbox.messages import (
    BooksAdjusted,
    IntentApproved,
    IntentDenied,
    ListAction,
    ListAlarmed,
    OrderStatus,
    SwitchTrading,
    TradingMode,
)

OWNER = {"venue": "ibkr", "account": "DU1234567"}


def switch(w: Any, mode: TradingMode, symbol: str = "SPY", reason: str = "its split is not booked") -> Any:
    act = SwitchTrading(
        id=f"a{w.state.folded_up_to}", at=w.now, symbol=symbol, mode=mode, reason=reason, by="carol", **OWNER
    )
    event = BooksAdjusted(id=act.id, at=w.now, order_id="_acts", status=OrderStatus.FILLED, act=act, **OWNER)
    return w.event(event)


def alarm(w: Any, action: ListAction, symbol: str = "SPY") -> Any:
    return w.event(
        ListAlarmed(
            id=f"b/{w.state.folded_up_to}",
            at=w.now,
            order_id="b",
            status=OrderStatus.NEW,
            about="b.stop-2",
            group=1,
            reason="leg stop is REJECTED",
            action=action,
            symbol=symbol,
            **OWNER,
        )
    )


def holding(world: Any) -> Any:
    w = world()
    return w.ready(positions=(w.held("SPY", "100"),))


def denied(w: Any, side: str = "BUY", **changes: Any) -> str:
    """Why an order is denied; "" = it is let through."""
    decision = w.decide(w.order(side, limit=None, order_type="MARKET", **changes))
    return decision.reason if isinstance(decision, IntentDenied) else ""


def test_a_list_left_without_its_stop_lets_nothing_more_be_opened_there(world: Any) -> None:
    w = alarm(holding(world), ListAction.HALT)
    assert denied(w) == (
        "only orders that reduce a position are let through in SPY (oms: leg stop is REJECTED (list b))"
    )
    assert denied(w, "SELL") == ""
    assert denied(w, symbol="AAPL") == ""


@pytest.mark.parametrize("action", [action for action in ListAction if action is not ListAction.HALT])
def test_no_other_alarm_switches_anything(world: Any, action: ListAction) -> None:
    assert denied(alarm(holding(world), action)) == ""


def test_an_alarm_of_before_there_was_a_symbol_in_it_switches_nothing_that_is_traded(world: Any) -> None:
    assert denied(alarm(holding(world), ListAction.HALT, symbol="")) == ""


def test_an_operator_halts_one_symbol_and_arms_it_again(world: Any) -> None:
    w = switch(holding(world), TradingMode.HALTED)
    for side in ("BUY", "SELL"):
        assert denied(w, side) == "trading in SPY is halted by carol: its split is not booked"
    assert denied(w, symbol="AAPL") == ""
    assert denied(switch(w, TradingMode.REDUCING), "SELL") == ""
    assert "only orders that reduce" in denied(w)
    assert denied(switch(w, TradingMode.ACTIVE)) == ""
    assert w.state.switches == {}


def test_what_a_person_has_halted_no_alarm_opens(world: Any) -> None:
    w = alarm(switch(holding(world), TradingMode.HALTED), ListAction.HALT)
    assert "is halted by carol" in denied(w, "SELL")


def test_the_desks_own_switch_is_asked_first_and_both_have_to_let_it_through(world: Any) -> None:
    w = switch(holding(world), TradingMode.HALTED)
    w.mode(TradingMode.HALTED)
    assert denied(w).startswith("trading is halted by")
    w.mode(TradingMode.ACTIVE)
    assert "in SPY" in denied(w)


def test_a_cancel_and_a_flatten_pass_a_halted_symbol(world: Any) -> None:
    w = holding(world)
    resting = w.order("SELL", limit="100")
    assert isinstance(w.decide(resting), IntentApproved)
    w.created(resting).accepted(resting)
    switch(w, TradingMode.HALTED)
    assert isinstance(w.decide(w.cancel(resting.id)), IntentApproved)
    w.canceled(resting)
    assert isinstance(w.decide(w.flatten()), IntentApproved)
    [closing] = w.later(2).look()
    assert (closing.placed.symbol, closing.placed.quantity) == ("SPY", Decimal(100))


def test_a_denial_says_the_symbols_switch_and_can_be_made_again(world: Any) -> None:
    w = switch(holding(world), TradingMode.HALTED)
    decision = w.decide(w.order())
    assert isinstance(decision, IntentDenied)
    [check] = [check for check in decision.checks if check.name == "trading_state"]
    assert (check.observed, check.source) == ("HALTED", f"TRADE:{w.state.folded_up_to}")
    assert decision.basis.scope_switch == w.state.switches["ibkr", "DU1234567", "SPY", ""]


def test_a_checkpoint_has_the_switches(world: Any) -> None:
    w = alarm(switch(holding(world), TradingMode.HALTED, "AAPL"), ListAction.HALT)
    loader = StateLoader()
    for frame in capture(w.state, 0, 0):
        loader.take(frame)
    loader.finish()
    restored = opening_state(w.state.desk)
    loader.restore(restored)
    assert restored.switches == w.state.switches
    assert switches.told(restored) == (
        "AAPL at ibkr DU1234567 is HALTED by carol: its split is not booked; "
        "SPY at ibkr DU1234567 is REDUCING by oms: leg stop is REJECTED (list b)"
    )
