"""`python -m risk` as a process of its own: starts from nothing but its settings, and survives SIGKILL at any time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.errors import BusError
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    Decision,
    Instrument,
    InstrumentKind,
    IntentApproved,
    LinkStatus,
    OrderIntent,
    OrderStatus,
    OrderType,
    Quote,
    ServiceStatus,
    Side,
    TimeInForce,
    VenueLink,
)

WAIT_SECONDS_MAX = 30.0
VENUE, ACCOUNT = "ibkr", "DU1234567"
INTENTS = 60
HEARTBEAT_SECONDS = 0.02
DESK = """
name = "test"
mode = "paper"
clock = "wall"

[venues.ibkr]
accounts = ["DU1234567"]

[[instruments]]
venue = "ibkr"
symbol = "SPY"

[limits]
order_quantity_max = "1000"
order_notional_max = "200000"
position_quantity_max = "2000"
position_notional_max = "400000"
gross_exposure_max = "600000"
price_collar_fraction = "0.05"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 120
intents_per_minute_max = 1000
open_orders_max = 1000
"""


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.02)


class RiskProcess:
    """Starts and kills `python -m risk`."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server, self._folder = server, folder
        (folder / "desk.toml").write_text(DESK)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "SIGNALBOX_NATS_URL": self._server.url,
            "SIGNALBOX_NATS_USER": "risk",
            "SIGNALBOX_NATS_PASSWORD": self._server.password("risk"),
            "SIGNALBOX_DESK_FILE": str(self._folder / "desk.toml"),
        }
        with (self._folder / "risk.log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "risk"], env=environment, stdout=log, stderr=log)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(WAIT_SECONDS_MAX)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def set_stage(gateway: Bus, oms: Bus) -> None:
    """What the gateway and the OMS have said before any intent."""
    now = datetime.now(UTC)
    instrument = Instrument(
        id="instrument",
        at=now,
        venue=VENUE,
        symbol="SPY",
        kind=InstrumentKind.STOCK,
        currency="USD",
        exchange="SMART",
        calendar="XNYS",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        minimum_quantity=Decimal(1),
    )
    money = Decimal(1_000_000)
    account = AccountState(
        id="account",
        at=now,
        venue=VENUE,
        account=ACCOUNT,
        currency="USD",
        cash=money,
        net_liquidation=money,
        available_funds=money,
        buying_power=money,
        initial_margin=Decimal(0),
        maintenance_margin=Decimal(0),
    )
    adopted = AccountAdopted(
        id="_baseline/1",
        at=now,
        venue=VENUE,
        account=ACCOUNT,
        order_id=subjects.BASELINE,
        status=OrderStatus.NEW,
        currency="USD",
        cash=money,
        positions=(),
        execution_ids=(),
    )
    await gateway.publish(subjects.instrument(VENUE, "SPY"), instrument)
    await gateway.publish(subjects.account(VENUE, ACCOUNT), account)
    await oms.publish(subjects.order(VENUE, ACCOUNT, subjects.BASELINE), adopted)


async def speak(gateway: Bus) -> None:
    """Heartbeats and quotes, for ever."""
    while True:
        now = datetime.now(UTC)
        link = VenueLink(id="beat", at=now, venue=VENUE, account=ACCOUNT, status=LinkStatus.READY)
        await gateway.send(subjects.link(VENUE, ACCOUNT), link)
        price = {"bid": Decimal("99.99"), "ask": Decimal(100)}
        await gateway.send(subjects.quote(VENUE, "SPY"), Quote(id="q", at=now, venue=VENUE, symbol="SPY", **price))
        await asyncio.sleep(HEARTBEAT_SECONDS)


@pytest.fixture
async def gateway(nats_server: Any) -> AsyncIterator[Bus]:
    bus = await nats_server.connect("gateway-ibkr")
    await set_stage(bus, await nats_server.connect("oms"))
    speaking = asyncio.create_task(speak(bus))
    yield bus
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)


@pytest.fixture
def process(nats_server: Any, tmp_path: Path) -> Any:
    process = RiskProcess(nats_server, tmp_path)
    yield process
    process.close()


def an_intent(number: int) -> OrderIntent:
    return OrderIntent(
        id=f"i-{number}",
        at=datetime.now(UTC),
        venue=VENUE,
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(100),
        time_in_force=TimeInForce.GTC,  # may rest at any hour: this test runs on the wall clock
    )


async def decisions(reader: Bus) -> list[Decision]:
    return [messages.decode(found.payload, Decision) async for found in reader.read("TRADE", subjects.ALL_DECISIONS)]


async def test_killed_again_and_again_each_intent_has_exactly_one_decision(
    nats_server: Any, gateway: Bus, process: Any
) -> None:
    user, reader = await nats_server.connect("user"), await nats_server.connect("recorder")
    process.start()

    async def publish_all() -> None:
        for number in range(INTENTS):
            intent = an_intent(number)
            await user.publish(subjects.intent(intent), intent)

    publishing = asyncio.create_task(publish_all())
    for count in (1, INTENTS // 3, 2 * INTENTS // 3):

        async def enough(count: int = count) -> bool:
            return len(await decisions(reader)) >= count

        await eventually(enough)
        process.end(signal.SIGKILL)
        process.start()
    await publishing

    async def all_decided() -> bool:
        return len(await decisions(reader)) >= INTENTS

    await eventually(all_decided)
    made = await decisions(reader)
    assert Counter(decision.cause for decision in made) == Counter(f"i-{number}" for number in range(INTENTS))
    assert all(isinstance(decision, IntentApproved) for decision in made), [
        decision.reason for decision in made if not isinstance(decision, IntentApproved)
    ][:3]
    exposure = next(check for check in made[-1].checks if check.name == "gross_exposure")
    assert exposure.observed == str(INTENTS * 100)


async def test_ready_when_rebuilt_and_links_are_heard_and_told_to_stop_it_ends_well(
    nats_server: Any, gateway: Bus, process: Any
) -> None:
    user = await nats_server.connect("user")
    process.start()

    async def ready() -> bool:
        try:
            answer = await user.request(subjects.status("risk"), b"", timeout_seconds=0.5)
        except BusError:
            return False
        status = messages.decode(answer, ServiceStatus)
        return bool(status.ready)

    await eventually(ready)
    assert process.end(signal.SIGTERM) == 0
