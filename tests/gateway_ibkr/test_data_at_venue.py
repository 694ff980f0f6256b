"""Market data through the real client library: every minute once and in order, whatever happens to the link."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace
from signalbox import messages
from signalbox.desk import DeskInstrument, Venue
from signalbox.messages import AccountState, Bar, BarSource, Instrument, MarketDataType, Quote
from simulators.world import WorldOptions

DATA = 12
START = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


async def bars(desk: Any, symbol: str = "SPY", timeframe: str = "1m") -> list[Bar]:
    found = [messages.decode(each.payload, Bar) async for each in desk.recorder.read("BARS")]
    return [bar for bar in found if (bar.symbol, bar.timeframe) == (symbol, timeframe)]


async def live_until(desk: Any, at: datetime, symbol: str = "SPY") -> list[Bar]:
    """Wait until a live bar has reached `at`; all bars of the symbol."""

    async def reached() -> list[Bar]:
        found = await bars(desk, symbol)
        return found if found and found[-1].at >= at and found[-1].source is BarSource.LIVE else []

    result: list[Bar] = await desk.eventually(reached, f"live bars until {at}")
    return result


def whole(desk: Any, found: list[Bar], symbol: str = "SPY") -> None:
    """Every minute once, in order, and as the venue's own history has it."""
    starts = [bar.start for bar in found]
    assert starts == sorted(set(starts))
    end = found[-1].at
    day = found[0].start.date()
    told = desk.venue.world.history(symbol, end, timedelta(days=2), 60, regular_hours_only=False)
    close = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=21)
    expected = {each.start: each for each in told if each.trades and found[0].start <= each.start < end}
    expected = {start: each for start, each in expected.items() if not close <= start < close + timedelta(hours=4)}
    assert starts == sorted(expected)
    for bar in found:
        each = expected[bar.start]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            each.open,
            each.high,
            each.low,
            each.close,
            each.volume,
        )


@pytest.fixture
def world_options() -> WorldOptions:
    return WorldOptions(symbols=("SPY", "AAPL"), speed=120.0, start=START, seed=5)


async def test_history_and_live_bars_meet_without_gap_or_overlap(desk: Any) -> None:
    await desk.start()
    found = await live_until(desk, START + timedelta(minutes=6))
    assert found[0].start.date() == datetime(2024, 3, 4, tzinfo=UTC).date()
    whole(desk, found)


async def test_five_minutes_are_the_sum_of_their_minutes(desk: Any) -> None:
    await desk.start()
    minutes = {bar.start: bar for bar in await live_until(desk, START + timedelta(minutes=12))}
    for five in await bars(desk, timeframe="5m"):
        parts = [bar for start, bar in minutes.items() if five.start <= start < five.at]
        assert five.volume == sum(bar.volume for bar in parts)
        assert (five.open, five.close) == (parts[0].open, parts[-1].close)


@pytest.mark.parametrize("times", [1, 4])
async def test_a_dropped_data_link_leaves_no_gap(desk: Any, times: int) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    for _ in range(times):
        await desk.venue.do("drop_link", client=DATA)
        await asyncio.sleep(0.2)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=3))
    whole(desk, found)


async def test_a_restart_publishes_no_bar_again_and_leaves_none_out(desk: Any) -> None:
    first = await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.stop(first)
    await asyncio.sleep(0.5)
    await desk.start()
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=3))
    whole(desk, found)
    starts = [bar.start for bar in await bars(desk, timeframe="5m")]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("fault", ["omit", "duplicate", "reorder"])
async def test_five_second_bars_lost_doubled_or_displaced_change_no_minute(desk: Any, fault: str) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do(fault, kind="50", client=DATA, count=3)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=4))
    whole(desk, found)


async def test_data_lost_behind_the_gateway_is_subscribed_anew(desk: Any) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("link_lost")
    await asyncio.sleep(0.3)
    await desk.venue.do("link_restored", data_lost=True)
    found = await live_until(desk, desk.venue.world.now() + timedelta(minutes=4))
    whole(desk, found)


async def test_a_bust_is_subscribed_anew(desk: Any) -> None:
    await desk.start()
    await live_until(desk, START + timedelta(minutes=2))
    await desk.venue.do("bust")
    whole(desk, await live_until(desk, desk.venue.world.now() + timedelta(minutes=6)))


async def test_quotes_come_with_both_sides_and_the_last_price(desk: Any) -> None:
    quotes: list[Quote] = []

    async def quote(received: Any) -> None:
        quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
    await desk.start()
    await desk.eventually(lambda: quotes and quotes[-1].bid and quotes[-1].ask and quotes[-1].last, "a whole quote")
    assert quotes[-1].bid < quotes[-1].ask  # type: ignore[operator]
    assert quotes[-1].market_data_type is MarketDataType.LIVE
    times = [each.at for each in quotes]
    assert times == sorted(times)


async def test_delayed_data_is_asked_for_and_said_to_be_delayed(desk: Any) -> None:
    venue = Venue(accounts=desk.desk.venues["ibkr"].accounts, market_data_type="DELAYED")
    desk.desk = replace(desk.desk, venues={"ibkr": venue})
    quotes: list[Quote] = []

    async def quote(received: Any) -> None:
        quotes.append(messages.decode(received.payload, Quote))

    await desk.risk.subscribe("md.quote.ibkr.SPY", quote)
    await desk.start()
    await desk.eventually(lambda: quotes and quotes[-1].last, "a delayed quote")
    assert quotes[-1].market_data_type is MarketDataType.DELAYED


async def test_instruments_that_the_venue_does_not_have_are_left_out_and_the_others_work(desk: Any) -> None:
    wanted = (*desk.desk.instruments, DeskInstrument(venue="ibkr", symbol="NOPE"))
    desk.desk = replace(desk.desk, instruments=wanted)
    runtime = await desk.start()
    await desk.ready()
    told = [
        messages.decode(each.payload, Instrument) async for each in desk.recorder.read("STATE", "md.instrument.ibkr.*")
    ]
    assert {each.symbol for each in told} == {"SPY", "AAPL"}
    assert "NOPE" in runtime.details()["not_offered"]


async def test_the_account_is_told_at_least_every_minute_of_desk_time(desk: Any) -> None:
    await desk.start()
    await desk.ready()
    states: list[AccountState] = []

    async def fresh() -> bool:
        async for each in desk.recorder.read("STATE", "account.ibkr.*"):
            state = messages.decode(each.payload, AccountState)
            if not states or state.at != states[-1].at:
                states.append(state)
        return len(states) >= 5

    await desk.eventually(fresh, "five account states")
    pauses = [later.at - earlier.at for earlier, later in pairwise(states)]
    assert max(pauses) < timedelta(seconds=120)
