"""What is followed to its end: an order by its id, or all that one decision has asked to cancel."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox.messages import (
    Basis,
    GroupPart,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    ModifyIntent,
    Order,
    OrderCanceled,
    OrderDenied,
    OrderIntent,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
    OrderType,
    Side,
)
from signalbox_cli.following import ManyOrders, OneChange, OneOrder, Parts, covered_orders, order_ids, orders_in_words

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


def change_event(
    kind: Any, revision: int, cause: str = "d-1", status: OrderStatus = OrderStatus.NEW, **more: Any
) -> Any:
    return event(kind, "o-1", status, cause, revision=revision, **more)


@pytest.mark.parametrize(
    "answer",
    [
        ("replaced", 2, "r-1"),
        ("refused", 2, "r-1"),
        ("refused by the desk", 0, "d-1"),
        ("over", 0, ""),
    ],
    ids=lambda answer: answer[0],
)
async def test_a_change_is_followed_to_what_becomes_of_it_and_not_of_the_one_before(answer: Any) -> None:
    name, revision, cause = answer
    order = Order(
        order_id="o-1", intent_id="o-1", venue="ibkr", account="DU1", symbol="SPY", side=Side.BUY,
        quantity=Decimal(1), order_type=OrderType.MARKET,
    )  # fmt: skip
    one = OneChange("o-1")
    one.begin(approved(0))
    asked_for = {"order": order, "status": OrderStatus.PENDING_REPLACE}
    assert one.take(change_event(OrderPendingReplace, 2, **asked_for))
    assert one.take(change_event(OrderReplaceRejected, 1, cause="r-0", reason="the one before"))
    assert one.take(change_event(OrderReplaceRejected, 0, cause="d-0", reason="another's"))
    assert not one.take(ended("o-2"))
    waiting = asyncio.create_task(one.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    if name == "replaced":
        one.take(change_event(OrderReplaced, revision, cause, order=order, leaves_quantity=Decimal(1)))
    elif name == "over":
        one.take(ended("o-1"))
    else:
        one.take(change_event(OrderReplaceRejected, revision, cause, reason="no"))
    assert await waiting == ""


def of_both(kind: Any = OrderIntent) -> IntentApproved:
    """An order for a group, or a change of it, as it was let through."""
    named = {"at": AT, "venue": "ibkr", "symbol": "SPY"}
    order = {"side": Side.BUY, "quantity": Decimal(5), "order_type": OrderType.MARKET}
    parts = [
        GroupPart(
            intent=OrderIntent(id=f"X.{number}", account=account, **named, **order)
            if kind is OrderIntent
            else ModifyIntent(id=f"r-1.{number}", account=account, order_id=f"X.{number}", **named)
        )
        for number, account in enumerate(("DU1", "DU2"), 1)
    ]
    intent = OrderIntent(id="X", group="both", **named, **order)
    return replace(approved(0), intent=intent, order_id="X", parts=tuple(parts))


async def test_the_orders_of_a_group_are_over_when_each_is() -> None:
    parts = Parts()
    decision = of_both()
    parts.begin(decision)
    assert order_ids(decision) == ("X.1", "X.2")
    assert not parts.take(ended("X"))
    waiting = asyncio.create_task(parts.wait())
    assert parts.take(ended("X.1"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert parts.take(ended("X.2", FILLED, account="DU2"))
    assert await waiting == ""


async def test_a_change_of_a_groups_order_is_answered_when_each_is() -> None:
    parts = Parts(OneChange)
    parts.begin(of_both(ModifyIntent))
    waiting = asyncio.create_task(parts.wait())
    for number in (1, 2):
        assert not waiting.done()
        reason = {"reason": "no", "revision": 0}
        assert parts.take(event(OrderReplaceRejected, f"X.{number}", OrderStatus.NEW, **reason))
        await asyncio.sleep(0)
    assert await waiting == ""
