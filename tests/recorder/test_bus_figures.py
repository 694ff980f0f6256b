"""The bus's figures as metrics: what JetStream says is shown, and what it does not say is not."""

from __future__ import annotations

import asyncio
from math import isnan
from typing import Any

import pytest
from prometheus_client import REGISTRY
from recorder.bus_figures import BusFigures
from signalbox import subjects
from signalbox.bus import Bus, figures
from signalbox.streams import STREAMS

WAIT_SECONDS_MAX = 60.0


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def connected(*buses: Bus) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not all(bus.connected for bus in buses):
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "REQUEST_SECONDS_MAX", 0.2)


async def test_every_stream_and_consumer_of_the_desk_is_shown(nats_server: Any) -> None:
    oms: Bus = await nats_server.connect("oms")
    await oms.raw_publish("order.ibkr.DU1.i", b"{}", {"Nats-Msg-Id": "i-1"})
    await BusFigures(await nats_server.connect("recorder")).look()
    assert value("signalbox_stream_messages", stream="TRADE") == 1
    assert value("signalbox_consumer_pending", stream="TRADE", consumer="risk") == 1
    assert value("signalbox_stream_last_message_age_seconds", stream="REPORTS") is None
    for stream in STREAMS:
        assert value("signalbox_stream_bytes", stream=stream.name) is not None, stream.name
        for consumer in stream.consumers:
            labels = {"stream": stream.name, "consumer": consumer.name}
            assert value("signalbox_consumer_unacknowledged", **labels) == 0, labels
            assert value("signalbox_consumer_redelivered", **labels) == 0, labels
    limit_bytes = value("signalbox_jetstream_storage_limit_bytes") or 0
    assert 0 < (value("signalbox_jetstream_storage_bytes") or 0) < limit_bytes <= 20 * 2**30


async def test_dead_letters_are_what_their_stream_holds(nats_server: Any) -> None:
    looking = BusFigures(await nats_server.connect("recorder"))
    risk: Bus = await nats_server.connect("risk")
    assert isnan(value("signalbox_dead_letters") or 0)
    await looking.look()
    assert value("signalbox_dead_letters") == 0
    await risk.raw_publish("dead.trade.risk", b"{}", {"Nats-Msg-Id": "d-1"})
    await looking.look()
    assert value("signalbox_dead_letters") == 1


async def test_what_a_sender_has_mistyped_is_counted_apart(nats_server: Any) -> None:
    looking = BusFigures(bus := await nats_server.connect("recorder"))
    risk: Bus = await nats_server.connect("risk")
    for number, stream in enumerate(("INTENTS", "TRADE", "INTENTS")):
        await risk.raw_publish(subjects.dead(stream, "risk"), b"{}", {"Nats-Msg-Id": f"d-{number}"})
    await looking.look()
    assert (value("signalbox_dead_letters"), value("signalbox_unreadable_intents")) == (1, 2)
    nats_server.kill()
    await looking.look()
    assert isnan(value("signalbox_unreadable_intents") or 0)
    nats_server.start()
    await connected(bus, risk)


async def test_a_bus_that_does_not_answer_is_counted_and_leaves_no_old_figures(nats_server: Any) -> None:
    bus: Bus = await nats_server.connect("recorder")
    looking = BusFigures(bus)
    await looking.look()
    assert value("signalbox_stream_messages", stream="KV_CONTROL") == 1
    before = value("signalbox_recorder_bus_unanswered_total")
    assert before is not None
    nats_server.kill()
    await looking.look()
    questions = 1 + len(STREAMS) + sum(len(stream.consumers) for stream in STREAMS)
    assert value("signalbox_recorder_bus_unanswered_total") == before + questions
    assert value("signalbox_stream_messages", stream="KV_CONTROL") is None
    assert value("signalbox_consumer_pending", stream="TRADE", consumer="risk") is None
    assert isnan(value("signalbox_jetstream_storage_bytes") or 0)
    assert isnan(value("signalbox_dead_letters") or 0)
    nats_server.start()
    await connected(bus)
