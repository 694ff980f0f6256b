"""One campaign against a venue: random orders, cancels, faults and kills drawn by a seed, and what must hold after it.

Owns a desk of real processes (nats-server, OMS, the gateway, the simulated venue), which are killed and come again
while orders flow, and the wait until all that the desk has written down is what the venue's own books say. What is
drawn at a venue, and the comparison with its books, is the venue's side (`ibkr_side`, `dydx_side`). It must not know
what a test is.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import structs
from oms.evolve import evolve
from oms.state import State
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.gateway.parking import STREAM as PARKED
from signalbox.messages import (
    FINAL_STATUSES,
    ClockTick,
    DeadLetter,
    IntentApproved,
    LedgerChangeClaimed,
    LedgerClaimed,
    LedgerEntry,
    LinkStatus,
    OrderEvents,
    OrderIntent,
    OrderStatus,
    Report,
    VenueCancelRejected,
    VenueLink,
)
from signalbox_cli.ports import free_port

from tests.chaos.differences import wrong_reports, wrong_snapshot
from tests.chaos.list_differences import wrong_lists
from tests.chaos.side import READY_SECONDS_MAX, Hand, VenueSide, Written
from tests.chaos.wants import Wants
from tests.conftest import NatsServer
from tests.venue.desk import LIMITS
from tests.venue.processes import ForkServer, GatewayProcess

SETTLE_SECONDS_MAX = 120.0
RECHECK_SECONDS = 0.05
SPEEDS = (1, 20, 60)


class Campaign:
    """One desk at one venue, and the lot that decides what happens to them."""

    def __init__(
        self,
        make_side: Callable[[Hand], VenueSide],
        seed: int,
        folder: Path,
        nats: NatsServer,
        servers: Mapping[str, ForkServer],
        settle_seconds_max: float = SETTLE_SECONDS_MAX,
        more_settings: Mapping[str, str] | None = None,
        oms_settings: Mapping[str, str] | None = None,
    ) -> None:
        """`more_settings` are the gateway's, beside its side's, `oms_settings` the OMS's."""
        chance = random.Random(seed)
        self.hand = Hand(chance, chance.choice(SPEEDS), FollowingClock(), free_port())
        self.side = make_side(self.hand)
        self._chance, self._folder, self._nats, self._servers = chance, folder, nats, servers
        (folder / "password").write_text(nats.password("simulator"))
        (folder / "password").chmod(0o600)
        (folder / "desk.toml").write_text(f'name = "chaos"\nclock = "simulated"\n{self.side.desk_file}{LIMITS}')
        self._simulator: subprocess.Popen[bytes] | None = None
        self._simulator_arguments = [
            *("--control-port", str(self.hand.control_port), "--speed", str(self.hand.speed), "--seed", str(seed)),
            *("--books", str(folder / "books"), "--nats-url", nats.url),
            *("--nats-password-file", str(folder / "password")),
            *self.side.options(seed, folder),
        ]
        self._service = f"gateway-{self.side.venue}"
        self._gateway = self._process(
            self._service, self.side.gateway, {**self.side.settings(), **(more_settings or {})}
        )
        window = {"SIGNALBOX_SUBMIT_WINDOW_SECONDS": str(6 * self.hand.speed)}
        self._oms = self._process("oms", "oms", {**window, **(oms_settings or {})})
        self._settle_seconds_max = settle_seconds_max
        self._links: list[VenueLink] = []
        self.wants = Wants(self.hand, self.side, self._tell)
        self._supervised: asyncio.Task[None] | None = None
        self._held = asyncio.Lock()
        """While it is held, nothing is started again."""
        self._risk: Bus
        self._recorder: Bus
        self._gateway_bus: Bus

    def _process(self, user: str, module: str, more: Mapping[str, str]) -> GatewayProcess:
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
        self._gateway_bus = await self._nats.connect(self._service)

        async def tick(received: Received) -> None:
            self.hand.clock.follow(messages.decode(received.payload, ClockTick))

        async def link(received: Received) -> None:
            self._links.append(messages.decode(received.payload, VenueLink))

        await self._risk.subscribe(subjects.CLOCK, tick)
        await self._risk.subscribe("link.>", link)
        self._supervised = asyncio.create_task(self._supervise())
        await self._ready()

    def _start_simulator(self) -> None:
        with (self._folder / "simulator.log").open("ab") as log:
            command = [sys.executable, "-m", self.side.simulator, *self._simulator_arguments]
            self._simulator = subprocess.Popen(command, env=os.environ | {}, stdout=log, stderr=log)

    async def _supervise(self) -> None:
        """Start again what has ended, as the desk's supervisor does."""
        begun: set[GatewayProcess] = set()
        while True:
            async with self._held:
                for process in (self._oms, self._gateway):
                    if not process.runs():
                        if process in begun and process.process_id:
                            self.hand.tell("ends", f"{process.log.stem} has ended by itself")
                        begun.add(process)
                        process.start()
                if self._simulator is not None and self._simulator.poll() is not None:
                    self._start_simulator()  # NATS was away when it began
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
            last = self._links[-1] if self._links else "nothing was heard of its link"
            assert asyncio.get_running_loop().time() < ends, f"never: {what}; {last}"
            await asyncio.sleep(RECHECK_SECONDS)

    # ----------------------------------------------------------------------------------------------- what is drawn

    async def run(self, steps: int) -> None:
        """Let so many things happen, each a short while after the other."""
        actions: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (7, self.wants.order),
            (6, self.wants.order_list),
            (4, self._change),
            (4, self.wants.cancel),
            (1, self.wants.cancel_many),
            (7, self._fault),
            (4, self.side.jump),
            (4, self.side.others),
            (2, self._kill_gateway),
            (1, self._cut),
            (1, self._kill_nats),
            (1, self._kill_oms),
            (1, self._freeze),
        ]
        for _ in range(steps):
            action = self._chance.choices([each for _, each in actions], [weight for weight, _ in actions])[0]
            await action()
            await asyncio.sleep(self._chance.choice((0.0, 0.02, 0.1, 0.3)))

    async def _tell(self, decision: IntentApproved) -> None:
        """Have risk have said so."""
        await self._risk.publish(subjects.decision(decision, self.side.account, self.side.venue), decision)

    async def _change(self) -> None:
        await self.wants.change(await self._folded())

    async def place(self, intent: OrderIntent) -> None:
        """Have the desk told to place an order."""
        await self.wants.place(intent)

    async def _fault(self) -> None:
        command, arguments = self._chance.choice(self.side.faults)
        self.hand.tell("faults", f"{command} {dict(arguments)}")
        with suppress(ValueError):  # there may be no such thing now
            await self.hand.do(command, **arguments)

    async def _kill_gateway(self) -> None:
        self.hand.tell("kills", "kill the gateway")
        async with self._held:
            await self._gateway.kill()
            await asyncio.sleep(self._chance.choice((0.0, 0.0, 1.8)))  # long enough for things to happen without it

    @asynccontextmanager
    async def gateway_killed(self) -> AsyncIterator[None]:
        """No gateway meanwhile; afterwards one is READY."""
        self.hand.tell("kills", "kill the gateway")
        async with self._held:
            await self._gateway.kill()
            yield
        await self._ready()

    async def _kill_oms(self) -> None:
        self.hand.tell("kills", "kill the OMS")
        async with self._held:
            await self._oms.kill()

    async def _cut(self) -> None:
        if not self.side.keeps_its_books:
            self.hand.tell("kills", "cut the venue off")
            return await self.side.cut()
        assert self._simulator is not None
        self.hand.tell("kills", "kill the simulator")
        async with self._held:
            self._simulator.kill()
            self._simulator.wait()
            self._start_simulator()

    async def _kill_nats(self) -> None:
        self.hand.tell("kills", "kill NATS")
        self._nats.restart()
        await self._nats.listening()

    async def _freeze(self) -> None:
        self.hand.tell("faults", "freeze")
        await self.side.freeze()

    # ---------------------------------------------------------------------------------------------- what must hold

    async def settle(self) -> list[str]:
        """Mend everything, and wait until desk and venue agree; then cancel what works, and wait again.

        Returns what still was wrong when the time was up.
        """
        for command, arguments in self.side.mending:
            await self.hand.do(command, **arguments)
        await self.side.mended()
        self.hand.note("mended")
        await self._ready()
        wrong = await self._agrees()
        if wrong:
            return wrong
        self.hand.note("they agree")
        state = await self._folded()
        for list_id in self.wants.lists:
            if list_id in state.lists and list_id not in state.lists_over:
                await self.wants.cancel_of(list_id)
        for order_id, status in (await self._desk()).items():
            if status not in FINAL_STATUSES:
                await self.wants.cancel_of(order_id)
        return await self._agrees(ended=True)

    async def _desk(self) -> dict[str, OrderStatus]:
        state = await self._folded()
        return {order.order_id: order.status for order in state.orders.values() if order.order_id in self.wants.sent}

    async def _agrees(self, *, ended: bool = False) -> list[str]:
        ends = asyncio.get_running_loop().time() + self._settle_seconds_max
        while True:
            if ended:
                await self._cancel_refused()
            wrong = await self.wrong(ended=ended)
            if not wrong or asyncio.get_running_loop().time() > ends:
                return wrong
            await asyncio.sleep(RECHECK_SECONDS * 4)

    async def _cancel_refused(self) -> None:
        """A cancel may be refused in honour, for example because the venue was away for too long: ask for it again."""
        refused = Counter(each.order_id for each in await self.reports() if isinstance(each, VenueCancelRejected))
        for order_id, status in (await self._desk()).items():
            if status not in FINAL_STATUSES and 0 < self.wants.cancels[order_id] <= refused[order_id]:
                await self.wants.cancel_of(order_id)
        state = await self._folded()
        for key in state.working:
            order = state.orders[key]
            asked = max(self.wants.cancels[key], len(order.cancel_causes))
            if order.order is not None and order.order.part is not None and asked <= refused[key]:
                await self.wants.cancel_of(
                    key
                )  # sent for what has filled after the list's cancel, or refused too often

    async def _folded(self) -> State:
        """The OMS's state as its own log has it; an illegal event raises."""
        return (await self._read())[0]

    async def _read(self) -> tuple[State, list[OrderEvents]]:
        state, events = State(), []
        async for received in self._recorder.read("TRADE", subjects.ALL_ORDERS):
            events.append(messages.decode(received.payload, OrderEvents))
            evolve(state, events[-1], received.sequence)
        return state, events

    async def reports(self) -> list[Any]:
        return [messages.decode(each.payload, Report) async for each in self._recorder.read("REPORTS", "report.>")]

    async def wrong(self, *, ended: bool = False) -> list[str]:
        """Everything in which the desk's streams and the venue differ now."""
        state, events = await self._read()
        entries = [
            messages.decode(received.payload, LedgerEntry)
            async for received in self._recorder.read("LEDGER", "ledger.>")
        ]
        written = Written(
            sent=(*self.wants.sent, *(key for known in state.lists.values() for key in known.orders)),
            state=state,
            events=events,
            reports=await self.reports(),
            claims=[each for entry in entries if isinstance(entry, LedgerClaimed) for each in one_for_each(entry)],
            changes=[entry for entry in entries if isinstance(entry, LedgerChangeClaimed)],
        )
        wrong = [*wrong_reports(written), *wrong_snapshot(written)]
        wrong += await self.side.wrong(written, ended=ended)
        wrong += wrong_lists(written, self.side, self.wants.lists, self.wants.changes)
        async for received in self._recorder.read("DEAD", ">"):
            letter = messages.decode(received.payload, DeadLetter)
            if letter.stream != PARKED:  # a fact of the venue that made no sense; it is not lost
                wrong.append(f"dead letter: {letter}")
        last = await self._recorder.last("COMMANDS", f"command.{self.side.venue}.>")
        if last and await self._gateway_bus.consumer_floor("COMMANDS", self._service) < last.sequence:
            wrong.append("commands wait")
        return wrong


def one_for_each(claim: LedgerClaimed) -> list[LedgerClaimed]:
    """What is attached to an order is claimed with it, under the numbers that follow."""
    number = int(claim.attempt_id) if claim.attached else 0
    attached = (
        structs.replace(claim, order=order, attempt_id=str(number + place), attached=())
        for place, order in enumerate(claim.attached, 1)
    )
    return [claim, *attached]
