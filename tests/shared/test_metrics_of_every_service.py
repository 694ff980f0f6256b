"""The metrics of every service: what the bus and the clock show of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from math import isnan
from typing import Any

import pytest
from prometheus_client import REGISTRY
from signalbox import metrics, subjects
from signalbox.bus import Bus, Received, dead_letter, live
from signalbox.clock import FixedClock, FollowingClock
from signalbox.messages import ClockTick

WAIT_SECONDS_MAX = 60.0


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    return found if found is not None else 0.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.01)


def letter(sequence: int) -> Any:
    unreadable = Received("intent.ibkr.SPY", b"?", "TRADE", sequence, datetime.now(UTC), "", 0)
    return dead_letter(unreadable, "risk", "not JSON")


def test_the_version_and_that_it_works_are_shown() -> None:
    metrics.show_build("a-service")
    [sample] = [
        sample
        for metric in metrics.BUILD_INFO.collect()
        for sample in metric.samples
        if sample.labels["service"] == "a-service"
    ]
    assert (sample.value, sample.labels["version"].count(".")) == (1, 2)
    assert value("signalbox_active", service="a-service") == 1


def test_desk_time_is_that_of_the_clock_and_nan_before_its_first_tick() -> None:
    at = datetime(2024, 3, 5, 15, tzinfo=UTC)
    metrics.show_desk_time("a-service", FixedClock(at))
    assert value("signalbox_desk_time_seconds", service="a-service") == at.timestamp()
    clock = FollowingClock()
    metrics.show_desk_time("a-service", clock)
    assert isnan(value("signalbox_desk_time_seconds", service="a-service"))
    clock.follow(ClockTick(id="tick", at=at, speed=0))
    assert value("signalbox_desk_time_seconds", service="a-service") == at.timestamp()


async def test_publishes_are_timed_and_a_parked_message_is_counted_once(nats_server: Any) -> None:
    bus: Bus = await nats_server.connect("risk")
    timed = value("signalbox_bus_publish_seconds_count", service="risk")
    parked = value("signalbox_bus_dead_letters_total", service="risk", stream="TRADE")
    for sequence in (1, 2, 2):
        await bus.publish(subjects.dead("TRADE", "risk"), letter(sequence))
    # A publish is counted behind what follows from it
    await until(lambda: value("signalbox_bus_publish_seconds_count", service="risk") == timed + 3)
    assert value("signalbox_bus_dead_letters_total", service="risk", stream="TRADE") == parked + 2


async def test_a_lost_connection_shows_and_its_return_is_counted(nats_server: Any) -> None:
    bus: Bus = await nats_server.connect("oms")
    reconnects = value("signalbox_bus_reconnects_total", service="oms")
    assert value("signalbox_bus_connected", service="oms") == 1
    nats_server.kill()
    await until(lambda: value("signalbox_bus_connected", service="oms") == 0)
    nats_server.start()
    await until(lambda: value("signalbox_bus_reconnects_total", service="oms") == reconnects + 1)
    assert bus.connected
    assert value("signalbox_bus_connected", service="oms") == 1


async def test_a_message_that_is_dropped_because_we_are_too_slow_is_counted(
    nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus: Bus = await nats_server.connect("oms")
    before = value("signalbox_bus_slow_consumers_total", service="oms")
    begun = asyncio.Event()

    async def never_done(_: Received) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(live, "QUEUED_MESSAGES_MAX", 1)
    monkeypatch.setattr(live, "STOP_SECONDS_MAX", 0.01)
    await bus.subscribe("clock.desk", never_done)
    simulator: Bus = await nats_server.connect("simulator")
    await simulator._client.publish("clock.desk", b"{}")
    await asyncio.wait_for(begun.wait(), 10)
    for _ in range(2):  # one waits, one is too many
        await simulator._client.publish("clock.desk", b"{}")
    async with asyncio.timeout(60):
        while value("signalbox_bus_slow_consumers_total", service="oms") == before:
            await asyncio.sleep(0.01)
    assert value("signalbox_bus_slow_consumers_total", service="oms") == before + 1
