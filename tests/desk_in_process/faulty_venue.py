"""A venue behind wires that can be cut: commands wait for it, its reports wait to be stored, and it may say no.

Owns what of a venue and its gateway is not as it should be: what is under way, what is refused, what ends unasked. It
must not know what the desk makes of it, nor when any of this happens (`campaign`).

Where reduce-only is the venue's own (dYdX), what has a trigger lies beside the book, as on the chain: once the price is
there it takes what the market has, of no more than is held; the rest of it is over.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from desk_in_process.venue import VenueInProcess
from desk_in_process.venue_terms import terms_of
from msgspec.structs import replace
from signalbox.exchange.admission import expiry
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import DONE, VenueOrderStatus
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.messages import (
    CancelOrder,
    Command,
    ModifyOrder,
    Order,
    RefusedBy,
    Report,
    SubmitOrder,
    TimeInForce,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueRejected,
    VenueReplaceRejected,
    VenueTriggered,
)
from signalbox.order_support import REDUCING
from signalbox.order_terms import IF_TOUCHED, TRIGGERED

LATE = (VenueCommission,)
"""What a venue tells on a wire of its own, and so after what has come later."""
NONE = Decimal(0)


class FaultyVenue(VenueInProcess):
    """`refuses` counts, of orders, cancels and changes, how many more are refused."""

    def __init__(self, venue: str, account: str, listings: Iterable[Listing], currency: str, cash: Decimal) -> None:
        super().__init__(venue, account, listings, currency, cash)
        self.waiting: deque[Command] = deque()
        self.said: deque[Report] = deque()
        self.is_away = False
        self.refuses: Counter[str] = Counter()
        self.placed: Counter[str] = Counter()
        """How often each order has come to the venue."""
        self._beside: dict[str, tuple[Order, datetime | None]] = {}
        """What waits for its trigger beside the book, and when it ends by itself."""
        self._takes = self.exchange.objection
        self.exchange.objection = self._objection  # type: ignore[method-assign]

    # ------------------------------------------------------------------------------------------------- what it has

    def standing(self) -> dict[str, tuple[Decimal, bool]]:
        """What of each order may still fill, and whether it is held back until its entry has filled."""
        found = {
            order.terms.client_reference: (order.leaves, order.status is VenueOrderStatus.HELD)
            for order in self.exchange.orders.values()
            if order.status not in DONE
        }
        return found | {name: (order.quantity, False) for name, (order, _) in self._beside.items()}

    def held(self, symbol: str) -> Decimal:
        position = self.exchange.books[self.account].positions.get(symbol)
        return position.quantity if position is not None else NONE

    # --------------------------------------------------------------------------------------------------- the wires

    def work(self, at: datetime) -> bool:
        """Have the gateway carry out the command that has waited longest; whether there was one."""
        if self.is_away or not self.waiting:
            return False
        self.said.extend(self.carry_out(self.waiting.popleft(), at))
        return True

    def tell(self, which: int = 0) -> Report | None:
        """What is to be stored next; of several `which`, where that is told on a wire of its own."""
        if self.is_away or not self.said:
            return None
        if which < len(self.said) and isinstance(self.said[which], LATE):
            found = self.said[which]
            del self.said[which]
            return found
        return self.said.popleft()

    # -------------------------------------------------------------------------------------------------- what is new

    def carry_out(self, command: Command, at: datetime) -> list[Report]:
        if not isinstance(command, CancelOrder) and (refused := self._groups.refusals(command, at)):
            return refused
        if isinstance(command, SubmitOrder):
            return self._submit(command, at)
        kind = "changes" if isinstance(command, ModifyOrder) else "cancels"
        if self.refuses[kind] > 0:
            self.refuses[kind] -= 1
            return [self._refusal(command, at, "the venue refuses", RefusedBy.VENUE)]
        if isinstance(command, ModifyOrder) and at > command.deadline:
            return [self._refusal(command, at, "its time to be sent is over", RefusedBy.GATEWAY)]
        if isinstance(command, CancelOrder) and command.order_id in self._beside:
            return [self._over(VenueCanceled, command.order_id, at, "cancelled as asked")]
        return super().carry_out(command, at)

    def _submit(self, command: SubmitOrder, at: datetime) -> list[Report]:
        if at > command.deadline:
            late = "its time to be sent is over"
            return [self._rejected(each.order_id, at, late) for each in (command.order, *command.attached)]
        order = command.order
        for each in (order, *command.attached):
            self.placed[each.order_id] += 1
        if not (order.reduce_only and self.venue in REDUCING):
            return super().carry_out(command, at)
        if self.refuses["orders"] > 0:
            self.refuses["orders"] -= 1
            return [self._rejected(order.order_id, at, "the venue refuses", RefusedBy.VENUE)]
        if order.order_type not in TRIGGERED:
            return self._take(order, at)
        ends = expiry(terms_of(order), self.listings[order.symbol].calendar, at)
        self._beside[order.order_id] = order, ends
        accepted = VenueAccepted(
            id=self._name("accepted", order.order_id),
            order_id=order.order_id,
            venue_order_id=f"chain-{order.order_id}",
            **self._carried(at),
        )
        return [accepted, *self._reach(order.symbol, at)]

    def see(self, quote: MarketQuote, phase: Phase = Phase.REGULAR) -> list[Report]:
        return [*super().see(quote, phase), *self._reach(quote.symbol, quote.at)]

    def expire(self, at: datetime) -> list[Report]:
        over = [name for name, (_, ends) in self._beside.items() if ends is not None and ends <= at]
        return [*super().expire(at), *(self._over(VenueExpired, name, at, "its time is over") for name in over)]

    def take_away(self, order_id: str, at: datetime) -> None:
        """End an order unasked."""
        if order_id in self._beside:
            self.said.append(self._over(VenueCanceled, order_id, at, "the venue has cancelled it"))
        elif order_id in self._numbers:
            self.exchange.cancel(self._numbers[order_id], at, "the venue has cancelled it")
            self.said.extend(self._reports())

    def _reach(self, symbol: str, at: datetime) -> list[Report]:
        """Trigger what lies beside the book and whose price the market has come to."""
        told: list[Report] = []
        for name, (order, _) in [*self._beside.items()]:
            if order.symbol != symbol or not self._is_reached(order):
                continue
            del self._beside[name]
            told.append(VenueTriggered(id=self._name("triggered", name), order_id=name, **self._carried(at)))
            told += [each for each in self._take(order, at) if not isinstance(each, VenueAccepted)]
        return told

    def _is_reached(self, order: Order) -> bool:
        quote = self.quotes.get(order.symbol)
        if quote is None or order.stop_price is None:
            return False
        waits_for_more = (order.side.sign > 0) is not (order.order_type in IF_TOUCHED)
        return quote.last >= order.stop_price if waits_for_more else quote.last <= order.stop_price

    def _take(self, order: Order, at: datetime) -> list[Report]:
        """Have it take what there is, of no more than is held on the other side."""
        held = self.held(order.symbol) * order.side.sign
        if held >= 0:
            return [self._over(VenueCanceled, order.order_id, at, "reduce-only: nothing is held that it would reduce")]
        self._ordered[order.order_id] = order.quantity
        terms = replace(terms_of(order), quantity=min(order.quantity, -held), time_in_force=TimeInForce.IOC)
        self.exchange.submit(terms, at)
        return self._reports()

    # ----------------------------------------------------------------------------------------------------- its words

    def _objection(self, terms: Any, at: datetime) -> str:
        if self.refuses["orders"] > 0:
            self.refuses["orders"] -= 1
            return "the venue refuses"
        return self._takes(terms, at)

    def _name(self, what: str, order_id: str) -> str:
        return f"report/{self.venue}/{self.account}/{what}/{order_id}"

    def _carried(self, at: datetime) -> dict[str, Any]:
        return {"at": at, "venue": self.venue, "account": self.account}

    def _over(self, kind: type[VenueCanceled | VenueExpired], order_id: str, at: datetime, why: str) -> Report:
        self._beside.pop(order_id, None)
        return kind(id=self._name("over", order_id), order_id=order_id, reason=why, **self._carried(at))

    def _rejected(self, order_id: str, at: datetime, why: str, by: RefusedBy = RefusedBy.GATEWAY) -> Report:
        name = self._name("rejected", order_id)
        return VenueRejected(id=name, order_id=order_id, code="", reason=why, refused_by=by, **self._carried(at))

    def _refusal(self, command: CancelOrder | ModifyOrder, at: datetime, why: str, by: RefusedBy) -> Report:
        told = {"id": self._name("no", command.id), "order_id": command.order_id, "code": "", "reason": why}
        told |= {"refused_by": by, **self._carried(at)}
        if isinstance(command, CancelOrder):
            return VenueCancelRejected(**told)
        return VenueReplaceRejected(revision=command.revision, **told)
