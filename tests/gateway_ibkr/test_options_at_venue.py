"""Options through the real client library: qualified, quoted with greeks, ordered, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages
from signalbox.desk import DeskInstrument
from signalbox.messages import Instrument, InstrumentKind, OrderType, PriceStep, Quote, VenueCommission, VenueFill
from simulators.world import WorldOptions

CALL, PUT, OVER = "SPY 240315C00450000", "AAPL 240315P00190000", "SPY 240301C00450000"
START = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


@pytest.fixture
def world_options() -> WorldOptions:
    prices = (("SPY", Decimal(450)), ("AAPL", Decimal(190)))
    return WorldOptions(
        symbols=("SPY", "AAPL", CALL, PUT),
        speed=50.0,
        start=START,
        listed=START - timedelta(minutes=10),
        seed=7,
        prices=prices,
    )


def listing(desk: Any, *symbols: str) -> Any:
    """The desk with these instruments in its file."""
    lines = tuple(DeskInstrument(venue="ibkr", symbol=symbol) for symbol in symbols)
    desk.desk = replace(desk.desk, instruments=lines)
    return desk


@pytest.fixture
def optioned(desk: Any) -> Any:
    return listing(desk, "SPY", "AAPL", CALL, PUT)


async def instruments(desk: Any) -> dict[str, Instrument]:
    told = [
        messages.decode(received.payload, Instrument)
        async for received in desk.recorder.read("STATE", "md.instrument.ibkr.*")
    ]
    return {each.symbol: each for each in told}


async def quotes(desk: Any) -> list[Quote]:
    seen: list[Quote] = []

    async def take(received: Any) -> None:
        seen.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.*", take)
    return seen


async def test_an_option_is_offered_with_its_multiplier_ticks_underlying_and_end(optioned: Any) -> None:
    await optioned.start()
    await optioned.ready()
    found = await instruments(optioned)
    call, put = found[CALL], found[PUT]
    assert (call.kind, call.currency, call.multiplier) == (InstrumentKind.OPTION, "USD", Decimal(100))
    assert (call.last_trade_at, call.underlying) == (datetime(2024, 3, 15, 20, 0, tzinfo=UTC), "SPY")
    assert call.price_steps == (PriceStep(at_least=Decimal(0), step=Decimal("0.01")),)
    assert put.price_steps == (
        PriceStep(at_least=Decimal(0), step=Decimal("0.01")),
        PriceStep(at_least=Decimal(3), step=Decimal("0.05")),
    )
    assert put.tick_size == Decimal("0.01")
    assert found["SPY"].price_steps == ()
    assert found["SPY"].last_trade_at is None


async def test_its_quotes_bear_what_the_venue_computes(optioned: Any) -> None:
    seen = await quotes(optioned)
    await optioned.start()

    def whole() -> Quote | None:
        found = [each for each in seen if each.symbol == CALL and each.greeks and each.greeks.bid_volatility]
        return found[-1] if found else None

    quote = await optioned.eventually(whole, "a quote with greeks")
    greeks = quote.greeks
    assert quote.bid < quote.ask
    assert 0.3 < greeks.delta < 0.7
    assert greeks.underlying_price == pytest.approx(450, rel=0.02)
    assert greeks.price == pytest.approx(float(quote.bid + quote.ask) / 2, rel=0.1)
    assert not any(each.greeks for each in seen if each.symbol == "SPY")


async def test_what_is_not_computed_any_more_is_not_known_any_more(optioned: Any) -> None:
    seen = await quotes(optioned)
    await optioned.start()
    await optioned.eventually(lambda: any(each.greeks and each.greeks.delta for each in seen), "greeks")
    await optioned.venue.do("spoil", kind="tickOptionComputation", field=5, text="-2", client=12)
    await optioned.venue.do("spoil", kind="tickOptionComputation", field=4, text="nan", client=12)

    def without() -> bool:
        return any(each.greeks and each.greeks.delta is None for each in seen if each.symbol in (CALL, PUT))

    since = len(seen)
    await optioned.eventually(lambda: len(seen) > since and without(), "greeks without a delta")


async def test_an_order_fills_and_is_charged_by_the_contract(optioned: Any) -> None:
    await optioned.start()
    await optioned.ready()
    await optioned.eventually(lambda: optioned.venue.world.quote(CALL), "a quote")
    await optioned.submit("call-1", symbol=CALL, quantity=Decimal(2))
    await optioned.has("call-1", "VenueFill", "VenueCommission")
    reports = await optioned.reports()
    fills = [each for each in reports if isinstance(each, VenueFill)]
    fees = [each for each in reports if isinstance(each, VenueCommission)]
    assert {each.fill.symbol for each in fills} == {CALL}
    assert {(each.currency, each.multiplier) for each in fills} == {("USD", Decimal(100))}
    assert sum(each.commission for each in fees) == Decimal("1.30")
    assert optioned.venue.world.snapshot()["DU1234567"]["positions"] == {CALL: "2"}


async def test_a_price_between_two_ticks_is_refused_in_the_venues_words(optioned: Any) -> None:
    await optioned.start()
    await optioned.ready()
    terms = {"order_type": OrderType.LIMIT, "limit_price": Decimal("3.01")}
    await optioned.submit("tick-2", symbol=PUT, **terms)
    await optioned.has("tick-2", "VenueRejected")
    assert (await optioned.reports("tick-2"))[-1].code == "110"


async def test_what_has_expired_is_left_out_and_said_so(desk: Any) -> None:
    listing(desk, "SPY", OVER)
    runtime = await desk.start()
    await desk.ready()
    assert OVER in runtime.details()["not_offered"]
    assert "it expired on 2024-03-01" in runtime.details()["not_offered"]
    assert OVER not in await instruments(desk)


@pytest.mark.parametrize("broken", [{"field": 4, "text": "20240320 16:00:00 US/Eastern"}, {"field": 4, "text": "soon"}])
async def test_an_end_that_makes_no_sense_is_not_guessed(desk: Any, broken: dict[str, Any]) -> None:
    """After the day in its name, or no day at all; the others are offered."""
    await desk.venue.do("spoil", kind="contractDetails", client=11, **broken)
    listing(desk, CALL, "SPY")
    runtime = await desk.start()
    await desk.ready()
    assert "is traded until" in runtime.details()["not_offered"]
    assert set(await instruments(desk)) == {"SPY"}


async def test_the_venue_is_asked_what_a_sold_one_binds_and_nothing_is_placed(optioned: Any) -> None:
    await optioned.start()
    await optioned.ready()
    found = await instruments(optioned)
    assert 5_000 < found[CALL].short_margin < 15_000
    assert found["SPY"].short_margin is None
    assert optioned.venue.world.orders() == ()


async def test_the_margin_is_asked_again_in_each_session(optioned: Any) -> None:
    await optioned.start()
    await optioned.ready()
    before = (await instruments(optioned))[CALL].short_margin
    optioned.venue.world.set_price("SPY", Decimal(520))
    optioned.mark = len(optioned.links)
    await optioned.dropped(11)
    await optioned.ready()
    assert (await instruments(optioned))[CALL].short_margin > before + 1_000


async def test_a_margin_that_the_venue_does_not_tell_leaves_the_option_for_buying(optioned: Any) -> None:
    await optioned.venue.do("omit", kind="openOrder", client=11, count=1)
    await optioned.start()
    await optioned.ready()
    found = await instruments(optioned)
    assert found[CALL].short_margin is None
    assert found[PUT].short_margin > 0
