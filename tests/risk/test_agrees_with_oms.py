"""Risk and the OMS fold the same order events: both hold the same positions and the same working orders.

The log is one that the OMS itself decides on, from reports and snapshots that come in any order, any number of times.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import oms.state
from hypothesis import given, settings
from hypothesis import strategies as st
from oms.decide import decide_decision
from oms.evolve import evolve as evolve_oms
from oms.outcome import Outcome, Rules
from oms.reports import decide_commission, decide_fill, decide_order_report
from oms.snapshots import decide_snapshot
from risk import evolve
from risk.state import opening_state
from signalbox import subjects
from signalbox.desk import Desk, Limits, Venue
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    Fill,
    Instrument,
    InstrumentKind,
    IntentApproved,
    OrderIntent,
    OrderType,
    PositionHeld,
    Side,
    VenueAccepted,
    VenueCanceled,
    VenueCommission,
    VenueExpired,
    VenueFill,
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
        st.tuples(st.just("report"), OWNER, ORDER_IDS, st.sampled_from(ENDINGS)),
        st.tuples(st.just("snapshot"), OWNER, HELD, st.lists(EXECUTION_IDS, max_size=3, unique=True)),
    ),
    max_size=30,
)  # fmt: skip


class Both:
    """One log of order events, folded by the OMS and by risk."""

    def __init__(self) -> None:
        venues = {"ibkr": Venue(accounts=("DU1", "DU2")), "dydx": Venue(accounts=("DU1",))}
        self.oms = oms.state.State()
        self.risk = opening_state(Desk(name="test", venues=venues, instruments=(), limits=LIMITS))
        self.sequence = 0
        self.used: set[str] = set()

    def take(self, step: Any) -> None:
        venue, account = step[1]
        values = {"at": AT + timedelta(seconds=self.sequence), "venue": venue, "account": account}
        values["id"] = f"report/{self.sequence}"
        try:
            outcome = getattr(self, f"_{step[0]}")(values, *step[2:])
        except IllegalTransitionError:
            return  # the OMS parks what its table has no row for: nothing is written
        self.sequence += 1
        for event in outcome.events:
            self.sequence += 1
            evolve_oms(self.oms, event, self.sequence)
            evolve.fold_order_event(self.risk, self.sequence, event)
            assert self.positions_of_risk() == self.positions_of_oms(), event
            assert self.working_at_risk() == self.working_at_oms(), event

    def _approve(self, values: Any, order_id: str, side: Side, quantity: int, symbol: str) -> Outcome:
        if order_id in self.used:
            return Outcome()  # risk denies an id that was used
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
        )
        self.sequence += 1
        decision = IntentApproved(
            id=f"decision-{self.sequence}",
            at=values["at"],
            cause=order_id,
            intent_sequence=self.sequence,
            intent=intent,
            order_id=order_id,
            checks=(),
        )
        evolve.fold_decision(self.risk, decision)
        return decide_decision(self.oms, decision, None if symbol == "UNTOLD" else instrument(symbol), RULES)

    def _fill(
        self, values: Any, execution_id: str, revision: int, order_id: str, side: Side, quantity: int, symbol: str,
        venue_order_id: str,
    ) -> Outcome:  # fmt: skip
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
        return decide_fill(self.oms, VenueFill(**values, fill=fill, venue_order_id=venue_order_id), instrument(symbol))

    def _fee(self, values: Any, execution_id: str, revision: int) -> Outcome:
        fee = VenueCommission(
            **values,
            execution_id=execution_id,
            revision=revision,
            order_id="",
            commission=Decimal(1),
            currency="USD",
        )
        return decide_commission(self.oms, fee)

    def _report(self, values: Any, order_id: str, kind: Any) -> Outcome:
        more: dict[str, str] = {"venue_order_id": "7"} if kind is VenueAccepted else {"reason": "a test"}
        if kind is VenueRejected:
            more["code"] = "201"
        return decide_order_report(self.oms, kind(**values, order_id=order_id, **more))

    def _snapshot(self, values: Any, held: dict[str, int], execution_ids: list[str]) -> Outcome:
        positions = tuple(
            PositionHeld(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(90))
            for symbol, quantity in held.items()
        )
        snapshot = VenueSnapshot(
            **values,
            currency="USD",
            cash=Decimal(1_000_000),
            positions=positions,
            open_orders=(),
            execution_ids=tuple(execution_ids),
        )
        return decide_snapshot(self.oms, snapshot)

    def positions_of_oms(self) -> dict[tuple[Any, ...], Decimal]:
        return {
            (*key, symbol): book.holding.quantity
            for key, account in self.oms.accounts.items()
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
        orders = (self.oms.orders[key] for key in self.oms.working)
        return {
            order.key: max(order.order.quantity - order.filled_quantity, Decimal(0)) for order in orders if order.order
        }

    def working_at_risk(self) -> dict[str, Decimal]:
        return {key: order.open_quantity for key, order in self.risk.orders.items()}


def instrument(symbol: str) -> Instrument:
    return Instrument(
        id=f"instrument/{symbol}",
        at=AT,
        venue="ibkr",
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
        both.take(step)


def test_what_is_reserved_is_what_works() -> None:
    both = Both()
    both.take(("approve", OWNERS[0], "i0", Side.BUY, 5, "UNTOLD"))
    both.take(("approve", OWNERS[0], "i1", Side.BUY, 5, "SPY"))
    books = both.risk.books[OWNERS[0]]
    assert [books.holdings[symbol].buying_quantity for symbol in ("UNTOLD", "SPY")] == [0, 5]
    assert (list(both.risk.orders), both.risk.in_flight) == (["i1"], set())


def test_both_call_orders_placed_elsewhere_by_the_same_name() -> None:
    assert oms.state.EXTERNAL_PREFIX == subjects.EXTERNAL_PREFIX
