"""How many intents risk decides a second, and how long one name waits while another one floods it.

A nats-server with the desk's streams and permissions, and risk as a process of its own, on the wall clock. First a
rate: intents of one name, each a good order that is checked and approved, wait, and are decided; from the storing of
the first decision to that of the last, by JetStream's own stamps. What limits it is the one core that the process of
risk has: so the processor time of a decision is measured too, which says what the rate would be on an idle machine.
Then a flood: one name sends 20,000 in half a second (`benchmarks.flood`, a process), and in the middle of it come
another one's cancel and order; the slowest of several rounds counts, each on a desk of its own.

The reference, in the same run, is the least that turns one stream into another: a process with plain nats-py that
takes a message, stores one of a decision's size, waits for the answer, and acknowledges. It checks nothing.

    python -m benchmarks.decisions_per_second
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
from msgspec.structs import replace
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.bus.bootstrap import bootstrap
from signalbox.bus.client import BusClient
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    CancelIntent,
    Decision,
    Instrument,
    InstrumentKind,
    LinkStatus,
    OrderIntent,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox.seals import parse
from signalbox_cli.ports import free_port

from benchmarks.scores_at_once import Bench

VENUE, ACCOUNT, SYMBOL = "ibkr", "DU1", "SPY"
INTENTS, REFERENCE_MESSAGES, DECISION_BYTES = 8_000, 4_000, 1_400
FLOOD_INTENTS, FLOOD_SECONDS, ROUNDS = 20_000, 0.5, 3
PROCESSOR_MAX = 1_000_000 // 1_500
RATE_MIN, CANCEL_SECONDS_MAX, ORDER_SECONDS_MAX = 1_500, 1.0, 2.0
WAIT_SECONDS_MAX = 120.0
HEARTBEAT_SECONDS = 0.5
DESK = f"""
name = "bench"
[venues.{VENUE}]
accounts = ["{ACCOUNT}"]
[[instruments]]
venue = "{VENUE}"
symbol = "{SYMBOL}"
[limits]
order_quantity_max = "1000"
order_notional_max = "1000000"
position_quantity_max = "100000000"
position_notional_max = "10000000000"
gross_exposure_max = "10000000000"
price_collar_fraction = "0.05"
price_age_seconds_max = 60
account_age_seconds_max = 600
intent_age_seconds_max = 600
intents_per_minute_max = 1000000
open_orders_max = 1000000
"""


def an_order(name: str) -> OrderIntent:
    return OrderIntent(
        id=name,
        at=datetime.now(UTC),
        venue=VENUE,
        symbol=SYMBOL,
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(100),
        time_in_force=TimeInForce.GTC,
    )


class RiskBench(Bench):
    """A nats-server, risk, and what it must have heard to approve."""

    @contextlib.asynccontextmanager
    async def process(self, command: Sequence[str], environment: dict[str, str]) -> AsyncIterator[None]:
        with (self.folder / "log").open("ab") as log:
            running = await asyncio.create_subprocess_exec(
                *command, env=os.environ | environment, stdout=log, stderr=log
            )
        self.last_pid = running.pid
        try:
            yield
        finally:
            running.terminate()
            await running.wait()

    def processor_seconds(self) -> float:
        """What the process that was started last (risk) has had of a processor."""
        fields = Path(f"/proc/{self.last_pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def risk(self) -> contextlib.AbstractAsyncContextManager[None]:
        desk_file = self.folder / "desk.toml"
        desk_file.write_text(DESK)
        environment = {
            "SIGNALBOX_NATS_URL": self.url,
            "SIGNALBOX_NATS_USER": "risk",
            "SIGNALBOX_NATS_PASSWORD": self.passwords["risk"],
            "SIGNALBOX_SEALS": self.seals["risk"],
            "SIGNALBOX_DESK_FILE": str(desk_file),
        }
        return self.process((sys.executable, "-m", "risk"), environment)

    async def bootstrap(self) -> None:
        await (await self.connect("bootstrap")).drain()
        client = BusClient()
        await client.connect(
            self.url, user="bootstrap", password=self.passwords["bootstrap"], inbox_prefix=b"_INBOX.bootstrap"
        )
        now = datetime.now(UTC)
        state = TradingState(id="bench", at=now, mode=TradingMode.ACTIVE, reason="benchmark", by="bench")
        await bootstrap(client, state, parse(self.seals["bootstrap"]))
        await client.close()
        gateway, oms = await self.connect("gateway-ibkr"), await self.connect("oms")
        instrument = Instrument(
            id="instrument",
            at=now,
            venue=VENUE,
            symbol=SYMBOL,
            kind=InstrumentKind.STOCK,
            currency="USD",
            exchange="SMART",
            calendar="24/7",
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            minimum_quantity=Decimal(1),
        )
        funds = dict.fromkeys(("cash", "net_liquidation", "available_funds", "buying_power"), Decimal(10**11))
        margins = dict.fromkeys(("initial_margin", "maintenance_margin"), Decimal(0))
        owner = {"at": now, "venue": VENUE, "account": ACCOUNT}
        await gateway.publish(subjects.instrument(VENUE, SYMBOL), instrument)
        account = AccountState(id="account", currency="USD", **owner, **funds, **margins)  # type: ignore[arg-type]
        await gateway.publish(subjects.account(VENUE, ACCOUNT), account)
        adopted = AccountAdopted(
            id="_baseline/1",
            order_id=subjects.BASELINE,
            status=OrderStatus.FILLED,
            currency="USD",
            cash=Decimal(10**11),
            positions=(),
            execution_ids=(),
            **owner,  # type: ignore[arg-type]
        )
        await oms.publish(subjects.order(VENUE, ACCOUNT, subjects.BASELINE), adopted)
        await gateway.drain()
        await oms.drain()

    @contextlib.asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """A gateway that beats and quotes."""
        gateway = await self.connect("gateway-ibkr")

        async def speak() -> None:
            while True:
                now = datetime.now(UTC)
                link = VenueLink(id="beat", at=now, venue=VENUE, account=ACCOUNT, status=LinkStatus.READY)
                await gateway.send(subjects.link(VENUE, ACCOUNT), link)
                quote = Quote(id="q", at=now, venue=VENUE, symbol=SYMBOL, bid=Decimal("99.99"), ask=Decimal(100))
                await gateway.send(subjects.quote(VENUE, SYMBOL), quote)
                await asyncio.sleep(HEARTBEAT_SECONDS)

        speaking = asyncio.create_task(speak())
        try:
            yield
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await gateway.drain()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Bus, Bus, dict[str, asyncio.Future[float]]]]:
        """A desk that approves; both senders, and when the decision on an intent was heard."""
        loop = asyncio.get_running_loop()
        heard: dict[str, asyncio.Future[float]] = {}

        async def decided(received: Received) -> None:
            decision: Decision = messages.decode(received.payload, Decision)
            future = heard.get(decision.cause)
            if future is not None and not future.done():
                future.set_result(time.perf_counter())

        async with self.nats_server():
            await self.bootstrap()
            async with self.heard(), self.risk():
                user, operator = await self.connect("user"), await self.connect("operator")
                await operator.subscribe(subjects.ALL_DECISIONS, decided)
                heard["resting"] = loop.create_future()
                await operator.publish(subjects.intent(an_order("resting")), an_order("resting"))
                await asyncio.wait_for(heard["resting"], WAIT_SECONDS_MAX)
                yield user, operator, heard
                await user.drain()
                await operator.drain()


async def send_at_once(user: Bus, count: int) -> None:
    """Publish without waiting for any answer, as a program that has gone wild would."""
    template = an_order("flood")
    for number in range(count):
        intent = replace(template, id=f"flood-{number}")
        await user._client.publish(subjects.intent(intent), messages.encode(intent), reply="nobody")
    await user._client.flush()


async def rate() -> tuple[float, float]:
    """Decisions a second, and the microseconds of a processor that risk takes for one."""
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        bench = RiskBench(Path(folder))
        async with bench.running() as (user, _, _):
            reader = await bench.connect("recorder")
            before = bench.processor_seconds()
            await send_at_once(user, INTENTS)
            stored: list[datetime] = []
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                last = 0
                while len(stored) < INTENTS:
                    async for received in reader.read("TRADE", subjects.ALL_DECISIONS, last + 1):
                        last = received.sequence
                        if b'"flood-' in received.payload:
                            assert received.subject.startswith("decision.approved"), received.payload
                            stored.append(received.stored_at)
                    await asyncio.sleep(0.5)
            taken = bench.processor_seconds() - before
            await reader.drain()
    return len(stored) / (max(stored) - min(stored)).total_seconds(), taken / len(stored) * 1e6


async def under_flood() -> tuple[float, float]:
    """Seconds to the decisions on another name's cancel and order."""
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        bench = RiskBench(Path(folder))
        async with bench.running() as (_, operator, heard):
            loop = asyncio.get_running_loop()
            flooding = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.flood"),
                *(bench.url.rpartition(":")[2], "user", str(FLOOD_INTENTS), str(FLOOD_SECONDS)),
                env=os.environ | {"FLOOD_PASSWORD": bench.passwords["user"]},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert flooding.stdin is not None
            assert flooding.stdout is not None
            await flooding.stdout.readline()
            flooding.stdin.write(b"now\n")
            await asyncio.sleep(FLOOD_SECONDS / 2)
            cancel = CancelIntent(id="away", at=datetime.now(UTC), venue=VENUE, symbol=SYMBOL, order_id="resting")
            taken: dict[str, float] = {}
            for intent in (cancel, an_order("late")):
                heard[intent.id] = loop.create_future()
                began = time.perf_counter()
                await operator.publish(subjects.intent(intent), intent)
                taken[intent.id] = await asyncio.wait_for(heard[intent.id], WAIT_SECONDS_MAX) - began
            await flooding.communicate(b"enough\n")
    return taken["away"], taken["late"]


async def reference_rate() -> float:
    """Messages a second of the bare process."""
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        bench, port = RiskBench(Path(folder)), free_port()
        url = f"nats://127.0.0.1:{port}"
        binary = str(Path(sys.executable).parent / "nats-server")
        async with bench.process((binary, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", folder), {}):
            await _listening(port)
            client = await nats.connect(url)
            context = client.jetstream()
            await context.add_stream(name="BEFORE", subjects=["before"])
            await context.add_stream(name="AFTER", subjects=["after"])
            await context.add_consumer("BEFORE", durable_name="link", ack_policy="explicit", max_ack_pending=1)
            for number in range(REFERENCE_MESSAGES):
                await client.publish("before", b"m%d " % number)
            await client.flush()
            link = (sys.executable, "-m", "benchmarks.bare_chain", url, "BEFORE", "--subject", "after")
            async with bench.process((*link, "--bytes", str(DECISION_BYTES)), {}), asyncio.timeout(WAIT_SECONDS_MAX):
                while (await context.stream_info("AFTER")).state.messages < REFERENCE_MESSAGES:
                    await asyncio.sleep(0.1)
            first, last = await context.get_msg("AFTER", 1), await context.get_msg("AFTER", REFERENCE_MESSAGES)
            await client.close()
    return REFERENCE_MESSAGES / (_time_of(last) - _time_of(first))


async def _listening(port: int) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            with contextlib.suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return
            await asyncio.sleep(0.05)


def _time_of(message: Any) -> float:
    return float(message.time.timestamp())


def _row(name: str, value: float, unit: str, goal: str, met: bool, reference: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3) if value < 100 else round(value),
        "unit": unit,
        "reference": round(reference) if reference is not None else None,
        "ratio": round(value / reference, 2) if reference is not None else None,
        "goal": goal,
        "met": met,
    }


def run() -> list[dict[str, Any]]:
    """Measure: decisions a second beside the bare process, and waits under a flood."""
    reference, (decided, processor) = asyncio.run(reference_rate()), asyncio.run(rate())
    waits = [asyncio.run(under_flood()) for _ in range(ROUNDS)]
    cancel, order = max(wait for wait, _ in waits), max(wait for _, wait in waits)
    return [
        _row("decisions a second", decided, "1/s", f"value >= {RATE_MIN}", decided >= RATE_MIN, reference),
        _row("processor time of a decision", processor, "us", f"value <= {PROCESSOR_MAX}", processor <= PROCESSOR_MAX),
        _row(
            "cancel under another's flood",
            cancel,
            "s",
            f"value <= {CANCEL_SECONDS_MAX:g}",
            cancel <= CANCEL_SECONDS_MAX,
        ),
        _row("order under another's flood", order, "s", f"value <= {ORDER_SECONDS_MAX:g}", order <= ORDER_SECONDS_MAX),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
