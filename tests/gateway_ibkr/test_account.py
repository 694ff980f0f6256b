"""The figures that TWS says, each as old as when it was said last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway_ibkr.account import Figures
from gateway_ibkr.facts import AccountAnswers, AccountValueSeen, PnlSeen
from signalbox.messages import AccountState

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOWNLOAD = {
    ("NetLiquidation", "USD"): "1000",
    ("TotalCashValue", "USD"): "900",
    ("AvailableFunds", "USD"): "800",
    ("BuyingPower", "USD"): "3200",
    ("InitMarginReq", "USD"): "100",
    ("MaintMarginReq", "USD"): "50",
}


def value(tag: str, text: str, account: str = "DU1", currency: str = "USD") -> AccountValueSeen:
    return AccountValueSeen(account=account, tag=tag, value=text, currency=currency)


def downloaded() -> Figures:
    figures = Figures("DU1")
    assert figures.on_fact(AccountAnswers(positions=(), values=DOWNLOAD), AT)
    return figures


def told(figures: Figures, at: datetime) -> AccountState:
    state = figures.state(at)
    assert state is not None
    return state


def test_a_download_says_every_figure() -> None:
    state = told(downloaded(), AT + MINUTE)
    assert state.at == AT + MINUTE
    assert set(state.said_at.values()) == {AT}
    assert len(state.said_at) == len(DOWNLOAD)


def test_only_what_is_said_again_becomes_younger() -> None:
    figures = downloaded()
    assert figures.on_fact(value("NetLiquidation", "1010"), AT + MINUTE)
    said_at = told(figures, AT + 2 * MINUTE).said_at
    assert said_at["net_liquidation"] == AT + MINUTE
    assert said_at["available_funds"] == AT


def test_a_figure_that_is_said_unchanged_is_confirmed() -> None:
    figures = downloaded()
    assert not figures.on_fact(value("AvailableFunds", "800"), AT + MINUTE)
    assert told(figures, AT + MINUTE).said_at["available_funds"] == AT + MINUTE


def test_another_accounts_figure_confirms_nothing() -> None:
    figures = downloaded()
    assert not figures.on_fact(value("AvailableFunds", "5", account="DU2"), AT + MINUTE)
    assert told(figures, AT + MINUTE).said_at["available_funds"] == AT


def test_a_second_download_has_its_figures_as_old_as_they_were_said() -> None:
    """The values of a download come one by one, before its end marker makes an answer of them."""
    figures = downloaded()
    figures.on_fact(value("AvailableFunds", "800"), AT + MINUTE)
    figures.on_fact(AccountAnswers(positions=(), values=DOWNLOAD), AT + 2 * MINUTE)
    said_at = told(figures, AT + 2 * MINUTE).said_at
    assert said_at["available_funds"] == AT + MINUTE
    assert said_at["cash"] == AT


def test_profit_and_loss_are_as_old_as_their_message() -> None:
    figures = downloaded()
    figures.on_fact(PnlSeen(request_id=1, daily=240.0, unrealized=240.0, realized=1.8e308), AT + MINUTE)
    said_at = told(figures, AT + 2 * MINUTE).said_at
    assert said_at["daily_pnl"] == said_at["unrealized_pnl"] == AT + MINUTE
    assert "realized_pnl" not in said_at


def test_what_is_asked_for_again_are_the_figures_of_the_account() -> None:
    figures = Figures("DU1")
    assert not figures.unsaid_since(AT + MINUTE), "there has been no download"
    figures = downloaded()
    assert not figures.unsaid_since(AT)
    assert figures.unsaid_since(AT + MINUTE)
    for tag, _ in DOWNLOAD:
        figures.on_fact(value(tag, "1"), AT + MINUTE)
    assert not figures.unsaid_since(AT + MINUTE), "profit and loss are not asked for"


def test_a_session_that_is_over_takes_its_times_with_it() -> None:
    figures = downloaded()
    figures.forget()
    assert figures.state(AT) is None
    figures.on_fact(AccountAnswers(positions=(), values=DOWNLOAD), AT + MINUTE)
    assert set(told(figures, AT + MINUTE).said_at.values()) == {AT + MINUTE}
