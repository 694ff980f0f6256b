"""How orders leave for IBKR: written on the socket of the present orders session, under an API order id.

Owns the words of an order there, and that a turn is waited for on the session that there is. When an order may leave is
`signalbox.gateway.submission`'s; how the session comes about is `orders_link`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime

from msgspec import Struct
from signalbox.errors import TranslationError, VenueUnavailableError
from signalbox.gateway.externals import External
from signalbox.gateway.instruments import Instruments
from signalbox.gateway.state import take_number
from signalbox.gateway.venue import Canceled, CancelVerdict, Draft, NoRoom, Outcome, Placed
from signalbox.messages import Order
from signalbox.order_support import why_refused

from gateway_ibkr import trailing
from gateway_ibkr.facts import OrderTerms, VenueContract
from gateway_ibkr.instruments import Offered
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.translate import VENUE, order_terms
from gateway_ibkr.venue_orders import OrdersSession

log = logging.getLogger(__name__)

NO_SESSION = "there is no orders session"


class Terms(Struct, frozen=True):
    """An order in the venue's words: what, and how much at which price."""

    contract: VenueContract
    order: OrderTerms
    parent: int = 0
    """Of an order that works: the number of the one that it is attached to."""


class Written(Struct, frozen=True):
    """An order written out for one session."""

    session: OrdersSession
    messages: tuple[str, ...]


class Orders:
    """The way out: `session` is the orders session, or None."""

    def __init__(self, state: State, instruments: Instruments[Offered]) -> None:
        self._state, self._instruments = state, instruments
        self.session: OrdersSession | None = None

    def compose(self, order: Order, at: datetime) -> Draft:
        terms, offered = trailing.as_trailing(order_terms(order), order), self._instruments.one(order.symbol)
        if refused := why_refused(VENUE, offered.symbol.kind, order):
            raise TranslationError(refused)
        return Draft(take_number(self._state), Terms(offered.contract, terms))

    def no_room(self, draft: Draft) -> NoRoom | None:
        return None  # a message waits for its turn, on the socket

    def write_out(self, draft: Draft) -> None:
        session = self.session
        if session is None or not session.session.is_open:
            return
        try:
            draft.written = Written(session, _messages(session, draft))
        except Exception:
            log.exception("the order could not be written out", extra={"number": draft.number})

    async def turn(self) -> None:
        waited_for: OrdersSession | None = None
        while (session := self.open_session()) is not waited_for:  # a turn on one session is none on the next
            await session.session.turn()
            waited_for = session

    async def place(self, tracked: Tracked, draft: Draft) -> Placed:
        session = self.session
        if session is None:
            return Placed(Outcome.UNSENT, "", NO_SESSION)
        try:
            fits = draft.written is not None and draft.written.session is session
            for message in draft.written.messages if fits else _messages(session, draft):
                session.place(message)
        except Exception as error:  # bytes may have left: only the venue can tell
            log.exception("the order could not be written", extra={"order_id": tracked.order.order_id})
            return Placed(Outcome.UNKNOWN, "", f"the socket broke while it was written ({error})")
        await asyncio.sleep(0)  # the event loop writes at the end of its turn: what follows need not come first
        return Placed(Outcome.SENT)

    def compose_change(self, tracked: Tracked, order: Order, at: datetime) -> Draft:
        """The whole order again, under its own number: the total quantity, what has filled included.

        A number that TWS does not know is a new order's: so only what the venue has shown is changed, and by one
        sending alone: what has ended meanwhile could be placed anew by another.
        """
        terms, offered = order_terms(order), self._instruments.one(order.symbol)
        if hint := self._not_ours(tracked):
            raise TranslationError(f"the order was placed under another client id: {hint} to change it from here")
        if not tracked.venue_order_id:
            raise TranslationError("the venue has not shown the order yet")
        terms = trailing.as_trailing(terms, order, tracked.own.trail_stop_price)
        return Draft(tracked.number, Terms(offered.contract, terms, self._parent_of(order)))

    def _parent_of(self, order: Order) -> int:
        """The number of the order that it was attached to; 0 = none, or one that is over for long."""
        entry = self._state.orders.get(order.part.attached_to) if order.part is not None else None
        return entry.number if entry is not None else 0

    async def change(self, tracked: Tracked, draft: Draft) -> Placed:
        return await self.place(tracked, draft)

    def _not_ours(self, tracked: Tracked) -> str:
        """How an order that another client id has placed is reached; "" = it is ours."""
        client_id = tracked.own.client_id
        if client_id in (-1, self._state.own.client_id):
            return ""
        return f"set SIGNALBOX_IBKR_ORDERS_CLIENT_ID to {client_id}"

    async def cancel(self, tracked: Tracked, *, again: bool) -> Canceled:
        own = tracked.own
        if hint := self._not_ours(tracked):  # the venue does not ask whose number it is
            why = f"the order was placed under another client id: {hint} to cancel it from here"
            return Canceled(CancelVerdict.REFUSED, "", why)
        if self.session is None:
            return Canceled(CancelVerdict.UNKNOWN, "", NO_SESSION)
        self.session.cancel(tracked.number)
        own.cancels_sent, own.cancel_sent_seconds = own.cancels_sent + 1 if again else 1, time.monotonic()
        return Canceled(CancelVerdict.ACCEPTED)

    async def cancel_external(self, external: External) -> Canceled:
        """Only under the client id that has placed it: the venue takes a number for one of ours, whosever it is."""
        where = external.own
        if where is None or self.session is None:
            return Canceled(CancelVerdict.UNKNOWN, "", NO_SESSION)
        if where.client_id == self._state.own.client_id and where.order_number:
            self.session.cancel(where.order_number)
            return Canceled(CancelVerdict.ACCEPTED)
        if where.client_id <= 0:
            what = "it was placed by hand in TWS, where it can be cancelled: TWS lets no other client cancel it"
            return Canceled(CancelVerdict.REFUSED, "", what)
        client = where.client_id
        what = f"it was placed by API client {client}: cancel it there, or in TWS; TWS lets no other client cancel it"
        return Canceled(CancelVerdict.REFUSED, "", what)

    def ends_unwatched(self, tracked: Tracked) -> bool:
        return False

    def open_session(self) -> OrdersSession:
        """The session that there is; raises `VenueUnavailableError` when there is none."""
        if self.session is None or not self.session.session.is_open:
            raise VenueUnavailableError(NO_SESSION)
        return self.session


def _messages(session: OrdersSession, draft: Draft) -> tuple[str, ...]:
    """The order and what is attached to it: nothing of it works before the last of them has come."""
    last = draft.attached[-1] if draft.attached else draft
    return (
        session.compose(
            draft.number, draft.terms.contract, draft.terms.order, parent=draft.terms.parent, transmit=draft is last
        ),
        *(
            session.compose(
                each.number, each.terms.contract, each.terms.order, parent=draft.number, transmit=each is last
            )
            for each in draft.attached
        ),
    )
