"""A desk in process for the tests: one account at a venue of stocks, one at a venue of perpetuals, prices by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desk_in_process.simulated import SimulatedDesk
from desk_in_process.venue import VenueInProcess
from oms.outcome import Rules
from oms.state import Keep
from signalbox.desk import Desk, DeskInstrument, Limits, Venue
from signalbox.exchange.quoting import MarketQuote
from signalbox.messages import (
    CancelIntent,
    Decision,
    FlattenIntent,
    MassCancelIntent,
    ModifyIntent,
    OrderFilled,
    OrderIntent,
    OrderType,
    PositionAction,
    PositionIntent,
    Side,
)
from simulators.listings import listing_of

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
ACCOUNTS = {"ibkr": "DU1234567", "dydx": "dydx1-0"}
SYMBOLS = {"ibkr": ("SPY", "AAPL"), "dydx": ("BTC-USD",)}
LIMITS = Limits(
    order_quantity_max=Decimal(1_000),
    order_notional_max=Decimal(200_000),
    position_quantity_max=Decimal(2_000),
    position_notional_max=Decimal(400_000),
    gross_exposure_max=Decimal(600_000),
    price_collar_fraction=Decimal("0.05"),
    price_age_seconds_max=600,
    account_age_seconds_max=300,
    intent_age_seconds_max=120,
    intents_per_minute_max=1_000,
    intents_per_minute_per_name_max=1_000,
    open_orders_max=20,
)


class Day(SimulatedDesk):
    """A day that goes as the test says, a second for each thing that happens."""

    def __init__(self, keep: Keep | None = None) -> None:
        venues = {name: Venue(accounts=(account,)) for name, account in ACCOUNTS.items()}
        listed = tuple(DeskInstrument(venue=venue, symbol=symbol) for venue in SYMBOLS for symbol in SYMBOLS[venue])
        rules = Rules(
            submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset(venues)
        )
        traded = [
            VenueInProcess(name, ACCOUNTS[name], map(listing_of, SYMBOLS[name]), "USD", Decimal(1_000_000))
            for name in venues
        ]
        super().__init__(Desk(name="test", venues=venues, instruments=listed, limits=LIMITS), rules, traded, AT, keep)
        self.now, self.number = AT, 0
        for venue, symbols in SYMBOLS.items():
            for symbol in symbols:
                self.price(venue, symbol, str(listing_of(symbol).reference_price))

    def price(self, venue: str, symbol: str, price: str, size: str = "500") -> None:
        """Have a symbol trade at a price, bid a tick below it."""
        self.now += timedelta(seconds=1)
        last, tick = Decimal(price), listing_of(symbol).tick
        figures = (
            last - tick,
            last,
            Decimal(size),
            Decimal(size),
            last,
            Decimal(1),
            Decimal(1),
            last,
            last,
            last,
            last,
        )
        self.see(venue, MarketQuote(symbol, self.now, *figures))

    def order(self, symbol: str = "SPY", quantity: str = "10", side: str = "BUY", **terms: Any) -> OrderIntent:
        """Want an order, at market unless the terms say otherwise; the intent."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        venue = "dydx" if symbol == "BTC-USD" else "ibkr"
        values = {"order_type": OrderType.MARKET} | terms
        intent = OrderIntent(
            id=f"i{self.number}", at=self.now, venue=venue, symbol=symbol, side=Side(side), quantity=Decimal(quantity),
            **values,
        )  # fmt: skip
        self.want(intent, self.now, "alice")
        return intent

    def cancel(self, order: OrderIntent) -> None:
        """Want it cancelled."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        wish = CancelIntent(
            id=f"c{self.number}", at=self.now, venue=order.venue, symbol=order.symbol, order_id=order.id
        )
        self.want(wish, self.now, "alice")

    def modify(self, order: OrderIntent, **changes: Decimal) -> Decision:
        """Want it to be another."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        named = {"venue": order.venue, "symbol": order.symbol, "order_id": order.id}
        return self.want(ModifyIntent(id=f"c{self.number}", at=self.now, **named, **changes), self.now, "alice")

    def cancel_many(self, **named: str) -> Decision:
        """Want all cancelled that works and has what is named."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        return self.want(MassCancelIntent(id=f"m{self.number}", at=self.now, **named), self.now, "alice")

    def flatten(self, **named: Any) -> Decision:
        """Want nothing to work and nothing to be held of what is named."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        return self.want(FlattenIntent(id=f"f{self.number}", at=self.now, **named), self.now, "alice")

    def wish(self, symbol: str, action: str, **terms: Any) -> Decision:
        """Want a position."""
        self.now, self.number = self.now + timedelta(seconds=1), self.number + 1
        venue = "dydx" if symbol == "BTC-USD" else "ibkr"
        intent = PositionIntent(
            id=f"p{self.number}", at=self.now, venue=venue, symbol=symbol, action=PositionAction(action), **terms
        )
        return self.want(intent, self.now, "alice")

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.pass_time(self.now)

    def filled(self, order_id: str) -> bool:
        """Whether an order has filled whole."""
        return any(isinstance(each, OrderFilled) and each.order_id == order_id for each in self.trade.stored)

    def names(self) -> list[str]:
        return [type(message).__name__ for message in self.trade.stored]


@pytest.fixture(scope="session")
def day() -> type[Day]:
    """`day()` is a desk in process that trades SPY, AAPL and BTC-USD."""
    return Day
