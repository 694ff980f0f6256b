"""What opening binds by the venue's word of this account: a part of the value, while that word is recent."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from risk.decide import explain
from risk.facts import MARGIN_AGE_MAX
from signalbox.messages import Decision, IntentApproved, IntentDenied, MarginRate


def rate(w: Any, buying: str | None = "0.25", selling: str | None = "0.3") -> tuple[MarginRate, ...]:
    told = [Decimal(each) if each is not None else None for each in (buying, selling)]
    return (MarginRate(symbol="SPY", said_at=w.now, initial_buying=told[0], initial_selling=told[1]),)


def needed(w: Any, decision: Decision) -> str:
    return next(check.observed for check in explain(w.state.rules, decision) if check.name == "funds")


def test_an_order_binds_the_larger_part_of_its_value(world: Any) -> None:
    w = world().ready()
    w.account(available_funds=Decimal(3_000), margin_rates=rate(w))
    decision = w.decide(w.order(quantity="100"))
    assert isinstance(decision, IntentApproved)
    assert needed(w, decision) == "3000"
    assert decision.basis.instrument.margin_said_at == w.now
    assert decision.basis.instrument.initial_margin == Decimal("0.3")


def test_what_works_binds_as_little(world: Any) -> None:
    w = world().ready()
    w.account(available_funds=Decimal(5_000), margin_rates=rate(w))
    assert isinstance(w.decide(w.order(quantity="100")), IntentApproved)
    second = w.decide(w.order(quantity="100"))
    assert isinstance(second, IntentDenied)
    assert second.reason.startswith("this order and those under way need 6,000.00 USD; 5,000.00 USD are available")


@pytest.mark.parametrize(
    ("buying", "selling"), [(None, "0.3"), ("0.25", None), ("0.25", "1.5"), ("-0.1", "-0.2"), ("NaN", "NaN")]
)
def test_what_is_no_part_of_the_value_is_all_of_it(world: Any, buying: str | None, selling: str | None) -> None:
    w = world().ready()
    w.account(available_funds=Decimal(9_999), margin_rates=rate(w, buying, selling))
    decision = w.decide(w.order(quantity="100"))
    assert isinstance(decision, IntentDenied)
    assert "need 10,000.00 USD" in decision.reason


def test_what_was_said_too_long_ago_counts_no_more(world: Any) -> None:
    w = world().ready()
    told = rate(w)
    for later, verdict in ((MARGIN_AGE_MAX, IntentApproved), (MARGIN_AGE_MAX + timedelta(seconds=1), IntentDenied)):
        w.now = told[0].said_at + later
        w.account(available_funds=Decimal(3_000), margin_rates=told).link().quote("SPY", "99.99", "100")
        assert type(w.decide(w.order(quantity="100" if verdict is IntentDenied else "50"))) is verdict


def test_an_instrument_that_says_its_margin_goes_by_that(world: Any) -> None:
    w = world().ready().instrument("SPY", initial_margin=Decimal("0.9"))
    w.account(available_funds=Decimal(8_999), margin_rates=rate(w))
    assert "need 9,000.00 USD" in w.decide(w.order(quantity="100")).reason


def test_what_the_venue_raises_is_raised_above_that(world: Any) -> None:
    w = world().ready()
    w.account(margin_rates=rate(w), initial_margin_fractions={"SPY": Decimal("0.6")})
    assert needed(w, w.decide(w.order(quantity="100"))) == "6000"
