"""An entry with several targets leaves as one: each with its part of the stop, in a group of its own at the venue."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from signalbox import subjects
from signalbox.messages import (
    CancelOrder,
    Contingency,
    LedgerClaimed,
    LedgerSent,
    ListPart,
    Order,
    OrderType,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueReplaced,
)

from .conftest import order_of
from .test_attached_at_venue import ENTRY, FAR, NEAR, modified, one, ready
from .test_crashes import DyingBus, died
from .test_reconcile import AT

EXITS = ("target1", "stop", "target2", "stop-2", "stop-3")
NAMES = (ENTRY, *(f"b.{name}" for name in EXITS))
SIZES = {1: Decimal(5), 2: Decimal(3), 3: Decimal(2)}


def exit_of(name: str) -> Order:
    leg, group = name.partition("-")[0].rstrip("12"), 1 if "-" not in name and "2" not in name else int(name[-1])
    prices: dict[str, Any] = {"order_type": OrderType.STOP, "stop_price": Decimal(200)}
    if leg == "target":
        prices = {"order_type": OrderType.LIMIT, "limit_price": Decimal(900)}
    part = ListPart(
        list_id="b",
        leg=leg,
        group=group,
        set=group - 1,
        quantity=SIZES[group],
        contingency=Contingency.OUO if group < 3 else None,
        attached_to=ENTRY,
    )
    terms = {"quantity": SIZES[group], "time_in_force": TimeInForce.GTC, "part": part}
    return order_of(f"b.{name}", side=Side.SELL, **prices, **terms)


async def sent(desk: Any, limit: Decimal) -> SubmitOrder:
    """Publish the command as the OMS does: of ten five have a target, three another one, and two a stop alone."""
    now = desk.venue.world.now()
    part = ListPart(list_id="b", leg="entry", quantity=Decimal(10), attaches=EXITS)
    terms = {"quantity": Decimal(10), "time_in_force": TimeInForce.GTC, "part": part}
    entry = order_of(ENTRY, order_type=OrderType.LIMIT, limit_price=limit, **terms)
    attached = tuple(exit_of(name) for name in EXITS)
    command = SubmitOrder(id="command/b.entry/0", at=AT, order=entry, deadline=AT, attached=attached)
    command = replace(command, at=now, deadline=now + timedelta(hours=10))
    await desk.oms.publish(subjects.command("ibkr", ENTRY, 0), command)
    return command


async def test_the_venue_holds_each_pair_in_a_group_of_its_own(desk: Any) -> None:
    await ready(desk)
    command = await sent(desk, FAR)
    for name in NAMES[1:]:
        await desk.has(name, "VenueAccepted", "VenueHeld")
    assert [one(desk, name).status for name in NAMES] == ["WORKING", *["HELD"] * 5]
    groups = [one(desk, name).terms.oca_group for name in NAMES[1:]]
    assert groups == ["b.1", "b.1", "b.2", "b.2", "b.3"]
    stop = command.attached[3]
    await modified(desk, replace(stop, quantity=Decimal(2), stop_price=Decimal(210)))
    await desk.has(stop.order_id, "VenueReplaced")
    (told,) = [each for each in await desk.reports(stop.order_id) if isinstance(each, VenueReplaced)]
    assert (told.quantity, one(desk, stop.order_id).status) == (2, "HELD")
    alone = command.attached[4]
    await modified(desk, replace(alone, stop_price=Decimal(205)))
    await desk.has(alone.order_id, "VenueReplaced")


async def test_the_first_fill_has_all_of_them_work(desk: Any) -> None:
    await ready(desk)
    await sent(desk, NEAR)
    await desk.has(ENTRY, "VenueFill")
    for name in NAMES[1:]:
        await desk.has(name, "VenueAccepted")
        assert one(desk, name).status == "WORKING"
    assert await desk.ledger("b.stop-2") == []


async def test_a_cancel_of_one_takes_its_own_pair(desk: Any) -> None:
    await ready(desk)
    command = await sent(desk, FAR)
    for name in NAMES[1:]:
        await desk.has(name, "VenueHeld")
    stop = "b.stop-2"
    cancel = CancelOrder(
        id=f"command/{stop}/1",
        at=command.at,
        venue="ibkr",
        account=command.order.account,
        order_id=stop,
        venue_order_id="",
    )
    await desk.oms.publish(subjects.command("ibkr", stop, 1), cancel)
    for name in (stop, "b.target2"):
        await desk.has(name, "VenueCanceled")
    assert [one(desk, name).status for name in NAMES] == ["WORKING", "HELD", "HELD", "CANCELED", "CANCELED", "HELD"]
    await desk.cancel(ENTRY)
    for name in NAMES:
        await desk.has(name, "VenueCanceled")


async def test_one_that_the_venue_refuses_leaves_the_others(desk: Any) -> None:
    await ready(desk)
    await desk.venue.do("reject_next_attached", reason="no", count=2)
    await sent(desk, FAR)
    for name in NAMES[1:3]:
        await desk.has(name, "VenueRejected")
    for name in NAMES[3:]:
        await desk.has(name, "VenueHeld")
    assert one(desk, ENTRY).status == "WORKING"


@pytest.mark.parametrize(
    ("kind", "stored", "placed"),
    [
        pytest.param(LedgerClaimed, False, 1, id="before the claim: it is claimed and sent by the next process"),
        pytest.param(LedgerClaimed, True, 0, id="between claim and send: none of it is ever sent"),
        pytest.param(LedgerSent, False, 1, id="between send and SENT: the venue is asked and has all of it"),
    ],
)
async def test_a_gateway_that_dies_while_it_sends(desk: Any, kind: type[Struct], stored: bool, placed: int) -> None:
    first = await ready(desk, lambda bus: DyingBus(bus, kind, stored=stored))
    await sent(desk, FAR)
    await died(first)
    await desk.stop(first)
    await ready(desk)
    for name in NAMES:
        await desk.has(name, "VenueAccepted" if placed else "VenueRejected")
        assert len(desk.venue.orders_of(name)) == placed
    if placed:
        await desk.cancel(ENTRY)
        for name in NAMES:
            await desk.has(name, "VenueCanceled")


async def test_replies_that_are_lost_are_asked_for(desk: Any) -> None:
    await ready(desk)
    await desk.venue.do("swallow_next", count=len(NAMES))
    await sent(desk, FAR)
    for name in NAMES:
        await desk.has(name, "VenueAccepted")
        assert len(desk.venue.orders_of(name)) == 1


async def test_the_numbers_of_all_of_them_are_taken(desk: Any) -> None:
    first = await ready(desk)
    await sent(desk, FAR)
    for name in NAMES[1:]:
        await desk.has(name, "VenueHeld")
    await desk.stop(first)
    await ready(desk)
    await desk.submit("next", side=Side.BUY)
    await desk.has("next", "VenueFill")
    assert one(desk, "next").terms.client_tag.partition(":")[2] == str(len(NAMES) + 1)
