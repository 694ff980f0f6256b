"""A list whose policy is HALT, and the act that arms its symbol again: what the OMS says of both."""

from __future__ import annotations

from typing import Any

import pytest
from signalbox.messages import (
    BooksActRefused,
    BooksAdjusted,
    ExitPolicy,
    ListAction,
    ListAlarmed,
    SwitchScope,
    SwitchTrading,
    TradingMode,
)

from .list_reports import rejected


def test_a_stop_refused_twice_is_told_as_halted_with_its_symbol_and_the_position_stays(make: Any) -> None:
    desk = make.desk().run(make.bracket(exit_policy=ExitPolicy.HALT), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    desk.run(rejected(make, "b.stop"), rejected(make, "b.stop-2"))
    alarms = [(each.about, each.action, each.symbol) for each in desk.log if isinstance(each, ListAlarmed)]
    assert alarms == [("b.stop", ListAction.RETRY, "AAPL"), ("b.stop-2", ListAction.HALT, "AAPL")]
    assert desk.works() == {"b.target1": "100"}  # the target stands; nothing is closed at the market


def test_a_target_refused_twice_halts_nothing(make: Any) -> None:
    desk = make.desk().run(make.bracket(exit_policy=ExitPolicy.HALT), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    desk.run(rejected(make, "b.target1"), rejected(make, "b.target1-2"))
    assert [each.action for each in desk.log if isinstance(each, ListAlarmed)] == [ListAction.RETRY, ListAction.ALARM]


def switching(make: Any, **changes: Any) -> SwitchTrading:
    wanted = {
        "id": "a1",
        "at": make.at,
        "venue": "ibkr",
        "account": "DU1",
        "symbol": "AAPL",
        "reason": "r",
        "by": "carol",
    }
    return SwitchTrading(mode=TradingMode.ACTIVE, **(wanted | changes))


def test_switching_a_symbol_is_in_trade_and_books_nothing(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), switching(make))
    event = desk.log[-1]
    assert isinstance(event, BooksAdjusted)
    assert (event.act, event.changes, event.cash) == (switching(make), (), {})
    lines = len(desk.log)
    assert len(desk.run(switching(make)).log) == lines  # the same again


def test_switching_without_a_symbol_or_a_reason_is_refused(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), switching(make, symbol=""), switching(make, id="a2", reason=" "))
    refused = [each.reason for each in desk.log if isinstance(each, BooksActRefused)]
    assert ["names no symbol" in refused[0], "says no reason" in refused[1]] == [True, True]


def test_a_venue_an_account_and_a_strategy_are_switched_in_the_books_of_one_account(make: Any) -> None:
    desk = make.desk().run(make.snapshot())
    acts = [
        switching(make, id="v", symbol="", scope=SwitchScope.VENUE),
        switching(make, id="a", symbol="", scope=SwitchScope.ACCOUNT),
        switching(make, id="s", symbol="", scope=SwitchScope.STRATEGY, strategy="trend"),
    ]
    desk.run(*acts)
    assert [each.act for each in desk.log if isinstance(each, BooksAdjusted)] == acts


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scope": SwitchScope.DESK, "symbol": ""}, "is for the whole desk"),
        ({"scope": SwitchScope.STRATEGY, "symbol": ""}, "names no strategy"),
        ({"scope": SwitchScope.STRATEGY, "strategy": "trend"}, "is for one strategy, and names a symbol"),
        ({"scope": SwitchScope.VENUE}, "is for one venue, and names a symbol"),
        ({"strategy": "trend"}, "is for one symbol, and names a strategy"),
    ],
)
def test_a_switch_that_is_for_no_one_thing_is_refused(make: Any, changes: dict[str, Any], told: str) -> None:
    desk = make.desk().run(make.snapshot(), switching(make, **changes))
    [refused] = [each.reason for each in desk.log if isinstance(each, BooksActRefused)]
    assert told in refused
