"""What the chain has no room for is refused at once, with when there is some; what protects goes first. No network."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx import moving
from gateway_dydx.pacing import BLOCK_SECONDS
from msgspec.structs import replace
from signalbox.gateway.state import Standing, track
from signalbox.messages import (
    ModifyOrder,
    Order,
    OrderType,
    RefusedBy,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueRejected,
    VenueReplaceRejected,
)

from .test_guards import AT, HEIGHT, House, claim_of, house, order_of  # noqa: F401 (a fixture)

SEEN = HEIGHT + 50
"""The chain's height when something is sent; the first of what was sent before was sent at `HEIGHT`."""


def stop(order_id: str = "o-1", order_type: OrderType = OrderType.STOP, *, reduce_only: bool = True) -> Order:
    return replace(
        order_of(order_id),
        side=Side.SELL,
        order_type=order_type,
        stop_price=Decimal(40_000),
        time_in_force=TimeInForce.GTC,
        reduce_only=reduce_only,
    )


def submission_of(order: Order) -> SubmitOrder:
    return SubmitOrder(id=f"command/{order.order_id}/0", at=AT, order=order, deadline=AT + timedelta(hours=12))


def has_sent(house: House, orders: int) -> None:  # noqa: F811
    """So many have left, one in a block."""
    for number in range(orders):
        house.sending.budget.note(HEIGHT + number)
    house.state.own.height = SEEN
    house.sending.pace.note(SEEN, AT)


async def refused(house: House, kind: type[Any]) -> Any:  # noqa: F811
    await house.outbox.drained()
    (report,) = house.reports()
    assert type(report) is kind
    assert report.refused_by is RefusedBy.GATEWAY
    assert f"the next may go at block {HEIGHT + 100}, and now it is block {SEEN}" in report.reason
    assert report.room_at == AT + timedelta(seconds=(HEIGHT + 100 - SEEN) * BLOCK_SECONDS)
    return report


async def test_a_stop_for_which_there_is_no_room_is_not_claimed_and_told_when_there_is(house: House) -> None:  # noqa: F811
    has_sent(house, 20)
    await house.take(submission_of(stop()))
    await refused(house, VenueRejected)
    assert (house.entries(), house.chain.broadcasts) == ([], [])


@pytest.mark.parametrize(
    ("order", "is_sent"),
    [
        (stop(), True),
        (stop(order_type=OrderType.MARKET_IF_TOUCHED), False),
        (stop(order_type=OrderType.MARKET_IF_TOUCHED, reduce_only=False), True),
    ],
    ids=["a stop", "a target", "an entry"],
)
async def test_of_the_last_ones_there_are_some_for_what_protects(house: House, order: Order, is_sent: bool) -> None:  # noqa: F811
    has_sent(house, 15)
    await house.take(submission_of(order))
    assert len(house.chain.broadcasts) == is_sent
    if not is_sent:
        assert "some of them are kept for what protects" in (await refused(house, VenueRejected)).reason


async def test_what_is_no_order_that_stays_needs_no_room(house: House) -> None:  # noqa: F811
    has_sent(house, 20)
    await house.take(submission_of(order_of()))
    assert len(house.chain.broadcasts) == 1


def works(house: House, order: Order) -> Any:  # noqa: F811
    tracked = track(house.state, replace(claim_of(), order=order, good_til_block=0), 1)
    tracked.standing, tracked.seen = Standing.SENT, True
    return tracked


def change_of(order: Order, revision: int = 1) -> ModifyOrder:
    return ModifyOrder(
        id=f"command/o-1/{revision}",
        at=AT,
        venue="dydx",
        account=order.account,
        order_id="o-1",
        venue_order_id="",
        order=replace(order, quantity=Decimal("0.02")),
        revision=revision,
        deadline=AT + timedelta(hours=12),
    )


@pytest.mark.parametrize("reduce_only", [True, False], ids=["placed first", "cancelled first"])
async def test_a_change_for_which_there_is_no_room_leaves_the_order_as_it_was(
    house: House,  # noqa: F811
    reduce_only: bool,
) -> None:
    order = stop(reduce_only=reduce_only)
    tracked = works(house, order)
    has_sent(house, 20)
    await house.take(change_of(order))
    await refused(house, VenueReplaceRejected)
    assert (house.chain.broadcasts, tracked.order, tracked.change) == ([], order, None)
    assert moving.question(tracked) == "", "the next change has not to wait for this one"
    house.state.own.height = HEIGHT + 100
    await house.take(change_of(order, 2))
    assert len(house.chain.broadcasts) == 1


async def test_a_change_of_a_target_leaves_room_to_what_protects(house: House) -> None:  # noqa: F811
    order = stop(order_type=OrderType.MARKET_IF_TOUCHED)
    works(house, order)
    has_sent(house, 15)
    await house.take(change_of(order))
    await refused(house, VenueReplaceRejected)


async def test_a_change_waits_for_the_next_block(house: House) -> None:  # noqa: F811
    order = stop()
    works(house, order)
    has_sent(house, 0)
    for _ in range(2):
        house.sending.budget.note(SEEN)
    house.chain.in_signing = lambda: None
    real = house.orders.change

    async def change(tracked: Any, draft: Any) -> Any:
        placed = await real(tracked, draft)
        house.state.own.height = SEEN + 1
        return placed

    house.orders.change = change  # type: ignore[method-assign]
    await house.take(change_of(order))
    assert (len(house.chain.broadcasts), house.reports()) == (1, [])
