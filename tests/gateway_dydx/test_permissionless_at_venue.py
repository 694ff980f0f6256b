"""Markets that anybody may list, named by token, exchange and address: offered, quoted, traded, closed as any other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from signalbox import messages, subjects
from signalbox.desk import DeskInstrument
from signalbox.messages import Bar, OrderType, Quote, Side, VenueFill, VenueSnapshot
from simulators.world import WorldOptions

ACCOUNT = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"
FARTCOIN = "FARTCOIN,RAYDIUM,9BB6NFECJBCTNNLFKO2FQVQBQ8HHM13KCYYCDQBGPUMP-USD"
BUFFI = "BUFFI,UNISWAP_V3,0X4C1B1302220D7DE5C22B495E78B72F2DD2457D45-USD"


@pytest.fixture
def world_options(world_options: WorldOptions) -> WorldOptions:
    return msgspec.structs.replace(world_options, symbols=("BTC-USD", FARTCOIN, BUFFI), prices=(), speed=20.0)


def with_symbols(desk: Any, *symbols: str) -> None:
    lines = tuple(DeskInstrument(venue="dydx", symbol=symbol) for symbol in symbols)
    desk.desk = msgspec.structs.replace(desk.desk, instruments=lines)


async def test_it_is_offered_quoted_and_has_bars_under_its_own_name(desk: Any) -> None:
    with_symbols(desk, "BTC-USD", FARTCOIN)
    quotes: list[Quote] = []

    async def take(received: Any) -> None:
        quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe(subjects.quote("dydx", FARTCOIN), take)
    runtime = await desk.start()
    await desk.ready()
    await desk.eventually(lambda: quotes, "a quote")
    assert {each.symbol for each in quotes} == {FARTCOIN}
    assert runtime.details()["not_open"] == ""

    async def bars() -> list[Bar]:
        stored = desk.recorder.read("BARS", "md.bar.>")
        told = [messages.decode(each.payload, Bar) async for each in stored]
        return [each for each in told if each.symbol == FARTCOIN]

    await desk.eventually(bars, "a minute bar")


async def test_it_is_bought_rested_in_and_sold_again(desk: Any) -> None:
    with_symbols(desk, FARTCOIN)
    await desk.start()
    await desk.ready()
    await desk.submit("b-1", symbol=FARTCOIN, quantity=Decimal(100))
    await desk.has("b-1", "VenueAccepted", "VenueFill", "VenueCommission")
    price = (desk.venue.price(FARTCOIN) * Decimal("0.9")).quantize(Decimal("0.001"))
    resting = {"order_type": OrderType.LIMIT, "limit_price": price, "quantity": Decimal(50)}
    await desk.submit("l-1", symbol=FARTCOIN, **resting)
    await desk.has("l-1", "VenueAccepted")
    await desk.cancel("l-1")
    await desk.has("l-1", "VenueCanceled")
    await desk.submit("s-1", symbol=FARTCOIN, side=Side.SELL, quantity=Decimal(100))
    await desk.has("s-1", "VenueFill")
    fills = [each.fill for each in await desk.reports() if isinstance(each, VenueFill)]
    assert {fill.symbol for fill in fills} == {FARTCOIN}
    assert sum(fill.quantity * fill.side.sign for fill in fills) == 0


async def test_what_is_held_of_one_that_is_not_on_the_list_is_told_by_its_name_and_closed_once_it_is(desk: Any) -> None:
    """An isolated one, bought by hand: nothing else is held beside it."""
    height = desk.venue.chain.height
    ask = (desk.venue.price(BUFFI) * Decimal("1.05")).quantize(Decimal("0.00001"))
    terms = {"side": "BUY", "quantity": "10000", "kind": "SHORT_TERM", "time_in_force": "IOC"}
    await desk.venue.do("place_external", account=ACCOUNT, symbol=BUFFI, price=str(ask), **terms)
    await desk.eventually(lambda: desk.venue.chain.height > height + 2 and desk.venue.fills(), "a fill")
    with_symbols(desk, "BTC-USD")
    runtime = await desk.start()
    await desk.ready()
    snapshots = [each for each in await desk.reports() if isinstance(each, VenueSnapshot)]
    assert [(each.symbol, each.quantity) for each in snapshots[-1].positions] == [(BUFFI, Decimal(10_000))]
    await desk.stop(runtime)
    with_symbols(desk, BUFFI)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await desk.submit("c-1", symbol=BUFFI, side=Side.SELL, quantity=Decimal(10_000), reduce_only=True)
    await desk.has("c-1", "VenueFill")
    await desk.eventually(lambda: not any(each.size for each in held(desk)), f"flat; {held(desk)}")


def held(desk: Any) -> Any:
    return desk.venue.chain.subaccount(ACCOUNT[:-2], 0).positions
