"""Trading states of a venue, an account, a strategy, a symbol: the strictest holds, and the decision says whose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from risk.checkpoint import StateLoader, capture
from risk.decide import decide_again
from risk.state import Scope, opening_state
from risk.switches import in_words, kind_of, strictest, switches_of, told
from signalbox.messages import (
    BooksAdjusted,
    IntentApproved,
    IntentDenied,
    OrderStatus,
    SwitchScope,
    SwitchSeen,
    SwitchTrading,
    TradingMode,
)

from .conftest import World

OWNER = {"venue": "ibkr", "account": "DU1234567"}
SCOPES: dict[SwitchScope, dict[str, Any]] = {
    SwitchScope.VENUE: {},
    SwitchScope.ACCOUNT: {},
    SwitchScope.STRATEGY: {"strategy": "trend"},
    SwitchScope.SYMBOL: {"symbol": "SPY"},
}


def switch(w: Any, scope: SwitchScope, mode: TradingMode = TradingMode.HALTED, **changes: Any) -> Any:
    values = {**OWNER, "mode": mode, "reason": "a look", "by": "carol", **SCOPES[scope], **changes}
    act = SwitchTrading(id=f"a{w.state.folded_up_to}", at=w.now, scope=scope, **values)
    owner = {"venue": act.venue, "account": act.account}
    return w.event(BooksAdjusted(id=act.id, at=w.now, order_id="_acts", status=OrderStatus.FILLED, act=act, **owner))


def holding(world: Any) -> Any:
    w = world()
    return w.ready(positions=(w.held("SPY", "100"),))


def decided(w: Any, side: str = "BUY", **changes: Any) -> Any:
    return w.decide(w.order(side, limit=None, order_type="MARKET", **changes))


def denied(w: Any, side: str = "BUY", **changes: Any) -> str:
    """Why an order is denied; "" = it is let through."""
    decision = decided(w, side, **changes)
    return decision.reason if isinstance(decision, IntentDenied) else ""


@pytest.mark.parametrize(
    ("scope", "where", "name"),
    [
        (SwitchScope.VENUE, " at ibkr", "venue:ibkr"),
        (SwitchScope.ACCOUNT, " in account DU1234567", "account:DU1234567"),
        (SwitchScope.STRATEGY, " of strategy trend", "strategy:trend"),
        (SwitchScope.SYMBOL, " in SPY", "symbol:SPY"),
    ],
)
def test_a_scope_is_halted_by_name_and_the_decision_says_which_decided(
    world: Any, scope: SwitchScope, where: str, name: str
) -> None:
    w = switch(holding(world), scope)
    decision = decided(w, "SELL", strategy="trend")
    assert isinstance(decision, IntentDenied)
    assert decision.reason == f"trading{where} is halted by carol: a look"
    [check] = [check for check in decision.checks if check.name == "trading_state"]
    assert (check.scope, check.observed, check.source) == (name, "HALTED", f"TRADE:{w.state.folded_up_to}")
    w = switch(w, scope, TradingMode.REDUCING)
    assert denied(w, "SELL", strategy="trend") == ""
    assert denied(w, strategy="trend") == f"only orders that reduce a position are let through{where} (carol: a look)"
    assert denied(switch(w, scope, TradingMode.ACTIVE), strategy="trend") == ""
    assert w.state.switches == {}


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [
        (SwitchScope.VENUE, {"venue": "dydx", "account": "a-0"}),
        (SwitchScope.ACCOUNT, {"account": "DU7654321"}),
        (SwitchScope.STRATEGY, {"strategy": "other"}),
        (SwitchScope.SYMBOL, {"symbol": "AAPL"}),
        (SwitchScope.SYMBOL, {"account": "DU7654321"}),
    ],
)
def test_what_is_not_in_a_scope_goes_on(world: Any, scope: SwitchScope, elsewhere: dict[str, str]) -> None:
    assert denied(switch(holding(world), scope, **elsewhere), strategy="trend") == ""


def test_a_strategy_is_what_an_intent_names_and_a_change_is_of_its_orders(world: Any) -> None:
    w = holding(world)
    resting = w.order(limit="90", strategy="trend")
    assert isinstance(w.decide(resting), IntentApproved)
    w.created(resting, strategy="trend").accepted(resting)
    switch(w, SwitchScope.STRATEGY)
    assert denied(w) == ""
    changed = w.decide(w.modify(resting.id, quantity="20"))
    assert changed.reason == "trading of strategy trend is halted by carol: a look"
    wish = w.decide(w.position("TARGET", "300", strategy="trend"))
    assert wish.reason == "trading of strategy trend is halted by carol: a look"
    assert isinstance(w.decide(w.cancel(resting.id)), IntentApproved)


def test_the_strictest_decides_wherever_it_is_and_of_equal_ones_the_widest_is_told(world: Any) -> None:
    w = switch(holding(world), SwitchScope.VENUE, TradingMode.REDUCING)
    switch(w, SwitchScope.SYMBOL)
    assert "in SPY is halted" in denied(w, "SELL")
    switch(w, SwitchScope.ACCOUNT)
    assert "in account DU1234567 is halted" in denied(w, "SELL")
    w.mode(TradingMode.REDUCING)
    assert "in account DU1234567 is halted" in denied(w)
    w.mode(TradingMode.HALTED)
    assert denied(w).startswith("trading is halted by ops")


def test_what_the_desk_lets_through_while_it_is_halted_a_scope_does_too(world: Any) -> None:
    w = holding(world)
    resting = w.order("SELL", limit="100")
    assert isinstance(w.decide(resting), IntentApproved)
    w.created(resting).accepted(resting)
    switch(w, SwitchScope.VENUE)
    assert isinstance(w.decide(w.mass_cancel()), IntentApproved)
    w.canceled(resting)
    assert isinstance(w.decide(w.flatten()), IntentApproved)
    [closing] = w.later(2).look()
    assert str(closing.placed.quantity) == "100"


def test_what_is_switched_is_told_the_strictest_first_with_who_and_why(world: Any) -> None:
    w = switch(holding(world), SwitchScope.SYMBOL)
    switch(w, SwitchScope.STRATEGY, TradingMode.REDUCING)
    switch(w, SwitchScope.VENUE, TradingMode.REDUCING, venue="dydx", account="a-0")
    assert told(w.state) == (
        "SPY at ibkr DU1234567 is HALTED by carol: a look; dydx is REDUCING by carol: a look; "
        "strategy trend is REDUCING by carol: a look"
    )


def test_a_decision_from_before_there_were_scopes_is_made_again_as_it_was(world: Any) -> None:
    w = switch(holding(world), SwitchScope.SYMBOL)
    made = decided(w)
    old = replace(made.basis.scope_switch, scope="")
    again = decide_again(w.state.rules, replace(made, basis=replace(made.basis, scope_switch=None, symbol_switch=old)))
    assert isinstance(again, IntentDenied)
    assert again.reason == "trading in SPY is halted by carol: a look"
    [check] = [check for check in again.checks if check.name == "trading_state"]
    assert (check.scope, check.observed) == ("", "HALTED")


NAMES = st.sampled_from(("ibkr", "dydx", "", "SPY", "trend"))
MODES = st.sampled_from((TradingMode.HALTED, TradingMode.REDUCING))


@given(
    switches=st.dictionaries(
        st.one_of(
            st.tuples(NAMES, st.just(""), st.just(""), st.just("")),
            st.tuples(NAMES, NAMES, st.just(""), st.just("")),
            st.tuples(NAMES, NAMES, NAMES, st.just("")),
            st.tuples(st.just(""), st.just(""), st.just(""), NAMES),
        ),
        MODES,
    ),
    order=st.tuples(NAMES, NAMES, NAMES, NAMES),
)
def test_no_switch_that_an_order_is_in_is_stricter_than_the_one_that_decides(
    switches: dict[Scope, TradingMode], order: Scope
) -> None:
    state = World().state
    state.switches = {
        scope: SwitchSeen(source="TRADE:1", mode=mode, scope=in_words(scope)) for scope, mode in switches.items()
    }
    found = strictest(state, order)
    modes = {
        switch.mode
        for scope, switch in switches_of(state)
        if all(a in ("", b) for a, b in zip(scope, order, strict=True))
    }
    wanted = TradingMode.HALTED if TradingMode.HALTED in modes else TradingMode.REDUCING if modes else None
    assert (found.mode if found is not None else None) is wanted


def test_a_checkpoint_has_every_scope(world: Any) -> None:
    w = holding(world)
    for scope in SCOPES:
        switch(w, scope)
    loader = StateLoader()
    for frame in capture(w.state, 0, 0):
        loader.take(frame)
    loader.finish()
    restored = opening_state(w.state.desk)
    loader.restore(restored)
    assert restored.switches == w.state.switches
    assert [kind_of(scope) for scope in restored.switches] == [*SCOPES]
