"""A cancel of many: what it names is the desk's own, it says how many orders it is for, and nothing holds it up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk.asked import OF_MASS_CANCELS
from risk.decide import address, explain, failed_checks
from risk.facts import normalised
from signalbox import messages
from signalbox.desk import DeskInstrument, Venue
from signalbox.messages import (
    Decision,
    IntentApproved,
    IntentDenied,
    OrderIntent,
    OrderRejected,
    OrderStatus,
    TradingMode,
)

VENUES = {"ibkr": Venue(accounts=("DU1234567", "DU2")), "dydx": Venue(accounts=("d-0",))}
LISTED = (
    DeskInstrument(venue="ibkr", symbol="SPY"),
    DeskInstrument(venue="ibkr", symbol="700"),
    DeskInstrument(venue="dydx", symbol="BTC-USD"),
)


def of(decision: Decision) -> int:
    assert isinstance(decision, IntentApproved), decision
    assert decision.basis is not None
    return decision.basis.covered_orders


def working(w: Any, **changes: Any) -> OrderIntent:
    order: OrderIntent = w.order(**{"account": w.account_name, **changes})
    assert isinstance(w.decide(order), IntentApproved)
    return order


def test_it_is_approved_and_says_how_many_orders_it_is_for(world: Any) -> None:
    w = world().ready()
    first, _ = working(w), working(w, symbol="AAPL", limit="50")
    w.created(first).accepted(first)
    decision = w.decide(w.mass_cancel(note="home"))
    assert of(decision) == 2  # from the approval on
    assert (decision.order_id, decision.checks, decision.passed) == ("", (), len(OF_MASS_CANCELS))
    told = {check.name: check for check in explain(w.state.rules, decision)}
    assert list(told) == [row.name for row in OF_MASS_CANCELS]
    assert told["covered_orders"].observed == "2 orders work"
    assert told["covered_orders"].source == f"TRADE:{w.state.folded_up_to}"
    assert [told[name].observed for name in ("venue", "account", "symbol")] == ["any", "any", "any"]


def test_where_nothing_works_it_is_approved_for_no_orders(world: Any) -> None:
    w = world().ready()
    order = working(w)
    w.created(order).canceled(order)
    assert of(w.decide(w.mass_cancel())) == 0


@pytest.mark.parametrize(
    ("named", "orders"),
    [
        ({"venue": "ibkr"}, 3),
        ({"account": "DU1234567"}, 3),
        ({"symbol": "spy"}, 2),
        ({"symbol": "700"}, 0),
        ({"strategy": "trend"}, 1),
        ({"venue": "ibkr", "symbol": "AAPL", "strategy": "trend"}, 0),
        ({"strategy": "trend "}, 0),
    ],
)
def test_it_is_for_what_has_all_that_it_names(world: Any, named: dict[str, str], orders: int) -> None:
    w = world().ready()
    working(w, strategy="trend")
    working(w)
    working(w, symbol="AAPL", limit="50")
    assert of(w.decide(w.mass_cancel(**named))) == orders


def test_nothing_that_holds_up_orders_holds_it_up(world: Any) -> None:
    w = world(limits={"intents_per_minute_max": 1, "intents_per_minute_per_name_max": 1, "open_orders_max": 1}).ready()
    working(w)
    w.mode(TradingMode.HALTED).room(99, 100).later(10_000)
    assert isinstance(w.decide(w.order()), IntentDenied)
    late = w.mass_cancel(at=w.now - timedelta(days=2))
    assert of(w.decide(late, clock_is_stale=True)) == 1


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"venue": "nyse"}, "the desk does not trade at 'nyse'; its venues are dydx, ibkr"),
        ({"account": "DU9"}, "the desk has no account 'DU9'; it has DU1234567, DU2, d-0"),
        ({"venue": "dydx", "account": "DU2"}, "the desk has no account 'DU2' at dydx; it has d-0"),
        ({"symbol": "MSFT"}, "the desk does not trade MSFT, and no order works in it; it trades 0700.HK, BTC-USD, SPY"),
        (
            {"venue": "ibkr", "symbol": "BTC-USD"},
            "the desk does not trade BTC-USD at 'ibkr', and no order works in it; it trades 0700.HK, SPY",
        ),
        ({"id": "-"}, "the id '-' can not be used: 1 to 64 letters, digits and dashes, not a dash first"),
    ],
)
def test_what_is_not_the_desks_own_is_denied_with_what_is(world: Any, named: dict[str, str], reason: str) -> None:
    w = world(desk={"venues": VENUES, "instruments": LISTED})
    decision = w.decide(w.mass_cancel(**named))
    assert isinstance(decision, IntentDenied)
    assert decision.reason == reason


def test_what_is_no_symbol_is_denied_with_what_one_looks_like(world: Any) -> None:
    w = world()
    decision = w.decide(w.mass_cancel(symbol="S P Y!"))
    assert isinstance(decision, IntentDenied)
    assert [check.name for check in failed_checks(decision)] == ["symbol"]
    assert "is not a symbol" in decision.reason


def test_a_venue_that_is_not_the_desks_has_no_account_either(world: Any) -> None:
    w = world()
    decision = w.decide(w.mass_cancel(venue="nyse", account="DU1234567"))
    assert [check.reason for check in failed_checks(decision)][1] == "the desk has no account at 'nyse'"


def test_of_many_names_the_first_ones_are_told(world: Any) -> None:
    listed = tuple(DeskInstrument(venue="ibkr", symbol=f"{number}") for number in range(1, 200))
    w = world(desk={"instruments": listed})
    decision = w.decide(w.mass_cancel(symbol="MSFT"))
    assert isinstance(decision, IntentDenied)
    assert decision.reason.endswith("0033.HK and 166 more")
    assert len(messages.encode(decision)) < 2_000


def test_a_symbol_that_the_desk_file_lists_no_more_can_be_cancelled_while_an_order_works_in_it(world: Any) -> None:
    w = world()
    foreign = w.order(symbol="MSFT", id="external-7")
    w.created(foreign)
    assert of(w.decide(w.mass_cancel(symbol="msft", external=True))) == 1
    w.canceled(foreign)
    assert isinstance(w.decide(w.mass_cancel(symbol="MSFT")), IntentDenied)


def test_its_id_is_used_once(world: Any) -> None:
    w = world().ready()
    mass_cancel = w.mass_cancel()
    w.decide(mass_cancel)
    decision = w.decide(mass_cancel)
    assert isinstance(decision, IntentDenied)
    assert decision.reason.startswith("duplicate intent id")


def test_a_symbol_is_made_canonical_and_nothing_is_filled_in(world: Any) -> None:
    rules = world().state.rules
    intent = world().mass_cancel(venue="ibkr", symbol="700")
    assert normalised(rules, intent) == (
        messages.decode(messages.encode(intent).replace(b"700", b"0700.HK"), type(intent)),
        "",
    )
    assert normalised(rules, world().mass_cancel(venue="ibkr"))[0].account == ""


def test_the_subject_of_its_decision_says_any(world: Any) -> None:
    state = world().state
    assert address(state, world().mass_cancel()) == ("", "")
    assert address(state, world().mass_cancel(venue="ibkr")) == ("ibkr", "")
    assert address(state, world().mass_cancel(venue="ibkr", account="x" * 900)) == ("ibkr", "")


def test_a_rejected_order_that_trades_after_all_is_its_strategys_again(world: Any) -> None:
    w = world().ready()
    order = working(w, strategy="trend")
    w.created(order, strategy="trend").event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))
    assert of(w.decide(w.mass_cancel(strategy="trend"))) == 0
    w.fill(order, "4", "6", status=OrderStatus.PARTIALLY_FILLED)
    assert of(w.decide(w.mass_cancel(strategy="trend"))) == 1


def test_an_order_that_risk_has_not_approved_is_its_strategys_as_its_first_event_says(world: Any) -> None:
    w = world().ready()
    w.created(w.order(), strategy="trend")
    assert of(w.decide(w.mass_cancel(strategy="trend"))) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "fill", "end", "reject", "wake"]),
        st.integers(0, 20),
        st.sampled_from(["SPY", "AAPL"]),
        st.sampled_from(["", "trend", "pairs"]),
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_what_works_is_counted_as_it_is(world: Any, steps: list[Any]) -> None:
    w, orders = world(limits={"intents_per_minute_max": 999, "intents_per_minute_per_name_max": 999}).ready(), []
    for kind, number, symbol, strategy in steps:
        if kind == "order":
            order = w.order(symbol=symbol, strategy=strategy, limit="100" if symbol == "SPY" else "50")
            if isinstance(w.decide(order), IntentApproved):
                orders.append(order)
                if number % 2:
                    w.created(order, strategy=strategy)
        elif orders:
            order = orders[number % len(orders)]
            if kind == "fill":
                w.fill(order, "1", str(number % 3))
            elif kind == "end":
                w.canceled(order)
            elif kind == "reject":
                w.event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))
            else:
                w.fill(order, "1", "2", status=OrderStatus.PARTIALLY_FILLED)
        counted: dict[Any, int] = {}
        for each in w.state.orders.values():
            counted[each.scope] = counted.get(each.scope, 0) + 1
        assert w.state.working == counted
    for named in ({}, {"symbol": "SPY"}, {"strategy": "trend"}, {"symbol": "AAPL", "strategy": "pairs"}):
        by_hand = [
            each for each in w.state.orders.values() if all(getattr(each, name) == its for name, its in named.items())
        ]
        assert of(w.decide(w.mass_cancel(**named))) == len(by_hand)


def test_a_partial_fill_of_an_order_is_no_end(world: Any) -> None:
    w = world().ready()
    order = working(w)
    w.created(order).fill(order, "4", "6")
    assert of(w.decide(w.mass_cancel())) == 1
