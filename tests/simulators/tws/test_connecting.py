"""Handshake, client ids, and what happens to clients that break the protocol."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ib_async import IB, Contract, LimitOrder, MarketOrder


async def test_the_handshake_is_one_frame_of_version_and_time(simulator: Any) -> None:
    client = await simulator.raw(1)
    assert client.messages[0][0] == "178"
    assert len(client.messages[0]) == 2


async def test_accounts_next_id_and_farms_come_unasked(simulator: Any) -> None:
    client = await simulator.raw(1)
    await client.got(4, 3)
    assert client.of(15) == [["15", "1", "DU1234567"]]
    assert client.of(9) == [["9", "1", "1"]]
    assert [message[3] for message in client.of(4)] == ["2104", "2106", "2158"]


async def test_a_client_in_a_newer_version_is_served_178(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw()
    client.greet(b"v100..222")
    await wait_until(lambda: client.messages)
    assert client.messages[0][0] == "178"


@pytest.mark.parametrize("greeting", [b"v100..156", b"v63..100", b"v200..222"])
async def test_a_client_without_our_versions_is_told_and_cut(simulator: Any, wait_until: Any, greeting: bytes) -> None:
    client = await simulator.raw()
    client.greet(greeting)
    await wait_until(lambda: client.closed)
    assert "this gateway speaks 157 to 178" in client.messages[0][4]


@pytest.mark.parametrize("version", [157, 160, 162, 163, 164, 166, 169, 170, 176, 177])
async def test_an_older_client_trades_in_its_own_version(
    simulator: Any, wait_until: Any, aapl: Contract, version: int
) -> None:
    ib = IB()
    ib.client.MaxClientVersion = version  # ib_insync 0.9.86 asks for 176 at most, ibapi 9.81.1 for 157
    await ib.connectAsync("127.0.0.1", simulator.server.port, clientId=1, timeout=10)
    assert ib.client.serverVersion() == version
    (details,) = await ib.reqContractDetailsAsync(aapl)
    assert (details.minTick, details.stockType, details.underConId) == (0.01, "COMMON", 0)
    filled = ib.placeOrder(aapl, MarketOrder("BUY", 100, orderRef="old"))
    resting = ib.placeOrder(aapl, LimitOrder("BUY", 100, 50, modelCode="", orderRef="resting"))
    await wait_until(lambda: filled.isDone() and resting.orderStatus.status == "Submitted")
    assert filled.fills[0].execution.orderRef == "old"
    assert resting.order.permId > 0
    (open_order,) = await ib.reqAllOpenOrdersAsync()
    assert (open_order.order.orderRef, open_order.order.lmtPrice) == ("resting", 50)
    (done,) = await ib.reqCompletedOrdersAsync(False)
    assert (done.order.orderRef, done.orderStatus.status, done.order.filledQuantity) == ("old", "Filled", 100)
    ib.cancelOrder(resting.order)
    await wait_until(lambda: resting.orderStatus.status == "Cancelled")
    ib.disconnect()


async def test_an_allocation_profile_of_an_older_client_is_refused(
    simulator: Any, wait_until: Any, aapl: Contract
) -> None:
    ib = IB()
    ib.client.MaxClientVersion = 176
    await ib.connectAsync("127.0.0.1", simulator.server.port, clientId=1, timeout=10)
    trade = ib.placeOrder(aapl, LimitOrder("BUY", 100, 50, faProfile="half"))
    await wait_until(lambda: trade.orderStatus.status in ("Cancelled", "Inactive"))
    assert any("no allocation profile" in entry.message for entry in trade.log)
    ib.disconnect()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"API\0\xff\xff\xff\xff",
        b"API\0\x00\x00\x00\x03v1x",
        b"API\0\x00\x00\x00\x00",
        b"API\0\x00\x00\x00\x09v157..178\x00\x00\x00\x00",
        b"API\0\x00\x00\x00\x09v157..178\x00\x00\x00\x02" + b"61",
        b"API\0\x00\x00\x00\x09v157..178\xff\xff\xff\xff",
        b"API\0\x00\x00\x00\x09v157..178\x00\x00\x00\x0371\0",
        b"API\0\x00\x00\x00\x09v157..178\x00\x00\x00\x0361\0",
    ],
)
async def test_garbage_ends_its_own_connection_only(simulator: Any, wait_until: Any, data: bytes) -> None:
    client = await simulator.raw()
    client.writer.write(data)
    await wait_until(lambda: client.closed)
    assert (await simulator.connect(2)).ib.isConnected()


async def test_a_client_id_in_use_is_error_326(simulator: Any, wait_until: Any) -> None:
    await simulator.raw(5)
    second = await simulator.raw()
    second.greet()
    await wait_until(lambda: second.messages)
    second.say(71, 2, 5, "")
    await second.error(326)
    await wait_until(lambda: second.closed)


async def test_a_client_id_is_free_again_once_its_client_has_gone(simulator: Any, wait_until: Any) -> None:
    first = await simulator.raw(5)
    await first.end()
    await wait_until(lambda: simulator.server.clients() == [])
    await simulator.raw(5)
    assert simulator.server.clients() == [5]


async def test_the_33rd_client_is_refused(simulator: Any, wait_until: Any) -> None:
    for client_id in range(32):
        await simulator.raw(client_id)
    last = await simulator.raw()
    last.greet()
    await wait_until(lambda: last.messages)
    last.say(71, 2, 32, "")
    await last.error(326)


async def test_real_clients_start_with_every_request_answered(simulator: Any) -> None:
    for client_id in (0, 1, 2):
        client = await simulator.connect(client_id)
        assert client.ib.client.serverVersion() == 178
        assert client.ib.accountValues()
        assert client.codes() == []


async def test_unreadable_fields_are_error_320_and_the_client_goes_on(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(4, 1, "seven", "")
    assert 'NumberFormatException: For input string: "seven"' in (await client.error(320))[4]
    client.say(49, 1)
    await client.got(49)


async def test_an_unknown_message_is_error_320(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(999, 1)
    assert "Unknown message id: 999" in (await client.error(320))[4]


async def test_an_error_names_the_order_that_could_not_be_read(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(3, 42, "not a contract id")
    assert (await client.error(320))[2] == "42"


async def test_start_api_twice_is_error_321(simulator: Any) -> None:
    client = await simulator.raw(1)
    client.say(71, 2, 1, "")
    await client.error(321)


async def test_what_a_simulated_gateway_lacks_is_refused_by_request_id(simulator: Any) -> None:
    client = await simulator.raw(1)
    for message in ((10, 5, 31), (22, 32), (52, 2, 33), (88, 34), (96, 35), (97, 36), (100, 37)):
        client.say(*message, "x")
    await client.got(4, 10)
    assert {message[2] for message in client.of(4)} - {"-1"} == {"31", "32", "33", "34", "35", "36", "37"}


async def test_fifty_one_messages_in_a_second_are_error_100_and_the_third_time_the_end(
    simulator: Any, wait_until: Any
) -> None:
    client = await simulator.raw(1)
    loop = asyncio.get_running_loop()
    for number in (1, 2, 3):
        began = loop.time()
        for _ in range(120):
            client.say(49, 1)
        await wait_until(lambda n=number: len([m for m in client.of(4) if m[3] == "100"]) == n)
        assert f"({number})" in client.of(4)[-1][4]
        if number < 3:
            await wait_until(lambda since=began: loop.time() - since > 1.1)
    await wait_until(lambda: client.closed)


async def test_a_client_that_asks_for_pacing_is_paced_instead(simulator: Any, wait_until: Any) -> None:
    client = await simulator.raw()
    client.greet(b"v157..178 +PACEAPI")
    await wait_until(lambda: client.messages)
    client.say(71, 2, 1, "")
    for _ in range(80):
        client.say(49, 1)
    await client.got(49, 80)
    assert [m for m in client.of(4) if m[3] == "100"] == []


@given(st.lists(st.binary(max_size=60), max_size=12))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_frames_leave_the_server_alive_for_the_next_client(simulate: Any, payloads: list[bytes]) -> None:
    async def fuzz() -> None:
        async with simulate(symbols=("AAPL",)) as simulator:
            client = await simulator.raw(1)
            for payload in payloads:
                client.writer.write(struct.pack(">I", len(payload)) + payload)
            await (await simulator.raw(2)).got(9)

    asyncio.run(fuzz())


@given(st.lists(st.tuples(st.integers(1, 104), st.lists(st.text("01A.- ", max_size=5), max_size=25)), max_size=12))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_fields_leave_the_server_alive_for_the_next_client(
    simulate: Any, messages: list[tuple[int, list[str]]]
) -> None:
    async def fuzz() -> None:
        async with simulate(symbols=("AAPL",)) as simulator:
            client = await simulator.raw(1)
            for kind, fields in messages:
                client.say(kind, *fields)
            other = await simulator.raw(2)
            other.say(49, 1)
            await other.got(49)

    asyncio.run(fuzz())


async def test_two_clients_have_orders_of_the_same_number(simulator: Any, wait_until: Any, aapl: Any) -> None:
    one, two = await simulator.connect(1), await simulator.connect(2)
    for client in (one, two):
        order = LimitOrder("BUY", 100, 50, orderId=77)
        trade = client.ib.placeOrder(aapl, order)
        await wait_until(lambda t=trade: t.orderStatus.status == "Submitted")
    one.ib.cancelOrder(one.ib.trades()[0].order)
    await wait_until(lambda: one.ib.trades()[0].orderStatus.status == "Cancelled")
    assert two.ib.trades()[0].orderStatus.status == "Submitted"


async def test_a_peer_that_stops_reading_is_disconnected_not_buffered(
    simulate: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.tws.session.DRAIN_SECONDS_MAX", 0.3)
    async with simulate(speed=float("inf")) as simulator:
        client = await simulator.raw(1)
        client._task.cancel()
        client.reader._transport.pause_reading()
        for number in range(1, 41):
            client.say(1, 11, number, 265598, "", "", "", "", "", "", "SMART", "", "", "", "", 0, "", 0, 0, "")
        await wait_until(lambda: simulator.server.clients() == [])


def test_ib_async_is_the_version_the_protocol_was_checked_with() -> None:
    assert (IB().client.MinClientVersion, IB().client.MaxClientVersion) == (157, 178)
