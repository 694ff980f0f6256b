"""Sizes and prices are exact in every market there can be, and the account's figures are the chain's own."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from gateway_dydx.facts import FundingPayment, Market, PositionSeen, Subaccount
from gateway_dydx.translate import (
    UNSIGNED_64_MAX,
    MarketTerms,
    account_state,
    bound_subticks,
    funding_report,
    market_terms,
    position_held,
    price_of,
    quantity_of,
    quantums,
    subticks,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.messages import Side

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def plain(count: int, exponent: int) -> Decimal:
    """An independent way to `count` * 10^exponent: by writing it down."""
    return Decimal(f"{count}E{exponent}")


def market(
    ticker: str = "BTC-USD",
    atomic_resolution: int = -10,
    step_base_quantums: int = 1_000_000,
    subticks_per_tick: int = 100_000,
    quantum_conversion_exponent: int = -9,
    **changes: Any,
) -> Market:
    values: dict[str, Any] = {
        "ticker": ticker,
        "clob_pair_id": 0,
        "status": "ACTIVE",
        "oracle_price": None,
        "next_funding_rate": None,
        "initial_margin_fraction": Decimal("0.02"),
        "maintenance_margin_fraction": Decimal("0.012"),
        "atomic_resolution": atomic_resolution,
        "quantum_conversion_exponent": quantum_conversion_exponent,
        "step_base_quantums": step_base_quantums,
        "subticks_per_tick": subticks_per_tick,
        "tick_size": plain(subticks_per_tick, quantum_conversion_exponent - 6 - atomic_resolution),
        "step_size": plain(step_base_quantums, atomic_resolution),
    }
    return Market(**(values | changes))


BTC = market_terms(market())

GENESIS = [
    ("BTC-USD", -10, 1_000_000, 100_000, "0.0001", "1"),
    ("ETH-USD", -9, 1_000_000, 100_000, "0.001", "0.1"),
    ("MKR-USD", -9, 1_000_000, 1_000_000, "0.001", "1"),
    ("BCH-USD", -8, 1_000_000, 1_000_000, "0.01", "0.1"),
    ("SOL-USD", -7, 1_000_000, 1_000_000, "0.1", "0.01"),
    ("LINK-USD", -6, 1_000_000, 1_000_000, "1", "0.001"),
    ("XRP-USD", -5, 1_000_000, 1_000_000, "10", "0.0001"),
    ("DOGE-USD", -4, 1_000_000, 1_000_000, "100", "0.00001"),
    ("BOME-USD", -3, 1_000_000, 1_000_000, "1000", "0.000001"),
    ("SHIB-USD", 0, 1_000_000, 1_000_000, "1000000", "0.000000001"),
    ("PEPE-USD", 1, 1_000_000, 1_000_000, "10000000", "0.0000000001"),
]
"""v4-chain, protocol/testing/genesis.sh: one market of each resolution, its step and its tick as people know them."""


@pytest.mark.parametrize(("ticker", "resolution", "step", "tick", "step_size", "tick_size"), GENESIS)
def test_real_markets_have_their_published_step_and_tick(
    ticker: str, resolution: int, step: int, tick: int, step_size: str, tick_size: str
) -> None:
    terms = market_terms(market(ticker, resolution, step, tick))
    assert (terms.step_size, terms.tick_size) == (Decimal(step_size), Decimal(tick_size))
    assert quantums(Decimal(step_size), terms) == step
    assert subticks(Decimal(tick_size), terms) == tick
    assert quantums(Decimal(step_size) * 12_345, terms) == 12_345 * step
    assert subticks(Decimal(tick_size) * 67_890, terms) == 67_890 * tick


@pytest.mark.parametrize(("field", "value"), [("step_size", "0.0002"), ("tick_size", "10")])
def test_a_step_or_tick_that_contradicts_the_exponents_is_refused(field: str, value: str) -> None:
    with pytest.raises(TranslationError, match="exponents say"):
        market_terms(replace(market(), **{field: Decimal(value)}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("atomic_resolution", -99), ("quantum_conversion_exponent", 99), ("step_base_quantums", 0), ("clob_pair_id", -1)],
)
def test_parameters_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(TranslationError, match="not from"):
        market_terms(replace(market(), **{field: value}))


terms_of_any_market = st.builds(
    lambda resolution, exponent, step, tick: market_terms(market("ANY-USD", resolution, step, tick, exponent)),
    st.integers(-12, 4),
    st.integers(-14, 2),
    st.integers(1, 10**10),
    st.integers(1, 10**7),
)


@given(terms_of_any_market, st.integers(1, 10**7))
def test_every_multiple_of_the_step_is_counted_exactly_and_comes_back(terms: MarketTerms, multiple: int) -> None:
    count = multiple * terms.step_base_quantums
    quantity = quantity_of(count, terms)
    assert Fraction(quantity) == Fraction(count) * Fraction(10) ** terms.atomic_resolution
    assert quantity == multiple * terms.step_size
    assert quantums(quantity, terms) == count


@given(terms_of_any_market, st.integers(1, 10**10))
def test_every_multiple_of_the_tick_is_counted_exactly_and_comes_back(terms: MarketTerms, multiple: int) -> None:
    count = multiple * terms.subticks_per_tick
    price = price_of(count, terms)
    exponent = terms.quantum_conversion_exponent - 6 - terms.atomic_resolution
    assert Fraction(price) == Fraction(count) * Fraction(10) ** exponent
    assert subticks(price, terms) == count


@given(terms_of_any_market, st.decimals(min_value=0, max_value=10**12, places=14, allow_nan=False))
def test_a_size_is_counted_exactly_or_refused_and_never_rounded(terms: MarketTerms, quantity: Decimal) -> None:
    try:
        count = quantums(quantity, terms)
    except TranslationError:
        on_step = quantity > 0 and Fraction(quantity) % Fraction(terms.step_size) == 0
        assert not on_step or Fraction(quantity) / Fraction(10) ** terms.atomic_resolution > UNSIGNED_64_MAX
    else:
        assert quantity_of(count, terms) == quantity
        assert quantity >= terms.step_size


@given(terms_of_any_market, st.decimals(min_value="0.000001", max_value=10**7, allow_nan=False), st.sampled_from(Side))
def test_a_bound_is_the_nearest_tick_that_is_no_worse(terms: MarketTerms, price: Decimal, side: Side) -> None:
    try:
        count = bound_subticks(price, terms, side)
    except TranslationError:
        assert (side is Side.BUY and price < terms.tick_size) or price > price_of(UNSIGNED_64_MAX, terms) * Decimal(
            "0.99"
        )
        return
    bound, tick = Fraction(price_of(count, terms)), Fraction(terms.tick_size)
    better = (Fraction(price) - bound) * side.sign
    assert 0 <= better < tick
    assert count > 0
    assert count % terms.subticks_per_tick == 0


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("0.00005", "0.00005 is below the smallest size that BTC-USD takes, 0.0001"),
        ("0.00015", "0.00015 is no multiple of BTC-USD's step, 0.0001"),
        ("0.000100000000001", "no multiple"),
        ("0", "above 0"),
        ("-1", "above 0"),
        ("NaN", "above 0"),
        ("Infinity", "above 0"),
        ("1E+12", "more than BTC-USD can count"),
        ("1E+999999", "no size of any market"),
    ],
)
def test_a_size_that_the_venue_can_not_take_is_refused_with_the_reason(quantity: str, words: str) -> None:
    with pytest.raises(TranslationError) as caught:
        quantums(Decimal(quantity), BTC)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("50000.5", "50000.5 is no multiple of BTC-USD's tick, 1"),
        ("0.5", "no multiple"),
        ("0", "above 0"),
        ("-1", "above 0"),
        ("NaN", "above 0"),
        ("1E+16", "more than BTC-USD can count"),
        ("1E-999999", "no price of any market"),
    ],
)
def test_a_price_that_the_venue_can_not_take_is_refused_with_the_reason(price: str, words: str) -> None:
    with pytest.raises(TranslationError) as caught:
        subticks(Decimal(price), BTC)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["0.0003", "0.0003000", "0.0007", "0.0011", "1E-4", "0.29", "1.1"])
def test_sizes_that_floats_get_wrong_are_right(text: str) -> None:
    assert quantums(Decimal(text), BTC) == int(Decimal(text) * 10**10)


def test_figures_have_no_exponent_and_no_trailing_zeros() -> None:
    pepe = market_terms(market("PEPE-USD", 1, 1_000_000, 1_000_000))
    assert str(quantity_of(3_000_000, pepe)) == "30000000"
    assert str(quantity_of(5_000_000, BTC)) == "0.0005"


# ---------------------------------------------------------------------------------------------------------- account


def held(ticker: str, size: str, entry: str) -> PositionSeen:
    return PositionSeen(
        ticker=ticker, status="OPEN", size=Decimal(size), entry_price=Decimal(entry), realized_pnl=Decimal(5)
    )


def subaccount(usdc: str, *positions: PositionSeen) -> Subaccount:
    return Subaccount(
        address="dydx1x",
        number=0,
        equity=Decimal(0),
        free_collateral=Decimal(0),
        usdc=Decimal(usdc),
        positions=positions,
    )


def test_the_account_is_valued_at_the_oracle_prices() -> None:
    markets = {"BTC-USD": market(), "ETH-USD": market("ETH-USD", -9, initial_margin_fraction=Decimal("0.1"))}
    prices = {"BTC-USD": Decimal(110), "ETH-USD": Decimal(10)}
    seen = subaccount("900", held("BTC-USD", "2", "100"), held("ETH-USD", "-5", "12"))
    state = account_state("dydx1x-0", seen, markets, prices, NOON, {})
    assert state.cash == 900
    assert state.net_liquidation == 900 + 2 * 110 - 5 * 10
    assert state.initial_margin == Decimal("0.02") * 220 + Decimal("0.1") * 50
    assert state.maintenance_margin == Decimal("0.012") * 270
    assert state.available_funds == state.net_liquidation - state.initial_margin == state.buying_power
    assert state.unrealized_pnl == 2 * 10 + 5 * 2
    assert state.realized_pnl == 10
    assert state.leverage == Decimal("0.2523")  # 270 of 1070


def test_an_account_in_debt_has_no_buying_power_and_no_leverage() -> None:
    seen = subaccount("-300", held("BTC-USD", "2", "200"))
    state = account_state("dydx1x-0", seen, {"BTC-USD": market()}, {"BTC-USD": Decimal(100)}, NOON, {})
    assert state.net_liquidation == -100
    assert state.available_funds == Decimal(-104)
    assert state.buying_power == 0
    assert state.leverage is None


@pytest.mark.parametrize(("markets", "prices"), [({}, {"BTC-USD": Decimal(1)}), ({"BTC-USD": market()}, {})])
def test_a_position_without_market_or_price_gives_no_figures(
    markets: dict[str, Market], prices: dict[str, Decimal]
) -> None:
    with pytest.raises(TranslationError, match="BTC-USD"):
        account_state("dydx1x-0", subaccount("1", held("BTC-USD", "1", "1")), markets, prices, NOON, {})


def test_a_position_is_held_at_its_entry_price() -> None:
    position = position_held(held("BTC-USD", "-2", "100"))
    assert (position.symbol, position.quantity, position.average_price, position.currency) == (
        "BTC-USD",
        Decimal(-2),
        Decimal(100),
        "USD",
    )


def test_a_funding_payment_is_named_by_its_hour_whenever_its_block_came() -> None:
    def payment(at: datetime) -> FundingPayment:
        return FundingPayment(
            ticker="BTC-USD",
            size=Decimal(1),
            rate=Decimal("0.00001"),
            oracle_price=Decimal(100_000),
            payment=Decimal("-1.25"),
            at=at,
            height=5,
        )

    report = funding_report("dydx1x-0", payment(NOON.replace(minute=1, second=2, microsecond=500)), NOON)
    assert report.funding_id == "BTC-USD/2026-03-02T12:00:00+00:00"
    assert (report.amount, report.currency, report.rate) == (Decimal("-1.25"), "USD", Decimal("0.00001"))
    assert report.id == funding_report("dydx1x-0", payment(NOON), NOON).id
