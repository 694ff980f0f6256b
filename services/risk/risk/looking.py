"""Looks everything up that a decision is made on, and nothing else is read for it: the state ends here.

What it finds is kept in the decision (`Basis`), so that whoever has a decision and the rules can make it again. Pure;
it judges nothing: what is missing here is None, and the check that needs it fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import structs
from signalbox.messages import (
    Basis,
    BooksSeen,
    CancelIntent,
    FlattenIntent,
    IdSeen,
    Instrument,
    InstrumentSeen,
    Intent,
    LinkSeen,
    MassCancelIntent,
    MemberSeen,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    OrderSeen,
    PositionIntent,
    PositionSeen,
    VenueLink,
)

from risk import elsewhere, losing, sums
from risk.facts import Request
from risk.flattening import under_way, unsettled
from risk.keeping import ONCE
from risk.margins import raised_margin, stated_rate
from risk.sharing import group_of
from risk.state import (
    ONE,
    RATE_WINDOW,
    ZERO,
    AccountBooks,
    AccountKey,
    Market,
    RiskState,
    Scope,
    Seen,
    WorkingOrder,
    is_flat,
    margin_fraction,
    order_key,
)
from risk.switches import strictest

NO_BOOKS, NO_POSITION = BooksSeen(), PositionSeen()
NOTHING = NO_POSITION.quantity
"""The very default: what is at its default is left out of a message."""
UNSEEN: Seen[Any] = Seen(None, "")


def look(state: RiskState, request: Request, intent: Intent, at: datetime) -> Basis:
    """What a normalised intent is held against at desk time `at`."""
    if isinstance(intent, OrderIntent) and intent.group:
        found = _about_order(state, request, intent, at, intent.strategy)
        return structs.replace(found, members=_members(state, request, intent, at))
    if isinstance(intent, OrderIntent | OrderListIntent | PositionIntent):
        return _about_order(state, request, intent, at, intent.strategy)
    if isinstance(intent, ModifyIntent):
        return _about_change(state, request, intent, at)
    if isinstance(intent, CancelIntent):
        return _about_cancel(state, intent)
    return _about_mass_cancel(state, intent, request.closes)


def _about_order(
    state: RiskState,
    request: Request,
    intent: OrderIntent | OrderListIntent | PositionIntent | ModifyIntent,
    at: datetime,
    strategy: str,
) -> Basis:
    account_key, symbol_key = (intent.venue, intent.account), (intent.venue, intent.symbol)
    books = state.books.get(account_key)
    return Basis(
        rules=state.rules.version,
        limits_version=state.rules.limits_version,
        trade_sequence=state.folded_up_to,
        id_used=_id_used(state, intent.id),
        clock_is_stale=request.clock_is_stale,
        unread_event=state.unread_event,
        switch=(state.trading_state or UNSEEN).kept,
        scope_switch=strictest(state, (*account_key, intent.symbol, strategy)),
        room=(state.room or UNSEEN).kept,
        link=_link(state.links.get(account_key), intent.symbol),
        account=state.accounts.get(account_key, UNSEEN).kept,
        books=_books(state, account_key, intent.symbol, request.by, at) if books is not None else NO_BOOKS,
        instrument=_instrument(state.instruments.get(symbol_key), books),
        position=_position(books, intent.symbol) if books is not None else NO_POSITION,
        quote=state.quotes.get(symbol_key, UNSEEN).kept,
        flatten=under_way(state, (*account_key, intent.symbol)) if state.flattens else "",
        closes=request.closes,
    )


def look_at_id(state: RiskState, intent: Intent | None) -> Basis:
    """All that what can not be judged is held against: whether its id is used up."""
    used = _id_used(state, intent.id) if intent is not None else None
    return Basis(
        rules=state.rules.version,
        limits_version=state.rules.limits_version,
        trade_sequence=state.folded_up_to,
        id_used=used,
    )


def _about_cancel(state: RiskState, intent: CancelIntent) -> Basis:
    key = order_key(intent.venue, intent.account, intent.order_id)
    order, decided = state.orders.get(key), state.known.decided(intent.order_id)
    if order is None and intent.order_id in state.lists:
        order = state.orders[min(state.lists[intent.order_id])]
    of_group = order is not None and order.is_part_of(intent.order_id)
    return Basis(
        rules=state.rules.version,
        limits_version=state.rules.limits_version,
        trade_sequence=state.folded_up_to,
        id_used=_id_used(state, intent.id),
        order=_seen_shortly(order, of_group) if order is not None else None,
        members=tuple([_order_alone(*each) for each in _parts_of(state, intent.order_id)]) if of_group else (),
        ended=state.known.finished(key),
        order_id_used=IdSeen(verdict=decided.verdict, sequence=decided.sequence) if decided is not None else None,
    )


def _seen_shortly(order: WorkingOrder, of_group: bool = False) -> OrderSeen:
    """What says which order it is; one of a group stands for that of the whole."""
    return OrderSeen(
        venue=order.venue,
        account="" if of_group else order.account,
        symbol=order.symbol,
        status=order.status,
        parts=order.parts if of_group else 0,
    )


def _about_change(state: RiskState, request: Request, intent: ModifyIntent, at: datetime) -> Basis:
    """What an order is held against, and the order that is to be changed."""
    key = order_key(intent.venue, intent.account, intent.order_id)
    order, decided = state.orders.get(key), state.known.decided(intent.order_id)
    if order is None and (parts := _parts_of(state, intent.order_id)):
        first = parts[0][1]
        wanted = structs.replace(intent, account="", symbol=first.symbol)
        return structs.replace(
            _about_order(state, request, wanted, at, first.strategy),
            order=_seen_shortly(first, of_group=True),
            members=tuple(
                [_member(state, request, wanted, at, part.account, _number(name), name, part) for name, part in parts]
            ),
        )
    if order is not None and not intent.symbol:
        intent = structs.replace(intent, symbol=order.symbol)
    return structs.replace(
        _about_order(state, request, intent, at, order.strategy if order is not None else ""),
        order=_seen(order) if order is not None else None,
        ended=state.known.finished(key),
        order_id_used=IdSeen(verdict=decided.verdict, sequence=decided.sequence) if decided is not None else None,
    )


def _seen(order: WorkingOrder) -> OrderSeen:
    return OrderSeen(
        venue=order.venue,
        account=order.account,
        symbol=order.symbol,
        status=order.status,
        terms=order.terms,
        open_quantity=order.open_quantity or NOTHING,
        price=order.price,
        is_changing=order.change is not None,
        list_group=order.group_id,
    )


# ------------------------------------------------------------------------------------------- the accounts of a group


def _members(state: RiskState, request: Request, intent: OrderIntent, at: datetime) -> tuple[MemberSeen, ...]:
    """The accounts of the group that an order names."""
    found = group_of(state.rules, intent.venue, intent.group)
    accounts = found.accounts if found is not None else ()
    return tuple([_member(state, request, intent, at, name, number) for number, name in enumerate(accounts, 1)])


def _parts_of(state: RiskState, order_id: str) -> list[tuple[str, WorkingOrder]]:
    """The orders of a group's that work, in the order of its accounts; none where that id is no group's order."""
    parts = [(name, state.orders[name]) for name in state.lists.get(order_id, ())]
    return sorted((each for each in parts if each[1].is_part_of(order_id)), key=lambda each: _number(each[0]))


def _number(part_id: str) -> int:
    return int(part_id.rpartition(".")[2])


def _order_alone(name: str, order: WorkingOrder) -> MemberSeen:
    return MemberSeen(name=order.account, number=_number(name), order_id=name, order=_seen_shortly(order))


def _member(
    state: RiskState,
    request: Request,
    intent: OrderIntent | ModifyIntent,
    at: datetime,
    account: str,
    number: int,
    order_id: str = "",
    order: WorkingOrder | None = None,
) -> MemberSeen:
    key, market = (intent.venue, account), (intent.venue, account, intent.symbol)
    books, told = state.books.get(key), state.accounts.get(key)
    found = state.instruments.get((intent.venue, intent.symbol))
    instrument = _instrument(found, books)
    strategy = order.strategy if order is not None else getattr(intent, "strategy", "")
    return MemberSeen(
        name=account,
        number=number,
        order_id=order_id,
        scope_switch=strictest(state, (*market, strategy)),
        link=_link(state.links.get(key), intent.symbol),
        account=told.kept if told is not None else None,
        net_liquidation=told.message.net_liquidation if told is not None else None,
        currency=told.message.currency if told is not None else "",
        books=_books(state, key, intent.symbol, request.by, at, True) if books is not None else NO_BOOKS,
        instrument=instrument if found is not None and instrument != found.kept else None,
        position=_position(books, intent.symbol) if books is not None else NO_POSITION,
        order=_seen(order) if order is not None else None,
        flatten=under_way(state, market) if state.flattens else "",
    )


def _about_mass_cancel(state: RiskState, intent: MassCancelIntent | FlattenIntent, closes: str) -> Basis:
    held, spared = 0, elsewhere.spared(state, intent)
    if isinstance(intent, FlattenIntent):
        held = sum(bool(_held(state, market)) for market in unsettled(state, intent))
    return Basis(
        rules=state.rules.version,
        limits_version=state.rules.limits_version,
        trade_sequence=state.folded_up_to,
        id_used=_id_used(state, intent.id),
        covered_orders=sum(orders for scope, orders in state.working.items() if _covers(intent, scope)) - spared,
        spared_orders=spared,
        covered_positions=held,
        closes=closes,
    )


def _held(state: RiskState, market: Market) -> Decimal:
    venue, account, symbol = market
    found = state.books[venue, account].holdings.get(symbol)
    return found.quantity if found is not None else ZERO


def _covers(intent: MassCancelIntent | FlattenIntent, scope: Scope) -> bool:
    strategy = intent.strategy if isinstance(intent, MassCancelIntent) else ""
    wanted = (intent.venue, intent.account, intent.symbol, strategy)
    return all(name in ("", found) for name, found in zip(wanted, scope, strict=True))


def _id_used(state: RiskState, name: str) -> IdSeen | None:
    """An id is used up by its first decision, whatever that was, and by an order found at the venue under it."""
    if name not in state.known and name not in state.orders:
        return None
    decided = state.known.decided(name)
    return IdSeen(verdict=decided.verdict, sequence=decided.sequence) if decided is not None else IdSeen()


def _link(found: Seen[VenueLink] | None, symbol: str) -> LinkSeen | None:
    if found is None:
        return None
    kept: LinkSeen = found.kept
    if symbol not in found.message.unread:
        return kept
    return structs.replace(kept, unread=found.message.unread[symbol])


def _books(
    state: RiskState, key: AccountKey, symbol: str, name: str, at: datetime, of_group: bool = False
) -> BooksSeen:
    books = state.books[key]
    return BooksSeen(
        source=books.adopted_source,
        currency=books.currency,
        worst_value=books.worst_value or NOTHING,
        needed_funds=books.needed_funds or NOTHING,
        unconfirmed_funds=_unconfirmed(books) or NOTHING if books.unconfirmed_fills else NOTHING,
        is_unvalued=bool(books.unvalued),
        working_orders=books.working_orders,
        approvals=_lately(books.approvals, at),
        approvals_of_name=_lately(books.approvals_by_name.get(name, ()), at),
        losses=losing.seen(state, key, symbol, at) if state.rules.book.states_losses else None,
        sums=sums.seen(state, key, of_group) if state.rules.book.states_sums else None,
    )


def _unconfirmed(books: AccountBooks) -> Decimal:
    return sum((amount for _, amount in books.unconfirmed_fills), ZERO)


def _lately(approvals: Sequence[datetime], at: datetime) -> int:
    if not approvals or at - approvals[0] < RATE_WINDOW:
        return len(approvals)
    old = 0
    for approved in approvals:
        if at - approved < RATE_WINDOW:
            break
        old += 1
    return len(approvals) - old


def _instrument(found: Seen[Instrument] | None, books: AccountBooks | None) -> InstrumentSeen | None:
    if found is None:
        return None
    kept: InstrumentSeen = found.kept
    if books is None:
        return kept
    told = found.message
    if told.currency != books.currency and told.currency in books.rates:
        kept = structs.replace(kept, rate=books.rates[told.currency])
    if told.symbol in books.margin_fractions or told.symbol in books.margin_rates:
        said = stated_rate(books, told.symbol) if margin_fraction(told) == ONE else None
        kept = structs.replace(
            kept,
            initial_margin=_initial_margin(told, books),
            margin_said_at=books.margin_rates[told.symbol].said_at if said is not None else None,
        )
    return kept


def _initial_margin(told: Instrument, books: AccountBooks) -> Decimal | None:
    """What the instrument says, or more where the venue wants more of this account."""
    fraction = margin_fraction(told)
    raised = raised_margin(books, told.symbol, fraction)
    return raised if raised != fraction else told.initial_margin


def _position(books: AccountBooks, symbol: str) -> PositionSeen:
    held = books.holdings.get(symbol)
    if held is None or is_flat(held):
        return NO_POSITION
    return PositionSeen(
        quantity=held.quantity or NOTHING,
        buying_quantity=held.buying_quantity or NOTHING,
        selling_quantity=held.selling_quantity or NOTHING,
        buying_value=held.buying_value or NOTHING,
        selling_value=held.selling_value or NOTHING,
        unpriced_orders=held.unpriced_orders,
        mark=held.mark,
        multiplier=held.multiplier if held.multiplier != ONCE else ONCE,
        rate=held.rate if held.rate != ONCE else ONCE,
        needed_funds=held.needed_funds or NOTHING,
    )
