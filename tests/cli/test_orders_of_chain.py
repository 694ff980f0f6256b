"""Which orders of the chain the check counts: one that was changed is one, unless two of its numbers work."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from signalbox.messages import (
    Attempt,
    LedgerChangeClaimed,
    LedgerClaimed,
    LedgerEntry,
    LedgerSent,
    Order,
    OrderType,
    Side,
)
from signalbox_cli.auditing import orders_of_chain

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
A = Order(
    order_id="a",
    intent_id="a",
    venue="dydx",
    account="x-0",
    symbol="BTC-USD",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.LIMIT,
    limit_price=Decimal(100),
)
CLAIMED = LedgerClaimed(id="1", at=AT, venue="dydx", order=A, attempt_id="1", venue_order_id="first")
SENT = LedgerSent(id="2", at=AT, venue="dydx", order=A, attempt_id="1", venue_order_id="first")
CHANGED = LedgerChangeClaimed(
    id="3",
    at=AT,
    venue="dydx",
    order=A,
    revision=1,
    attempts=tuple(Attempt(attempt_id=name, venue_order_id=name) for name in ("first", "second", "back")),
)
UNCHANGED, CHANGED_ONCE = (CLAIMED, SENT), (CLAIMED, SENT, CHANGED)


@pytest.mark.parametrize(
    ("entries", "chain", "counted"),
    [
        (UNCHANGED, "first=OPEN", {"a": 1}),
        (UNCHANGED, "first=CANCELED first=OPEN", {"a": 2}),
        (UNCHANGED, "stranger=OPEN", {"stranger": 1}),
        (CHANGED_ONCE, "first=OPEN", {"a": 1}),
        (CHANGED_ONCE, "first=CANCELED second=OPEN", {"a": 1}),
        (CHANGED_ONCE, "first=CANCELED second=CANCELED back=UNTRIGGERED", {"a": 1}),
        (CHANGED_ONCE, "first=CANCELED second=FILLED", {"a": 1}),
        (CHANGED_ONCE, "second=BEST_EFFORT_OPENED", {"a": 1}),
        (CHANGED_ONCE, "first=OPEN second=OPEN", {"a": 2}),
        (CHANGED_ONCE, "first=CANCELED second=OPEN third=OPEN", {"a": 1, "third": 1}),
        (CHANGED_ONCE, "", {}),
    ],
)
def test_orders_are_counted_under_the_desks_id(
    entries: tuple[LedgerEntry, ...], chain: str, counted: dict[str, int]
) -> None:
    orders = [dict(zip(("id", "status"), each.split("="), strict=True)) for each in chain.split()]
    assert Counter(each.reference for each in orders_of_chain(entries, orders)) == counted
