"""kill -9 of each part in turn while intents flow: afterwards the desk adds up, by the demo's own check.

The matrix of promise 2: every service, nats-server, the venues' process and the links to them, with intents for both
venues under way. What must hold at the end:
every intent decided once, every approved order at the venue at most once and in one settled state, every fill booked
once, positions and cash as the venue has them, and the database equal to the streams.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.desk import load_desk
from signalbox.messages import CancelIntent, ClockTick, OrderIntent, OrderType, Quote, Side, TimeInForce
from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import call_control
from signalbox_cli.consistency import read_trade
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.simulated_venues import market_arguments

START = "2024-03-05T15:00:00Z"
INTENTS_BETWEEN_KILLS, KILLS = 16, 4
INTENT_PAUSE_SECONDS_MAX = 0.12
READY_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Traded:
    """A symbol, what is sent in it at most, and how its prices run."""

    venue: str
    symbol: str
    lots_max: int
    lot: Decimal
    tick: Decimal


TRADED = (
    Traded("ibkr", "SPY", 900, Decimal(1), Decimal("0.01")),
    Traded("dydx", "BTC-USD", 900, Decimal("0.0001"), Decimal(1)),
)
NEAR_TICKS = 2
RESTING = (TimeInForce.DAY, TimeInForce.GTC)
CUTS = {"link": "drop_link", "websocket": "cut_websockets"}
"""Links that are cut, by the control port's command."""


class Flow:
    """A user who goes on sending intents: market orders, limits far and near, cancels, at uneven intervals."""

    def __init__(self, bus: Bus, seed: int) -> None:
        self._bus, self._random = bus, random.Random(seed)
        self._clock = FollowingClock()
        self._quotes: dict[str, Quote] = {}
        self.sent = self._number = 0
        self._resting: list[tuple[Traded, str]] = []

    async def listen(self) -> None:
        async def tick(received: Received) -> None:
            self._clock.follow(messages.decode(received.payload, ClockTick))

        async def quote(received: Received) -> None:
            heard = messages.decode(received.payload, Quote)
            if heard.bid is not None:
                self._quotes[heard.venue] = heard

        await self._bus.subscribe(subjects.CLOCK, tick)
        for traded in TRADED:
            await self._bus.subscribe(subjects.quote(traded.venue, traded.symbol), quote)
        async with asyncio.timeout(READY_SECONDS_MAX):
            while len(self._quotes) < len(TRADED):
                await asyncio.sleep(0.02)

    async def send(self, count: int) -> None:
        for _ in range(count):
            intent = self._next()
            await self._bus.publish(subjects.intent(intent), intent)
            self.sent += 1
            await asyncio.sleep(self._random.random() * INTENT_PAUSE_SECONDS_MAX)

    def _next(self) -> OrderIntent | CancelIntent:
        self._number += 1
        name = f"chaos-{self._number}"
        kind = self._random.choice(("market", "market", "near", "far", "cancel"))
        if kind == "cancel" and self._resting:
            traded, order_id = self._resting.pop(self._random.randrange(len(self._resting)))
            return CancelIntent(
                id=name, at=self._clock.now(), venue=traded.venue, symbol=traded.symbol, order_id=order_id
            )
        traded = self._random.choice(TRADED)
        side = self._random.choice((Side.BUY, Side.SELL))
        price = None
        if kind in ("near", "far", "cancel"):
            bid = self._quotes[traded.venue].bid
            assert bid is not None
            away = traded.tick * NEAR_TICKS if kind == "near" else bid * Decimal("0.03")
            price = (bid - side.sign * away).quantize(traded.tick)
            self._resting.append((traded, name))
        return OrderIntent(
            id=name,
            at=self._clock.now(),
            venue=traded.venue,
            symbol=traded.symbol,
            side=side,
            quantity=self._random.randint(1, traded.lots_max) * traded.lot,
            # at dydx a DAY limit is the gateway's to keep alive, a GTC one the chain's
            time_in_force=self._random.choice(RESTING) if price is not None else TimeInForce.DAY,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            limit_price=price,
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[LocalDesk]:
    desk_file = tmp_path / "desk.toml"
    desk_file.write_text(
        (deploy_folder() / "desk.toml").read_text().replace("open_orders_max = 20", "open_orders_max = 15")
    )
    market = market_arguments(load_desk(desk_file))
    plan = DeskPlan(
        directory=tmp_path,
        desk_file=desk_file,
        simulator_arguments=(*market, "--block-ms", "250", "--start", START, "--speed", "20"),
    )
    desk = LocalDesk(plan, print)
    try:
        await desk.start()
        yield desk
    finally:
        await desk.close()


async def strike_midway(desk: LocalDesk, victim: str, flow: Flow, until_sent: int) -> None:
    """Kill the victim right after one of the intents, while the next ones follow."""
    while flow.sent < until_sent:
        await asyncio.sleep(0.001)
    if victim in CUTS:
        await call_control(desk.control_port, do=CUTS[victim])
    else:
        await desk.kill(victim)


@pytest.mark.parametrize(
    "victim",
    ["gateway-ibkr", "gateway-dydx", "indicators", "risk", "oms", "recorder", "nats", "simulator", *CUTS],
)
async def test_everything_adds_up_after(victim: str, desk: LocalDesk) -> None:
    bus, auditor = await Bus.connect(desk.bus_settings("user")), await Bus.connect(desk.bus_settings("auditor"))
    try:
        flow = Flow(bus, seed=sum(victim.encode()))
        await flow.listen()
        await flow.send(INTENTS_BETWEEN_KILLS)
        for kill in range(KILLS):
            until_sent = flow.sent + 1 + kill * 2
            async with asyncio.timeout(READY_SECONDS_MAX):
                await asyncio.gather(flow.send(INTENTS_BETWEEN_KILLS), strike_midway(desk, victim, flow, until_sent))
        await desk.wait_ready(*desk.plan.services)
        await flow.send(INTENTS_BETWEEN_KILLS)
        wrong = await audit_trading(desk, auditor, settle_seconds_max=SETTLE_SECONDS_MAX)
        trade = read_trade([message async for message in auditor.read("TRADE")])
        audit = await audit_record(desk, auditor, bus, wrong)
    finally:
        await bus.drain()
        await auditor.drain()
    assert audit.wrong == []
    assert desk.unexpected_exits == []
    for traded in TRADED:
        filled = [fill for fill in trade.fills if fill.venue == traded.venue]
        assert len(filled) > KILLS, f"the market orders at {traded.venue} did not fill: nothing was tested"
    assert audit.intents == INTENTS_BETWEEN_KILLS * (KILLS + 2)
