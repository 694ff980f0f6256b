"""What is followed to its end: an order by its id, or all that one decision has asked to cancel."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from signalbox.messages import (
    Basis,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    OrderCanceled,
    OrderDenied,
    OrderPendingCancel,
    OrderStatus,
)
from signalbox_cli.following import ManyOrders, OneOrder, covered_orders, orders_in_words

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
PENDING_CANCEL, CANCELED, FILLED = OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED, OrderStatus.FILLED


def approved(orders: int) -> IntentApproved:
    return IntentApproved(
        id="d-1",
        at=AT,
        intent_sequence=1,
        intent=MassCancelIntent(id="m-1", at=AT),
        order_id="",
        checks=(),
        basis=Basis(rules="", trade_sequence=1, covered_orders=orders),
    )


def event(kind: Any, order_id: str, status: OrderStatus, cause: str = "d-1", account: str = "DU1", **more: Any) -> Any:
    values: dict[str, Any] = {"venue": "ibkr", "account": account, "order_id": order_id, "status": status}
    return kind(id=f"{order_id}/{status}", at=AT, cause=cause, **values, **more)


def asked(order_id: str, **more: Any) -> Any:
    return event(OrderPendingCancel, order_id, **{"status": PENDING_CANCEL, **more})


def ended(order_id: str, status: OrderStatus = CANCELED, **more: Any) -> Any:
    return event(OrderCanceled, order_id, status, reason="", **more)


async def test_one_order_is_over_with_its_end_and_not_with_a_denial_of_its_id() -> None:
    one = OneOrder("o-1")
    one.begin(approved(0))
    assert not one.take(ended("o-2"))
    assert one.take(event(OrderDenied, "o-1", OrderStatus.DENIED, reason=""))
    waiting = asyncio.create_task(one.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert one.take(ended("o-1"))
    assert await waiting == ""


async def test_many_are_over_when_each_that_was_asked_has_ended() -> None:
    many = ManyOrders()
    many.begin(approved(2))
    assert not many.take(ended("o-1"))  # before it was asked, or never
    assert not many.take(asked("o-9", cause="another"))
    assert not many.take(ended("o-9"))
    assert many.take(asked("o-1"))
    waiting = asyncio.create_task(many.wait())
    assert many.take(asked("o-2", status=OrderStatus.UNKNOWN))
    assert not many.take(ended("o-2", account="DU2"))  # an order placed elsewhere may bear the same name there
    assert many.take(ended("o-1"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert many.take(ended("o-2", FILLED))
    assert await waiting == "1 CANCELED, 1 FILLED"


async def test_of_none_there_is_nothing_to_wait_for() -> None:
    many = ManyOrders()
    many.begin(approved(0))
    assert await many.wait() == ""


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ([], "2 not asked: ended before, or the OMS is not there to ask"),
        ([asked("o-1"), ended("o-1")], "1 CANCELED, 1 not asked: ended before, or the OMS is not there to ask"),
    ],
)
async def test_those_that_are_never_asked_are_not_waited_for_for_ever(first: list[Any], told: str) -> None:
    many = ManyOrders(quiet_seconds_max=0.01)
    many.begin(approved(2))
    for each in first:
        many.take(each)
    async with asyncio.timeout(60):
        assert await many.wait() == told


async def test_what_was_asked_and_works_is_waited_for_however_quiet_it_is() -> None:
    many = ManyOrders(quiet_seconds_max=0.0)
    many.begin(approved(2))
    many.take(asked("o-1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(many.wait(), 0.1)


def test_how_many_is_said_in_words() -> None:
    denied = IntentDenied(id="d-1", at=AT, intent_sequence=1, intent=None, checks=(), reason="")
    assert [orders_in_words(covered_orders(each)) for each in (approved(3), approved(1), approved(0), denied)] == [
        "3 orders",
        "1 order",
        "no order: none works that has all that is named",
        "no order: none works that has all that is named",
    ]
