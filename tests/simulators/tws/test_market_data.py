"""Ticks and 5-second bars as the real client gets them, live and delayed, and each refusal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from ib_async import Contract

LIVE_TYPES, DELAYED_TYPES = {"1", "2", "4"}, {"66", "67", "68"}


def market_data(req_id: int, symbol: str = "AAPL", generic: str = "", snapshot: int = 0) -> tuple[Any, ...]:
    return (1, 11, req_id, 0, symbol, "STK", "", 0, "", "", "SMART", "", "USD", "", "", 0, generic, snapshot, 0, "")


def bars(req_id: int, seconds: int = 5, what: str = "TRADES", rth: int = 0) -> tuple[Any, ...]:
    return (50, 3, req_id, 0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "", seconds, what, rth, "")


async def test_a_ticker_fills_and_follows_the_market(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    ticker = client.ib.reqMktData(aapl)
    await wait_until(lambda: ticker.bid > 0 and ticker.ask > ticker.bid and ticker.last > 0 and ticker.volume > 0)
    assert ticker.marketDataType == 1
    assert ticker.minTick == 0.01
    assert ticker.close > 0
    before = ticker.lastTimestamp
    await wait_until(lambda: ticker.lastTimestamp > before)
    client.ib.cancelMktData(aapl)
    assert client.codes() == []


async def test_the_kind_of_data_is_told_before_the_first_tick(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*market_data(7))
    await client.got(1)
    kinds = [message[0] for message in client.messages if message[0] in ("58", "81", "1")]
    assert kinds[:2] == ["58", "81"]
    assert client.of(58) == [["58", "1", "7", "1"]]
    assert {len(message) for message in client.of(1)} == {7}


async def test_delayed_data_has_types_of_its_own_and_is_late(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(59, 1, 3)
    client.say(*market_data(7))
    await client.got(1, 3)
    assert client.of(58) == [["58", "1", "7", "3"]]
    assert {message[3] for message in client.of(1)} & LIVE_TYPES == set()
    assert {message[3] for message in client.of(1)} >= DELAYED_TYPES
    await simulator.do("run_until", time="2024-03-05T16:00:00Z")
    stamps = [int(message[4]) for message in client.of(46)]
    assert stamps[-1] <= datetime(2024, 3, 5, 15, 45, 5, tzinfo=UTC).timestamp()


async def test_a_shut_market_has_a_last_price_and_only_frozen_data_a_bid(simulator: Any, tencent: Contract) -> None:
    client = await simulator.connect()  # it is 23:00 in Hong Kong
    await client.ib.qualifyContractsAsync(tencent)
    (live,) = await client.ib.reqTickersAsync(tencent)
    assert live.last > 0
    assert live.close > 0
    assert live.volume > 0
    assert live.bid == -1  # ib_async's word for nobody
    client.ib.reqMarketDataType(2)
    (frozen,) = await client.ib.reqTickersAsync(tencent)
    assert 0 < frozen.bid <= live.last <= frozen.ask


async def test_there_is_a_quote_before_the_market_moves(simulate: Any, aapl: Contract) -> None:
    async with simulate(speed=0.0) as simulator:
        client = await simulator.connect(quotes=False)
        (ticker,) = await client.ib.reqTickersAsync(aapl)
        assert 0 < ticker.bid <= ticker.last <= ticker.ask


async def test_an_unknown_kind_of_data_is_321(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(59, 1, 9)
    await client.error(321)


async def test_a_snapshot_ends(simulator: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    (ticker,) = await client.ib.reqTickersAsync(aapl)
    assert ticker.bid > 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (market_data(7, "NOSUCH"), 200),
        (market_data(7, generic="9999"), 321),
        (market_data(7, generic="233", snapshot=1), 321),
        ((2, 2, 99), 300),
        (bars(7, seconds=10), 321),
        (bars(7, what="BID"), 321),
    ],
)
async def test_a_bad_request_for_data_is_refused(simulator: Any, message: tuple[Any, ...], code: int) -> None:
    client = await simulator.raw(1)
    client.say(*message)
    await client.error(code)


async def test_an_ambiguous_symbol_has_no_market_data(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(1, 11, 7, 0, "TWIN", "STK", "", 0, "", "", "SMART", "", "", "", "", 0, "", 0, 0, "")
    assert "ambiguous" in (await client.error(200))[4]


async def test_a_ticker_id_in_use_is_102(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(*market_data(7))
    client.say(*market_data(7))
    await client.error(102)


async def test_the_101st_line_is_refused(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw()
    client.greet(b"v157..178 +PACEAPI")
    await wait_until(lambda: client.messages)
    client.say(71, 2, 1, "")
    for number in range(101):
        client.say(*market_data(number))
    assert (await client.error(101))[2] == "100"


async def test_without_a_subscription_live_is_354_and_delayed_works(simulator: Any) -> None:
    await simulator.do("delayed_only", symbol="AAPL")
    client = await simulator.raw(1)
    client.say(*market_data(1))
    await client.error(354)
    client.say(*bars(2))
    assert "No market data permissions" in (await client.error(420))[4]
    client.say(59, 1, 3)
    client.say(*market_data(3))
    await client.error(10167)
    await client.got(1)


async def test_without_any_subscription_delayed_is_10168(simulator: Any) -> None:
    await simulator.do("not_subscribed", symbol="AAPL")
    client = await simulator.raw(1)
    client.say(59, 1, 3)
    client.say(*market_data(3))
    await client.error(10168)
    await simulator.do("subscribed", symbol="AAPL")
    client.say(*market_data(4))
    await client.got(1)


async def test_five_second_bars_come_every_five_seconds(simulator: Any, wait_until: Any, aapl: Contract) -> None:
    client = await simulator.connect()
    got = client.ib.reqRealTimeBars(aapl, 5, "TRADES", False)
    await wait_until(lambda: len(got) >= 4)
    assert {(later.time - earlier.time).total_seconds() for earlier, later in pairwise(got)} == {5.0}
    assert all(bar.low <= min(bar.open_, bar.close) <= max(bar.open_, bar.close) <= bar.high for bar in got)
    client.ib.cancelRealTimeBars(got)
    count = len(got)
    await client.ib.reqCurrentTimeAsync()
    assert len(got) - count <= 1


async def test_regular_hours_only_leaves_out_the_rest(simulate: Any, wait_until: Any) -> None:
    async with simulate(start=datetime(2024, 3, 5, 14, 29, tzinfo=UTC)) as simulator:
        client = await simulator.raw(1)
        client.say(*bars(1, rth=1))
        client.say(*bars(2, rth=0))
        await wait_until(lambda: [m for m in client.of(50) if m[2] == "1"])
        first = next(m for m in client.of(50) if m[2] == "1")
        assert int(first[3]) == datetime(2024, 3, 5, 14, 30, tzinfo=UTC).timestamp()
        assert [m for m in client.of(50) if m[2] == "2" and int(m[3]) < int(first[3])]


async def test_the_61st_request_for_live_bars_in_ten_minutes_is_420(simulate: Any, wait_until: Any) -> None:
    async with simulate(speed=1.0) as simulator:
        client = await simulator.raw()
        client.greet(b"v157..178 +PACEAPI")
        await wait_until(lambda: client.messages)
        client.say(71, 2, 1, "")
        for number in range(61):
            client.say(*bars(number))
        assert "pacing violation" in (await client.error(420))[4]


async def test_two_clients_see_the_same_market(simulator: Any, wait_until: Any) -> None:
    one, two = await simulator.raw(1), await simulator.raw(2)
    for client in (one, two):
        client.say(*bars(1))
    await two.got(50, 3)
    await one.got(50, 4)
    shared = {tuple(message) for message in one.of(50)} & {tuple(message) for message in two.of(50)}
    assert len(shared) >= 2


async def test_the_clock_waits_for_a_client_that_reads_slowly(simulate: Any, wait_until: Any) -> None:
    async with simulate(speed=float("inf")) as simulator:
        client = await simulator.raw(1)
        client.say(*bars(1))
        await client.got(50)
        client._task.cancel()
        client.reader._transport.pause_reading()
        for number in range(2, 40):
            client.say(*market_data(number))

        def stands_still() -> bool:
            seen.append(simulator.world.now())
            return len(seen) > 40 and seen[-1] == seen[-40]

        seen: list[datetime] = []
        await wait_until(stands_still)
        client.reader._transport.resume_reading()
        stopped_at = simulator.world.now()
        client._task = asyncio.get_running_loop().create_task(client._read())
        await wait_until(lambda: simulator.world.now() > stopped_at)
