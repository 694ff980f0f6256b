"""What is a list, what its legs come to, and how a fill is shared out among them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from signalbox.messages import (
    Contingency,
    ListLeg,
    OffsetUnit,
    OrderListIntent,
    OrderType,
    PriceOffset,
    PriceStep,
    Side,
    TimeInForce,
)
from signalbox.order_lists import Terms, contradiction, order_intent, plan_of, priced, share_out

AT = datetime(2024, 3, 4, tzinfo=UTC)
ONE = Decimal(1)


def leg(name: str, kind: str, side: str = "SELL", **terms: Any) -> ListLeg:
    values = {key: Decimal(value) if isinstance(value, str) else value for key, value in terms.items()}
    return ListLeg(name=name, side=Side(side), order_type=OrderType(kind), **values)


def off(amount: str, unit: OffsetUnit) -> PriceOffset:
    return PriceOffset(amount=Decimal(amount), unit=unit)


PERCENT, TICKS, R, PRICE = OffsetUnit
ENTRY = leg("entry", "MARKET", "BUY", quantity="100")
STOP = leg("stop", "STOP", stop_price="9")
TARGET = leg("target", "LIMIT", limit_price="11")
TRAIL = leg("stop", "TRAILING_STOP", trail_percent="2")
HALF = replace(TARGET, name="half", share=Decimal("0.5"))


def a_list(contingency: str, *legs: ListLeg, venue: str = "ibkr") -> OrderListIntent:
    return OrderListIntent(
        id="l", at=AT, venue=venue, symbol="SPY", account="DU1", contingency=Contingency(contingency), legs=legs
    )


@pytest.mark.parametrize(
    ("contingency", "legs", "reason"),
    [
        ("BRACKET", (ENTRY, STOP, TARGET), ""),
        ("BRACKET", (ENTRY, STOP), ""),
        ("BRACKET", (ENTRY, STOP, HALF), ""),
        ("BRACKET", (ENTRY,), "a list has 2 to 10 legs, this one has 1"),
        ("BRACKET", (ENTRY, TARGET), "a bracket has one stop (STOP, STOP_LIMIT or TRAILING_STOP) behind its"),
        (
            "BRACKET",
            (ENTRY, replace(STOP, share=ONE), TARGET),
            "leg stop has a share: the stop of a bracket is for all",
        ),
        ("BRACKET", (ENTRY, STOP, STOP), "two legs have the same name"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, name="stop-2")), "'stop-2' can not name a leg"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, name="flatten")), "'flatten' can not name a leg"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, side=Side.BUY)), "leg target is on the entry's side"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, quantity=ONE)), "leg target follows an entry"),
        ("BRACKET", (replace(ENTRY, share=ONE), STOP, TARGET), "leg entry needs a quantity, and has no share"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, share=Decimal(0))), "leg target has a share of 0"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, share=ONE), HALF), "the legs' shares add up to 1.5"),
        (
            "BRACKET",
            (ENTRY, STOP, replace(TARGET, share=ONE), replace(TARGET, name="rest")),
            "one leg at most may leave",
        ),
        ("BRACKET", (ENTRY, STOP, TARGET, replace(TARGET, name="other")), "one leg at most may leave its share away"),
        ("BRACKET", (ENTRY, TRAIL, TARGET), ""),
        ("BRACKET", (ENTRY, replace(TRAIL, trail_percent=None, trail_amount=ONE), TARGET), ""),
        (
            "BRACKET",
            (ENTRY, leg("stop", "TRAILING_STOP")),
            "leg stop trails: it has trail_amount or trail_percent, one",
        ),
        ("BRACKET", (ENTRY, replace(TRAIL, trail_amount=ONE)), "leg stop trails: it has trail_amount or trail_percent"),
        ("BRACKET", (ENTRY, replace(TRAIL, stop_price=ONE)), "leg stop trails: it has trail_amount or trail_percent"),
        ("BRACKET", (ENTRY, replace(TRAIL, limit_offset=off("1", TICKS))), "leg stop trails: it has trail_amount or"),
        ("BRACKET", (ENTRY, leg("stop", "TRAILING_STOP_LIMIT", trail_amount="1")), "leg stop would rest at a limit"),
        ("BRACKET", (ENTRY, replace(STOP, trail_amount=ONE)), "leg stop does not trail: it has no trail_amount"),
        ("OTO", (replace(TRAIL, name="entry", side=Side.BUY, quantity=ONE), STOP), "leg entry is an entry, and would"),
        ("OTO", (ENTRY, replace(TRAIL, share=HALF.share), HALF), ""),
        ("OCO", (replace(TRAIL, quantity=ONE), replace(TARGET, quantity=ONE)), ""),
        ("OUO", (replace(TRAIL, quantity=ONE), replace(TARGET, quantity=ONE)), ""),
        ("BRACKET", (ENTRY, STOP, leg("out", "MARKET")), "leg out would not wait"),
        ("BRACKET", (ENTRY, STOP, leg("out", "MARKET_TO_LIMIT")), "leg out would not wait"),
        ("BRACKET", (ENTRY, STOP, leg("out", "LIMIT_ON_CLOSE", limit_price="11")), "leg out would not wait"),
        ("BRACKET", (ENTRY, STOP, replace(TARGET, time_in_force=TimeInForce.IOC)), "leg target would not wait"),
        ("BRACKET", (ENTRY, replace(STOP, stop_offset=off("-1", PERCENT)), TARGET), "leg stop has a price both"),
        ("BRACKET", (replace(ENTRY, limit_offset=off("1", TICKS)), STOP), "leg entry has a price relative to"),
        ("BRACKET", (ENTRY, leg("stop", "STOP", stop_offset=off("2", PERCENT))), "leg stop is a STOP behind a BUY"),
        ("BRACKET", (ENTRY, STOP, leg("t", "LIMIT", limit_offset=off("-2", R))), "leg t is a LIMIT behind a BUY entry"),
        ("BRACKET", (ENTRY, leg("stop", "STOP", stop_offset=off("-1", R))), "R is measured by the stop"),
        ("OTO", (ENTRY, leg("t", "LIMIT", limit_offset=off("2", R))), "leg t has a price in R, and the list has no"),
        ("OTO", (ENTRY, HALF, STOP), ""),
        ("OCO", (replace(STOP, quantity=ONE), replace(TARGET, quantity=ONE)), ""),
        ("OCO", (replace(STOP, quantity=ONE), replace(TARGET, quantity=ONE, side=Side.BUY)), ""),
        ("OUO", (replace(STOP, quantity=ONE), replace(TARGET, quantity=ONE, side=Side.BUY)), "the legs of an OUO list"),
        ("OCO", (replace(STOP, quantity=ONE), replace(TARGET, quantity=Decimal(2))), "the legs of an OCO list are for"),
        ("OCO", (replace(STOP, quantity=ONE), leg("m", "MARKET", quantity="1")), "a leg of an OCO list rests"),
        ("OCO", (replace(STOP, quantity=ONE), leg("m", "MARKET_TO_LIMIT", quantity="1")), "a leg of an OCO list rests"),
        ("OCO", (STOP, TARGET), "leg stop needs a quantity"),
    ],
)
def test_what_is_no_list_is_told_why(contingency, legs, reason):
    found = contradiction(a_list(contingency, *legs))
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


def test_a_brackets_targets_have_a_part_of_the_stop_each():
    plan = plan_of(a_list("BRACKET", ENTRY, STOP, HALF, replace(TARGET, share=Decimal("0.3"))))
    sets = [([each.name for each in one.legs], one.share, one.contingency) for one in plan.sets]
    assert sets == [
        (["stop", "half"], Decimal("0.5"), Contingency.OUO),
        (["stop", "target"], Decimal("0.3"), Contingency.OUO),
        (["stop"], Decimal("0.2"), None),
    ]
    rest = plan_of(a_list("BRACKET", ENTRY, STOP, HALF, TARGET))
    assert [one.share for one in rest.sets] == [Decimal("0.5"), Decimal("0.5")]


def test_what_follows_at_a_venue_that_reduces_is_reduce_only():
    for venue, reduces in (("ibkr", False), ("dydx", True)):
        wish = a_list("BRACKET", ENTRY, STOP, TARGET, venue=venue)
        plan = plan_of(wish)
        terms = Terms(tick_size=ONE, lot_size=ONE)
        made = [order_intent(wish, plan, each, ONE, ONE, terms).reduce_only for each in wish.legs]
        assert made == [False, reduces, reduces]


@pytest.mark.parametrize(
    ("side", "offset", "price"),
    [
        ("BUY", off("-2", PERCENT), "98.05"),  # 100.05 - 2.001: 98.049, to the tick nearer to the fill
        ("SELL", off("-2", PERCENT), "102.05"),
        ("BUY", off("7", TICKS), "100.4"),
        ("BUY", off("2", PRICE), "102.05"),
        ("SELL", off("2", PRICE), "98.05"),
        ("BUY", off("-2.53", PRICE), "97.55"),
        ("SELL", off("7", TICKS), "99.7"),
        ("BUY", off("0.001", PERCENT), "100.1"),  # never the fill itself
    ],
)
def test_a_price_relative_to_the_fill(side, offset, price):
    other = "SELL" if side == "BUY" else "BUY"
    exit_leg = leg("x", "LIMIT", other, limit_offset=offset)
    plan = plan_of(a_list("OTO", replace(ENTRY, side=Side(side)), exit_leg))
    terms = Terms(tick_size=Decimal("0.05"), lot_size=ONE)
    assert priced(exit_leg, plan, Decimal("100.05"), terms)[0] == Decimal(price)


def test_a_price_is_a_tick_where_it_lies():
    steps = (
        PriceStep(at_least=Decimal(0), step=Decimal("0.01")),
        PriceStep(at_least=Decimal(100), step=Decimal("0.5")),
    )
    exit_leg = leg("x", "LIMIT", limit_offset=off("3.3", PERCENT))
    plan = plan_of(a_list("OTO", ENTRY, exit_leg))
    terms = Terms(tick_size=Decimal("0.01"), lot_size=ONE, price_steps=steps)
    assert priced(exit_leg, plan, Decimal(99), terms)[0] == Decimal(102)


def test_r_is_the_way_from_the_fill_to_the_stop():
    target = leg("t", "LIMIT", limit_offset=off("2", R))
    plan = plan_of(a_list("BRACKET", ENTRY, STOP, target))
    assert priced(target, plan, Decimal(10), Terms(tick_size=Decimal("0.01"), lot_size=ONE))[0] == 12


@pytest.mark.parametrize(
    ("side", "trail", "price"),
    [
        ("BUY", {"trail_amount": Decimal(2)}, "104"),
        ("SELL", {"trail_amount": Decimal(2)}, "96"),
        ("BUY", {"trail_percent": Decimal(3)}, "106"),
    ],
)
def test_r_of_a_stop_that_trails_is_how_far_behind_the_fill_it_begins(side, trail, price):
    other = "SELL" if side == "BUY" else "BUY"
    stop, target = leg("stop", "TRAILING_STOP", other), leg("t", "LIMIT", other, limit_offset=off("2", R))
    plan = plan_of(a_list("BRACKET", replace(ENTRY, side=Side(side)), replace(stop, **trail), target))
    terms = Terms(tick_size=Decimal("0.01"), lot_size=ONE)
    assert priced(target, plan, Decimal(100), terms)[0] == Decimal(price)
    assert priced(plan.stop, plan, Decimal(100), terms) == (None, None)


def whole(parts: list[int]) -> list[Decimal]:
    """Shares that make up all of it."""
    shares = [Decimal(part) / sum(parts) for part in parts[1:]]
    return [*shares, ONE - sum(shares, Decimal(0))]


SHARES = st.lists(st.integers(1, 50), min_size=1, max_size=5).map(whole)


@given(shares=SHARES, fills=st.lists(st.integers(1, 40), max_size=12), lot=st.sampled_from(("1", "0.001", "100")))
def test_what_has_filled_is_given_out_to_the_last_lot_and_never_taken_back(shares, fills, lot):
    given_out, filled = [Decimal(0)] * len(shares), Decimal(0)
    for fill in fills:
        filled += fill * Decimal(lot)
        more = share_out(shares, given_out, filled, Decimal(lot))
        assert all(each >= 0 and each % Decimal(lot) == 0 for each in more)
        given_out = [had + each for had, each in zip(given_out, more, strict=True)]
        assert filled - Decimal(lot) < sum(given_out) <= filled
    for share, each in zip(shares, given_out, strict=True):
        assert abs(each - share * filled) < 2 * Decimal(lot) * len(shares)


def test_shares_that_leave_something_leave_it():
    assert share_out([Decimal("0.5")], [Decimal(0)], Decimal(9), ONE) == [Decimal(4)]
