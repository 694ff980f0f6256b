"""Limits on losses: what fills, acts, prices and days of which kind make of the figures, and what is told of them."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from risk import metrics
from risk.decide import decide_again, explain
from risk.limits import limit_use
from risk.losing import LOOK_EVERY, reached, standing
from risk.rules import with_limits
from risk.step import LossesLooked, TradeEvent
from signalbox import messages
from signalbox.messages import (
    ChangeKind,
    FillCorrected,
    IntentApproved,
    IntentDenied,
    OrderEvents,
    OrderStatus,
    OrderType,
)
from signalbox_cli.why import told

from tests.risk.checks.test_losses import NEXT_DAY, buy, holding, reasons, sell
from tests.risk.conftest import ACCOUNT, VENUE
from tests.risk.test_acts import adjusted
from tests.risk.test_scopes import version

APPROVED, DENIED = IntentApproved, IntentDenied


# ---------------------------------------------------------------------------------------------------------- the record


def test_what_none_states_is_not_asked_and_leaves_decisions_as_they_were(world: Any) -> None:
    w = holding(world)
    decision = w.decide(w.order())
    assert decision.basis is not None
    assert decision.basis.books.losses is None
    told = explain(w.state.rules, decision)
    assert len(told) == decision.passed
    assert "daily_loss" not in {check.name for check in told}


def test_a_decision_from_before_that_is_held_against_such_a_limit_says_that_nobody_looked(world: Any) -> None:
    w = holding(world)
    decision = w.decide(w.order())
    rules = with_limits(
        w.state.rules, version(w, desk={"daily_loss_max": Decimal(5), "consecutive_losses_max": Decimal(1)})
    )
    again = decide_again(rules, decision)
    assert isinstance(again, DENIED)
    assert again.reason.startswith(
        f"what account {ACCOUNT} has lost is not known: what the account has won and lost was"
    )


def test_acts_neither_win_nor_lose_in_a_row_and_a_split_changes_nothing(world: Any) -> None:
    """100 at 100 become 200 at 50, of which 100 are given away at 40 each; then 100 are sold at 51."""
    w = holding(world, consecutive_losses_max=1)
    losses = w.state.books[VENUE, ACCOUNT].losses
    two_for_one = {"numerator": Decimal(2), "denominator": Decimal(1)}
    w.event(adjusted(w, ChangeKind.SPLIT, "100", **two_for_one)).quote("SPY", "50", "50")
    assert losses.pnl == 0
    w.event(adjusted(w, ChangeKind.TRADE, "-100", quantity=Decimal(-100), cost=Decimal(-4000)))
    assert losses.pnl == -1000
    sell(w, "100", "51")
    assert (losses.pnl, losses.in_a_row) == (-900, 0)
    w.event(adjusted(w, ChangeKind.SET, "10", quantity=Decimal(10), cost=Decimal(510)))
    assert losses.pnl == -900
    sell(w, "10", "50")
    assert (losses.pnl, losses.in_a_row) == (-910, 1)


def test_looks_that_follow_each_other_at_once_cost_nothing(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500)).take(LossesLooked())
    losses = w.state.books[VENUE, ACCOUNT].losses
    first = losses.watched
    w.later(LOOK_EVERY.total_seconds() / 2).take(LossesLooked())
    assert losses.watched is first
    w.later(LOOK_EVERY.total_seconds() / 2).take(LossesLooked())
    assert losses.watched.at == w.now


def test_what_is_used_of_each_is_told_and_of_what_is_not_stated_nothing(world: Any) -> None:
    w = holding(world, quantity="10", daily_loss_max=Decimal(100), consecutive_losses_max=4)
    sell(w, "10", "98")
    used = limit_use(w.state, (VENUE, ACCOUNT), w.now)
    assert (used["daily_loss_max"], used["consecutive_losses_max"]) == (0.2, 0.25)
    assert "drawdown_max_fraction" not in used
    w.state.rules = with_limits(w.state.rules, version(w, desk={"drawdown_max_fraction": Decimal("0.01")}))
    assert limit_use(w.state, (VENUE, ACCOUNT), w.now)["drawdown_max_fraction"] == pytest.approx(20 / 1_000_020 / 0.01)


def test_of_what_nobody_knows_the_use_is_not_told(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500), "drawdown_max_fraction": Decimal("0.5")})
    w.ready(positions=(w.held("MSFT", "10"),))
    used = limit_use(w.state, (VENUE, ACCOUNT), w.now)
    assert math.isnan(used["daily_loss_max"])
    assert math.isnan(used["drawdown_max_fraction"])
    assert reached(w.state, w.now) == ()


def test_a_limit_that_is_stated_no_more_has_no_series(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(100))
    metrics.show_state(w.state, w.now)
    labels = {"venue": VENUE, "account": ACCOUNT, "limit": "daily_loss_max"}
    assert REGISTRY.get_sample_value("signalbox_risk_limit_use", labels) == 0
    w.state.rules = world().state.rules
    metrics.show_state(w.state, w.now)
    assert REGISTRY.get_sample_value("signalbox_risk_limit_use", labels) is None


def test_a_target_that_is_touched_is_no_stop(world: Any) -> None:
    w = holding(world, cooldown_seconds_after_stop=50)
    target = w.order("SELL", "50", None, order_type=OrderType.MARKET_IF_TOUCHED, stop_price=Decimal(101))
    assert isinstance(w.decide(target), APPROVED)
    w.created(target, stop_price=Decimal(101)).quote("SPY", "101", "101").fill(target, "50", "0", "101")
    assert isinstance(w.decide(w.order("BUY", "1", "101")), APPROVED)


def test_why_says_what_was_won_and_lost(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.quote("SPY", "94", "94")
    found = told(w.decide(w.order("BUY", "1", "94")), 17, {})
    assert f"  limit 500; seen 600, from all that TRADE has up to message {w.state.folded_up_to}" in found
    since = "won and lost -600 USD since 2024-01-02 09:00 UTC, at worst -600; -600 from the peak"
    assert f"{since}; closed at a loss in a row: 0" in found
    w.take(TradeEvent(w.sequence + 1, None))
    found = told(w.decide(w.order("BUY", "1", "94")), 17, {})
    assert f"what the account has won and lost is not known: what account {ACCOUNT} holds is not known" in found


def test_a_price_of_before_a_split_says_nothing_of_what_is_held_after_it(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.event(adjusted(w, ChangeKind.SPLIT, "-90", numerator=Decimal(1), denominator=Decimal(10)))
    denied = w.decide(w.order("BUY", "1", "100"))
    assert "SPY is held, and ibkr has sent no price of it" in denied.reason
    w.quote("SPY", "1000", "1000")
    assert "daily_loss" not in reasons(w.decide(w.order("BUY", "1", "1000")))


def test_a_fill_of_before_a_split_that_comes_late_is_worth_what_it_was(world: Any) -> None:
    w = holding(world)
    order, before = w.order("BUY", "10", "100"), w.now
    w.decide(order)
    w.created(order).later(10).event(adjusted(w, ChangeKind.SPLIT, "100", numerator=Decimal(2)))
    w.quote("SPY", "50", "50")
    now, w.now = w.now, before
    w.fill(order, "10", "0", "100")
    w.now = now
    losses = w.state.books[VENUE, ACCOUNT].losses
    assert (losses.pnl, losses.traded["SPY"].held.quantity) == (0, 220)


def test_an_order_event_that_can_not_be_read_may_have_been_a_loss(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.sequence += 1
    w.take(TradeEvent(w.sequence, None))
    assert standing(w.state, (VENUE, ACCOUNT), w.now).unknown == f"what account {ACCOUNT} holds is not known"


def test_stops_that_are_told_in_another_order_begin_the_same_pause(world: Any) -> None:
    w = holding(world, cooldown_seconds_after_stop=50)
    terms = {"order_type": OrderType.STOP, "stop_price": Decimal(99)}
    stops = [w.order("SELL", "10", None, **terms) for _ in range(2)]
    for stop in stops:
        w.decide(stop)
        w.created(stop, stop_price=Decimal(99))
    w.quote("SPY", "99", "99").fill(stops[0], "10", "0", "99")
    w.now -= timedelta(seconds=20)
    w.fill(stops[1], "10", "0", "99").later(20 + 49)
    assert reasons(w.decide(w.order("BUY", "1", "99"))) == ["cooldown"]


def test_what_was_held_of_others_when_a_day_began_is_not_nothing(world: Any) -> None:
    """The first fill of the day says what was won until then only where nothing else is held, and all is known."""
    w = world(limits={"daily_loss_max": Decimal(500)}).ready(positions=(world().held("AAPL", "100", "50"),))
    order = w.order("BUY", "1", "100", id="external-1")
    w.created(order).fill(order, "1", "0", "100")
    losses = w.state.books[VENUE, ACCOUNT].losses
    assert (losses.day, losses.last) == (None, None)


def test_before_the_books_are_taken_over_no_day_has_begun(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)}).instrument("SPY")
    order = w.order("BUY", "1", "100", id="external-1")
    w.created(order).fill(order, "1", "0", "100")
    assert w.state.books[VENUE, ACCOUNT].losses.day is None


def test_what_was_lost_in_a_currency_without_a_rate_is_not_nothing(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)}).ready()
    for side, price in (("BUY", "300"), ("SELL", "299")):
        order = w.order(side, "100", price, id=f"external-{price}", symbol="0700.HK")
        w.created(order, currency="HKD").fill(order, "100", "0", price)
    losses = w.state.books[VENUE, ACCOUNT].losses
    assert losses.marks.is_empty
    w.now = NEXT_DAY
    order = w.order("BUY", "1", "100", id="external-1")
    w.created(order).fill(order, "1", "0", "100")
    assert losses.day < NEXT_DAY


def test_an_account_that_lost_nothing_passes_whatever_it_is_worth(world: Any) -> None:
    w = holding(world, drawdown_max_fraction=Decimal("0.1"))
    w.account(net_liquidation=Decimal(-500))
    assert "drawdown" not in reasons(w.decide(w.order("BUY", "1", "100")))


def test_a_revision_that_leaves_nothing_held_begins_anew(world: Any) -> None:
    w = holding(world, quantity="10", consecutive_losses_max=5)
    out = w.order("SELL", "9", "90", id="external-1")
    w.created(out).fill(out, "9", "0", "90")
    first = messages.decode(w.log[-1][2], OrderEvents).fill
    common = {"cumulative_quantity": Decimal(10), "leaves_quantity": Decimal(0)}
    values = w._of("external-1", OrderStatus.FILLED)
    w.event(FillCorrected(**values, fill=replace(first, revision=2, quantity=Decimal(10)), replaced=first, **common))
    losses = w.state.books[VENUE, ACCOUNT].losses
    assert losses.pnl == -100
    buy(w, "10", "100")
    sell(w, "10", "101")
    assert losses.in_a_row == 0


def test_of_a_day_that_is_up_nothing_is_used(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500), price_age_seconds_max=100_000).take(LossesLooked())
    w.now = NEXT_DAY - timedelta(seconds=1)
    w.take(LossesLooked()).later(1).take(LossesLooked()).later(6 * 3600).account().quote("SPY", "110", "110")
    decision = w.decide(w.order("BUY", "1", "110"))
    [check] = [each for each in explain(w.state.rules, decision) if each.name == "daily_loss"]
    assert (check.passed, check.observed) == (True, "0")
    assert limit_use(w.state, (VENUE, ACCOUNT), w.now)["daily_loss_max"] == 0
