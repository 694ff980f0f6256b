"""What borrowed shares cost, by figures worked out by hand and a second formula in fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.borrowing import borrow_interest

D = Decimal


@pytest.mark.parametrize(
    ("borrowed", "price", "rate", "days", "expected"),
    [
        ("100", "20", "0.18", 1, "-1.00"),  # 2,000 x 18 % = 360 a year, of 360 days
        ("100", "20", "0.18", 3, "-3.00"),
        ("100", "20", "0.0025", 1, "-0.01"),  # 0.0138...
        ("1000", "25.50", "0.125", 30, "-265.62"),  # 265.625, to the even cent
        ("0", "20", "0.18", 1, "0"),
        ("-100", "20", "0.18", 1, "0"),
    ],
)
def test_borrowed_shares_cost_their_value_at_the_rate(
    borrowed: str, price: str, rate: str, days: int, expected: str
) -> None:
    assert str(borrow_interest(D(borrowed), D(price), D(rate), days)) == expected


@given(
    st.decimals(min_value=1, max_value=10**6, places=2),
    st.decimals(min_value=0, max_value=5000, places=4),
    st.decimals(min_value=0, max_value=3, places=4),
    st.integers(0, 366),
)
def test_it_is_within_half_a_cent_of_the_fraction(borrowed: D, price: D, rate: D, days: int) -> None:
    exact = Fraction(borrowed) * Fraction(price) * Fraction(rate) * days / 360
    assert abs(Fraction(-borrow_interest(borrowed, price, rate, days)) - exact) <= Fraction(1, 200)
