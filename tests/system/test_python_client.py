"""A program in Python at a running desk: wishes, orders that are followed, questions, what comes next."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox.client import Blocking, DeniedError, Desk, NotFilledError, away, wishes
from signalbox.errors import BusUnavailableError, ConfigurationError
from signalbox.messages import OrderStatus, WouldBe

from tests.running_desk import RunningDesk, environment

SECONDS_MAX = 90.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"


def opened(desk: RunningDesk) -> AbstractAsyncContextManager[Desk]:
    return Desk.connect(desk.facts["nats_url"], user="user", password=desk.password("user"))


async def until(found: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is found."""
    async with asyncio.timeout(SECONDS_MAX):
        while not (result := await found()):
            await asyncio.sleep(0.05)
    return result


@pytest.fixture
async def client(desk: RunningDesk) -> AsyncIterator[Desk]:
    async with opened(desk) as client:
        yield client


async def test_an_order_is_followed_to_its_fill_and_the_position_has_it(client: Desk) -> None:
    before = (await client.positions()).get("AAPL", Decimal(0))
    order = await client.buy("AAPL", 7, strategy="client")
    await order.filled(SECONDS_MAX)
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, 7)
    assert order.average_price is not None
    assert (await client.positions()).get("AAPL", Decimal(0)) == before + 7
    assert [Decimal(fill["quantity"]) for fill in await client.fills("AAPL") if fill["order_id"] == order.id] == [7]


async def test_the_same_wish_again_is_the_same_order(client: Desk, desk: RunningDesk) -> None:
    first = await client.buy("SPY", 1, id="client-again")
    async with opened(desk) as another:  # as after a restart of the program
        second = await another.buy("SPY", 1, id="client-again")
        await second.filled(SECONDS_MAX)
    assert second.decision == first.decision
    await first.filled(SECONDS_MAX)
    [row] = await client.query("SELECT count(*) AS n FROM fills WHERE order_id = 'client-again'")
    assert row["n"] == 1


async def test_a_denial_says_why(client: Desk) -> None:
    with pytest.raises(DeniedError, match="client-far is denied: ") as caught:
        await client.buy("SPY", 1_000_000, id="client-far")
    assert caught.value.decision.cause == "client-far"
    assert await until(lambda: client.why("client-far")) == caught.value.decision  # the record is a second behind
    assert await client.why("nobody's") is None


async def test_risk_is_asked_what_it_would_say_and_nothing_is_sent(client: Desk) -> None:
    question = wishes.order("BUY", "SPY", 1_000_000, id="client-asked")
    answer = await client.whatif(question)
    assert (answer.would_be, answer.checks[0].name) == (WouldBe.DENIED, "order_quantity")
    assert answer.would_pass is not None
    assert answer.would_pass.quantity is not None
    fits = wishes.order("BUY", "SPY", answer.would_pass.quantity)
    assert (await client.whatif(fits)).would_be is WouldBe.APPROVED
    with pytest.raises(DeniedError):  # its id is not used up
        await client.send(question)


async def test_an_order_that_rests_is_modified_and_cancelled_and_is_not_filled(client: Desk) -> None:
    order = await client.buy("SPY", 10, limit="420", time_in_force="GTC")
    await order.working(SECONDS_MAX)
    await order.modify(limit="419")
    await order.cancel()
    with pytest.raises(NotFilledError, match=f"order {order.id} is CANCELED, 0 of it filled"):
        await order.filled(SECONDS_MAX)
    assert order.id not in [row["order_id"] for row in await client.orders()]
    assert order.id in [row["order_id"] for row in await client.orders(working=False)]


async def test_events_that_did_not_come_are_looked_up(client: Desk) -> None:
    order = await client.buy("SPY", 1)
    client._orders.clear()  # as if the connection had been away
    await order.filled(SECONDS_MAX)


async def test_bracket_target_and_flatten(client: Desk) -> None:
    await client.bracket("BUY", "AAPL", 10, stop=away(3, "PERCENT"), targets=[away(2, "R")], id="client-bracket")
    exits = "SELECT 1 FROM orders WHERE order_id = 'client-bracket.stop' AND status = 'NEW'"
    await until(lambda: client.query(exits))
    ended = await client.flatten(venue="ibkr", symbol="AAPL", seconds_max=SECONDS_MAX)
    assert ended.is_flat
    assert "AAPL" not in await client.positions()
    order = await client.target("AAPL", 3)
    assert order is not None
    await order.filled(SECONDS_MAX)
    assert (await client.positions())["AAPL"] == 3
    assert await client.target("AAPL", 3) is None
    await client.flatten(venue="ibkr", symbol="AAPL", seconds_max=SECONDS_MAX)


async def test_bars_are_history_and_then_live_without_a_gap(client: Desk) -> None:
    of_spy = "FROM bars WHERE symbol = 'SPY' AND timeframe = '1m'"
    [known] = await client.query(f"SELECT min(start) AS first, max(start) AS last {of_spy}")
    since, last = (datetime.fromisoformat(known[name]) for name in ("first", "last"))
    starts: list[datetime] = []
    async with asyncio.timeout(SECONDS_MAX):
        async for bar in client.bars("SPY", "1m", since=since):
            starts.append(bar.start)
            if bar.start > last + timedelta(minutes=1):  # the second one that is live
                break
    till = f"start <= TIMESTAMPTZ '{starts[-1].isoformat()}'"
    recorded = f"SELECT start {of_spy} AND {till} ORDER BY start"
    await until(lambda: client.query(f"SELECT 1 {of_spy} AND start = TIMESTAMPTZ '{starts[-1].isoformat()}'"))
    assert starts == [datetime.fromisoformat(row["start"]) for row in await client.query(recorded, 10_000)]


async def test_quotes_come(client: Desk) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        async for quote in client.quotes("SPY"):
            assert (quote.venue, quote.symbol) == ("ibkr", "SPY")
            break


def test_the_same_without_async(desk: RunningDesk) -> None:
    with Blocking(opened(desk)) as client:
        order = client.buy("SPY", 1).filled(SECONDS_MAX)
        assert order.status is OrderStatus.FILLED
        assert order.filled_quantity == 1
        assert client.query("SELECT 1 AS one") == [{"one": 1}]
        quote = next(iter(client.quotes("SPY")))
        assert quote.symbol == "SPY"
        with pytest.raises(DeniedError):
            client.buy("SPY", 1_000_000)


async def test_who_can_not_connect_is_told_why() -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_NATS_PASSWORD"):
        async with Desk.connect("nats://127.0.0.1:1", user="user"):
            pass
    with pytest.raises(BusUnavailableError, match="can not be reached"):
        async with Desk.connect("nats://127.0.0.1:1", user="user", password="x"):
            pass


@pytest.mark.parametrize("script", re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
def test_what_the_document_prints_runs(desk: RunningDesk, script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(desk.folder), capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


async def test_what_was_said_while_a_program_was_away_is_given_to_it(client: Desk, desk: RunningDesk) -> None:
    first = await client.buy("SPY", 1, id="followed-first")
    await first.filled(SECONDS_MAX)
    following = client.follow(f"order.ibkr.{first.account}.followed-first", after="0.0")
    async with asyncio.timeout(SECONDS_MAX):
        said = [await anext(following) for _ in range(3)]
    assert [each.message.status for each in said][:2] == [OrderStatus.PENDING_NEW, OrderStatus.NEW]
    await following.aclose()
    later = await client.buy("SPY", 1, id="followed-later")
    await later.filled(SECONDS_MAX)
    done = desk.run("watch", f"order.ibkr.{first.account}.*", "--after", said[-1].place, "--json", "--order",
                    "followed-later", "--count", "1")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["message"]["order_id"] == "followed-later"
    assert int(told["place"].partition(".")[2]) > int(said[-1].place.partition(".")[2])
    refused = desk.run("watch", "--after", "0.0")
    assert (refused.returncode, "--after follows one subject" in refused.stderr) == (2, True)
