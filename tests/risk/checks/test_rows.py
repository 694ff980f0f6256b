"""The rows: what stands is asked again as soon as anything that it reads is another, and it reads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec import Struct
from risk import evolve
from risk.asked import OF_ORDERS, ground_of
from risk.checks.rows import Row, Rows, always, never
from risk.facts import OrderFacts, Request, gather
from risk.looking import look
from signalbox.messages import (
    InstrumentKind,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    MarketState,
    OrderType,
    TimeInForce,
    TradingMode,
)

from tests.risk.conftest import NOON

STANDING = [row for row in OF_ORDERS if row.stands is not never]


class Watched:
    """Facts that note what is read of them."""

    def __init__(self, facts: Any, read: set[str], path: str = "") -> None:
        self._facts, self._read, self._path = facts, read, path

    def __getattr__(self, name: str) -> Any:
        found, path = getattr(self._facts, name), f"{self._path}{name}"
        if path in ("intent", "basis", "basis.books"):
            return Watched(found, self._read, f"{path}.")
        self._read.add(path)
        return found


def facts_of(w: Any) -> OrderFacts:
    intent = w.order()
    basis = look(w.state, Request(sequence=1, intent=intent, by="alice"), intent, w.now)
    return gather(w.state.rules, basis, intent, "", "alice", w.now)


def read_by(ask: Callable[[Any], Any], facts: OrderFacts) -> set[str]:
    read: set[str] = set()
    ask(Watched(facts, read))
    return read


@pytest.mark.parametrize("row", STANDING, ids=lambda row: str(row.name))
def test_a_standing_row_reads_nothing_but_its_ground(row: Row[OrderFacts], world: Any) -> None:
    facts = facts_of(world().ready())
    assert row.stands(facts)
    assert read_by(row.why_not, facts) | read_by(row.stands, facts) <= read_by(ground_of, facts)


LATE = NOON.replace(hour=20, minute=50)
"""A New York session has ten minutes left."""
AN_HOUR = timedelta(hours=1)
EARLY = NOON.replace(hour=14, minute=0)
"""It opens in half an hour."""
AT_CLOSE = {"limit": None, "order_type": OrderType.MARKET_ON_CLOSE}
AT_OPEN = {"limit": None, "order_type": OrderType.MARKET_ON_OPEN}


@pytest.mark.parametrize(
    ("facts", "first", "change", "second", "reason"),
    [
        (
            {},
            {"time_in_force": TimeInForce.GTD, "good_till": NOON + AN_HOUR},
            None,
            {"time_in_force": TimeInForce.GTD, "good_till": NOON - AN_HOUR},
            "good_till",
        ),
        ({}, {"valid_until": NOON + AN_HOUR}, None, {"valid_until": NOON - AN_HOUR}, "the intent was valid until"),
        ({}, {"side": "SELL", "reduce_only": True}, None, {"reduce_only": True}, "a reduce_only order"),
        ({}, AT_CLOSE, LATE, AT_CLOSE, "orders for the close are refused"),
        ({"now": EARLY}, AT_OPEN, NOON, AT_OPEN, "orders for the opening are refused"),
        ({"mode": TradingMode.REDUCING}, {"side": "SELL"}, None, {}, "only orders that reduce"),
        ({"is_isolated": True}, {"side": "SELL"}, None, {}, "SPY is an isolated market"),
        ({"last_trade_at": LATE}, {}, LATE, {}, "SPY has expired"),
        (
            {"kind": InstrumentKind.OPTION, "last_trade_at": LATE},
            {"side": "SELL"},
            None,
            {"side": "SELL", "quantity": "11"},
            "ibkr has not said what margin",
        ),
    ],
)
def test_a_row_that_reads_more_than_its_ground_is_asked_again(
    world: Any, facts: dict[str, Any], first: dict[str, Any], change: Any, second: dict[str, Any], reason: str
) -> None:
    now = facts.pop("now", NOON)
    w = world(now=now).ready(positions=(world().held("SPY", "20"),))
    w.mode(facts.pop("mode", TradingMode.ACTIVE)).instrument("SPY", **facts)
    assert isinstance(w.decide(w.order(**first)), IntentApproved)
    if change is not None:
        w.now = change
        w.account().quote("SPY", "99.99", "100").link()
    denied = w.decide(w.order(**second))
    assert isinstance(denied, IntentDenied)
    assert reason in [check.reason[: len(reason)] for check in denied.checks]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.link(LinkStatus.RECONCILING), "the link to ibkr is RECONCILING"),
        (lambda w: w.link(SPY="its price"), "what ibkr says of SPY can not be read"),
        (lambda w: w.room(99, 100), "the stream TRADE has used 99 %"),
        (lambda w: w.instrument("SPY", market_state=MarketState.PAUSED), "trading in SPY is paused"),
        (lambda w: w.instrument("SPY", currency="HKD"), "the desk file has no rate for HKD"),
        (lambda w: evolve.distrust_books(w.state, 99), "the order event at TRADE:99 can not be read"),
    ],
)
def test_what_stood_is_asked_again_when_its_ground_is_another(
    world: Any, change: Callable[[Any], Any], reason: str
) -> None:
    w = world().ready()
    assert isinstance(w.decide(w.order()), IntentApproved)
    change(w)
    denied = w.decide(w.order())
    assert isinstance(denied, IntentDenied)
    assert denied.reason.startswith(reason)


def test_a_standing_row_is_asked_once_for_a_market_and_a_ground_and_again_where_it_has_not_passed() -> None:
    class Facts(Struct):
        market: str
        ground: int
        is_well: bool = True

    asked: list[Facts] = []

    def why_not(facts: Facts) -> str:
        asked.append(facts)
        return "" if facts.ground != 13 else "unlucky"

    def tell(facts: Facts) -> tuple[str, str, str]:
        return "", "", ""

    rows: Rows[Any] = Rows(
        [
            Row("stands", why_not, tell, stands=always),
            Row("of_intent", lambda facts: "" if facts.is_well else "no", tell),
        ],
        lambda facts: ((facts.market, "", ""), (facts.ground,)),
    )
    for facts in (Facts("a", 1), Facts("a", 1), Facts("b", 1), Facts("a", 2), Facts("a", 2)):
        assert rows.failed(facts) == ()
    assert [(each.market, each.ground) for each in asked] == [("a", 1), ("b", 1), ("a", 2)]
    assert [check.name for check in rows.failed(Facts("a", 2, is_well=False))] == ["of_intent"]
    for _ in range(2):
        assert [check.name for check in rows.failed(Facts("a", 13))] == ["stands"]
