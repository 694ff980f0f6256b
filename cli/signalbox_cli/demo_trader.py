"""A user of the demo: what it hears of the desk, what it publishes, and how long it waits for an outcome.

Owns waiting and its bounds. It must not know the story that is told (`demo_stories`), nor how the desk is run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.clock import FollowingClock
from signalbox.errors import SignalboxError
from signalbox.messages import (
    AccountState,
    CancelIntent,
    ClockTick,
    Decision,
    FundingBooked,
    Intent,
    ModifyIntent,
    OrderEvent,
    OrderEvents,
    OrderFilled,
    OrderIntent,
    OrderPartiallyFilled,
    OrderStatus,
    OrderType,
    Quote,
    Side,
)

OUTCOME_SECONDS_MAX = 120.0
QUOTE_AGE_MAX = timedelta(seconds=20)


class DemoFailedError(SignalboxError):
    """The desk did something else than the story says."""


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


class Watch:
    """What a user hears: decisions, order events, quotes, accounts, the clock."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.clock = FollowingClock()
        self.bars = self.scores = 0
        self.funding: list[FundingBooked] = []
        self._decisions: dict[int, Decision] = {}
        self._events: dict[str, list[OrderEvents]] = {}
        self._quotes: dict[tuple[str, str], Quote] = {}
        self._accounts: dict[str, datetime] = {}
        self._changed = asyncio.Condition()

    async def listen(self) -> None:
        await self.bus.subscribe(subjects.CLOCK, self._tick)
        await self.bus.subscribe(subjects.ALL_QUOTES, self._quoted)
        await self.bus.subscribe(subjects.ALL_ACCOUNTS, self._account)
        await self.bus.subscribe(subjects.ALL_DECISIONS, self._decided)
        await self.bus.subscribe(subjects.ALL_ORDERS, self._happened)
        await self.bus.subscribe(subjects.ALL_BARS, self._bar)
        await self.bus.subscribe(subjects.ALL_SCORES, self._score)

    async def fresh_account(self, venue: str, seconds: float) -> None:
        """Wait until the account's figures are less than `seconds` of desk time old, and not of the future.

        They lag behind a fast market; and a service's clock that was told late that the market slowed down is ahead.
        """

        def is_fresh() -> bool:
            at = self._accounts.get(venue)
            return at is not None and timedelta(0) <= self.clock.now() - at < timedelta(seconds=seconds)

        await self._until(is_fresh, f"there are no fresh account figures of {venue}")

    async def decision(self, sequence: int) -> Decision:
        await self._until(lambda: sequence in self._decisions, f"the intent TRADE:{sequence} was not decided")
        return self._decisions[sequence]

    async def status(self, order_id: str, *wanted: OrderStatus) -> OrderStatus:
        """Wait until the order has been in one of the statuses; the one that came first."""
        names = " or ".join(status.value for status in wanted)
        await self._until(lambda: bool(self._reached(order_id, wanted)), f"order {order_id} did not become {names}")
        return self._reached(order_id, wanted)[0]

    async def event(self, order_id: str, kind: type[OrderEvent]) -> None:
        """Wait until the order has had an event of that kind."""
        events = self._events
        there = f"order {order_id} had no {kind.__name__}"
        await self._until(lambda: any(isinstance(event, kind) for event in events.get(order_id, [])), there)

    async def quote(self, venue: str, symbol: str) -> Quote:
        """The next quote with both sides, of now: after a fast market old ones are still on their way."""
        key = (venue, symbol)
        before = self._quotes.get(key)

        def is_next() -> bool:
            found = self._quotes.get(key)
            if found is None or found is before or None in (found.bid, found.ask, found.ask_size):
                return False
            return abs(self.clock.now() - found.at) < QUOTE_AGE_MAX

        await self._until(is_next, f"there is no quote of {symbol}")
        return self._quotes[key]

    def fills(self, order_id: str) -> list[OrderPartiallyFilled | OrderFilled]:
        events = self._events.get(order_id, [])
        return [event for event in events if isinstance(event, OrderPartiallyFilled | OrderFilled)]

    def filled(self, order_id: str) -> Decimal:
        return sum((event.fill.quantity for event in self.fills(order_id)), Decimal(0))

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
        quote: Quote = messages.decode(received.payload, Quote)
        async with self._changed:
            self._quotes[quote.venue, quote.symbol] = quote
            self._changed.notify_all()

    async def _account(self, received: Received) -> None:
        account: AccountState = messages.decode(received.payload, AccountState)
        async with self._changed:
            said = [at for name, at in account.said_at.items() if not name.endswith("_pnl")]
            self._accounts[account.venue] = min([account.at, *said])
            self._changed.notify_all()

    async def _decided(self, received: Received) -> None:
        if not subjects.is_decision(received.subject):
            return
        decision: Decision = messages.decode(received.payload, Decision)
        async with self._changed:
            self._decisions[decision.intent_sequence] = decision
            self._changed.notify_all()

    async def _happened(self, received: Received) -> None:
        event: OrderEvents = messages.decode(received.payload, OrderEvents)
        async with self._changed:
            if isinstance(event, FundingBooked):
                self.funding.append(event)
            self._events.setdefault(event.order_id, []).append(event)
            self._changed.notify_all()

    async def _bar(self, received: Received) -> None:
        self.bars += 1

    async def _score(self, received: Received) -> None:
        self.scores += 1


class Trader:
    """Publishes intents in one symbol at one venue."""

    def __init__(self, watch: Watch, venue: str, symbol: str) -> None:
        self.watch, self.venue, self.symbol = watch, venue, symbol
        self._cancels = 0

    async def send(self, order_id: str, **terms: object) -> Decision:
        """Publish an order intent and wait for its decision."""
        defaults: dict[str, object] = {
            "id": order_id,
            "at": self.watch.clock.now(),
            "venue": self.venue,
            "symbol": self.symbol,
            "side": Side.BUY,
            "order_type": OrderType.MARKET if terms.get("limit_price") is None else OrderType.LIMIT,
        }
        return await self.wish(OrderIntent(**(defaults | terms)))  # type: ignore[arg-type]

    async def wish(self, intent: Intent) -> Decision:
        """Publish any intent and wait for its decision."""
        return await self._publish(subjects.intent(intent), messages.encode(intent))

    async def send_bytes(self, payload: bytes) -> Decision:
        return await self._publish(subjects.intent_for(self.venue, self.symbol), payload)

    async def cancel(self, order_id: str) -> Decision:
        self._cancels += 1
        intent = CancelIntent(
            id=f"demo-{self.venue}-cancel-{self._cancels}",
            at=self.watch.clock.now(),
            venue=self.venue,
            symbol=self.symbol,
            order_id=order_id,
        )
        return await self._publish(subjects.intent(intent), messages.encode(intent))

    async def move_stop(self, order_id: str, stop_price: Decimal) -> Decision:
        """Ask for a stop to lie elsewhere."""
        name, at = f"{order_id.replace('.', '-')}-moves", self.watch.clock.now()
        wanted = ModifyIntent(
            id=name, at=at, venue=self.venue, symbol=self.symbol, order_id=order_id, stop_price=stop_price
        )
        return await self.wish(wanted)

    async def status(self, order_id: str, *wanted: OrderStatus) -> OrderStatus:
        return await self.watch.status(order_id, *wanted)

    async def quote(self) -> Quote:
        return await self.watch.quote(self.venue, self.symbol)

    async def _publish(self, subject: str, payload: bytes) -> Decision:
        stored = await self.watch.bus.raw_publish(subject, payload)
        return await self.watch.decision(stored.sequence)
