"""A limit on losses that is reached pulls the account's switch, where the desk file says so."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from risk.step import LossesLooked
from signalbox.messages import IntentApproved, SwitchScope, TradingMode
from signalbox.switches import Switches

from tests.risk.checks.test_losses import NEXT_DAY
from tests.risk.test_causes import ACCOUNT, VENUE, act, denied, looked, scopes


def holding(world: Any, *, losses: bool = True, **limits: Any) -> Any:
    w = world(limits={"price_age_seconds_max": 1_000_000, "account_age_seconds_max": 1_000_000, **limits},
              desk={"switches": Switches(losses=losses)}).ready()  # fmt: skip
    order = w.order("BUY", "100", "100")
    assert isinstance(w.decide(order), IntentApproved)
    return w.quote("SPY", "100", "100").created(order).fill(order, "100", "0", "100")


def test_the_loss_of_a_day_at_its_limit_pulls_nothing_and_just_past_it_lets_only_exits_through(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(600)).quote("SPY", "94", "94")
    assert looked(w) == []
    [made] = looked(w.quote("SPY", "93.99", "93.99"))
    assert scopes([made]) == [("losses", TradingMode.REDUCING, VENUE, ACCOUNT, "")]
    assert made.reason == f"daily_loss_max of {ACCOUNT} is reached: 601 where 600 is let pass"
    assert looked(w.later(1)) == []
    assert denied(w).startswith(f"only orders that reduce a position are let through in account {ACCOUNT} (risk: daily")


def test_after_it_was_ended_it_pulls_no_more_on_that_day_and_on_the_next_it_does(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(600)).quote("SPY", "93", "93")
    assert len(looked(w)) == 1
    act(w, SwitchScope.ACCOUNT, TradingMode.ACTIVE)
    assert looked(w.later(60).quote("SPY", "90", "90")) == []
    w.now = NEXT_DAY - timedelta(seconds=1)
    w.take(LossesLooked())
    w.now = NEXT_DAY
    w.take(LossesLooked())
    assert looked(w.later(6 * 3600).account()) == []
    w.quote("SPY", "80", "80")
    assert len(looked(w)) == 1


def test_a_loss_from_the_peak_pulls_again_after_it_was_made_good(world: Any) -> None:
    w = holding(world, drawdown_max_fraction=Decimal("0.0001"))
    [made] = looked(w.quote("SPY", "98", "98"))
    assert "drawdown_max_fraction" in made.reason
    act(w, SwitchScope.ACCOUNT, TradingMode.ACTIVE)
    assert looked(w.later(60)) == []
    assert looked(w.quote("SPY", "101", "101")) == []
    assert len(looked(w.later(1).quote("SPY", "98", "98"))) == 1


def test_without_the_word_for_it_the_limit_alone_holds_and_lets_go_by_itself(world: Any) -> None:
    w = holding(world, losses=False, drawdown_max_fraction=Decimal("0.0001")).quote("SPY", "98", "98")
    assert looked(w) == []
    assert "since its peak" in denied(w)
    w.quote("SPY", "100", "100")
    assert denied(w) == ""


def test_nothing_is_looked_for_where_nobody_states_a_limit_on_losses(world: Any) -> None:
    w = holding(world).quote("SPY", "50", "50")
    assert looked(w) == []
