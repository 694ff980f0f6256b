"""A gateway on a real bus against the simulated IB Gateway: the real client library over a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gateway_ibkr import service
from gateway_ibkr.settings import Settings
from prometheus_client import REGISTRY
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import ClockSource, Desk, DeskInstrument, Limits, Venue
from signalbox.messages import (
    Bar,
    CancelOrder,
    LedgerEntry,
    LinkStatus,
    Order,
    OrderType,
    Report,
    Side,
    SubmitOrder,
    TimeInForce,
    VenueLink,
)
from signalbox.process import Runtime
from signalbox.settings import Secret
from signalbox.telemetry import Health
from simulators.control import ControlServer
from simulators.tws.commands import TwsControl
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.world import World, WorldOptions

from tests.conftest import growing_pauses

ACCOUNT = "DU1234567"
WAIT_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 5.0
OPEN = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)


async def eventually(condition: Callable[[], Any], what: str, seconds_max: float = WAIT_SECONDS_MAX) -> Any:
    """Wait until `condition` gives something true (its value is returned), or fail with `what`."""
    ends, pauses = asyncio.get_running_loop().time() + seconds_max, growing_pauses(0.01)
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert asyncio.get_running_loop().time() < ends, f"never: {what}"
        await asyncio.sleep(next(pauses))


def sample(name: str, **labels: str) -> float:
    """The value of a metric now; what was never counted is 0."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class WorldClock:
    """The desk clock of a gateway in the simulator's own process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.stale = False

    def now(self) -> datetime:
        return self._world.now()

    def is_stale(self) -> bool:
        return self.stale

    def wall_time_of(self, at: datetime) -> datetime:
        remaining_seconds = max(0.0, (at - self.now()).total_seconds())
        return datetime.now(UTC) + timedelta(
            seconds=remaining_seconds / self._world.speed if self._world.speed else 1.0
        )


class Venue_:
    """The simulated IB Gateway, with its world and its control commands."""

    def __init__(self, world: World, server: TwsServer) -> None:
        self.world, self.server = world, server
        self._control = ControlServer(TwsControl(server).commands(), "127.0.0.1", 0)

    @property
    def port(self) -> int:
        return self.server.port

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a control command, which must succeed."""
        reply = await self._control.answer(json.dumps({"do": command, **arguments}).encode())
        assert reply["ok"], reply
        return reply

    def orders_of(self, reference: str) -> list[Any]:
        """Every order that the venue ever took under this orderRef."""
        return [order for order in self.world.orders() if order.terms.client_reference == reference]


@pytest.fixture
def world_options() -> WorldOptions:
    """A venue in regular hours of a trading day, 50 times as fast as real; a test may ask for another."""
    start = OPEN + timedelta(minutes=30)
    return WorldOptions(symbols=("SPY", "AAPL"), speed=50.0, start=start, listed=OPEN, seed=7)


@pytest.fixture
async def venue(world_options: WorldOptions) -> AsyncIterator[Venue_]:
    """The simulated IB Gateway, running."""
    world = World(world_options)
    running = asyncio.create_task(world.run())
    async with TwsServer(Gateway(world), "127.0.0.1", 0) as server:
        yield Venue_(world, server)
        world.stop()
        await running


def desk_of(symbols: tuple[str, ...] = ("SPY", "AAPL"), timeframes: tuple[str, ...] = ("1m", "5m")) -> Desk:
    limits = Limits(
        order_quantity_max=Decimal(1000),
        order_notional_max=Decimal(1_000_000),
        position_quantity_max=Decimal(1000),
        position_notional_max=Decimal(1_000_000),
        gross_exposure_max=Decimal(1_000_000),
        price_collar_fraction=Decimal("0.05"),
        price_age_seconds_max=60,
        account_age_seconds_max=300,
        intent_age_seconds_max=60,
        intents_per_minute_max=60,
        open_orders_max=20,
    )
    return Desk(
        name="test",
        venues={"ibkr": Venue(accounts=(ACCOUNT,))},
        instruments=tuple(DeskInstrument(venue="ibkr", symbol=symbol) for symbol in symbols),
        limits=limits,
        clock=ClockSource.SIMULATED,
        timeframes=timeframes,
    )


def settings_of(port: int, nats_url: str = "", **changes: Any) -> Settings:
    """Settings with waits that suit a test."""
    return Settings(
        **{
            "nats_url": nats_url,
            "nats_user": "gateway-ibkr",
            "nats_password": Secret("unused"),
            "desk_file": Path("unused"),
            "ibkr_port": port,
            "connect_seconds_max": 3.0,
            "answer_seconds_max": 2.0,
            "heartbeat_seconds": 0.3,
            "heartbeat_answer_seconds_max": 0.5,
            "retry_delay_seconds": 0.05,
            "retry_delay_seconds_max": 0.5,
            "acknowledge_seconds_max": 0.3,
            "visibility_seconds": 0.3,
            "resubscribe_delay_seconds": 0.2,
        }
        | changes
    )


@dataclass
class Desk_:
    """A running gateway, and the bus as its neighbours see it."""

    connect: Callable[[str], Awaitable[Bus]]
    oms: Bus
    recorder: Bus
    risk: Bus
    venue: Venue_
    settings: Settings
    desk: Desk
    links: list[VenueLink] = field(default_factory=list)
    runtimes: list[Runtime] = field(default_factory=list)
    mark: int = 0
    """A place in `links` that a test goes back to."""
    told: list[tuple[str, Any]] = field(default_factory=list)
    """Every report read so far from REPORTS, with the order that it is about, and where the next one is."""
    told_next: int = 1
    tape: list[Bar] = field(default_factory=list)
    """Every bar read so far from BARS, and where the next one is."""
    tape_next: int = 1

    async def start(self, wrapped: Callable[[Bus], Any] = lambda bus: bus) -> Runtime:
        """Start a gateway in this process, on a bus of its own, which a test may wrap."""
        bus = wrapped(await self.connect("gateway-ibkr"))
        runtime = Runtime(
            bus, WorldClock(self.venue.world), self.desk, Health("gateway-ibkr"), logging.getLogger("gateway")
        )
        bus.on_failure = runtime.fail
        self.runtimes.append(runtime)
        await service.start(self.settings, runtime)
        return runtime

    async def stop(self, runtime: Runtime) -> None:
        """End a gateway, as `signalbox.process` does."""
        if runtime.stop is not None:
            await runtime.stop()
        for task in runtime._tasks:
            task.cancel()
        _, stuck = await asyncio.wait(runtime._tasks, timeout=STOP_SECONDS_MAX)
        assert not stuck, f"tasks that do not end when cancelled: {stuck}"
        await runtime.bus.stop_consuming()
        await runtime.give_back()
        await runtime.bus.drain()
        runtime.failed.cancel()
        self.runtimes.remove(runtime)

    async def eventually(self, condition: Callable[[], Any], what: str, seconds_max: float = WAIT_SECONDS_MAX) -> Any:
        """Wait until `condition` gives something true."""
        return await eventually(condition, what, seconds_max)

    @property
    def status(self) -> LinkStatus | None:
        return self.links[-1].status if self.links else None

    async def ready(self) -> None:
        """Wait until the link is READY, by an announcement since `mark`."""
        since = self.mark
        await eventually(
            lambda: len(self.links) > since and self.status is LinkStatus.READY, f"READY; {self.links[-3:]}"
        )

    async def bars(self, symbol: str = "SPY", timeframe: str = "1m") -> list[Bar]:
        """Every bar of a symbol in BARS, in order."""
        async for received in self.recorder.read("BARS", ">", self.tape_next):
            self.tape.append(messages.decode(received.payload, Bar))
            self.tape_next = received.sequence + 1
        return [bar for bar in self.tape if (bar.symbol, bar.timeframe) == (symbol, timeframe)]

    async def passes(self, **desk_time: float) -> None:
        """Wait until so much desk time has passed at the venue."""
        until = self.venue.world.now() + timedelta(**desk_time)
        await eventually(lambda: self.venue.world.now() >= until, f"{until} on the venue's clock")

    async def dropped(self, client: int) -> None:
        """Cut one of the gateway's connections, and wait until it has begun another."""
        connection = "data" if client == self.settings.ibkr_data_client_id else "orders"

        def begun() -> float:
            return sample("signalbox_venue_reconnects_total", venue="ibkr", connection=connection)

        await eventually(lambda: client in self.venue.server.clients(), f"a {connection} session to cut")
        before = begun()
        await self.venue.do("drop_link", client=client)
        await eventually(lambda: begun() > before, f"another {connection} session")

    async def reports(self, order_id: str = "") -> list[Any]:
        """Everything in REPORTS, of one order or of all, in order."""
        async for received in self.recorder.read("REPORTS", "report.>", self.told_next):
            report: Report = messages.decode(received.payload, Report)
            about = getattr(report, "order_id", "") or getattr(getattr(report, "fill", None), "order_id", "")
            self.told.append((about, report))
            self.told_next = received.sequence + 1
        return [report for about, report in self.told if order_id in ("", about)]

    async def kinds(self, order_id: str) -> list[str]:
        """The kinds of reports of one order, in order."""
        return [type(report).__name__ for report in await self.reports(order_id)]

    async def ledger(self, order_id: str) -> list[LedgerEntry]:
        return [
            messages.decode(received.payload, LedgerEntry)
            async for received in self.recorder.read("LEDGER", subjects.ledger("ibkr", order_id))
        ]

    async def has(self, order_id: str, *kinds: str, seconds_max: float = WAIT_SECONDS_MAX) -> list[str]:
        """Wait until the order has reports of these kinds."""

        async def found() -> list[str]:
            there = await self.kinds(order_id)
            return there if set(kinds) <= set(there) else []

        try:
            result: list[str] = await eventually(found, f"{kinds} of {order_id}", seconds_max)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {await self.kinds(order_id)}") from None
        return result

    async def submit(self, order_id: str, *, deadline_seconds: float = 3600, **terms: Any) -> SubmitOrder:
        """Publish a command as the OMS does."""
        order = order_of(order_id, **terms)
        now = self.venue.world.now()
        command = SubmitOrder(
            id=f"command/{order_id}/0", at=now, order=order, deadline=now + timedelta(seconds=deadline_seconds)
        )
        await self.oms.publish(subjects.command("ibkr", order_id, 0), command)
        return command

    async def cancel(self, order_id: str, revision: int = 1) -> None:
        command = CancelOrder(
            id=f"command/{order_id}/{revision}",
            at=self.venue.world.now(),
            venue="ibkr",
            account=ACCOUNT,
            order_id=order_id,
            venue_order_id="",
        )
        await self.oms.publish(subjects.command("ibkr", order_id, revision), command)


def order_of(order_id: str, **terms: Any) -> Order:
    return msgspec.convert(
        {
            "order_id": order_id,
            "intent_id": order_id,
            "venue": "ibkr",
            "account": ACCOUNT,
            "symbol": "SPY",
            "side": Side.BUY,
            "quantity": Decimal(10),
            "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.DAY,
        }
        | terms,
        Order,
    )


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """A log line that can not be made is a failure, also where nobody reads it."""
    caplog.set_level(logging.INFO, "gateway_ibkr")
    caplog.set_level(logging.INFO, "signalbox.gateway")


@pytest.fixture
def metric() -> Callable[..., float]:
    """The value of a metric of the gateway, which is one process with the test."""
    return sample


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    """Changes to the settings; a test module may override it."""
    return {}


@pytest.fixture
async def desk(nats_server: Any, venue: Venue_, gateway_settings: dict[str, Any]) -> AsyncIterator[Desk_]:
    """Everything but the gateway itself, which the test starts."""
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    risk = await nats_server.connect("risk")
    harness = Desk_(
        nats_server.connect,
        oms,
        recorder,
        risk,
        venue,
        settings_of(venue.port, nats_server.url, **gateway_settings),
        desk_of(),
    )

    async def link(received: Received) -> None:
        harness.links.append(messages.decode(received.payload, VenueLink))

    await risk.subscribe("link.>", link)
    yield harness
    for runtime in list(harness.runtimes):
        await harness.stop(runtime)
