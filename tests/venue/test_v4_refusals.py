"""V4x: an order that can not be is refused, with the reason, and leaves nothing behind."""

from __future__ import annotations

from decimal import Decimal

import pytest
from signalbox.messages import OrderStatus, OrderType, Side, VenueRejected

from .desk import Desk


async def refused(desk: Desk, order_id: str) -> VenueRejected:
    """Wait for the refusal; nothing may be at the venue."""
    report: VenueRejected = await desk.reported(order_id, "VenueRejected")
    assert report.reason
    assert [placed for placed in desk.bench.placed(order_id) if placed.working or placed.filled] == []
    return report


async def test_v40_symbol_that_is_not_offered(desk: Desk, order_id: str) -> None:
    """A command names a symbol that the gateway does not offer.

    It is refused without a claim, and never sent.
    """
    await desk.command(desk.order(order_id, symbol=desk.bench.unlisted))
    report = await refused(desk, order_id)
    assert desk.bench.unlisted in report.reason
    assert await desk.ledger(order_id) == []


async def test_v41_price_off_the_tick(desk: Desk, order_id: str) -> None:
    """A limit price lies between two ticks.

    The order is REJECTED and says what is wrong with the price; it is not rounded.
    """
    price = desk.bench_market.resting_price(Side.BUY) + desk.bench_market.tick_size() / 2
    await desk.submit(order_id, order_type=OrderType.LIMIT, limit_price=price)
    await desk.becomes(order_id, OrderStatus.REJECTED)
    report = await refused(desk, order_id)
    assert any(word in report.reason for word in ("tick", "minimum price variation")), report.reason


async def test_v42_quantity_that_the_venue_does_not_take(desk: Desk, order_id: str) -> None:
    """A quantity is below the venue's minimum, or no multiple of its step.

    The order is REJECTED; the quantity is not rounded, up least of all.
    """
    await desk.submit(order_id, quantity=desk.bench.odd_quantity)
    await desk.becomes(order_id, OrderStatus.REJECTED)
    await refused(desk, order_id)


async def test_v43_margin_that_the_account_does_not_have(desk: Desk, order_id: str) -> None:
    """An order is many times as large as the account.

    It ends REJECTED or CANCELED with the venue's reason; nothing of it trades.
    """
    price = desk.bench_market.crossing_price(Side.BUY)
    quantity = (desk.bench.cash() * 100 / price / desk.bench.small).to_integral_value() * desk.bench.small
    await desk.submit(
        order_id,
        order_type=OrderType.LIMIT,
        limit_price=price,
        quantity=quantity,
        time_in_force=desk.bench.lasting,
    )
    await desk.becomes(order_id, OrderStatus.REJECTED, OrderStatus.CANCELED)
    assert desk.filled_quantity(order_id) == Decimal(0)
    assert (await desk.reports(order_id))[-1].reason


async def test_v44_order_type_that_the_venue_lacks(desk: Desk, order_id: str) -> None:
    """An order is of a type that the desk knows and the venue does not.

    It is refused without a claim, and says why.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.submit(order_id, order_type=OrderType.MARKET_ON_CLOSE)
    await desk.becomes(order_id, OrderStatus.REJECTED)
    await refused(desk, order_id)
    assert await desk.ledger(order_id) == []


async def test_v45_refusal_by_the_venue_itself(desk: Desk, order_id: str) -> None:
    """The venue refuses an order that nothing was wrong with.

    It is REJECTED with the venue's code and words; the next order is taken.
    """
    words = await desk.bench.reject_next()
    price = desk.bench_market.resting_price(Side.BUY)
    await desk.submit(order_id, order_type=OrderType.LIMIT, limit_price=price, time_in_force=desk.bench.lasting)
    await desk.becomes(order_id, OrderStatus.REJECTED)
    report = await refused(desk, order_id)
    assert report.code
    assert words in report.reason
    await desk.filled(f"{order_id}-next")


async def test_v46_more_orders_than_the_venue_takes_in_the_time(desk: Desk, order_id: str) -> None:
    """More orders are approved at once than the venue takes in its unit of time.

    Each is placed once or refused with a reason; none is lost, and none is UNKNOWN for good.
    """
    names = [f"{order_id}-{number}" for number in range(desk.bench.burst)]
    price = desk.bench_market.resting_price(Side.BUY)
    for name in names:
        await desk.submit(name, order_type=OrderType.LIMIT, limit_price=price, time_in_force=desk.bench.lasting)
    for name in names:
        await desk.becomes(name, OrderStatus.NEW, OrderStatus.REJECTED)
        if desk.status(name) is OrderStatus.NEW:
            await desk.at_venue(name)
        else:
            await refused(desk, name)
    assert any(desk.status(name) is OrderStatus.NEW for name in names)


async def test_v47_deadline_that_has_passed(desk: Desk, order_id: str) -> None:
    """A command to submit comes after its deadline.

    It is refused without a claim, and never sent.
    """
    await desk.command(desk.order(order_id), deadline_seconds=-1)
    await refused(desk, order_id)
    assert await desk.ledger(order_id) == []
    assert desk.bench.placed(order_id) == []


async def test_v48_deadline_that_passes_while_the_venue_can_not_be_reached(desk: Desk, order_id: str) -> None:
    """A command to submit waits for the connection until its deadline comes.

    It is refused with the state of the connection, and not sent when the connection is back.
    """
    desk.look_from_here()
    desk.bench.refuse()
    await desk.not_ready()
    await desk.command(desk.order(order_id), deadline_seconds=10)
    await desk.bench_market.trade(15)
    report = await refused(desk, order_id)
    assert "link" in report.reason
    await desk.bench.mend()
    await desk.ready()
    assert desk.bench.placed(order_id) == []


async def test_v49_account_that_is_not_the_gateways(desk: Desk, order_id: str) -> None:
    """A command names another account than the one that the gateway serves.

    It is refused without a claim, and never sent.
    """
    await desk.command(desk.order(order_id, account=desk.bench.other_account))
    await refused(desk, order_id)
    assert await desk.ledger(order_id) == []
    assert desk.bench.placed(order_id) == []


async def test_v4A_command_that_the_oms_has_not_sealed(desk: Desk, order_id: str) -> None:
    """A command stands in COMMANDS that is not the OMS's: without a seal, with a made up one, copied from another's.

    Nothing of it reaches the venue, also after a restart; each is parked, and the next genuine order is placed.
    """
    desk.spoiled = True
    await desk.filled(f"{order_id}-before")
    await desk.forge_command(order_id)
    await desk.forge_command(order_id, seal="1::" + "0" * 64)
    await desk.copy_command(f"{order_id}-before", order_id)
    await desk.commands_are_taken()
    letters = [letter for letter in await desk.dead_letters() if letter.stream == "COMMANDS"]
    assert len(letters) == 3
    assert all(letter.error.startswith("not sealed by the OMS") for letter in letters)
    await desk.kill()
    await desk.forge_command(order_id)
    await desk.start()
    await desk.filled(f"{order_id}-after")
    await desk.commands_are_taken()
    assert desk.bench.placed(order_id) == []
    assert await desk.ledger(order_id) == []
    assert len(desk.bench.placed(f"{order_id}-before")) == len(desk.bench.placed(f"{order_id}-after")) == 1


async def test_v4B_command_that_comes_again(desk: Desk, order_id: str) -> None:
    """A genuine command is published once more, seal and all, on its own subject.

    COMMANDS refuses it: the order is placed once.
    """
    await desk.filled(order_id)
    assert await desk.copy_command(order_id, order_id) == "refused"
    await desk.commands_are_taken()
    assert len(desk.bench.placed(order_id)) == 1
    await desk.adds_up()
