"""Facts that make no sense: each is set aside and told, what depends on it waits, and the gateway goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages
from signalbox.messages import (
    DeadLetter,
    LinkStatus,
    OrderType,
    TimeInForce,
    VenueCommission,
    VenueFill,
    VenueRejected,
    VenueSnapshot,
)

FAR_BELOW = {"order_type": OrderType.LIMIT, "limit_price": Decimal(100), "time_in_force": TimeInForce.GTC}
ORDERS, DATA = 11, 12


async def letters(desk: Any) -> list[DeadLetter]:
    return [messages.decode(each.payload, DeadLetter) async for each in desk.recorder.read("DEAD", "dead.venue.>")]


async def told(desk: Any, *words: str) -> DeadLetter:
    """Wait until something of these words is kept in DEAD."""

    async def found() -> DeadLetter | None:
        return next((each for each in await letters(desk) if all(word in each.error for word in words)), None)

    try:
        letter: DeadLetter = await desk.eventually(found, f"a dead letter that says {words}")
    except AssertionError as error:
        raise AssertionError(f"{error}; there are {[each.error for each in await letters(desk)]}") from None
    return letter


async def bought_by_hand(desk: Any, symbol: str = "SPY", quantity: int = 10) -> str:
    """Have somebody buy by hand; the execution's id."""
    before = len(desk.venue.world.executions())
    await desk.venue.do("place_by_hand", symbol=symbol, side="BUY", quantity=str(quantity))
    await desk.eventually(lambda: len(desk.venue.world.executions()) > before, "the trade at the venue")
    return str(desk.venue.world.executions()[-1].execution_id)


async def snapshots(desk: Any) -> list[VenueSnapshot]:
    return [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]


async def again(desk: Any) -> None:
    """Cut the orders session, and wait until the next one is READY."""
    desk.mark = len(desk.links)
    await desk.venue.do("drop_link", client=ORDERS)
    await desk.eventually(lambda: LinkStatus.DOWN in [link.status for link in desk.links[desk.mark :]], "DOWN")
    await desk.ready()


async def works_on(desk: Any, order_id: str, symbol: str = "AAPL") -> None:
    """See that an order of another symbol is placed and fills."""
    await desk.submit(order_id, symbol=symbol)
    await desk.has(order_id, "VenueFill")


async def refused(desk: Any, order_id: str, symbol: str = "SPY") -> str:
    """See that the gateway sends nothing for the symbol; why not."""
    await desk.submit(order_id, symbol=symbol, **FAR_BELOW)
    await desk.has(order_id, "VenueRejected")
    assert desk.venue.orders_of(order_id) == []
    (report,) = [each for each in await desk.reports(order_id) if isinstance(each, VenueRejected)]
    return str(report.reason)


async def test_an_execution_at_a_price_of_nothing_is_set_aside_at_every_start(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    execution_id = await bought_by_hand(desk)
    await desk.venue.do("correct_execution", execution_id=execution_id, price="0")
    await again(desk)
    letter = await told(desk, "0.0 is no price")
    assert execution_id in letter.error
    assert desk.links[-1].unread.keys() == {"SPY"}
    assert "no price" in await refused(desk, "s-1")
    await works_on(desk, "a-1")
    assert not runtime.failed.done()
    await desk.stop(runtime)
    desk.mark = len(desk.links)
    runtime = await desk.start()
    await desk.ready()
    assert desk.links[-1].unread.keys() == {"SPY"}
    assert execution_id in runtime.details()["unread"]
    await desk.venue.do("correct_execution", execution_id=execution_id, price="480.5")
    await again(desk)
    await desk.eventually(lambda: not desk.links[-1].unread, "SPY can be read again")
    fills = [each.fill for each in await desk.reports() if isinstance(each, VenueFill)]
    assert [fill.price for fill in fills if fill.execution_id == execution_id][-1] == Decimal("480.5")
    await works_on(desk, "s-2", "SPY")


EXECUTIONS = [
    (20, "NaN", "no number"),
    (20, "-1", "no price"),
    (20, "1.7976931348623157E308", "no number"),
    (20, "one", "one"),
    (19, "", "it has no quantity"),
    (19, "0", "an execution of nothing"),
    (19, "-10", "below 0"),
    (19, "1e300", "no number"),
    (18, "HELD", "no side"),
    (15, "yesterday", "can not be read"),
    (15, "20991231-23:59:59", "no time of a trade"),
    (14, "", "names nothing"),
    (14, "a b", "names nothing"),
    (11, "", "no currency"),
    (5, "SOUL", "no security type"),
    (3, "0", "contract id"),
    (3, "me", "me"),
]
"""By place on the wire, as `spoil` counts: price, quantity, side, time, id, currency, type, contract id."""


@pytest.mark.parametrize("live", [True, False], ids=["live", "asked for"])
async def test_an_execution_with_any_field_that_makes_no_sense_ends_nothing(desk: Any, live: bool) -> None:
    runtime = await desk.start()
    await desk.ready()
    if not live:
        await bought_by_hand(desk)
    for place, text, words in EXECUTIONS:
        if live:
            await desk.venue.do("spoil", kind="execDetails", field=place, text=text, client=ORDERS)
            await desk.submit(f"x-{place}-{EXECUTIONS.index((place, text, words))}", symbol="AAPL")
        else:
            await desk.venue.do("spoil", kind="execDetails", field=place, text=text, client=ORDERS)
            await again(desk)
        await told(desk, words)
        await desk.venue.do("clear")
        await again(desk)
        assert not runtime.failed.done(), (place, text)
    await desk.eventually(lambda: not desk.links[-1].unread, "everything can be read")

    async def all_told() -> bool:
        fills = [each.fill.execution_id for each in await desk.reports() if isinstance(each, VenueFill)]
        return sorted(fills) == sorted(each.execution_id for each in desk.venue.world.executions())

    await desk.eventually(all_told, "each execution is told, once")


# ------------------------------------------------------------------------------------------- account and positions


ABSENT = {"execDetails": (19, "quantity"), "commissionReport": (3, "commission")}


@pytest.mark.parametrize("kind", ABSENT)
async def test_what_is_absent_from_a_correction_is_not_zero(desk: Any, kind: str) -> None:
    """Zero shares take an execution back, and a commission of zero is free: nothing at all says neither."""
    await desk.start()
    await desk.ready()
    await desk.submit("o-1")
    await desk.has("o-1", "VenueFill", "VenueCommission")
    execution_id = desk.venue.world.executions()[-1].execution_id
    place, what = ABSENT[kind]
    await desk.venue.do("spoil", kind=kind, field=place, text="", client=ORDERS, count=1)
    await desk.venue.do("correct_execution", execution_id=execution_id, price="400")
    await told(desk, f"it has no {what}")
    await again(desk)

    async def corrected() -> list[Any]:
        return [each.fill for each in await desk.reports() if isinstance(each, VenueFill) and each.fill.revision == 2]

    (fill,) = await desk.eventually(corrected, "the correction")
    assert (fill.quantity, fill.price) == (10, 400)
    fees = [each.commission for each in await desk.reports() if isinstance(each, VenueCommission)]
    assert all(fees)


async def test_a_position_that_makes_no_sense_is_left_out_and_its_symbol_waits(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await bought_by_hand(desk, "SPY")
    await bought_by_hand(desk, "AAPL")

    async def reported() -> bool:
        return len([each for each in await desk.reports() if isinstance(each, VenueFill)]) == 2

    await desk.eventually(reported, "both fills")
    await desk.venue.do("spoil", kind="position", field=14, text="NaN", client=ORDERS, count=1)
    await again(desk)
    (unread,) = desk.links[-1].unread
    other = "SPY" if unread == "AAPL" else "AAPL"
    statement = (await snapshots(desk))[-1]
    assert statement.unread == (unread,)
    assert [held.symbol for held in statement.positions] == [other]
    assert "no number" in await refused(desk, "p-1", unread)
    await works_on(desk, "p-2", other)
    await again(desk)
    await desk.eventually(lambda: not desk.links[-1].unread, "both can be read")
    assert (await snapshots(desk))[-1].unread == ()
    assert not runtime.failed.done()


async def test_figures_of_the_account_that_make_no_sense_stop_no_cancel(desk: Any) -> None:
    runtime = await desk.start()
    await desk.ready()
    await desk.submit("r-1", **FAR_BELOW)
    await desk.has("r-1", "VenueAccepted")
    before = len(await snapshots(desk))
    await desk.venue.do("spoil", kind="accountValue", field=3, text="no idea", client=ORDERS)
    await again(desk)
    await told(desk, "NetLiquidation", "no amount")
    assert "the venue has not said" in runtime.details()["unread"]
    assert len(await snapshots(desk)) == before
    await desk.cancel("r-1")
    await desk.has("r-1", "VenueCanceled")
    await desk.venue.do("clear")
    await works_on(desk, "r-2")  # a fill has the venue tell its figures anew

    async def told_now() -> bool:
        return len(await snapshots(desk)) > before

    await desk.eventually(told_now, "a snapshot, once the figures can be read")
    await desk.eventually(lambda: runtime.details()["unread"] == "", "nothing stands unread")
    assert not runtime.failed.done()


async def test_a_contract_that_makes_no_sense_is_not_offered_and_the_other_is(desk: Any) -> None:
    await desk.venue.do("spoil", kind="contractDetails", field=13, text="NaN", client=ORDERS, count=1)
    runtime = await desk.start()
    await desk.ready()
    assert "makes no sense" in runtime.details()["not_offered"]
    await works_on(desk, "c-1", "AAPL")
    await again(desk)
    await works_on(desk, "c-2", "SPY")


# ----------------------------------------------------------------------------------------------------- market data


@pytest.mark.parametrize(
    ("kind", "place", "text"),
    [
        ("realTimeBar", 4, "NaN"),
        ("realTimeBar", 3, "1e300"),
        ("historicalData", 6, "-7"),
        ("historicalData", 6, "many"),
    ],
)
async def test_a_bar_that_makes_no_sense_ends_nothing(desk: Any, kind: str, place: int, text: str) -> None:
    await desk.venue.do("spoil", kind=kind, field=place, text=text, client=DATA, count=1)
    runtime = await desk.start()
    await desk.ready()
    await told(desk, "")

    async def bars() -> bool:
        return len(await desk.bars("SPY")) > 3 and len(await desk.bars("AAPL")) > 3

    await desk.eventually(bars, "bars of both")
    assert not runtime.failed.done()


@pytest.mark.parametrize("text", ["NaN", "1e300", "1.7976931348623157E308"])
async def test_a_tick_that_makes_no_sense_takes_the_quote_away(desk: Any, text: str) -> None:
    runtime = await desk.start()
    await desk.ready()
    quotes: list[Any] = []

    async def quote(received: Any) -> None:
        quotes.append(messages.decode(received.payload, messages.Quote))

    await desk.risk.subscribe("md.quote.>", quote)
    await desk.eventually(lambda: quotes and quotes[-1].bid is not None, "a bid")
    await desk.venue.do("spoil", kind="tickPrice", field=4, text=text, client=DATA)
    await told(desk, "no number")
    await desk.eventually(lambda: any(each.bid is None for each in quotes), "a quote without a bid")
    await desk.venue.do("clear")
    await desk.eventually(lambda: quotes and quotes[-1].bid is not None, "a bid again")
    assert not runtime.failed.done()
