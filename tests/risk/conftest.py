"""A desk in which every check passes, so that a test changes the one thing it is about."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from risk.decide import decide_again, explain
from risk.facts import Request
from risk.rules import Rules
from risk.state import RiskState, Seen, opening_state
from risk.step import FlattensLooked, Incoming, TradeEvent, step
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.desk import Desk, DeskInstrument, Limits, Venue
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    CancelIntent,
    Check,
    Decision,
    Fill,
    FlattenEnded,
    FlattenIntent,
    Instrument,
    InstrumentKind,
    Intent,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    MassCancelIntent,
    ModifyIntent,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderCreated,
    OrderEvents,
    OrderFilled,
    OrderIntent,
    OrderPartiallyFilled,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
    OrderType,
    PositionAction,
    PositionHeld,
    PositionIntent,
    Quote,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox.room import StreamRoom

NOON = datetime(2024, 1, 2, 17, 0, tzinfo=UTC)
VENUE, ACCOUNT = "ibkr", "DU1234567"


def limits(**changes: Any) -> Limits:
    values: dict[str, Any] = {
        "order_quantity_max": Decimal(1000),
        "order_notional_max": Decimal(200_000),
        "position_quantity_max": Decimal(2000),
        "position_notional_max": Decimal(400_000),
        "gross_exposure_max": Decimal(600_000),
        "price_collar_fraction": Decimal("0.05"),
        "price_age_seconds_max": 60,
        "account_age_seconds_max": 300,
        "intent_age_seconds_max": 120,
        "intents_per_minute_max": 60,
        "intents_per_minute_per_name_max": 60,
        "open_orders_max": 20,
    }
    return Limits(**{**values, **changes})


def instrument_of(symbol: str, at: datetime, /, **changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "id": f"instrument-{symbol}",
        "at": at,
        "venue": VENUE,
        "symbol": symbol,
        "kind": InstrumentKind.STOCK,
        "currency": "USD",
        "exchange": "SMART",
        "calendar": "XNYS",
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal(1),
        "minimum_quantity": Decimal(1),
    }
    values.update({name: Decimal(value) if type(value) is int else value for name, value in changes.items()})
    return Instrument(**values)


def account_of(at: datetime, /, **changes: Any) -> AccountState:
    values: dict[str, Any] = {
        "id": "account",
        "at": at,
        "venue": VENUE,
        "account": ACCOUNT,
        "currency": "USD",
        "cash": Decimal(1_000_000),
        "net_liquidation": Decimal(1_000_000),
        "available_funds": Decimal(1_000_000),
        "buying_power": Decimal(4_000_000),
        "initial_margin": Decimal(0),
        "maintenance_margin": Decimal(0),
    }
    return AccountState(**{**values, **changes})


def adoption_of(at: datetime, /, **changes: Any) -> AccountAdopted:
    values: dict[str, Any] = {
        "id": "_baseline/1",
        "at": at,
        "venue": VENUE,
        "account": ACCOUNT,
        "order_id": subjects.BASELINE,
        "status": OrderStatus.FILLED,
        "currency": "USD",
        "cash": Decimal(1_000_000),
        "positions": (),
        "execution_ids": (),
    }
    return AccountAdopted(**{**values, **changes})


@dataclass
class World:
    """A state, the next TRADE sequence, and the desk time."""

    limits: dict[str, Any] = field(default_factory=dict)
    desk: dict[str, Any] = field(default_factory=dict)
    venue: str = VENUE
    account_name: str = ACCOUNT
    now: datetime = NOON
    sequence: int = 0
    serial: int = 0
    state: RiskState = field(init=False)
    log: list[tuple[int, str, bytes]] = field(default_factory=list)
    """What TRADE has of it: place, subject, bytes."""

    def __post_init__(self) -> None:
        values: dict[str, Any] = {
            "name": "test",
            "venues": {self.venue: Venue(accounts=(self.account_name,))},
            "instruments": tuple(DeskInstrument(venue=self.venue, symbol=symbol) for symbol in ("SPY", "AAPL", "700")),
            "limits": limits(**self.limits),
        }
        self.state = opening_state(Desk(**{**values, **self.desk}))
        RULES[self.state.rules.version] = self.state.rules
        self.room(10, 100)

    def ready(self, **adopted: Any) -> World:
        """Everything has been heard that an order needs."""
        self.instrument("SPY").instrument("AAPL").instrument("0700.HK", currency="HKD", calendar="XHKG", lot_size=100)
        self.adopt(**adopted).account().link().mode(TradingMode.ACTIVE).quote("SPY", "99.99", "100")
        return self.quote("AAPL", "49.99", "50").quote("0700.HK", "299.8", "300")

    def take(self, incoming: Incoming) -> World:
        """Have something come in that is no intent."""
        assert step(self.state, incoming, self.now) == ()
        return self

    # ---- what is observed beside TRADE

    def instrument(self, symbol: str, **changes: Any) -> World:
        return self.take(Seen(instrument_of(symbol, self.now, **{"venue": self.venue, **changes}), "STATE:7"))

    def quote(self, symbol: str, bid: str | None, ask: str | None, **changes: Any) -> World:
        self.serial += 1
        values: dict[str, Any] = {"id": f"q{self.serial}", "at": self.now, "venue": self.venue, "symbol": symbol}
        prices = {"bid": bid and Decimal(bid), "ask": ask and Decimal(ask)}
        return self.take(Quote(**{**values, **prices, **changes}))

    def account(self, **changes: Any) -> World:
        return self.take(Seen(account_of(self.now, **self._own(changes)), "STATE:9"))

    def link(self, status: LinkStatus = LinkStatus.READY, reason: str = "", **unread: str) -> World:
        account = self.account_name
        link = VenueLink(
            id="beat", at=self.now, venue=self.venue, account=account, status=status, reason=reason, unread=unread
        )
        return self.take(link)

    def mode(self, mode: TradingMode, reason: str = "a test") -> World:
        state = TradingState(id="switch", at=self.now, mode=mode, reason=reason, by="ops")
        return self.take(Seen(state, "KV_CONTROL:3"))

    def room(self, used_bytes: int, bytes_max: int, stream: str = "TRADE") -> World:
        return self.take(Seen(StreamRoom(stream, used_bytes, bytes_max), f"nats-server:{stream}"))

    # ---- TRADE

    def event(self, event: OrderEvents) -> World:
        self.sequence += 1
        self.log.append((self.sequence, "order.any", messages.encode(event)))
        return self.take(TradeEvent(self.sequence, event))

    def adopt(self, **changes: Any) -> World:
        return self.event(adoption_of(self.now, **self._own(changes)))

    def held(self, symbol: str, quantity: str, price: str = "100", currency: str = "USD") -> PositionHeld:
        return PositionHeld(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(price), currency=currency)

    def order(self, side: str = "BUY", quantity: str = "10", limit: str | None = "100", **changes: Any) -> OrderIntent:
        """A LIMIT order in SPY, or a MARKET order when `limit` is None."""
        self.serial += 1
        values: dict[str, Any] = {
            "id": f"i{self.serial}",
            "at": self.now,
            "venue": self.venue,
            "symbol": "SPY",
            "side": Side(side),
            "quantity": Decimal(quantity),
            "order_type": OrderType.MARKET if limit is None else OrderType.LIMIT,
            "limit_price": None if limit is None else Decimal(limit),
        }
        return OrderIntent(**{**values, **changes})

    def cancel(self, order_id: str, **changes: Any) -> CancelIntent:
        self.serial += 1
        values: dict[str, Any] = {"id": f"c{self.serial}", "at": self.now, "venue": self.venue, "symbol": "SPY"}
        return CancelIntent(**{**values, "order_id": order_id, **changes})

    def modify(
        self, order_id: str, quantity: str | None = None, limit: str | None = None, stop: str | None = None, **more: Any
    ) -> ModifyIntent:
        self.serial += 1
        wanted = {"quantity": quantity, "limit_price": limit, "stop_price": stop}
        values: dict[str, Any] = {
            "id": f"c{self.serial}",
            "at": self.now,
            "venue": self.venue,
            "symbol": "SPY",
            "order_id": order_id,
            **{name: Decimal(value) if value is not None else None for name, value in wanted.items()},
        }
        return ModifyIntent(**{**values, **more})

    def position(self, action: str = "TARGET", quantity: str | None = None, **changes: Any) -> PositionIntent:
        """A wish for a position in SPY."""
        self.serial += 1
        values: dict[str, Any] = {
            "id": f"p{self.serial}",
            "at": self.now,
            "venue": self.venue,
            "symbol": "SPY",
            "action": PositionAction(action),
            "quantity": None if quantity is None else Decimal(quantity),
        }
        return PositionIntent(**{**values, **changes})

    def mass_cancel(self, **named: Any) -> MassCancelIntent:
        self.serial += 1
        return MassCancelIntent(**{"id": f"m{self.serial}", "at": self.now, **named})

    def flatten(self, **named: Any) -> FlattenIntent:
        self.serial += 1
        return FlattenIntent(**{"id": f"f{self.serial}", "at": self.now, **named})

    def look(self, clock_is_stale: bool = False) -> tuple[Any, ...]:
        """Have the flattens that are under way go on, as the shell does; what is stored of that."""
        rulings = step(self.state, FlattensLooked(clock_is_stale), self.now)
        for ruling in rulings:
            stored = messages.encode(ruling)
            if not isinstance(ruling, FlattenEnded):
                again = decide_again(self.state.rules, messages.decode(stored, Decision))
                assert messages.encode(again) == stored, "what a decision keeps is not enough to make it again"
            self.sequence += 1
            ended = isinstance(ruling, FlattenEnded)
            self.log.append((self.sequence, "decision.ended.any" if ended else "decision.approved.any", stored))
        return rulings

    def decide(self, intent: Intent, clock_is_stale: bool = False, by: str = "alice") -> Decision:
        """Decide and take the decision in, as the shell does."""
        self.sequence += 1
        request = Request(sequence=self.sequence, intent=intent, by=by, clock_is_stale=clock_is_stale)
        (decision,) = step(self.state, request, self.now)
        stored = messages.encode(decision)
        again = decide_again(self.state.rules, messages.decode(stored, Decision))
        assert messages.encode(again) == stored, "what a decision keeps is not enough to make it again"
        self.log.append((self.sequence + 1, "decision.approved.any", stored))
        self.sequence += 1  # the decision's own place
        return decision

    def later(self, seconds: float) -> World:
        self.now += timedelta(seconds=seconds)
        return self

    def _own(self, changes: dict[str, Any]) -> dict[str, Any]:
        return {"venue": self.venue, "account": self.account_name, **changes}

    # ---- an order's life

    def _of(self, order_id: str, status: OrderStatus) -> dict[str, Any]:
        self.serial += 1
        return {
            "id": f"e{self.serial}",
            "at": self.now,
            "venue": self.venue,
            "account": self.account_name,
            "order_id": order_id,
            "status": status,
        }

    def created(self, intent: OrderIntent, **changes: Any) -> World:
        values: dict[str, Any] = {
            "order_id": intent.id,
            "intent_id": intent.id,
            "venue": self.venue,
            "account": self.account_name,
            "symbol": intent.symbol,
            "side": intent.side,
            "quantity": intent.quantity,
            "order_type": intent.order_type,
            "limit_price": intent.limit_price,
        }
        order = Order(**{**values, **changes})
        return self.event(OrderCreated(**self._of(intent.id, OrderStatus.PENDING_NEW), order=order))

    def accepted(self, intent: OrderIntent) -> World:
        return self.event(OrderAccepted(**self._of(intent.id, OrderStatus.NEW), venue_order_id="7"))

    def _changed(self, intent: OrderIntent, quantity: str | None, limit: str | None) -> Order:
        return Order(
            order_id=intent.id,
            intent_id=intent.id,
            venue=self.venue,
            account=self.account_name,
            symbol=intent.symbol,
            side=intent.side,
            quantity=Decimal(quantity) if quantity else intent.quantity,
            order_type=intent.order_type,
            limit_price=Decimal(limit) if limit else intent.limit_price,
            stop_price=intent.stop_price,
            trail_amount=intent.trail_amount,
            trail_percent=intent.trail_percent,
        )

    def pending_replace(
        self, intent: OrderIntent, quantity: str | None = None, limit: str | None = None, cause: str = ""
    ) -> World:
        order, values = self._changed(intent, quantity, limit), self._of(intent.id, OrderStatus.PENDING_REPLACE)
        kept = self.state.orders.get(intent.id)
        cause = cause or (kept.change.cause if kept is not None and kept.change is not None else "the OMS")
        return self.event(OrderPendingReplace(**values, cause=cause, order=order, revision=1))

    def replaced(
        self, intent: OrderIntent, quantity: str | None = None, limit: str | None = None, filled: str = "0",
        revision: int = 1,
    ) -> World:  # fmt: skip
        order = self._changed(intent, quantity, limit)
        status = OrderStatus.PARTIALLY_FILLED if Decimal(filled) else OrderStatus.NEW
        leaves = max(Decimal(0), order.quantity - Decimal(filled))
        values = self._of(intent.id, status)
        return self.event(OrderReplaced(**values, order=order, leaves_quantity=leaves, revision=revision))

    def replace_rejected(self, intent: OrderIntent, revision: int = 1, cause: str = "") -> World:
        values = self._of(intent.id, OrderStatus.NEW)
        return self.event(OrderReplaceRejected(**values, cause=cause, reason="no", revision=revision))

    def canceled(self, intent: OrderIntent) -> World:
        return self.event(OrderCanceled(**self._of(intent.id, OrderStatus.CANCELED), reason="asked for"))

    def fill(
        self, intent: OrderIntent, quantity: str, leaves: str, price: str = "100", status: OrderStatus | None = None
    ) -> World:
        done = Decimal(leaves) == 0
        status = status or (OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED)
        values = self._of(intent.id, status)
        fill = Fill(
            execution_id=f"x{self.serial}",
            revision=1,
            order_id=intent.id,
            symbol=intent.symbol,
            side=intent.side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            at=self.now,
        )
        kind = OrderFilled if done else OrderPartiallyFilled
        cumulative = intent.quantity - Decimal(leaves)
        return self.event(kind(**values, fill=fill, cumulative_quantity=cumulative, leaves_quantity=Decimal(leaves)))

    def walk(self, steps: list[Any], after_each: Callable[[], None] = lambda: None) -> list[Decision]:
        """Drive a desk through steps as it would live them; returns the decisions."""
        decisions: list[Decision] = []
        for taken in steps:
            self.later(0.5)
            working = list(self.state.orders)
            if taken[0] == "order":
                _, side, quantity, limit, symbol = taken
                order = self.order(side, str(quantity * (100 if symbol == "0700.HK" else 1)), limit, symbol=symbol)
                decision = self.decide(order)
                decisions.append(decision)
                if isinstance(decision, IntentApproved):
                    self.created(order)
            elif taken[0] == "quote":
                self.quote(taken[1], taken[2], taken[2])
            elif working and taken[0] == "change":
                self._change(working[taken[1] % len(working)], *taken[2:], decisions)
            elif working and taken[0] in ("fill", "end"):
                order_id = working[taken[1] % len(working)]
                kept = self.state.orders[order_id]
                intent = self.order(kept.side.value, str(kept.open_quantity), id=order_id, symbol=kept.symbol)
                if taken[0] == "end":
                    self.canceled(intent)
                else:
                    filled = min(Decimal(taken[2]), kept.open_quantity)
                    self.fill(intent, str(filled), str(kept.open_quantity - filled), taken[3])
            after_each()
        return decisions

    def _change(self, order_id: str, quantity: int, limit: str, outcome: str, decisions: list[Decision]) -> None:
        kept = self.state.orders[order_id]
        if kept.terms is None:
            return
        total = str(quantity * (100 if kept.symbol == "0700.HK" else 1))
        price = limit if kept.terms.limit_price is not None else None
        decision = self.decide(self.modify(order_id, total, price, symbol=kept.symbol))
        decisions.append(decision)
        if isinstance(decision, IntentDenied) or outcome == "let through":
            return
        self.pending_replace(kept.terms, total, price)
        filled = str(kept.terms.quantity - kept.open_quantity)
        if outcome == "replaced":
            self.replaced(kept.terms, total, price, filled)
        elif outcome == "refused":
            self.replace_rejected(kept.terms)


PRICES = st.integers(9000, 11000).map(lambda cents: str(Decimal(cents) / 100))
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.sampled_from(["BUY", "SELL"]), st.integers(1, 400), st.none() | PRICES,
            st.sampled_from(["SPY", "AAPL", "0700.HK"]),
        ),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 400), PRICES),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(
            st.just("change"), st.integers(0, 9), st.integers(1, 400), PRICES,
            st.sampled_from(["let through", "asked", "replaced", "refused"]),
        ),
        st.tuples(st.just("quote"), st.sampled_from(["SPY", "AAPL", "0700.HK"]), PRICES),
    ),
    max_size=40,
)  # fmt: skip


@pytest.fixture(scope="session")
def steps() -> Any:
    """What may happen to a desk, in any order: orders, fills, ends of orders, prices."""
    return STEPS


@pytest.fixture(scope="session")
def two_currencies() -> Callable[[], World]:
    """Make a desk that holds, prices and multiplies unlike things, with New York and Hong Kong both held in dollars."""

    def make(**changes: Any) -> World:
        w = World(**{"desk": {"fx_rates": {"HKD": Decimal("0.128")}}, **changes})
        w.ready(positions=(w.held("SPY", "150"), w.held("AAPL", "-70", "50")))
        w.instrument("AAPL", multiplier=10, initial_margin=Decimal("0.3"))
        return (
            w.instrument("0700.HK", currency="HKD", calendar="24/7")
            .quote("0700.HK", "100", "100")
            .quote("AAPL", "100", "100")
        )

    return make


@pytest.fixture(scope="session")
def world() -> type[World]:
    """`world().ready()` is a desk that approves; keyword arguments change the limits or the desk file."""
    return World


DYDX_ACCOUNT = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"


@pytest.fixture(scope="session")
def perpetuals() -> Callable[..., World]:
    """Make a desk at dydx that approves: BTC-USD at 100,000 with a margin of 2 %, 10,000 USD of available funds."""

    def make(**changes: Any) -> World:
        listed = (DeskInstrument(venue="dydx", symbol="BTC-USD"),)
        w = World(**{"venue": "dydx", "account_name": DYDX_ACCOUNT, "desk": {"instruments": listed}, **changes})
        w.instrument(
            "BTC-USD",
            kind=InstrumentKind.PERPETUAL,
            exchange="DYDX",
            calendar="24/7",
            lot_size=Decimal("0.0001"),
            minimum_quantity=Decimal("0.0001"),
            tick_size=1,
            initial_margin=Decimal("0.02"),
            maintenance_margin=Decimal("0.012"),
        )
        w.adopt(cash=Decimal(10_000)).account(available_funds=Decimal(10_000)).link().mode(TradingMode.ACTIVE)
        return w.quote("BTC-USD", "99990", "100000", oracle_price=Decimal(100_000))

    return make


RULES: dict[str, Rules] = {}
"""Of every world of these tests, by version: a decision says which were its own."""


def every_check(decision: Decision) -> tuple[Check, ...]:
    return explain(RULES[decision.basis.rules], decision) if decision.basis is not None else decision.checks


@pytest.fixture(scope="session")
def checks() -> Callable[[Decision], tuple[Check, ...]]:
    """Every check of a decision."""
    return every_check


@pytest.fixture(scope="session")
def check() -> Any:
    """Pick one check of a decision by its name, whether it passed or failed."""

    def pick(decision: Decision, name: str) -> Check:
        (found,) = [check for check in every_check(decision) if check.name == name]
        return found

    return pick


# ------------------------------------------------------------------------------------------ a process of its own

END_SECONDS_MAX = 60.0
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


class RiskProcess:
    """Starts and kills `python -m risk`, a process of its own on the wall clock."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server, self._folder = server, folder
        (folder / "desk.toml").write_text(DESK)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "SIGNALBOX_NATS_URL": self._server.url,
            "SIGNALBOX_NATS_USER": "risk",
            "SIGNALBOX_NATS_PASSWORD": self._server.password("risk"),
            **self._server.seal_settings("risk"),
            "SIGNALBOX_DESK_FILE": str(self._folder / "desk.toml"),
        }
        with (self._folder / "risk.log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "risk"], env=environment, stdout=log, stderr=log)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(END_SECONDS_MAX)

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return None if self._process is None else self._process.poll()

    def close(self) -> None:
        if self._process is not None and self.runs():
            self._process.kill()
            self._process.wait()


async def set_stage(gateway: Bus, oms: Bus) -> None:
    """What the gateway and the OMS have said before any intent."""
    now = datetime.now(UTC)
    await gateway.publish(subjects.instrument(VENUE, "SPY"), instrument_of("SPY", now))
    await gateway.publish(subjects.account(VENUE, ACCOUNT), account_of(now))
    await oms.publish(subjects.order(VENUE, ACCOUNT, subjects.BASELINE), adoption_of(now))


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


def an_order(intent_id: str) -> OrderIntent:
    return OrderIntent(
        id=intent_id,
        at=datetime.now(UTC),
        venue=VENUE,
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(100),
        time_in_force=TimeInForce.GTC,  # may rest at any hour: this test runs on the wall clock
    )


@pytest.fixture(scope="session")
def resting_order() -> Callable[[str], OrderIntent]:
    """Make an intent that a desk on the wall clock approves at any hour, given its id."""
    return an_order
