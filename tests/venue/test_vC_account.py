"""VCx: the desk's account is the venue's: positions, cash, fees, margins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from signalbox import subjects
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    FundingBooked,
    OrderStatus,
    Side,
    VenueFunding,
    VenueSnapshot,
)

from .desk import Desk


async def test_vC0_books_agree_after_a_round_trip(desk: Desk, order_id: str) -> None:
    """The desk buys in pieces and sells everything again.

    Position and cash are the venue's to the last digit, and the position is flat.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.partially_filled(order_id)
    await desk.trades_until(order_id, OrderStatus.FILLED)
    await desk.adds_up()
    await desk.flat(f"{order_id}-out")
    await desk.adds_up()
    assert desk.bench.position(desk.bench.symbol) == 0


async def test_vC1_account_state_is_told(desk: Desk, order_id: str) -> None:
    """The desk trades.

    The account's state has the venue's cash, a value above zero, and margins that the position needs.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.filled(order_id)
    subject = subjects.account(desk.bench.venue, desk.bench.account)

    async def there() -> bool:
        await desk.bench_market.trade(61)
        told = await desk.stored(subject, AccountState)
        if told is None or told.cash != desk.bench.cash():
            return False
        return told.initial_margin > 0 and told.maintenance_margin > 0  # the figures come one by one

    await desk.eventually(there, "the account's state after the trade")
    told: AccountState = await desk.stored(subject, AccountState)
    assert told.currency == "USD"
    assert told.net_liquidation > 0
    assert told.initial_margin >= told.maintenance_margin > 0
    assert told.available_funds <= told.net_liquidation


@pytest.mark.fresh_desk(start={}, gateway=False)
async def test_vC2_account_is_taken_over_with_what_it_holds(desk: Desk, order_id: str) -> None:
    """The account holds a position from before the desk's first start.

    The books begin with it: it is adopted, not traded again, and what the desk then trades comes on top.
    """
    await desk.bench.place_by_hand(Side.BUY, desk.bench.small, None)
    await desk.until_executed()
    await desk.start()

    async def adoptions() -> list[AccountAdopted]:
        return [each for each in await desk.events() if isinstance(each, AccountAdopted)]

    (adopted,) = await desk.eventually(adoptions, "the account")
    assert {held.symbol: held.quantity for held in adopted.positions} == {desk.bench.symbol: desk.bench.small}
    assert desk.fills() == []
    await desk.filled(order_id)
    await desk.adds_up()
    assert desk.bench.position(desk.bench.symbol) == desk.bench.small * 2


async def test_vC3_funding_is_booked_once(desk: Desk, order_id: str) -> None:
    """A position is held over the hour.

    The hour's payment is booked once, signed, and the desk's cash is the venue's.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.flat(f"{order_id}-flat")
    await desk.filled(order_id)
    await desk.adds_up()
    before = len(await booked(desk))
    await desk.bench_market.trade(3600)

    async def there() -> list[FundingBooked]:
        return (await booked(desk))[before:]

    (payment,) = await desk.eventually(there, "the payment")
    assert payment.amount != 0
    await desk.kill()
    await desk.start()
    await desk.adds_up()
    assert len(await there()) == 1


async def test_vC4_figure_that_is_no_longer_said_grows_old(desk: Desk, order_id: str) -> None:
    """The venue stops saying one figure of the account, and goes on with all others, while a position is held.

    The account is told as before; that figure bears the time at which it was said last, the others are fresh. When the
    venue says it again, it is fresh as well.
    """
    await desk.flat(f"{order_id}-flat")
    await desk.filled(order_id)
    await desk.adds_up()
    figure = await desk.bench.withhold_figure()
    subject = subjects.account(desk.bench.venue, desk.bench.account)

    async def told_since_the_market_moved() -> AccountState | None:
        told: AccountState | None = await desk.stored(subject, AccountState)
        return told if told is not None and told.at >= desk.bench.world.now() else None

    async def grown() -> bool:
        told = await told_since_the_market_moved()
        if told is None:
            return False
        await desk.bench_market.trade(61)
        return told.said_at["cash"] - told.said_at[figure] > timedelta(minutes=5)

    await desk.eventually(grown, "an old figure beside a fresh one")
    await desk.bench.mend()
    mended = desk.bench.world.now()

    async def said() -> bool:
        told = await told_since_the_market_moved()
        if told is None:
            return False
        await desk.bench_market.trade(61)
        return told.said_at[figure] > mended

    await desk.eventually(said, "the figure, said again")


@pytest.mark.fresh_desk(start={}, gateway=False)
async def test_vC5_account_taken_over_before_the_venue_lists_what_it_paid(desk: Desk, order_id: str) -> None:
    """A position is held over the hour; the venue pays, and the desk takes the account over before that is listed.

    The payment is in the cash that the books begin with: it is not booked when the venue lists it.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.bench.place_by_hand(Side.BUY, desk.bench.small, None)
    await desk.until_executed()
    before = desk.bench.cash()
    await desk.bench.late_funding(60)
    await desk.bench_market.trade(3600)
    await desk.eventually(lambda: desk.bench.cash() != before, "the venue's payment")
    await desk.start()
    await desk.ready()
    await desk.adds_up()
    await desk.bench_market.trade(61)

    async def listed() -> bool:
        return any(isinstance(each, VenueFunding) for each in await desk.reports())

    await desk.eventually(listed, "the payment, listed late")
    await desk.filled(order_id)
    await desk.adds_up()
    assert await booked(desk) == []


async def test_vC6_funding_that_is_listed_hours_late_is_booked(desk: Desk, order_id: str) -> None:
    """A position is held over several hours, whose payments the venue lists hours later, while the gateway looks often.

    Each is booked once in the end, also by a gateway that was started meanwhile, and the desk's cash is the venue's.
    """
    if desk.cannot is not None:
        pytest.skip(desk.cannot.reason)
    await desk.flat(f"{order_id}-flat")
    await desk.filled(order_id)
    await desk.adds_up()
    before = len(await booked(desk))
    await desk.bench.late_funding(100_000)
    for _ in range(4):
        await desk.bench_market.trade(3600)
        await looked(desk)
    await desk.kill()
    await desk.start()
    await looked(desk)
    assert len(await booked(desk)) == before
    await desk.bench.late_funding(0)
    await desk.adds_up()
    assert len(await booked(desk)) >= before + 4


async def looked(desk: Desk) -> None:
    """Wait until the gateway has held everything against the venue as it is now."""
    now = desk.bench.world.now()

    async def there() -> bool:
        return any(isinstance(each, VenueSnapshot) and each.at >= now for each in await desk.reports())

    await desk.eventually(there, "a complete look")


async def booked(desk: Desk) -> list[FundingBooked]:
    """The payments of the market that the cases trade."""
    return [
        each for each in await desk.events() if isinstance(each, FundingBooked) and each.symbol == desk.bench.symbol
    ]
