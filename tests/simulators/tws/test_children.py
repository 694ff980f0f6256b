"""A parent with several children, over the socket: transmitted as one, each in the group that it says."""

from __future__ import annotations

from typing import Any

import pytest
from ib_async import LimitOrder, Order, StopOrder

UNMARKETABLE, FAR, LOW = 50.0, 1000.0, 1.0


async def family(client: Any, contract: Any, *children: Order) -> list[Any]:
    """A parent that rests, and its children: the last one transmits all of them."""
    parent = LimitOrder("BUY", 100, UNMARKETABLE, transmit=False, orderId=client.ib.client.getReqId())
    trades = [client.ib.placeOrder(contract, parent)]
    for child in children:
        child.parentId, child.transmit = parent.orderId, child is children[-1]
        trades.append(client.ib.placeOrder(contract, child))
    return trades


def pairs(**words: Any) -> list[Order]:
    """Two targets, each with its part of the stop."""
    groups = [{"ocaGroup": f"b.{number}", "ocaType": 2} for number in (1, 2)] if words.get("named") else [{}, {}]
    return [
        order
        for quantity, group in zip((60, 40), groups, strict=True)
        for order in (LimitOrder("SELL", quantity, FAR, **group), StopOrder("SELL", quantity, LOW, **group))
    ]


async def test_nothing_is_at_work_before_the_last_child_has_come(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    children = pairs(named=True)
    parent, *rest = await family(client, aapl, *children)
    await wait_until(lambda: parent.orderStatus.status == "Submitted", f"{parent.orderStatus} {client.errors}")
    for trade in rest:
        await wait_until(lambda trade=trade: trade.orderStatus.status == "PreSubmitted", f"{trade.orderStatus}")
        assert trade.orderStatus.whyHeld.startswith("child")
        assert trade.orderStatus.parentId == parent.order.orderId
    for child in pairs(named=True)[:-1]:
        child.transmit = False
        child.parentId = parent.order.orderId
        client.ib.placeOrder(aapl, child)
    assert len([order for order in simulator.world.orders() if order.status == "HELD"]) == 4


async def test_a_cancel_takes_its_own_pair_alone(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    parent, target, stop, other, other_stop = await family(client, aapl, *pairs(named=True))
    await wait_until(lambda: other_stop.orderStatus.status == "PreSubmitted")
    client.ib.cancelOrder(target.order)
    await wait_until(lambda: stop.orderStatus.status == "Cancelled", f"{stop.orderStatus}")
    assert [each.orderStatus.status for each in (parent, other, other_stop)] == [
        "Submitted", "PreSubmitted", "PreSubmitted",
    ]  # fmt: skip


async def test_children_that_say_no_group_are_one(simulator: Any, wait_until: Any, aapl: Any) -> None:
    client = await simulator.connect()
    parent, target, *others = await family(client, aapl, *pairs())
    await wait_until(lambda: others[-1].orderStatus.status == "PreSubmitted")
    client.ib.cancelOrder(target.order)
    for trade in others:
        await wait_until(lambda trade=trade: trade.orderStatus.status == "Cancelled", f"{trade.orderStatus}")
    assert parent.orderStatus.status == "Submitted"


@pytest.mark.parametrize("in_parts", [False, True])
async def test_the_first_fill_of_the_parent_has_each_work(
    simulator: Any, wait_until: Any, aapl: Any, in_parts: bool
) -> None:
    """For its whole quantity, or for no more than the parent has filled: people report both."""
    client = await simulator.connect()
    simulator.world.attach_in_parts(in_parts)
    trades = await family(client, aapl, *pairs(named=True))
    await wait_until(lambda: trades[-1].orderStatus.status == "PreSubmitted")
    parent = trades[0].order
    parent.lmtPrice, parent.transmit = FAR / 2, True
    client.ib.placeOrder(aapl, parent)
    await wait_until(lambda: trades[0].orderStatus.status == "Filled", f"{trades[0].orderStatus} {client.errors}")
    found = simulator.world.orders()
    working = [order for order in found if order.status == "WORKING" and order.terms.parent_number]
    assert sorted(int(order.terms.quantity) for order in working) == [40, 40, 60, 60]
