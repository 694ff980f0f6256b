"""The service on a real nats-server: once, in order, whatever dies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from indicators import metrics
from indicators.decide import levels_of
from indicators.service import Indicators
from indicators.state import Partition, Rules, Series
from indicators.step import step
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusUnavailableError
from signalbox.messages import Bar, DeadLetter, Levels, Score

RULES = Rules(parameters=(3, 2.0, 0.25, 3), timeframes=frozenset({"1m"}))
OPEN = datetime(2020, 12, 15, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAIT_SECONDS_MAX = 60.0


def a_bar(number: int, symbol: str = "SPY") -> Bar:
    price = Decimal(100 + number * 7 % 11)
    start = OPEN + MINUTE * number
    return Bar(
        id=f"bar/ibkr/{symbol}/1m/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol=symbol,
        timeframe="1m",
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(10),
        received_at=datetime.now(UTC),
    )


def expected_scores(bars: list[Bar]) -> list[Score]:
    series: dict[str, Series] = {}
    scores = []
    for bar in bars:
        series[bar.symbol], score = step(series.get(bar.symbol, Series()), bar, RULES)
        assert isinstance(score, Score)
        scores.append(score)
    return scores


async def publish_bars(bus: Bus, bars: list[Bar]) -> None:
    for bar in bars:
        await bus.publish(subjects.bar(bar.venue, bar.symbol, bar.timeframe), bar)


async def stored_scores(bus: Bus) -> list[Score]:
    return [messages.decode(received.payload, Score) async for received in bus.read("SCORES")]


async def until_scored(bus: Bus, number: int) -> list[Score]:
    """The stored scores, once there are `number` of them."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while len(scores := await stored_scores(bus)) < number:
            await asyncio.sleep(0.02)
    return scores


async def start(bus: Bus) -> Indicators:
    service = Indicators(bus, RULES)
    await service.rebuild()
    await service.consume()
    return service


def by_symbol(scores: list[Score], symbol: str) -> list[Score]:
    return [score for score in scores if score.symbol == symbol]


async def test_each_bar_is_scored_once_and_in_order(nats_server: Any) -> None:
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    bars = [a_bar(number, symbol) for number in range(15) for symbol in ("SPY", "BRK B", "AAPL")]
    await publish_bars(gateway, bars)
    await start(indicators)
    scores = await until_scored(indicators, len(bars))
    for symbol in ("SPY", "BRK B", "AAPL"):
        assert by_symbol(scores, symbol) == by_symbol(expected_scores(bars), symbol)


async def test_restart_in_the_middle_gives_the_same_scores(nats_server: Any) -> None:
    gateway = await nats_server.connect("gateway-ibkr")
    bars = [a_bar(number) for number in range(40)]
    first = await nats_server.connect("indicators")
    await start(first)
    await publish_bars(gateway, bars[:23])
    await until_scored(first, 23)
    await first.drain()
    await publish_bars(gateway, bars[23:])
    second = await nats_server.connect("indicators")
    await start(second)
    assert await until_scored(second, 40) == expected_scores(bars)


async def test_death_between_publish_and_acknowledgement_doubles_nothing(nats_server: Any) -> None:
    gateway = await nats_server.connect("gateway-ibkr")
    bars = [a_bar(number) for number in range(12)]
    await publish_bars(gateway, bars)

    class Dying(Indicators):
        """Dies as by SIGKILL once its seventh score is stored: nothing more is sent, not even an acknowledgement."""

        async def _store(self, partition: Partition, score: Score | Levels, must: bool = False) -> bool:
            stored = await super()._store(partition, score, must)
            if score.bar_start == bars[6].start:
                raise BusUnavailableError("killed")
            return stored

    doomed = await nats_server.connect("indicators")
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    doomed.on_failure = lambda error: failed.done() or failed.set_result(error)
    service = Dying(doomed, RULES)
    await service.rebuild()
    await service.consume()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await failed
    await doomed.drain()
    survivor = await nats_server.connect("indicators")
    assert len(await stored_scores(survivor)) == 7
    restarted = await start(survivor)
    assert await until_scored(survivor, 12) == expected_scores(bars)
    assert restarted.details() | {"partitions": ""} == {
        "series": "1",
        "bars_rebuilt": "6",
        "scores_stored": "5",
        "partitions": "",
    }


async def test_score_stored_long_ago_is_not_stored_again(nats_server: Any) -> None:
    """Even when JetStream no longer knows the id: here it was stored without one that it could know."""
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    bars = [a_bar(0), a_bar(1)]
    await publish_bars(gateway, bars)
    stored_before = expected_scores(bars)[0]
    await indicators.publish(subjects.score("ibkr", "SPY", "1m"), stored_before)
    asked: list[str] = []
    publish = indicators.publish

    async def remember(subject: str, message: Any, **options: Any) -> Any:
        asked.append(message.id)
        return await publish(subject, message, **options)

    indicators.publish = remember
    await start(indicators)
    assert await until_scored(indicators, 2) == expected_scores(bars)
    assert asked == [expected_scores(bars)[1].id]


async def test_a_killed_server_loses_and_doubles_nothing(nats_server: Any) -> None:
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    bars = [a_bar(number) for number in range(60)]
    await start(indicators)
    await publish_bars(gateway, bars[:30])
    nats_server.restart()
    await publish_bars(gateway, bars[30:])
    assert await until_scored(indicators, 60) == expected_scores(bars)


@pytest.mark.parametrize(
    ("payload", "symbol", "why"),
    [
        (b"{", "SPY", "DecodeError"),
        (b'{"type":"Bar"}', "SPY", "missing required field"),
        (messages.encode(a_bar(0)).replace(b'"close":"100"', b'"close":"NaN"'), "SPY", "which is no price"),
        (messages.encode(a_bar(0, "no such")), "no such", "is not a symbol"),
        (messages.encode(a_bar(0, "AAPL")), "SPY", "than its subject"),
    ],
)
async def test_unreadable_bar_becomes_a_dead_letter_and_the_next_one_is_scored(
    nats_server: Any, payload: bytes, symbol: str, why: str
) -> None:
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    recorder = await nats_server.connect("recorder")
    await gateway.raw_publish(subjects.bar("ibkr", symbol, "1m"), payload)
    await publish_bars(gateway, [a_bar(1)])
    await start(indicators)
    assert await until_scored(indicators, 1) == expected_scores([a_bar(1)])
    letters = [messages.decode(received.payload, DeadLetter) async for received in recorder.read("DEAD")]
    assert [(letter.service, letter.stream, letter.payload) for letter in letters] == [("indicators", "BARS", payload)]
    assert why in letters[0].error


async def test_a_timeframe_that_is_not_scored_names_no_figure(nats_server: Any) -> None:
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    await publish_bars(gateway, [replace(a_bar(0), id=word, timeframe=word) for word in ("odd", "odder")])
    await publish_bars(gateway, [a_bar(1)])
    await start(indicators)
    await until_scored(indicators, 1)
    (family,) = metrics.BARS.collect()
    assert {sample.labels["timeframe"] for sample in family.samples} <= {"", *RULES.timeframes}


async def test_unreadable_bar_does_not_stop_a_rebuild(nats_server: Any) -> None:
    gateway, first = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    await publish_bars(gateway, [a_bar(0)])
    await gateway.raw_publish(subjects.bar("ibkr", "SPY", "1m"), b"{")
    await gateway.raw_publish(subjects.bar("ibkr", "SPY", "1m"), messages.encode(replace(a_bar(9), venue="a.b")))
    await publish_bars(gateway, [a_bar(1)])
    await start(first)
    await until_scored(first, 2)
    await first.drain()
    await publish_bars(gateway, [a_bar(2)])
    second = await nats_server.connect("indicators")
    await start(second)
    assert await until_scored(second, 3) == expected_scores([a_bar(0), a_bar(1), a_bar(2)])


async def test_service_is_caught_up_once_every_stored_bar_is_scored(nats_server: Any) -> None:
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    bars = [a_bar(number, symbol) for number in range(5) for symbol in ("SPY", "AAPL", "BRK B")]
    await publish_bars(gateway, bars)
    caught_up = asyncio.Event()
    service = Indicators(indicators, RULES, caught_up=caught_up.set)
    await service.rebuild()
    assert not caught_up.is_set()
    await service.consume()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await caught_up.wait()
    assert service.details()["scores_stored"] == str(len(bars))


async def test_service_with_nothing_stored_is_caught_up_at_once(nats_server: Any) -> None:
    indicators = await nats_server.connect("indicators")
    called: list[bool] = []
    service = Indicators(indicators, RULES, caught_up=lambda: called.append(True))
    await service.rebuild()
    await service.consume()
    assert called == [True]


LEVELS_RULES = Rules(parameters=(3, 2.0, 0.25, 3), timeframes=frozenset({"1m"}), levels_timeframes=frozenset({"1m"}))


async def stored_levels(bus: Bus) -> list[Levels]:
    return [messages.decode(each.payload, Levels) async for each in bus.read("SCORES", "ind.levels.*.*.*")]


async def test_levels_are_stored_once_and_in_order_beside_the_scores(nats_server: Any) -> None:
    """Killed when a score is stored and its levels are not: who takes over stores the levels, and no score again."""
    gateway = await nats_server.connect("gateway-ibkr")
    bars = [a_bar(number) for number in range(12)]
    await publish_bars(gateway, bars)

    class Dying(Indicators):
        async def _store(self, partition: Partition, score: Score | Levels, must: bool = False) -> bool:
            if isinstance(score, Levels) and score.bar_start == bars[6].start:
                raise BusUnavailableError("killed")
            return await super()._store(partition, score, must)

    first = await nats_server.connect("indicators")
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    first.on_failure = lambda error: failed.done() or failed.set_result(error)
    dying = Dying(first, LEVELS_RULES)
    await dying.rebuild()
    await dying.consume()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await failed
    await first.drain()
    second = await nats_server.connect("indicators")
    assert (len(await stored_levels(second)), len([each async for each in second.read("SCORES")])) == (6, 13)
    service = Indicators(second, LEVELS_RULES)
    await service.rebuild()
    await service.consume()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while len(found := await stored_levels(second)) < 12:
            await asyncio.sleep(0.02)
    scores = [messages.decode(each.payload, Score) async for each in second.read("SCORES", subjects.ALL_SCORES)]
    series, expected = Series(), []
    for bar in bars:
        series, score = step(series, bar, LEVELS_RULES)
        expected.append(score)
    assert scores == expected
    assert [each.levels for each in found] == [score.levels for score in scores]
    assert [each.bar_start for each in found] == [bar.start for bar in bars]


async def test_levels_of_a_process_that_wakes_up_late_are_refused(nats_server: Any) -> None:
    """It was frozen between a score and its levels, while another one went on."""
    bus = await nats_server.connect("indicators")
    service, partition = Indicators(bus, LEVELS_RULES), Partition()
    series, scores = Series(), []
    for bar in [a_bar(number) for number in range(3)]:
        series, score = step(series, bar, LEVELS_RULES)
        assert isinstance(score, Score)
        scores.append(score)
    for score in scores:
        levels = levels_of(score)
        assert levels is not None
        assert await service._store(partition, levels)
        partition.series["ibkr", "SPY", "1m"] = Series(score.bar_start)
    late = levels_of(scores[0])
    assert late is not None
    assert await service._store(Partition(), late)  # done: by another one, and later ones too
    assert len(await stored_levels(bus)) == 3
