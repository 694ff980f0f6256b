"""Trades, candles and books: arithmetic alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.exchange.quoting import MarketBar, MarketQuote
from simulators.dydx.candles import RESOLUTIONS, Candles, floor
from simulators.dydx.markets import MARKET_OF_TICKER, MARKETS
from simulators.dydx.order_book import LEVELS, book_of, changes
from simulators.dydx.trades import Tape, prints
from simulators.world import World, WorldOptions

AT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
BTC = MARKET_OF_TICKER["BTC-USD"]


def bar_of(open_: int, high: int, low: int, close: int, steps: int) -> MarketBar:
    prices = [Decimal(price) for price in (open_, high, low, close)]
    return MarketBar("BTC-USD", AT, 5, *prices, steps * BTC.step_size, sum(prices) / 4, 1 if steps else 0)


@st.composite
def bars(draw: st.DrawFn) -> MarketBar:
    low, rise = draw(st.integers(1, 100_000)), draw(st.integers(0, 50))
    open_, close = draw(st.integers(low, low + rise)), draw(st.integers(low, low + rise))
    return bar_of(open_, low + rise, low, close, draw(st.integers(4, 10_000)))


@given(bars())
def test_the_trades_of_a_bar_make_the_bar(bar: MarketBar) -> None:
    made = prints(bar, BTC.step_size)
    assert sum(size for _, _, size in made) == bar.volume
    assert all(size > 0 and size % BTC.step_size == 0 for _, _, size in made)
    prices = [price for _, price, _ in made]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (bar.open, bar.high, bar.low, bar.close)
    assert all(timedelta() <= at < timedelta(seconds=5) for at, _, _ in made)


def test_a_silent_bar_has_no_trades() -> None:
    assert prints(bar_of(5, 5, 5, 5, 0), BTC.step_size) == ()


def test_a_bar_too_thin_for_its_prices_is_one_trade_at_its_close() -> None:
    assert [(price, size) for _, price, size in prints(bar_of(5, 9, 1, 6, 1), BTC.step_size)] == [
        (Decimal(6), BTC.step_size)
    ]


def quote_of(bid: int, ask: int) -> MarketQuote:
    one = Decimal(1)
    return MarketQuote("BTC-USD", AT, Decimal(bid), Decimal(ask), one, 2 * one, one, one, one, one, one, one, one)


@given(st.integers(1, 100_000), st.integers(1, 3))
def test_a_book_is_sorted_uncrossed_and_on_tick_and_step(bid: int, spread: int) -> None:
    book = book_of(quote_of(bid, bid + spread), BTC)
    assert list(book.bids) == sorted(book.bids, reverse=True)
    assert list(book.asks) == sorted(book.asks)
    assert len(book.asks) == LEVELS
    assert max(book.bids) < min(book.asks)
    for levels in (book.bids, book.asks):
        assert all(price > 0 and price % BTC.tick_size == 0 for price in levels)
        assert all(size > 0 and size % BTC.step_size == 0 for size in levels.values())


@given(st.integers(20, 100_000), st.integers(20, 100_000))
def test_changes_turn_one_book_into_the_other(one: int, other: int) -> None:
    before, after = book_of(quote_of(one, one + 1), BTC).bids, book_of(quote_of(other, other + 1), BTC).bids
    levels = dict(before)
    for price, size in changes(before, after):
        levels[price] = size
    assert {price: size for price, size in levels.items() if size} == after


def test_the_same_book_has_no_changes() -> None:
    book = book_of(quote_of(100, 101), BTC)
    assert changes(book.asks, book_of(quote_of(100, 101), BTC).asks) == []


async def test_candles_taken_while_the_world_runs_are_those_of_its_history() -> None:
    end = AT + timedelta(minutes=12)
    options = WorldOptions(symbols=("BTC-USD",), accounts=(), start=AT + timedelta(seconds=35), speed=float("inf"))
    world = World(options)
    candles, tape = Candles(world, ["BTC-USD"]), Tape()

    async def take(bar: MarketBar) -> None:
        candles.take(bar, tape.add_bar(bar, BTC.step_size, 1), Decimal(0))
        if bar.start >= end:
            world.stop()

    world.on_bar(take)
    await world.run()
    fresh = Candles(world, ["BTC-USD"])
    for resolution in RESOLUTIONS:
        live = candles.last("BTC-USD", resolution, 10, AT - timedelta(days=2))
        past = fresh.last("BTC-USD", resolution, 10, AT - timedelta(days=2))
        assert [(c.started_at, c.open, c.high, c.low, c.close, c.volume) for c in live] == [
            (c.started_at, c.open, c.high, c.low, c.close, c.volume) for c in past
        ], resolution


@pytest.mark.parametrize("seconds", RESOLUTIONS.values())
def test_candles_begin_on_the_clock(seconds: int) -> None:
    start = floor(AT + timedelta(seconds=59), seconds)
    assert start <= AT + timedelta(seconds=59) < start + timedelta(seconds=seconds)
    assert start.timestamp() % seconds == 0


def test_every_market_has_its_own_tape() -> None:
    tape = Tape()
    for market in MARKETS:
        assert tape.last(market.ticker) == []
    assert len(tape.add_bar(bar_of(5, 9, 1, 6, 100), BTC.step_size, 7)) == 4
    assert [trade.price for trade in tape.last("BTC-USD")] == [6, 9, 1, 5]
    assert tape.last("ETH-USD") == []
