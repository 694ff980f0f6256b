"""Exits that leave with their entry: claimed as one, at the venue before it fills, all of them or none."""

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
    ModifyOrder,
    Order,
    OrderType,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueRejected,
    VenueReplaced,
)

from .conftest import order_of
from .test_crashes import DyingBus, died
from .test_reconcile import AT

ENTRY, TARGET, STOP = NAMES = ("b.entry", "b.target", "b.stop")
FAR, NEAR = Decimal(300), Decimal(600)
"""What rests below the market, and what takes at once."""


def bracket(limit: Decimal, quantity: str) -> SubmitOrder:
    """A bracket as one command; its times are put right when it is sent."""
    entry = ListPart(list_id="b", leg="entry", attaches=("target", "stop"))
    of_exit = {"list_id": "b", "group": 1, "quantity": Decimal(quantity), "contingency": Contingency.OUO}
    terms: dict[str, Any] = {"quantity": Decimal(quantity), "time_in_force": TimeInForce.GTC}
    exits = [
        order_of(
            TARGET,
            side=Side.SELL,
            order_type=OrderType.LIMIT,
            limit_price=Decimal(900),
            part=ListPart(leg="target", attached_to=ENTRY, **of_exit),
            **terms,
        ),
        order_of(
            STOP,
            side=Side.SELL,
            order_type=OrderType.STOP,
            stop_price=Decimal(200),
            part=ListPart(leg="stop", attached_to=ENTRY, **of_exit),
            **terms,
        ),
    ]
    order = order_of(ENTRY, order_type=OrderType.LIMIT, limit_price=limit, part=entry, **terms)
    return SubmitOrder(id="command/b.entry/0", at=AT, order=order, deadline=AT, attached=tuple(exits))


async def sent(desk: Any, limit: Decimal, quantity: str = "10", **changes: Any) -> SubmitOrder:
    """Publish the command as the OMS does."""
    now = desk.venue.world.now()
    command = replace(bracket(limit, quantity), at=now, deadline=now + timedelta(hours=10), **changes)
    await desk.oms.publish(subjects.command("ibkr", ENTRY, 0), command)
    return command


def one(desk: Any, name: str) -> Any:
    (order,) = desk.venue.orders_of(name)
    return order


async def ready(desk: Any, wrapped: Any = lambda bus: bus) -> Any:
    desk.mark = len(desk.links)
    runtime = await desk.start(wrapped)
    await desk.ready()
    return runtime


async def modified(desk: Any, order: Order) -> None:
    now = desk.venue.world.now()
    command = ModifyOrder(
        id=f"command/{order.order_id}/1",
        at=now,
        venue="ibkr",
        account=order.account,
        order_id=order.order_id,
        venue_order_id="",
        order=order,
        revision=1,
        deadline=now + timedelta(hours=10),
    )
    await desk.oms.publish(subjects.command("ibkr", order.order_id, 1), command)


async def test_exits_are_held_by_the_venue_until_the_entry_fills(desk: Any) -> None:
    await ready(desk)
    command = await sent(desk, FAR)
    for name in NAMES[1:]:
        await desk.has(name, "VenueAccepted", "VenueHeld")
    assert [one(desk, name).status for name in NAMES] == ["WORKING", "HELD", "HELD"]
    assert {one(desk, name).terms.parent_number for name in NAMES[1:]} == {one(desk, ENTRY).number}
    await modified(desk, replace(command.attached[1], quantity=Decimal(4), stop_price=Decimal(210)))
    await desk.has(STOP, "VenueReplaced")
    (told,) = [each for each in await desk.reports(STOP) if isinstance(each, VenueReplaced)]
    assert (told.quantity, one(desk, STOP).terms.stop_price) == (4, 210)
    assert one(desk, STOP).status == "HELD"
    assert "VenueReleased" not in await desk.kinds(STOP)


async def test_the_first_fill_of_the_entry_has_its_exits_work(desk: Any) -> None:
    await ready(desk)
    await sent(desk, NEAR)
    await desk.has(ENTRY, "VenueFill")
    for name in NAMES[1:]:
        await desk.has(name, "VenueAccepted")
        assert one(desk, name).status == "WORKING"
    assert [type(entry) for entry in await desk.ledger(ENTRY)][:1] == [LedgerClaimed]
    assert await desk.ledger(STOP) == []


async def test_a_cancel_of_the_entry_takes_its_exits(desk: Any) -> None:
    await ready(desk)
    await sent(desk, FAR)
    await desk.has(STOP, "VenueHeld")
    await desk.cancel(ENTRY)
    for name in NAMES:
        await desk.has(name, "VenueCanceled")
    assert [one(desk, name).status for name in NAMES] == ["CANCELED"] * 3


async def test_an_entry_that_the_venue_refuses_has_no_exits(desk: Any) -> None:
    await ready(desk)
    await desk.venue.do("reject_next", reason="no")
    await sent(desk, FAR)
    for name in NAMES:
        await desk.has(name, "VenueRejected")
    assert not any(order.status in ("WORKING", "HELD") for name in NAMES for order in desk.venue.orders_of(name))


async def test_an_exit_that_the_venue_refuses_is_told_while_the_entry_stands(desk: Any) -> None:
    await ready(desk)
    await desk.venue.do("reject_next_attached", reason="no", count=2)
    await sent(desk, FAR)
    for name in NAMES[1:]:
        await desk.has(name, "VenueRejected")
    await desk.has(ENTRY, "VenueAccepted")
    assert one(desk, ENTRY).status == "WORKING"


async def test_a_gateway_refuses_all_of_it_the_entry_first(desk: Any) -> None:
    await ready(desk)
    await sent(desk, Decimal("300.005"))
    await desk.has(STOP, "VenueRejected")
    refused = [each.order_id for each in await desk.reports() if isinstance(each, VenueRejected)]
    assert refused == [*NAMES]


async def test_what_is_attached_is_what_the_order_says(desk: Any) -> None:
    await ready(desk)
    await sent(desk, FAR, attached=())
    await desk.has(ENTRY, "VenueRejected")
    assert desk.venue.orders_of(ENTRY) == []


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
        await desk.has(STOP, "VenueHeld")
        await desk.cancel(ENTRY)
        for name in NAMES:
            await desk.has(name, "VenueCanceled")


async def test_the_next_gateway_knows_the_exits_by_the_entrys_claim(desk: Any) -> None:
    first = await ready(desk)
    await sent(desk, FAR)
    await desk.has(STOP, "VenueHeld")
    await desk.stop(first)
    number = one(desk, ENTRY).number
    await desk.venue.do("cancel_by_hand", number=number)
    await ready(desk)
    for name in NAMES:
        assert (await desk.has(name, "VenueCanceled")).count("VenueAccepted") == 1
    await desk.submit("next", side=Side.BUY)
    await desk.has("next", "VenueFill")
    assert one(desk, "next").terms.client_tag.partition(":")[2] == "4", "the numbers of all three are taken"


async def test_a_cancel_of_an_exit_is_as_of_any_order(desk: Any) -> None:
    await ready(desk)
    command = await sent(desk, FAR)
    await desk.has(STOP, "VenueHeld")
    cancel = CancelOrder(
        id=f"command/{STOP}/1",
        at=command.at,
        venue="ibkr",
        account=command.order.account,
        order_id=STOP,
        venue_order_id="",
    )
    await desk.oms.publish(subjects.command("ibkr", STOP, 1), cancel)
    await desk.has(STOP, "VenueCanceled")
    assert one(desk, ENTRY).status == "WORKING"
