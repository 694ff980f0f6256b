"""What an account's orders and positions may come to: the sums that are kept with every change.

Owns the arithmetic of a holding inside its account, and how a state that was written down is reckoned anew. It must not
know events or decisions (`risk.evolve`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from signalbox.messages import NEVER, Side

from risk import losing, sums
from risk.account_ages import FUNDS, said_at
from risk.margins import raised_margin, rates_by_symbol
from risk.prices import mark_price
from risk.rates import conversion_rate
from risk.state import (
    BUY,
    ZERO,
    AccountBooks,
    AccountKey,
    Group,
    Holding,
    RiskState,
    WorkingOrder,
    funds_of_writing,
    is_flat,
    margin_fraction,
    short_margin,
    values,
    worst_value,
)

INFINITE = Decimal("Infinity")


def holding_of(state: RiskState, books: AccountBooks, venue: str, symbol: str) -> Holding:
    """The position in a symbol, which begins here if there is none."""
    holding = books.holdings.get(symbol)
    if holding is None:
        holding = books.holdings[symbol] = Holding()
        observe(state, holding, venue, symbol)
        settle_terms(state, books, symbol, holding)
    return holding


def observe(state: RiskState, holding: Holding, venue: str, symbol: str) -> None:
    """Take over what is known of the symbol beside TRADE."""
    instrument = state.instruments.get((venue, symbol))
    if instrument is not None:
        holding.currency = instrument.message.currency
        holding.multiplier = instrument.message.multiplier
        holding.margin_fraction = margin_fraction(instrument.message)
        holding.short_margin = short_margin(instrument.message)
    quote = state.quotes.get((venue, symbol))
    if quote is not None:
        holding.mark = mark_price(quote.message) or holding.mark


def count_open(holding: Holding, order: WorkingOrder, times: int) -> None:
    """Count what may still fill of an order (`times` 1), or no more (-1)."""
    _count(holding, order.side, order.worst_quantity, order.worst_value, times)


def _count(holding: Holding, side: Side, quantity: Decimal, value: Decimal | None, times: int) -> None:
    if times < 0:
        quantity = -quantity
    if value is None:
        holding.unpriced_orders += times
    elif side is BUY:
        holding.buying_value += value if times > 0 else -value
    else:
        holding.selling_value += value if times > 0 else -value
    if side is BUY:
        holding.buying_quantity += quantity
    else:
        holding.selling_quantity += quantity


def settle_terms(state: RiskState, books: AccountBooks, symbol: str, holding: Holding) -> None:
    """Take over what has changed of a symbol's money, or of its account's, and value the holding by it."""
    said = books.rates.get(holding.currency)
    holding.rate = conversion_rate(state.desk, books.currency, holding.currency, said)
    holding.funds_fraction = raised_margin(books, symbol, holding.margin_fraction)
    revalue(books, symbol, holding)
    losing.settle(books, symbol, holding)


def revalue(books: AccountBooks, symbol: str, holding: Holding) -> None:
    """Bring the values of a holding, and with them the sums of its account, up to date."""
    is_open = not is_flat(holding)
    found = values(holding) if is_open else (ZERO, ZERO, ZERO)
    if found is None:
        books.unvalued.add(symbol)
        worst = held = ZERO
    else:
        books.unvalued.discard(symbol)
        worst, held = worst_value(*found), abs(found[0])
    needed = (worst - held) * holding.funds_fraction
    if holding.short_margin:
        needed = max(needed, funds_of_writing(holding, holding.short_margin))
    sums.count(books.sums, holding.sums, is_open, found or (ZERO, ZERO, ZERO))
    books.worst_value += worst - holding.worst_value
    books.needed_funds += needed - holding.needed_funds
    holding.worst_value, holding.held_value, holding.needed_funds = worst, held, needed


def work(state: RiskState, books: AccountBooks, key: str, order: WorkingOrder) -> None:
    """Count an order that works from now on."""
    state.orders[key] = order
    scope = order.scope
    state.working[scope] = state.working.get(scope, 0) + 1
    if order.external:
        state.working_external[scope] = state.working_external.get(scope, 0) + 1
    books.working_orders += 1
    if order.list_id:
        state.lists.setdefault(order.list_id, set()).add(key)
    holding = holding_of(state, books, order.venue, order.symbol)
    if order.group_id:
        group = state.groups.setdefault(order.group_id, Group(order.open_quantity))
        group.orders[key] = order
        count_group(holding, group)
    else:
        count_open(holding, order, 1)
    revalue(books, order.symbol, holding)


def count_group(holding: Holding, group: Group) -> None:
    """Count of orders that depend on each other the one that may come to most, on each side, and no more than is left.

    One whose price is not known may come to anything.
    """
    for counted in group.counted:
        _count(holding, *counted, -1)
    group.counted.clear()
    for side in Side:
        worst: tuple[Side, Decimal, Decimal | None] | None = None
        for order in group.orders.values():
            if order.side is side:
                found = side, *_within(order, max(group.left, ZERO))
                if worst is None or _size(found[2]) > _size(worst[2]):
                    worst = found
        if worst is not None:
            group.counted.append(worst)
            _count(holding, *worst, 1)


def _within(order: WorkingOrder, left: Decimal) -> tuple[Decimal, Decimal | None]:
    """What may still fill of an order of which no more than `left` does, and its worst value."""
    quantity, value = order.worst_quantity, order.worst_value
    if value is None or quantity <= left:
        return min(quantity, left), value
    prices = (order.price, order.change.price if order.change is not None else None)
    return left, left * max(price for price in prices if price is not None)  # no quotient: what is added is taken off


def _size(value: Decimal | None) -> Decimal:
    return INFINITE if value is None else value


def end(state: RiskState, books: AccountBooks, key: str) -> WorkingOrder:
    """Count an order no more."""
    order = state.orders.pop(key)
    scope = order.scope
    state.working[scope] -= 1
    if not state.working[scope]:
        del state.working[scope]
    if order.external:
        state.working_external[scope] -= 1
        if not state.working_external[scope]:
            del state.working_external[scope]
    books.working_orders -= 1
    if order.list_id:
        state.lists[order.list_id].discard(key)
        if not state.lists[order.list_id]:
            del state.lists[order.list_id]
    holding = holding_of(state, books, order.venue, order.symbol)
    group = state.groups.get(order.group_id)
    if group is None:
        count_open(holding, order, -1)
    else:
        del group.orders[key]
        count_group(holding, group)
        if not group.orders:
            del state.groups[order.group_id]
    order.change = None
    revalue(books, order.symbol, holding)
    return order


def alter(state: RiskState, books: AccountBooks, order: WorkingOrder, **terms: Any) -> None:
    """Give a working order other figures, and count it by those from now on."""
    holding = holding_of(state, books, order.venue, order.symbol)
    group = state.groups.get(order.group_id)
    if group is None:
        count_open(holding, order, -1)
    for name, value in terms.items():
        setattr(order, name, value)
    if group is None:
        count_open(holding, order, 1)
    else:
        count_group(holding, group)
    revalue(books, order.symbol, holding)


def books_of(state: RiskState, key: AccountKey) -> AccountBooks:
    """The books of an account, which begin here if there are none."""
    books = state.books.get(key)
    if books is None:
        books = state.books[key] = AccountBooks()
    return books


def restore_books(state: RiskState, key: AccountKey, books: AccountBooks, orders: Mapping[str, WorkingOrder]) -> None:
    """Take on what TRADE has said of an account and its working `orders`, and reckon anew what follows from it."""
    venue, _ = key
    state.books[key] = books
    known = state.accounts.get(key)
    books.rates = known.message.rates if known is not None else {}
    books.margin_fractions = known.message.initial_margin_fractions if known is not None else {}
    books.margin_rates = rates_by_symbol(known.message) if known is not None else {}
    for symbol, held in books.holdings.items():
        held.mark = held.traded_mark
        observe(state, held, venue, symbol)
        settle_terms(state, books, symbol, held)
    losing.watch_all(state, books, venue)
    for name, order in orders.items():
        if (order.venue, order.account) == key:
            work(state, books, name, order)
    funds_at = said_at(known.message, FUNDS) if known is not None else NEVER
    while books.unconfirmed_fills and books.unconfirmed_fills[0][0] < funds_at:
        books.unconfirmed_fills.popleft()


def note_traded(holding: Holding, price: Decimal) -> None:
    """The first price of a symbol that TRADE has is its value while nobody says another."""
    if price > 0:
        holding.traded_mark = holding.traded_mark or price
        holding.mark = holding.mark or price
