"""The venue's back office: takes orders, matches them and books what fills; no clock and no listeners.

Owns orders, executions and accounts, and what of them is written down. Time and quotes come in; events come out of
`drain`. It must not know where the market comes from or who listens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from msgspec.structs import replace

from signalbox.exchange import groups, matching
from signalbox.exchange.books import AccountBook, adjust_cash, begin_day, book_correction, book_fill, lacks_margin
from signalbox.exchange.fees import FeeRule
from signalbox.exchange.listing import Listing
from signalbox.exchange.matching import Step, SymbolBook
from signalbox.exchange.orders import (
    DONE,
    Execution,
    Filled,
    OrderTerms,
    Refusal,
    RefusalReason,
    Rejected,
    VenueOrder,
    VenueOrderEvent,
    VenueOrderStatus,
)
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.exchange.settlement import trades, unordered
from signalbox.messages import Liquidity, TimeInForce
from signalbox.order_terms import AT_CLOSE, AT_OPEN, TRAILING, WITH_LIMIT, WITH_STOP
from signalbox.sessions import Session, moc_cutoff, next_session, opening_cutoff, opening_of, session_at

_FIRST_NUMBER = 1_000_001


class WriteDown(Protocol):
    """Keeps what has changed, before anyone hears of it: an order, an execution, an account's book, and why."""

    def __call__(
        self,
        *,
        order: VenueOrder | None = None,
        execution: Execution | None = None,
        book: AccountBook | None = None,
        reason: str = "",
    ) -> None: ...


def forget(
    *,
    order: VenueOrder | None = None,
    execution: Execution | None = None,
    book: AccountBook | None = None,
    reason: str = "",
) -> None:
    """Keep nothing: of a venue that lives as long as its process."""


class VenueOrders:
    """All orders and books of a venue. `marks` gives the present price by symbol, which its owner keeps.

    `orders` and `executions` are those of before, `accounts` as they stood then.
    """

    def __init__(
        self,
        listings: Mapping[str, Listing],
        marks: Mapping[str, Decimal],
        accounts: Mapping[str, AccountBook],
        *,
        orders: Mapping[int, VenueOrder] | None = None,
        executions: Sequence[Execution] = (),
        write_down: WriteDown = forget,
    ) -> None:
        self._listings, self._marks, self._write_down = listings, marks, write_down
        self.books: dict[str, AccountBook] = dict(accounts)
        self.orders: dict[int, VenueOrder] = dict(orders or {})
        self.executions: list[Execution] = list(executions)
        working = [order for order in self.orders.values() if order.status not in DONE]
        self._symbols = {
            key: _empty_book(listing, orders=tuple(order for order in working if order.terms.symbol == key))
            for key, listing in listings.items()
        }
        self._next_number = max(self.orders, default=_FIRST_NUMBER - 1) + 1
        self._events: deque[tuple[VenueOrderEvent, VenueOrder]] = deque()

    def drain(self) -> list[tuple[VenueOrderEvent, VenueOrder]]:
        """Return the events since the last call, in order."""
        events = list(self._events)
        self._events.clear()
        return events

    # ------------------------------------------------------------------------------------------------- accounts

    def open_account(self, account: str, currency: str, venue: str) -> None:
        """Open an account without cash; one that is there stays as it is."""
        if account not in self.books:
            self._keep(AccountBook(account=account, base_currency=currency, cash={}, venue=venue), "opened")

    def adjust_cash(self, account: str, currency: str, amount: Decimal, reason: str, key: str) -> None:
        """Add to an account's cash, once for each key. Raises KeyError for an unknown account."""
        book = self.books[account]
        adjusted = adjust_cash(book, currency, amount, key)
        if adjusted is not book:
            self._keep(adjusted, reason)

    def correct(self, execution: Execution, quantity: Decimal, price: Decimal) -> None:
        """Have an account's books as if an execution had been of that quantity, at that price."""
        before, book = (execution.quantity, execution.price), self.books[execution.account]
        listing = self._listings[execution.symbol]
        self._keep(book_correction(book, listing, execution.side, before, (quantity, price)), "corrected")

    def charge(self, venue: str, rule: FeeRule) -> None:
        """Charge executions of a venue's listings by `rule` from now on."""
        for key, listing in self._listings.items():
            if listing.venue == venue:
                self._symbols[key] = replace(self._symbols[key], charge=_charged(listing, rule))

    def _keep(self, book: AccountBook, reason: str) -> None:
        self.books[book.account] = book
        self._write_down(book=book, reason=reason)

    # -------------------------------------------------------------------------------------- what clients do

    def submit(self, terms: OrderTerms, at: datetime) -> VenueOrder:
        """Take or reject an order."""
        reason = self.objection(terms, at)
        order = VenueOrder(
            number=self._next_number,
            terms=terms,
            status=VenueOrderStatus.WORKING,
            submitted_at=at,
            updated_at=at,
            expires_at=None if reason else self._expiry(terms, at),
        )
        self._next_number += 1
        if reason:
            event = Rejected(number=order.number, at=at, reason=reason)
            self._note(event, matching.evolve(order, event))
        else:
            self._apply(terms.symbol, matching.take(self._symbols[terms.symbol], order, at))
        return self.orders[order.number]

    def objection(self, terms: OrderTerms, at: datetime) -> str:
        """Return why the venue would reject an order, "" if it would not. Raises KeyError: no such account, symbol."""
        listing, book = self._listings[terms.symbol], self.books[terms.account]
        return (
            _bad_terms(terms, listing)
            or ("the contract has expired" if listing.is_over(at) else "")
            or _too_late(terms, listing.calendar, at)
            or ("insufficient margin" if self._lacks_margin(book, terms, without=0) else "")
        )

    def cancel(self, number: int, at: datetime, reason: str) -> Refusal | None:
        """Cancel a working order, or say why not."""
        order = self.orders.get(number)
        if order is None:
            return Refusal(number, RefusalReason.UNKNOWN_ORDER, "no such order")
        if order.status in DONE:
            return Refusal(number, RefusalReason.ORDER_IS_DONE, f"the order is {order.status.lower()}")
        symbol = order.terms.symbol
        refusal = self._outcome(symbol, matching.cancel(self._symbols[symbol], number, at, reason))
        for other in groups.others(order, self._symbols[symbol].orders) if refusal is None else ():
            why = f"{groups.WHY} was cancelled"
            self._outcome(symbol, matching.cancel(self._symbols[symbol], other.number, at, why))
        return refusal

    def modify(
        self,
        number: int,
        at: datetime,
        quantity: Decimal | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
    ) -> Refusal | None:
        """Change a working order's terms, or say why not."""
        order = self.orders.get(number)
        if order is None:
            return Refusal(number, RefusalReason.UNKNOWN_ORDER, "no such order")
        if order.status in DONE:
            return Refusal(number, RefusalReason.ORDER_IS_DONE, f"the order is {order.status.lower()}")
        old = order.terms
        terms = replace(
            old,
            quantity=old.quantity if quantity is None else quantity,
            limit_price=old.limit_price if limit_price is None else limit_price,
            stop_price=old.stop_price if stop_price is None else stop_price,
        )
        mistake = _bad_terms(terms, self._listings[terms.symbol])
        if mistake:
            return Refusal(number, RefusalReason.BAD_TERMS, mistake)
        rest = replace(terms, quantity=max(terms.quantity - order.filled, Decimal(0)))
        if self._lacks_margin(self.books[terms.account], rest, without=number):
            return Refusal(number, RefusalReason.INSUFFICIENT_MARGIN, "insufficient margin")
        return self._outcome(terms.symbol, matching.modify(self._symbols[terms.symbol], number, terms, at))

    def settle(self, account: str, symbol: str, quantity: Decimal, at: datetime, *, exercised: bool) -> None:
        """Have so many of an option exercised, assigned or expired, as `settlement` has it.

        Raises KeyError for an account or symbol that does not exist, ValueError for what is no option, or not held.
        """
        listing, held = self._listings[symbol], self.books[account].positions.get(symbol)
        for trade in trades(listing, held.quantity if held else Decimal(0), quantity, exercised=exercised):
            event, order = unordered(self._next_number, account, trade, at)
            self._next_number += 1
            self._book(event, matching.evolve(order, event))

    # ------------------------------------------------------------------------------------ what the market does

    def has_orders(self, symbol: str) -> bool:
        """Say whether any order of the symbol works."""
        return bool(self._symbols[symbol].orders)

    def see_quote(self, quote: MarketQuote) -> None:
        """Match against a new quote."""
        self._apply(quote.symbol, matching.see_quote(self._symbols[quote.symbol], quote))

    def enter_phase(self, symbol: str, phase: Phase) -> None:
        """Open or close a symbol; no change, no effect."""
        if self._symbols[symbol].phase is not phase:
            self._apply(symbol, matching.enter_phase(self._symbols[symbol], phase))

    def close_auction(self, symbol: str, official_close: Decimal, at: datetime) -> None:
        """Fill the orders for the close."""
        self._apply(symbol, matching.close_auction(self._symbols[symbol], official_close, at))

    def open_auction(self, symbol: str, official_open: Decimal, at: datetime) -> None:
        """Fill the orders for the opening."""
        self._apply(symbol, matching.open_auction(self._symbols[symbol], official_open, at))

    def expire(self, at: datetime) -> None:
        """Expire what is over at `at`."""
        for symbol, book in self._symbols.items():
            if book.orders:
                self._apply(symbol, matching.expire(book, at))

    def begin_day(self, symbols: set[str]) -> None:
        """Start daily PnL anew for these symbols."""
        marks = {symbol: self._marks[symbol] for symbol in symbols}
        for account, book in self.books.items():
            if symbols & book.positions.keys():
                self.books[account] = begin_day(book, marks)
                self._write_down(book=self.books[account])

    # ------------------------------------------------------------------------------------------------- inside

    def _outcome(self, symbol: str, outcome: Step | Refusal) -> Refusal | None:
        if isinstance(outcome, Refusal):
            return outcome
        self._apply(symbol, outcome)
        return None

    def _apply(self, symbol: str, step: Step) -> None:
        self._symbols[symbol] = step.book
        for event, order in step.events:
            if isinstance(event, Filled):
                self._book(event, order)
            else:
                self._note(event, order)

    def _book(self, event: Filled, order: VenueOrder) -> None:
        terms, listing = order.terms, self._listings[order.terms.symbol]
        booked = book_fill(
            self.books[terms.account], listing, terms.side, event.quantity, event.price, event.commission
        )
        event = replace(event, currency=listing.currency, realized_pnl=booked.realized_pnl)
        execution = Execution(
            execution_id=event.execution_id,
            number=order.number,
            at=event.at,
            account=terms.account,
            symbol=terms.symbol,
            side=terms.side,
            quantity=event.quantity,
            price=event.price,
            cumulative=event.cumulative,
            average_price=event.average_price,
            commission=event.commission,
            currency=listing.currency,
            realized_pnl=booked.realized_pnl,
            client_reference=terms.client_reference,
            client_tag=terms.client_tag,
            liquidity=event.liquidity,
        )
        self.books[terms.account] = booked.book
        self.executions.append(execution)
        self.orders[order.number] = order
        # One line, so that a kill can not come between the order, its execution and the money.
        self._write_down(order=order, execution=execution, book=booked.book)
        self._events.append((event, order))

    def _note(self, event: VenueOrderEvent, order: VenueOrder) -> None:
        self.orders[order.number] = order
        self._write_down(order=order)
        self._events.append((event, order))

    def _expiry(self, terms: OrderTerms, at: datetime) -> datetime | None:
        """When the order ends by itself: with its contract at the latest."""
        listing = self._listings[terms.symbol]
        ends = expiry(terms, listing.calendar, at)
        if listing.last_trade_at is None:
            return ends
        return listing.last_trade_at if ends is None else min(ends, listing.last_trade_at)

    def _lacks_margin(self, book: AccountBook, terms: OrderTerms, *, without: int) -> bool:
        if self._listings[terms.symbol].is_perpetual:
            return False  # its venue's front knows the margins of its accounts, and asks before it submits
        working = [
            (order.terms, order.leaves)
            for symbol_book in self._symbols.values()
            for order in symbol_book.orders
            if order.terms.account == terms.account and order.number != without
            if not terms.oca_group or order.terms.oca_group != terms.oca_group  # one of them alone fills
        ]
        return lacks_margin(book, terms, working, self._listings, self._marks)


def _empty_book(listing: Listing, orders: tuple[VenueOrder, ...]) -> SymbolBook:
    if listing.option is not None:
        return SymbolBook(orders=orders, charge=matching.charge_per_contract)
    if not listing.is_perpetual:
        return SymbolBook(orders=orders)
    return SymbolBook(orders=orders, charge=_charged(listing, lambda *_: Decimal(0)), tells_makers=True)


def _charged(listing: Listing, rule: FeeRule) -> Callable[[VenueOrder, Decimal, Decimal, Liquidity], Decimal]:
    def charge(order: VenueOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        return rule(order.terms.account, listing, liquidity, quantity * price * listing.multiplier)

    return charge


def expiry(terms: OrderTerms, calendar: str, at: datetime) -> datetime | None:
    """Return when an order ends by itself: DAY at the next close it can still trade before, GTD as it says.

    An order for the close, or the opening, is for the next one, whatever its time in force.
    """
    if terms.time_in_force is TimeInForce.GTD:
        return terms.good_till
    if terms.order_type in AT_OPEN:
        return opening_of(calendar, at).open
    is_auction = terms.order_type in AT_CLOSE
    if terms.time_in_force is TimeInForce.GTC and not is_auction:
        return None
    extended = terms.outside_regular_hours and not is_auction
    session = session_at(calendar, at)
    if session is None or _end(session, extended) <= at:
        session = next_session(calendar, at)
    return _end(session, extended)


def _end(session: Session, extended: bool) -> datetime:
    return session.post_close if extended else session.close


def _bad_terms(terms: OrderTerms, listing: Listing) -> str:
    if terms.quantity <= 0 or terms.quantity % listing.lot:
        return f"quantity {terms.quantity} is not a positive multiple of the lot {listing.lot}"
    for types, price in ((WITH_LIMIT, terms.limit_price), (WITH_STOP, terms.stop_price)):
        if terms.order_type not in types:
            continue
        if price is None or price <= 0:
            return f"a {terms.order_type.lower()} order needs a positive price"
        tick = listing.tick_at(price)
        if price % tick:
            return f"price {price} does not conform to the minimum price variation {tick}"
    if terms.order_type in TRAILING and (terms.trail_amount is None) is (terms.trail_percent is None):
        return "a trailing order needs an amount or a percentage"
    return ""


def _too_late(terms: OrderTerms, calendar: str, at: datetime) -> str:
    if terms.time_in_force is TimeInForce.GTD and (terms.good_till is None or terms.good_till <= at):
        return "a good-till-date order needs a date to come"
    session = session_at(calendar, at)
    if terms.order_type in AT_CLOSE and session and moc_cutoff(session) < at < session.close:
        return f"an order for the close must be in by {moc_cutoff(session):%H:%M} UTC"
    if terms.order_type in AT_OPEN:
        cutoff = opening_cutoff(calendar, opening_of(calendar, at))
        if cutoff is None or cutoff <= at:
            return f"an order for the opening must be in by {cutoff:%H:%M} UTC" if cutoff else "there is no opening"
    return ""
