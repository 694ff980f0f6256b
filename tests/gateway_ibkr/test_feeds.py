"""History is asked for within the venue's limits, which are each contract's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from gateway_ibkr.facts import HistoryBarSeen, VenueContract
from gateway_ibkr.feeds import History, stored_subject
from gateway_ibkr.instruments import Offered
from gateway_ibkr.minutes import Gap
from gateway_ibkr.venue_data import DataSession
from signalbox.clock import FixedClock
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
    instrument = cast(Any, None)
    return Offered(parse_symbol("SPY"), VenueContract(con_id=con_id), instrument)


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


def test_a_stored_bars_subject_has_its_partition() -> None:
    assert stored_subject("md.bar.ibkr.SPY.1m", 3) == "md.bar.3.ibkr.SPY.1m"
