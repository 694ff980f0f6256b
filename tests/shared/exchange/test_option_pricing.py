"""The model against what IBKR's own said of SPY's options, and its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from signalbox.exchange.option_pricing import (
    greeks,
    implied_volatility,
    intrinsic,
    value,
    writer_margin,
    years_between,
)
from signalbox.instruments import OptionTerms, parse_symbol
from signalbox.sessions import session_on

AT = datetime(2023, 8, 4, 13, 31, tzinfo=UTC)

# Model ticks of IBKR on 2023-08-04, 09:31 in New York (of `data/options` of QuantConnect/Lean, Apache-2.0): the option,
# the underlying, the implied volatility; then price, delta, gamma, vega, theta
MODEL_TICKS = [
    ("SPY 230811C00430000", 450.42, 0.1858, 21.047, 0.966, 0.00635, 0.054, -0.123),
    ("SPY 230811C00450000", 450.54, 0.1205, 3.605, 0.557, 0.05164, 0.251, -0.246),
    ("SPY 230811P00450000", 450.80, 0.1205, 2.492, -0.437, 0.05257, 0.251, -0.183),
    ("SPY 230901C00450000", 450.72, 0.1288, 7.826, 0.571, 0.02441, 0.492, -0.150),
    ("SPY 230901C00470000", 450.67, 0.1060, 0.636, 0.102, 0.01341, 0.250, -0.049),
    ("SPY 230901P00430000", 450.62, 0.1711, 1.528, -0.138, 0.01042, 0.300, -0.075),
]


def terms_of(symbol: str) -> OptionTerms:
    terms = parse_symbol(symbol).option
    assert terms is not None
    return terms


def years_of(terms: OptionTerms) -> float:
    session = session_on("XNYS", terms.expiry)
    assert session is not None
    return years_between(AT, session.close)


@pytest.mark.parametrize(("symbol", "spot", "volatility", "price", "delta", "gamma", "vega", "theta"), MODEL_TICKS)
def test_price_and_greeks_are_ibkrs_but_for_the_dividend(
    symbol: str, spot: float, volatility: float, price: float, delta: float, gamma: float, vega: float, theta: float
) -> None:
    terms = terms_of(symbol)
    found = greeks(terms, spot, years_of(terms), volatility)
    assert found.price == pytest.approx(price, rel=0.02)
    assert found.delta == pytest.approx(delta, abs=0.01)
    assert found.gamma == pytest.approx(gamma, rel=0.03)
    assert found.vega == pytest.approx(vega, rel=0.15)
    assert found.theta == pytest.approx(theta, rel=0.06)


def test_the_volatility_of_a_price_is_the_one_that_it_was_made_with() -> None:
    terms = terms_of("SPY 230901C00450000")
    price = value(terms, 450.0, 0.1, 0.3)
    assert implied_volatility(terms, price, 450.0, 0.1) == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("price", [0.0, 19.0, 460.0])
def test_a_price_that_no_volatility_leads_to_has_none(price: float) -> None:
    assert implied_volatility(terms_of("SPY 230901C00430000"), price, 450.0, 0.1) is None


def test_an_option_that_is_over_is_worth_what_exercise_gains() -> None:
    call, put = terms_of("SPY 230804C00450000"), terms_of("SPY 230804P00450000")
    assert greeks(call, 451.5, 0.0, 0.2).price == 1.5
    assert greeks(put, 451.5, 0.0, 0.2).price == 0.0
    assert intrinsic(call, Decimal("451.5")) == Decimal("1.5")
    assert intrinsic(put, Decimal("451.5")) == 0
    assert implied_volatility(call, 1.6, 451.5, 0.0) is None


def test_a_writer_puts_up_the_premium_and_a_fifth_of_the_underlying_less_what_it_is_out_of_the_money() -> None:
    assert writer_margin(terms_of("SPY 230901C00450000"), Decimal(5), Decimal(450)) == Decimal("95.0")
    assert writer_margin(terms_of("SPY 230901C00470000"), Decimal(1), Decimal(450)) == Decimal("71.0")
    assert writer_margin(terms_of("SPY 230901C00600000"), Decimal("0.01"), Decimal(450)) == Decimal("45.01")
    assert writer_margin(terms_of("SPY 230901P00300000"), Decimal("0.01"), Decimal(450)) == Decimal("30.01")
