"""What a gateway repeats does not become younger by it: each figure is as old as when the venue said it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from risk.account_ages import COUNTED, oldest, told
from risk.decide import decide_again
from risk.figures import account_age_seconds, figure_ages_seconds
from signalbox.messages import IntentDenied

from .conftest import account_of

ACCOUNT = ("ibkr", "DU1234567")


def ages(w: Any, **seconds: int) -> dict[str, Any]:
    """Said now, but what is named: so many seconds ago."""
    return {name: w.now - timedelta(seconds=seconds.get(name, 0)) for name in (*COUNTED, "daily_pnl")}


@pytest.mark.parametrize("figure", COUNTED)
def test_one_old_figure_in_a_fresh_message_denies_and_is_named(world: Any, check: Any, figure: str) -> None:
    w = world().ready()
    w.account(said_at=ages(w, **{figure: 301}))
    decision = w.decide(w.order())
    assert isinstance(decision, IntentDenied)
    assert decision.reason == f"the figures of account DU1234567 are 301 s old ({figure}); at most 300 s are trusted"
    assert check(decision, "account_state").observed == f"301 s ({figure})"
    assert decide_again(w.state.rules, decision) == decision


def test_figures_that_the_venue_confirms_let_through(world: Any, check: Any) -> None:
    w = world().ready()
    w.account(said_at=ages(w, available_funds=299, cash=300))
    assert check(w.decide(w.order()), "account_state").passed


def test_old_profit_and_loss_denies_nothing(world: Any, check: Any) -> None:
    w = world().ready()
    w.account(said_at=ages(w, daily_pnl=3600))
    assert check(w.decide(w.order()), "account_state").passed


def test_a_fill_counts_against_the_funds_until_the_venue_says_them_anew(world: Any) -> None:
    w = world().ready()
    w.account(said_at=ages(w))
    order = w.order(quantity="10")
    w.decide(order)
    w.later(1).created(order).fill(order, "10", "0")
    w.later(1).account(said_at=ages(w, available_funds=2))  # published after the fill, said before it
    assert w.decide(w.order()).basis.books.unconfirmed_funds > 0
    w.later(1).account(said_at=ages(w))
    assert w.decide(w.order()).basis.books.unconfirmed_funds == 0


def test_a_gateway_that_says_no_times_is_taken_at_its_messages_time(world: Any) -> None:
    w = world().ready()
    assert oldest(account_of(w.now)) == ("", w.now)
    assert told(account_of(w.now), w.now + timedelta(seconds=5)) == "all, 5 s old"


def test_the_age_that_is_shown_is_that_of_the_oldest(world: Any) -> None:
    w = world().ready()
    w.account(said_at=ages(w, net_liquidation=70) | {"nonsense": w.now})
    assert account_age_seconds(w.state, ACCOUNT, w.now) == 70
    shown = figure_ages_seconds(w.state, ACCOUNT, w.now)
    assert shown["net_liquidation"] == 70
    assert shown["cash"] == 0
    assert "nonsense" not in shown
