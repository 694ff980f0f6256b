"""One campaign against dYdX: random orders, cancels, faults and kills drawn by a seed, and what must hold afterwards.

Owns a desk of real processes (nats-server, OMS, gateway-dydx, the simulated dYdX), all of which are killed and come
again while orders flow, and the comparison of what the desk has written down with the chain's own books. It must not
know what a test is.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from oms.evolve import evolve
from oms.state import State
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.messages import (
    FINAL_STATUSES,
    CancelIntent,
    ClockTick,
    IntentApproved,
    LedgerClaimed,
    LedgerEntry,
    LinkStatus,
    OrderEvents,
    OrderIntent,
    OrderStatus,
    OrderType,
    Report,
    Side,
    TimeInForce,
    VenueLink,
)
from signalbox_cli.connection import call_control
from signalbox_cli.local_desk import free_port

from tests.chaos.dydx_differences import wrong_books, wrong_fills, wrong_orders
from tests.chaos.dydx_lots import (
    ACCOUNT,
    ADDRESS,
    DESK_FILE,
    FAULTS,
    GATEWAY_SETTINGS,
    MENDING,
    SYMBOL,
    VENUE,
)
from tests.conftest import NatsServer
from tests.venue.processes import ForkServer, GatewayProcess

BLOCK_MS = 40
READY_SECONDS_MAX, SETTLE_SECONDS_MAX = 30.0, 40.0
RECHECK_SECONDS = 0.05


class Campaign:
    """One desk at one dYdX, and the lot that decides what happens to them."""

    def __init__(self, seed: int, folder: Path, nats: NatsServer, servers: dict[str, ForkServer]) -> None:
        self._chance, self._folder, self._nats, self._servers = random.Random(seed), folder, nats, servers
        self._speed = self._chance.choice((1, 20, 60))
        self._clock = FollowingClock()
        self._simulator: subprocess.Popen[bytes] | None = None
        self._control_port, grpc_port, http_port = free_port(), free_port(), free_port()
        self._simulator_arguments = [
            *("--grpc-port", str(grpc_port), "--http-port", str(http_port), "--control-port", str(self._control_port)),
            *("--block-ms", str(BLOCK_MS), "--rest-limit", "0", "--fund", f"{ADDRESS}=1000000", "--symbols", SYMBOL),
            *("--speed", str(self._speed), "--seed", str(seed), "--price", f"{SYMBOL}=100000"),
            *("--start", self._chance.choice(("2024-03-05T14:58:00Z", "2024-03-05T23:57:00Z"))),
            *("--books", str(folder / "books"), "--nats-url", nats.url),
            *("--nats-password-file", str(folder / "password")),
        ]
        (folder / "password").write_text(nats.password("simulator"))
        (folder / "password").chmod(0o600)
        (folder / "desk.toml").write_text(DESK_FILE)
        where = {
            "SIGNALBOX_DYDX_NODE_URL": f"127.0.0.1:{grpc_port}",
            "SIGNALBOX_DYDX_INDEXER_URL": f"http://127.0.0.1:{http_port}",
            "SIGNALBOX_DYDX_WEBSOCKET_URL": f"ws://127.0.0.1:{http_port}/v4/ws",
        }
        self._gateway = self._process("gateway-dydx", "gateway_dydx", where | GATEWAY_SETTINGS)
        window = {"SIGNALBOX_SUBMIT_WINDOW_SECONDS": str(6 * self._speed)}
        self._oms = self._process("oms", "oms", window)
        self._links: list[VenueLink] = []
        self._sent: list[str] = []
        self._cancels: Counter[str] = Counter()
        self._price = Decimal(100_000)
        self._supervised: asyncio.Task[None] | None = None
        self._held = asyncio.Lock()
        """While it is held, nothing is started again."""
        self._risk: Bus
        self._recorder: Bus
        self._gateway_bus: Bus
        self.story: list[str] = []
        """What happened, for a person who looks at a failure."""
        self.orders = self.fills = 0
        """How many the chain has, as of the last look."""

    def _process(self, user: str, module: str, more: dict[str, str]) -> GatewayProcess:
        environment = {
            "SIGNALBOX_NATS_URL": self._nats.url,
            "SIGNALBOX_NATS_USER": user,
            "SIGNALBOX_NATS_PASSWORD": self._nats.password(user),
            **self._nats.seal_settings(user),
            "SIGNALBOX_DESK_FILE": str(self._folder / "desk.toml"),
            **more,
        }
        return GatewayProcess(self._servers[module], environment, self._folder / f"{user}.log")

    # ------------------------------------------------------------------------------------------------- processes

    async def open(self) -> None:
        """Start everything; return when the gateway is READY."""
        self._start_simulator()
        self._risk, self._recorder = await self._nats.connect("risk"), await self._nats.connect("recorder")
        self._gateway_bus = await self._nats.connect("gateway-dydx")

        async def tick(received: Received) -> None:
            self._clock.follow(messages.decode(received.payload, ClockTick))

        async def link(received: Received) -> None:
            self._links.append(messages.decode(received.payload, VenueLink))

        await self._risk.subscribe(subjects.CLOCK, tick)
        await self._risk.subscribe("link.>", link)
        self._supervised = asyncio.create_task(self._supervise())
        await self._ready()

    def _start_simulator(self) -> None:
        with (self._folder / "simulator.log").open("ab") as log:
            command = [sys.executable, "-m", "simulators.dydx", *self._simulator_arguments]
            self._simulator = subprocess.Popen(command, env=os.environ | {}, stdout=log, stderr=log)

    async def _supervise(self) -> None:
        """Start again what has ended, as the desk's supervisor does."""
        while True:
            async with self._held:
                for process in (self._oms, self._gateway):
                    if not process.runs():
                        process.start()
            await asyncio.sleep(RECHECK_SECONDS)

    async def close(self) -> None:
        if self._supervised is not None:
            self._supervised.cancel()
            await asyncio.gather(self._supervised, return_exceptions=True)
        await self._gateway.kill()
        await self._oms.kill()
        if self._simulator is not None:
            self._simulator.kill()
            self._simulator.wait()

    async def _ready(self) -> None:
        since = len(self._links)
        await self._until(
            lambda: len(self._links) > since and self._links[-1].status is LinkStatus.READY, "READY", READY_SECONDS_MAX
        )

    async def _until(self, condition: Callable[[], Any], what: str, seconds_max: float) -> None:
        ends = asyncio.get_running_loop().time() + seconds_max
        while not condition():
            assert asyncio.get_running_loop().time() < ends, f"never: {what}"
            await asyncio.sleep(RECHECK_SECONDS)

    # ----------------------------------------------------------------------------------------------- what is drawn

    async def run(self, steps: int) -> None:
        """Let so many things happen, each a short while after the other."""
        actions: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (12, self._order),
            (5, self._cancel),
            (6, self._fault),
            (2, self._jump),
            (2, self._external),
            (2, self._kill_gateway),
            (1, self._kill_simulator),
            (1, self._kill_nats),
            (1, self._kill_oms),
            (1, self._freeze),
        ]
        for _ in range(steps):
            action = self._chance.choices([each for _, each in actions], [weight for weight, _ in actions])[0]
            await action()
            await asyncio.sleep(self._chance.choice((0.0, 0.02, 0.1, 0.3)))

    async def _do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a control command; the simulator may be starting."""
        ends = asyncio.get_running_loop().time() + READY_SECONDS_MAX
        while True:
            try:
                return await call_control(self._control_port, do=command, **arguments)
            except (OSError, TimeoutError):
                assert asyncio.get_running_loop().time() < ends, f"the simulator did not take {command}"
                await asyncio.sleep(RECHECK_SECONDS)

    async def _order(self) -> None:
        chance, order_id = self._chance, f"c-{len(self._sent)}"
        side = chance.choice((Side.BUY, Side.SELL))
        away = chance.choice((-60, 20, 150, 3000)) * side.sign
        terms: dict[str, Any] = {"order_type": OrderType.MARKET, "reduce_only": chance.random() < 0.2}
        kind = chance.randrange(4)
        if kind == 1:
            lasting = chance.choice((TimeInForce.DAY, TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD))
            terms = {"order_type": OrderType.LIMIT, "limit_price": self._price - away, "time_in_force": lasting}
            if lasting is TimeInForce.GTD:
                terms["good_till"] = self._clock.now() + timedelta(seconds=chance.choice((1, 4)) * self._speed)
        elif kind == 2:
            terms = {"order_type": OrderType.LIMIT, "limit_price": self._price - away}
        elif kind == 3:
            gap = abs(away) * side.sign
            lasting = chance.choice((TimeInForce.DAY, TimeInForce.GTC))
            reduce = chance.random() < 0.3
            terms = {"order_type": OrderType.STOP, "stop_price": self._price + gap, "time_in_force": lasting}
            terms["reduce_only"] = reduce
        quantity = Decimal(chance.choice((1, 20, 300, 2000))) / 1000
        intent = OrderIntent(
            id=order_id,
            at=self._clock.now(),
            venue=VENUE,
            account=ACCOUNT,
            symbol=SYMBOL,
            side=side,
            quantity=quantity,
            **terms,
        )
        self._sent.append(order_id)
        self._tell(f"{order_id} {terms} {side} {quantity}")
        await self._approve(f"decision/{order_id}", order_id, intent)

    async def _cancel(self) -> None:
        if self._sent:
            recent = self._sent[-1:] if self._chance.random() < 0.4 else self._sent[-12:]
            await self._cancel_of(self._chance.choice(recent))

    async def _cancel_of(self, order_id: str) -> None:
        self._cancels[order_id] += 1
        name = f"{order_id}-cancel-{self._cancels[order_id]}"
        self._tell(name)
        intent = CancelIntent(
            id=name, at=self._clock.now(), venue=VENUE, account=ACCOUNT, symbol=SYMBOL, order_id=order_id
        )
        await self._approve(f"decision/{name}", order_id, intent)

    async def _approve(self, decision_id: str, order_id: str, intent: OrderIntent | CancelIntent) -> None:
        decision = IntentApproved(
            id=decision_id, at=intent.at, intent_sequence=1, intent=intent, order_id=order_id, checks=()
        )
        await self._risk.publish(subjects.decision(decision, ACCOUNT, VENUE), decision)

    async def _fault(self) -> None:
        command, arguments = self._chance.choice(FAULTS)
        self._tell(f"{command} {arguments}")
        await self._do(command, **arguments)

    async def _jump(self) -> None:
        price = self._price + self._chance.choice((-2500, -400, -100, 100, 400, 2500))
        self._price = min(max(price, Decimal(80_000)), Decimal(120_000))
        self._tell(f"price {self._price}")
        await self._do("set_price", symbol=SYMBOL, price=str(self._price))

    async def _external(self) -> None:
        side = self._chance.choice(("BUY", "SELL"))
        worse = 500 if side == "BUY" else -500
        self._tell(f"external {side}")
        with suppress(ValueError):  # refused for want of collateral, for example
            await self._do(
                "place_external",
                account=ACCOUNT,
                symbol=SYMBOL,
                side=side,
                quantity="0.05",
                price=str(self._price + worse),
                kind="SHORT_TERM",
                time_in_force="IOC",
            )

    async def _kill_gateway(self) -> None:
        self._tell("kill the gateway")
        async with self._held:
            await self._gateway.kill()
            if self._chance.random() < 0.3:  # longer than any good-til-block
                await asyncio.sleep(BLOCK_MS * 45 / 1000)

    async def _kill_oms(self) -> None:
        self._tell("kill the OMS")
        async with self._held:
            await self._oms.kill()

    async def _kill_simulator(self) -> None:
        assert self._simulator is not None
        self._tell("kill the simulator")
        self._simulator.kill()
        self._simulator.wait()
        self._start_simulator()

    async def _kill_nats(self) -> None:
        self._tell("kill NATS")
        self._nats.restart()
        await self._nats.listening()

    async def _freeze(self) -> None:
        self._tell("freeze")
        await self._do("node_frozen", frozen=True)
        await asyncio.sleep(self._chance.choice((0.2, 1.5)))
        await self._do("node_frozen", frozen=False)

    def _tell(self, text: str) -> None:
        self.story.append(f"{datetime.now(UTC):%M:%S.%f} {text}")

    # ---------------------------------------------------------------------------------------------- what must hold

    async def settle(self) -> list[str]:
        """Mend everything, and wait until the desk and the chain agree; then cancel what works, and wait again.

        Returns what still was wrong when the time was up.
        """
        for command, arguments in MENDING:
            await self._do(command, **arguments)
        self._tell("mended")
        await self._ready()
        wrong = await self._agrees()
        if wrong:
            return wrong
        self._tell("they agree")
        for order_id, status in (await self._desk()).items():
            if status not in FINAL_STATUSES:
                await self._cancel_of(order_id)
        return await self._agrees(ended=True)

    async def _desk(self) -> dict[str, OrderStatus]:
        state = await self._folded()
        return {order.order_id: order.status for order in state.orders.values() if order.order_id in self._sent}

    async def _agrees(self, *, ended: bool = False) -> list[str]:
        ends = asyncio.get_running_loop().time() + SETTLE_SECONDS_MAX
        while True:
            wrong = await self._wrong(ended=ended)
            if not wrong or asyncio.get_running_loop().time() > ends:
                return wrong
            await asyncio.sleep(RECHECK_SECONDS * 4)

    async def _folded(self) -> State:
        """The OMS's state as its own log has it; an illegal event raises."""
        state = State()
        async for received in self._recorder.read("TRADE", subjects.ALL_ORDERS):
            evolve(state, messages.decode(received.payload, OrderEvents), received.sequence)
        return state

    async def _wrong(self, *, ended: bool) -> list[str]:
        """Everything in which the desk's streams and the chain differ now."""
        state = await self._folded()
        reports = [
            messages.decode(received.payload, Report) async for received in self._recorder.read("REPORTS", "report.>")
        ]
        claims = [
            entry
            async for received in self._recorder.read("LEDGER", "ledger.>")
            if isinstance(entry := messages.decode(received.payload, LedgerEntry), LedgerClaimed)
        ]
        orders = (await self._do("chain_orders", account=ACCOUNT))["orders"]
        told = await self._do("chain_fills", account=ACCOUNT)
        books = (await self._do("books", account=ACCOUNT))["books"][ACCOUNT]
        self.orders, self.fills = len(orders), len(told["fills"])
        wrong = wrong_orders(self._sent, state, claims, orders, ended=ended)
        wrong += wrong_fills(state.accounts[VENUE, ACCOUNT], reports, claims, told)
        wrong += wrong_books(state.accounts[VENUE, ACCOUNT], books)
        wrong += [f"dead letter: {received.payload[:300]!r}" async for received in self._recorder.read("DEAD", ">")]
        last = await self._recorder.last("COMMANDS", "command.dydx.>")
        if last and await self._gateway_bus.consumer_floor("COMMANDS", "gateway-dydx") < last.sequence:
            wrong.append("commands wait")
        return wrong
