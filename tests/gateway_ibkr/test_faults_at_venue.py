"""A venue that misbehaves: every fill is reported once, and no order is placed twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import IB
from msgspec.structs import replace
from signalbox.messages import LinkStatus, OrderType, TimeInForce, VenueCommission, VenueFill
from simulators.world import WorldOptions

FAR_BELOW = {"order_type": OrderType.LIMIT, "limit_price": Decimal(300), "time_in_force": TimeInForce.GTC}
ORDERS, DATA = 11, 12


async def every_fill_once(desk: Any, order_id: str, quantity: int = 10) -> None:
    """Wait until the fills add up, then see that each was reported once, and one order was placed."""

    async def filled() -> bool:
        fills = [each.fill for each in await desk.reports(order_id) if isinstance(each, VenueFill)]
        return sum(fill.quantity for fill in fills) >= quantity

    await desk.eventually(filled, f"the fills of {order_id}")
    ids = Counter(each.id for each in await desk.reports())
    assert [each for each, count in ids.items() if count > 1] == []
    fills = [each.fill for each in await desk.reports(order_id) if isinstance(each, VenueFill)]
    assert sum(fill.quantity for fill in fills) == quantity
    assert len(desk.venue.orders_of(order_id)) == 1


async def every_commission_once(desk: Any) -> None:
    """Wait until every execution has its commission. One that came first could not name its order."""

    async def complete() -> bool:
        reports = await desk.reports()
        commissions = [each.execution_id for each in reports if isinstance(each, VenueCommission)]
        assert len(set(commissions)) == len(commissions)
        return sorted(commissions) == sorted(each.fill.execution_id for each in reports if isinstance(each, VenueFill))

    await desk.eventually(complete, "a commission for each fill")


async def down_and_ready_again(desk: Any) -> None:
    await desk.eventually(lambda: LinkStatus.DOWN in [link.status for link in desk.links[desk.mark :]], "DOWN")
    await desk.ready()


# ------------------------------------------------------------------------------------------------------ messages


@pytest.mark.parametrize("kind", ["orderStatus", "openOrder", "execDetails", "commissionReport"])
@pytest.mark.parametrize("fault", ["duplicate", "omit", "reorder"])
async def test_a_message_that_is_lost_doubled_or_displaced_costs_nothing(desk: Any, kind: str, fault: str) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do(fault, kind=kind, client=ORDERS, count=3)
    await desk.submit("m-1")
    await desk.has("m-1", "VenueAccepted", "VenueFill")
    await every_fill_once(desk, "m-1")
    await every_commission_once(desk)


@pytest.mark.parametrize("fault", ["execution_before_status", "commission_before_execution"])
async def test_reports_that_overtake_each_other_are_all_taken(desk: Any, fault: str) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do(fault, count=5)
    await desk.submit("o-1")
    await desk.has("o-1", "VenueAccepted", "VenueFill")
    await every_fill_once(desk, "o-1")
    await every_commission_once(desk)


async def test_a_correction_is_reported_as_a_new_revision(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("c-1")
    await desk.has("c-1", "VenueFill")
    await every_fill_once(desk, "c-1")
    first = next(each.fill for each in await desk.reports("c-1") if isinstance(each, VenueFill))
    await desk.venue.do("correct_execution", execution_id=first.execution_id, price="123.45")

    async def corrected() -> list[Any]:
        fills = [each.fill for each in await desk.reports("c-1") if isinstance(each, VenueFill)]
        return [fill for fill in fills if fill.execution_id == first.execution_id and fill.revision == 2]

    (fill,) = await desk.eventually(corrected, "the correction")
    assert fill.price == Decimal("123.45")


async def test_an_order_whose_answer_is_lost_is_asked_about_and_not_sent_again(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("swallow_next", count=1)
    await desk.submit("s-1")
    await desk.has("s-1", "VenueAccepted", "VenueFill")
    await every_fill_once(desk, "s-1")


# ------------------------------------------------------------------------------------------------------ the link


async def test_a_dropped_link_comes_back_reconciled(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("before-1")
    await desk.submit("rest-1", **FAR_BELOW)
    await desk.has("rest-1", "VenueAccepted")
    desk.mark = len(desk.links)
    await desk.venue.do("drop_link", refuse_seconds="0.2")
    await down_and_ready_again(desk)
    await desk.cancel("rest-1")
    await desk.has("rest-1", "VenueCanceled")
    await every_fill_once(desk, "before-1")


async def test_what_happens_while_the_link_is_down_is_reported_afterwards(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rest-1", **FAR_BELOW)
    await desk.has("rest-1", "VenueAccepted")
    await desk.submit("gone-1")
    (order,) = await desk.eventually(lambda: desk.venue.orders_of("gone-1"), "the order at the venue")
    desk.mark = len(desk.links)
    await desk.venue.do("drop_link", refuse_seconds="0.3")
    (resting,) = desk.venue.orders_of("rest-1")
    await desk.venue.do("cancel_by_hand", number=resting.number)
    await down_and_ready_again(desk)
    await desk.has("rest-1", "VenueCanceled")
    await every_fill_once(desk, "gone-1")
    assert order.number


@pytest.mark.parametrize("delay_seconds", [0.0, 0.001, 0.003, 0.006, 0.01, 0.02])
async def test_a_link_dropped_at_any_moment_of_connecting_is_begun_anew(desk: Any, delay_seconds: float) -> None:
    await desk.start()
    await desk.ready()
    for _ in range(5):
        await desk.venue.do("drop_link", client=ORDERS)
        await asyncio.sleep(delay_seconds)
    await desk.submit("anew-1")
    await desk.has("anew-1", "VenueFill")
    await every_fill_once(desk, "anew-1")


async def test_a_half_open_link_is_noticed_and_left(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    desk.mark = len(desk.links)
    await desk.venue.do("half_open", client=ORDERS)
    await down_and_ready_again(desk)
    await desk.submit("h-1")
    await desk.has("h-1", "VenueFill")


async def test_an_order_sent_into_a_half_open_link_is_resolved(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("half_open", client=ORDERS)
    await desk.submit("h-2", deadline_seconds=3600)
    there = await desk.has("h-2", "VenueUnknown")
    assert "VenueUnknown" in there

    async def resolved() -> bool:
        kinds = set(await desk.kinds("h-2"))
        return "VenueRejected" in kinds if not desk.venue.orders_of("h-2") else "VenueFill" in kinds

    await desk.eventually(resolved, "an end of the order")
    assert len(desk.venue.orders_of("h-2")) <= 1


async def test_a_gateway_that_says_nothing_while_it_is_asked_is_left(desk: Any) -> None:
    desk.settings = replace(desk.settings, answer_seconds_max=0.6)
    await desk.start()
    await desk.ready()
    for kind in ("openOrderEnd", "execDetailsEnd", "completedOrdersEnd", "positionEnd", "accountDownloadEnd"):
        desk.mark = len(desk.links)
        await desk.venue.do("omit", kind=kind, client=ORDERS, count=1)
        await desk.venue.do("drop_link", client=ORDERS)
        await down_and_ready_again(desk)
    await desk.submit("still-1")
    await desk.has("still-1", "VenueFill")


async def test_the_links_loss_behind_the_gateway_freezes_orders_and_loses_no_fill(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("f-1")
    await desk.eventually(lambda: desk.venue.orders_of("f-1"), "the order at the venue")
    await desk.venue.do("link_lost")
    await desk.eventually(lambda: desk.status is LinkStatus.FROZEN, "FROZEN")
    desk.mark = len(desk.links)
    await desk.venue.do("link_restored", data_lost=True)
    await desk.ready()
    await every_fill_once(desk, "f-1")
    assert LinkStatus.RECONCILING in [link.status for link in desk.links[desk.mark :]]


async def test_a_client_id_in_use_says_so_at_once_and_is_tried_again(desk: Any) -> None:
    other = IB()
    await other.connectAsync("127.0.0.1", desk.venue.port, clientId=ORDERS)
    await desk.start()
    reason = await desk.eventually(
        lambda: next((link.reason for link in desk.links if "(326)" in link.reason), ""),
        "326 in the link's reason",
        5.0,
    )
    assert "SIGNALBOX_IBKR_ORDERS_CLIENT_ID" in reason
    other.disconnect()
    await desk.ready()


async def test_nothing_listening_says_what_to_do(desk: Any) -> None:
    await desk.venue.do("drop_link", refuse_seconds="1")
    await desk.start()
    await desk.eventually(
        lambda: any("SIGNALBOX_IBKR_PORT" in link.reason for link in desk.links), "advice in the link's reason"
    )
    await desk.ready()


async def test_order_numbers_rolled_back_by_the_venue_are_not_used_again(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("r-1", **FAR_BELOW)
    await desk.has("r-1", "VenueAccepted")
    await desk.stop(runtime)
    await desk.venue.do("roll_back_order_ids", client=ORDERS, order_id=1)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await desk.submit("r-2", **FAR_BELOW)
    await desk.has("r-2", "VenueAccepted")
    (one, *_), (two, *_) = await desk.ledger("r-1"), await desk.ledger("r-2")
    assert int(two.attempt_id) > int(one.attempt_id)
    await desk.cancel("r-1")
    await desk.has("r-1", "VenueCanceled")
    assert await desk.kinds("r-2") == ["VenueAccepted"]


class TestManyOrders:
    @pytest.fixture
    def world_options(self) -> WorldOptions:
        return WorldOptions(symbols=("SPY", "AAPL"), speed=200.0, start=datetime(2024, 3, 5, 15, 0, tzinfo=UTC), seed=3)

    async def test_orders_survive_a_link_that_drops_again_and_again(self, desk: Any) -> None:
        await desk.start()
        await desk.ready()

        async def drops() -> None:
            for _ in range(8):
                await desk.dropped(ORDERS)

        dropping = asyncio.create_task(drops())
        for number in range(20):
            await desk.submit(f"n-{number}", deadline_seconds=36_000)
        await dropping

        async def all_over() -> bool:
            for number in range(20):
                kinds = set(await desk.kinds(f"n-{number}"))
                if not kinds & {"VenueFill", "VenueRejected"}:
                    return False
            return True

        await desk.eventually(all_over, "an end of every order", 40.0)
        for number in range(20):
            placed = desk.venue.orders_of(f"n-{number}")
            assert len(placed) <= 1
            if placed:
                await every_fill_once(desk, f"n-{number}")


# ------------------------------------------------------------------------------------------------- commissions


async def fees_of(desk: Any, order_id: str) -> list[Decimal]:
    """What was told of the fees of an order's one execution, in order."""
    (fill,) = [each.fill for each in await desk.reports(order_id) if isinstance(each, VenueFill)]
    told = [each for each in await desk.reports() if isinstance(each, VenueCommission)]
    return [each.commission for each in told if each.execution_id == fill.execution_id]


async def test_a_commission_that_is_not_reckoned_yet_is_no_rebate(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("commission_not_reckoned", count=1)
    await desk.submit("c-1", quantity=Decimal(1))
    await desk.has("c-1", "VenueFill")

    async def reckoned() -> list[Decimal]:
        return await fees_of(desk, "c-1")

    assert await desk.eventually(reckoned, "the fee") == [desk.venue.world.executions()[-1].commission]


async def test_a_later_commission_of_an_execution_replaces_the_earlier_one_also_after_a_restart(
    desk: Any,
) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("c-1", quantity=Decimal(1))
    await desk.has("c-1", "VenueFill", "VenueCommission")
    execution = desk.venue.world.executions()[-1]
    for amount in ("1.05", "1.05", "-0.32"):
        await desk.venue.do("commission", execution_id=execution.execution_id, amount=amount)
    expected = [execution.commission, Decimal("1.05"), Decimal("-0.32")]

    async def told() -> bool:
        return await fees_of(desk, "c-1") == expected

    await desk.eventually(told, f"{expected}")
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await desk.venue.do("commission", execution_id=execution.execution_id)
    expected.append(execution.commission)
    await desk.eventually(told, f"{expected}")
