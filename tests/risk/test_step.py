"""The one entry: whatever comes in is folded, an intent gets one decision, and the time of anything else is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from risk.facts import Request
from risk.state import LinkLost
from risk.step import Incoming, RoomLost, TradeEvent, TradingStateLost, step
from signalbox.messages import IntentApproved, IntentDenied


def test_an_intent_gets_one_decision_however_often_it_comes(world: Any) -> None:
    w = world().ready()
    request = Request(sequence=50, intent=w.order(), by="alice")
    (decision,) = step(w.state, request, w.now)
    assert isinstance(decision, IntentApproved)
    assert step(w.state, request, w.now) == ()
    assert step(w.state, decision) == ()
    assert [w.state.books["ibkr", "DU1234567"].working_orders, len(w.state.answered)] == [1, 1]


def test_a_decision_that_was_read_in_trade_is_folded_as_if_it_were_made_here(world: Any) -> None:
    made, read = world().ready(), world().ready()
    (decision,) = step(made.state, Request(sequence=50, intent=made.order(), by="alice"), made.now)
    assert step(read.state, decision) == ()
    assert (read.state.orders, read.state.answered) == (made.state.orders, made.state.answered)


@pytest.mark.parametrize(
    ("lost", "failed"),
    [
        (LinkLost(venue="ibkr", account="DU1234567"), ["venue_link"]),
        (TradingStateLost(), ["trading_state"]),
        (RoomLost(), ["store_room"]),
        (TradeEvent(77, None), ["account_books"]),
    ],
)
def test_what_is_lost_or_can_not_be_read_denies(world: Any, lost: Incoming, failed: list[str]) -> None:
    w = world().ready()
    assert step(w.state, lost) == ()
    decision = w.decide(w.order())
    assert isinstance(decision, IntentDenied)
    assert [check.name for check in decision.checks if not check.passed] == failed


def test_an_error_that_a_request_bears_denies_it_whatever_its_intent_is(world: Any) -> None:
    w = world().ready()
    (decision,) = step(w.state, Request(sequence=50, intent=w.order(id="one"), error="it broke"), w.now)
    assert (type(decision), decision.reason, decision.intent.id) == (IntentDenied, "it broke", "one")


def test_what_the_entry_does_not_know_is_a_mistake_and_not_passed_over(world: Any) -> None:
    with pytest.raises(AssertionError):
        step(world().state, "a quote")  # type: ignore[arg-type]
