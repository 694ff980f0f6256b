"""A venue in process: commands in, the reports of a gateway out, over the exchange that the simulators stand on.

Owns what a gateway and its venue say of orders, prices and an account. It must not know what the desk makes of it. What
is asked for happens at once and whole: no time passes between a command and its report, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from msgspec.structs import replace
from signalbox.exchange.books import AccountBook, rate, worth
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import (
    DONE,
    Accepted,
    Canceled,
    Expired,
    Filled,
    Modified,
    Rejected,
    Triggered,
    VenueOrder,
    VenueOrderEvent,
    VenueOrderStatus,
)
from signalbox.exchange.quoting import MarketQuote, Phase, SessionPhase
from signalbox.exchange.venue_orders import VenueOrders
from signalbox.messages import (
    AccountState,
    CancelOrder,
    Command,
    Fill,
    Instrument,
    LinkStatus,
    ModifyOrder,
    OrderType,
    PositionHeld,
    Quote,
    RefusedBy,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueHeld,
    VenueLink,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueSnapshot,
    VenueTriggered,
)

from desk_in_process.group_fills import GroupFills
from desk_in_process.venue_terms import group_of, terms_of, trailing


class _Carried(TypedDict):
    """What every report carries."""

    at: datetime
    venue: str
    account: str


class VenueInProcess:
    """One account at one venue, which lists `listings` and is always connected."""

    def __init__(self, venue: str, account: str, listings: Iterable[Listing], currency: str, cash: Decimal) -> None:
        self.venue, self.account, self.currency = venue, account, currency
        self.listings = {listing.key: listing for listing in listings}
        self.quotes: dict[str, MarketQuote] = {}
        self._marks = {key: listing.reference_price for key, listing in self.listings.items()}
        book = AccountBook(account=account, base_currency=currency, cash={currency: cash}, venue=venue)
        self.exchange = VenueOrders(self.listings, self._marks, {account: book})
        self._numbers: dict[str, int] = {}
        """By order id, of those that work."""
        self._revisions: dict[str, int] = {}
        """By order id: of the last command that asked to change it."""
        self._ordered: dict[str, Decimal] = {}
        """By order id, of those of a group, for how much each was: its group may reduce it."""
        self._groups = GroupFills()

    # ---------------------------------------------------------------------------------------------- what it says

    def instruments(self, at: datetime) -> list[Instrument]:
        """The facts of all that it lists."""
        return [
            Instrument(
                id=f"instrument/{self.venue}/{listing.key}",
                at=at,
                venue=self.venue,
                symbol=listing.key,
                kind=listing.kind,
                currency=listing.currency,
                exchange=listing.exchange,
                calendar=listing.calendar,
                tick_size=listing.tick,
                lot_size=listing.lot,
                minimum_quantity=listing.lot,
                multiplier=listing.multiplier,
                initial_margin=listing.initial_margin,
                maintenance_margin=listing.maintenance_margin,
            )
            for listing in self.listings.values()
        ]

    def snapshot(self, at: datetime) -> VenueSnapshot:
        """All that the account holds; orders that work are the desk's own, and known to it."""
        book = self.exchange.books[self.account]
        positions = tuple(
            PositionHeld(symbol=name, quantity=held.quantity, average_price=held.average_price, currency=held.currency)
            for name, held in book.positions.items()
            if held.quantity
        )
        return VenueSnapshot(
            id=f"report/{self.venue}/{self.account}/snapshot/{at.isoformat()}",
            at=at,
            venue=self.venue,
            account=self.account,
            currency=self.currency,
            cash=book.cash[self.currency],
            other_cash={currency: amount for currency, amount in book.cash.items() if currency != self.currency},
            positions=positions,
            open_orders=(),
            execution_ids=tuple(each.execution_id for each in self.exchange.executions),
        )

    def account_state(self, at: datetime) -> AccountState:
        """The account, valued at the last prices."""
        book = self.exchange.books[self.account]
        figures = worth(book, self._marks, self.listings)
        return AccountState(
            id=f"account/{self.venue}/{self.account}/{at.isoformat()}",
            at=at,
            venue=self.venue,
            account=self.account,
            currency=self.currency,
            cash=figures.total_cash,
            net_liquidation=figures.net_liquidation,
            available_funds=figures.available_funds,
            buying_power=figures.buying_power,
            initial_margin=figures.initial_margin,
            maintenance_margin=figures.maintenance_margin,
            cash_by_currency=dict(book.cash),
            rates={currency: rate(currency, self.currency) for currency in book.cash if currency != self.currency},
        )

    def link(self, at: datetime) -> VenueLink:
        """A heartbeat."""
        link_id = f"link/{self.venue}/{self.account}/{at.isoformat()}"
        return VenueLink(id=link_id, at=at, venue=self.venue, account=self.account, status=LinkStatus.READY)

    def quote(self, symbol: str) -> Quote | None:
        """The last quote of a symbol; None = there was none yet."""
        seen = self.quotes.get(symbol)
        if seen is None:
            return None
        return Quote(
            id=f"quote/{self.venue}/{symbol}/{seen.at.isoformat()}",
            at=seen.at,
            venue=self.venue,
            symbol=symbol,
            bid=seen.bid,
            ask=seen.ask,
            bid_size=seen.bid_size,
            ask_size=seen.ask_size,
            last=seen.last,
            last_size=seen.last_size,
            oracle_price=seen.last if self.listings[symbol].is_perpetual else None,
        )

    # ---------------------------------------------------------------------------------------------- what happens

    def see(self, quote: MarketQuote, phase: Phase = Phase.REGULAR) -> list[Report]:
        """Take a quote: what rests is matched against it."""
        self.quotes[quote.symbol] = quote
        self._marks[quote.symbol] = quote.last
        self.exchange.enter_phase(quote.symbol, phase)
        self.exchange.see_quote(quote)
        return self._reports()

    def auction(self, symbol: str, phase: SessionPhase, price: Decimal, at: datetime) -> list[Report]:
        """Hold the auction at the OPEN or CLOSE of the session, at its official price."""
        hold = self.exchange.open_auction if phase is SessionPhase.OPEN else self.exchange.close_auction
        hold(symbol, price, at)
        return self._reports()

    def expire(self, at: datetime) -> list[Report]:
        """End the orders whose time is over at `at`."""
        self.exchange.expire(at)
        return self._reports()

    def carry_out(self, command: Command, at: datetime) -> list[Report]:
        """Do what the OMS commands."""
        if isinstance(command, CancelOrder):
            return self._cancel(command, at)
        if refused := self._groups.refusals(command, at):
            return refused
        if isinstance(command, ModifyOrder):
            return self._change(command, at)
        order = command.order
        if group_of(order)[0]:
            self._ordered[order.order_id] = order.quantity
        number = self.exchange.submit(terms_of(order), at).number
        for each in command.attached:
            self._ordered[each.order_id] = each.quantity
            self.exchange.submit(replace(terms_of(each), parent_number=number), at)
        return self._reports()

    def _cancel(self, command: CancelOrder, at: datetime) -> list[Report]:
        number = self._numbers.get(command.order_id, 0)
        refusal = self.exchange.cancel(number, at, "cancelled as asked")
        if refusal is None or not number:  # it has ended, with a fill of its group: that is told, or about to be
            return self._reports()
        return [
            VenueCancelRejected(
                id=f"report/{self.venue}/{self.account}/cancel-rejected/{command.id}",
                at=at,
                venue=self.venue,
                account=self.account,
                order_id=command.order_id,
                code="",
                reason=refusal.text,
                refused_by=RefusedBy.VENUE,
            )
        ]

    def _change(self, command: ModifyOrder, at: datetime) -> list[Report]:
        number, wanted = self._numbers.get(command.order_id, 0), command.order
        self._revisions[command.order_id] = command.revision
        works = self.exchange.orders.get(number)
        prices = (wanted.limit_price, wanted.stop_price)
        refusal = self.exchange.modify(number, at, wanted.quantity, *prices, trailing(wanted, works))
        if refusal is None:
            return self._reports()
        return [
            VenueReplaceRejected(
                id=f"report/{self.venue}/{self.account}/replace-rejected/{command.id}",
                at=at,
                venue=self.venue,
                account=self.account,
                order_id=command.order_id,
                revision=command.revision,
                code="",
                reason=refusal.text,
                refused_by=RefusedBy.VENUE,
            )
        ]

    def _reports(self) -> list[Report]:
        return [report for event, order in self.exchange.drain() for report in self._reports_of(event, order)]

    def _reports_of(self, event: VenueOrderEvent, order: VenueOrder) -> list[Report]:
        order_id = order.terms.client_reference
        begins = isinstance(event, Accepted) and order_id in self._numbers
        if isinstance(event, Accepted):
            self._numbers[order_id] = order.number
        elif order.status in DONE:
            self._numbers.pop(order_id, None)
        carried = _Carried(at=event.at, venue=self.venue, account=self.account)
        name = f"report/{self.venue}/{self.account}"
        match event:
            case Accepted() if begins:
                return [VenueReleased(id=f"{name}/released/{order_id}", order_id=order_id, **carried)]
            case Accepted():
                number = str(order.number)
                accepted = f"{name}/accepted/{order_id}"
                taken: list[Report] = [VenueAccepted(id=accepted, order_id=order_id, venue_order_id=number, **carried)]
                if order.status is VenueOrderStatus.HELD:
                    why = "it waits for its entry"
                    taken.append(VenueHeld(id=f"{name}/held/{order_id}", order_id=order_id, reason=why, **carried))
                return taken
            case Triggered():
                return [VenueTriggered(id=f"{name}/triggered/{order_id}", order_id=order_id, **carried)]
            case Filled():
                told: list[Report] = [self._fill(event, order), self._commission(event, order)]
                if order.status in DONE and order.filled < self._ordered.pop(order_id, order.filled):
                    why = "the rest of it went with the fills of its group"
                    told.append(
                        VenueCanceled(id=f"{name}/canceled/{order_id}", order_id=order_id, reason=why, **carried)
                    )
                return told
            case Canceled(reason=reason):
                return [VenueCanceled(id=f"{name}/canceled/{order_id}", order_id=order_id, reason=reason, **carried)]
            case Expired(reason=reason):
                return [VenueExpired(id=f"{name}/expired/{order_id}", order_id=order_id, reason=reason, **carried)]
            case Rejected(reason=reason):
                return [
                    VenueRejected(
                        id=f"{name}/rejected/{order_id}",
                        order_id=order_id,
                        code="",
                        reason=reason,
                        refused_by=RefusedBy.VENUE,
                        **carried,
                    )
                ]
            case Modified(terms=terms) if (
                terms.order_type is OrderType.MARKET_TO_LIMIT
                and terms.limit_price is not None
                and order_id not in self._revisions
            ):
                words = f"what its first fill has left works as a limit order at {terms.limit_price:f}"
                noted = f"{name}/noted/{order_id}"
                return [VenueNoted(id=noted, order_id=order_id, code="", reason=words, **carried)]
            case Modified(terms=terms):
                if order_id not in self._revisions:
                    return []  # its group has reduced it, or its stop has followed the market
                revision = self._revisions[order_id]
                replaced = f"{name}/replaced/{order_id}.{revision}"
                return [
                    VenueReplaced(
                        id=replaced,
                        order_id=order_id,
                        venue_order_id=str(order.number),
                        quantity=terms.quantity,
                        limit_price=terms.limit_price,
                        stop_price=terms.stop_price,
                        revision=revision,
                        **carried,
                    )
                ]

    def _fill(self, event: Filled, order: VenueOrder) -> VenueFill:
        self._groups.note(order.terms.client_reference, event.quantity)
        fill = Fill(
            execution_id=event.execution_id,
            revision=1,
            order_id=order.terms.client_reference,
            symbol=order.terms.symbol,
            side=order.terms.side,
            quantity=event.quantity,
            price=event.price,
            at=event.at,
            liquidity=event.liquidity,
        )
        return VenueFill(
            id=f"report/{self.venue}/{self.account}/fill/{event.execution_id}.1",
            at=event.at,
            venue=self.venue,
            account=self.account,
            fill=fill,
            venue_order_id=str(order.number),
        )

    def _commission(self, event: Filled, order: VenueOrder) -> VenueCommission:
        return VenueCommission(
            id=f"report/{self.venue}/{self.account}/commission/{event.execution_id}.1",
            at=event.at,
            venue=self.venue,
            account=self.account,
            execution_id=event.execution_id,
            revision=1,
            order_id=order.terms.client_reference,
            commission=event.commission,
            currency=event.currency,
        )
