"""A real nats-server: no stream takes another's room, an existing desk is bounded without loss, and less is refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from signalbox.bus import Bus, publishing
from signalbox.bus.bootstrap import BOOTSTRAP, bootstrap_server, stream_config
from signalbox.errors import BusError, BusFullError, ConfigurationError
from signalbox.messages import LedgerSent, Order, OrderType, Side, TradingMode
from signalbox.room import MEBIBYTE, SHARES_PERMILLE, STORE_BYTES_MIN, stream_bytes_max
from signalbox.streams import STREAMS

from tests.conftest import NatsServer

ONE_MESSAGE, ONE_INTENT = b"x" * 15_000, b"x" * 3_000
NOON = datetime(2024, 1, 2, 17, 0, tzinfo=UTC)
ORDER = Order(
    order_id="one",
    intent_id="one",
    venue="ibkr",
    account="DU1",
    symbol="SPY",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.MARKET,
)


async def ask(server: NatsServer, user: str, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    client = await server.client(user)
    try:
        answer: dict[str, Any] = json.loads((await client.request(subject, json.dumps(body).encode(), timeout=5)).data)
    finally:
        await client.close()
    return answer


async def info(server: NatsServer, stream: str) -> dict[str, Any]:
    return await ask(server, BOOTSTRAP, f"$JS.API.STREAM.INFO.{stream}", {})


async def bootstrap(server: NatsServer, store_bytes: int | None = None) -> tuple[str, ...]:
    return await bootstrap_server(
        *(server.url, server.password(BOOTSTRAP), TradingMode.ACTIVE, server.seals(BOOTSTRAP)), store_bytes=store_bytes
    )


async def test_every_stream_is_bounded_by_its_part_of_what_nats_grants(nats_server: NatsServer) -> None:
    risk = await nats_server.connect("risk")
    (granted,) = [server.store_bytes for server in await risk.servers()]
    for stream in STREAMS:
        config = (await info(nats_server, stream.name))["config"]
        assert config["max_bytes"] == min(stream_bytes_max(stream.name, granted), stream.bytes_max or granted)
        refuses = stream.refuse_when_full or stream.refuse_second
        assert config["discard"] == ("new" if refuses else "old")


async def test_present_streams_are_given_other_parts_in_place(nats_server: NatsServer) -> None:
    for store_bytes in (STORE_BYTES_MIN, 9 * STORE_BYTES_MIN, None, 2 * STORE_BYTES_MIN):
        assert await bootstrap(nats_server, store_bytes) == ()
    assert (await info(nats_server, "TRADE"))["config"]["max_bytes"] == stream_bytes_max("TRADE", 2 * STORE_BYTES_MIN)


async def test_parts_can_be_moved_from_one_stream_to_another_where_nothing_is_left_over(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = sum(SHARES_PERMILLE.values()) - SHARES_PERMILLE["BARS"] - SHARES_PERMILLE["TRADE"]
    for bars, trade in ((1000 - others - 1, 1), (1, 1000 - others - 1), (1000 - others - 1, 1)):
        monkeypatch.setitem(SHARES_PERMILLE, "BARS", bars)
        monkeypatch.setitem(SHARES_PERMILLE, "TRADE", trade)
        await bootstrap(nats_server)


async def test_bound_below_what_a_stream_holds_destroys_nothing_and_is_said(
    nats_server_without_streams: NatsServer,
) -> None:
    server = nats_server_without_streams
    (trade,) = (stream for stream in STREAMS if stream.name == "TRADE")
    unbounded = stream_config(trade) | {"discard": "old"}  # as it was before streams had bounds
    assert "error" not in await ask(server, BOOTSTRAP, "$JS.API.STREAM.CREATE.TRADE", unbounded)
    oms = await server.connect("oms")
    count = stream_bytes_max("TRADE", STORE_BYTES_MIN) // len(ONE_MESSAGE) + 10
    for _ in range(count):
        await oms.raw_publish("order.ibkr.DU1.one", ONE_MESSAGE)
    (note,) = await bootstrap(server, STORE_BYTES_MIN)
    assert note.startswith("TRADE holds ")
    state = (await info(server, "TRADE"))["state"]
    assert (state["messages"], state["first_seq"]) == (count, 1)


async def test_more_than_nats_grants_is_refused_with_a_sentence(nats_server: NatsServer) -> None:
    with pytest.raises(ConfigurationError, match="raise DESK_STORE_MAX"):
        await bootstrap(nats_server, 10**15)


async def test_full_market_data_drops_its_oldest_and_leaves_every_other_stream_its_room(
    nats_server: NatsServer,
) -> None:
    await bootstrap(nats_server, STORE_BYTES_MIN)
    gateway, indicators = await nats_server.connect("gateway-ibkr"), await nats_server.connect("indicators")
    oms, risk = await nats_server.connect("oms"), await nats_server.connect("risk")
    operator = await nats_server.connect("operator")
    await fill(gateway, "md.bar.ibkr.SPY.1m", "BARS")
    await fill(gateway, "dead.COMMANDS.gateway-ibkr", "DEAD")
    await fill(indicators, "ind.score.ibkr.SPY.1m", "SCORES")
    await fill_up(nats_server, "user", "intent.ibkr.SPY")
    for stream in ("BARS", "SCORES", "DEAD"):
        found = await info(nats_server, stream)
        assert found["state"]["bytes"] <= found["config"]["max_bytes"]
        assert found["state"]["first_seq"] > 1
    await operator.raw_publish("$KV.CONTROL.trading-state", b"HALT")
    await risk.raw_publish("decision.ibkr.DU1.approved", ONE_MESSAGE)
    await oms.raw_publish("order.ibkr.DU1.one", ONE_MESSAGE)
    await oms.raw_publish("command.ibkr.one.0", ONE_MESSAGE)
    await gateway.raw_publish("ledger.ibkr.one", ONE_MESSAGE)
    await gateway.raw_publish("report.ibkr.DU1.accepted", ONE_MESSAGE)


async def test_intent_that_finds_no_room_is_refused_at_once_and_one_fits_when_there_is_room(
    nats_server: NatsServer,
) -> None:
    """Who sends it can ask again; what he wanted an hour ago is not what he wants now."""
    await bootstrap(nats_server, STORE_BYTES_MIN)
    await fill_up(nats_server, "user", "intent.ibkr.SPY")
    user = await nats_server.connect("user")
    said: list[tuple[str, str]] = []
    user.on_room(lambda stream, problem: said.append((stream, problem)))
    async with asyncio.timeout(60):
        with pytest.raises(BusFullError, match="maximum bytes exceeded"):
            await user.raw_publish("intent.ibkr.SPY", ONE_INTENT)
    assert said == []
    await bootstrap(nats_server, 2 * STORE_BYTES_MIN)
    await user.raw_publish("intent.ibkr.SPY", ONE_INTENT)


async def test_batch_of_decisions_that_does_not_fit_waits_and_is_stored_once_when_there_is_room(
    nats_server: NatsServer,
) -> None:
    await bootstrap(nats_server, STORE_BYTES_MIN)
    risk = await nats_server.connect("risk")
    said: list[tuple[str, str]] = []
    news = asyncio.Event()

    def told(stream: str, problem: str) -> None:
        said.append((stream, problem))
        news.set()

    risk.on_room(told)
    filled = await fill_up(nats_server, "oms", "order.ibkr.DU1.one")
    batch = [
        (
            f"decision.denied.DU1.{number}",
            LedgerSent(id=f"l{number}", at=NOON, venue="ibkr", order=ORDER, attempt_id="1"),
        )
        for number in range(3)
    ]
    storing = asyncio.create_task(risk.publish_batch(batch, expected_last_subject_sequence=0, last_of="decision.>"))
    await asyncio.wait_for(news.wait(), 20)
    assert [stream for stream, _ in said] == ["TRADE"]
    await bootstrap(nats_server, 2 * STORE_BYTES_MIN)
    assert (await storing).sequence == filled + 3
    assert said[-1] == ("TRADE", "")
    assert (await info(nats_server, "TRADE"))["state"]["messages"] == filled + 3


async def fill(bus: Bus, subject: str, stream: str) -> None:
    for _ in range(stream_bytes_max(stream, STORE_BYTES_MIN) // len(ONE_MESSAGE) + 2):
        await bus.raw_publish(subject, ONE_MESSAGE)


async def test_trading_state_that_would_take_the_room_of_many_is_refused_and_a_halt_is_taken(
    nats_server: NatsServer,
) -> None:
    operator = await nats_server.connect("operator")
    with pytest.raises(BusError, match="message size exceeds"):
        await operator.raw_publish("$KV.CONTROL.trading-state", b"x" * 20_000)
    await operator.raw_publish("$KV.CONTROL.trading-state", b"HALT")


async def test_trading_state_is_taken_however_often_it_was_written(nats_server: NatsServer) -> None:
    await bootstrap(nats_server, STORE_BYTES_MIN)
    operator = await nats_server.connect("operator")
    for _ in range(stream_bytes_max("KV_CONTROL", STORE_BYTES_MIN) // 15_000 + 70):
        last = await operator.raw_publish("$KV.CONTROL.trading-state", b"x" * 15_000)
    assert (await info(nats_server, "KV_CONTROL"))["state"]["last_seq"] == last.sequence


async def test_dead_letters_of_one_service_do_not_push_out_those_of_another(nats_server: NatsServer) -> None:
    """Letters on one subject are bounded by count, well before the stream is by bytes."""
    (dead,) = (stream for stream in STREAMS if stream.name == "DEAD")
    assert 0 < dead.per_subject_max * 1024 < stream_bytes_max("DEAD", 1024 * MEBIBYTE)


async def test_message_that_does_not_fit_waits_says_so_and_is_stored_once_when_there_is_room(
    nats_server: NatsServer,
) -> None:
    """Not taken for another writer's, though JetStream has one error code for both."""
    await bootstrap(nats_server, STORE_BYTES_MIN)
    gateway = await nats_server.connect("gateway-ibkr")
    said: list[tuple[str, str]] = []
    news = asyncio.Event()

    def told(stream: str, problem: str) -> None:
        said.append((stream, problem))
        news.set()

    gateway.on_room(told)
    entry = LedgerSent(id="ledger/ibkr/one/sent", at=NOON, venue="ibkr", order=ORDER, attempt_id="1")
    filled = await fill_up(nats_server, "gateway-ibkr", "ledger.ibkr.other")
    claim = asyncio.create_task(gateway.publish("ledger.ibkr.one", entry, expected_last_subject_sequence=0))
    await asyncio.wait_for(news.wait(), 20)
    assert said == [("LEDGER", "maximum bytes exceeded")]
    await bootstrap(nats_server, 2 * STORE_BYTES_MIN)
    assert (await claim).sequence == filled + 1
    assert said == [("LEDGER", "maximum bytes exceeded"), ("LEDGER", "")]
    assert (await info(nats_server, "LEDGER"))["state"]["messages"] == filled + 1


async def fill_up(server: NatsServer, user: str, subject: str) -> int:
    """Store large messages, then small ones, until nothing fits any more; how many there are then."""
    client, stored = await server.client(user), 0
    try:
        for payload in (ONE_MESSAGE, b"x" * 5_000, ONE_INTENT, b"x"):
            while b"error" not in (await client.request(subject, payload, timeout=5)).data:
                stored += 1
    finally:
        await client.close()
    return stored


async def test_figures_that_newer_ones_follow_are_dropped_and_counted_when_they_find_no_room_for_long(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instrument is said once, and waits."""
    monkeypatch.setattr(publishing, "LATE_SECONDS_MAX", 0.1)
    (state,) = (stream for stream in STREAMS if stream.name == "STATE")
    full = stream_config(state, bytes_max=10) | {"discard": "new"}
    assert "error" not in await ask(nats_server, BOOTSTRAP, "$JS.API.STREAM.UPDATE.STATE", full)
    gateway = await nats_server.connect("gateway-ibkr")
    labels = {"service": "gateway-ibkr", "stream": "STATE"}
    before = REGISTRY.get_sample_value("signalbox_bus_dropped_total", labels) or 0
    instrument = asyncio.create_task(gateway.raw_publish("md.instrument.ibkr.SPY", b"one"))
    await asyncio.wait_for(gateway.raw_publish("account.ibkr.DU1", b"one"), 20)
    assert REGISTRY.get_sample_value("signalbox_bus_dropped_total", labels) == before + 1
    assert not instrument.done()
    assert "error" not in await ask(nats_server, BOOTSTRAP, "$JS.API.STREAM.UPDATE.STATE", stream_config(state))
    assert (await instrument).sequence == 1
