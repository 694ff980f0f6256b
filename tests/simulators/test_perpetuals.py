"""The world of perpetuals: always open, makers and takers, money of its own, prices that can be set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox.errors import ConfigurationError
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import OrderTerms, RefusalReason, VenueOrder, VenueOrderStatus
from signalbox.exchange.quoting import MarketBar, MarketQuote
from signalbox.messages import Liquidity, OrderType, Side, TimeInForce
from simulators.control import ControlServer, WorldControl
from simulators.listings import DYDX, IBKR
from simulators.world import UNLIMITED, World, WorldOptions

ACCOUNT = "dydx1test-0"
START = datetime(2026, 3, 1, 22, 13, tzinfo=UTC)
MARKETS = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "PEPE-USD")


def world_of(**changes: Any) -> World:
    options = {"symbols": ("BTC-USD",), "accounts": (), "start": START, "speed": UNLIMITED, "step_seconds": 1}
    world = World(WorldOptions(**options | changes))
    world.open_account(ACCOUNT)
    return world


def terms(quantity: str = "0.01", limit: object = None, side: Side = Side.BUY, symbol: str = "BTC-USD") -> OrderTerms:
    return OrderTerms(
        account=ACCOUNT,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=None if limit is None else Decimal(str(limit)),
        time_in_force=TimeInForce.GTC,
    )


async def run_to(world: World, end: datetime, look: Callable[[MarketQuote], object] = lambda _: None) -> None:
    """Run until desk time has reached `end`."""

    async def stop(quote: MarketQuote) -> None:
        look(quote)
        if world.now() >= end:
            world.stop()

    world.on_quote(stop)
    async with asyncio.timeout(60):
        await world.run()


def only(world: World) -> VenueOrder:
    (order,) = world.orders()
    return order


# ----------------------------------------------------------------------------------------------------- the market


async def test_perpetuals_trade_through_midnight_without_a_gap() -> None:
    world, bars = world_of(symbols=MARKETS, start=START.replace(hour=23, minute=55)), []

    async def note(bar: MarketBar) -> None:
        bars.append(bar)

    world.on_bar(note)
    midnight = START.replace(hour=0, minute=0) + timedelta(days=1)
    await run_to(world, midnight + timedelta(minutes=5))
    for symbol in MARKETS:
        own = [bar for bar in bars if bar.symbol == symbol]
        assert all(later.start - earlier.start == timedelta(seconds=5) for earlier, later in pairwise(own))
        assert all(abs(later.open / earlier.close - 1) < Decimal("0.002") for earlier, later in pairwise(own))
    minutes = world.history("BTC-USD", world.now(), timedelta(minutes=10), 60, regular_hours_only=True)
    assert len(minutes) == 10
    day = world.quote("BTC-USD")
    assert day is not None
    assert day.volume == sum(bar.volume for bar in bars if bar.symbol == "BTC-USD" and bar.start >= midnight)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(MARKETS), st.integers(min_value=0, max_value=86_399), st.integers())
def test_quotes_are_on_tick_in_lots_and_worth_what_such_quotes_are(symbol: str, second: int, seed: int) -> None:
    start = START.replace(hour=0, minute=0) + timedelta(seconds=second)
    world = world_of(symbols=(symbol,), seed=seed, start=start, speed=0)
    quote, (listing,) = world.quote(symbol), world.listings
    assert quote is not None
    assert quote.bid <= quote.last <= quote.ask
    assert not any(price % listing.tick for price in (quote.bid, quote.ask))
    for size in (quote.bid_size, quote.ask_size):
        assert not size % listing.lot
        assert 5_000 < size * listing.reference_price <= 310_000
    assert quote.last_size > 0


def test_the_price_at_the_start_is_the_one_that_was_asked_for() -> None:
    world = world_of(prices=(("BTC-USD", Decimal(123_456)),), speed=0)
    quote = world.quote("BTC-USD")
    assert quote is not None
    assert world.last("BTC-USD") == quote.last == 123_456
    assert world.history("BTC-USD", START, timedelta(minutes=1), 60, regular_hours_only=False)[-1].close == 123_456


async def test_the_market_goes_on_from_the_price_it_was_given() -> None:
    lasts: list[Decimal] = []
    world = world_of(prices=(("BTC-USD", Decimal(123_456)),))
    await run_to(world, START + timedelta(minutes=10), lambda quote: lasts.append(quote.last))
    assert len(set(lasts)) > 10
    assert all(abs(last / 123_456 - 1) < Decimal("0.02") for last in lasts)


@pytest.mark.parametrize("price", [("ETH-USD", Decimal(1)), ("BTC-USD", Decimal("0.5"))])
def test_a_first_price_that_can_not_be_is_a_mistake(price: tuple[str, Decimal]) -> None:
    with pytest.raises(ConfigurationError):
        world_of(prices=(price,))


def test_a_perpetual_that_dydx_does_not_have_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="no market of the simulated dYdX"):
        world_of(symbols=("XRP-USD",))


# -------------------------------------------------------------------------------------------------- makers, takers


def test_an_order_trades_before_the_first_step() -> None:
    world = world_of(speed=0)
    assert world.submit(terms()).status is VenueOrderStatus.FILLED


def test_what_takes_at_once_is_a_taker_and_what_has_rested_a_maker_at_its_own_price() -> None:
    world = world_of(speed=0, prices=(("BTC-USD", Decimal(100_000)),))
    world.submit(terms(limit=100_100))
    world.submit(terms(limit=90_000))
    world.set_price("BTC-USD", Decimal(80_000))
    taken, made = world.executions()
    assert (taken.liquidity, taken.price <= 100_100) == (Liquidity.TAKER, True)
    assert (made.liquidity, made.price) == (Liquidity.MAKER, 90_000)


def test_a_limit_beyond_the_market_takes_at_the_markets_price_until_the_market_has_left_it() -> None:
    world = world_of(speed=0, prices=(("BTC-USD", Decimal(100_000)),))
    number = world.submit(terms("50", limit=101_000)).number
    world.set_price("BTC-USD", Decimal(100_500))
    world.set_price("BTC-USD", Decimal(102_000))
    order = world.order(number)
    assert order is not None
    taken = [each for each in world.executions() if each.number == number]
    assert [each.liquidity for each in taken] == [Liquidity.TAKER, Liquidity.TAKER]
    assert [round(each.price, -2) for each in taken] == [100_000, 100_500]
    assert order.leaves == 50 - sum(each.quantity for each in taken) > 0
    world.set_price("BTC-USD", Decimal(100_000))
    made = world.executions()[len(taken)]
    assert (made.number, made.liquidity, made.price) == (number, Liquidity.MAKER, 101_000)


def test_a_fee_rule_is_given_account_liquidity_and_notional() -> None:
    world, asked = world_of(speed=0, prices=(("BTC-USD", Decimal(100_000)),)), []

    def rule(account: str, listing: Listing, liquidity: Liquidity, notional: Decimal) -> Decimal:
        asked.append((account, listing.key, liquidity, notional))
        return notional / 1000 if liquidity is Liquidity.TAKER else -notional / 10_000

    world.charge(DYDX, rule)
    world.submit(terms("0.01"))
    world.submit(terms("0.01", limit=90_000))
    world.set_price("BTC-USD", Decimal(85_000))
    taken, made = world.executions()
    assert asked == [
        (ACCOUNT, "BTC-USD", Liquidity.TAKER, taken.price / 100),
        (ACCOUNT, "BTC-USD", Liquidity.MAKER, Decimal(900)),
    ]
    assert (taken.commission, made.commission) == (taken.price / 100_000, Decimal("-0.09"))
    assert world.figures(ACCOUNT).cash["USD"] == -taken.price / 100 - 900 - taken.commission - made.commission


def test_the_margin_of_a_perpetual_is_not_the_worlds_to_check() -> None:
    world = world_of(speed=0, prices=(("BTC-USD", Decimal(100_000)),))
    order = world.submit(terms("5", limit=90_000))
    assert order.status is VenueOrderStatus.WORKING
    assert world.modify(order.number, limit_price=Decimal(91_000)) is None
    refusal = world.modify(order.number, limit_price=Decimal("91_000.5"))
    assert refusal is not None
    assert refusal.reason is RefusalReason.BAD_TERMS


def test_executions_are_read_from_where_one_was() -> None:
    world = world_of(speed=0)
    world.submit(terms())
    assert [each.number for each in world.executions_since(0)] == [only(world).number]
    assert world.executions_since(1) == ()
    world.submit(terms())
    assert world.executions_since(1) == world.executions()[1:]


# ------------------------------------------------------------------------------------------------------ the money


def test_cash_may_be_added_and_taken_below_nothing_and_once_for_each_key() -> None:
    world = world_of(speed=0)
    world.adjust_cash(ACCOUNT, "USD", Decimal(100), "deposit", "block 7")
    world.adjust_cash(ACCOUNT, "USD", Decimal(100), "deposit", "block 7")
    world.adjust_cash(ACCOUNT, "USD", Decimal("-100.5"), "funding")
    assert world.figures(ACCOUNT).cash == {"USD": Decimal("-0.5")}
    with pytest.raises(KeyError):
        world.adjust_cash("nobody", "USD", Decimal(1), "deposit")


def test_each_venue_has_its_own_accounts_and_listings() -> None:
    world = world_of(symbols=("SPY", "BTC-USD"), accounts=("DU1",), speed=0)
    assert (world.accounts_of(IBKR), world.accounts_of(DYDX)) == (("DU1",), (ACCOUNT,))
    assert [listing.key for listing in world.listings_of(DYDX)] == ["BTC-USD"]
    assert "SPY" in [listing.key for listing in world.listings_of(IBKR)]
    world.submit(terms())
    assert (len(world.orders_of(DYDX)), len(world.orders_of(IBKR))) == (1, 0)
    assert (len(world.executions_of(DYDX)), len(world.executions_of(IBKR))) == (1, 0)


async def test_a_killed_world_keeps_accounts_money_prices_and_resting_orders(tmp_path: Path) -> None:
    changes = {"books_file": tmp_path / "books", "prices": (("BTC-USD", Decimal(100_000)),)}
    world = world_of(**changes)
    world.adjust_cash(ACCOUNT, "USD", Decimal(5_000), "deposit", "one")
    world.submit(terms())
    world.submit(terms(limit=50_000))
    await run_to(world, START + timedelta(seconds=30))
    world = world_of(**changes, speed=0)
    world.set_price("BTC-USD", Decimal(60_000))
    again = world_of(**changes, speed=0)  # without a close: as after a kill
    assert again.last("BTC-USD") == 60_000
    assert again.snapshot() == world.snapshot()
    assert again.accounts_of(DYDX) == (ACCOUNT,)
    again.adjust_cash(ACCOUNT, "USD", Decimal(5_000), "deposit", "one")
    assert again.snapshot() == world.snapshot()
    again.set_price("BTC-USD", Decimal(49_000))
    assert [each.liquidity for each in again.executions()] == [Liquidity.TAKER, Liquidity.MAKER]
    history = again.history("BTC-USD", START, timedelta(minutes=1), 60, regular_hours_only=False)
    assert history[-1].close == 100_000
    world.close()
    again.close()


# -------------------------------------------------------------------------------------------------------- two venues


async def test_closed_hours_of_the_stocks_are_jumped_over_and_the_perpetuals_minutes_are_history() -> None:
    friday = datetime(2024, 3, 8, 20, 59, tzinfo=UTC)
    world = world_of(symbols=("SPY", "BTC-USD"), accounts=("DU1",), start=friday, step_seconds=5)
    times: list[datetime] = []

    def look(quote: MarketQuote) -> None:
        if quote.symbol == "BTC-USD":
            times.append(quote.at)

    monday = datetime(2024, 3, 11, 8, tzinfo=UTC)
    await run_to(world, monday + timedelta(minutes=1), look)
    longest = max(later - earlier for earlier, later in pairwise(times))
    assert longest > timedelta(days=2)
    minutes = world.history("BTC-USD", monday, timedelta(days=2), 60, regular_hours_only=False)
    assert len(minutes) == 2 * 1440
    quote = world.quote("BTC-USD")
    assert quote is not None
    assert abs(quote.last / minutes[-1].close - 1) < Decimal("0.01")


async def test_a_night_within_one_day_is_jumped_over_too() -> None:
    evening = datetime(2024, 3, 6, 0, 59, tzinfo=UTC)
    world = world_of(symbols=("SPY", "BTC-USD"), accounts=("DU1",), start=evening, step_seconds=5)
    quotes: list[MarketQuote] = []
    morning = datetime(2024, 3, 6, 9, 1, tzinfo=UTC)
    await run_to(world, morning, quotes.append)
    shown = [quote for quote in quotes if quote.symbol == "BTC-USD"]
    assert any(later.at - earlier.at > timedelta(hours=8) for earlier, later in pairwise(shown))
    (day,) = world.history("BTC-USD", morning, timedelta(days=1), 86_400, regular_hours_only=False)[-1:]
    assert (shown[-1].volume, shown[-1].day_high, shown[-1].day_low) == (day.volume, day.high, day.low)


async def test_a_stop_of_stocks_hears_of_a_price_that_was_set() -> None:
    world = world_of(
        symbols=("SPY",), accounts=("DU1",), start=datetime(2024, 3, 5, 15, tzinfo=UTC), step_seconds=5, speed=UNLIMITED
    )
    stop = OrderTerms(
        account="DU1",
        symbol="SPY",
        side=Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.STOP,
        stop_price=Decimal(100),
    )
    number = world.submit(stop).number
    await run_to(world, datetime(2024, 3, 5, 15, 1, tzinfo=UTC))
    world.set_price("SPY", Decimal(99))
    order = world.order(number)
    assert order is not None
    assert (order.status, order.average_price <= 99) == (VenueOrderStatus.FILLED, True)


# ------------------------------------------------------------------------------------------------- the control port


async def test_the_control_port_sets_a_price() -> None:
    world = world_of(speed=0)
    control = ControlServer(WorldControl(world, world.stop).commands(), "127.0.0.1", 0)
    reply = await control.answer(b'{"do": "set_price", "symbol": "BTC-USD", "price": "77000"}')
    assert reply == {"ok": True, "symbol": "BTC-USD", "price": "77000"}
    assert world.last("BTC-USD") == 77_000
    off_tick = await control.answer(b'{"do": "set_price", "symbol": "BTC-USD", "price": "77000.5"}')
    assert "positive multiple of 1" in off_tick["error"]
    assert "no symbol" in (await control.answer(b'{"do": "set_price", "symbol": "X", "price": 1}'))["error"]


async def test_listeners_hear_of_a_price_that_was_set_while_time_stands_still() -> None:
    world, heard = world_of(speed=0), asyncio.Event()

    async def look(quote: MarketQuote) -> None:
        if quote.last == 77_000:
            heard.set()

    world.on_quote(look)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(world.run())
        world.set_price("BTC-USD", Decimal(77_000))
        await heard.wait()
        world.stop()
