"""What an order is estimated to cost, against venues' own published examples and figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.commissions import Commission, by_instrument, commission_of, mistakes
from signalbox.messages import Liquidity

D = Decimal
FIXED_PRICING = {"scheme": "PER_SHARE", "rate": D("0.005"), "minimum": D("1.00"), "maximum_fraction": D("0.01")}
TIER = {"scheme": "MAKER_TAKER", "maker": D("-0.00011"), "taker": D("0.0005")}


def scheme(**figures: object) -> Commission:
    return Commission(venue="ibkr", kind="STOCK", **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "quantity", "value", "liquidity", "expected"),
    [
        # IBKR's fixed pricing for US stocks, its own four examples: 100 at 25, 1,000 at 25, 1,000 at 0.25, 10 at 0.20
        (FIXED_PRICING, "100", "2500", "UNSTATED", "1.00"),
        (FIXED_PRICING, "1000", "25000", "UNSTATED", "5.00"),
        (FIXED_PRICING, "1000", "250", "UNSTATED", "2.50"),
        (FIXED_PRICING, "10", "2", "UNSTATED", "0.02"),
        ({"scheme": "PER_SHARE", "rate": D("0.65")}, "3", "450", "UNSTATED", "1.95"),
        # 0.08 % of 39,375 HKD, at least 18; at most 25 where that is stated
        ({"scheme": "PERCENTAGE", "rate": D("0.0008"), "minimum": D(18)}, "100", "39375", "UNSTATED", "31.5"),
        ({"scheme": "PERCENTAGE", "rate": D("0.0008"), "minimum": D(18)}, "10", "3937.5", "UNSTATED", "18"),
        ({"scheme": "PERCENTAGE", "rate": D("0.0008"), "maximum": D(25)}, "100", "39375", "UNSTATED", "25"),
        ({"scheme": "FIXED", "amount": D("4.95")}, "1", "10", "UNSTATED", "4.95"),
        ({"scheme": "FIXED", "amount": D("4.95")}, "100000", "1000000", "UNSTATED", "4.95"),
        ({"scheme": "FIXED", "amount": D("4.95")}, "0", "0", "UNSTATED", "0"),
        (TIER, "0.5", "30000", "MAKER", "-3.3"),
        (TIER, "0.5", "30000", "TAKER", "15"),
        (TIER, "0.5", "30000", "UNSTATED", "15"),
        ({"scheme": "MAKER_TAKER", "maker": D("0.002"), "taker": D("0.001")}, "1", "100", "UNSTATED", "0.2"),
    ],
)
def test_an_order_costs_what_its_scheme_says(
    figures: dict[str, object], quantity: str, value: str, liquidity: str, expected: str
) -> None:
    assert commission_of(scheme(**figures), D(quantity), D(value), Liquidity(liquidity)) == D(expected)


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=4)
RATES = st.decimals(min_value=0, max_value=1, places=6)


@given(quantity=AMOUNTS, value=AMOUNTS, rate=RATES, minimum=AMOUNTS, fraction=RATES)
def test_a_charge_by_shares_lies_between_its_bounds(
    quantity: Decimal, value: Decimal, rate: Decimal, minimum: Decimal, fraction: Decimal
) -> None:
    stated = scheme(scheme="PER_SHARE", rate=rate, minimum=minimum, maximum_fraction=fraction)
    charged = Fraction(commission_of(stated, quantity, value, Liquidity.UNSTATED))
    by_shares, most = Fraction(quantity) * Fraction(rate), Fraction(value) * Fraction(fraction)
    assert charged == sorted((max(by_shares, Fraction(minimum)), most))[0]


def test_schemes_are_found_by_venue_and_kind() -> None:
    stocks, options = scheme(**FIXED_PRICING), Commission(venue="ibkr", kind="OPTION", scheme="FIXED", amount=D(1))
    assert by_instrument([stocks, options]) == {("ibkr", "STOCK"): stocks, ("ibkr", "OPTION"): options}


GOOD = {"venue": "ibkr", "kind": "STOCK", "scheme": "PER_SHARE", "rate": "0.005", "minimum": "1"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"venue": "dydx"}, "venue is 'dydx', which is not under [venues]"),
        ({"kind": "SHARE"}, "kind is 'SHARE': it must be"),
        ({"scheme": "TIERED"}, "scheme is 'TIERED': it must be"),
        ({"rate": None}, "rate is missing: PER_SHARE needs it"),
        ({"maker": "0.1"}, "maker is no figure of PER_SHARE"),
        ({"rate": "-0.1"}, "rate is '-0.1': it must be 0 or more"),
        ({"minimum": Decimal("inf")}, "minimum is Infinity: it must be 0 or more"),
        ({"maximum_fraction": "1.5"}, "it is a fraction of the value"),
        ({"scheme": "PERCENTAGE", "rate": "8"}, "it is a fraction of the value"),
        ({"scheme": "MAKER_TAKER", "rate": None, "minimum": None, "maker": "-2", "taker": "0"}, "a fraction"),
    ],
)
def test_every_mistake_is_told(changes: dict[str, Any], said: str) -> None:
    table = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    found = list(mistakes([table], {"ibkr": {}}))
    assert len(found) == 1
    assert said in found[0]


def test_a_kind_is_named_once() -> None:
    assert list(mistakes([GOOD, GOOD], ["ibkr"])) == ["commissions names STOCK at ibkr more than once: name it once."]
    assert not list(mistakes([GOOD, {**GOOD, "kind": "OPTION"}], ["ibkr"]))
