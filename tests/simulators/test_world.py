"""The world as a whole, at unlimited speed: sessions, orders over time, restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from signalbox.errors import ConfigurationError
from signalbox.exchange.orders import Filled, OrderTerms, RefusalReason, VenueOrder, VenueOrderEvent, VenueOrderStatus
from signalbox.exchange.quoting import MarketBar, MarketQuote, SessionEvent, SessionPhase
from signalbox.messages import OrderType, Side, TimeInForce
from simulators.world import UNLIMITED, World, WorldOptions

ACCOUNT = "DU1234567"
DAY = datetime(2024, 1, 3, tzinfo=UTC)
OPEN, CLOSE = DAY + timedelta(hours=14, minutes=30), DAY + timedelta(hours=21)


def world_of(**changes: Any) -> World:
    options = {"symbols": ("SPY",), "start": OPEN - timedelta(minutes=5), "days": 1, "speed": UNLIMITED} | changes
    return World(WorldOptions(**options))


def terms(quantity: int = 100, kind: OrderType = OrderType.MARKET, **changes: Any) -> OrderTerms:
    facts = {"account": ACCOUNT, "symbol": "SPY", "side": Side.BUY} | changes
    return OrderTerms(quantity=Decimal(quantity), order_type=kind, **facts)


def at(world: World, when: datetime, action: Callable[[], object]) -> None:
    """Do something once desk time has reached `when`, between two steps."""
    done = []

    async def look(_: MarketBar) -> None:
        if world.now() >= when and not done:
            done.append(True)
            action()

    world.on_bar(look)


def at_phase(world: World, phase: SessionPhase, action: Callable[[SessionEvent], object]) -> None:
    async def look(event: SessionEvent) -> None:
        if event.phase is phase and event.calendar == "XNYS":
            action(event)

    world.on_session(look)


def collector(items: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def collect(item: Any) -> None:
        items.append(item)

    return collect


def only(world: World) -> VenueOrder:
    (order,) = world.orders()
    return order


# ----------------------------------------------------------------------------------------------------- sessions


async def test_a_day_of_five_second_bars_is_without_gap() -> None:
    world, bars, quotes = world_of(start=DAY + timedelta(hours=9)), [], []
    world.on_bar(collector(bars))
    world.on_quote(collector(quotes))
    await world.run_to_end()
    spy = [bar for bar in bars if bar.symbol == "SPY"]
    assert [bar.start for bar in spy] == [DAY + timedelta(hours=9, seconds=5 * n) for n in range(11_520)]
    assert [quote.at - timedelta(seconds=5) for quote in quotes if quote.symbol == "SPY"] == [bar.start for bar in spy]
    assert all(quote.last == bar.close for quote, bar in zip(quotes, bars, strict=True))
    for before, after in pairwise(spy):
        assert after.trades or (after.open, after.close, after.volume) == (before.close, before.close, 0)


async def test_the_night_and_the_holiday_are_skipped() -> None:
    world, events = world_of(start=datetime(2024, 1, 12, 9, tzinfo=UTC), days=2, symbols=("SPY",)), []
    at_phase(world, SessionPhase.PRE_OPEN, events.append)
    await world.run_to_end()
    assert [event.day for event in events] == ["2024-01-12", "2024-01-16"]
    assert world.now() == datetime(2024, 1, 17, 1, tzinfo=UTC)


async def test_closed_hours_pass_step_by_step_if_wished() -> None:
    world, seen = world_of(start=DAY + timedelta(hours=8, minutes=59), skip_closed_hours=False), []
    world.on_speed(lambda: collector(seen)("jump or change"))
    await world.run_to_end()
    assert len(seen) <= 1


async def test_each_exchange_trades_in_its_own_hours() -> None:
    world, bars = world_of(symbols=("SPY", "0700.HK"), start=DAY + timedelta(hours=1)), []
    world.on_bar(collector(bars))
    await world.run_to_end()
    hong_kong = [bar.start for bar in bars if bar.symbol == "0700.HK"]
    assert (hong_kong[0], hong_kong[-1]) == (
        DAY + timedelta(hours=1, minutes=30),
        DAY + timedelta(hours=8) - timedelta(seconds=5),
    )
    assert len(hong_kong) == 330 * 12
    assert min(bar.start for bar in bars if bar.symbol == "SPY") == DAY + timedelta(hours=9)


# -------------------------------------------------------------------------------------------- orders over time


async def test_a_day_order_expires_at_the_close_and_one_for_all_hours_at_the_post_close() -> None:
    world = world_of()
    world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1)))
    world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1), outside_regular_hours=True))
    await world.run_to_end()
    assert [order.status for order in world.orders()] == [VenueOrderStatus.EXPIRED] * 2
    assert [order.updated_at for order in world.orders()] == [CLOSE, CLOSE + timedelta(hours=4)]


async def test_a_day_order_of_the_evening_is_for_the_next_day() -> None:
    world = world_of(start=CLOSE + timedelta(hours=1), days=2)
    world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1)))
    await world.run_to_end()
    assert only(world).updated_at == CLOSE + timedelta(days=1)


async def test_a_good_till_date_order_lives_until_then_and_a_good_till_cancel_one_on() -> None:
    world = world_of(days=2)
    until = CLOSE + timedelta(hours=19)
    low = {"kind": OrderType.LIMIT, "limit_price": Decimal(1)}
    world.submit(terms(**low, time_in_force=TimeInForce.GTD, good_till=until))
    world.submit(terms(**low, time_in_force=TimeInForce.GTC))
    await world.run_to_end()
    dated, lasting = world.orders()
    assert (dated.status, dated.updated_at) == (VenueOrderStatus.EXPIRED, until)
    assert lasting.status is VenueOrderStatus.WORKING


async def test_an_order_before_the_open_rests_until_the_first_quote() -> None:
    world = world_of()
    world.submit(terms())
    await world.run_to_end()
    assert only(world).updated_at == OPEN + timedelta(seconds=5)


async def test_a_market_on_close_order_fills_at_the_official_close() -> None:
    world = world_of()
    world.submit(terms(2_500, OrderType.MARKET_ON_CLOSE))
    await world.run_to_end()
    (bar,) = world.history("SPY", CLOSE, timedelta(hours=12), 86_400, regular_hours_only=True)
    (execution,) = world.executions(ACCOUNT)
    assert (execution.quantity, execution.price, execution.at) == (2_500, bar.close, CLOSE)


async def test_an_order_for_the_opening_fills_at_the_official_open_if_its_limit_lets_it() -> None:
    world = world_of()
    world.submit(terms(2_500, OrderType.MARKET_ON_OPEN))
    world.submit(terms(100, OrderType.LIMIT_ON_OPEN, limit_price=Decimal(1)))
    await world.run_to_end()
    (bar,) = world.history("SPY", CLOSE, timedelta(hours=12), 86_400, regular_hours_only=True)
    (execution,) = world.executions(ACCOUNT)
    assert (execution.quantity, execution.price, execution.at) == (2_500, bar.open, OPEN)
    beyond = world.orders()[1]
    assert (beyond.status, beyond.updated_at) == (VenueOrderStatus.EXPIRED, OPEN)


async def test_an_order_for_the_opening_that_comes_overnight_is_for_the_next_one() -> None:
    world = world_of(start=OPEN - timedelta(hours=12))
    world.submit(terms(100, OrderType.MARKET_ON_OPEN))
    await world.run_to_end()
    assert (only(world).status, only(world).updated_at) == (VenueOrderStatus.FILLED, OPEN)


@pytest.mark.parametrize("late", [timedelta(minutes=-1), timedelta(0), timedelta(hours=8)])
async def test_an_order_for_the_opening_after_its_deadline_is_rejected(late: timedelta) -> None:
    world = world_of()
    at(world, OPEN + late, lambda: world.submit(terms(100, OrderType.MARKET_ON_OPEN)))
    await world.run_to_end()
    assert only(world).status is VenueOrderStatus.REJECTED
    assert "by 14:28" in only(world).reason


async def test_an_order_for_the_close_whose_limit_is_not_met_expires_there() -> None:
    world = world_of()
    world.submit(terms(100, OrderType.LIMIT_ON_CLOSE, limit_price=Decimal(1)))
    await world.run_to_end()
    assert (only(world).status, only(world).updated_at) == (VenueOrderStatus.EXPIRED, CLOSE)


async def test_a_half_day_closes_early() -> None:
    early = datetime(2011, 11, 25, 18, tzinfo=UTC)
    world = world_of(start=early - timedelta(hours=1))
    world.submit(terms(500, OrderType.MARKET_ON_CLOSE))
    world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1)))
    await world.run_to_end()
    assert [order.updated_at for order in world.orders()] == [early, early]
    assert world.now() == datetime(2011, 11, 25, 22, tzinfo=UTC)


async def test_a_market_on_close_order_after_the_cut_off_is_rejected() -> None:
    world = world_of()
    at(world, CLOSE - timedelta(minutes=10), lambda: world.submit(terms(100, OrderType.MARKET_ON_CLOSE)))
    await world.run_to_end()
    assert only(world).status is VenueOrderStatus.REJECTED
    assert "20:45" in only(world).reason


async def test_a_big_order_fills_in_parts_over_time_and_the_books_add_up() -> None:
    world = world_of()
    world.submit(terms(4_000))
    await world.run_to_end()
    executions = world.executions(ACCOUNT)
    assert len({execution.at for execution in executions}) > 1
    assert sum(execution.quantity for execution in executions) == 4_000
    assert sum(execution.commission for execution in executions) == 20
    paid = sum(execution.quantity * execution.price + execution.commission for execution in executions)
    assert world.snapshot() == {
        ACCOUNT: {"cash": {"USD": format((1_000_000 - paid).normalize(), "f")}, "positions": {"SPY": "4000"}}
    }
    (position,) = world.positions(ACCOUNT)
    assert position.held.quantity == 4_000
    quote = world.quote("SPY")
    assert quote is not None
    assert world.figures(ACCOUNT).net_liquidation == 1_000_000 - paid + 4_000 * quote.last


async def test_steps_of_one_second_give_the_same_bars() -> None:
    told = []
    for step_seconds in (1, 5):
        bars: list[MarketBar] = []
        world = world_of(step_seconds=step_seconds, start=CLOSE - timedelta(minutes=2))
        world.on_bar(collector(bars))
        at_phase(world, SessionPhase.CLOSE, lambda _, world=world: world.stop())
        await world.run()
        told.append(bars)
    assert told[0] == told[1]


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (terms(100_000), "insufficient margin"),
        (terms(0), "positive multiple of the lot"),
        (terms(150, symbol="0700.HK"), "multiple of the lot 100"),
        (terms(kind=OrderType.LIMIT), "needs a positive price"),
        (terms(kind=OrderType.LIMIT, limit_price=Decimal("1.001")), "minimum price variation"),
        (terms(kind=OrderType.STOP, stop_price=Decimal(-1)), "needs a positive price"),
        (terms(time_in_force=TimeInForce.GTD, good_till=DAY), "a date to come"),
    ],
)
def test_what_the_venue_can_not_take_is_rejected_with_the_reason(order: OrderTerms, says: str) -> None:
    world = world_of(symbols=("SPY", "0700.HK"))
    assert says in world.check(order)
    rejected = world.submit(order)
    assert rejected.status is VenueOrderStatus.REJECTED
    assert says in rejected.reason
    assert world.executions() == ()


def test_an_unknown_account_or_symbol_is_an_error_of_the_caller() -> None:
    for order in (terms(symbol="NONE"), terms(account="DU0")):
        with pytest.raises(KeyError):
            world_of().submit(order)


def test_a_cancel_of_a_done_or_unknown_order_is_refused() -> None:
    world = world_of()
    number = world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1))).number
    assert world.cancel(number) is None
    refusals = [world.cancel(number), world.modify(number, quantity=Decimal(5)), world.cancel(7)]
    assert [refusal.reason for refusal in refusals if refusal] == [
        RefusalReason.ORDER_IS_DONE,
        RefusalReason.ORDER_IS_DONE,
        RefusalReason.UNKNOWN_ORDER,
    ]


def test_a_modify_is_checked_like_a_new_order() -> None:
    world = world_of()
    number = world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1))).number
    refusals = [
        world.modify(number, quantity=Decimal(100_000)),
        world.modify(number, limit_price=Decimal("1.001")),
        world.modify(number, quantity=Decimal(200), limit_price=Decimal(2)),
    ]
    assert [refusal and refusal.reason for refusal in refusals] == [
        RefusalReason.INSUFFICIENT_MARGIN,
        RefusalReason.BAD_TERMS,
        None,
    ]
    assert only(world).terms.quantity == 200
    assert only(world).terms.limit_price == 2


@pytest.mark.parametrize(
    "mistake",
    [{"step_seconds": 2}, {"speed": -1}, {"accounts": ()}, {"base_currency": "XXX"}, {"start": datetime(2024, 1, 3)}],  # noqa: DTZ001
)
def test_a_world_that_makes_no_sense_is_refused(mistake: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        world_of(**mistake)


# --------------------------------------------------------------------------------------------- listeners and pace


async def test_order_events_come_in_order_with_the_order_as_it_was() -> None:
    world, heard = world_of(), []

    async def hear(event: VenueOrderEvent, order: VenueOrder) -> None:
        heard.append((type(event).__name__, order.status, order.filled))

    world.on_order(hear)
    world.submit(terms(2_000))
    await world.run_to_end()
    assert heard[0] == ("Accepted", VenueOrderStatus.WORKING, 0)
    assert heard[-1] == ("Filled", VenueOrderStatus.FILLED, 2_000)
    filled = [quantity for _, _, quantity in heard]
    assert filled == sorted(filled)
    assert len(heard) == 1 + len(world.executions())


async def test_time_waits_for_a_slow_listener() -> None:
    world, gate, heard = world_of(), asyncio.Event(), []

    async def slow(quote: MarketQuote) -> None:
        heard.append(quote)
        await gate.wait()

    world.on_quote(slow)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(world.run())
        while not heard:
            await asyncio.sleep(0)
        stopped_at = world.now()
        for _ in range(100):
            await asyncio.sleep(0)
        assert world.now() == stopped_at
        assert len(heard) == 1
        gate.set()
        await world.wait_until_ended()
        world.stop()
    assert running.done()


async def test_time_waits_for_a_slow_listener_to_orders() -> None:
    world, gate, heard = world_of(), asyncio.Event(), asyncio.Event()

    async def slow(event: VenueOrderEvent, order: VenueOrder) -> None:
        heard.set()
        await gate.wait()

    world.on_order(slow)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(world.run())
        world.submit(terms())
        await heard.wait()
        stopped_at = world.now()
        for _ in range(100):
            await asyncio.sleep(0)
        assert world.now() == stopped_at
        gate.set()
        await world.wait_until_ended()
        world.stop()


async def test_order_events_are_heard_while_the_clock_stands_still() -> None:
    world, heard = world_of(speed=0), asyncio.Event()

    async def hear(event: VenueOrderEvent, order: VenueOrder) -> None:
        heard.set()

    world.on_order(hear)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(world.run())
        await asyncio.sleep(0)
        world.submit(terms())
        await heard.wait()
        assert world.now() == OPEN - timedelta(minutes=5)
        world.stop()


async def test_after_the_last_day_the_clock_stands_and_orders_rest() -> None:
    world = world_of(start=CLOSE + timedelta(hours=3, minutes=59))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(world.run())
        await world.wait_until_ended()
        assert world.speed == 0
        assert world.now() == CLOSE + timedelta(hours=4)
        assert world.submit(terms()).status is VenueOrderStatus.WORKING
        world.stop()


async def test_a_session_of_three_symbols_takes_less_than_five_seconds() -> None:
    world = world_of(symbols=("SPY", "AAPL", "MSFT"), start=OPEN)
    at_phase(world, SessionPhase.CLOSE, lambda _: world.stop())
    began = time.process_time()
    await world.run()
    assert time.process_time() - began < 5
    assert world.now() == CLOSE


# -------------------------------------------------------------------------------------------------------- restarts


async def test_a_restarted_venue_has_not_forgotten(tmp_path: Path) -> None:
    books = tmp_path / "books.json"
    world = world_of(books_file=books)
    world.submit(terms(700, client_reference="one", client_tag="1/7"))
    world.submit(terms(kind=OrderType.LIMIT, limit_price=Decimal(1), time_in_force=TimeInForce.GTC))
    at(world, OPEN + timedelta(minutes=30), world.stop)
    await world.run()
    killed_at = world.now()

    again = world_of(books_file=books, start=None)
    assert again.orders() == world.orders()
    assert again.executions() == world.executions()
    assert again.snapshot() == world.snapshot()
    assert again.now() >= killed_at
    third = again.submit(terms(client_reference="three"))
    assert third.number > max(order.number for order in world.orders())
    await again.run_to_end()
    assert again.now() == CLOSE + timedelta(hours=4)
    assert [order.status for order in again.orders()] == [
        VenueOrderStatus.FILLED,
        VenueOrderStatus.WORKING,
        VenueOrderStatus.FILLED,
    ]
    ids = [execution.execution_id for execution in again.executions()]
    assert len(set(ids)) == len(ids)


async def test_a_restarted_venue_still_lists_what_is_held(tmp_path: Path) -> None:
    books = tmp_path / "books.json"
    world = world_of(books_file=books, symbols=("SPY", "AAPL"), start=OPEN)
    world.submit(terms(symbol="AAPL"))
    at(world, OPEN + timedelta(minutes=1), world.stop)
    await world.run()
    again = world_of(books_file=books, symbols=("SPY",))
    again.close()
    assert [figures.held.symbol for figures in again.positions(ACCOUNT)] == ["AAPL"]
    assert again.figures(ACCOUNT).gross_position_value > 0


async def test_time_never_goes_back_over_a_kill(tmp_path: Path) -> None:
    books = tmp_path / "books.json"
    shown = []
    for _ in range(3):
        world = world_of(books_file=books, speed=600)

        async def stop(quote: MarketQuote, world: World = world) -> None:
            shown.append(world.now())
            if len(shown) % 30 == 0:
                world.stop()

        world.on_quote(stop)
        shown.append(world.now())
        await world.run()
    assert shown == sorted(shown)


async def test_after_a_restart_the_market_catches_up_with_the_time_shown(tmp_path: Path) -> None:
    books = tmp_path / "books.json"
    world = world_of(books_file=books, start=OPEN)
    at(world, OPEN + timedelta(minutes=1), world.stop)
    await world.run()
    again, caught_up = world_of(books_file=books, speed=0), asyncio.Event()
    shown = again.now()

    async def watch(quote: MarketQuote) -> None:
        if quote.at >= shown:
            caught_up.set()

    again.on_quote(watch)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(again.run())
        await caught_up.wait()
        assert again.now() == shown
        again.stop()


async def test_the_same_day_twice_gives_the_same_fills() -> None:
    runs: list[list[VenueOrderEvent]] = []
    for _ in range(2):
        heard: list[VenueOrderEvent] = []

        async def hear(event: VenueOrderEvent, order: VenueOrder, heard: list[VenueOrderEvent] = heard) -> None:
            heard.append(event)

        world = world_of()
        world.on_order(hear)
        world.submit(terms(3_000))
        world.submit(terms(1_000, OrderType.STOP, stop_price=Decimal(1), side=Side.BUY))
        await world.run_to_end()
        runs.append(heard)
    assert runs[0] == runs[1]
    assert sum(isinstance(event, Filled) for event in runs[0]) > 5


# --------------------------------------------------------------------------------------------------------- replay


async def test_a_replayed_world_begins_and_ends_with_the_days_asked_for(market_data: Path) -> None:
    path = market_data / "us_equity_1m" / "SPY_2011-01_eth.parquet"
    world, bars = world_of(start=None, bar_files=(("", path),), symbols=("SPY", "AAPL")), []
    assert world.now() == datetime(2011, 1, 3, 9, tzinfo=UTC)
    world.on_bar(collector(bars))
    await world.run_to_end()
    assert world.now() == datetime(2011, 1, 4, 1, tzinfo=UTC)
    spy = [bar for bar in bars if bar.symbol == "SPY"]
    assert len(spy) == 11_520
    first_minutes = [(bar.start.minute, bar.open, bar.volume) for bar in spy[:36] if bar.trades][:1]
    assert first_minutes == [(0, Decimal("126.35"), spy[0].volume)]
    assert sum(bar.volume for bar in spy if bar.start.hour == 9 and bar.start.minute == 0) == 1579
    assert {bar.symbol for bar in bars} >= {"SPY", "AAPL"}


async def test_there_is_no_history_from_before_a_market_was_listed() -> None:
    listed = OPEN + timedelta(minutes=90)
    world = world_of(start=OPEN + timedelta(hours=3), listed=listed)
    end, day = OPEN + timedelta(hours=3), timedelta(days=2)
    minutes = world.history("SPY", end, day, 60, regular_hours_only=False)
    assert (minutes[0].start, minutes[-1].start) == (listed, end - timedelta(minutes=1))
    hours = world.history("SPY", end, day, 3600, regular_hours_only=False)
    assert [bar.start for bar in hours] == [OPEN + timedelta(minutes=90), OPEN + timedelta(minutes=150)]
    assert world_of(start=end).history("SPY", end, day, 60, regular_hours_only=False)[-90:] == minutes[-90:]
