"""What an order is estimated to cost: in the decision, among the funds that it needs, and in the name of the rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from risk.facts import estimated_commission
from signalbox.commissions import Commission
from signalbox.messages import InstrumentKind, InstrumentSeen, IntentApproved

D = Decimal
STOCKS = Commission(venue="ibkr", kind="STOCK", scheme="PER_SHARE", rate=D("0.005"), minimum=D(1))
SHARES = Commission(venue="ibkr", kind="STOCK", scheme="PERCENTAGE", rate=D("0.001"))


@pytest.mark.parametrize(
    ("scheme", "terms", "expected"),
    [
        (STOCKS, {"quantity": "100"}, "1"),
        (STOCKS, {"quantity": "1000"}, "5"),
        (SHARES, {"quantity": "10", "limit": "99"}, "0.99"),
        (SHARES, {"quantity": "10", "limit": None}, "1.05"),  # at the market of 100, and the collar of 5 %
    ],
)
def test_an_approval_says_what_the_order_may_cost(
    world: Any, scheme: Commission, terms: dict[str, Any], expected: str
) -> None:
    w = world(desk={"commissions": (scheme,)}).ready()
    decision = w.decide(w.order(**terms))
    assert isinstance(decision, IntentApproved)
    assert decision.estimated_commission == D(expected)


PERPETUAL = InstrumentSeen(
    source="STATE:1",
    kind=InstrumentKind.PERPETUAL,
    currency="USDC",
    calendar="24/7",
    tick_size=D(1),
    lot_size=D(1),
    minimum_quantity=D(1),
)


@pytest.mark.parametrize(("post_only", "expected"), [(True, "-0.1"), (False, "0.5")])
def test_only_what_can_not_take_is_estimated_as_a_maker(world: Any, post_only: bool, expected: str) -> None:
    scheme = Commission(venue="ibkr", kind="PERPETUAL", scheme="MAKER_TAKER", maker=D("-0.0001"), taker=D("0.0005"))
    w = world(desk={"commissions": (scheme,)})
    intent = w.order(quantity="10", post_only=post_only)
    assert estimated_commission(w.state.rules, intent, PERPETUAL, D(1000)) == D(expected)


def test_without_a_scheme_for_its_kind_there_is_no_estimate(world: Any) -> None:
    options = Commission(venue="ibkr", kind="OPTION", scheme="FIXED", amount=D(1))
    for desk in ({}, {"commissions": (options,)}):
        w = world(desk=desk).ready()
        assert w.decide(w.order()).estimated_commission is None


@pytest.mark.parametrize(("funds", "passes"), [("1001", True), ("1000.99", False)])
def test_funds_must_do_for_the_commission_too(world: Any, check: Any, funds: str, passes: bool) -> None:
    w = world(desk={"commissions": (STOCKS,)}).ready().account(available_funds=D(funds))
    found = check(w.decide(w.order(quantity="10")), "funds")
    assert (found.passed, found.observed) == (passes, "1001")


def test_a_commission_in_another_currency_counts_at_its_rate(world: Any, check: Any) -> None:
    fixed = Commission(venue="ibkr", kind="STOCK", scheme="FIXED", amount=D(18))
    w = world(desk={"commissions": (fixed,), "fx_rates": {"HKD": D("0.125")}}).ready()
    decision = w.decide(w.order(symbol="700", quantity="100", limit="300"))  # Hong Kong sleeps: it is denied for that
    assert check(decision, "funds").observed == "3752.25"  # 30,018 HKD at 0.125


def test_a_desk_without_schemes_has_the_rules_that_it_had_before_there_were_any(world: Any) -> None:
    assert world().state.rules.version == "ce0c12266e0a2076"
    assert world(desk={"commissions": (STOCKS,)}).state.rules.version != world().state.rules.version
