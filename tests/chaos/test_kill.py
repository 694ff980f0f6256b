"""kill -9 of each part in turn while intents flow: afterwards the desk adds up, by the demo's own check.

The matrix of promise 2: every service, nats-server, the venue's process and the link to it. What must hold at the end:
every intent decided once, every approved order at the venue at most once and in one settled state, every fill booked
once, positions and cash as the venue has them, and the database equal to the streams.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.messages import CancelIntent, ClockTick, OrderIntent, OrderType, Quote, Side
from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import call_control
from signalbox_cli.consistency import read_trade
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder

START = "2024-03-05T15:00:00Z"
INTENTS_BETWEEN_KILLS, KILLS = 12, 4
INTENT_PAUSE_SECONDS_MAX = 0.12
READY_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 60.0


class Flow:
    """A user who goes on sending intents: market orders, limits far and near, cancels, at uneven intervals."""

    def __init__(self, bus: Bus, seed: int) -> None:
        self._bus, self._random = bus, random.Random(seed)
        self._clock = FollowingClock()
        self._quote: Quote | None = None
        self.sent = self._number = 0
        self._resting: list[str] = []

    async def listen(self) -> None:
        async def tick(received: Received) -> None:
            self._clock.follow(messages.decode(received.payload, ClockTick))

        async def quote(received: Received) -> None:
            self._quote = messages.decode(received.payload, Quote)

        await self._bus.subscribe(subjects.CLOCK, tick)
        await self._bus.subscribe(subjects.quote("ibkr", "SPY"), quote)
        async with asyncio.timeout(READY_SECONDS_MAX):
            while self._quote is None or self._quote.bid is None:
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
            order_id = self._resting.pop(self._random.randrange(len(self._resting)))
            return CancelIntent(id=name, at=self._clock.now(), venue="ibkr", symbol="SPY", order_id=order_id)
        side = self._random.choice((Side.BUY, Side.SELL))
        price = None
        if kind in ("near", "far", "cancel"):
            assert self._quote is not None
            assert self._quote.bid is not None
            away = Decimal("0.02") if kind == "near" else self._quote.bid * Decimal("0.03")
            price = (self._quote.bid - side.sign * away).quantize(Decimal("0.01"))
            self._resting.append(name)
        return OrderIntent(
            id=name,
            at=self._clock.now(),
            venue="ibkr",
            symbol="SPY",
            side=side,
            quantity=Decimal(self._random.randint(1, 900)),
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            limit_price=price,
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[LocalDesk]:
    desk_file = tmp_path / "desk.toml"
    desk_file.write_text(
        (deploy_folder() / "desk.toml").read_text().replace("open_orders_max = 20", "open_orders_max = 15")
    )
    plan = DeskPlan(
        directory=tmp_path,
        desk_file=desk_file,
        simulator_arguments=("--symbols", "SPY,AAPL,0700.HK", "--start", START, "--speed", "20"),
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
    if victim == "link":
        await call_control(desk.control_port, do="drop_link")
    else:
        await desk.kill(victim)


@pytest.mark.parametrize(
    "victim", ["gateway-ibkr", "indicators", "risk", "oms", "recorder", "nats", "simulator", "link"]
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
    assert len(trade.fills) > KILLS, "the market orders did not fill: nothing was tested"
    assert audit.intents == INTENTS_BETWEEN_KILLS * (KILLS + 2)
