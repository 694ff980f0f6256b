"""What JetStream says of itself, by a real nats-server with the desk's own configuration."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from signalbox.bus import Bus, Received, figures
from signalbox.bus.figures import ConsumerFigures
from signalbox.errors import BusUnavailableError
from signalbox.streams import STREAMS

WAIT_SECONDS_MAX = 60.0


async def test_a_stream_says_what_it_holds_and_how_old_the_last_message_is(nats_server: Any) -> None:
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    empty = await figures.stream_figures(recorder, "TRADE")
    assert (empty.messages, empty.bytes, empty.last_message_age_seconds) == (0, 0, None)
    for number in range(3):
        await oms.raw_publish("order.ibkr.DU1.i", b"{}", {"Nats-Msg-Id": f"i-{number}"})
    found = await figures.stream_figures(recorder, "TRADE")
    assert found.messages == 3
    assert found.bytes > 3 * len("order.ibkr.DU1.i{}")
    assert found.last_message_age_seconds is not None
    assert 0 <= found.last_message_age_seconds < 10


async def test_a_consumer_says_what_it_has_still_to_get_and_to_acknowledge(nats_server: Any) -> None:
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    for number in range(3):
        await oms.raw_publish("order.ibkr.DU1.i", b"{}", {"Nats-Msg-Id": f"i-{number}"})
    assert await figures.consumer_figures(recorder, "TRADE", "risk") == ConsumerFigures(3, 0, 0)
    risk: Bus = await nats_server.connect("risk")
    taken, may_end = asyncio.Event(), asyncio.Event()

    async def handle(_: Received) -> None:
        taken.set()
        await may_end.wait()

    await risk.consume("TRADE", "risk", handle)
    await asyncio.wait_for(taken.wait(), WAIT_SECONDS_MAX)
    assert await figures.consumer_figures(recorder, "TRADE", "risk") == ConsumerFigures(2, 1, 0)
    may_end.set()


async def test_the_account_has_no_limit_but_its_streams_parts_of_the_store(nats_server: Any) -> None:
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    before = await figures.storage(recorder)
    assert before.limit_bytes == -1
    parts = [(await figures.stream_figures(recorder, stream.name)).bytes_max for stream in STREAMS]
    assert min(parts) > 0
    assert sum(parts) <= 20 * 2**30
    await oms.raw_publish("order.ibkr.DU1.i", b"{}", {"Nats-Msg-Id": "i-1"})
    assert (await figures.storage(recorder)).bytes > before.bytes


async def test_what_does_not_exist_is_an_error(nats_server: Any) -> None:
    recorder: Bus = await nats_server.connect("recorder")
    with pytest.raises(BusUnavailableError, match="stream not found"):
        await figures.stream_figures(recorder, "NOTHING")
    with pytest.raises(BusUnavailableError, match="consumer not found"):
        await figures.consumer_figures(recorder, "TRADE", "nobody")
