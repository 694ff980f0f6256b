"""What the tests of the OMS share: a desk that is only the pure core and a log, which can die between any two lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from desk_in_process.orders import Orders
from desk_in_process.trade import Trade
from msgspec.structs import replace
from oms.evolve import evolve
from oms.outcome import Outcome, Rules
from oms.state import State
from oms.step import Incoming
from signalbox import messages
from signalbox.desk import Desk as DeskFile
from signalbox.desk import DeskInstrument, Limits, Venue
from signalbox.messages import (
    CancelIntent,
    Command,
    Contingency,
    Fill,
    Instrument,
    InstrumentKind,
    IntentApproved,
    IntentDenied,
    ListLeg,
    MassCancelIntent,
    Message,
    ModifyIntent,
    OrderEvent,
    OrderEvents,
    OrderIntent,
    OrderListIntent,
    OrderType,
    PositionHeld,
    Side,
    TimerFired,
    VenueCommission,
    VenueFill,
    VenueFunding,
    VenueSnapshot,
)

AT = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)
RULES = Rules(submit_window=timedelta(seconds=30), unknown_grace=timedelta(seconds=15), venues=frozenset({"ibkr"}))


LIMITS = Limits(
    order_quantity_max=Decimal(1),
    order_notional_max=Decimal(1),
    position_quantity_max=Decimal(1),
    position_notional_max=Decimal(1),
    gross_exposure_max=Decimal(1),
    price_collar_fraction=Decimal(1),
    price_age_seconds_max=1,
    account_age_seconds_max=1,
    intent_age_seconds_max=1,
    intents_per_minute_max=1,
    open_orders_max=1,
)
DESK_FILE = DeskFile(
    name="test",
    venues={"ibkr": Venue(accounts=("DU1",))},
    instruments=tuple(DeskInstrument(venue="ibkr", symbol=symbol) for symbol in ("AAPL", "MSFT", "0700.HK")),
    limits=LIMITS,
    fx_rates={"HKD": Decimal("0.125")},
)


class DiedError(Exception):
    """The process dies here."""


class Desk(Orders):
    """The OMS on a log in memory. `lines_left` publishes go through, then it dies."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__(Trade(), RULES, state)
        self.outcomes: list[Outcome] = []
        self.lines_left: int | None = None
        self.learn_instruments()

    def works(self) -> dict[str, str]:
        """What may still fill, by order; a * stands for a cancel that is under way."""
        found = ((key, self.state.orders[key]) for key in sorted(self.state.working))
        return {
            key: f"{order.order.quantity - order.filled_quantity:f}" + "*" * (order.status == "PENDING_CANCEL")
            for key, order in found
            if order.order is not None
        }

    @property
    def log(self) -> list[OrderEvent]:
        return [stored for stored in self.trade.stored if not isinstance(stored, IntentApproved)]

    def decided(self, decision: IntentApproved) -> IntentApproved:
        """Have risk's decision stand in TRADE: of most it does not matter where."""
        self.trade.append(decision)
        return decision

    def learn_instruments(self) -> None:
        for symbol, currency, multiplier in (
            ("AAPL", "USD", 1),
            ("0700.HK", "HKD", 1),
            ("AAPL 240119C00190000", "USD", 100),
        ):
            self.state.instruments["ibkr", symbol] = Instrument(
                id=f"instrument/{symbol}",
                at=AT,
                venue="ibkr",
                symbol=symbol,
                kind=InstrumentKind.STOCK,
                currency=currency,
                exchange="SMART",
                calendar="XNYS",
                tick_size=Decimal("0.01"),
                lot_size=Decimal(1),
                minimum_quantity=Decimal(1),
                multiplier=Decimal(multiplier),
            )

    def decide(self, incoming: Incoming, at: datetime = AT) -> Outcome:
        return super().decide(incoming, at)

    def take(self, incoming: Incoming, at: datetime = AT) -> Outcome:
        """Deliver one message, publish what comes of it; raises `DiedError` when the lines are used up."""
        outcome = super().take(incoming, at)
        self.outcomes.append(outcome)
        self._line()  # the acknowledgement
        return outcome

    def run(self, *incoming: Incoming) -> Desk:
        for message in incoming:
            self.take(message)
        return self

    def restart(self) -> Desk:
        """What the next process makes of what is stored."""
        again = Desk()
        for stored in self.trade.stored:
            sequence = again.trade.append(stored)
            if not isinstance(stored, IntentApproved):
                evolve(again.state, messages.decode(messages.encode(stored), OrderEvents), sequence)
        again.commands, again.timers = dict(self.commands), dict(self.timers)
        return again

    def command(self, revision: int, command: Command) -> None:
        self._line()
        super().command(revision, command)

    def store(self, event: OrderEvent) -> None:
        self._line()
        assert event.id not in {stored.id for stored in self.log}, "an id must be used once"
        super().store(event)

    def schedule(self, timer: TimerFired) -> None:
        self._line()
        super().schedule(timer)

    def _line(self) -> None:
        if self.lines_left is not None:
            if self.lines_left == 0:
                raise DiedError
            self.lines_left -= 1


class Make:
    """Messages with the fields that do not matter filled in."""

    at, rules, died, desk_file = AT, RULES, DiedError, DESK_FILE

    def desk(self) -> Desk:
        return Desk()

    def intent(self, order_id: str = "o-1", **fields: Any) -> OrderIntent:
        given: dict[str, Any] = {
            "venue": "ibkr",
            "account": "DU1",
            "symbol": "AAPL",
            "side": Side.BUY,
            "quantity": Decimal(100),
            "order_type": OrderType.MARKET,
        }
        return OrderIntent(id=order_id, at=AT, **(given | fields))

    def approved(self, order_id: str = "o-1", number: int = 1, **fields: Any) -> IntentApproved:
        intent = self.intent(order_id, **fields)
        return IntentApproved(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            order_id=order_id,
            checks=(),
        )

    def denied(self, order_id: str = "o-1", number: int = 1, reason: str = "too large", **fields: Any) -> IntentDenied:
        intent = self.intent(order_id, **fields)
        return IntentDenied(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            checks=(),
            reason=reason,
        )

    def cancel(self, order_id: str = "o-1", number: int = 50, account: str = "DU1") -> IntentApproved:
        intent = CancelIntent(
            id=f"cancel-{number}", at=AT, venue="ibkr", symbol="AAPL", order_id=order_id, account=account
        )
        return IntentApproved(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            order_id=order_id,
            checks=(),
        )

    def modify(self, order_id: str = "o-1", number: int = 60, **changes: Decimal) -> IntentApproved:
        named = {"venue": "ibkr", "symbol": "AAPL", "account": "DU1"}
        intent = ModifyIntent(id=f"modify-{number}", at=AT, order_id=order_id, **named, **changes)
        return IntentApproved(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            order_id=order_id,
            checks=(),
        )

    def mass_cancel(self, number: int = 90, **named: Any) -> IntentApproved:
        intent = MassCancelIntent(id=f"cancel-{number}", at=AT, **named)
        return IntentApproved(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            order_id="",
            checks=(),
        )

    def leg(self, name: str, side: str = "SELL", order_type: str = "STOP", **fields: Any) -> ListLeg:
        return ListLeg(name=name, side=Side(side), order_type=OrderType(order_type), **fields)

    def bracket(
        self, list_id: str = "b", quantity: str = "100", targets: tuple[str, ...] = ("1",), **fields: Any
    ) -> IntentApproved:
        """Bought at the market, a stop at 9, and targets at 11, 12 ... for those shares of it."""
        legs = [self.leg("entry", "BUY", "MARKET", quantity=Decimal(quantity)), self.leg("stop", stop_price=Decimal(9))]
        for number, share in enumerate(targets, 1):
            price = Decimal(10 + number)
            legs.append(self.leg(f"target{number}", order_type="LIMIT", limit_price=price, share=Decimal(share)))
        return self.order_list(list_id, "BRACKET", *legs, **fields)

    def order_list(
        self, list_id: str, contingency: str, *legs: ListLeg, number: int = 1, **fields: Any
    ) -> IntentApproved:
        given = {"venue": "ibkr", "account": "DU1", "symbol": "AAPL"} | fields
        intent = OrderListIntent(id=list_id, at=AT, contingency=Contingency(contingency), legs=legs, **given)
        return IntentApproved(
            id=f"decision-{number}",
            at=AT,
            cause=intent.id,
            intent_sequence=number,
            intent=intent,
            order_id=list_id,
            checks=(),
            reference_price=Decimal(10),
        )

    def report(self, kind: type[Any], order_id: str = "o-1", key: str = "", seconds: float = 1, **fields: Any) -> Any:
        return kind(
            id=f"report/ibkr/DU1/{kind.__name__}/{order_id}/{key}",
            at=AT + timedelta(seconds=seconds),
            venue="ibkr",
            account="DU1",
            order_id=order_id,
            **fields,
        )

    def accepted(
        self, order_id: str = "o-1", venue_order_id: str = "9001", seconds: float = 1
    ) -> messages.VenueAccepted:
        report: messages.VenueAccepted = self.report(
            messages.VenueAccepted, order_id, venue_order_id, seconds, venue_order_id=venue_order_id
        )
        return report

    def fill(
        self,
        quantity: str = "40",
        price: str = "10",
        *,
        order_id: str = "o-1",
        execution_id: str = "e1",
        revision: int = 1,
        side: Side = Side.BUY,
        symbol: str = "AAPL",
        seconds: float = 2,
        venue_order_id: str = "9001",
        account: str = "DU1",
        venue: str = "ibkr",
    ) -> VenueFill:
        at = AT + timedelta(seconds=seconds)
        return VenueFill(
            id=f"report/{venue}/{account}/fill/{execution_id}/{revision}",
            at=at,
            venue=venue,
            account=account,
            venue_order_id=venue_order_id,
            fill=Fill(
                execution_id=execution_id,
                revision=revision,
                order_id=order_id,
                symbol=symbol,
                side=side,
                quantity=Decimal(quantity),
                price=Decimal(price),
                at=at,
            ),
        )

    def commission(
        self,
        amount: str = "1",
        *,
        execution_id: str = "e1",
        revision: int = 1,
        order_id: str = "",
        currency: str = "USD",
    ) -> VenueCommission:
        return VenueCommission(
            id=f"report/ibkr/DU1/commission/{execution_id}/{revision}",
            at=AT + timedelta(seconds=3),
            venue="ibkr",
            account="DU1",
            execution_id=execution_id,
            revision=revision,
            order_id=order_id,
            commission=Decimal(amount),
            currency=currency,
        )

    def funding(
        self, amount: str = "-0.25", *, hour: int = 16, symbol: str = "AAPL", currency: str = "USD"
    ) -> VenueFunding:
        at = AT.replace(hour=hour)
        funding_id = f"{symbol}/{at.isoformat()}"
        return VenueFunding(
            id=f"report/ibkr/DU1/funding/{funding_id}",
            at=at,
            venue="ibkr",
            account="DU1",
            funding_id=funding_id,
            symbol=symbol,
            amount=Decimal(amount),
            currency=currency,
            rate=Decimal("0.0000125"),
        )

    def snapshot(self, seconds: float = 0, **fields: Any) -> VenueSnapshot:
        given: dict[str, Any] = {
            "currency": "USD",
            "cash": Decimal(100_000),
            "positions": (),
            "open_orders": (),
            "execution_ids": (),
            "account": "DU1",
        }
        given |= fields
        return VenueSnapshot(
            id=f"report/ibkr/{given['account']}/snapshot/{seconds}",
            at=AT + timedelta(seconds=seconds),
            venue="ibkr",
            **given,
        )

    def held(self, quantity: str, average_price: str, symbol: str = "AAPL") -> PositionHeld:
        return PositionHeld(symbol=symbol, quantity=Decimal(quantity), average_price=Decimal(average_price))

    def with_id(self, message: Message, message_id: str) -> Message:
        return replace(message, id=message_id)


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()
