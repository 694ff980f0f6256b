"""What the OMS's metrics show, worked out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from oms.figures import (
    FLAT,
    conversion_rate,
    drift_quantities,
    oldest_seconds,
    position_figures,
    slippage_basis_points,
)
from oms.statements import Mark, position_message
from signalbox.messages import OrderType, Side

PRICES = st.decimals("0.01", "100000", places=2)


def filled(make: Any, price: str, *, side: Side = Side.BUY, reference: str | None = "100", **fields: Any) -> Any:
    """An order that filled at `price`, and its fill."""
    decision = replace(
        make.approved(side=side, **fields), reference_price=Decimal(reference) if reference is not None else None
    )
    report = make.fill("100", price, side=side)
    desk = make.desk().run(make.snapshot(), decision, report)
    return desk.restart().state.orders["o-1"], report.fill


@pytest.mark.parametrize(
    ("side", "price", "basis_points"),
    [(Side.BUY, "100.05", 5), (Side.BUY, "99.9", -10), (Side.SELL, "99.9", 10), (Side.SELL, "100", 0)],
)
def test_slippage_is_what_was_paid_worse_than_the_market_that_risk_saw(
    make: Any, side: Side, price: str, basis_points: float
) -> None:
    assert slippage_basis_points(*filled(make, price, side=side)) == basis_points


@pytest.mark.parametrize(
    "kind", [{"order_type": OrderType.STOP}, {"order_type": OrderType.STOP_LIMIT, "limit_price": 1}]
)
def test_slippage_of_a_stop_is_held_against_the_stop(make: Any, kind: dict[str, Any]) -> None:
    stop = {"stop_price": Decimal(90), "side": Side.SELL, **kind}
    assert slippage_basis_points(*filled(make, "89.91", reference="100", **stop)) == 10


@pytest.mark.parametrize("reference", [None, "0", "NaN"])
def test_without_a_reference_there_is_no_slippage(make: Any, reference: str | None) -> None:
    assert slippage_basis_points(*filled(make, "100", reference=reference)) is None


def test_an_order_placed_elsewhere_has_no_slippage(make: Any) -> None:
    report = make.fill("10", order_id="")
    desk = make.desk().run(make.snapshot(), report)
    [order] = desk.state.orders.values()
    assert slippage_basis_points(order, report.fill) is None


@given(price=PRICES, reference=PRICES)
def test_what_is_worse_for_a_buyer_is_as_much_better_for_a_seller(
    make: Any, price: Decimal, reference: Decimal
) -> None:
    bought = slippage_basis_points(*filled(make, str(price), reference=str(reference)))
    sold = slippage_basis_points(*filled(make, str(price), reference=str(reference), side=Side.SELL))
    assert bought is not None
    assert sold == -bought
    assert (bought > 0) == (price > reference)


def position(make: Any, quantity: str, mark: str | None, *, side: Side = Side.BUY) -> Any:
    desk = make.desk().run(make.snapshot(), make.approved(side=side), make.fill(quantity, "10", side=side))
    return position_message(
        desk.state.accounts["ibkr", "DU1"], "AAPL", Mark(Decimal(mark), make.at, "bar-1") if mark else None
    )


@pytest.mark.parametrize(("side", "value", "unrealised"), [(Side.BUY, 1100.0, 100.0), (Side.SELL, -1100.0, -100.0)])
def test_position_has_a_signed_value_at_its_mark(make: Any, side: Side, value: float, unrealised: float) -> None:
    found = position_figures(position(make, "100", "11", side=side), Decimal(1))
    assert (abs(found.quantity), found.value, found.unrealised_pnl) == (100, value, unrealised)


def test_position_in_another_currency_is_shown_in_the_accounts(make: Any) -> None:
    found = position_figures(replace(position(make, "100", "11"), realized_pnl=Decimal(40)), Decimal("0.125"))
    assert (found.value, found.unrealised_pnl, found.realised_pnl) == (137.5, 12.5, 5.0)


def test_multiplier_is_in_the_value(make: Any) -> None:
    assert position_figures(replace(position(make, "3", "11"), multiplier=Decimal(100)), Decimal(1)).value == 3300


@pytest.mark.parametrize(("mark", "rate"), [(None, Decimal(1)), ("11", None)])
def test_value_without_a_mark_or_a_rate_is_not_known(make: Any, mark: str | None, rate: Decimal | None) -> None:
    found = position_figures(position(make, "100", mark), rate)
    assert found.quantity == 100
    assert isnan(found.value)
    assert isnan(found.unrealised_pnl)


def test_flat_position_is_worth_nothing_without_mark_too(make: Any) -> None:
    flat = replace(position(make, "100", None), quantity=Decimal(0))
    assert position_figures(flat, Decimal(1)) == FLAT


def test_rate_is_one_in_the_accounts_own_currency_and_unknown_without_an_account() -> None:
    rates = {"HKD": Decimal("0.128")}
    assert conversion_rate(rates, "USD", "USD") == 1
    assert conversion_rate(rates, "USD", "HKD") == Decimal("0.128")
    assert conversion_rate(rates, "USD", "EUR") is None
    assert conversion_rate(rates, "", "USD") is None


def test_the_oldest_has_the_greatest_age_and_none_has_none(make: Any) -> None:
    since = [make.at, make.at + timedelta(seconds=50)]
    assert oldest_seconds(since, make.at + timedelta(seconds=61)) == 61
    assert oldest_seconds([], make.at) == 0
    assert oldest_seconds([make.at + timedelta(seconds=5)], make.at) == 0


def test_drift_is_ours_minus_theirs(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.fill("100"))
    outcome = desk.take(make.snapshot(60, positions=(make.held("70", "10"),), cash=Decimal(99_000)))
    assert drift_quantities(outcome.drift) == {"AAPL": 30}
    assert drift_quantities(desk.take(make.snapshot(61, positions=(make.held("100", "10"),))).drift) == {}
