"""The figures follow snapshots, blocks and oracle prices, and are told only when they are whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_dydx.account import Figures
from gateway_dydx.facts import (
    AssetPosition,
    LeverageChosen,
    Market,
    MarketChanged,
    OraclePrice,
    PositionSeen,
    Subaccount,
    SubaccountChanged,
)
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.messages import AccountState

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BTC = Market(
    ticker="BTC-USD",
    clob_pair_id=0,
    status="ACTIVE",
    oracle_price=Decimal(100),
    next_funding_rate=None,
    initial_margin_fraction=Decimal("0.02"),
    maintenance_margin_fraction=Decimal("0.012"),
    atomic_resolution=-10,
    quantum_conversion_exponent=-9,
    step_base_quantums=1_000_000,
    subticks_per_tick=100_000,
    tick_size=Decimal(1),
    step_size=Decimal("0.0001"),
)


def held(size: str, status: str = "OPEN") -> PositionSeen:
    return PositionSeen(ticker="BTC-USD", status=status, size=Decimal(size), entry_price=Decimal(90))


def snapshot(usdc: str, *positions: PositionSeen, height: int | None = 10) -> Subaccount:
    return Subaccount(
        address="dydx1x",
        number=0,
        equity=Decimal(0),
        free_collateral=Decimal(0),
        usdc=Decimal(usdc),
        positions=positions,
        height=height,
    )


def change(usdc: str, position: PositionSeen, height: int) -> SubaccountChanged:
    return SubaccountChanged(
        positions=(position,), assets=(AssetPosition(symbol="USDC", size=Decimal(usdc)),), height=height
    )


def figures() -> Figures:
    made = Figures("dydx1x-0")
    made.on_market(BTC, NOON)
    made.on_leverage(LeverageChosen(ppm_by_clob_pair={}), NOON)
    return made


def stated(of: Figures) -> AccountState:
    state = of.state(NOON)
    assert state is not None
    return state


def test_there_are_no_figures_before_a_snapshot() -> None:
    made = figures()
    assert not made.on_change(change("5", held("1"), 11), NOON)
    assert made.state(NOON) is None


def test_a_snapshot_gives_the_figures() -> None:
    made = figures()
    assert made.on_snapshot(snapshot("1000", held("2")), NOON)
    assert stated(made).net_liquidation == 1200
    assert stated(made).unrealized_pnl == 20


def test_a_block_changes_the_position_and_the_cash_together() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000"), NOON)
    assert made.on_change(change("800", held("2"), 11), NOON)
    assert (stated(made).cash, stated(made).net_liquidation) == (800, 1000)


def test_a_closed_position_counts_no_more() -> None:
    made = figures()
    made.on_snapshot(snapshot("800", held("2")), NOON)
    made.on_change(change("1000", replace(held("0", "CLOSED"), realized_pnl=Decimal(7)), 11), NOON)
    assert (stated(made).net_liquidation, stated(made).initial_margin, stated(made).realized_pnl) == (1000, 0, 0)
    assert not made.on_oracle_price(OraclePrice(ticker="BTC-USD", price=Decimal(120)), NOON)


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", height=10), NOON)
    made.on_change(change("800", held("2"), 12), NOON)
    assert not made.on_snapshot(snapshot("1000", height=11), NOON)
    assert not made.on_change(change("900", held("1"), 11), NOON)
    assert stated(made).cash == 800


def test_an_oracle_price_matters_only_for_a_position() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000"), NOON)
    assert not made.on_oracle_price(OraclePrice(ticker="BTC-USD", price=Decimal(120)), NOON)
    made.on_snapshot(snapshot("1000", held("1")), NOON)
    assert made.on_oracle_price(OraclePrice(ticker="BTC-USD", price=Decimal(130)), NOON)
    assert not made.on_oracle_price(OraclePrice(ticker="BTC-USD", price=Decimal(130)), NOON)
    assert stated(made).net_liquidation == 1130


def test_nothing_is_said_of_a_position_without_a_price() -> None:
    made = Figures("dydx1x-0")
    made.on_leverage(LeverageChosen(ppm_by_clob_pair={}), NOON)
    made.on_snapshot(snapshot("1000", held("1")), NOON)
    with pytest.raises(TranslationError, match="oracle price"):
        made.state(NOON)


def test_a_link_that_went_down_takes_the_figures_with_it() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000"), NOON)
    made.forget()
    assert made.state(NOON) is None


LATER, LAST = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)


def test_a_figure_is_as_old_as_the_oldest_thing_that_it_is_made_of() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", held("2"), height=10), NOON)
    made.on_snapshot(snapshot("1000", held("2"), height=11), LATER)
    made.on_oracle_price(OraclePrice(ticker="BTC-USD", price=Decimal(100)), LAST)
    said_at = stated(made).said_at
    assert said_at["cash"] == LATER
    assert said_at["net_liquidation"] == said_at["available_funds"] == said_at["initial_margin"] == NOON, "the market"
    made.on_market(BTC, LAST)
    assert stated(made).said_at["net_liquidation"] == NOON, "the leverage"
    made.on_leverage(LeverageChosen(ppm_by_clob_pair={}), LAST)
    assert stated(made).said_at["net_liquidation"] == LATER


def test_without_positions_the_usdc_alone_counts() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", height=10), LATER)
    assert set(stated(made).said_at.values()) == {LATER}
    assert not made.unsaid_since(LATER)
    assert made.unsaid_since(LAST)


def test_an_answer_of_a_block_that_was_told_before_confirms_nothing() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", height=10), NOON)
    made.on_snapshot(snapshot("1000", height=10), LATER)
    assert stated(made).said_at["cash"] == NOON


def test_what_a_block_changed_is_said_and_nothing_else() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", held("2"), height=10), NOON)
    made.on_change(SubaccountChanged(assets=(AssetPosition(symbol="USDC", size=Decimal(900)),), height=11), LATER)
    assert (stated(made).said_at["cash"], stated(made).said_at["initial_margin"]) == (LATER, NOON)


def test_a_position_that_comes_in_an_answer_of_the_same_block_is_said_then() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", height=10), NOON)
    made.on_snapshot(snapshot("800", held("2"), height=10), LATER)
    made.on_market(BTC, LATER)
    made.on_leverage(LeverageChosen(ppm_by_clob_pair={}), LATER)
    assert stated(made).said_at["initial_margin"] == LATER


def test_the_first_answer_after_a_link_that_went_down_says_everything() -> None:
    made = figures()
    made.on_snapshot(snapshot("1000", height=10), NOON)
    made.forget()
    assert not made.unsaid_since(LAST)
    made.on_snapshot(snapshot("1000", height=10), LATER)
    assert stated(made).said_at["cash"] == LATER


def test_a_price_that_was_never_said_is_asked_for() -> None:
    made = Figures("dydx1x-0")
    made.on_snapshot(snapshot("1000", held("1")), NOON)
    assert made.unsaid_since(NOON)


CAPPED = replace(
    BTC, initial_margin_fraction=Decimal("0.1"), open_interest=Decimal(45_000),
    open_interest_lower_cap=Decimal(2_000_000), open_interest_upper_cap=Decimal(5_000_000),
)  # fmt: skip


def test_near_the_cap_of_open_interest_the_chain_wants_more_and_so_less_is_available() -> None:
    """The chain's own example: a tenth, caps of 2 and 5 million, 4.5 million open: 42,500 of a position of 50,000."""
    made = figures()
    made.on_market(CAPPED, NOON)
    made.on_snapshot(snapshot("-20000", held("500")), NOON)
    state = stated(made)
    assert (state.net_liquidation, state.initial_margin, state.available_funds) == (30_000, 42_500, -12_500)
    assert state.buying_power == 0
    assert state.initial_margin_fractions == {"BTC-USD": Decimal("0.85")}
    assert state.maintenance_margin == 600, "is not scaled"


def test_open_interest_that_moves_moves_the_margin() -> None:
    made = figures()
    made.on_market(CAPPED, NOON)
    made.on_snapshot(snapshot("-20000", held("500")), NOON)
    assert made.on_market_change(MarketChanged(ticker="BTC-USD", open_interest=Decimal(20_000)))
    assert (stated(made).initial_margin, stated(made).initial_margin_fractions) == (5_000, {})
    assert not made.on_market_change(MarketChanged(ticker="BTC-USD", status="PAUSED"))
    assert made.on_market_change(MarketChanged(ticker="BTC-USD", initial_margin_fraction=Decimal("0.2")))
    assert stated(made).initial_margin == 10_000
    assert not made.on_market_change(MarketChanged(ticker="NEW-USD", open_interest=Decimal(1)))


def test_leverage_that_the_owner_set_binds_where_it_is_more() -> None:
    made = figures()
    made.on_snapshot(snapshot("0", held("10")), NOON)
    assert made.on_leverage(LeverageChosen(ppm_by_clob_pair={0: 500_000}), NOON)
    assert (stated(made).initial_margin, stated(made).available_funds) == (500, 500)
    assert not made.on_leverage(LeverageChosen(ppm_by_clob_pair={0: 500_000}), NOON)
    made.on_leverage(LeverageChosen(ppm_by_clob_pair={0: 10_000}), NOON)
    assert stated(made).initial_margin == 20, "the market's own is more"


def test_a_cap_without_open_interest_leaves_what_is_held_unknown_and_binds_all_of_what_is_not() -> None:
    made = figures()
    made.on_market(replace(CAPPED, open_interest=None), NOON)
    made.on_snapshot(snapshot("1000"), NOON)
    assert stated(made).initial_margin_fractions == {"BTC-USD": 1}
    made.on_snapshot(snapshot("0", held("10"), height=11), NOON)
    with pytest.raises(TranslationError, match="open interest"):
        made.state(NOON)


def test_nothing_is_said_before_the_chain_has_said_the_leverage() -> None:
    made = Figures("dydx1x-0")
    made.on_snapshot(snapshot("1000"), NOON)
    assert made.state(NOON) is None
