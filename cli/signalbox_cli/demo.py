"""The demo: one desk, one trading day faster than real time, orders as a user would send them, and then the check.

It acts over NATS with the user's and the operator's credentials; of the simulator it only sets how fast time runs. It
fails when an intent has another outcome than its line of the story says, or when anything does not add up.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.desk import load_desk
from signalbox.errors import SignalboxError
from signalbox.instruments import parse_symbol
from signalbox.messages import (
    NEVER,
    AccountState,
    CancelIntent,
    ClockTick,
    Decision,
    IntentApproved,
    OrderEvents,
    OrderFilled,
    OrderIntent,
    OrderPartiallyFilled,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TradingMode,
)
from signalbox.sessions import next_session, session_at

from signalbox_cli.auditing import audit_record, audit_trading
from signalbox_cli.connection import call_control
from signalbox_cli.local_desk import DeskPlan, LocalDesk
from signalbox_cli.trading import set_trading_state

FAST, SLOW = 3000.0, 10.0
"""Desk seconds per wall second: between the orders (as fast as the desk keeps up), and while they are watched."""
OUTCOME_SECONDS_MAX = 30.0
DAY_SECONDS_MAX = 600.0
PROGRESS_SECONDS = 2.0


class DemoFailedError(SignalboxError):
    """The desk did something else than the story says."""


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """`symbol` is the one that is traded; `days` trading days are run."""

    desk: DeskPlan
    symbol: str
    days: int


class Story:
    """Tells what happens: progress rewritten in place on a terminal, plain lines in a pipe."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._open_line = False

    def say(self, text: str) -> None:
        self._close_line()
        print(text, flush=True)

    def progress(self, text: str) -> None:
        if self._terminal:
            print(f"\r\033[K{text}", end="", flush=True)
            self._open_line = True
        else:
            print(text, flush=True)

    def _close_line(self) -> None:
        if self._open_line:
            print("\r\033[K", end="")
            self._open_line = False


class Trader:
    """A user at the desk: publishes intents, and remembers decisions, order events and the last quote."""

    def __init__(self, bus: Bus, symbol: str) -> None:
        self.bus, self.symbol = bus, symbol
        self.clock = FollowingClock()
        self.bars = self.scores = 0
        self._decisions: dict[int, Decision] = {}
        self._events: dict[str, list[OrderEvents]] = {}
        self._quote: Quote | None = None
        self._account_at = NEVER
        self._changed = asyncio.Condition()
        self._number = 0

    async def listen(self) -> None:
        await self.bus.subscribe(subjects.CLOCK, self._tick)
        await self.bus.subscribe(subjects.quote("ibkr", self.symbol), self._quoted)
        await self.bus.subscribe(subjects.ALL_ACCOUNTS, self._account)
        await self.bus.subscribe(subjects.ALL_DECISIONS, self._decided)
        await self.bus.subscribe(subjects.ALL_ORDERS, self._happened)
        await self.bus.subscribe(subjects.ALL_BARS, self._bar)
        await self.bus.subscribe(subjects.ALL_SCORES, self._score)

    async def fresh_account(self, seconds: float) -> None:
        """Wait until the account's figures are less than `seconds` of desk time old: they lag behind a fast market."""
        await self._until(
            lambda: self.clock.now() - self._account_at < timedelta(seconds=seconds),
            "there are no fresh account figures",
        )

    async def send(self, **terms: object) -> tuple[OrderIntent, Decision]:
        """Publish an order intent and wait for its decision."""
        self._number += 1
        defaults: dict[str, object] = {
            "id": f"demo-{self._number}",
            "at": self.clock.now(),
            "venue": "ibkr",
            "symbol": self.symbol,
            "side": Side.BUY,
            "quantity": Decimal(100),
            "order_type": OrderType.MARKET,
        }
        intent = OrderIntent(**(defaults | terms))  # type: ignore[arg-type]
        stored = await self.bus.raw_publish(subjects.intent(intent), messages.encode(intent))
        return intent, await self.decision(stored.sequence)

    async def send_bytes(self, payload: bytes) -> Decision:
        stored = await self.bus.raw_publish(subjects.intent_for("ibkr", self.symbol), payload)
        return await self.decision(stored.sequence)

    async def cancel(self, order_id: str) -> Decision:
        self._number += 1
        intent = CancelIntent(
            id=f"demo-{self._number}", at=self.clock.now(), venue="ibkr", symbol=self.symbol, order_id=order_id
        )
        stored = await self.bus.raw_publish(subjects.intent(intent), messages.encode(intent))
        return await self.decision(stored.sequence)

    async def decision(self, sequence: int) -> Decision:
        await self._until(lambda: sequence in self._decisions, f"the intent TRADE:{sequence} was not decided")
        return self._decisions[sequence]

    async def status(self, order_id: str, *wanted: OrderStatus) -> OrderStatus:
        """Wait until the order has been in one of the statuses; the one that came first."""
        names = " or ".join(status.value for status in wanted)
        await self._until(lambda: bool(self._reached(order_id, wanted)), f"order {order_id} did not become {names}")
        return self._reached(order_id, wanted)[0]

    def filled(self, order_id: str) -> Decimal:
        fills = (
            event.fill
            for event in self._events.get(order_id, [])
            if isinstance(event, OrderPartiallyFilled | OrderFilled)
        )
        return sum((fill.quantity for fill in fills), Decimal(0))

    async def quote(self) -> Quote:
        """The next quote with both sides."""
        before = self._quote
        await self._until(
            lambda: (
                self._quote is not before
                and self._quote is not None
                and None not in (self._quote.bid, self._quote.ask_size)
            ),
            f"there is no quote of {self.symbol}",
        )
        assert self._quote is not None
        return self._quote

    def _reached(self, order_id: str, wanted: tuple[OrderStatus, ...]) -> list[OrderStatus]:
        return [event.status for event in self._events.get(order_id, []) if event.status in wanted]

    async def _until(self, condition: Callable[[], bool], complaint: str) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(condition), OUTCOME_SECONDS_MAX)
            except TimeoutError:
                raise DemoFailedError(f"{complaint} within {OUTCOME_SECONDS_MAX:g} s") from None

    async def _tick(self, received: Received) -> None:
        self.clock.follow(messages.decode(received.payload, ClockTick))

    async def _quoted(self, received: Received) -> None:
        async with self._changed:
            self._quote = messages.decode(received.payload, Quote)
            self._changed.notify_all()

    async def _account(self, received: Received) -> None:
        async with self._changed:
            self._account_at = messages.decode(received.payload, AccountState).at
            self._changed.notify_all()

    async def _decided(self, received: Received) -> None:
        decision: Decision = messages.decode(received.payload, Decision)
        async with self._changed:
            self._decisions[decision.intent_sequence] = decision
            self._changed.notify_all()

    async def _happened(self, received: Received) -> None:
        event: OrderEvents = messages.decode(received.payload, OrderEvents)
        async with self._changed:
            self._events.setdefault(event.order_id, []).append(event)
            self._changed.notify_all()

    async def _bar(self, received: Received) -> None:
        self.bars += 1

    async def _score(self, received: Received) -> None:
        self.scores += 1


async def run_demo(plan: DemoPlan) -> int:
    """Run it; 0 only if the story went as told and everything adds up."""
    story = Story()
    desk = LocalDesk(plan.desk, story.say)
    buses: list[Bus] = []
    try:
        story.say("starting nats-server, the simulated IB Gateway, gateway-ibkr, indicators, risk, oms, recorder")
        await desk.start()
        for user in ("user", "operator", "auditor"):
            buses.append(await Bus.connect(desk.bus_settings(user)))
        failures = await _trade_a_day(plan, desk, buses, story)
        story.say("checking: decisions, orders, fills, positions and cash against the simulator's own books")
        failures += await audit_trading(desk, buses[2])
        story.say("checking: the database against every message of the streams")
        failures += [f"{name} died" for name in desk.unexpected_exits]
        audit = await audit_record(desk, buses[2], buses[0], failures)
    except SignalboxError as error:
        story.say(f"demo: {error}")
        story.say(f"The logs are in {plan.desk.directory / 'logs'}")
        return 1
    finally:
        for bus in buses:
            await bus.drain()
        await desk.close()
    for wrong in audit.wrong:
        story.say(f"WRONG: {wrong}")
    story.say(audit.line())
    return 1 if audit.wrong else 0


async def _trade_a_day(plan: DemoPlan, desk: LocalDesk, buses: list[Bus], story: Story) -> list[str]:
    trader = Trader(buses[0], plan.symbol)
    await trader.listen()
    await trader.quote()
    calendar = parse_symbol(plan.symbol).calendar
    session = session_at(calendar, trader.clock.now()) or next_session(calendar, trader.clock.now())
    name = load_desk(plan.desk.desk_file).name
    story.say(f"the desk {name!r} is ready")
    story.say(f"it is {trader.clock.now():%A %d %B %Y %H:%M} UTC, {plan.symbol} opens {session.open:%H:%M}")
    await _run_until(desk, trader, story, session.open + timedelta(minutes=5))
    await call_control(desk.control_port, do="set_speed", speed=SLOW)
    failures: list[str] = []
    try:
        await trader.fresh_account(load_desk(plan.desk.desk_file).limits.account_age_seconds_max / 2)
        await _tell(trader, buses[1], story)
    except DemoFailedError as error:
        failures.append(str(error))
    end = session
    for _ in range(plan.days - 1):
        end = next_session(calendar, end.post_close)
    await _run_until(desk, trader, story, end.close + timedelta(minutes=1))
    await call_control(desk.control_port, do="set_speed", speed=SLOW)
    if not failures:
        try:
            await trader.status("demo-rests", OrderStatus.EXPIRED)
            story.say("demo-rests: EXPIRED at the close, as a DAY order does")
        except DemoFailedError as error:
            failures.append(str(error))
    await call_control(desk.control_port, do="pause")
    return failures


async def _run_until(desk: LocalDesk, trader: Trader, story: Story, target: datetime) -> None:
    await call_control(desk.control_port, do="set_speed", speed=FAST)
    async with asyncio.timeout(DAY_SECONDS_MAX):
        loop = asyncio.get_running_loop()
        told = loop.time()
        while (now := trader.clock.now()) < target:
            if loop.time() - told > PROGRESS_SECONDS:
                told = loop.time()
                story.progress(f"{now:%d %b %H:%M} UTC  bars {trader.bars}  scores {trader.scores}")
            await asyncio.sleep(0.02)


async def _tell(trader: Trader, operator: Bus, story: Story) -> None:
    """The orders, each with the outcome that it must have."""
    _, decision = await trader.send(id="demo-market")
    _expect_approved(decision)
    await trader.status("demo-market", OrderStatus.FILLED)
    story.say("demo-market: BUY 100 at market: approved, FILLED")

    quote = await trader.quote()
    assert quote.bid is not None
    far = (quote.bid * Decimal("0.97")).quantize(Decimal("0.01"), ROUND_DOWN)
    _, decision = await trader.send(id="demo-limit", order_type=OrderType.LIMIT, limit_price=far)
    _expect_approved(decision)
    await trader.status("demo-limit", OrderStatus.NEW)
    _expect_approved(await trader.cancel("demo-limit"))
    await trader.status("demo-limit", OrderStatus.CANCELED)
    story.say(f"demo-limit: BUY 100 at {far} limit: approved, NEW, then CANCELED on request")

    await _fill_in_part(trader, story)

    story.say(_denied("demo-large: BUY 50000", (await trader.send(id="demo-large", quantity=Decimal(50_000)))[1]))
    malformed = b'{"type":"OrderIntent","id":"demo-malformed","quantity":"ten"'
    story.say(_denied("a malformed message", await trader.send_bytes(malformed)))
    story.say(_denied("demo-nosuch: BUY 100 NOSUCH", (await trader.send(id="demo-nosuch", symbol="NOSUCH"))[1]))
    story.say(_denied("demo-market once more", (await trader.send(id="demo-market"))[1]))

    await _halt(trader, operator, story)

    _, decision = await trader.send(id="demo-sell", side=Side.SELL, quantity=Decimal(40))
    _expect_approved(decision)
    await trader.status("demo-sell", OrderStatus.FILLED)
    story.say("demo-sell: SELL 40 at market: approved, FILLED")

    _, decision = await trader.send(id="demo-rests", order_type=OrderType.LIMIT, limit_price=far)
    _expect_approved(decision)
    await trader.status("demo-rests", OrderStatus.NEW)
    story.say(f"demo-rests: BUY 100 at {far} limit: approved, NEW; it will rest until the close")


async def _fill_in_part(trader: Trader, story: Story) -> None:
    """Ask for more than the quote has, at the ask: the first fill is a part; then cancel what is left."""
    quote = await trader.quote()
    assert quote.ask is not None
    assert quote.ask_size is not None
    quantity = min(quote.ask_size * 4, (Decimal(900_000) / quote.ask).quantize(Decimal(100), ROUND_DOWN), Decimal(5000))
    _, decision = await trader.send(
        id="demo-part", order_type=OrderType.LIMIT, limit_price=quote.ask, quantity=quantity
    )
    _expect_approved(decision)
    status = await trader.status("demo-part", OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
    if status is not OrderStatus.PARTIALLY_FILLED:
        raise DemoFailedError(f"order demo-part should have filled in part, but is {status}")
    _expect_approved(await trader.cancel("demo-part"))
    end = await trader.status("demo-part", OrderStatus.CANCELED, OrderStatus.FILLED)
    filled = trader.filled("demo-part")
    story.say(
        f"demo-part: BUY {quantity} at {quote.ask} limit: approved, PARTIALLY_FILLED, then {end}: {filled} filled"
    )


async def _halt(trader: Trader, operator: Bus, story: Story) -> None:
    """Halt, be denied, resume. Risk sees a new trading state within 2 s: ask until it has."""
    await set_trading_state(operator, TradingMode.HALTED, "the demo's halt", "operator", at=trader.clock.now())
    decision = await _until_verdict(trader, "demo-halted", approved=False)
    story.say(_denied("demo-halted: BUY 100 while the desk is halted", decision))
    await set_trading_state(operator, TradingMode.ACTIVE, "the demo goes on", "operator", at=trader.clock.now())
    await _until_verdict(trader, "demo-resumed", approved=True)
    story.say("demo-resumed: a limit order far away after `resume`: approved, then canceled")


async def _until_verdict(trader: Trader, name: str, *, approved: bool) -> Decision:
    """Send limit orders far from the market until one is approved (or denied); the others are canceled."""
    quote = await trader.quote()
    assert quote.bid is not None
    far = (quote.bid * Decimal("0.96")).quantize(Decimal("0.01"), ROUND_DOWN)
    for attempt in range(1, 51):
        suffix = "" if attempt == 1 else f"-{attempt}"
        _, decision = await trader.send(
            id=name + suffix, order_type=OrderType.LIMIT, limit_price=far, quantity=Decimal(1)
        )
        if isinstance(decision, IntentApproved):
            await trader.status(decision.order_id, OrderStatus.NEW)
            _expect_approved(await trader.cancel(decision.order_id))
            await trader.status(decision.order_id, OrderStatus.CANCELED)
        if isinstance(decision, IntentApproved) is approved:
            return decision
    raise DemoFailedError(f"{name}: the trading state is not in force")


def _expect_approved(decision: Decision) -> None:
    if not isinstance(decision, IntentApproved):
        name = decision.intent.id if decision.intent else f"TRADE:{decision.intent_sequence}"
        raise DemoFailedError(f"{name} should have been approved, but: {decision.reason}")


def _denied(what: str, decision: Decision) -> str:
    if isinstance(decision, IntentApproved):
        raise DemoFailedError(f"{what} should have been denied, but was approved")
    return f"{what}: denied: {decision.reason}"
