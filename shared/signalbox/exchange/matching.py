"""The matching engine of one symbol: a pure function of its state and what happens.

Owns what fills, when and at which price. It must not know the clock, the accounts or any venue's protocol: time comes
in with each call, and what happened goes out as events; the state is plain data and never changed in place.

The rules: an order takes from the opposite side of the quote, oldest order first, at the quote's price, which for a
limit order must be within its limit (so a limit order may do better, never worse). A quote's size can be taken once, by
all orders together; the next quote brings new size. Where the venue tells makers from takers, a limit order that comes
with a limit beyond the market goes on taking, quote by quote, until it is full or the market has left its limit; one
that has rested is a maker and fills at its own price. A stop triggers on the last trade at or beyond its price, then
takes like a market order, wherever the market is by then; one with a limit takes or rests from then on, as a limit
order that comes at that moment. An order that is to be touched is triggered by the market's coming the other way, from
where it does not want to trade yet. An order for the close or the opening fills whole at the official price, or not at
all if its limit is not met. A market-to-limit order is a market order until its first fill, and then a limit order at
that price.
Outside regular hours only orders that ask for it can trade; the others rest.

An immediate-or-cancel order takes what the present quote has for it, and the rest is cancelled; a fill-or-kill order is
cancelled whole unless the quote has all of it. Neither waits, for a market that is shut neither. A post-only order that
would take as it comes is rejected. One that is all or none waits until the quote has all of it. One that shows a part
of itself gets no more than that of a quote, once it has rested. One that is not to work before a time neither triggers
nor trades until then. The stop of a trailing order follows the price that triggers it; that is the last trade, unless
the order names another.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from signalbox.exchange import groups
from signalbox.exchange.fees import execution_fee
from signalbox.exchange.orders import (
    DONE,
    Accepted,
    Canceled,
    Expired,
    Filled,
    Modified,
    OrderTerms,
    Refusal,
    RefusalReason,
    Rejected,
    Triggered,
    VenueOrder,
    VenueOrderEvent,
    VenueOrderStatus,
)
from signalbox.exchange.quoting import MarketQuote, Phase
from signalbox.exchange.rights import accepts, may_trade, share, triggering
from signalbox.exchange.trailing import has_begun, trailed
from signalbox.messages import InstrumentKind, Liquidity, OrderType, Side, TimeInForce
from signalbox.order_terms import AT_CLOSE, AT_ONCE, AT_OPEN, IF_TOUCHED, TRAILING, TRIGGERED, WHY_OVER, WITH_LIMIT

_NONE, _TO_LIMIT = Decimal(0), OrderType.MARKET_TO_LIMIT
WOULD_TAKE = "post-only: it would have been filled at once"

Charge = Callable[[VenueOrder, Decimal, Decimal, Liquidity], Decimal]
"""(order before the execution, quantity, price, liquidity) -> commission of the execution."""


def charge_per_share(order: VenueOrder, quantity: Decimal, _: Decimal, __: Liquidity) -> Decimal:
    """Return the commission as stocks have it."""
    return execution_fee(order.filled, quantity)


def charge_per_contract(order: VenueOrder, quantity: Decimal, _: Decimal, __: Liquidity) -> Decimal:
    """Return the commission as options have it."""
    return execution_fee(order.filled, quantity, InstrumentKind.OPTION)


class SymbolBook(Struct, frozen=True):
    """The state of one symbol: its quote, what of the quote's sizes is left, and the working orders by age.

    `charge` and `tells_makers` are its venue's rules: they stay as they are.
    """

    phase: Phase = Phase.CLOSED
    quote: MarketQuote | None = None
    bid_left: Decimal = _NONE
    ask_left: Decimal = _NONE
    orders: tuple[VenueOrder, ...] = ()
    charge: Charge = charge_per_share
    tells_makers: bool = False


class Step(Struct, frozen=True):
    """What a call did: the new state, the events, and the order as it was right after each event."""

    book: SymbolBook
    events: tuple[tuple[VenueOrderEvent, VenueOrder], ...] = ()


def take(book: SymbolBook, order: VenueOrder, at: datetime) -> Step:
    """Take a new order that passed the venue's checks: accept it and match what matches at once."""
    if order.terms.post_only and _there_for(book, order):
        rejected = Rejected(number=order.number, at=at, reason=WOULD_TAKE)
        return Step(book, ((rejected, evolve(order, rejected)),))
    accepted = _arrived(book, evolve(order, Accepted(number=order.number, at=at)))
    step = Step(replace(book, orders=(*book.orders, accepted)))
    if order.terms.time_in_force is not TimeInForce.FOK or _there_for(book, order) >= order.leaves:
        step = _match(step.book, at, taker=order.number)
    over = _over_at_once(step.book, order.number, at)
    return Step(over.book, ((Accepted(number=order.number, at=at), accepted), *step.events, *over.events))


def _there_for(book: SymbolBook, order: VenueOrder) -> Decimal:
    """What of the present quote an order that comes could take."""
    quote = book.quote
    if quote is None or book.phase is Phase.CLOSED or not may_trade(order, book.phase, order.updated_at):
        return _NONE
    size, price = (book.ask_left, quote.ask) if order.terms.side is Side.BUY else (book.bid_left, quote.bid)
    return size if accepts(order, price) else _NONE


def _over_at_once(book: SymbolBook, number: int, at: datetime) -> Step:
    """End what is left of an order that does not rest."""
    rest = _find(book, number)
    if rest is None or rest.terms.time_in_force not in AT_ONCE:
        return Step(book)
    event = Canceled(number=number, at=at, reason=WHY_OVER[rest.terms.time_in_force])
    return Step(replace(book, orders=_without(book, number)), ((event, evolve(rest, event)),))


def see_quote(book: SymbolBook, quote: MarketQuote) -> Step:
    """Take a new quote: its sizes are fresh, its last trade may trigger stops."""
    fresh = replace(book, quote=quote, bid_left=quote.bid_size, ask_left=quote.ask_size)
    return _match(fresh, quote.at) if book.orders else Step(fresh)


def enter_phase(book: SymbolBook, phase: Phase) -> Step:
    """Change the phase. Nobody trades on a quote of the phase before: the next one opens the market."""
    return Step(replace(book, phase=phase, quote=None, bid_left=_NONE, ask_left=_NONE))


def close_auction(book: SymbolBook, official_close: Decimal, at: datetime) -> Step:
    """Fill every order for the close, whole, at the official close, if its limit lets it."""
    return _auction(book, AT_CLOSE, official_close, at)


def open_auction(book: SymbolBook, official_open: Decimal, at: datetime) -> Step:
    """Fill every order for the opening, whole, at the official opening price, if its limit lets it."""
    return _auction(book, AT_OPEN, official_open, at)


def _auction(book: SymbolBook, types: frozenset[OrderType], price: Decimal, at: datetime) -> Step:
    events: list[tuple[VenueOrderEvent, VenueOrder]] = []
    left: list[VenueOrder] = []
    for order in book.orders:
        if order.terms.order_type in types and accepts(order, price):
            order = _fill(book, order, order.leaves, price, Liquidity.TAKER, at, events)
        if order.status not in DONE:
            left.append(order)
    return Step(replace(book, orders=tuple(left)), tuple(events))


def expire(book: SymbolBook, at: datetime) -> Step:
    """Expire every order whose time is over at `at`."""
    if not any(order.expires_at is not None and order.expires_at <= at for order in book.orders):
        return Step(book)
    events: list[tuple[VenueOrderEvent, VenueOrder]] = []
    left: list[VenueOrder] = []
    for order in book.orders:
        if order.expires_at is None or order.expires_at > at:
            left.append(order)
            continue
        event = Expired(number=order.number, at=at, reason=f"{order.terms.time_in_force} order expired")
        events.append((event, evolve(order, event)))
    return Step(replace(book, orders=tuple(left)), tuple(events))


def cancel(book: SymbolBook, number: int, at: datetime, reason: str) -> Step | Refusal:
    """Cancel a working order; the refusal of one that is not in the book is its owner's to word."""
    order = _find(book, number)
    if order is None:
        return Refusal(number, RefusalReason.ORDER_IS_DONE, "the order is not working")
    event = Canceled(number=number, at=at, reason=reason)
    return Step(replace(book, orders=_without(book, number)), ((event, evolve(order, event)),))


def modify(book: SymbolBook, number: int, terms: OrderTerms, at: datetime) -> Step | Refusal:
    """Give a working order new terms; one that grows or changes its price goes to the back of the queue."""
    order = _find(book, number)
    if order is None:
        return Refusal(number, RefusalReason.ORDER_IS_DONE, "the order is not working")
    if terms.quantity <= order.filled:
        text = f"{order.filled} of the order has been filled, so its quantity can not become {terms.quantity}"
        return Refusal(number, RefusalReason.BAD_TERMS, text)
    event = Modified(number=number, at=at, terms=terms)
    modified = evolve(order, event)
    if terms.post_only and _there_for(book, modified):
        return Refusal(number, RefusalReason.BAD_TERMS, WOULD_TAKE)
    only_smaller = terms.quantity <= order.terms.quantity and terms == replace(order.terms, quantity=terms.quantity)
    if only_smaller:
        orders = tuple(modified if each.number == number else each for each in book.orders)
    else:
        modified = _arrived(book, modified)
        orders = (*_without(book, number), modified)
    step = _match(replace(book, orders=orders), at, taker=number)
    return Step(step.book, ((event, modified), *step.events))


def evolve(order: VenueOrder, event: VenueOrderEvent) -> VenueOrder:
    """Return the order after one event of its life."""
    match event:
        case Accepted():
            return replace(order, updated_at=event.at)
        case Triggered():
            return replace(order, status=VenueOrderStatus.TRIGGERED, updated_at=event.at)
        case Filled():
            return replace(
                order,
                status=order.status if event.leaves else VenueOrderStatus.FILLED,
                filled=event.cumulative,
                average_price=event.average_price,
                commission=order.commission + event.commission,
                fills=order.fills + 1,
                updated_at=event.at,
            )
        case Modified():
            return replace(order, terms=event.terms, updated_at=event.at)
        case Canceled():
            return replace(order, status=VenueOrderStatus.CANCELED, reason=event.reason, updated_at=event.at)
        case Expired():
            return replace(order, status=VenueOrderStatus.EXPIRED, reason=event.reason, updated_at=event.at)
        case _:
            return replace(order, status=VenueOrderStatus.REJECTED, reason=event.reason, updated_at=event.at)


def _match(book: SymbolBook, at: datetime, taker: int | None = None) -> Step:
    """Match every order; `taker` is the one that has come just now, all others have rested."""
    quote = book.quote
    if quote is None or book.phase is Phase.CLOSED or not book.orders:
        return Step(book)
    events: list[tuple[VenueOrderEvent, VenueOrder]] = []
    left: list[VenueOrder] = []
    bid_left, ask_left = book.bid_left, book.ask_left
    rests_now = False
    waiting = list(book.orders)
    while waiting:
        order = waiting.pop(0)
        if order.number != taker and order.terms.time_in_force in AT_ONCE:  # the venue died before it had ended it
            event = Canceled(number=order.number, at=at, reason=WHY_OVER[order.terms.time_in_force])
            events.append((event, evolve(order, event)))
            continue
        if not may_trade(order, book.phase, at):
            left.append(order)
            continue
        order = _trigger(book, order, quote, at, events)
        buys = order.terms.side is Side.BUY
        size, price = (ask_left, quote.ask) if buys else (bid_left, quote.bid)
        quantity = share(order, size, rests=order.number != taker)
        if quantity > 0 and accepts(order, price):
            rested = order.terms.order_type in WITH_LIMIT and order.number != taker and not order.is_taking
            liquidity = Liquidity.MAKER if rested else Liquidity.TAKER
            order = _to_limit(_fill(book, order, quantity, price, liquidity, at, events), price, at, events)
            if buys:
                ask_left -= quantity
            else:
                bid_left -= quantity
            if order.terms.oca_group and order.terms.oca_type != groups.REDUCES_WITHOUT_BLOCK:
                waiting, left = _of_group(order, waiting, events), _of_group(order, left, events)
        elif order.is_taking and not accepts(order, price):
            order, rests_now = replace(order, is_taking=False), True
        if order.status not in DONE:
            left.append(order)
    left = _without_block(left, events)
    if not events and not rests_now:
        return Step(book)
    return Step(replace(book, bid_left=bid_left, ask_left=ask_left, orders=tuple(left)), tuple(events))


def _of_group(
    order: VenueOrder, orders: list[VenueOrder], events: list[tuple[VenueOrderEvent, VenueOrder]]
) -> list[VenueOrder]:
    """The orders after the last fill of `order`: those of its group are cancelled or reduced."""
    filled = next(
        event for event, each in reversed(events) if isinstance(event, Filled) and each.number == order.number
    )
    return _grouped(filled, order, orders, events)


def _grouped(
    filled: Filled, by: VenueOrder, orders: list[VenueOrder], events: list[tuple[VenueOrderEvent, VenueOrder]]
) -> list[VenueOrder]:
    concerned = {each.number for each in groups.others(by, orders)}
    kept = []
    for each in orders:
        if each.number in concerned:
            event = groups.after_fill(filled, by, each)
            each = evolve(each, event)
            events.append((event, each))
        if each.status not in DONE:
            kept.append(each)
    return kept


def _without_block(orders: list[VenueOrder], events: list[tuple[VenueOrderEvent, VenueOrder]]) -> list[VenueOrder]:
    """What was filled of groups without overfill protection, taken from the others once all have been matched."""
    for event, by in [*events]:
        if isinstance(event, Filled) and by.terms.oca_type == groups.REDUCES_WITHOUT_BLOCK:
            orders = _grouped(event, by, orders, events)
    return orders


def _arrived(book: SymbolBook, order: VenueOrder) -> VenueOrder:
    """Note whether an order comes to take: its limit is beyond the market."""
    quote = book.quote
    if not book.tells_makers or quote is None or order.terms.order_type not in WITH_LIMIT:
        return order
    return replace(order, is_taking=accepts(order, quote.ask if order.terms.side is Side.BUY else quote.bid))


def _trigger(
    book: SymbolBook,
    order: VenueOrder,
    quote: MarketQuote,
    at: datetime,
    events: list[tuple[VenueOrderEvent, VenueOrder]],
) -> VenueOrder:
    if order.terms.order_type not in TRIGGERED or order.status is VenueOrderStatus.TRIGGERED:
        return order
    price = triggering(order.terms, quote)
    if order.terms.order_type in TRAILING and not has_begun(order.terms, price):
        return order
    terms = trailed(order.terms, price) if order.terms.order_type in TRAILING else order.terms
    if terms is not order.terms:
        moved = Modified(number=order.number, at=at, terms=terms)
        order = evolve(order, moved)
        events.append((moved, order))
    assert terms.stop_price is not None
    waits_for_more = (terms.side is Side.BUY) is not (terms.order_type in IF_TOUCHED)
    reached = price >= terms.stop_price if waits_for_more else price <= terms.stop_price
    if not reached:
        return order
    event = Triggered(number=order.number, at=at)
    order = _arrived(book, evolve(order, event))
    events.append((event, order))
    return order


def _to_limit(
    order: VenueOrder, price: Decimal, at: datetime, events: list[tuple[VenueOrderEvent, VenueOrder]]
) -> VenueOrder:
    """Make a limit order of what the first fill of a market-to-limit order leaves."""
    if order.terms.order_type is not _TO_LIMIT or order.terms.limit_price is not None or order.status in DONE:
        return order
    event = Modified(number=order.number, at=at, terms=replace(order.terms, limit_price=price))
    order = evolve(order, event)
    events.append((event, order))
    return order


def _fill(
    book: SymbolBook,
    order: VenueOrder,
    quantity: Decimal,
    price: Decimal,
    liquidity: Liquidity,
    at: datetime,
    events: list[tuple[VenueOrderEvent, VenueOrder]],
) -> VenueOrder:
    cumulative = order.filled + quantity
    if not book.tells_makers:
        liquidity = Liquidity.UNSTATED
    elif liquidity is Liquidity.MAKER:
        assert order.terms.limit_price is not None
        price = order.terms.limit_price
    event = Filled(
        number=order.number,
        at=at,
        execution_id=f"{order.number:08x}.{order.fills + 1:04d}",
        quantity=quantity,
        price=price,
        cumulative=cumulative,
        leaves=order.terms.quantity - cumulative,
        commission=book.charge(order, quantity, price, liquidity),
        average_price=(order.average_price * order.filled + price * quantity) / cumulative,
        liquidity=liquidity,
    )
    order = evolve(order, event)
    events.append((event, order))
    return order


def _find(book: SymbolBook, number: int) -> VenueOrder | None:
    return next((order for order in book.orders if order.number == number), None)


def _without(book: SymbolBook, number: int) -> tuple[VenueOrder, ...]:
    return tuple(order for order in book.orders if order.number != number)
