"""`signalbox bracket`: what its options ask for is a list that can be worked."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from signalbox.messages import ExitPolicy, OffsetUnit, OrderListIntent, OrderNoted, OrderStatus, PriceOffset
from signalbox.order_lists import contradiction, plan_of
from signalbox_cli.__main__ import build_parser
from signalbox_cli.bracket import Exit, exit_of, list_intent
from signalbox_cli.following import OneList

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


def asked(words: str) -> OrderListIntent:
    given = ["bracket", *words.split()]
    intent = list_intent(build_parser(given).parse_args(given), AT)
    assert contradiction(intent) == ""
    return intent


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("440", Exit(Decimal(440), None, None)),
        ("440.5@50%", Exit(Decimal("440.5"), None, Decimal("0.5"))),
        ("2%", Exit(Decimal(2), OffsetUnit.PERCENT, None)),
        ("2%@25%", Exit(Decimal(2), OffsetUnit.PERCENT, Decimal("0.25"))),
        ("80t", Exit(Decimal(80), OffsetUnit.TICKS, None)),
        ("2.5p", Exit(Decimal("2.5"), OffsetUnit.PRICE, None)),
        ("2.5R@10%", Exit(Decimal("2.5"), OffsetUnit.R, Decimal("0.1"))),
    ],
)
def test_where_an_exit_lies(text: str, found: Exit) -> None:
    assert exit_of(text) == found


@pytest.mark.parametrize("text", ["", "abc", "440@50", "-2%", "440@", "1.2.3", "2x"])
def test_what_is_no_exit_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        exit_of(text)


def test_a_bracket_of_stocks() -> None:
    intent = asked("buy 100 SPY --stop 420 --target 440@50% --target 450 --policy alarm")
    assert (intent.venue, intent.exit_policy) == ("ibkr", ExitPolicy.ALARM)
    entry, stop, first, second = intent.legs
    assert (entry.order_type, entry.quantity, entry.time_in_force) == ("MARKET", 100, "DAY")
    assert (stop.side, stop.order_type, stop.stop_price, stop.time_in_force) == ("SELL", "STOP", 420, "GTC")
    assert (first.order_type, first.limit_price, first.share) == ("LIMIT", 440, Decimal("0.5"))
    assert (second.limit_price, second.share) == (450, None)


@pytest.mark.parametrize(("trail", "amount", "percent"), [("2.50", Decimal("2.50"), None), ("2%", None, Decimal(2))])
def test_a_bracket_whose_stop_trails(trail: str, amount: Decimal | None, percent: Decimal | None) -> None:
    _, stop, target = asked(f"buy 100 SPY --trail {trail} --target 2R").legs
    assert (stop.name, stop.side, stop.order_type, stop.time_in_force) == ("stop", "SELL", "TRAILING_STOP", "GTC")
    assert (stop.trail_amount, stop.trail_percent, stop.stop_price, stop.stop_offset) == (amount, percent, None, None)
    assert target.limit_offset == PriceOffset(amount=Decimal(2), unit=OffsetUnit.R)


@pytest.mark.parametrize("words", ["", "--stop 420 --trail 2%"])
def test_a_bracket_has_one_stop(words: str) -> None:
    given = f"bracket buy 100 SPY {words}".split()
    with pytest.raises(SystemExit):
        build_parser(given).parse_args(given)


def test_a_bracket_of_perpetuals_has_targets_that_are_touched() -> None:
    intent = asked("sell 0.01 BTC-USD --limit 95000 --stop 3% --target 2R")
    assert intent.venue == "dydx"
    entry, stop, target = intent.legs
    assert (entry.limit_price, stop.side, target.order_type) == (95000, "BUY", "MARKET_IF_TOUCHED")
    assert stop.stop_offset == PriceOffset(amount=Decimal(-3), unit=OffsetUnit.PERCENT)
    assert target.stop_offset == PriceOffset(amount=Decimal(2), unit=OffsetUnit.R)
    assert plan_of(intent).stop == stop


def event(order_id: str, status: OrderStatus) -> OrderNoted:
    of_it = {"venue": "ibkr", "account": "DU1", "order_id": order_id, "status": status}
    return OrderNoted(id="e", at=AT, reason="", **of_it)


async def test_a_list_is_over_when_nothing_of_it_works() -> None:
    followed = OneList("b")
    assert not followed.take(event("bb.entry", OrderStatus.FILLED))
    for order_id, status, is_over in (
        ("b", OrderStatus.FILLED, False),
        ("b.entry", OrderStatus.NEW, False),
        ("b.entry", OrderStatus.FILLED, False),
        ("b.stop", OrderStatus.NEW, False),
        ("b.target", OrderStatus.FILLED, False),
        ("b.stop", OrderStatus.CANCELED, True),
    ):
        assert followed.take(event(order_id, status))
        assert followed._over.is_set() is is_over, order_id
    await followed.wait()
    unfilled = OneList("b")
    unfilled.take(event("b.entry", OrderStatus.CANCELED))
    assert await unfilled.wait() == ""
