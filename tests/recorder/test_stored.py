"""What a program that may be away is given of a stream: all of it, each once, in order, whoever was away meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.client import stored
from signalbox.client.stored import BEGINNING, PAGE_ROWS, Stored, stored_from
from signalbox.errors import ConfigurationError
from signalbox.messages import Bar, OrderCanceled, OrderStatus

AT = datetime(2024, 3, 5, 15, tzinfo=UTC)
WAIT_SECONDS_MAX = 60.0
MANY, AT_ONCE = 10_000, 200
WANTED, OTHER = "order.ibkr.DU1.wanted", "order.ibkr.DU2.wanted"


def event(number: int) -> OrderCanceled:
    return OrderCanceled(
        id=f"event-{number}",
        at=AT + timedelta(seconds=number),
        venue="ibkr",
        account="DU1",
        order_id="wanted",
        status=OrderStatus.CANCELED,
        reason=str(number),
    )


async def say(oms: Bus, first: int, count: int, subject: str = WANTED) -> None:
    """Store so many events of an order, side by side for the server's sake: in order all the same."""
    for begins in range(first, first + count, AT_ONCE):
        numbers = range(begins, min(begins + AT_ONCE, first + count))
        await asyncio.gather(
            *(
                oms.raw_publish(subject, messages.encode(event(each)), {"Nats-Msg-Id": f"{subject}-{each}"})
                for each in numbers
            )
        )


async def read(bus: Bus, count: int, after: str, subject: str = WANTED) -> list[Stored]:
    """The next ones after a place; more or others are for the test to find."""
    found: list[Stored] = []
    async with asyncio.timeout(WAIT_SECONDS_MAX), aclosing(stored_from(bus, subject, after)) as coming:
        async for each in coming:
            found.append(each)
            if len(found) == count:
                break
    return found


def numbers(found: list[Stored]) -> list[int]:
    return [int(each.message.reason) for each in found]


async def test_who_is_away_while_thousands_pass_misses_none(nats_server: Any, recorder: Any) -> None:
    oms, user = await nats_server.connect("oms"), await nats_server.connect("user")
    recorder.start()
    await say(oms, 0, 3)
    first = await read(user, 3, BEGINNING)
    await say(oms, 3, MANY)
    await say(oms, 0, PAGE_ROWS, OTHER)
    await say(oms, 3 + MANY, 1)
    rest = await read(user, MANY + 1, first[-1].place)
    assert numbers(first + rest) == [*range(MANY + 4)]
    assert {each.subject for each in rest} == {WANTED}
    assert numbers(await read(user, 1, rest[-2].place)) == [MANY + 3]
    assert len(await read(user, MANY + 4 + PAGE_ROWS, BEGINNING, "order.*.>")) == MANY + 4 + PAGE_ROWS


async def test_recorder_and_nats_may_be_away_meanwhile(nats_server: Any, recorder: Any) -> None:
    oms, user = await nats_server.connect("oms"), await nats_server.connect("user")
    recorder.start()
    await say(oms, 0, 1)
    await recorder.until_recorded("TRADE", 1)
    found: list[Stored] = []
    async with asyncio.timeout(WAIT_SECONDS_MAX), aclosing(stored_from(user, WANTED, "1.1")) as coming:
        await say(oms, 1, 1)
        found.append(await anext(coming))
        recorder.kill()
        await say(oms, 2, 20)
        nats_server.restart()
        recorder.start()
        await say(oms, 22, 20)
        async for each in coming:
            found.append(each)
            if len(found) == 41:
                break
    assert numbers(found) == [*range(1, 42)]


async def test_from_now_on_is_from_where_the_record_is(nats_server: Any, recorder: Any) -> None:
    oms, user = await nats_server.connect("oms"), await nats_server.connect("user")
    recorder.start()
    await say(oms, 0, 5)
    await recorder.until_recorded("TRADE", 5)
    async with asyncio.timeout(WAIT_SECONDS_MAX), aclosing(stored_from(user, WANTED, "")) as coming:
        following = asyncio.ensure_future(anext(coming))
        said = 5
        while not following.done():
            await say(oms, said, 1)
            said += 1
            await asyncio.wait([following], timeout=0.1)
        first = await following
        rest = [await anext(coming) for _ in range(said - int(first.message.reason) - 1)]
    assert numbers([first, *rest]) == [*range(int(first.message.reason), said)]
    assert int(first.message.reason) >= 5


@pytest.mark.parametrize("pattern", ["md.bar.ibkr.SPY.1m", "md.bar.*.SPY.>", "md.bar.>"])
async def test_a_bar_is_given_under_the_subject_on_which_it_was_published(
    pattern: str, nats_server: Any, recorder: Any
) -> None:
    gateway, user = await nats_server.connect("gateway-ibkr"), await nats_server.connect("user")
    recorder.start()
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), Decimal(100))
    bars = [
        Bar(id=symbol, at=AT, venue="ibkr", symbol=symbol, timeframe="1m", start=AT, **prices)
        for symbol in ("QQQ", "SPY")
    ]
    for bar in bars:
        await gateway.publish(subjects.bar("ibkr", bar.symbol, "1m"), bar)
    await recorder.until_recorded("BARS", 2)
    found = await read(user, 2 if pattern == "md.bar.>" else 1, BEGINNING, pattern)
    assert (found[-1].subject, found[-1].message) == ("md.bar.ibkr.SPY.1m", bars[1])


async def test_what_can_not_be_read_is_given_as_it_is(nats_server: Any, recorder: Any) -> None:
    oms, user = await nats_server.connect("oms"), await nats_server.connect("user")
    recorder.start()
    for payload in (b"{not json", b"\xff\xfe", b'{"type":"OrderCanceled","reason":"' + b"x" * 40_000 + b'"}'):
        await oms.raw_publish(WANTED, payload, {})
    await say(oms, 0, 1)
    await recorder.until_recorded("TRADE", 4)
    found = await read(user, 4, BEGINNING)
    assert [each.message is None for each in found] == [True, True, True, False]
    assert found[0].payload == "{not json"
    assert found[3].message == event(0)
    assert [each.place for each in found] == ["1.1", "1.2", "1.3", "1.4"]


@pytest.mark.parametrize(
    ("subject", "after", "sentence"),
    [
        (WANTED, "yesterday", "'yesterday' is no place: give the one of the last message, or '0.0' for all"),
        (WANTED, "1.99", "The record of TRADE ends at 1.1, before the place '1.99': is that of another desk?"),
        ("md.nothing.ibkr", "", "Nothing on 'md.nothing.ibkr' is stored"),
        ("clock.desk", "", "Nothing on 'clock.desk' is stored"),
        ("intent.ibkr.SPY", "", "Nothing on 'intent.ibkr.SPY' is stored"),
        ("order.ibkr", "", "Nothing on 'order.ibkr' is stored"),
        ("md.>", "", "Of 'md.>' some is in each of BARS, STATE: follow what one stream has"),
    ],
)
async def test_what_can_not_be_followed_is_said(
    subject: str, after: str, sentence: str, nats_server: Any, recorder: Any
) -> None:
    oms, user = await nats_server.connect("oms"), await nats_server.connect("user")
    recorder.start()
    await say(oms, 0, 1)
    await recorder.until_recorded("TRADE", 1)
    with pytest.raises(ConfigurationError, match=sentence.replace("?", r"\?")):
        await read(user, 1, after, subject)


async def test_what_was_heard_is_looked_for_some_times_and_then_it_is_silent() -> None:
    heard = asyncio.Event()
    heard.set()
    assert await stored._until_worth_a_look(heard, 0) == stored.LOOKS_AFTER_HEARD - 1
    assert not heard.is_set()
    assert await stored._until_worth_a_look(heard, 1) == 0
