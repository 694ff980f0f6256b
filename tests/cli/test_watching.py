"""What `watch` shows: which messages, and each as one line that a person can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import messages
from signalbox_cli.telling import TOLD, line
from signalbox_cli.watching import ORDERS_MAX, Watched, parsed

from tests.shared.recorded_messages import recorded

AT = "2024-03-05T15:01:04.5Z"
INTENT = {
    "type": "OrderIntent", "id": "o-1", "venue": "ibkr", "symbol": "SPY", "side": "BUY", "quantity": "100",
    "order_type": "LIMIT", "limit_price": "430.100", "time_in_force": "DAY", "strategy": "trend", "reduce_only": True,
}  # fmt: skip
WISH = {"type": "PositionIntent", "action": "REDUCE_LONG", "share": "0.5", "quantity": None, "symbol": "SPY"}
NOT_FLAT = {"venue": "ibkr", "symbol": "SPY", "quantity": "-5", "reason": "the market is closed"}
OF_MANY = {"type": "MassCancelIntent", "symbol": "SPY"}
FILL = {"side": "BUY", "quantity": "10", "symbol": "SPY", "price": "434.364079601990049751"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            {"type": "IntentApproved", "cause": "o-1", "intent": INTENT, "by": "alice"},
            "APPROVED  o-1 BUY 100 SPY LIMIT 430.1 DAY reduce_only for trend (sent by alice)",
        ),
        (
            {"type": "IntentDenied", "cause": "o-1", "intent": None, "reason": "not an intent", "by": "bob"},
            "DENIED  o-1: not an intent (sent by bob)",
        ),
        (
            {"type": "IntentApproved", "cause": "c", "intent": {"type": "CancelIntent", "order_id": "o-1"}, "by": "b"},
            "APPROVED  c cancel o-1 (sent by b)",
        ),
        (
            {"type": "IntentApproved", "cause": "m", "intent": OF_MANY, "by": "b"},
            "APPROVED  m cancel all that works of SPY (sent by b)",
        ),
        (
            {"type": "IntentApproved", "cause": "f", "intent": {"type": "FlattenIntent", "symbol": "SPY"}, "by": "b"},
            "APPROVED  f flatten SPY (sent by b)",
        ),
        (
            {"type": "IntentApproved", "cause": "f", "intent": {"type": "FlattenIntent", "symbol": ""}, "by": "b"},
            "APPROVED  f flatten all (sent by b)",
        ),
        (
            {"type": "IntentApproved", "cause": "p", "intent": WISH, "by": "b"},
            "APPROVED  p REDUCE_LONG 0.5 SPY (sent by b)",
        ),
        ({"type": "FlattenEnded", "cause": "f", "is_flat": True, "orders": 2, "left": []}, "FLAT  f"),
        (
            {"type": "FlattenEnded", "cause": "f", "is_flat": False, "left": [NOT_FLAT, NOT_FLAT]},
            "NOT FLAT  f -5 SPY (the market is closed), -5 SPY (the market is closed)",
        ),
        (
            {"type": "OrderFilled", "order_id": "o-1", "status": "FILLED", "fill": FILL, "leaves_quantity": "0"},
            "FILLED  o-1 BUY 10 SPY at 434.3641, 0 left",
        ),
        (
            {"type": "CommissionBooked", "order_id": "o-1", "status": "NEW", "commission": "1.00", "currency": "USD"},
            "COMMISSION  o-1 commission 1 USD",
        ),
        (
            {"type": "OrderRejected", "order_id": "o-1", "status": "REJECTED", "reason": "no\x1b[2Jtrading"},
            "REJECTED o-1: no [2Jtrading",
        ),
        (
            {"type": "Quote", "venue": "ibkr", "symbol": "SPY", "bid": "434.1", "bid_size": "200", "ask": None},
            "QUOTE  SPY at ibkr: bid 434.1 for 200",
        ),
        (
            {"type": "Bar", "symbol": "SPY", "timeframe": "1m", "start": AT, "open": "1", "high": "2", "low": "0.5",
             "close": "1.5", "volume": "7"},
            "BAR  SPY 1m 15:01:04: open 1 high 2 low 0.5 close 1.5 volume 7",
        ),
        (
            {"type": "Score", "symbol": "SPY", "timeframe": "1m", "bar_start": AT, "close": 1.5, "trend_score": 3,
             "ema": None},
            "SCORE  SPY 1m 15:01:04: close 1.5, trend_score 3",
        ),
        (
            {"type": "TradingState", "mode": "HALTED", "by": "carol", "reason": "lunch"},
            "trading is HALTED by carol: lunch",
        ),
        (
            {"type": "TradingSwitched", "mode": "REDUCING", "by": "risk", "reason": "silence", "venue": "ibkr",
             "account": "DU1", "symbol": "SPY", "strategy": ""},
            "trading of ibkr DU1 SPY is REDUCING by risk: silence",
        ),
        (
            {"type": "TradingSwitched", "mode": "HALTED", "by": "risk", "reason": "the clock stands still"},
            "trading of the desk is HALTED by risk: the clock stands still",
        ),
        ({"type": "NewerThanUs", "order_id": "o-1", "parts": [1], "note": ""}, "NewerThanUs  order_id o-1"),
    ],
)  # fmt: skip
def test_each_message_is_a_line(message: dict[str, Any], told: str) -> None:
    assert line("a.subject", {**message, "at": AT}) == f"15:01:04  {told}"


def test_every_message_that_was_ever_stored_is_a_line() -> None:
    for where, _, payload in recorded():
        told = line("a.subject", parsed(payload))
        assert told.isprintable(), where
        assert "\n" not in told
    assert TOLD.keys() <= set(vars(messages))


@given(st.recursive(st.none() | st.text() | st.integers(), lambda part: st.dictionaries(st.text(), part)))
def test_whatever_has_a_type_of_ours_is_a_line(rest: Any) -> None:
    for kind in TOLD:
        filled = dict.fromkeys(("intent", "order", "fill", "at", "bid", "reason", "cause", "start", "side"), rest)
        assert line("a.subject", {"type": kind, **filled})


@pytest.mark.parametrize("payload", [b"[" * 60_000, b'"\xff"', b"", b"{"])
def test_what_is_watched_may_be_any_bytes(payload: bytes) -> None:
    assert parsed(payload) == payload.decode(errors="replace")
    assert line("a.subject", parsed(payload)).startswith("a.subject  ")


CREATED = {
    "type": "OrderCreated",
    "order_id": "o-1",
    "venue": "ibkr",
    "account": "DU1",
    "order": {**INTENT, "type": ""},
}
ACCEPTED = {"type": "OrderAccepted", "order_id": "o-1", "venue": "ibkr", "account": "DU1"}
APPROVED = {"type": "IntentApproved", "cause": "o-1", "intent": INTENT}


@pytest.mark.parametrize(
    ("wanted", "wants"),
    [
        ({}, True),
        ({"symbol": "SPY"}, True),
        ({"symbol": "AAPL"}, False),
        ({"strategy": "trend", "symbol": "SPY"}, True),
        ({"strategy": "other", "symbol": "SPY"}, False),
        ({"order": "o-1"}, True),
        ({"order": "o-2"}, False),
        ({"venue": "ibkr"}, True),
        ({"venue": "dydx"}, False),
    ],
)
def test_a_filter_keeps_what_has_all_that_is_named(wanted: dict[str, str], wants: bool) -> None:
    watched = Watched(wanted)
    assert [watched.wants(each) for each in (APPROVED, CREATED, ACCEPTED)] == [wants] * 3
    assert watched.wants("no message") is (not wanted)


def test_an_event_of_an_order_is_of_what_its_order_is_of() -> None:
    watched = Watched({"symbol": "SPY"})
    assert not watched.wants(ACCEPTED)
    watched.know("o-1", "SPY", "")
    assert watched.wants(ACCEPTED)
    assert Watched({"type": "OrderAccepted"}).wants(ACCEPTED)
    assert not Watched({"type": "OrderAccepted"}).wants(CREATED)


def test_so_many_orders_are_remembered_and_the_oldest_goes() -> None:
    watched = Watched({"symbol": "SPY"})
    for number in range(ORDERS_MAX + 1):
        watched.know(f"o-{number}", "SPY", "")
    assert not watched.wants({**ACCEPTED, "order_id": "o-0"})
    assert watched.wants({**ACCEPTED, "order_id": f"o-{ORDERS_MAX}"})
