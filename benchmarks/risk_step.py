"""What one decision costs: `risk.step` with an order in and its approval out, folded, as the service does it.

The reference is the least that anybody does who takes an order from JSON and stores an answer on it: the intent read,
and a decision of that size written, in turns with the steps, so that both meet the same machine. Beside it, whether the
cost stays as it is while orders come and go: with so many that have ended, and some that work. And what NautilusTrader
takes to look at the same order, in turns with the last of them (`benchmarks.nautilus_orders` says what differs).

    python -m benchmarks.risk_step
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from time import perf_counter_ns
from typing import Any

from msgspec.structs import replace
from risk.facts import Request
from risk.state import RiskState, Seen, opening_state
from risk.step import TradeEvent, step
from signalbox import messages
from signalbox.desk import Desk, DeskInstrument, Limits, Venue
from signalbox.messages import (
    AccountAdopted,
    AccountState,
    Decision,
    Instrument,
    InstrumentKind,
    IntentApproved,
    LinkStatus,
    Order,
    OrderCanceled,
    OrderCreated,
    OrderIntent,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox.room import StreamRoom
from signalbox.subjects import BASELINE

from benchmarks.nautilus_orders import Nautilus

ORDERS = (1_000, 10_000, 100_000)
WORKING, MEASURED, AT_A_STRETCH = 10, 3_000, 100
MICROSECONDS_MAX, FLAT_RATIO_MAX = 30.0, 1.25
AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OWNER: dict[str, Any] = {"venue": "ibkr", "account": "DU0000001"}


def desk() -> Desk:
    """A desk that approves, however much is sent."""
    limits = Limits(
        order_quantity_max=Decimal(1_000),
        order_notional_max=Decimal(200_000),
        position_quantity_max=Decimal(100_000),
        position_notional_max=Decimal(10**9),
        gross_exposure_max=Decimal(10**9),
        price_collar_fraction=Decimal("0.05"),
        price_age_seconds_max=60,
        account_age_seconds_max=300,
        intent_age_seconds_max=120,
        intents_per_minute_max=10**9,
        intents_per_minute_per_name_max=10**9,
        open_orders_max=100,
    )
    listed = (DeskInstrument(venue="ibkr", symbol="SPY"),)
    return Desk(name="bench", venues={"ibkr": Venue(accounts=("DU0000001",))}, instruments=listed, limits=limits)


class Trading:
    """Risk's state, and orders that come and go in it a millisecond apart."""

    def __init__(self) -> None:
        self.state: RiskState = opening_state(desk())
        self.at, self.sequence, self.serial = AT, 0, 0
        self.working: list[OrderIntent] = []
        figures: dict[str, Any] = dict.fromkeys(
            ("cash", "net_liquidation", "available_funds", "buying_power"), Decimal(10**9)
        )
        margins: dict[str, Any] = dict.fromkeys(("initial_margin", "maintenance_margin"), Decimal(0))
        terms: dict[str, Any] = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1), "minimum_quantity": Decimal(1)}
        self.instrument = Instrument(
            id="SPY", at=AT, venue="ibkr", symbol="SPY", kind=InstrumentKind.STOCK, currency="USD", exchange="SMART",
            calendar="XNYS", **terms,
        )  # fmt: skip
        self.account = AccountState(id="account", at=AT, currency="USD", **OWNER, **figures, **margins)
        self._event(
            AccountAdopted, BASELINE, OrderStatus.FILLED, currency="USD", cash=Decimal(10**9), positions=(),
            execution_ids=(),
        )  # fmt: skip
        step(self.state, VenueLink(id="beat", at=AT, status=LinkStatus.READY, **OWNER))
        switch = TradingState(id="switch", at=AT, mode=TradingMode.ACTIVE, reason="a benchmark", by="operator")
        step(self.state, Seen(switch, "KV_CONTROL:3"))
        step(self.state, Seen(StreamRoom("TRADE", 10**6, 10**10), "nats-server:TRADE"))
        step(self.state, Seen(self.instrument, "STATE:7"))
        self.look_around()

    def look_around(self) -> None:
        """A new price and new account figures, as every few seconds."""
        bid, ask, last = Decimal("470.09"), Decimal("470.11"), Decimal("470.10")
        name = f"quote/{self.serial}"
        step(self.state, Quote(id=name, at=self.at, venue="ibkr", symbol="SPY", bid=bid, ask=ask, last=last))
        step(self.state, Seen(replace(self.account, at=self.at), "STATE:9"))

    def request(self) -> Request:
        """The next intent, as the service hands it over."""
        self.serial += 1
        self.at += timedelta(milliseconds=1)
        side = Side.BUY if self.serial % 2 else Side.SELL
        order = OrderIntent(
            id=f"order-{self.serial:09d}", at=self.at, venue="ibkr", symbol="SPY", side=side, quantity=Decimal(100),
            order_type=OrderType.LIMIT, limit_price=Decimal("470.10"), account="DU0000001",
        )  # fmt: skip
        return Request(sequence=self.serial, stored_at=self.at, intent=order, by="alice")

    def take(self, decision: Decision) -> None:
        """What follows from an approval: the order is announced, and the oldest of those that work has ended."""
        intent = decision.intent
        assert isinstance(decision, IntentApproved), decision
        assert isinstance(intent, OrderIntent)
        order = Order(
            order_id=intent.id, intent_id=intent.id, symbol=intent.symbol, side=intent.side, quantity=intent.quantity,
            order_type=intent.order_type, limit_price=intent.limit_price, **OWNER,
        )  # fmt: skip
        self._event(OrderCreated, intent.id, OrderStatus.PENDING_NEW, order=order)
        self.working.append(intent)
        if len(self.working) > WORKING:
            ended = self.working.pop(0)
            self._event(OrderCanceled, ended.id, OrderStatus.CANCELED, reason="asked for")
        if self.serial % 1_000 == 0:
            self.look_around()

    def _event(self, kind: Any, order_id: str, status: OrderStatus, **terms: Any) -> None:
        self.sequence += 1
        event = kind(id=f"e{self.sequence}", at=self.at, order_id=order_id, status=status, **OWNER, **terms)
        step(self.state, TradeEvent(self.sequence, event), self.at)


def measure(trading: Trading, in_turns: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """The median microseconds of a step, and of the intent read and the decision written beside it."""
    steps, codec = [], []
    gc.collect()
    for number in range(MEASURED):
        if number % AT_A_STRETCH == 0:
            in_turns()
        request = trading.request()
        stored = messages.encode(request.intent)  # type: ignore[arg-type]
        begun = perf_counter_ns()
        (decision,) = step(trading.state, request, trading.at)
        assert isinstance(decision, messages.IntentApproved | messages.IntentDenied)
        decided = perf_counter_ns()
        messages.decode(stored, messages.Intent)
        messages.encode(decision)
        done = perf_counter_ns()
        steps.append(decided - begun)
        codec.append(done - decided)
        trading.take(decision)
    return median(steps) / 1_000, median(codec) / 1_000


def run() -> list[dict[str, Any]]:
    """A row for each number of orders that there have been."""
    trading, rows, first = Trading(), [], 0.0
    for orders in ORDERS:
        while trading.serial < orders - MEASURED // 2:
            (decision,) = step(trading.state, trading.request(), trading.at)
            assert isinstance(decision, messages.IntentApproved | messages.IntentDenied)
            trading.take(decision)
        value, reference = measure(trading)
        first = first or value / reference
        flat = value / reference <= FLAT_RATIO_MAX * first
        rows.append(
            {
                "name": f"risk step, {orders:,} orders",
                "value": round(value, 1),
                "unit": "us, p50",
                "reference": f"intent read and decision written: {reference:.1f} us",
                "ratio": round(value / reference, 2),
                "goal": f"<= {MICROSECONDS_MAX:g} us, flat",
                "met": value <= MICROSECONDS_MAX and flat,
            }
        )
    nautilus, looks = Nautilus(), list[float]()
    value, _ = measure(trading, lambda: looks.extend([nautilus.order()[0] for _ in range(AT_A_STRETCH)]))
    rows.append(
        {
            "name": "risk step, in turns with NautilusTrader",
            "value": round(value, 1),
            "unit": "us, p50",
            "reference": f"its RiskEngine's look at the order: {median(looks):.1f} us",
            "ratio": round(value / median(looks), 2),
            "goal": "",
            "met": None,
        }
    )
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
