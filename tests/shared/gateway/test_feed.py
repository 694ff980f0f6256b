"""Bars on their way to BARS: in order, each once, nothing before the gap that it follows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from signalbox import messages, subjects
from signalbox.bars import Candle, parse_timeframe
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.gateway.feed import Feed
from signalbox.gateway.minutes import MINUTE, Closed, Gap, bar_message, closed_by, coarser_of
from signalbox.messages import Bar, BarSource
from signalbox.sessions import ALWAYS

from tests.stream_in_memory import MemoryBus

NOON = datetime(2024, 3, 5, 12, 0, tzinfo=UTC)
WAIT_SECONDS_MAX = 60.0


def candle(minute: int) -> Any:
    start, price = NOON + timedelta(minutes=minute), Decimal(minute + 1)
    return Candle(start, start + MINUTE, price, price, price, price, Decimal(1), 1)


class Told:
    """A series that has a gap in front of what it has."""

    def __init__(self, *minutes: int) -> None:
        self.minutes, self.gap = list(minutes), Gap(NOON, NOON + MINUTE)
        self.asked: list[Gap] = []
        self.filled = False

    def settle(self) -> tuple[list[Closed], Gap | None]:
        if not self.filled:
            return [], self.gap
        closed = [Closed("1m", candle(minute), BarSource.LIVE) for minute in self.minutes]
        self.minutes = []
        return closed, None

    async def ask_for(self, gap: Gap) -> list[int]:
        self.asked.append(gap)
        return [0]

    def take_history(self, gap: Gap, answer: list[int]) -> None:
        self.minutes, self.filled = [*answer, *self.minutes], True


def published(bus: MemoryBus) -> list[int]:
    bars = [messages.decode(each.payload, Bar) for each in bus.stored if each.subject.startswith("md.bar.moon")]
    return [(bar.start - NOON) // MINUTE for bar in bars]


async def run(bus: MemoryBus, series: Told, until: int) -> None:
    feed = Feed(cast(Bus, bus), FixedClock(NOON), "moon", "SPY", (), series)
    await feed.resume()
    running = asyncio.create_task(feed.run())
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while series.minutes or len(published(bus)) < until:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_nothing_overtakes_a_gap_and_a_gap_is_asked_for_once() -> None:
    bus, series = MemoryBus(), Told(1, 2)
    await run(bus, series, 3)
    assert published(bus) == [0, 1, 2]
    assert series.asked == [series.gap]


async def test_what_is_in_bars_already_is_not_published_again() -> None:
    bus = MemoryBus()
    before = messages.decode(messages.encode(_bar(1)), Bar)
    await bus.publish(subjects.stored_bar("moon", "SPY", "1m", 0), before)
    await run(bus, Told(1, 2), 1)
    assert published(bus) == [2]
    assert len(bus.attempts) == 2, "nor left to the server to be dropped"


def _bar(minute: int) -> Bar:
    return bar_message("moon", "SPY", Closed("1m", candle(minute), BarSource.LIVE), NOON)


def test_a_minute_without_trades_closes_the_coarser_bar_that_ends_with_it() -> None:
    coarser = coarser_of([parse_timeframe("1m"), parse_timeframe("5m")], ALWAYS)
    assert [*coarser] == ["5m"]
    closed: list[Closed] = []
    for minute in range(4):
        closed += closed_by(coarser, NOON + minute * MINUTE, candle(minute), BarSource.LIVE)
    assert [each.timeframe for each in closed] == ["1m"] * 4
    closed = closed_by(coarser, NOON + 4 * MINUTE, None, BarSource.LIVE)
    assert [(each.timeframe, each.candle.close) for each in closed] == [("5m", Decimal(4))]
