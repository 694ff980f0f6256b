"""What a day was: what each strategy made of its fills, what does not come, what somebody has to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.messages import ServiceStatus
from signalbox_cli.argument_types import day
from signalbox_cli.day import Day, attention, gaps
from signalbox_cli.made import Made, made_by_strategy

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
SPY = ("ibkr", "DU1", "SPY")
MARKS = {SPY: (Decimal(1), Decimal(12))}


def fill(side: str, quantity: str, price: str, strategy: str = "trend", **changes: Any) -> dict[str, Any]:
    place = dict(zip(("venue", "account", "symbol"), SPY, strict=True))
    told = {"side": side, "quantity": quantity, "price": price, "strategy": strategy, "commission": "1"}
    return {"at": "2024-03-05T15:00:00.000000Z", **place, **told, **changes}


def test_a_strategy_has_what_its_own_fills_made() -> None:
    fills = [fill("BUY", "10", "10"), fill("BUY", "5", "11", "other"), fill("SELL", "4", "13")]
    assert made_by_strategy(fills, MARKS, "") == {
        ("trend", *SPY): Made(Decimal(6), Decimal(12), Decimal(12), Decimal(2)),
        ("other", *SPY): Made(Decimal(5), Decimal(0), Decimal(5), Decimal(1)),
    }
    assert made_by_strategy(fills, MARKS, "")[("trend", *SPY)].net == Decimal(22)


def test_what_was_realised_and_paid_before_the_day_is_not_of_the_day() -> None:
    old = {"at": "2024-03-04T15:00:00.000000Z"}
    fills = [fill("BUY", "10", "10", **old), fill("SELL", "4", "13", **old), fill("SELL", "6", "11")]
    assert made_by_strategy(fills, MARKS, "2024-03-05T00:00:00Z") == {
        ("trend", *SPY): Made(Decimal(0), Decimal(6), Decimal(0), Decimal(1))
    }


def test_what_is_open_and_has_no_price_is_not_said_to_have_made_nothing() -> None:
    for marks in ({}, {SPY: (Decimal(1), None)}):
        made = made_by_strategy([fill("BUY", "10", "10", commission=None)], marks, "")[("trend", *SPY)]
        assert (made.unrealized, made.net, made.commission) == (None, None, Decimal(0))


@given(
    st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 99), st.integers(1, 99), st.sampled_from("ab")))
)
def test_what_the_strategies_made_is_together_what_the_fills_made(trades: list[tuple[str, int, int, str]]) -> None:
    fills = [fill(side, str(quantity), str(price), strategy) for side, quantity, price, strategy in trades]
    made = made_by_strategy(fills, {SPY: (Decimal(1), Decimal(12))}, "")
    signs = {"BUY": 1, "SELL": -1}
    total = sum((signs[side] * quantity * (12 - price) for side, quantity, price, _ in trades), 0)
    found = sum((each.net + each.commission for each in made.values() if each.net is not None), Decimal(0))
    assert abs(found - total) < Decimal("1e-9")


def status(service: str, ready: bool = True, **details: str) -> ServiceStatus:
    return ServiceStatus(service=service, ready=ready, waiting_for=() if ready else ("NATS",), at=AT, details=details)


def test_what_does_not_come_is_a_gap() -> None:
    told = gaps([status("gateway-ibkr", bars_wait_for="SPY", unread="", orders_stranded="0"), status("risk")])
    assert told == [{"service": "gateway-ibkr", "what": "bars_wait_for", "which": "SPY"}]


def test_a_day_on_which_all_is_well_needs_nothing() -> None:
    answers = {"risk": [status("risk", trading_state="ACTIVE")], "oms": [status("oms")]}
    assert attention(answers, Day(day=""), [], []) == []


@pytest.mark.parametrize(
    ("answers", "day", "refused", "dead", "told"),
    [
        ({"oms": []}, {}, [], [], "oms does not answer"),
        ({"oms": [status("oms", ready=False)]}, {}, [], [], "oms is not ready: NATS"),
        ({"risk": [status("risk", trading_state="HALTED")]}, {}, [], [], "trading is HALTED"),
        ({}, {"working": [{"order_id": "o-1", "status": "UNKNOWN"}]}, [], [], "order o-1 is UNKNOWN"),
        ({}, {"working": [{"order_id": "o-1", "status": "HELD"}]}, [], [], "order o-1 is HELD"),
        ({}, {}, [{"order_id": "o-1", "refused_by": "GATEWAY", "reason": ""}], [], "the desk's own GATEWAY"),
        ({}, {}, [], [{"service": "oms", "stream": "REPORTS", "messages": 2}], "oms could not handle 2 of REPORTS"),
        ({}, {"gaps": [{"service": "gateway", "what": "unread", "which": "SPY"}]}, [], [], "gateway: unread SPY"),
    ],
)  # fmt: skip
def test_what_somebody_has_to_look_at_is_said(answers: Any, day: Any, refused: Any, dead: Any, told: str) -> None:
    [sentence] = attention(answers, Day(day="", **day), refused, dead)
    assert told in sentence


def test_an_order_that_works_needs_nobody() -> None:
    assert attention({}, Day(day="", working=[{"order_id": "o-1", "status": "NEW"}]), [], []) == []


def test_a_day_is_of_utc() -> None:
    assert day("2024-03-05") == datetime(2024, 3, 5, tzinfo=UTC)
