"""The control port: one line in, one line out, whatever the line."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signalbox.exchange.orders import OrderTerms, VenueOrderStatus
from signalbox.messages import OrderType, Side, TimeInForce


async def say(port: int, *lines: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for line in lines:
        writer.write(line + b"\n")
    replies = [json.loads(await asyncio.wait_for(reader.readline(), 10)) for _ in lines]
    writer.close()
    await writer.wait_closed()
    return replies


async def test_help_lists_every_command_with_its_parameters(simulator: Any) -> None:
    (reply,) = await say(simulator.control.port, b'{"do": "help"}')
    commands = {command["do"]: command for command in reply["commands"]}
    assert {"time", "set_speed", "pause", "books", "orders", "run_until", "shutdown"} <= commands.keys()
    assert {"drop_link", "half_open", "delay", "duplicate", "reorder", "omit", "swallow_next"} <= commands.keys()
    assert commands["set_speed"]["parameters"][0]["required"] is True
    assert all(command["about"] for command in commands.values())


async def test_lines_are_answered_in_order(simulator: Any) -> None:
    replies = await say(simulator.control.port, b'{"do": "pause"}', b'{"do": "time"}', b'{"do": "nothing"}')
    assert [reply["ok"] for reply in replies] == [True, True, False]
    assert replies[1]["speed"] == "0.0"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"[]", 'a command is a JSON object with "do"'),
        (b'{"do": 5}', 'a command is a JSON object with "do"'),
        (b'{"do": "nothing"}', "there is no command 'nothing'"),
        (b'{"do": "set_speed"}', "set_speed needs 'speed'"),
        (b'{"do": "set_speed", "speed": "fast"}', "speed must be a number"),
        (b'{"do": "set_speed", "speed": -1}', "must be 0 or more"),
        (b'{"do": "set_speed", "speed": NaN}', "speed must be a number"),
        (b'{"do": "time", "zone": "UTC"}', "time has no parameter 'zone'"),
        (b'{"do": "omit", "kind": "noSuch"}', "there is no message 'noSuch'"),
        (b'{"do": "omit", "count": 0}', "count must be at least 1"),
        (b'{"do": "omit", "count": true}', "count must be a whole number"),
        (b'{"do": "farm_down", "farm": "x"}', "there is no farm 'x'"),
        (b'{"do": "run_until", "time": "2024-03-05T15:00:00"}', "time must be a time such as"),
        (b'{"do": "not_subscribed", "symbol": "X"}', "there is no symbol 'X'"),
        (b'{"do": "correct_execution", "execution_id": "x"}', "there is no execution 'x'"),
        (b'{"do": "send_completed", "number": 5}', "there is no completed order 5"),
        (b'{"do": "cancel_by_hand", "number": 5}', "can not be cancelled"),
        (b'{"do": "place_by_hand", "symbol": "AAPL", "side": "X", "quantity": 1}', "side must be BUY or SELL"),
        (b'{"do": "drop_link", "refuse_seconds": 1e9}', "refuse_seconds must be from 0"),
        (b"\xff\xfe", "not a JSON object"),
    ],
)
async def test_a_bad_command_gets_a_sentence(simulator: Any, line: bytes, sentence: str) -> None:
    (reply,) = await say(simulator.control.port, line)
    assert reply["ok"] is False
    assert sentence in reply["error"]


async def test_an_order_of_another_venue_is_not_cancelled_here(simulate: Any) -> None:
    async with simulate(symbols=("AAPL", "BTC-USD"), speed=0.0) as simulator:
        simulator.world.open_account("dydx1abc-0")
        terms = OrderTerms(
            account="dydx1abc-0",
            symbol="BTC-USD",
            side=Side.BUY,
            quantity=Decimal("0.01"),
            order_type=OrderType.LIMIT,
            limit_price=Decimal(1),
            time_in_force=TimeInForce.GTC,
        )
        order = simulator.world.submit(terms)
        line = json.dumps({"do": "cancel_by_hand", "number": order.number}).encode()
        (reply,) = await say(simulator.control.port, line)
        assert reply["ok"] is False
        assert "not of this venue" in reply["error"]
        assert simulator.world.order(order.number).status is VenueOrderStatus.WORKING


LINES = st.one_of(
    st.binary(max_size=30).filter(lambda line: b"\n" not in line),
    st.text().map(lambda name: json.dumps({"do": name}).encode()),
)


async def test_a_line_that_is_too_long_is_refused(simulator: Any) -> None:
    (reply,) = await say(simulator.control.port, b'{"do": "' + b"x" * 100_000 + b'"}')
    assert "at most 65536 bytes" in reply["error"]


@given(st.lists(LINES, max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines_are_answered(simulate: Any, lines: list[bytes]) -> None:
    async def fuzz() -> None:
        async with simulate(symbols=("AAPL",), speed=0.0) as simulator:
            for line in lines:
                assert "ok" in await simulator.control.answer(line)

    asyncio.run(fuzz())


async def test_running_until_a_time_stops_there(simulator: Any) -> None:
    reply = await simulator.do("run_until", time="2024-03-05T15:05:00Z")
    assert reply["time"] == "2024-03-05T15:05:00+00:00"
    assert simulator.world.speed == 0


async def test_running_on_over_the_night_reaches_the_next_day(simulator: Any) -> None:
    reply = await simulator.do("run_until", time="2024-03-06T14:30:00Z", timeout_seconds=30)
    assert reply["time"].startswith("2024-03-06T14:30")


async def test_books_hold_cash_positions_and_executions(simulator: Any, wait_until: Any) -> None:
    await wait_until(lambda: simulator.world.quote("AAPL"))
    await simulator.do("place_by_hand", symbol="AAPL", side="BUY", quantity=100)
    await wait_until(lambda: simulator.world.executions())
    reply = await simulator.do("books")
    assert reply["books"]["DU1234567"]["positions"] == {"AAPL": "100"}
    assert reply["executions"][0]["quantity"] == "100"
    assert (await simulator.do("orders"))["orders"][0]["status"] == "FILLED"
    assert (await simulator.do("quote", symbol="AAPL"))["bid"]
