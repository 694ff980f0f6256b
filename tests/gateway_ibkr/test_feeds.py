"""History is asked for within the venue's limits, which are each contract's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

from gateway_ibkr.facts import HistoryBarSeen, VenueContract
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.instruments import Offered
from gateway_ibkr.venue_data import DataSession
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import VenueRefusedError
from signalbox.gateway.minutes import Gap
from signalbox.instruments import parse_symbol

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
GAP = Gap(AT - timedelta(minutes=5), AT)


class Recorded:
    """A data session that answers with nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, str]] = []

    async def minute_history(
        self, contract: VenueContract, end: str, duration: str, seconds_max: float
    ) -> tuple[HistoryBarSeen, ...]:
        self.asked.append((contract.con_id, end, duration))
        return ()


def offered(con_id: int) -> Offered:
    return Offered(parse_symbol("SPY"), VenueContract(con_id=con_id))


async def test_the_same_minutes_of_two_contracts_are_not_the_same_request() -> None:
    history, session = History(FixedClock(AT), 1.0), Recorded()
    history.use(cast(DataSession, session))
    async with asyncio.timeout(1):
        await asyncio.gather(*(history.minutes(offered(con_id), GAP) for con_id in (1, 2, 3)))
    assert sorted(con_id for con_id, _, _ in session.asked) == [1, 2, 3]


async def test_an_identical_request_waits_for_desk_time_to_pass() -> None:
    clock = FixedClock(AT)
    history, session = History(clock, 1.0), Recorded()
    history.use(cast(DataSession, session))
    await history.minutes(offered(1), GAP)
    again = asyncio.create_task(history.minutes(offered(1), GAP))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(session.asked) == 1
    clock.at += timedelta(seconds=15)
    async with asyncio.timeout(1):
        await again
    assert len(session.asked) == 2


async def test_a_request_waits_for_a_session() -> None:
    history, session = History(FixedClock(AT), 1.0), Recorded()
    waiting = asyncio.create_task(history.minutes(offered(1), GAP))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    history.use(cast(DataSession, session))
    async with asyncio.timeout(1):
        await waiting


class Paced(Recorded):
    """A data session that says so often that it is asked too much, before it answers."""

    def __init__(self, clock: FixedClock, refusals: int) -> None:
        super().__init__()
        self._clock, self._refusals = clock, refusals
        self.asked_at: list[datetime] = []

    async def minute_history(
        self, contract: VenueContract, end: str, duration: str, seconds_max: float
    ) -> tuple[HistoryBarSeen, ...]:
        self.asked_at.append(self._clock.now())
        if len(self.asked_at) <= self._refusals:
            raise VenueRefusedError("162", "Historical Market Data Service error message:pacing violation")
        return (HistoryBarSeen(start=0, open=1, high=1, low=1, close=1, volume=1, trades=1),)


class WaitingClock(FixedClock):
    """A clock on which whatever is waited for comes at once."""

    def wall_time_of(self, at: datetime) -> datetime:
        self.at = max(self.at, at)
        return self.at


async def test_a_refusal_for_pacing_is_waited_out_longer_each_time_until_there_are_bars() -> None:
    clock = WaitingClock(AT)
    history, session = History(clock, 1.0), Paced(clock, refusals=9)
    history.use(cast(DataSession, session))
    feed = Series(cast(Bus, None), clock, offered(1), (), history)
    async with asyncio.timeout(5):
        bars = await feed.ask_for(GAP)
    assert len(bars) == 1
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(session.asked_at)]
    assert pauses == [15, 30, 60, 120, 240, 480, 600, 600, 600]
