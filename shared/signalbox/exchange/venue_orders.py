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
from signalbox.exchange.admission import bad_terms, expiry, too_late
from signalbox.exchange.attached import PARENT_IS_OVER, Children
from signalbox.exchange.books import AccountBook, adjust_cash, begin_day, book_correction, book_fill, lacks_margin
from signalbox.exchange.fees import FeeRule
from signalbox.exchange.listing import Listing
from signalbox.exchange.matching import Step, SymbolBook
from signalbox.exchange.orders import (
    DONE,
    Accepted,
    Canceled,
    Execution,
    Expired,
    Filled,
    Modified,
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
from signalbox.exchange.trailing import trailing_as
from signalbox.messages import Liquidity

_FIRST_NUMBER = 1_000_001
NOT_IN_THE_BOOK = DONE | {VenueOrderStatus.HELD}


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
        self.children = Children(self.orders)
        working = [order for order in self.orders.values() if order.status not in NOT_IN_THE_BOOK]
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
        waits = not reason and self.children.waits(terms)
        order = VenueOrder(
            number=self._next_number,
            terms=terms,
            status=VenueOrderStatus.HELD if waits else VenueOrderStatus.WORKING,
            submitted_at=at,
            updated_at=at,
            expires_at=None if reason else self._expiry(terms, at),
        )
        self._next_number += 1
        if reason:
            event = Rejected(number=order.number, at=at, reason=reason)
            self._note(event, matching.evolve(order, event))
        elif waits:
            self._note(Accepted(number=order.number, at=at), order)
        else:
            self._begin(order, at)
        self.children.note(order)
        return self.orders[order.number]

    def _begin(self, order: VenueOrder, at: datetime) -> None:
        symbol = order.terms.symbol
        self._apply(symbol, matching.take(self._symbols[symbol], self.children.begun(order), at))

    def objection(self, terms: OrderTerms, at: datetime) -> str:
        """Return why the venue would reject an order, "" if it would not. Raises KeyError: no such account, symbol."""
        listing, book = self._listings[terms.symbol], self.books[terms.account]
        return (
            bad_terms(terms, listing)
            or ("the contract has expired" if listing.is_over(at) else "")
            or too_late(terms, listing.calendar, at)
            or self.children.objection(terms)
            or ("insufficient margin" if not terms.parent_number and self._lacks_margin(book, terms, without=0) else "")
        )

    def cancel(self, number: int, at: datetime, reason: str) -> Refusal | None:
        """Cancel a working order, or say why not."""
        order = self.orders.get(number)
        if order is None:
            return Refusal(number, RefusalReason.UNKNOWN_ORDER, "no such order")
        if order.status in DONE:
            return Refusal(number, RefusalReason.ORDER_IS_DONE, f"the order is {order.status.lower()}")
        refusal = self._take_away(order, at, reason)
        for other in groups.others(order, self._of_symbol(order)) if refusal is None else ():
            self._take_away(other, at, f"{groups.WHY} was cancelled")
        return refusal

    def _take_away(self, order: VenueOrder, at: datetime, reason: str) -> Refusal | None:
        if order.status is VenueOrderStatus.HELD:
            event = Canceled(number=order.number, at=at, reason=reason)
            self._note(event, matching.evolve(order, event))
            return None
        symbol = order.terms.symbol
        return self._outcome(symbol, matching.cancel(self._symbols[symbol], order.number, at, reason))

    def _of_symbol(self, order: VenueOrder) -> list[VenueOrder]:
        """What works of its symbol, and what waits beside it."""
        parent = order.terms.parent_number
        waiting = [each for each in self.children.of(parent) if each.status is VenueOrderStatus.HELD]
        return [*self._symbols[order.terms.symbol].orders, *waiting]

    def modify(
        self,
        number: int,
        at: datetime,
        quantity: Decimal | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
        trailing: OrderTerms | None = None,
    ) -> Refusal | None:
        """Change a working order's terms, or say why not. `trailing` is how it is to trail from now on, if it is."""
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
        if trailing is not None:
            terms = trailing_as(terms, trailing)
        mistake = bad_terms(terms, self._listings[terms.symbol])
        if mistake:
            return Refusal(number, RefusalReason.BAD_TERMS, mistake)
        if order.status is VenueOrderStatus.HELD:
            event = Modified(number=number, at=at, terms=terms)
            self._note(event, matching.evolve(order, event))
            return None
        terms = self.children.changed(order, terms)
        rest = replace(terms, quantity=max(terms.quantity - order.filled, Decimal(0)))
        if not terms.parent_number and self._lacks_margin(self.books[terms.account], rest, without=number):
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
        for order in self.children.waiting():
            if order.expires_at is not None and order.expires_at <= at:
                event = Expired(number=order.number, at=at, reason=f"{order.terms.time_in_force} order expired")
                self._note(event, matching.evolve(order, event))

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
        self._follow_fill(event, order)

    def _note(self, event: VenueOrderEvent, order: VenueOrder) -> None:
        self.orders[order.number] = order
        self._write_down(order=order)
        self._events.append((event, order))
        if order.status in DONE and not order.filled:
            for child in self.children.of(order.number):
                self._take_away(child, event.at, PARENT_IS_OVER)

    def _follow_fill(self, event: Filled, order: VenueOrder) -> None:
        """What a fill means for those that are attached to the order, or wait beside it in its group."""
        for each in self.children.of(order.number):
            child = self.orders[each.number]
            if child.status is VenueOrderStatus.HELD:
                self._begin(child, event.at)
            elif child.status not in DONE and (terms := self.children.grown(child, event.quantity)) is not None:
                self._outcome(terms.symbol, matching.modify(self._symbols[terms.symbol], child.number, terms, event.at))
        for other in groups.others(order, self._of_symbol(order)) if order.terms.oca_group else ():
            if other.status is VenueOrderStatus.HELD:
                change = groups.after_fill(event, order, other)
                self._note(change, matching.evolve(other, change))

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
