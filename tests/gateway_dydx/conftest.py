"""A gateway on a real bus against the simulated dYdX: the real client library over real sockets."""

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
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from gateway_dydx import service
from gateway_dydx.settings import Network, Settings
from prometheus_client import REGISTRY
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import ClockSource, Desk, DeskInstrument, Limits, Venue
from signalbox.messages import (
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
from simulators.control import ControlServer, WorldControl
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue
from simulators.world import World, WorldOptions

from tests.conftest import growing_pauses

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
"""The test words of BIP-39: everybody's, and so nobody's."""


def address_of(mnemonic: str) -> str:
    """The address of a wallet's words."""
    address: str = Wallet(KeyPair.from_mnemonic(mnemonic), 0, 0).address
    return address


ADDRESS = address_of(MNEMONIC)
ACCOUNT = f"{ADDRESS}-0"
WAIT_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 8.0
BLOCK_MS = 50
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
    """The simulated dYdX, with its world and its control commands."""

    def __init__(self, world: World, dydx: DydxVenue, address: str = ADDRESS) -> None:
        self.world, self.dydx, self.address = world, dydx, address
        self._control = ControlServer([*WorldControl(world, world.stop).commands(), *dydx.commands()], "127.0.0.1", 0)

    @property
    def chain(self) -> Any:
        return self.dydx.chain

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a control command, which must succeed."""
        reply = await self._control.answer(json.dumps({"do": command, **arguments}).encode())
        assert reply["ok"], reply
        return reply

    def orders(self) -> list[Any]:
        """Every order that the chain ever took into a block, or heard of."""
        return [order for order in self.chain.orders if order.address == self.address]

    def order(self, venue_order_id: str) -> Any:
        """One of them; None = there is none."""
        return next((order for order in self.orders() if order.id == venue_order_id), None)

    def fills(self, venue_order_id: str = "") -> list[Any]:
        return [fill for fill in self.chain.fills if fill.order_id == (venue_order_id or fill.order_id)]

    def price(self, symbol: str = "BTC-USD") -> Decimal:
        """The oracle's price, on the tick."""
        tick = next(market.tick_size for market in self.chain.markets if market.ticker == symbol)
        price: Decimal = self.chain.oracle_price(symbol)
        return (price / tick).quantize(Decimal(1)) * tick


@pytest.fixture
def world_options() -> WorldOptions:
    """A venue at real speed whose markets are half an hour old: their past is the business of the tests of data."""
    prices, listed = (("BTC-USD", Decimal(100_000)), ("ETH-USD", Decimal(4_000))), OPEN - timedelta(minutes=30)
    symbols = tuple(symbol for symbol, _ in prices)
    return WorldOptions(symbols=symbols, speed=1.0, start=OPEN, listed=listed, seed=7, prices=prices, accounts=())


@pytest.fixture
def mnemonic() -> str:
    """The words of the wallet that trades; a test module may override it."""
    return MNEMONIC


@pytest.fixture
def dydx_options(mnemonic: str) -> DydxOptions:
    """Blocks twelve times as fast as real."""
    return DydxOptions(block_ms=BLOCK_MS, fund=((address_of(mnemonic), Decimal(1_000_000)),))


@pytest.fixture
async def venue(world_options: WorldOptions, dydx_options: DydxOptions, mnemonic: str) -> AsyncIterator[Venue_]:
    """The simulated dYdX, running."""
    world = World(world_options)
    running = asyncio.create_task(world.run())
    async with DydxVenue(world, dydx_options) as dydx:
        blocks = asyncio.create_task(dydx.run())
        yield Venue_(world, dydx, address_of(mnemonic))
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)
        world.stop()
        await running


def desk_of(
    symbols: tuple[str, ...] = ("BTC-USD", "ETH-USD"),
    timeframes: tuple[str, ...] = ("1m", "5m"),
    account: str = ACCOUNT,
) -> Desk:
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
        venues={"dydx": Venue(accounts=(account,))},
        instruments=tuple(DeskInstrument(venue="dydx", symbol=symbol) for symbol in symbols),
        limits=limits,
        clock=ClockSource.SIMULATED,
        timeframes=timeframes,
    )


def settings_of(dydx: DydxVenue, nats_url: str = "", **changes: Any) -> Settings:
    """Settings with waits that suit a test."""
    return Settings(
        **{
            "nats_url": nats_url,
            "nats_user": "gateway-dydx",
            "nats_password": Secret("unused"),
            "desk_file": Path("unused"),
            "dydx_network": Network.LOCAL,
            "dydx_node_url": f"127.0.0.1:{dydx.grpc_port}",
            "dydx_indexer_url": f"http://127.0.0.1:{dydx.http_port}",
            "dydx_websocket_url": f"ws://127.0.0.1:{dydx.http_port}/v4/ws",
            "dydx_mnemonic": Secret(MNEMONIC),
            "connect_seconds_max": 3.0,
            "answer_seconds_max": 2.0,
            "broadcast_seconds_max": 0.5,
            "retry_delay_seconds": 0.05,
            "retry_delay_seconds_max": 0.5,
            "stream_silence_seconds_max": 2.0,
            "height_interval_seconds": 0.1,
            "standstill_seconds_max": 1.0,
            "indexer_lag_blocks_max": 60,
            "ask_seconds": 0.2,
            "sequence_seconds": 2.0,
            "cancel_wait_seconds_max": 2.0,
            "trail_interval_seconds": 0.01,
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

    @property
    def account(self) -> str:
        return self.desk.only_account("dydx")

    def with_settings(self, **changes: Any) -> Settings:
        """The settings with some changed."""
        return msgspec.structs.replace(self.settings, **changes)

    async def start(self, wrapped: Callable[[Bus], Any] = lambda bus: bus) -> Runtime:
        """Start a gateway in this process, on a bus of its own, which a test may wrap."""
        bus = wrapped(await self.connect("gateway-dydx"))
        runtime = Runtime(
            bus, WorldClock(self.venue.world), self.desk, Health("gateway-dydx"), logging.getLogger("gateway")
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

    async def ready_now(self) -> None:
        """Wait until the last announcement is READY."""
        await eventually(lambda: self.status is LinkStatus.READY, f"READY; {self.links[-3:]}")

    async def blocks(self, count: int) -> None:
        """Wait for so many blocks."""
        until = self.venue.chain.height + count
        await eventually(lambda: self.venue.chain.height >= until, f"block {until}")

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
            async for received in self.recorder.read("LEDGER", subjects.ledger("dydx", order_id))
        ]

    async def has(self, order_id: str, *kinds: str, seconds_max: float = WAIT_SECONDS_MAX) -> list[str]:
        """Wait until the order has reports of these kinds."""

        async def found() -> list[str]:
            there = await self.kinds(order_id)
            return there if set(kinds) <= set(there) else []

        try:
            result: list[str] = await eventually(found, f"{kinds} of {order_id}", seconds_max)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {await self.reports(order_id)}") from None
        return result

    async def submit(self, order_id: str, *, deadline_seconds: float = 3600, **terms: Any) -> SubmitOrder:
        """Publish a command as the OMS does."""
        order = order_of(order_id, **{"account": self.account} | terms)
        now = self.venue.world.now()
        command = SubmitOrder(
            id=f"command/{order_id}/0", at=now, order=order, deadline=now + timedelta(seconds=deadline_seconds)
        )
        await self.oms.publish(subjects.command("dydx", order_id, 0), command)
        return command

    async def cancel(self, order_id: str, revision: int = 1) -> None:
        command = CancelOrder(
            id=f"command/{order_id}/{revision}",
            at=self.venue.world.now(),
            venue="dydx",
            account=self.account,
            order_id=order_id,
            venue_order_id="",
        )
        await self.oms.publish(subjects.command("dydx", order_id, revision), command)

    async def claim_of(self, order_id: str) -> Any:
        """The order's claim, once it is there."""

        async def first() -> Any:
            entries = await self.ledger(order_id)
            return entries[0] if entries else None

        return await eventually(first, f"a claim of {order_id}")

    async def at_venue(self, order_id: str) -> Any:
        """The order as the chain has it now; None = it has not."""
        return self.venue.order((await self.claim_of(order_id)).venue_order_id)


def order_of(order_id: str, **terms: Any) -> Order:
    return msgspec.convert(
        {
            "order_id": order_id,
            "intent_id": order_id,
            "venue": "dydx",
            "account": ACCOUNT,
            "symbol": "BTC-USD",
            "side": Side.BUY,
            "quantity": Decimal("0.01"),
            "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.DAY,
        }
        | terms,
        Order,
    )


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """A log line that can not be made is a failure, also where nobody reads it."""
    caplog.set_level(logging.INFO, "gateway_dydx")
    caplog.set_level(logging.INFO, "signalbox.gateway")
    caplog.set_level(logging.WARNING, "httpx")


@pytest.fixture
def metric() -> Callable[..., float]:
    """The value of a metric of the gateway, which is one process with the test."""
    return sample


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    """Changes to the settings; a test module may override it."""
    return {}


@pytest.fixture
async def desk(
    nats_server: Any, venue: Venue_, gateway_settings: dict[str, Any], mnemonic: str
) -> AsyncIterator[Desk_]:
    """Everything but the gateway itself, which the test starts."""
    oms, recorder = await nats_server.connect("oms"), await nats_server.connect("recorder")
    risk = await nats_server.connect("risk")
    harness = Desk_(
        nats_server.connect,
        oms,
        recorder,
        risk,
        venue,
        settings_of(venue.dydx, nats_server.url, **{"dydx_mnemonic": Secret(mnemonic)} | gateway_settings),
        desk_of(account=f"{address_of(mnemonic)}-0"),
    )

    async def link(received: Received) -> None:
        harness.links.append(messages.decode(received.payload, VenueLink))

    await risk.subscribe("link.>", link)
    yield harness
    for runtime in list(harness.runtimes):
        await harness.stop(runtime)
