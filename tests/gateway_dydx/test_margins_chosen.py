"""Leverage and the margin that the chain keeps of it: one in a person's words, the other in parts per million."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gateway_dydx.margins import MILLION, leverage_of, ppm_of
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("leverage", "ppm", "shown"),
    [("1", 1_000_000, "1"), ("3", 333_334, "3"), ("5", 200_000, "5"), ("2.5", 400_000, "2.5"), ("50", 20_000, "50")],
)
def test_a_leverage_is_a_margin_of_its_inverse(leverage: str, ppm: int, shown: str) -> None:
    assert (ppm_of(Decimal(leverage)), f"{leverage_of(ppm):f}") == (ppm, shown)


@given(st.decimals(1, 100, places=2))
def test_never_more_leverage_than_was_asked_for(leverage: Decimal) -> None:
    assert Decimal(MILLION) / ppm_of(leverage) <= leverage
