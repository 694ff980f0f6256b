"""Average-cost maths against the textbook, and against a second implementation in fractions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oms.positions import FLAT, Holding, Step, opening, plain, refold, shown, signed, trade
from signalbox.messages import ChangeKind, PositionChange, Side

ONE = Decimal(1)


def folded(*fills: tuple[str, str]) -> Holding:
    return refold(FLAT, [(Decimal(quantity), Decimal(price)) for quantity, price in fills])


def figures(holding: Holding, multiplier: str = "1") -> tuple[str, str, str]:
    return (
        plain(holding.quantity),
        plain(holding.average_price()),
        plain(holding.realized_pnl(Decimal(multiplier))),
    )


@pytest.mark.parametrize(
    ("fills", "expected"),
    [
        ([], ("0", "0", "0")),
        ([("100", "10")], ("100", "10", "0")),
        ([("100", "10"), ("100", "11")], ("200", "10.5", "0")),
        ([("100", "10"), ("-40", "12")], ("60", "10", "80")),
        ([("100", "10"), ("-100", "9.5")], ("0", "0", "-50")),
        ([("100", "10"), ("-150", "12")], ("-50", "12", "200")),
        ([("-100", "10"), ("-100", "12")], ("-200", "11", "0")),
        ([("-100", "10"), ("40", "12")], ("-60", "10", "-80")),
        ([("-100", "10"), ("130", "9")], ("30", "9", "100")),
        ([("1", "1"), ("2", "1.5"), ("-1", "2")], ("2", "1.33333333333333333333", "0.66666666666666666667")),
        ([("1", "1"), ("2", "1.5"), ("-1", "2"), ("-1", "2"), ("-1", "2")], ("0", "0", "2")),
        ([("10", "0.1"), ("20", "0.2"), ("-30", "0.3")], ("0", "0", "4")),
    ],
    ids=[
        "nothing",
        "open",
        "add",
        "reduce",
        "close",
        "reverse",
        "short",
        "cover",
        "reverse up",
        "thirds",
        "closed",
        "cents",
    ],
)
def test_open_add_reduce_close_and_reverse(fills: list[tuple[str, str]], expected: tuple[str, str, str]) -> None:
    assert figures(folded(*fills)) == expected


def test_a_multiplier_scales_money_and_not_prices() -> None:
    assert figures(folded(("2", "1.50"), ("-1", "2.25")), "100") == ("1", "1.5", "75")
    assert folded(("2", "1.50")).unrealized_pnl(Decimal("1.75"), Decimal(100)) == 50


def test_a_short_position_gains_when_the_mark_falls() -> None:
    assert folded(("-100", "10")).unrealized_pnl(Decimal(9), ONE) == 100


def test_a_position_taken_over_has_realised_nothing() -> None:
    taken = opening(Decimal(-30), Decimal("12.34"))
    assert figures(taken) == ("-30", "12.34", "0")
    assert figures(trade(taken, Decimal(30), Decimal("12.34"))) == ("0", "0", "0")


def test_figures_longer_than_pythons_28_digits_are_exact() -> None:
    quantity, price = Decimal("123456789012345678.123456789"), Decimal("987654321.987654321")
    closed = trade(trade(FLAT, quantity, price), quantity.copy_negate(), price + 1)
    assert closed.realized_pnl(ONE) == quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100", "100"),
        ("1E+2", "100"),
        ("0E-8", "0"),
        ("-0", "0"),
        ("0.10", "0.1"),
        ("1E-7", "0.0000001"),
        ("-1.50", "-1.5"),
    ],
)
def test_a_figure_is_shown_without_exponent_or_trailing_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
    assert "E" not in str(shown(Decimal("1E+2")))


def test_the_sign_of_a_quantity_costs_no_digit() -> None:
    quantity = Decimal("1234567890123456789012345678901234567890.123")
    assert signed(quantity, Side.SELL) == quantity.copy_negate()


# ------------------------------------------------------------------------------------------------------- properties

FILLS = st.lists(
    st.tuples(
        st.decimals(min_value=-1000, max_value=1000, places=4).filter(bool),
        st.decimals(min_value=0, max_value=5000, places=6),
    ),
    max_size=30,
)


def by_the_textbook(fills: list[tuple[Decimal, Decimal]]) -> tuple[Fraction, Fraction, Fraction]:
    """Quantity, average and realised PnL the other way about: average kept, realised added up."""
    held, average, realized = Fraction(0), Fraction(0), Fraction(0)
    for quantity, price in ((Fraction(quantity), Fraction(price)) for quantity, price in fills):
        closing = -quantity if abs(quantity) <= abs(held) else held
        if held * quantity < 0:
            realized += closing * (price - average)
            if abs(quantity) > abs(held):
                average = price
        else:
            average = (held * average + quantity * price) / (held + quantity)
        held += quantity
        if not held:
            average = Fraction(0)
    return held, average, realized


@given(FILLS)
def test_it_agrees_with_fractions(fills: list[tuple[Decimal, Decimal]]) -> None:
    holding = refold(FLAT, fills)
    held, average, realized = by_the_textbook(fills)
    assert Fraction(holding.quantity) == held
    assert abs(Fraction(holding.average_price()) - average) < Fraction(1, 10**60)
    assert abs(Fraction(holding.realized_pnl(ONE)) - realized) < Fraction(1, 10**60)


@given(FILLS)
def test_the_quantity_is_the_sum_of_the_fills(fills: list[tuple[Decimal, Decimal]]) -> None:
    assert refold(FLAT, fills).quantity == sum((quantity for quantity, _ in fills), Decimal(0))


@given(FILLS, st.decimals(min_value=0, max_value=5000, places=6))
def test_total_pnl_is_what_closing_at_the_mark_leaves(fills: list[tuple[Decimal, Decimal]], mark: Decimal) -> None:
    holding = refold(FLAT, fills)
    total = holding.realized_pnl(ONE) + holding.unrealized_pnl(mark, ONE)
    money = sum((-quantity * price for quantity, price in fills), Decimal(0)) + holding.quantity * mark
    assert shown(total) == shown(money)


@given(FILLS)
def test_a_flat_position_has_realised_exactly_what_went_in_and_out(fills: list[tuple[Decimal, Decimal]]) -> None:
    holding = refold(FLAT, fills)
    closed = trade(holding, -holding.quantity, Decimal(7)) if holding.quantity else holding
    assert closed.realized_pnl(ONE) == sum((-quantity * price for quantity, price in fills), holding.quantity * 7)


def test_what_trades_nothing_costs_nothing_whichever_side_it_is_of() -> None:
    third = folded(("1", "1"), ("2", "1.5"), ("-1", "2"))
    assert trade(third, signed(Decimal(0), Side.SELL), Decimal(7)) == third
    assert trade(third, signed(Decimal(0), Side.BUY), Decimal(7)) == third


@pytest.mark.parametrize("quantity", ["5", "-5"])
@pytest.mark.parametrize("nothing", ["0", "-0", "0E-9"])
def test_what_is_opened_from_nothing_costs_its_price(nothing: str, quantity: str) -> None:
    held = trade(opening(Decimal(nothing), Decimal(3)), Decimal(quantity), Decimal(10))
    assert (held.quantity, held.average_price()) == (Decimal(quantity), 10)


# ------------------------------------------------------------------------------------------- fills and acts in a row

AT = datetime(2026, 1, 5, tzinfo=UTC)
QUANTITY = st.decimals(min_value=-1000, max_value=1000, places=2).filter(bool)
PRICE = st.decimals(min_value=0, max_value=5000, places=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(QUANTITY, PRICE),
        st.tuples(st.just(ChangeKind.TRADE), QUANTITY, PRICE),
        st.tuples(st.just(ChangeKind.SPLIT), st.integers(1, 10), st.sampled_from([1, 2, 5, 10])),
        st.tuples(st.just(ChangeKind.SET), st.one_of(st.just(Decimal(0)), QUANTITY), PRICE),
    ),
    max_size=30,
)


def step_of(drawn: tuple[Any, ...]) -> Step:
    if not isinstance(drawn[0], ChangeKind):
        return drawn[0], drawn[1]
    kind, first, second = drawn
    common: Any = {"symbol": "S", "currency": "USD", "multiplier": ONE, "kind": kind, "at": AT, "moved": Decimal(0)}
    if kind is ChangeKind.SPLIT:
        return PositionChange(**common, numerator=Decimal(first), denominator=Decimal(second))
    return PositionChange(**common, quantity=first, cost=first * second)


def by_lots(steps: list[tuple[Any, ...]]) -> tuple[Fraction, Fraction, Fraction]:
    """Quantity, cost and realised PnL another way about: equal lots of a quantity at the average, in fractions."""
    held, average, realized = Fraction(0), Fraction(0), Fraction(0)
    for drawn in steps:
        kind, first, second = drawn if isinstance(drawn[0], ChangeKind) else (ChangeKind.TRADE, *drawn)
        quantity, price = Fraction(first), Fraction(second)
        if kind is ChangeKind.SPLIT:
            held, average = held * quantity / price, average * price / quantity
        elif kind is ChangeKind.SET:
            held, average = quantity, price
        else:
            closed = max(-abs(held), -abs(quantity)) if held * quantity < 0 else Fraction(0)
            realized += (1 if held > 0 else -1) * -closed * (price - average)
            opened = abs(quantity) + closed
            kept = abs(held) + closed
            average = (kept * average + opened * price) / (kept + opened) if kept + opened else Fraction(0)
            held += quantity
    return held, held * average, realized


@given(STEPS)
def test_fills_splits_corrections_and_figures_that_are_set_agree_with_fractions(steps: list[tuple[Any, ...]]) -> None:
    holding = refold(FLAT, map(step_of, steps))
    held, cost, realized = by_lots(steps)
    tolerance = Fraction(1, 10**50)
    assert abs(Fraction(holding.quantity) - held) < tolerance
    assert abs(Fraction(holding.cost) - cost) < tolerance
    assert abs(Fraction(holding.realized_pnl(ONE)) - realized) < tolerance


@given(STEPS, st.integers(1, 50), st.integers(1, 50))
def test_a_split_changes_neither_cost_nor_what_was_realised(steps: list[Any], new: int, old: int) -> None:
    before = refold(FLAT, map(step_of, steps))
    after = refold(before, [step_of((ChangeKind.SPLIT, new, old))])
    assert (after.cost, after.proceeds) == (before.cost, before.proceeds)


@given(STEPS, st.integers(1, 9))
def test_a_split_and_its_reverse_are_nothing(steps: list[Any], ratio: int) -> None:
    before = refold(FLAT, map(step_of, steps))
    again = refold(before, map(step_of, [(ChangeKind.SPLIT, ratio, 1), (ChangeKind.SPLIT, 1, ratio)]))
    assert (shown(again.quantity), again.cost) == (shown(before.quantity), before.cost)
