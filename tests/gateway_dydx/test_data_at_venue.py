"""Market data through the real client library: every minute once and in order, whatever happens to the link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gateway_dydx.market_data import MarketData
from gateway_dydx.settings import Network, Settings
from gateway_dydx.unread import Unread
from gateway_dydx.venue_indexer import IndexerRest
from signalbox import messages, subjects
from signalbox.bars import parse_timeframe
from signalbox.bus import Bus, Received
from signalbox.desk import ClockSource, Desk, DeskInstrument, Limits, Venue
from signalbox.gateway.gaps import Gaps
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.parking import Parking
from signalbox.messages import Bar, BarSource, FundingRate, Instrument, InstrumentKind, Quote
from signalbox.settings import Secret
from signalbox.telemetry import Health
from simulators.dydx.options import DydxOptions
from simulators.world import WorldOptions

START = datetime(2024, 3, 5, 0, 10, tzinfo=UTC)
SPEED = 240.0
WAIT_SECONDS_MAX = 60.0
FRAMES = ("1m", "5m")
DAY = timedelta(days=1)


MANY = tuple(f"M{number}-USD" for number in range(1, 36))
"""More than the indexer gives one connection."""
PATIENT = {"connect_seconds_max": 15.0, "stream_silence_seconds_max": 6.0, "stream_ping_seconds": 5.0}
"""The simulator of many markets is in this process, too."""


@pytest.fixture
def symbols() -> tuple[str, ...]:
    """What the venue has; a test may ask for more, and then time is the wall's."""
    return ("BTC-USD", "ETH-USD")


@pytest.fixture
def listed(symbols: tuple[str, ...]) -> datetime | None:
    """When the markets began to trade; None = long ago."""
    return START - (timedelta(minutes=5) if symbols is MANY else timedelta(hours=2))


@pytest.fixture
def world_options(symbols: tuple[str, ...], listed: datetime | None) -> WorldOptions:
    prices = (("BTC-USD", Decimal(100_000)), ("ETH-USD", Decimal(4_000))) if "BTC-USD" in symbols else ()
    speed = 1.0 if symbols is MANY else SPEED
    return WorldOptions(symbols=symbols, speed=speed, start=START, listed=listed, seed=7, prices=prices, accounts=())


@pytest.fixture
def dydx_options() -> DydxOptions:
    return DydxOptions(block_ms=50)


class Clock:
    """The desk clock of a gateway in the simulator's own process."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def now(self) -> datetime:
        at: datetime = self._world.now()
        return at

    def is_stale(self) -> bool:
        return False

    def wall_time_of(self, at: datetime) -> datetime:
        return datetime.now(UTC) + (at - self.now()) / SPEED


class Data:
    """Market data alone, on a bus, and what came of it."""

    def __init__(self, connect: Callable[[str], Awaitable[Bus]], venue: Any, recorder: Bus) -> None:
        self.connect, self.venue, self.recorder = connect, venue, recorder
        self.quotes: list[Quote] = []
        self.tape: list[Bar] = []
        self.tape_next = 1
        self.running: list[tuple[asyncio.Task[None], MarketData, IndexerRest, Bus]] = []

    @property
    def data(self) -> MarketData:
        return self.running[-1][1]

    async def start(self, symbols: tuple[str, ...] = ("BTC-USD", "ETH-USD"), **changes: Any) -> None:
        base = f"127.0.0.1:{self.venue.dydx.http_port}"
        settings = Settings(
            nats_url="",
            nats_user="gateway-dydx",
            nats_password=Secret("unused"),
            desk_file=Path("unused"),
            dydx_network=Network.LOCAL,
            **{
                "connect_seconds_max": 3.0,
                "retry_delay_seconds": 0.05,
                "retry_delay_seconds_max": 0.2,
                "stream_silence_seconds_max": 1.0,
                "stream_ping_seconds": 0.5,
                "data_reconcile_seconds": 0.5,
            }
            | changes,
        )
        desk = Desk(
            name="test",
            venues={"dydx": Venue(accounts=("unused",))},
            instruments=tuple(DeskInstrument(venue="dydx", symbol=symbol) for symbol in symbols),
            limits=Limits(**{name: 1 for name in Limits.__struct_fields__}),  # type: ignore[arg-type]
            clock=ClockSource.SIMULATED,
        )
        bus, clock = await self.connect("gateway-dydx"), Clock(self.venue.world)
        rest = IndexerRest(f"http://{base}", 2.0)
        frames = tuple(parse_timeframe(text) for text in FRAMES)
        self.health = Health("gateway-dydx")
        self.parking = Parking("dydx")
        self.unread = Unread(self.parking)
        offered, gaps = Instruments(bus, desk, "dydx"), Gaps("dydx")
        url = f"ws://{base}/v4/ws"
        data = MarketData(bus, clock, rest, offered, gaps, frames, url, settings, self.health, self.unread)
        self.running.append((asyncio.create_task(data.run()), data, rest, bus))

    async def stop(self) -> None:
        task, _, rest, bus = self.running.pop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rest.close()
        await bus.drain()

    async def eventually(self, condition: Callable[[], Any], what: str) -> Any:
        ends = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return result
            assert asyncio.get_running_loop().time() < ends, f"never: {what}"
            for task, *_ in self.running:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)

    async def bars(self, symbol: str = "BTC-USD", timeframe: str = "1m") -> list[Bar]:
        """Every bar of a symbol in BARS, in order."""
        async for received in self.recorder.read("BARS", ">", self.tape_next):
            self.tape.append(messages.decode(received.payload, Bar))
            self.tape_next = received.sequence + 1
        return [bar for bar in self.tape if (bar.symbol, bar.timeframe) == (symbol, timeframe)]

    async def live_until(self, at: datetime, symbol: str = "BTC-USD") -> list[Bar]:
        """Wait until a live bar has reached `at`; all bars of the symbol."""

        async def reached() -> list[Bar]:
            found = await self.bars(symbol)
            return found if found and found[-1].at >= at and found[-1].source is BarSource.LIVE else []

        result: list[Bar] = await self.eventually(reached, f"live bars until {at}")
        return result

    def later(self, **desk_time: float) -> datetime:
        at: datetime = self.venue.world.now() + timedelta(**desk_time)
        return at


@pytest.fixture
async def data(nats_server: Any, venue: Any) -> AsyncIterator[Data]:
    await venue.do("rest_rate_limit", requests=0)
    recorder, risk = await nats_server.connect("recorder"), await nats_server.connect("risk")
    made = Data(nats_server.connect, venue, recorder)

    async def quote(received: Received) -> None:
        made.quotes.append(messages.decode(received.payload, Quote))

    await risk.subscribe(subjects.ALL_QUOTES, quote)
    yield made
    while made.running:
        await made.stop()


def whole(data: Data, found: list[Bar], symbol: str = "BTC-USD") -> None:
    """Every minute that had trades once, in order, and as the venue's own history has it."""
    starts = [bar.start for bar in found]
    assert starts == sorted(set(starts))
    end = found[-1].at
    told = data.venue.world.history(symbol, end, end - found[0].start, 60, regular_hours_only=False)
    expected = {each.start: each for each in told if each.trades and found[0].start <= each.start < end}
    assert starts == sorted(expected)
    for bar in found:
        each = expected[bar.start]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            each.open,
            each.high,
            each.low,
            each.close,
            each.volume,
        ), bar


@pytest.mark.parametrize("listed", [None])
async def test_history_and_live_bars_meet_without_gap_or_overlap(data: Data) -> None:
    await data.start()
    found = await data.live_until(data.later(minutes=12))
    whole(data, found)
    assert found[0].start.date() == START.date() - DAY
    assert {bar.source for bar in found} == {BarSource.LIVE, BarSource.BACKFILL}
    whole(data, await data.live_until(START, "ETH-USD"), "ETH-USD")


async def test_the_bars_of_a_market_that_is_new_begin_with_it(data: Data, listed: datetime) -> None:
    await data.start()
    found = await data.live_until(START)
    whole(data, found)
    assert found[0].start == listed


async def test_coarser_bars_are_those_of_the_minutes(data: Data) -> None:
    await data.start(("BTC-USD",))
    await data.live_until(data.later(minutes=8))
    fives = await data.bars(timeframe="5m")
    ones = await data.bars()
    assert all(later.start - earlier.start == timedelta(minutes=5) for earlier, later in pairwise(fives))
    for five in fives:
        mine = [bar for bar in ones if five.start <= bar.start < five.at]
        assert five.volume == sum(bar.volume for bar in mine)
        assert five.close == mine[-1].close


async def test_a_restart_goes_on_where_the_last_bar_ended(data: Data) -> None:
    await data.start(("BTC-USD",))
    await data.live_until(START)
    await data.stop()
    missed = data.later(minutes=2)
    await data.eventually(lambda: data.venue.world.now() > missed, "minutes that nobody sees")
    await data.start(("BTC-USD",))
    whole(data, await data.live_until(data.later(minutes=3)))


@pytest.mark.parametrize(
    "faults",
    [
        [("cut_websockets", {}), ("half_open", {})],
        [
            ("drop_updates", {"count": 200, "channel": "v4_candles"}),
            ("drop_updates", {"count": 200, "channel": "v4_trades"}),
            ("duplicate_updates", {"count": 20, "channel": "v4_trades"}),
            ("reorder_updates", {"count": 5, "channel": "v4_candles"}),
        ],
        [("refuse_rest", {"count": 10, "status": 503}), ("delay_updates_ms", {"milliseconds": 700})],
    ],
    ids=["connections", "updates", "answers"],
)
async def test_whatever_happens_every_minute_is_there_once_and_right(
    data: Data, faults: list[tuple[str, dict[str, Any]]]
) -> None:
    await data.start(("BTC-USD",))
    await data.live_until(START)
    for fault, arguments in faults:
        await data.venue.do(fault, **arguments)
        whole(data, await data.live_until(data.later(minutes=5)))


async def test_without_rest_the_gateway_waits_for_its_markets(data: Data) -> None:
    await data.venue.do("refuse_rest", count=6, status=503)
    await data.start(("BTC-USD",))
    whole(data, await data.live_until(START))


async def test_quotes_are_the_books_top_with_last_trade_and_oracle(data: Data) -> None:
    await data.start()
    quotes = await data.eventually(
        lambda: [quote for quote in data.quotes if quote.symbol == "BTC-USD" and quote.last and quote.oracle_price],
        "whole quotes",
    )
    await data.eventually(lambda: len(data.quotes) > 20, "quotes")
    for quote in quotes:
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask
        assert quote.bid_size > 0 < quote.ask_size
        assert abs(quote.oracle_price / quote.bid - 1) < Decimal("0.05")
        assert quote.received_at.tzinfo is not None


async def test_a_crossed_book_is_never_a_crossed_quote(data: Data, metric: Callable[..., float]) -> None:
    before = metric("signalbox_dydx_book_resyncs_total", symbol="BTC-USD", reason="crossed")
    await data.start()
    await data.eventually(lambda: data.quotes, "quotes")
    await data.venue.do("crossed_book", symbol="BTC-USD")
    await data.eventually(
        lambda: metric("signalbox_dydx_book_resyncs_total", symbol="BTC-USD", reason="crossed") > before, "a resync"
    )
    await data.venue.do("crossed_book", symbol="BTC-USD", on=False)
    mark = len(data.quotes)
    await data.eventually(lambda: len(data.quotes) > mark + 5, "quotes after it")
    assert all(quote.bid is None or quote.ask is None or quote.bid < quote.ask for quote in data.quotes)


async def test_no_quote_comes_while_the_link_is_down(data: Data) -> None:
    await data.start()
    await data.eventually(lambda: data.quotes, "quotes")
    (connection,) = data.data.connections
    await connection.stream.up()
    await data.venue.do("half_open", next_connections=100)
    await data.eventually(lambda: not connection.stream.is_up, "the watchdog")
    mark, later = len(data.quotes), data.later(minutes=2)
    await data.eventually(lambda: data.venue.world.now() > later, "minutes without quotes")
    assert len(data.quotes) <= mark + 2  # one of each symbol may have been on its way


async def test_instruments_and_funding_rates_are_in_state(data: Data) -> None:
    await data.start()

    async def as_the_chain_has_it() -> bool:
        received = await data.recorder.last("STATE", subjects.funding("dydx", "BTC-USD"))
        rate: Decimal = data.venue.chain.funding_rate("BTC-USD")
        if received is None:
            return False
        told = messages.decode(received.payload, FundingRate)
        return bool(told.rate == rate and told.oracle_price is not None and told.oracle_price > 0)

    await data.eventually(as_the_chain_has_it, "the present funding rate")
    stored = await data.recorder.last("STATE", subjects.instrument("dydx", "BTC-USD"))
    assert stored is not None
    instrument = messages.decode(stored.payload, Instrument)
    (market,) = (market for market in data.venue.chain.markets if market.ticker == "BTC-USD")
    assert (instrument.kind, instrument.exchange, instrument.calendar) == (InstrumentKind.PERPETUAL, "DYDX", "24/7")
    assert (instrument.tick_size, instrument.lot_size) == (market.tick_size, market.step_size)
    assert instrument.initial_margin == market.initial_margin_fraction
    assert instrument.maintenance_margin == market.maintenance_margin_fraction


async def test_a_symbol_that_the_venue_does_not_have_is_left_out_and_the_others_work(
    data: Data, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        await data.start(("BTC-USD", "NOBODY-USD"))
        await data.eventually(lambda: data.quotes, "quotes")
    assert data.data._instruments.left_out == {"NOBODY-USD": "the venue has no market NOBODY-USD"}


# ------------------------------------------------------------------------------------------------ many connections


async def all_live(data: Data) -> None:
    """Wait until every market has its data."""
    await data.eventually(lambda: len(data.data._boards) == len(MANY), "all markets")
    await data.eventually(lambda: not data.data.why_no_data(), f"data of all: {data.data.why_no_data()}")
    await data.eventually(lambda: all(each.live == set(each.symbols) for each in data.data.connections), "live bars")


@pytest.mark.parametrize("symbols", [MANY])
async def test_more_markets_than_a_connection_may_carry_have_quotes_all(data: Data) -> None:
    await data.start(MANY, **PATIENT)
    await all_live(data)
    assert [len(connection.symbols) for connection in data.data.connections] == [32, 3]
    await data.eventually(lambda: {quote.symbol for quote in data.quotes} == set(MANY), "quotes of all")
    await data.eventually(lambda: not data.health.waiting_for, "ready")


@pytest.mark.parametrize("symbols", [MANY])
async def test_what_one_connection_of_many_loses_is_lost_for_its_markets_alone(data: Data) -> None:
    await data.start(MANY, **PATIENT)
    await all_live(data)
    here, lost = data.data.connections
    await data.venue.do("half_open", symbol=lost.symbols[0], next_connections=1000)
    await data.eventually(lambda: set(data.data.why_no_data()) == set(lost.symbols), "the lost ones, and no others")
    assert all(reason.startswith("the indexer's websocket: ") for reason in data.data.why_no_data().values())
    mark = len(data.quotes)
    await data.eventually(
        lambda: {quote.symbol for quote in data.quotes[mark:]} == set(here.symbols), "quotes of the others"
    )
    assert here.live == set(here.symbols)
    await data.venue.do("half_open", symbol="nobody", next_connections=0)
    await all_live(data)


@pytest.mark.parametrize("channel", ["v4_orderbook", "v4_trades", "v4_candles"])
async def test_a_subscription_that_is_refused_stops_its_market_alone_and_is_asked_for_again(
    data: Data, channel: str
) -> None:
    id = "ETH-USD/1MIN" if channel == "v4_candles" else "ETH-USD"
    await data.venue.do("refuse_subscriptions", count=1000, channel=channel, id=id)
    await data.start()
    refused = f"{channel} is refused: Internal error, could not fetch data for subscription: {channel}."
    await data.eventually(lambda: data.data.why_no_data() == {"ETH-USD": refused}, "one market without data")
    await data.eventually(lambda: not data.health.waiting_for, "ready with the others")
    whole(data, await data.live_until(START))
    await data.venue.do("refuse_subscriptions", count=0)
    await data.eventually(lambda: not data.data.why_no_data(), "the data of all")


async def test_the_gateway_is_not_ready_while_no_market_has_data(data: Data) -> None:
    await data.venue.do("refuse_subscriptions", count=1000, channel="v4_orderbook")
    await data.start()
    await data.eventually(
        lambda: any("v4_orderbook is refused" in reason for reason in data.health.waiting_for), "the reason"
    )
    await data.venue.do("refuse_subscriptions", count=0)
    await data.eventually(lambda: not data.health.waiting_for, "ready")


# ------------------------------------------------------------------------------- rows that make no sense


async def test_a_candle_that_nobody_can_read_is_a_hole_and_the_others_are_bars(
    data: Data, metric: Callable[..., float]
) -> None:
    before = metric("signalbox_venue_gaps_total", venue="dydx", outcome="given_up")
    await data.venue.do("garble", field="baseTokenVolume", value="lots", symbol="BTC-USD")
    await data.start()
    await data.eventually(
        lambda: metric("signalbox_venue_gaps_total", venue="dydx", outcome="given_up") > before, "rows set aside"
    )
    await data.venue.do("ungarble")
    await data.live_until(data.later(minutes=2))
    whole(data, await data.live_until(START, "ETH-USD"), "ETH-USD")
    assert data.parking.symbols == {}


@pytest.mark.parametrize("field", ["price", "size"])
async def test_a_book_that_can_not_be_read_stops_its_market_alone_until_it_can_be(data: Data, field: str) -> None:
    await data.start()
    await data.eventually(lambda: data.quotes and not data.data.why_no_data(), "data of both")
    await data.venue.do("garble", field=field, value="much", symbol="ETH-USD")
    await data.venue.do("cut_websockets")
    await data.eventually(lambda: set(data.data.why_no_data()) == {"ETH-USD"}, "one market without quotes")
    mark = len(data.quotes)
    await data.eventually(lambda: len(data.quotes) > mark + 10, "quotes of the other")
    assert {quote.symbol for quote in data.quotes[mark:]} == {"BTC-USD"}
    await data.venue.do("ungarble")
    await data.eventually(lambda: not data.data.why_no_data(), "data of both")


async def test_a_market_that_can_be_read_later_is_offered_then(data: Data) -> None:
    await data.venue.do("garble", field="tickSize", value="none", symbol="ETH-USD")
    await data.start()
    await data.eventually(lambda: data.quotes, "quotes")
    reason = "what the venue says of it: market: tickSize is 'none', which is not a number"
    assert data.data._instruments.left_out == {"ETH-USD": reason}
    await data.venue.do("ungarble")
    await data.eventually(lambda: {quote.symbol for quote in data.quotes} == {"BTC-USD", "ETH-USD"}, "quotes of both")
    whole(data, await data.live_until(START, "ETH-USD"), "ETH-USD")


# ------------------------------------------------------------------------------------------------ what is lost


@pytest.fixture
def resyncs(metric: Callable[..., float]) -> Callable[[str, str], float]:
    return lambda symbol, reason: metric("signalbox_dydx_book_resyncs_total", symbol=symbol, reason=reason)


@pytest.mark.parametrize("channel", ["v4_orderbook", "v4_trades", "v4_candles", "v4_markets", "v4_block_height"])
async def test_a_lost_message_is_seen_by_its_number_and_everything_is_asked_for(
    data: Data, metric: Callable[..., float], channel: str
) -> None:
    await data.start()
    await data.live_until(START)
    before = metric("signalbox_dydx_messages_lost_total", connection="data")
    await data.venue.do("lose_messages", count=3, channel=channel)
    await data.eventually(lambda: metric("signalbox_dydx_messages_lost_total", connection="data") > before, "the loss")
    await data.eventually(lambda: not data.data.why_no_data(), "data of both")
    whole(data, await data.live_until(data.later(minutes=4)))


@pytest.mark.parametrize("symbols", [MANY])
async def test_a_message_lost_on_one_connection_of_many_concerns_its_markets_alone(
    data: Data, resyncs: Callable[[str, str], float]
) -> None:
    await data.start(MANY, **PATIENT)
    await all_live(data)
    before = {symbol: resyncs(symbol, "gap") for symbol in MANY}
    await data.venue.do("lose_messages", count=1, channel="v4_candles")

    def renewed() -> set[str]:
        return {symbol for symbol in MANY if resyncs(symbol, "gap") > before[symbol]}

    await data.eventually(renewed, "books asked for")
    (concerned,) = [each for each in data.data.connections if set(each.symbols) & renewed()]
    await data.eventually(lambda: renewed() == set(concerned.symbols), "all of that connection")
    await all_live(data)
    assert renewed() == set(concerned.symbols)


async def test_a_level_whose_removal_is_lost_inside_the_spread_does_not_stay(
    data: Data, resyncs: Callable[[str, str], float]
) -> None:
    await data.venue.do("book_apart", symbol="BTC-USD", ticks=1000)
    await data.start()
    await data.eventually(lambda: not data.data.why_no_data() and data.quotes, "data of both")
    before = resyncs("BTC-USD", "differs")
    price = data.venue.price("BTC-USD")
    await data.venue.do("lose_removal", symbol="BTC-USD", side="BUY", price=float(price), size=1)
    await data.eventually(lambda: any(quote.bid == price for quote in data.quotes), "it looks like the best price")
    await data.eventually(lambda: resyncs("BTC-USD", "differs") > before, "the book asked for")
    mark = len(data.quotes)
    await data.eventually(lambda: any(each.symbol == "BTC-USD" for each in data.quotes[mark:]), "quotes without it")
    assert all(quote.bid != price for quote in data.quotes[mark:])
