"""The desk around a gateway: a real nats-server, the real OMS, and a real gateway process, with one venue's bench.

Owns what the numbered cases do (decide as risk does, wait for what the OMS makes of it, kill and start the gateway) and
what must hold after every one of them. It must not know which venue it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from oms.outcome import Rules
from oms.service import OrderManagement
from signalbox import messages, subjects
from signalbox.accounts import JETSTREAM
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.gateway.parking import STREAM as PARKED
from signalbox.lease import OwnLease, account_lease, service_lease
from signalbox.messages import (
    FINAL_STATUSES,
    CancelIntent,
    CancelOrder,
    ClockTick,
    Contingency,
    DeadLetter,
    Fill,
    FlattenIntent,
    Intent,
    IntentApproved,
    LedgerChangeClaimed,
    LedgerClaimed,
    LedgerEntry,
    LinkStatus,
    ListLeg,
    MassCancelIntent,
    ModifyIntent,
    ModifyOrder,
    OffsetUnit,
    Order,
    OrderEvents,
    OrderIntent,
    OrderListIntent,
    OrderStatus,
    OrderType,
    PositionAction,
    PositionIntent,
    PriceOffset,
    Quote,
    Report,
    ServiceStatus,
    Side,
    SubmitOrder,
    TimedStep,
    TradingMode,
    TradingState,
    VenueFill,
    VenueLink,
    VenueSnapshot,
)
from signalbox.order_support import REDUCING
from signalbox.seals import SEAL_HEADER
from signalbox.venues import gateway_of
from signalbox_cli.ports import free_port
from simulators.clock_publisher import ClockPublisher

from tests.conftest import NatsServer, growing_pauses

from .agreement import agree
from .bench import Executed, VenueBench
from .numbered import Cannot
from .processes import ForkServer, GatewayProcess

WAIT_SECONDS_MAX = 60.0
PAUSE_SECONDS = 0.005
DESK_TIME_ENOUGH = timedelta(hours=12)
"""A submission's deadline: desk time runs fast here, and only the cases about deadlines are about them."""
QUOTE_UNDER_WAY = timedelta(seconds=1)
"""A quote that was on its way when quotes stopped is no sign that they have come again."""

NEAR = Decimal("0.005")
"""How near a quote must be to the market that it is said to be of, as a fraction."""

LIMITS = """
[limits]
order_quantity_max = "1000000000"
order_notional_max = "1000000000"
position_quantity_max = "1000000000"
position_notional_max = "1000000000"
gross_exposure_max = "1000000000"
price_collar_fraction = "0.5"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 60
intents_per_minute_max = 600
open_orders_max = 20
"""

T = TypeVar("T")


class Desk:
    """One desk with one venue. `cannot` is why the venue can not do the present case, or None."""

    def __init__(self, bench: VenueBench, nats: NatsServer, server: ForkServer, folder: Path) -> None:
        self.bench, self._nats, self._folder = bench, nats, folder
        self._server, self._http_port = server, free_port()
        self.desk_file = folder / "desk.toml"
        self.cannot: Cannot | None = None
        self.spoiled = False
        """The desk's books and the venue's differ on purpose: the case is the last one on this desk."""
        self.links: list[VenueLink] = []
        self.mark = 0
        """A place in `links` that a case goes back to."""
        self._quotes: dict[str, Quote] = {}
        self._reports: list[Any] = []
        self._reports_next = 1
        self._events: list[Any] = []
        self._events_next = 1
        self._ledger_next = 1
        self._entries: list[LedgerEntry] = []
        self._forged_revision = 20
        self._before: set[str] | None = None
        """What was executed before the desk's first start."""
        self._tasks: list[asyncio.Task[None]] = []
        self._oms_tasks: list[asyncio.Task[None]] = []
        self.gateway: GatewayProcess
        self.oms: OrderManagement
        self._lease: OwnLease
        self._oms_bus: Bus
        self._recorder: Bus
        self._risk: Bus
        self._gateway_bus: Bus
        """As the gateway's user: only it may ask how far its consumer is."""

    async def open(self, *, gateway: bool = True) -> None:
        """Start everything beside NATS, which has the streams; with `gateway`, return when it is READY."""
        connect = self._nats.connect
        self._oms_bus, self._recorder, self._risk = (
            await connect("oms"),
            await connect("recorder"),
            await connect("risk"),
        )
        self._gateway_bus = await connect(self.bench.service)
        publisher = ClockPublisher(self.bench.world, await connect("simulator"))

        async def link(received: Received) -> None:
            self.links.append(messages.decode(received.payload, VenueLink))

        async def quote(received: Received) -> None:
            told = messages.decode(received.payload, Quote)
            self._quotes[told.symbol] = told

        await self._risk.subscribe("link.>", link)
        await self._risk.subscribe(subjects.ALL_QUOTES, quote)
        self._tasks.append(asyncio.create_task(publisher.run()))
        await self.oms_starts()
        self.gateway = GatewayProcess(self._server, self._environment(), self._folder / "gateway.log")
        if gateway:
            await self.start()

    async def oms_starts(self) -> None:
        """Start an OMS that knows nothing but what is stored."""
        clock = FollowingClock()

        async def tick(received: Received) -> None:
            clock.follow(messages.decode(received.payload, ClockTick))

        await self._oms_bus.subscribe(subjects.CLOCK, tick)
        venues = frozenset({self.bench.venue})
        rules = Rules(submit_window=DESK_TIME_ENOUGH, unknown_grace=DESK_TIME_ENOUGH, venues=venues)
        self._lease = service_lease(self._oms_bus, "oms")
        await self._lease.acquire(print)
        self.oms = OrderManagement(self._oms_bus, clock, rules, self._lease)
        await self.oms.rebuild()
        self._oms_tasks = [
            asyncio.create_task(self._lease.keep()),
            asyncio.create_task(self.oms.publisher.run()),
        ]
        await self.oms.consume()

    async def oms_dies(self) -> None:
        """End the OMS where it stands: nothing that is told reaches it any more."""
        self._lease.end()
        await self._end(self._oms_tasks)
        await self._oms_bus.drain()

    async def oms_returns(self) -> None:
        """Start the next one, under a connection of its own."""
        self._oms_bus = await self._nats.connect("oms")
        await self.oms_starts()

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _environment(self) -> dict[str, str]:
        self.desk_file.write_text(f'name = "venue cases"\nclock = "simulated"\n{self.bench.desk_file}{LIMITS}')
        return {
            "SIGNALBOX_NATS_URL": self._nats.url,
            "SIGNALBOX_NATS_USER": self.bench.service,
            "SIGNALBOX_NATS_PASSWORD": self._nats.password(self.bench.service),
            **self._nats.seal_settings(self.bench.service),
            "SIGNALBOX_DESK_FILE": str(self.desk_file),
            "SIGNALBOX_HTTP_PORT": str(self._http_port),
            **self.bench.environment(self._folder),
        }

    async def close(self) -> None:
        await self.gateway.kill()
        self._lease.end()  # a handler of a stalled machine waits for a renewal, which will not come
        await self._end([*self._oms_tasks, *self._tasks])
        await self._nats.close()

    # ------------------------------------------------------------------------------------------------------ waiting

    async def eventually(
        self, condition: Callable[[], T | Awaitable[T]], what: str, seconds_max: float = WAIT_SECONDS_MAX
    ) -> T:
        """Wait until `condition` gives something true (its value is returned), or fail with `what`."""
        ends, pauses = asyncio.get_running_loop().time() + seconds_max, growing_pauses(PAUSE_SECONDS)
        while True:
            await self._learn()
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return result
            assert asyncio.get_running_loop().time() < ends, f"never: {what}\n{await self._story()}"
            await asyncio.sleep(next(pauses))

    async def _learn(self) -> None:
        """Tell the bench which of the venue's orders are ours."""
        if self.bench.tells_its_order_ids:
            return
        for entry in await self._new_entries():
            attempts = entry.attempts if isinstance(entry, LedgerChangeClaimed) else (entry,)
            for attempt in attempts:
                self.bench.learn(entry.order.order_id, attempt.venue_order_id)

    async def _new_entries(self) -> list[LedgerEntry]:
        new: list[LedgerEntry] = []
        async for received in self._recorder.read("LEDGER", "ledger.>", self._ledger_next):
            new.append(messages.decode(received.payload, LedgerEntry))
            self._ledger_next = received.sequence + 1
        self._entries += new
        return new

    async def _story(self) -> str:
        """What a person needs who looks at a failure."""
        lines = [f"link: {link.status} {link.reason}" for link in self.links[self.mark :][-5:]]
        lines += [f"report: {report!r}" for report in (await self.reports())[-12:]]
        lines += [f"event: {type(each).__name__} {each.order_id} {each.status}" for each in (await self.events())[-12:]]
        lines += [f"dead: {each.error}" for each in await self.dead_letters()]
        log = self.gateway.log.read_text().splitlines() if self.gateway.log.exists() else []
        return "\n".join([*lines, *(f"log: {line[:400]}" for line in log[-12:])])

    # ------------------------------------------------------------------------------------------------- the gateway

    def look_from_here(self) -> None:
        """Let `ready` and `goes` see only what the link says from now on."""
        self.mark = len(self.links)

    @property
    def link_status(self) -> LinkStatus | None:
        return self.links[-1].status if len(self.links) > self.mark else None

    async def ready(self) -> None:
        """Wait until the link is READY, said since `look_from_here`."""
        await self.eventually(lambda: self.link_status is LinkStatus.READY, "READY")

    async def goes(self, *statuses: LinkStatus) -> None:
        """Wait until the link has taken one of these statuses since `look_from_here`."""
        await self.eventually(lambda: any(link.status in statuses for link in self.links[self.mark :]), f"{statuses}")

    async def not_ready(self) -> None:
        await self.eventually(lambda: self.link_status not in (LinkStatus.READY, None), "a link that is not READY")

    async def start(self) -> None:
        """Start the gateway, and wait until it is READY."""
        self.look_from_here()
        if self._before is None:
            self._before = {each.execution_id for each in self.bench.executions()}
        self.gateway.start()
        await self.ready()

    async def kill(self) -> None:
        """SIGKILL, at this instant."""
        await self.gateway.kill()

    @asynccontextmanager
    async def another_works(self) -> AsyncIterator[None]:
        """Have the account's lease held by a process of another machine, which then gives it back."""
        lease = account_lease(self._gateway_bus, self.bench.venue, self.bench.account, "another-host/another-boot/1/1")
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await lease.acquire(print)
        keeping = asyncio.create_task(lease.keep())
        try:
            yield
        finally:
            await lease.give_back()
            await keeping

    @asynccontextmanager
    async def switched(self, mode: TradingMode, reason: str) -> AsyncIterator[None]:
        """Have an operator set the trading state, and the gateway obey it; afterwards it is ACTIVE."""
        operator = await self._nats.connect("operator")
        await self._obeys(operator, mode, reason)
        try:
            yield
        finally:
            await self._obeys(operator, TradingMode.ACTIVE, "it is over")

    async def _obeys(self, operator: Bus, mode: TradingMode, reason: str) -> None:
        at = self.bench.world.now()
        state = TradingState(
            id=f"trading-state/{mode.value}/{reason}/{at.isoformat()}", at=at, mode=mode, reason=reason, by="operator"
        )
        await operator.publish(subjects.TRADING_STATE, state)

        async def heard() -> bool:
            answers = await operator.request_all(subjects.status(gateway_of(self.bench.venue)), b"", 5, 0.2)
            told = [messages.decode(answer, ServiceStatus).details for answer in answers]
            return [each.get("obeys_trading_state") for each in told] == [state.id]

        await self.eventually(heard, f"{mode.value} obeyed")

    async def stands_by(self) -> None:
        """Wait until the gateway says that another process works."""
        await self.eventually(lambda: self._readiness("standing by: another-host"), "standing by")

    async def _readiness(self, said: str) -> bool:
        """Whether the gateway's HTTP port says this of its readiness."""
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._http_port)
            writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return said in answer.decode()
        return False

    async def nats_is_away_beyond_the_lease(self) -> None:
        """Kill nats-server, leave it away until the gateway says that it may not send any more, and start it again."""
        self._nats.kill()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not await self._readiness("lease: "):
                await asyncio.sleep(PAUSE_SECONDS)
        self.look_from_here()
        self._nats.start()
        await self._nats.listening()
        await self.ready()

    async def command_in_hand(self) -> None:
        """Wait until the gateway has been given a command that it has not finished."""

        async def there() -> bool:
            asked = f"{JETSTREAM}.CONSUMER.INFO.COMMANDS.{self.bench.service}"
            told = msgspec.json.decode(await self._gateway_bus.request(asked, b"", WAIT_SECONDS_MAX))
            return bool(told.get("num_ack_pending"))

        await self.eventually(there, "a command in the gateway's hand")

    # ---------------------------------------------------------------------------------------------------- orders

    def intent(self, order_id: str, **terms: Any) -> OrderIntent:
        """A small market order to buy, unless the terms say otherwise."""
        bench = self.bench
        values = {
            "id": order_id,
            "at": bench.world.now(),
            "venue": bench.venue,
            "account": bench.account,
            "symbol": bench.symbol,
            "side": Side.BUY,
            "quantity": bench.small,
            "order_type": OrderType.MARKET,
        }
        return OrderIntent(**(values | terms))

    def order(self, order_id: str, **terms: Any) -> Order:
        """The terms of such an intent's order, for a command that no decision stands behind."""
        intent = self.intent(order_id, **terms)
        names = (
            "venue account symbol side quantity order_type limit_price stop_price time_in_force good_till reduce_only "
            "post_only all_or_none display_quantity not_before trigger trail_amount trail_percent limit_offset "
            "activation_price"
        )
        return Order(order_id=order_id, intent_id=order_id, **{name: getattr(intent, name) for name in names.split()})

    async def submit(self, order_id: str, **terms: Any) -> None:
        """Approve an intent, as risk does."""
        intent = self.intent(order_id, **terms)
        await self._approve(f"decision/{order_id}", order_id, intent)

    async def bracket(self, list_id: str, *steps: TimedStep, stop_follows: bool = False, **entry: Any) -> None:
        """Approve a bracket: bought, with a stop 5 % below the market and a target 5 % above, for all of it.

        `stop_follows`: the stop is 5 % below the entry's fill, and so can not be sent before that.
        """
        bench, market = self.bench, self.bench_market
        touched = bench.venue in REDUCING  # what rests is not taken reduce-only there
        target = OrderType.MARKET_IF_TOUCHED if touched else OrderType.LIMIT
        price = {"stop_price" if touched else "limit_price": market.price("1.05")}
        lasting = bench.lasting
        terms = {"order_type": OrderType.MARKET, "quantity": bench.small} | entry
        away = PriceOffset(amount=Decimal(-5), unit=OffsetUnit.PERCENT)
        stop: dict[str, Any] = {"stop_offset": away} if stop_follows else {"stop_price": market.price("0.95")}
        legs = (
            ListLeg(name="entry", side=Side.BUY, **terms),
            ListLeg(name="stop", side=Side.SELL, order_type=OrderType.STOP, time_in_force=lasting, **stop),
            ListLeg(name="target", side=Side.SELL, order_type=target, time_in_force=lasting, **price),
        )
        await self.list_of(list_id, Contingency.BRACKET, *legs, timed=steps)

    async def list_of(
        self,
        list_id: str,
        contingency: Contingency,
        *legs: ListLeg,
        reference_price: Decimal | None = None,
        **terms: Any,
    ) -> None:
        """Approve a list of these legs, decided at that price; `terms` are further fields of the intent."""
        bench = self.bench
        intent = OrderListIntent(
            id=list_id,
            at=bench.world.now(),
            venue=bench.venue,
            account=bench.account,
            symbol=bench.symbol,
            contingency=contingency,
            legs=legs,
            **terms,
        )
        await self._approve(f"decision/{list_id}", list_id, intent, reference_price=reference_price)

    async def protected(self, list_id: str, *steps: TimedStep) -> None:
        """Have a bracket whose entry has filled, and whose exits rest at the venue."""
        await self.bracket(list_id, *steps)
        await self.becomes(f"{list_id}.entry", OrderStatus.FILLED)
        for leg in ("stop", "target"):
            await self.becomes(f"{list_id}.{leg}", OrderStatus.NEW)
            await self.at_venue(f"{list_id}.{leg}")
        await self.bench.settle()

    async def cancel(self, order_id: str, attempt: int = 1) -> None:
        """Approve the wish to cancel."""
        intent = CancelIntent(
            id=f"{order_id}-cancel-{attempt}",
            at=self.bench.world.now(),
            venue=self.bench.venue,
            account=self.bench.account,
            symbol=self.bench.symbol,
            order_id=order_id,
        )
        await self._approve(f"decision/{intent.id}", order_id, intent)

    async def modify(self, order_id: str, attempt: int = 1, **changes: Decimal) -> None:
        """Approve the wish to change an order."""
        intent = ModifyIntent(
            id=f"{order_id}-modify-{attempt}",
            at=self.bench.world.now(),
            venue=self.bench.venue,
            account=self.bench.account,
            symbol=self.bench.symbol,
            order_id=order_id,
            **changes,
        )
        await self._approve(f"decision/{intent.id}", order_id, intent)

    async def replaced(self, order_id: str, times: int = 1) -> None:
        """Wait until the order has been changed so often."""

        def there() -> bool:
            state = self.oms.state.find_order(self.bench.venue, self.bench.account, order_id)
            return state is not None and state.change is None and len(state.command_causes) >= times

        await self.eventually(there, f"{order_id} changed {times} times")

    async def change_claimed(self, order_id: str, revision: int = 1) -> None:
        """Wait until the gateway has claimed the change."""
        subject = subjects.ledger_change(self.bench.venue, order_id, revision)
        await self.eventually(lambda: self._recorder.last("LEDGER", subject), f"a claim of a change of {order_id}")

    async def command_change(self, order_id: str, revision: int = 9, *, deadline_seconds: float, **new: Any) -> None:
        """Command a change behind the OMS's back."""
        now, state = self.bench.world.now(), self.oms.state.find_order(self.bench.venue, self.bench.account, order_id)
        assert state is not None
        assert state.order is not None
        command = ModifyOrder(
            id=f"command/{order_id}/{revision}",
            at=now,
            venue=self.bench.venue,
            account=self.bench.account,
            order_id=order_id,
            venue_order_id=state.venue_order_id,
            order=msgspec.structs.replace(state.order, **new),
            revision=revision,
            deadline=now + timedelta(seconds=deadline_seconds),
        )
        await self._oms_bus.publish(subjects.command(self.bench.venue, order_id, revision), command)

    async def cancel_many(self, name: str, **named: str) -> None:
        """Approve the wish to cancel all that works and has what is named."""
        intent = MassCancelIntent(id=name, at=self.bench.world.now(), **named)
        await self._approve(f"decision/{name}", "", intent)

    async def flatten(self, name: str, **named: str) -> None:
        """Approve the wish to hold nothing: what closes is submitted by itself."""
        intent = FlattenIntent(id=name, at=self.bench.world.now(), **named)
        await self._approve(f"decision/{name}", "", intent)

    async def wish(self, order_id: str, **terms: Any) -> None:
        """Approve a wish for a position, which has come to an order of these terms."""
        order = self.intent(order_id, **terms)
        wish = PositionIntent(
            id=order_id,
            at=order.at,
            venue=order.venue,
            account=order.account,
            symbol=order.symbol,
            action=PositionAction.REDUCE_LONG,
            share=Decimal("0.5"),
        )
        await self._approve(f"decision/{order_id}", order_id, wish, order)

    async def _approve(
        self,
        decision_id: str,
        order_id: str,
        intent: Intent,
        order: OrderIntent | None = None,
        reference_price: Decimal | None = None,
    ) -> None:
        decision = IntentApproved(
            id=decision_id,
            at=intent.at,
            intent_sequence=1,
            intent=intent,
            order_id=order_id,
            checks=(),
            order=order,
            reference_price=reference_price,
        )
        await self._risk.publish(subjects.decision(decision, intent.account, intent.venue), decision)

    async def command(self, order: Order, *, deadline_seconds: float = 3600) -> None:
        """Command a submission behind the OMS's back, as a defect of the desk would."""
        now = self.bench.world.now()
        command = SubmitOrder(
            id=f"command/{order.order_id}/0", at=now, order=order, deadline=now + timedelta(seconds=deadline_seconds)
        )
        await self._oms_bus.publish(subjects.command(self.bench.venue, order.order_id, 0), command)

    async def forge_command(self, order_id: str, *, seal: str = "") -> None:
        """Plant a command to submit, with all rights of the OMS and no key: another revision each time."""
        now = self.bench.world.now()
        command = SubmitOrder(
            id=f"forged/{order_id}", at=now, order=self.order(order_id), deadline=now + timedelta(hours=1)
        )
        self._forged_revision += 1
        subject = subjects.command(self.bench.venue, order_id, self._forged_revision)
        await self._as_the_oms_without_a_key(subject, messages.encode(command), {SEAL_HEADER: seal} if seal else {})

    async def copy_command(self, order_id: str, target_id: str) -> str:
        """Publish an order's command once more, whole, on another's subject or its own; whether it was refused."""
        source = subjects.command(self.bench.venue, order_id, 0)
        genuine = await self._recorder.last("COMMANDS", source)
        assert genuine is not None
        target = subjects.command(self.bench.venue, target_id, 0)
        headers = {SEAL_HEADER: genuine.header(SEAL_HEADER)}
        return await self._as_the_oms_without_a_key(target, genuine.payload, headers)

    async def _as_the_oms_without_a_key(self, subject: str, payload: bytes, headers: dict[str, str]) -> str:
        client = await self._nats.client("oms")
        try:
            answer = await client.request(subject, payload, timeout=WAIT_SECONDS_MAX, headers=headers or None)
        finally:
            await client.close()
        return "refused" if b'"error"' in answer.data else "stored"

    async def command_cancel(self, order_id: str, revision: int = 9) -> None:
        """Command a cancellation behind the OMS's back."""
        command = CancelOrder(
            id=f"command/{order_id}/{revision}",
            at=self.bench.world.now(),
            venue=self.bench.venue,
            account=self.bench.account,
            order_id=order_id,
            venue_order_id="",
        )
        await self._oms_bus.publish(subjects.command(self.bench.venue, order_id, revision), command)

    # --------------------------------------------------------------------------------------- orders in a given state

    async def working(self, order_id: str, **terms: Any) -> None:
        """Have an order that rests at the venue, and that the OMS knows to be there."""
        price = self.bench_market.resting_price(terms.get("side", Side.BUY))
        rest = {"order_type": OrderType.LIMIT, "limit_price": price, "time_in_force": self.bench.lasting}
        await self.submit(order_id, **(rest | terms))
        await self.becomes(order_id, OrderStatus.NEW)
        await self.at_venue(order_id)
        await self.bench.settle()

    async def partially_filled(self, order_id: str, **terms: Any) -> None:
        """Have an order that took all there was of the book, and works on."""
        side = terms.get("side", Side.BUY)
        rest = {
            "order_type": OrderType.LIMIT,
            "limit_price": self.bench_market.crossing_price(side),
            "quantity": self.bench_market.beyond_the_book(side),
            "time_in_force": self.bench.lasting,
        }
        await self.submit(order_id, **(rest | terms))
        await self.becomes(order_id, OrderStatus.PARTIALLY_FILLED)

    async def filled(self, order_id: str, **terms: Any) -> None:
        """Have an order that is filled."""
        await self.submit(order_id, **terms)
        await self.becomes(order_id, OrderStatus.FILLED)

    async def resting_stop(self, order_id: str, **terms: Any) -> None:
        """Have a stop order to sell, 5 % below the market."""
        stop_price = self.bench_market.price("0.95")
        stop = {"order_type": OrderType.STOP, "stop_price": stop_price, "limit_price": None}
        await self.working(order_id, side=Side.SELL, **(stop | terms))

    async def flat(self, order_id: str) -> None:
        """Have no position."""
        held = self.bench.position(self.bench.symbol)
        if held:
            limit = self.bench_market.crossing_price(Side.SELL if held > 0 else Side.BUY)
            side = Side.SELL if held > 0 else Side.BUY
            await self.submit(order_id, side=side, quantity=abs(held), order_type=OrderType.LIMIT, limit_price=limit)
            await self.trades_until(order_id, OrderStatus.FILLED)

    async def trades_until(self, order_id: str, *statuses: OrderStatus, seconds: float = 5) -> None:
        """Let the market go on, `seconds` of its time at once, until the OMS has the order in one of these statuses."""

        async def there() -> bool:
            if self.status(order_id) not in statuses and self.bench.placed(order_id):
                await self.bench_market.trade(seconds)
                await asyncio.sleep(self.bench.spare_seconds)
            return self.status(order_id) in statuses

        await self.eventually(there, f"{order_id} {' or '.join(statuses)} as the market goes on")

    async def at_venue(self, order_id: str) -> None:
        """Wait until the venue has the order."""
        await self.eventually(lambda: self.bench.placed(order_id), f"{order_id} at the venue")

    async def sees_the_market(self) -> None:
        """Wait until the gateway's quotes are near the market, which may have jumped."""

        def near() -> bool:
            quote, last = self._quotes.get(self.bench.symbol), self.bench_market.quote().last
            return quote is not None and quote.bid is not None and abs(quote.bid / last - 1) < NEAR

        await self.eventually(near, "quotes near the market")

    async def claimed(self, order_id: str) -> None:
        """Wait until the gateway has claimed the order."""
        await self.eventually(lambda: self.ledger(order_id), f"{order_id} in the ledger")

    async def commands_are_taken(self) -> None:
        """Wait until the gateway has taken every command that there is; after a kill, one may have to come again."""
        last = await self._recorder.last("COMMANDS", f"command.{self.bench.venue}.>")
        if last is None:
            return
        bus = self._gateway_bus

        async def taken() -> bool:
            return await bus.consumer_floor("COMMANDS", self.bench.service) >= last.sequence

        await self.eventually(taken, "every command taken")

    async def ends(self, order_id: str) -> None:
        """Wait until the OMS knows the order's end; the market goes on meanwhile."""
        await self.trades_until(order_id, *FINAL_STATUSES)

    async def until_executed(self) -> None:
        """Wait until the venue has an execution more than the desk."""
        booked = len(self.fills())
        await self.eventually(lambda: len(self.bench.executions()) > booked, "an execution at the venue")

    async def after(self, seconds: float) -> None:
        """Let a moment pass that was drawn by lot: what happens then is the point."""
        await asyncio.sleep(seconds)

    async def quoted_after(self, at: datetime) -> None:
        """Let the market go on until a quote of the symbol is told that is later than `at`."""

        async def quoted() -> bool:
            await self.bench_market.trade()
            await asyncio.sleep(self.bench.spare_seconds)
            quote = self._quotes.get(self.bench.symbol)
            return quote is not None and quote.at > at + QUOTE_UNDER_WAY

        await self.eventually(quoted, f"a quote after {at}")

    async def until_done_at_venue(self, order_id: str) -> None:
        """Let the market go on until the venue has no more of the order to work, whether the desk knows or not."""

        async def done() -> bool:
            if any(placed.working for placed in self.bench.placed(order_id)):
                await self.bench_market.trade()
                await asyncio.sleep(self.bench.spare_seconds)
            return not any(placed.working for placed in self.bench.placed(order_id))

        await self.eventually(done, f"{order_id} done at the venue")

    @property
    def bench_market(self) -> Any:
        """The bench as the market that it also is."""
        return self.bench

    # ----------------------------------------------------------------------------------------- what the desk knows

    def status(self, order_id: str) -> OrderStatus | None:
        """The order's status in the OMS; None = it does not know the order."""
        state = self.oms.state.find_order(self.bench.venue, self.bench.account, order_id)
        return state.status if state is not None else None

    async def becomes(self, order_id: str, *statuses: OrderStatus, seconds_max: float = WAIT_SECONDS_MAX) -> None:
        """Wait until the OMS has the order in one of these statuses."""
        what = f"{order_id} {' or '.join(statuses)}"
        await self.eventually(lambda: self.status(order_id) in statuses, what, seconds_max)

    def fills(self, order_id: str = "") -> list[Fill]:
        """The newest revision of every fill that the OMS has booked; of one order, or of all."""
        book = self.oms.state.accounts.get((self.bench.venue, self.bench.account))
        executions = book.executions.values() if book is not None else ()
        return [each.fill for each in executions if order_id in ("", each.order_id)]

    def filled_quantity(self, order_id: str) -> Decimal:
        return sum((fill.quantity for fill in self.fills(order_id)), Decimal(0))

    async def reports(self, order_id: str = "") -> list[Any]:
        """Everything in REPORTS, of one order or of all, in order."""
        async for received in self._recorder.read("REPORTS", "report.>", self._reports_next):
            report: Report = messages.decode(received.payload, Report)
            self._reports.append(report)
            self._reports_next = received.sequence + 1
        return [each for each in self._reports if order_id in ("", _order_of(each))]

    async def kinds(self, order_id: str) -> list[str]:
        """The kinds of reports of one order, in order."""
        return [type(report).__name__ for report in await self.reports(order_id)]

    async def reported(self, order_id: str, kind: str) -> Any:
        """Wait for a report of that kind; the first one."""

        async def there() -> list[Any]:
            return [each for each in await self.reports(order_id) if type(each).__name__ == kind]

        return (await self.eventually(there, f"{kind} of {order_id}"))[0]

    async def events(self, order_id: str = "") -> list[Any]:
        """The OMS's events, of one order or of all, in order."""
        async for received in self._recorder.read("TRADE", "order.>", self._events_next):
            self._events.append(messages.decode(received.payload, OrderEvents))
            self._events_next = received.sequence + 1
        return [each for each in self._events if order_id in ("", each.order_id)]

    async def ledger(self, order_id: str) -> list[LedgerEntry]:
        subject = subjects.ledger(self.bench.venue, order_id)
        return [messages.decode(each.payload, LedgerEntry) async for each in self._recorder.read("LEDGER", subject)]

    async def snapshots(self) -> list[VenueSnapshot]:
        return [each for each in await self.reports() if isinstance(each, VenueSnapshot)]

    async def stored(self, subject: str, kind: Any) -> Any:
        """The last message on a subject of STATE, or None."""
        received = await self._recorder.last("STATE", subject)
        return messages.decode(received.payload, kind) if received is not None else None

    async def dead_letters(self) -> list[DeadLetter]:
        """What a service could not handle, but for facts of the venue that made no sense."""
        kept = [messages.decode(each.payload, DeadLetter) async for each in self._recorder.read("DEAD", ">")]
        return [letter for letter in kept if letter.stream != PARKED]

    # ------------------------------------------------------------------------------------------- what always holds

    async def adds_up(self) -> None:
        """Desk and venue agree; see `agreement`."""
        await agree(self)

    def executed(self) -> list[Executed]:
        """The venue's executions that are the desk's to book: those that it did not adopt with the account."""
        book = self.oms.state.accounts.get((self.bench.venue, self.bench.account))
        adopted = (self._before or set()).union(book.adopted_execution_ids if book is not None else ())
        return [each for each in self.bench.executions() if each.execution_id not in adopted]

    async def claims(self) -> list[LedgerClaimed]:
        """Every claim in LEDGER."""
        await self._new_entries()
        return [entry for entry in self._entries if isinstance(entry, LedgerClaimed)]

    async def moves(self, order_id: str) -> int:
        """How often the order may have been placed anew, because its venue changes nothing in place."""
        await self._new_entries()
        entries = [each for each in self._entries if isinstance(each, LedgerChangeClaimed)]
        return sum(len(each.attempts) - 1 for each in entries if each.order.order_id == order_id and each.attempts)

    async def tidy(self) -> None:
        """End what the case has left: faults, a dead gateway, working orders; then everything must add up."""
        self.look_from_here()
        cut = await self.bench.mend()
        if not self.gateway.runs():
            await self.start()
        elif cut or self.links[-1].status is not LinkStatus.READY:
            await self.ready()
        for key in sorted(self.oms.state.working):
            await self.cancel(self.oms.state.orders[key].order_id, attempt=99)
        await self.eventually(lambda: not self.oms.state.working, f"an end of {sorted(self.oms.state.working)}")
        await self.commands_are_taken()
        await self.adds_up()


def _order_of(report: Any) -> str:
    """The desk's order that a report is about; of an order that the desk did not place, the venue's id."""
    if isinstance(report, VenueFill):
        return report.fill.order_id
    order_id: str = getattr(report, "order_id", "")
    return order_id
