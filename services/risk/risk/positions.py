"""How large the order is that a wish for a position comes to: by what is held and by what works already.

Owns the arithmetic, and why a wish makes no sense as things are. Whatever works counts as if it fills: of what is held
only so much may be sold as no working order sells already, and what is being bought is bought once. So of two wishes
the second is sized on top of the first, however soon it comes, and neither turns a position round. Pure; it must not
know limits, prices or hours: the order is held against those like any other.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from msgspec import Struct
from signalbox.messages import (
    Basis,
    InstrumentSeen,
    OrderIntent,
    OrderType,
    PositionAction,
    PositionIntent,
    PositionSeen,
    Side,
)
from signalbox.order_support import why_refused

from risk.state import ZERO
from risk.wording import plain

_TARGET = PositionAction.TARGET
_OPEN = frozenset({PositionAction.OPEN_LONG, PositionAction.OPEN_SHORT})
_ADD = frozenset({PositionAction.ADD_LONG, PositionAction.ADD_SHORT})
_CLOSE = frozenset({PositionAction.CLOSE_LONG, PositionAction.CLOSE_SHORT})
_LONG = frozenset(
    {PositionAction.OPEN_LONG, PositionAction.ADD_LONG, PositionAction.REDUCE_LONG, PositionAction.CLOSE_LONG}
)


class Sized(Struct, frozen=True, kw_only=True):
    """The order that a wish comes to; without one either `why_not`, or the position is there already."""

    order: OrderIntent | None = None
    why_not: str = ""


class _Wish(Struct, frozen=True):
    """So much is to be traded: `quantity` > 0 buys; `reduces` = it can but make the position smaller."""

    quantity: Decimal = ZERO
    reduces: bool = False
    why_not: str = ""


def size(basis: Basis, intent: PositionIntent, at: datetime) -> Sized:
    """Size a normalised wish by what the desk knew at desk time `at`."""
    instrument, held = basis.instrument, basis.position
    why_not = _contradiction(intent) or _not_known(basis, intent)
    if why_not or instrument is None:
        return Sized(why_not=why_not)
    wish = _to_target(intent, held) if intent.action is _TARGET else _by_action(intent, held)
    if wish.why_not:
        return Sized(why_not=wish.why_not)
    quantity = in_lots(abs(wish.quantity), instrument.lot_size)
    if quantity:
        return Sized(order=_order(intent, instrument, wish, quantity, at))
    if intent.action is _TARGET:
        return Sized()
    return Sized(
        why_not=f"{plain(abs(wish.quantity))} {intent.symbol} is less than one lot of {plain(instrument.lot_size)}: "
        "there is nothing that could be ordered"
    )


def in_lots(quantity: Decimal, lot_size: Decimal) -> Decimal:
    """The whole lots of a quantity; nothing where no lot is known."""
    if not lot_size.is_finite() or lot_size <= 0:
        return ZERO
    return (quantity / lot_size).to_integral_value(ROUND_DOWN) * lot_size


def _contradiction(intent: PositionIntent) -> str:
    """Why the wish says too much or too little ("" = it does not)."""
    action, quantity, share = intent.action, intent.quantity, intent.share
    if action is _TARGET:
        if quantity is None or share is not None:
            return "TARGET needs the quantity that the position is to have (negative = short), and no share"
        return ""
    if action in _CLOSE:
        if quantity is not None or share is not None:
            return (
                f"{action} closes all of it: leave quantity and share away, or use {action.replace('CLOSE', 'REDUCE')}"
            )
        return ""
    if action in _OPEN and share is not None:
        return f"{action} begins a position: there is nothing yet to take a share of; say a quantity"
    if (quantity is None) == (share is None):
        return f"{action} needs a quantity, or a share of the position: one of the two"
    if quantity is not None and quantity <= 0:
        return f"the quantity is {plain(quantity)}: it must be above zero; the action says which way"
    if share is not None and (share <= 0 or share > 1):
        return f"the share is {plain(share)}: it must be above 0 and at most 1, which is all of the position"
    return ""


def _not_known(basis: Basis, intent: PositionIntent) -> str:
    """Without the books nobody knows what is held, and without the instrument not what a lot is."""
    if basis.unread_event:
        return f"the order event at {basis.unread_event} can not be read: the position in {intent.symbol} is not known"
    if not basis.books.source:
        return f"the desk has not taken over the books of account {intent.account} yet: what is held is not known"
    if basis.instrument is None:
        return f"{intent.venue} has not said what {intent.symbol} is: what one lot is, is not known"
    return ""


def _to_target(intent: PositionIntent, held: PositionSeen) -> _Wish:
    """What is missing beyond what works already; what works must not be able to carry the position past it."""
    target, now = intent.quantity or ZERO, held.quantity
    highest, lowest = now + held.buying_quantity, now - held.selling_quantity
    if target == now:
        return _there_already(intent, held, highest, lowest)
    missing = target - highest if target > now else target - lowest
    if (missing > 0) is not (target > now) or not missing:
        end = highest if target > now else lowest
        what = "to buy" if target > now else "to sell"
        works = held.buying_quantity if target > now else held.selling_quantity
        return _Wish(
            why_not=f"orders {what} {plain(works)} {intent.symbol} work already, which may bring the position from "
            f"{plain(now)} to {plain(end)}: wait for them, or cancel them first"
        )
    return _Wish(missing, reduces=abs(target) < abs(now) and target * now >= 0)


def _there_already(intent: PositionIntent, held: PositionSeen, highest: Decimal, lowest: Decimal) -> _Wish:
    """Nothing to do, unless what works could carry it away; what only takes it home again (a stop) may work."""
    now = held.quantity
    exits_only = (highest == now and lowest >= 0) if now > 0 else (lowest == now and highest <= 0)
    if exits_only:
        return _Wish()
    return _Wish(
        why_not=f"the position in {intent.symbol} is {plain(now)} now, but orders work that may bring it to "
        f"{plain(highest)} or {plain(lowest)}: wait for them, or cancel them first"
    )


def _by_action(intent: PositionIntent, held: PositionSeen) -> _Wish:
    """One of the eight verbs, all said of a long position: of a short one everything is the other way round."""
    action, is_long = intent.action, intent.action in _LONG
    sign = 1 if is_long else -1
    mine = held.quantity * sign
    growing, shrinking = held.buying_quantity, held.selling_quantity
    if not is_long:
        growing, shrinking = shrinking, growing
    if action in _OPEN:
        wish = _opened(intent, held, mine)
    elif action in _ADD:
        wish = _added(intent, held, mine, growing)
    else:
        wish = _reduced(intent, held, mine, shrinking)
    return wish if is_long or wish.why_not else _Wish(-wish.quantity, wish.reduces)


def _opened(intent: PositionIntent, held: PositionSeen, mine: Decimal) -> _Wish:
    if mine > 0:
        other = intent.action.replace("OPEN", "ADD")
        return _Wish(why_not=f"{_has(intent, held)}: use {other} to make it larger")
    if mine < 0:
        return _Wish(
            why_not=f"{_has(intent, held)}, the other way round: close it first, or use TARGET to turn it round"
        )
    if held.buying_quantity or held.selling_quantity:
        return _Wish(
            why_not=f"{_works(intent, held)}: a position is begun where nothing else is under way; "
            "wait for them, or cancel them first"
        )
    return _Wish(intent.quantity or ZERO)


def _added(intent: PositionIntent, held: PositionSeen, mine: Decimal, growing: Decimal) -> _Wish:
    if mine <= 0:
        other = intent.action.replace("ADD", "OPEN")
        return _Wish(why_not=f"{_has(intent, held)}: there is nothing to add to; use {other} to begin a position")
    if intent.share is None:
        return _Wish(intent.quantity or ZERO)
    if growing:
        return _Wish(
            why_not=f"{_works(intent, held)}: a share of a position that still grows is no size; say a quantity"
        )
    return _Wish(mine * intent.share)


def _reduced(intent: PositionIntent, held: PositionSeen, mine: Decimal, shrinking: Decimal) -> _Wish:
    if mine <= 0:
        return _Wish(why_not=f"{_has(intent, held)}: there is nothing to reduce")
    left = mine - shrinking
    if left <= 0:
        return _Wish(
            why_not=f"{_has(intent, held)}, and {_works(intent, held)}: nothing is left to reduce; "
            "cancel them first, or flatten"
        )
    if intent.share is not None:
        wanted = left * intent.share
    else:
        wanted = left if intent.quantity is None else min(intent.quantity, left)
    return _Wish(-wanted, reduces=True)


def _has(intent: PositionIntent, held: PositionSeen) -> str:
    return f"the position in {intent.symbol} is {plain(held.quantity)}"


def _works(intent: PositionIntent, held: PositionSeen) -> str:
    buying, selling = plain(held.buying_quantity), plain(held.selling_quantity)
    return f"orders in {intent.symbol} work already (to buy {buying}, to sell {selling})"


def _order(
    intent: PositionIntent, instrument: InstrumentSeen, wish: _Wish, quantity: Decimal, at: datetime
) -> OrderIntent:
    """The order itself: reduce-only where it reduces and the venue takes that.

    It is as old as the wish, unless that may wait until a time of its own.
    """
    waits = intent.valid_until is not None and intent.at <= at
    terms = {
        "id": intent.id,
        "at": at if waits else intent.at,
        "cause": intent.cause,
        "venue": intent.venue,
        "symbol": intent.symbol,
        "side": Side.BUY if wish.quantity > 0 else Side.SELL,
        "quantity": quantity,
        "order_type": OrderType.MARKET if intent.limit_price is None else OrderType.LIMIT,
        "limit_price": intent.limit_price,
        "time_in_force": intent.time_in_force,
        "account": intent.account,
        "valid_until": intent.valid_until,
        "strategy": intent.strategy,
        "note": intent.note,
    }
    order = OrderIntent(**terms, reduce_only=wish.reduces)  # type: ignore[arg-type]
    if wish.reduces and why_refused(intent.venue, instrument.kind, order):
        return OrderIntent(**terms)  # type: ignore[arg-type]
    return order
