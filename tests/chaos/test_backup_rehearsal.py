"""A disaster, rehearsed: the desk is copied away while it runs, NATS's store and the database are destroyed, and both
come back from the copy. The venues go on meanwhile, and know all that was ever sent to them.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import load_desk
from signalbox.messages import (
    Decision,
    IntentDenied,
    OrderIntent,
    OrderType,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)
from signalbox_cli import consistency, run_folder
from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import desk_time
from signalbox_cli.local_desk import NATS, DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.simulated_venues import market_arguments

START = "2024-03-05T15:00:00Z"
WAIT_SECONDS_MAX, SETTLE_SECONDS_MAX = 60.0, 60.0
LOTS = {"SPY": ("ibkr", Decimal(100)), "BTC-USD": ("dydx", Decimal("0.01"))}


class Trader:
    """Sends orders as a user does; names are used once."""

    def __init__(self, desk: LocalDesk) -> None:
        self._desk = desk

    async def send(self, name: str, count: int) -> list[Decision]:
        """Send orders at market at both venues; their decisions, once all are there."""
        bus = await Bus.connect(self._desk.bus_settings("user"))
        decided: dict[str, Decision] = {}

        async def decision(received: Received) -> None:
            if not subjects.is_decision(received.subject):
                return
            found: Decision = messages.decode(received.payload, Decision)
            if found.intent is not None:
                decided[found.intent.id] = found

        await bus.subscribe(subjects.ALL_DECISIONS, decision)
        sent = []
        try:
            for number in range(count):
                symbol, (venue, lot) = list(LOTS.items())[number % len(LOTS)]
                intent = OrderIntent(
                    id=f"{name}-{number}",
                    at=await desk_time(bus),
                    venue=venue,
                    symbol=symbol,
                    side=Side.BUY if number % 3 else Side.SELL,
                    quantity=lot,
                    order_type=OrderType.MARKET,
                    time_in_force=TimeInForce.DAY,
                )
                await bus.publish(subjects.intent(intent), intent)
                sent.append(intent.id)
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while not decided.keys() >= set(sent):
                    await asyncio.sleep(0.02)
        finally:
            await bus.drain()
        return [decided[name] for name in sent]

    async def send_until_approved(self, name: str, count: int) -> None:
        """Send so many orders; one that comes while a link reconciles is sent again under another name."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            attempt, missing = 0, count
            while missing:
                decisions = await self.send(f"{name}-{attempt}", missing)
                missing = sum(isinstance(decision, IntentDenied) for decision in decisions)
                attempt += 1


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[LocalDesk]:
    desk_file = deploy_folder() / "desk.toml"
    market = tuple(market_arguments(load_desk(desk_file)))
    plan = DeskPlan(
        directory=tmp_path / "desk",
        desk_file=desk_file,
        simulator_arguments=(*market, "--seed", "7", "--speed", "5", "--start", START, "--block-ms", "100"),
    )
    desk = LocalDesk(plan, print)
    try:
        await desk.start()
        yield desk
    finally:
        await desk.close()


async def signalbox(desk: LocalDesk, user: str, *words: str) -> str:
    """Run a command with a user's password; what it says, which must be success."""
    environment = {
        "SIGNALBOX_NATS_URL": desk.nats_url,
        "SIGNALBOX_NATS_PASSWORD_FILE": str(run_folder.credential_file(desk.plan.directory, user)),
        "SIGNALBOX_SEALS_FILE": str(run_folder.seals_file(desk.plan.directory, user)),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signalbox_cli", *words),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_SECONDS_MAX)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def back_up(desk: LocalDesk, to: Path) -> None:
    """What docs/backup.md says: only the recorder stands still, and catches up."""
    await desk.stop("recorder")
    await signalbox(desk, "bootstrap", "backup", str(to), "--database", str(desk.database_file))
    await desk.run("recorder")


async def lose_everything(desk: LocalDesk) -> None:
    """Nothing is left but the venues."""
    await asyncio.gather(*(desk.stop(service) for service in desk.plan.services))
    await desk.stop(NATS)
    shutil.rmtree(desk.plan.directory / "jetstream")
    for file in desk.plan.directory.glob("desk.duckdb*"):
        file.unlink()


async def bring_back(desk: LocalDesk, copy: Path) -> None:
    await desk.run(NATS)
    await desk._listening(desk.nats_port, NATS)
    await signalbox(desk, "bootstrap", "restore", str(copy), "--database", str(desk.database_file))
    for service in desk.plan.services:
        await desk.run(service)
    await desk.wait_ready(*desk.plan.services)


async def resume(desk: LocalDesk) -> None:
    bus = await Bus.connect(desk.bus_settings("operator"))
    state = TradingState(id="resume", at=await desk_time(bus), mode=TradingMode.ACTIVE, reason="compared", by="test")
    await bus.publish(subjects.TRADING_STATE, state)
    await bus.drain()


async def test_a_desk_comes_back_from_its_backup_halted_and_trades_on(desk: LocalDesk, tmp_path: Path) -> None:
    trader = Trader(desk)
    await trader.send_until_approved("before", 12)
    auditor = await Bus.connect(desk.bus_settings("auditor"))
    assert await audit_trading(desk, auditor, settle_seconds_max=SETTLE_SECONDS_MAX) == []
    stored = [(m.sequence, m.payload) async for m in auditor.read("TRADE")]
    await auditor.drain()

    await back_up(desk, tmp_path / "copy")
    await lose_everything(desk)
    await bring_back(desk, tmp_path / "copy")

    auditor, user = await Bus.connect(desk.bus_settings("auditor")), await Bus.connect(desk.bus_settings("user"))
    try:
        assert [(m.sequence, m.payload) async for m in auditor.read("TRADE")][: len(stored)] == stored
        (halted,) = await trader.send("halted", 1)
        assert isinstance(halted, IntentDenied)
        assert "restored from the backup" in halted.reason
        await resume(desk)
        await trader.send_until_approved("after", 12)
        wrong = await audit_trading(desk, auditor, settle_seconds_max=SETTLE_SECONDS_MAX)
        audit = await audit_record(desk, auditor, user, wrong)
    finally:
        await auditor.drain()
        await user.drain()
    assert audit.wrong == []


async def test_a_backup_taken_while_orders_flow_sends_none_twice_and_books_every_fill_of_an_order_that_it_knows(
    desk: LocalDesk, tmp_path: Path
) -> None:
    sending = asyncio.create_task(Trader(desk).send("flow", 60))
    await back_up(desk, tmp_path / "copy")
    await sending
    await lose_everything(desk)
    await bring_back(desk, tmp_path / "copy")

    auditor = await Bus.connect(desk.bus_settings("auditor"))
    try:
        wrong = await audit_trading(desk, auditor, settle_seconds_max=5.0)
        trade = consistency.read_trade([message async for message in auditor.read("TRADE")])
    finally:
        await auditor.drain()
    assert [sentence for sentence in wrong if " orders for " in sentence or "decision" in sentence] == []
    known = set(trade.approved_orders)
    assert known
    assert [sentence for sentence in wrong if known.intersection(sentence.replace(",", " ").split())] == []
