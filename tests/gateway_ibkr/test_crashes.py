"""A gateway that dies: at every step of a submission by turns, and with SIGKILL at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from signalbox.bus import Bus, PublishAck
from signalbox.errors import BusUnavailableError
from signalbox.messages import LedgerClaimed, LedgerSent, LinkStatus, VenueFill, VenueReport
from simulators.clock_publisher import ClockPublisher
from simulators.world import WorldOptions

ROOT = Path(__file__).resolve().parent.parent.parent


class DyingBus:
    """A bus whose owner dies at one publish: just before it, or just after it was stored."""

    def __init__(self, bus: Bus, kind: type[Struct], *, stored: bool) -> None:
        self._bus, self._kind, self._stored = bus, kind, stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "on_failure":
            self._bus.on_failure = value
        else:
            super().__setattr__(name, value)

    async def publish(
        self, subject: str, message: Struct, *, expected_last_subject_sequence: int | None = None
    ) -> PublishAck:
        dies = isinstance(message, self._kind)
        if dies and not self._stored:
            raise BusUnavailableError("the process dies before this")
        acknowledged = await self._bus.publish(
            subject, message, expected_last_subject_sequence=expected_last_subject_sequence
        )
        if dies:
            raise BusUnavailableError("the process dies after this")
        return acknowledged


async def died(runtime: Any) -> None:
    await asyncio.wait([runtime.failed], timeout=10)
    assert isinstance(runtime.failed.exception(), BusUnavailableError)


async def settled(desk: Any, order_id: str) -> None:
    """The order has ended, was placed at most once, and every report was made once."""

    async def ended() -> bool:
        kinds = set(await desk.kinds(order_id))
        placed = desk.venue.orders_of(order_id)
        filled = {each.id for each in await desk.reports(order_id) if isinstance(each, VenueFill)}
        return len(filled) == placed[0].fills > 0 if placed else "VenueRejected" in kinds

    await desk.eventually(ended, f"an end of {order_id}", 30.0)
    assert len(desk.venue.orders_of(order_id)) <= 1
    doubled = [each for each, count in Counter(each.id for each in await desk.reports()).items() if count > 1]
    assert doubled == []


@pytest.mark.parametrize(
    ("kind", "stored", "placed"),
    [
        pytest.param(LedgerClaimed, False, 1, id="before the claim: it is claimed and sent by the next process"),
        pytest.param(LedgerClaimed, True, 0, id="between claim and send: it is never sent"),
        pytest.param(LedgerSent, False, 1, id="between send and SENT: the venue is asked and has it"),
        pytest.param(LedgerSent, True, 1, id="between SENT and the acknowledgement: there is nothing left to do"),
    ],
)
async def test_a_gateway_that_dies_in_a_submission(desk: Any, kind: type[Struct], stored: bool, placed: int) -> None:
    first = await desk.start(lambda bus: DyingBus(bus, kind, stored=stored))
    await desk.ready()
    await desk.submit("die-1", deadline_seconds=36_000)
    await died(first)
    await desk.stop(first)
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await settled(desk, "die-1")
    assert len(desk.venue.orders_of("die-1")) == placed
    if placed:
        assert [type(entry) for entry in await desk.ledger("die-1")] == [LedgerClaimed, LedgerSent]


async def test_a_gateway_that_dies_with_reports_unpublished_derives_them_again(desk: Any) -> None:
    first = await desk.start(lambda bus: DyingBus(bus, VenueFill, stored=False))
    await desk.ready()
    await desk.submit("lost-1")
    await desk.eventually(lambda: any(order.fills for order in desk.venue.orders_of("lost-1")), "a fill at the venue")
    await desk.stop(first)
    assert not [each for each in await desk.reports("lost-1") if isinstance(each, VenueFill)]
    desk.mark = len(desk.links)
    await desk.start()
    await desk.ready()
    await settled(desk, "lost-1")


async def test_an_order_of_a_dead_gateway_is_unknown_until_the_venue_has_been_asked_twice(desk: Any) -> None:
    first = await desk.start(lambda bus: DyingBus(bus, LedgerClaimed, stored=True))
    await desk.ready()
    await desk.submit("ask-1", deadline_seconds=36_000)
    await died(first)
    await desk.stop(first)
    await desk.start()
    await desk.has("ask-1", "VenueRejected")
    unknown, rejected = await desk.reports("ask-1")
    assert (type(unknown).__name__, rejected.reason) == ("VenueUnknown", "it never reached the venue")
    seconds = (rejected.received_at - unknown.received_at).total_seconds()
    assert seconds >= desk.settings.visibility_seconds * 0.9


class TestAnEarlierDay:
    """A gateway dies with an order claimed at the end of a trading day; the next one begins on the next day."""

    @pytest.fixture
    def world_options(self) -> WorldOptions:
        start = datetime(2024, 3, 6, 0, 58, tzinfo=UTC)  # 19:58 in New York
        return WorldOptions(symbols=("SPY", "AAPL"), speed=1.0, start=start, seed=11)

    async def test_an_order_older_than_the_venues_memory_is_stranded_until_an_operator_speaks(
        self, desk: Any, metric: Callable[..., float]
    ) -> None:
        first = await desk.start(lambda bus: DyingBus(bus, LedgerClaimed, stored=True))
        await desk.ready()
        await desk.submit("old-1", deadline_seconds=36_000)
        await died(first)
        await desk.stop(first)
        desk.venue.world.set_speed(100.0)
        await desk.eventually(lambda: desk.venue.world.now() > datetime(2024, 3, 6, 1, 1, tzinfo=UTC), "the next day")
        second = await desk.start()
        await desk.eventually(lambda: second.details()["orders_stranded"] == "old-1", "a stranded order")
        assert metric("signalbox_venue_stranded_orders", venue="ibkr") == 1
        assert await desk.kinds("old-1") == ["VenueUnknown"]
        await desk.stop(second)
        desk.settings = replace(desk.settings, ended_orders="old-1")
        third = await desk.start()
        await desk.has("old-1", "VenueCanceled")
        assert "operator" in (await desk.reports("old-1"))[-1].reason
        assert third.details()["orders_stranded"] == ""
        assert metric("signalbox_venue_stranded_orders", venue="ibkr") == 0


class Process:
    """A gateway as a process of its own, following the simulator's clock over the bus."""

    def __init__(self, desk: Any, environment: dict[str, str], log: Path) -> None:
        self._desk, self._environment, self._log = desk, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway_ibkr"], env=os.environ | self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=15)


@pytest.fixture
async def process(desk: Any, nats_server: Any, tmp_path: Path) -> AsyncIterator[Process]:
    publisher = ClockPublisher(desk.venue.world, await nats_server.connect("simulator"))
    ticking = asyncio.create_task(publisher.run())
    file = tmp_path / "desk.toml"
    text = (ROOT / "deploy" / "desk.toml").read_text()
    file.write_text(text.replace('symbol = "0700.HK"', 'symbol = "MSFT"'))
    environment = {
        "SIGNALBOX_NATS_URL": nats_server.url,
        "SIGNALBOX_NATS_USER": "gateway-ibkr",
        "SIGNALBOX_NATS_PASSWORD": nats_server.password("gateway-ibkr"),
        **nats_server.seal_settings("gateway-ibkr"),
        "SIGNALBOX_DESK_FILE": str(file),
        "SIGNALBOX_IBKR_PORT": str(desk.venue.port),
        "SIGNALBOX_HTTP_PORT": "0",
        "SIGNALBOX_VISIBILITY_SECONDS": "0.5",
        "SIGNALBOX_ACKNOWLEDGE_SECONDS_MAX": "0.5",
    }
    gateway = Process(desk, environment, tmp_path / "gateway.log")
    yield gateway
    gateway.kill()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)


class TestSigkill:
    @pytest.fixture
    def world_options(self) -> WorldOptions:
        start = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
        return WorldOptions(symbols=("SPY", "AAPL"), speed=50.0, start=start, seed=11)

    async def test_sigkill_while_orders_flow_places_none_twice_and_loses_no_fill(
        self, desk: Any, process: Process
    ) -> None:
        seed = random.randrange(10**6)
        chance = random.Random(seed)
        count = 0
        for _ in range(5):
            desk.mark = len(desk.links)
            process.start()
            await desk.ready()
            for _ in range(6):
                await desk.submit(f"k-{count}", deadline_seconds=36_000)
                count += 1
            await asyncio.sleep(chance.uniform(0.0, 0.02))
            process.kill()
        desk.mark = len(desk.links)
        process.start()
        await desk.ready()
        for number in range(count):
            await settled(desk, f"k-{number}")
        placed = sum(bool(desk.venue.orders_of(f"k-{number}")) for number in range(count))
        assert placed > 0, f"seed {seed}"
        reports: list[VenueReport] = await desk.reports()
        fills = [each for each in reports if isinstance(each, VenueFill)]
        assert len(fills) == len(desk.venue.world.executions()), f"seed {seed}"

    async def test_sigterm_ends_it_with_status_0(self, desk: Any, process: Process) -> None:
        process.start()
        await desk.ready()
        assert process.end() == 0
        assert desk.status is LinkStatus.READY


async def test_reports_made_while_nats_is_dead_are_stored_once_when_it_is_back(desk: Any, nats_server: Any) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("dark-1")
    await desk.eventually(lambda: desk.venue.orders_of("dark-1"), "the order at the venue")
    nats_server.kill()
    await desk.eventually(lambda: any(order.fills for order in desk.venue.orders_of("dark-1")), "a fill in the dark")
    nats_server.start()
    await settled(desk, "dark-1")
    await desk.submit("light-1")
    await settled(desk, "light-1")


class Holding:
    """A bus that keeps back rejections, as if the server did not answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self.asked, self.free = bus, asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, *arguments: Any, **options: Any) -> Any:
        if subject.startswith("report.") and subject.endswith(".rejected"):
            self.asked.set()
            await self.free.wait()
        return await self._bus.publish(subject, *arguments, **options)


async def test_a_refusal_is_stored_before_its_command_is_acknowledged(desk: Any) -> None:
    held: list[Holding] = []

    def holding(bus: Bus) -> Any:
        held.append(Holding(bus))
        return held[0]

    runtime = await desk.start(holding)
    await desk.ready()
    await desk.submit("refused-1", symbol="NVDA")
    await desk.eventually(held[0].asked.is_set, "the refusal on its way")
    await desk.stop(runtime)  # as a kill: the refusal was not stored
    await desk.start()
    await desk.has("refused-1", "VenueRejected")
