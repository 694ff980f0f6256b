"""Risk and the OMS fold the same order events: both hold the same positions and the same working orders.

The log is one that the OMS itself decides on, from reports and snapshots that come in any order, any number of times.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import oms.state
from desk_in_process.desk import DeskInProcess
from hypothesis import given, settings
from hypothesis import strategies as st
from oms.outcome import Rules
from risk.state import Seen
from signalbox import subjects
from signalbox.desk import Desk, Limits, Venue
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    Act,
    AdoptPosition,
    ClaimOrder,
    CorrectPosition,
    Fill,
    Instrument,
    InstrumentKind,
    IntentApproved,
    OrderIntent,
    OrderType,
    PositionHeld,
    RenameSymbol,
    Report,
    Side,
    SplitPosition,
    VenueAccepted,
    VenueCanceled,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueOrderFound,
    VenueRejected,
    VenueSnapshot,
    VenueUnknown,
)

AT = datetime(2024, 1, 2, 17, 0, tzinfo=UTC)
OWNERS = (("ibkr", "DU1"), ("ibkr", "DU2"), ("dydx", "DU1"))
SYMBOLS = ("SPY", "AAPL", "UNTOLD")  # no gateway has said what UNTOLD is: the OMS denies its orders
RULES = Rules(
    submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset({"ibkr", "dydx"})
)
LIMITS = Limits(
    order_quantity_max=Decimal(1000),
    order_notional_max=Decimal(200_000),
    position_quantity_max=Decimal(2000),
    position_notional_max=Decimal(400_000),
    gross_exposure_max=Decimal(600_000),
    price_collar_fraction=Decimal("0.05"),
    price_age_seconds_max=60,
    account_age_seconds_max=300,
    intent_age_seconds_max=120,
    intents_per_minute_max=60,
    open_orders_max=20,
)
ENDINGS: tuple[Any, ...] = (VenueCanceled, VenueExpired, VenueRejected, VenueUnknown, VenueAccepted)

SIDES = st.sampled_from(list(Side))
ORDER_IDS = st.sampled_from(["i0", "i1", "i2"])
OWNER = st.sampled_from(OWNERS)
QUANTITIES = st.integers(1, 20)
EXECUTION_IDS = st.sampled_from(["x0", "x1", "x2", "x3", "x4"])
HELD = st.dictionaries(st.sampled_from(["SPY", "AAPL"]), st.integers(-50, 50), max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("approve"), OWNER, ORDER_IDS, SIDES, QUANTITIES, st.sampled_from(SYMBOLS)),
        st.tuples(
            st.just("fill"), OWNER, EXECUTION_IDS, st.integers(1, 3), st.sampled_from(["i0", "i1", "i2", ""]),
            SIDES, st.integers(0, 20), st.sampled_from(SYMBOLS[:2]), st.sampled_from(["7", "8"]),
        ),
        st.tuples(st.just("fee"), OWNER, EXECUTION_IDS, st.integers(1, 3)),
        st.tuples(st.just("act"), OWNER, st.sampled_from(["split", "correct", "adopt", "rename"]), st.integers(-9, 9)),
        st.tuples(st.just("report"), OWNER, ORDER_IDS, st.sampled_from(ENDINGS)),
        st.tuples(st.just("found"), OWNER, st.sampled_from(["7", "8"]), SIDES, QUANTITIES, st.sampled_from(SYMBOLS)),
        st.tuples(st.just("ended"), OWNER, st.sampled_from(["7", "8"])),
        st.tuples(st.just("claim"), OWNER, st.sampled_from(["7", "8"])),
        st.tuples(st.just("snapshot"), OWNER, HELD, st.lists(EXECUTION_IDS, max_size=3, unique=True)),
    ),
    max_size=30,
)  # fmt: skip


class Both(DeskInProcess):
    """A desk in which orders are approved by hand."""

    def __init__(self) -> None:
        venues = {"ibkr": Venue(accounts=("DU1", "DU2")), "dydx": Venue(accounts=("DU1",))}
        super().__init__(Desk(name="test", venues=venues, instruments=(), limits=LIMITS), RULES)
        for venue in venues:
            for symbol in SYMBOLS[:2]:
                self.observe(Seen(instrument(symbol, venue), "a test"))
        self.number = 0
        self.used: set[str] = set()

    def run(self, step: Any) -> None:
        self.number += 1
        venue, account = step[1]
        values = {"at": AT + timedelta(seconds=self.number), "venue": venue, "account": account}
        values["id"] = f"report/{self.number}"
        incoming = getattr(self, f"_{step[0]}")(values, *step[2:])
        stored = len(self.trade.stored)
        try:
            if incoming is not None:
                self.take(incoming, values["at"])
        except IllegalTransitionError:
            assert len(self.trade.stored) == stored  # the OMS parks what its table has no row for
        self.follow()
        assert self.positions_of_risk() == self.positions_of_oms(), incoming
        assert self.working_at_risk() == self.working_at_oms(), incoming
        assert self.risk.working == self.scopes_at_oms(), incoming
        assert self.risk.working_external == self.scopes_at_oms(unclaimed=True), incoming

    def _act(self, values: Any, what: str, number: int) -> Act:
        terms: Any = values | {"id": f"act-{self.number}", "reason": "a test", "by": "anna", "symbol": "AAPL"}
        if what == "split":
            ratio = {"numerator": Decimal(abs(number) + 1), "denominator": Decimal(2)}
            return SplitPosition(**terms, **ratio, effective_at=terms["at"] - timedelta(seconds=2), keep_orders=True)
        if what == "correct":
            return CorrectPosition(**terms, quantity=Decimal(number), price=Decimal(10))
        if what == "rename":
            return RenameSymbol(**terms, new_symbol="SPY", keep_orders=True)
        owner = (terms["venue"], terms["account"])
        held = PositionHeld(symbol="AAPL", quantity=Decimal(number), average_price=Decimal(10))
        told: Any = {"currency": "USD", "cash": Decimal(0), "open_orders": (), "execution_ids": ()}
        self.orders.state.snapshots[owner] = VenueSnapshot(**values, **told, positions=(held,))
        return AdoptPosition(**terms, expected=Decimal(number))

    def _approve(self, values: Any, order_id: str, side: Side, quantity: int, symbol: str) -> IntentApproved | None:
        if order_id in self.used:
            return None  # risk denies an id that was used
        self.used.add(order_id)
        intent = OrderIntent(
            id=order_id,
            at=AT,
            venue=values["venue"],
            account=values["account"],
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            order_type=OrderType.LIMIT,
            limit_price=Decimal(100),
            strategy=f"strategy {side}",
        )
        decision = IntentApproved(
            id=f"decision-{self.number}",
            at=values["at"],
            cause=order_id,
            intent_sequence=self.number,
            intent=intent,
            order_id=order_id,
            checks=(),
        )
        self.decided(decision)
        return decision

    def _fill(
        self, values: Any, execution_id: str, revision: int, order_id: str, side: Side, quantity: int, symbol: str,
        venue_order_id: str,
    ) -> VenueFill:  # fmt: skip
        fill = Fill(
            execution_id=execution_id,
            revision=revision,
            order_id=order_id,
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(100),
            at=values["at"],
        )
        return VenueFill(**values, fill=fill, venue_order_id=venue_order_id)

    def _found(self, values: Any, venue_order_id: str, side: Side, quantity: int, symbol: str) -> VenueOrderFound:
        terms = {"symbol": symbol, "side": side, "quantity": Decimal(quantity), "limit_price": Decimal(100)}
        return VenueOrderFound(**values, venue_order_id=venue_order_id, order_type=OrderType.LIMIT, **terms)

    def _ended(self, values: Any, venue_order_id: str) -> VenueCanceled:
        return VenueCanceled(**values, order_id=subjects.external_order(venue_order_id), reason="a test")

    def _claim(self, values: Any, venue_order_id: str) -> ClaimOrder:
        said = values | {"id": f"act-{self.number}", "reason": "a test", "by": "anna", "strategy": "trend"}
        return ClaimOrder(**said, order_id=subjects.external_order(venue_order_id))

    def _fee(self, values: Any, execution_id: str, revision: int) -> VenueCommission:
        return VenueCommission(
            **values,
            execution_id=execution_id,
            revision=revision,
            order_id="",
            commission=Decimal(1),
            currency="USD",
        )

    def _report(self, values: Any, order_id: str, kind: Any) -> Report:
        more: dict[str, str] = {"venue_order_id": "7"} if kind is VenueAccepted else {"reason": "a test"}
        if kind is VenueRejected:
            more["code"] = "201"
        return kind(**values, order_id=order_id, **more)

    def _snapshot(self, values: Any, held: dict[str, int], execution_ids: list[str]) -> VenueSnapshot:
        positions = tuple(
            PositionHeld(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(90))
            for symbol, quantity in held.items()
        )
        return VenueSnapshot(
            **values,
            currency="USD",
            cash=Decimal(1_000_000),
            positions=positions,
            open_orders=(),
            execution_ids=tuple(execution_ids),
        )

    def positions_of_oms(self) -> dict[tuple[Any, ...], Decimal]:
        return {
            (*key, symbol): book.holding.quantity
            for key, account in self.orders.state.accounts.items()
            for symbol, book in account.symbols.items()
            if book.holding.quantity
        }

    def positions_of_risk(self) -> dict[tuple[Any, ...], Decimal]:
        return {
            (*key, symbol): holding.quantity
            for key, books in self.risk.books.items()
            for symbol, holding in books.holdings.items()
            if holding.quantity
        }

    def working_at_oms(self) -> dict[str, Decimal]:
        orders = (self.orders.state.orders[key] for key in self.orders.state.working)
        return {
            order.key: max(order.order.quantity - order.filled_quantity, Decimal(0)) for order in orders if order.order
        }

    def scopes_at_oms(self, *, unclaimed: bool = False) -> dict[Any, int]:
        """How many orders work for each that a cancel of many may name; or of those that it leaves alone."""
        orders = [self.orders.state.orders[key] for key in self.orders.state.working]
        terms = [(order, order.order) for order in orders if order.order is not None]
        if unclaimed:
            terms = [each for each in terms if each[1].order_id.startswith("external-") and not each[1].strategy]
        return Counter((order.venue, order.account, said.symbol, said.strategy) for order, said in terms)

    def working_at_risk(self) -> dict[str, Decimal]:
        return {key: order.open_quantity for key, order in self.risk.orders.items()}


def instrument(symbol: str, venue: str) -> Instrument:
    return Instrument(
        id=f"instrument/{venue}/{symbol}",
        at=AT,
        venue=venue,
        symbol=symbol,
        kind=InstrumentKind.STOCK,
        currency="USD",
        exchange="SMART",
        calendar="XNYS",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        minimum_quantity=Decimal(1),
    )


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_positions_and_working_orders_are_the_same_after_every_event(steps: list[Any]) -> None:
    both = Both()
    for step in steps:
        both.run(step)


def test_what_is_reserved_is_what_works() -> None:
    both = Both()
    both.run(("approve", OWNERS[0], "i0", Side.BUY, 5, "UNTOLD"))
    both.run(("approve", OWNERS[0], "i1", Side.BUY, 5, "SPY"))
    books = both.risk.books[OWNERS[0]]
    assert [books.holdings[symbol].buying_quantity for symbol in ("UNTOLD", "SPY")] == [0, 5]
    assert (list(both.risk.orders), both.risk.in_flight) == (["i1"], set())


def test_both_call_orders_placed_elsewhere_by_the_same_name() -> None:
    assert oms.state.EXTERNAL_PREFIX == subjects.EXTERNAL_PREFIX
