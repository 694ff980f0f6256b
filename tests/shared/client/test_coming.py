"""Bars from the record and then live: none twice, none left out, whatever a connection has lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.client.coming import bars_since, live
from signalbox.messages import Bar, QueryReply, QueryRequest, Quote

FIRST = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
SECONDS_MAX = 60.0


def bar(minute: int) -> Bar:
    """The bar of a minute after the first."""
    start = FIRST + timedelta(minutes=minute)
    price = Decimal(430 + minute)
    return Bar(
        id=f"bar/{minute}",
        at=start + timedelta(minutes=1),
        venue="ibkr",
        symbol="SPY",
        timeframe="1m",
        start=start,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
    )


class Record:
    """In the recorder's place: has the bars that it is given, and answers what is asked of them, page by page."""

    def __init__(self) -> None:
        self.minutes: list[int] = []
        self.asked = 0

    async def answer(self, question: bytes, asker: str) -> bytes:
        self.asked += 1
        sql = msgspec.json.decode(question, type=QueryRequest).sql
        after = datetime.fromisoformat(sql.split("TIMESTAMPTZ '")[1].split("'")[0])
        limit = int(sql.rsplit("LIMIT ", 1)[1])
        found = [bar(minute) for minute in sorted(self.minutes) if bar(minute).start > after][:limit]
        rows = tuple((messages.encode(each).decode(),) for each in found)
        return msgspec.json.encode(QueryReply(columns=("payload",), rows=rows))


@pytest.fixture
async def record(nats_server: Any) -> Record:
    recorder: Bus = await nats_server.connect("recorder")
    made = Record()
    await recorder.serve("query.sql.*", made.answer)
    await recorder._questions.flush()
    return made


async def told(gateway: Bus, minute: int) -> None:
    await gateway.send(subjects.bar("ibkr", "SPY", "1m"), bar(minute))
    await gateway._client.flush()


async def next_minutes(coming: Any, count: int) -> list[int]:
    """The next bars, as minutes after the first."""
    async with asyncio.timeout(SECONDS_MAX):
        return [int(((await anext(coming)).start - FIRST).total_seconds() // 60) for _ in range(count)]


async def test_history_joins_the_live_ones_without_a_gap_and_without_one_twice(
    nats_server: Any, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.client.coming.PAGE_ROWS", 2)
    user, gateway = await nats_server.connect("user"), await nats_server.connect("gateway-ibkr")
    record.minutes = [0, 1, 2, 3, 4]
    coming = bars_since(user, "ibkr", "SPY", "1m", FIRST)
    assert await next_minutes(coming, 5) == [0, 1, 2, 3, 4]
    waiting = asyncio.ensure_future(next_minutes(coming, 5))
    await told(gateway, 3)  # one that was given already
    await told(gateway, 5)
    record.minutes += [5, 6, 7]
    await told(gateway, 8)  # 6 and 7 were said while the connection was away
    await told(gateway, 9)
    assert await waiting == [5, 6, 7, 8, 9]
    await coming.aclose()


async def test_without_a_beginning_it_begins_with_what_comes(nats_server: Any, record: Record) -> None:
    user, gateway = await nats_server.connect("user"), await nats_server.connect("gateway-ibkr")
    record.minutes = [0, 1]
    coming = bars_since(user, "ibkr", "SPY", "1m", None)
    waiting = asyncio.ensure_future(next_minutes(coming, 1))
    while not waiting.done():  # it may not listen yet
        await told(gateway, 2)
        await asyncio.wait([waiting], timeout=0.1)
    assert (await waiting, record.asked) == ([2], 0)
    await coming.aclose()


async def test_who_reads_too_slowly_misses_the_oldest(nats_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signalbox.client.coming.WAITING_MAX", 3)
    user, gateway = await nats_server.connect("user"), await nats_server.connect("gateway-ibkr")
    coming = live(user, subjects.bar("ibkr", "SPY", "1m"), Bar)
    waiting = asyncio.ensure_future(next_minutes(coming, 1))
    while not waiting.done():
        await told(gateway, 0)
        await asyncio.wait([waiting], timeout=0.1)
    heard = asyncio.Event()

    async def last(received: Any) -> None:
        if messages.decode(received.payload, Bar).start == bar(6).start:
            heard.set()

    await user.subscribe(subjects.bar("ibkr", "SPY", "1m"), last)
    await user._client.flush()
    for minute in range(1, 7):
        await told(gateway, minute)
    async with asyncio.timeout(SECONDS_MAX):
        await heard.wait()
        while await next_minutes(coming, 1) != [6]:
            pass
    await coming.aclose()


async def test_what_is_no_message_of_the_kind_is_passed_over(nats_server: Any) -> None:
    user, gateway = await nats_server.connect("user"), await nats_server.connect("gateway-ibkr")
    coming = live(user, subjects.quote("ibkr", "SPY"), Quote)
    waiting = asyncio.ensure_future(anext(coming))
    while not waiting.done():
        await gateway._client.publish(subjects.quote("ibkr", "SPY"), b"{}")
        await gateway.send(subjects.quote("ibkr", "SPY"), Quote(**QUOTE))
        await gateway._client.flush()
        await asyncio.wait([waiting], timeout=0.1)
    assert (await waiting).symbol == "SPY"
    await coming.aclose()


QUOTE: dict[str, Any] = {"id": "q", "at": FIRST, "venue": "ibkr", "symbol": "SPY"}
