"""History is asked for within the venue's limits, which are each contract's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import pytest
from gateway_ibkr.facts import HistoryBarSeen, VenueContract
from gateway_ibkr.feeds import History, Series
from gateway_ibkr.instruments import Offered
from gateway_ibkr.venue_data import DataSession
from signalbox.bus import Bus
from signalbox.clock import FixedClock
from signalbox.errors import VenueRefusedError, VenueTimeoutError
from signalbox.gateway.gaps import Gaps
from signalbox.gateway.minutes import Gap
from signalbox.gateway.parking import Parking
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
    history, session = History(FixedClock(AT), 1.0, Gaps("ibkr"), Parking("ibkr")), Recorded()
    history.use(cast(DataSession, session))
    async with asyncio.timeout(1):
        await asyncio.gather(*(history.minutes(offered(con_id), GAP) for con_id in (1, 2, 3)))
    assert sorted(con_id for con_id, _, _ in session.asked) == [1, 2, 3]


async def test_an_identical_request_waits_for_desk_time_to_pass() -> None:
    clock = FixedClock(AT)
    history, session = History(clock, 1.0, Gaps("ibkr"), Parking("ibkr")), Recorded()
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
    history, session = History(FixedClock(AT), 1.0, Gaps("ibkr"), Parking("ibkr")), Recorded()
    waiting = asyncio.create_task(history.minutes(offered(1), GAP))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    history.use(cast(DataSession, session))
    async with asyncio.timeout(1):
        await waiting


PACING = VenueRefusedError("162", "Historical Market Data Service error message:pacing violation")
FARM_DOWN = VenueRefusedError("162", "Historical Market Data Service error message:HMDS query failed: disconnected")
NOT_PERMITTED = VenueRefusedError("162", "Historical Market Data Service error message:No market data permissions")
NO_DATA = VenueRefusedError("162", "Historical Market Data Service error message:HMDS query returned no data: SPY")
LATE = VenueTimeoutError("no complete answer in time")


class Refusing(Recorded):
    """A data session that fails so often, before it answers."""

    def __init__(self, clock: FixedClock, failure: Exception, failures: int) -> None:
        super().__init__()
        self._clock, self._failure, self._failures = clock, failure, failures
        self.asked_at: list[datetime] = []

    async def minute_history(
        self, contract: VenueContract, end: str, duration: str, seconds_max: float
    ) -> tuple[HistoryBarSeen, ...]:
        self.asked_at.append(self._clock.now())
        if len(self.asked_at) <= self._failures:
            raise self._failure
        return (HistoryBarSeen(start=0, open=1, high=1, low=1, close=1, volume=1, trades=1),)


class WaitingClock(FixedClock):
    """A clock on which whatever is waited for comes at once."""

    def wall_time_of(self, at: datetime) -> datetime:
        self.at = max(self.at, at)
        return self.at


def series(clock: FixedClock, session: Recorded) -> tuple[Series, History]:
    history = History(clock, 1.0, Gaps("ibkr"), Parking("ibkr"))
    history.use(cast(DataSession, session))
    return Series(cast(Bus, None), clock, offered(1), (), history), history


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (PACING, [15, 30, 60, 120, 240, 480, 600, 600, 600]),
        (FARM_DOWN, [15, 30, 60, 120, 120, 120, 120, 120, 120]),
        (LATE, [15, 30, 60, 120, 120, 120, 120, 120, 120]),
    ],
)
async def test_what_is_no_answer_is_waited_out_longer_each_time_until_there_are_bars(
    failure: Exception, expected: list[float]
) -> None:
    clock = WaitingClock(AT)
    session = Refusing(clock, failure, failures=9)
    feed, history = series(clock, session)
    async with asyncio.timeout(5):
        bars = await feed.ask_for(GAP)
    assert len(bars) == 1
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(session.asked_at)]
    assert pauses == expected
    assert history.gaps.described() == history.gaps.described_staying() == {}


async def test_while_a_gap_is_asked_for_in_vain_status_says_which_and_why() -> None:
    clock = FixedClock(AT)
    session = Refusing(clock, FARM_DOWN, failures=1)
    feed, history = series(clock, session)
    asking = asyncio.create_task(feed.ask_for(GAP))
    async with asyncio.timeout(5):
        while not history.gaps.described():
            await asyncio.sleep(0)
    told = history.gaps.described()["SPY"]
    assert told.startswith("5 minutes from 2024-03-05 14:55, asked for 1 times: ")
    assert "disconnected (162)" in told
    assert history.gaps.open_seconds("SPY") > 0
    clock.at += timedelta(seconds=15)
    history.farm_is_back()
    async with asyncio.timeout(5):
        assert await asking
    assert history.gaps.open_seconds("SPY") == 0


async def test_a_venue_that_refuses_for_good_is_asked_three_times_and_the_gap_stays_with_its_reason() -> None:
    clock = WaitingClock(AT)
    session = Refusing(clock, NOT_PERMITTED, failures=9)
    feed, history = series(clock, session)
    async with asyncio.timeout(5):
        assert await feed.ask_for(GAP) == ()
    assert len(session.asked_at) == 3
    assert history.gaps.described() == {}
    assert "Client Portal" in history.gaps.described_staying()["SPY"]


async def test_a_venue_that_says_that_there_are_none_is_believed_at_once() -> None:
    clock = WaitingClock(AT)
    session = Refusing(clock, NO_DATA, failures=1)
    feed, history = series(clock, session)
    async with asyncio.timeout(5):
        assert await feed.ask_for(GAP) == ()
    assert len(session.asked_at) == 1
    assert history.gaps.described_staying() == {}
