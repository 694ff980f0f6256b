"""The checks of the moment, each at its boundary, and closed when nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk import evolve, observed
from risk.state import LinkLost
from signalbox.desk import NatsServers
from signalbox.messages import (
    IntentApproved,
    LinkStatus,
    TradingMode,
)

AT_ONCE = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_stale_clock_denies(world: Any) -> None:
    w = world().ready()
    assert w.decide(w.order(), clock_is_stale=True).reason.startswith("the desk clock stands still")


def test_a_clock_that_never_ticked_denies_and_raises_nothing(world: Any) -> None:
    w = world().ready()
    w.decide(w.order())
    w.now = datetime.min.replace(tzinfo=UTC)
    decision = w.decide(w.order(at=at("2024-01-02T17:00")), clock_is_stale=True)
    assert not isinstance(decision, IntentApproved)


def test_a_missing_trading_state_means_halted(world: Any) -> None:
    w = world().ready()
    observed.fold_trading_state(w.state, None, "")
    assert w.decide(w.order()).reason == "trading is halted: the desk's trading state has not been set"


def test_halted_denies_with_who_and_why(world: Any) -> None:
    w = world().ready().mode(TradingMode.HALTED, "fire drill")
    assert w.decide(w.order()).reason == "trading is halted by ops: fire drill"


@pytest.mark.parametrize(("used", "passes"), [(0, True), (899, True), (900, True), (901, False), (1200, False)])
def test_order_is_denied_before_the_room_that_it_needs_is_used_up(
    world: Any, check: Any, used: int, passes: bool
) -> None:
    w = world().ready().room(used * 1024, 1000 * 1024, "LEDGER")
    decision = w.decide(w.order())
    found = check(decision, "store_room")
    assert (found.passed, found.limit) == (passes, "90 %")
    assert found.observed == f"{used // 10} % of LEDGER"
    assert found.source == "nats-server:LEDGER"
    assert isinstance(decision, IntentApproved) is passes


def test_denial_for_want_of_room_says_which_stream_and_how_much(world: Any) -> None:
    w = world().ready().room(95 * 1024, 100 * 1024)
    assert w.decide(w.order()).reason == (
        "the stream TRADE has used 95 % of its room (95.0 KiB of 100.0 KiB); orders are let through up to 90 %"
    )


def test_desk_file_says_how_full_a_stream_may_be(world: Any) -> None:
    w = world(desk={"nats": NatsServers(room_used_fraction_max=Decimal("0.5"))}).ready().room(51, 100)
    assert not isinstance(w.decide(w.order()), IntentApproved)
    assert isinstance(w.room(50, 100).decide(w.order()), IntentApproved)


def test_room_that_nobody_has_told_of_denies(world: Any) -> None:
    w = world().ready()
    observed.fold_room(w.state, None, "")
    assert w.decide(w.order()).reason.startswith("NATS has not said lately how full its streams are")


def test_stream_without_a_bound_is_not_short_of_room(world: Any) -> None:
    w = world().ready().room(10**12, 0)
    assert isinstance(w.decide(w.order()), IntentApproved)


def test_cancel_is_let_through_whatever_room_there_is(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.created(order).room(100, 100)
    assert isinstance(w.decide(w.cancel(order.id)), IntentApproved)


@pytest.mark.parametrize(
    ("side", "quantity", "passes"),
    [("SELL", "100", True), ("SELL", "101", False), ("BUY", "1", False), ("SELL", "1", True)],
)
def test_reducing_lets_through_what_reduces(world: Any, check: Any, side: str, quantity: str, passes: bool) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "100"),)).mode(TradingMode.REDUCING)
    decision = w.decide(w.order(side, quantity))
    assert check(decision, "trading_state").passed is passes
    assert isinstance(decision, IntentApproved) is passes


def test_reducing_counts_the_orders_already_working(world: Any, check: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "-100"),)).mode(TradingMode.REDUCING)
    assert isinstance(w.decide(w.order("BUY", "60")), IntentApproved)
    assert not check(w.decide(w.order("BUY", "41")), "trading_state").passed
    assert isinstance(w.decide(w.order("BUY", "40")), IntentApproved)


@pytest.mark.parametrize(
    ("side", "quantity", "passes"), [("SELL", "100", True), ("SELL", "101", False), ("BUY", "1", False)]
)
def test_reduce_only_is_held_to_its_word(world: Any, check: Any, side: str, quantity: str, passes: bool) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "100"),))
    assert check(w.decide(w.order(side, quantity, reduce_only=True)), "reduce_only").passed is passes


@pytest.mark.parametrize("word", ["REDUCING", "reduce_only"])
@pytest.mark.parametrize(
    ("held", "working", "side", "quantity", "passes"),
    [
        ("100", [], "SELL", "150", False),  # a reversal opens what it sells beyond
        ("-100", [], "BUY", "150", False),
        ("0", [], "SELL", "1", False),
        ("0", [], "BUY", "1", False),
        ("100", [("BUY", "50")], "SELL", "100", True),
        ("100", [("BUY", "50")], "SELL", "120", False),  # the purchase may never fill
        ("100", [("SELL", "60")], "SELL", "40", True),
        ("100", [("SELL", "60")], "SELL", "41", False),
        ("100", [("SELL", "100"), ("BUY", "100")], "SELL", "1", False),
        ("100", [("SELL", "100"), ("BUY", "100")], "BUY", "1", False),
        ("100", [("SELL", "150")], "BUY", "50", False),  # the sale may never fill
        ("-100", [("SELL", "50")], "BUY", "100", True),
        ("-100", [("SELL", "50")], "BUY", "120", False),
        ("-100", [("BUY", "60"), ("SELL", "60")], "BUY", "41", False),
    ],
)
def test_what_reduces_does_so_whichever_of_the_working_orders_fill(
    world: Any, check: Any, word: str, held: str, working: list[tuple[str, str]], side: str, quantity: str, passes: bool
) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", held),))
    for their_side, their_quantity in working:
        assert isinstance(w.decide(w.order(their_side, their_quantity)), IntentApproved)
    if word == "REDUCING":
        w.mode(TradingMode.REDUCING)
    decision = w.decide(w.order(side, quantity, reduce_only=word == "reduce_only"))
    assert check(decision, "trading_state" if word == "REDUCING" else "reduce_only").passed is passes
    assert isinstance(decision, IntentApproved) is passes


def test_reducing_counts_an_order_that_filled_in_part_once(world: Any, check: Any) -> None:
    w = world()
    w.ready(positions=(w.held("SPY", "100"),))
    sale = w.order("SELL", "60")
    w.decide(sale)
    w.created(sale).fill(sale, "30", "30").mode(TradingMode.REDUCING)
    assert not check(w.decide(w.order("SELL", "41")), "trading_state").passed
    assert check(w.decide(w.order("SELL", "40")), "trading_state").passed


@pytest.mark.parametrize("status", list(LinkStatus))
def test_only_a_ready_link_takes_orders(world: Any, check: Any, status: LinkStatus) -> None:
    w = world().ready().link(status, "nightly reset")
    found = check(w.decide(w.order()), "venue_link")
    assert found.passed is (status is LinkStatus.READY)
    assert found.passed or found.reason == f"the link to ibkr is {status}, not READY: nightly reset"


def test_a_symbol_of_which_a_fact_can_not_be_read_takes_no_orders_and_others_do(world: Any, check: Any) -> None:
    w = world().ready().link(SPY="execution: 0.0 is no price of a STK")
    found = check(w.decide(w.order()), "venue_link")
    assert not found.passed
    assert "0.0 is no price of a STK" in found.reason
    assert not check(w.decide(w.order("SELL")), "venue_link").passed
    w.link(AAPL="execution: 0.0 is no price of a STK")
    assert check(w.decide(w.order()), "venue_link").passed


def test_a_silent_gateway_denies(world: Any, check: Any) -> None:
    w = world().ready()
    observed.fold_link(w.state, LinkLost(venue="ibkr", account="DU1234567"))
    assert "no heartbeat" in check(w.decide(w.order()), "venue_link").reason
    w.link()
    assert check(w.decide(w.order()), "venue_link").passed


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        (timedelta(seconds=300), True),
        (timedelta(seconds=300) + AT_ONCE, False),
        (timedelta(seconds=-30) - AT_ONCE, False),
    ],
)
def test_account_state_age(world: Any, check: Any, age: timedelta, passes: bool) -> None:
    w = world().ready()
    w.state.accounts.clear()
    w.account(at=w.now - age)
    assert check(w.decide(w.order()), "account_state").passed is passes


def test_an_account_never_heard_of_denies(world: Any, check: Any) -> None:
    w = world().ready()
    w.state.accounts.clear()
    decision = w.decide(w.order())
    assert decision.reason == "ibkr has not said what account DU1234567 holds"
    assert not check(decision, "funds").passed


def test_books_not_taken_over_deny(world: Any, check: Any) -> None:
    w = world()
    w.instrument("SPY").account().link().mode(TradingMode.ACTIVE).quote("SPY", "99", "100")
    decision = w.decide(w.order())
    assert decision.reason == "the desk has not taken over the books of account DU1234567 yet"
    assert not check(decision, "position_quantity").passed


def test_an_order_event_that_could_not_be_read_denies(world: Any) -> None:
    w = world().ready()
    evolve.distrust_books(w.state, 77)
    assert "order event at TRADE:77 can not be read" in w.decide(w.order()).reason


def test_a_halt_without_a_reason_is_told_as_one(world: Any) -> None:
    w = world().ready().mode(TradingMode.HALTED, reason="")
    assert w.decide(w.order()).reason.endswith(": no reason was given")
    w.mode(TradingMode.REDUCING, reason="")
    assert w.decide(w.order()).reason.endswith(": no reason was given)")
