"""Flattens that are under way: whether one is over, and what it makes necessary now.

Owns the plan: what works is cancelled (the OMS does that upon the approval, `oms.cancels`), and market by market, once
nothing works there any more, what is held is closed by reduce-only market orders, one at a time, sized by what is held
then. So no exit races with another one. Each closing order is decided like any other and stored like any other; where
that denies it (a market is closed, a venue away), nothing is stored, and it is asked again later. The plan itself is
part of the fold of TRADE: whoever restarts goes on with it. Pure; time comes in.

What can go wrong, and what becomes of it:
- an order does not end (its cancel was refused, it is UNKNOWN), or another one is found at the venue: it is asked again
  to be cancelled, and meanwhile nothing is closed in its market;
- a fill comes late, or a closing order fills in part: the next order closes what is held by then;
- a closing order is refused or fills nothing: another one, after a while that doubles;
- what is held is more than one order may be for: as many as it takes, one after the other;
- its time is over: it says what is left, market by market, and why.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.messages import (
    Decision,
    FlattenEnded,
    FlattenIntent,
    Intent,
    IntentApproved,
    MassCancelIntent,
    NotFlat,
    OrderIntent,
    OrderStatus,
    OrderType,
    Side,
)

from risk import elsewhere
from risk.facts import Request
from risk.positions import in_lots
from risk.prices import market_price
from risk.rates import conversion_rate
from risk.state import ONE, ZERO, Flatten, Holding, Market, RiskState

FLATTEN_SECONDS_MAX = 600
"""How long a flatten is under way that says nothing of it, in desk time."""
SETTLE = timedelta(seconds=1)
"""How long nothing must have worked in a market before what is held is closed: fills that were reported behind the end
of their order have come by then."""
AGAIN_AFTER, AGAIN_AFTER_MAX = timedelta(seconds=2), timedelta(seconds=300)
"""After a closing order that has changed nothing; twice as long after each further one."""
CANCEL_AGAIN_AFTER = timedelta(seconds=10)
"""After a cancel that has not ended what works."""
SPARED_TOLD_MAX = 5
"""Of orders that are in the way so many are named."""
LEFT_MAX = 50
"""Of what is left so many markets are told."""


def covers(intent: FlattenIntent, market: Market) -> bool:
    """Whether a market is among those that a flatten names."""
    wanted = (intent.venue, intent.account, intent.symbol)
    return all(name in ("", its) for name, its in zip(wanted, market, strict=True))


def under_way(state: RiskState, market: Market) -> str:
    """The id of a flatten that is under way in a market; "" = none is."""
    return next((name for name, flatten in state.flattens.items() if covers(flatten.intent, market)), "")


def unsettled(state: RiskState, intent: FlattenIntent) -> dict[Market, int]:
    """The markets in which something is held or works, each with how many orders work there.

    What others have placed does not count, unless the flatten is for that too.
    """
    found: dict[Market, int] = {}
    for (venue, account), books in state.books.items():
        for symbol, held in books.holdings.items():
            if held.quantity and covers(intent, (venue, account, symbol)):
                found[venue, account, symbol] = 0
    for scope, orders in state.working.items():
        venue, account, symbol, _ = scope
        market = (venue, account, symbol)
        spared = 0 if intent.external else state.working_external.get(scope, 0)
        if covers(intent, market) and orders > spared:
            found[market] = found.get(market, 0) + orders - spared
    return dict(sorted(found.items()))


def unknown_books(state: RiskState, intent: FlattenIntent) -> list[Market]:
    """The accounts of which it is not known what they hold: a flatten is not over while there is one."""
    return [
        (venue, account, "")
        for venue, account in sorted(state.rules.accounts)
        if covers(intent, (venue, account, intent.symbol))
        and (state.unread_event or not state.books[venue, account].adopted_source)
    ]


def wanted(state: RiskState, name: str, market: Market, orders: int, at: datetime) -> Intent | str:
    """What is to be asked of risk for a flatten in one market now; or why nothing is, for the time being."""
    flatten = state.flattens[name]
    number = f"{name}.{flatten.orders + 1}"
    if not orders:
        if spared := elsewhere.in_the_way(state, flatten.intent, market):
            flatten.busy[market] = at
            return in_the_way(spared)
        return _closing_waits(state, flatten, market, at) or _closing_order(state, flatten, market, number, at)
    flatten.busy[market] = at
    if not _may_cancel_again(state, flatten, market, at):
        return f"{orders} order{'s work' if orders > 1 else ' works'} there, whose end is waited for"
    venue, account, symbol = market
    external = flatten.intent.external
    return MassCancelIntent(
        id=number, at=at, cause=name, venue=venue, account=account, symbol=symbol, external=external
    )


def in_the_way(spared: list[str]) -> str:
    """Why nothing is closed where somebody else's order works, and what to do."""
    names, are = ", ".join(spared[:SPARED_TOLD_MAX]), "orders placed elsewhere work" if spared[1:] else "works"
    told = f"{len(spared)} {are} there: {names}" if spared[1:] else f"{names}, placed elsewhere, {are} there"
    return f"{told}; it is not cancelled unasked, and could turn what is closed round: cancel it, or flatten --external"


def request_of(flatten: Flatten, intent: Intent, clock_is_stale: bool = False) -> Request:
    """What risk asks of itself, in the name of who sent the flatten."""
    return Request(
        sequence=flatten.sequence,
        stored_at=flatten.stored_at,
        intent=intent,
        by=flatten.by,
        clock_is_stale=clock_is_stale,
        closes=flatten.intent.id,
    )


def ended(state: RiskState, name: str, at: datetime) -> FlattenEnded | None:
    """How a flatten has ended; None = it goes on."""
    flatten = state.flattens[name]
    waits = flatten.waits
    left, unknown = unsettled(state, flatten.intent), unknown_books(state, flatten.intent)
    is_flat = not left and not unknown
    if not is_flat and at <= flatten.until:
        return None
    told = [_not_flat(state, market, orders, waits.get(market, _why(orders))) for market, orders in left.items()]
    told += [_not_flat(state, market, 0, "what the account holds is not known") for market in unknown]
    intent = flatten.intent
    return FlattenEnded(
        id=f"{request_of(flatten, intent).decision_id}.ended",
        at=at,
        cause=name,
        venue=intent.venue,
        account=intent.account,
        symbol=intent.symbol,
        is_flat=is_flat,
        orders=flatten.orders,
        by=flatten.by,
        left=tuple(told[:LEFT_MAX]),
        markets_left=len(told),
    )


def begun(decision: IntentApproved, intent: FlattenIntent) -> Flatten:
    """A flatten, from its approval on."""
    until = intent.valid_until or decision.at + timedelta(seconds=FLATTEN_SECONDS_MAX)
    return Flatten(intent, decision.intent_sequence, decision.intent_stored_at, decision.by, decision.at, until)


def number_of(decision: Decision) -> int:
    """The how manieth it is of all that was approved for its flatten."""
    assert decision.intent is not None
    return int(decision.intent.id.rpartition(".")[2])


def note_try(flatten: Flatten, decision: IntentApproved) -> None:
    """Take in that an order or a cancel was approved for it: how often so, since what is held there has changed."""
    assert decision.basis is not None
    intent, held = decision.intent, decision.basis.position.quantity
    market = (intent.venue, intent.account, intent.symbol)
    closes = isinstance(intent, OrderIntent)
    before = flatten.tries.get((market, closes))
    count = before[0] + 1 if before is not None and before[1] == held else 1
    flatten.tries[market, closes] = (count, held, decision.at)
    flatten.orders += 1


def _why(orders: int) -> str:
    return "what works there has not ended" if orders else "there was no time left to close it"


def _not_flat(state: RiskState, market: Market, orders: int, reason: str) -> NotFlat:
    venue, account, symbol = market
    held = _held(state, market).quantity
    return NotFlat(venue=venue, account=account, symbol=symbol, quantity=held, working_orders=orders, reason=reason)


def _held(state: RiskState, market: Market) -> Holding:
    venue, account, symbol = market
    books = state.books.get((venue, account))
    return books.holdings.get(symbol, Holding()) if books is not None else Holding()


def _may_cancel_again(state: RiskState, flatten: Flatten, market: Market, at: datetime) -> bool:
    """Some order there is not even asked any more, and the last time is a while ago."""
    count, _, last = flatten.tries.get((market, False), (0, ZERO, flatten.began))
    if at < last + _pause(CANCEL_AGAIN_AFTER, count + 1):
        return False
    return any(
        (order.venue, order.account, order.symbol) == market
        and order.status is not OrderStatus.PENDING_CANCEL
        and (flatten.intent.external or not order.external)
        for order in state.orders.values()
    )


def _closing_waits(state: RiskState, flatten: Flatten, market: Market, at: datetime) -> str:
    """Why what is held in a market is not closed just now."""
    busy = flatten.busy.get(market)
    if busy is not None and at < busy + SETTLE:
        return "its orders have just ended: what they filled may still be told"
    count, before, last = flatten.tries.get((market, True), (0, ZERO, flatten.began))
    if count and before == _held(state, market).quantity and at < last + _pause(AGAIN_AFTER, count):
        return f"{count} closing orders have changed nothing: the next one is sent later"
    return ""


def _pause(first: timedelta, count: int) -> timedelta:
    return min(first * (1 << min(count - 1, 16)), AGAIN_AFTER_MAX)


def _closing_order(state: RiskState, flatten: Flatten, market: Market, order_id: str, at: datetime) -> OrderIntent:
    venue, account, symbol = market
    held = _held(state, market).quantity
    side = Side.SELL if held > 0 else Side.BUY
    return OrderIntent(
        id=order_id,
        at=at,
        cause=flatten.intent.id,
        venue=venue,
        account=account,
        symbol=symbol,
        side=side,
        quantity=_piece(state, market, side, abs(held)),
        order_type=OrderType.MARKET,
        reduce_only=True,
        note=flatten.intent.note,
    )


def _piece(state: RiskState, market: Market, side: Side, held: Decimal) -> Decimal:
    """So much of what is held as one order may be for; of what is less than a lot all, which says why it can not be."""
    venue, account, symbol = market
    found, quote = state.instruments.get((venue, symbol)), state.quotes.get((venue, symbol))
    limits, quantity = state.rules.limits_for(venue, account, symbol, "").limits, held
    if quantity > limits.order_quantity_max:
        quantity = limits.order_quantity_max
    if found is None:
        return quantity
    price = market_price(quote.message, side) if quote is not None else None
    books = state.books[venue, account]
    told = books.rates.get(found.message.currency)
    rate = conversion_rate(state.desk, books.currency, found.message.currency, told)
    if price is not None and rate is not None:
        worst = price * (ONE + limits.price_collar_fraction) * found.message.multiplier * rate
        if quantity * worst > limits.order_notional_max:
            quantity = limits.order_notional_max / worst
    return in_lots(quantity, found.message.lot_size) or held
