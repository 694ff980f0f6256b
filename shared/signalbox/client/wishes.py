"""What a program wishes, as the intents of the desk: prices and quantities as it writes them become Decimals.

Owns which order type follows from which terms, and at which venue a symbol trades. What is nonsense is left to risk,
which denies it with a sentence. Pure.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from signalbox.instruments import parse_symbol
from signalbox.messages import (
    Contingency,
    ListLeg,
    OffsetUnit,
    OrderIntent,
    OrderListIntent,
    OrderType,
    PriceOffset,
    Side,
    TimeInForce,
)
from signalbox.order_support import REDUCING
from signalbox.venues import VENUES

Number = Decimal | int | str
"""No float: 0.1 is none of a price's digits."""
Level = Number | PriceOffset
"""A price, or how far from the entry's fill: `away(2, "R")`."""


def number(value: Number) -> Decimal:
    """The value as the desk has it; raises `TypeError` for a float, `ValueError` for what is no number."""
    if isinstance(value, float | bool):
        raise TypeError(f"{value!r} is a {type(value).__name__}: write a price or a quantity as a Decimal or a text")
    try:
        return Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{value!r} is no number") from None


def away(amount: Number, unit: OffsetUnit | str = OffsetUnit.PRICE) -> PriceOffset:
    """So far from the entry's fill, in PRICE (its currency), PERCENT, TICKS or R; above 0 is where it wins."""
    return PriceOffset(amount=number(amount), unit=OffsetUnit(unit))


def new_id(kind: str) -> str:
    """An id that nobody has used; who may have to send the same wish again chooses one and keeps it."""
    return f"{kind}-{secrets.token_hex(8)}"


def venue_of(symbol: str) -> str:
    """The first venue that trades such a symbol: perpetuals are dydx's, everything else is ibkr's."""
    found = parse_symbol(symbol)
    return next(row.name for row in VENUES if row.trades(found))


def order(
    side: Side | str,
    symbol: str,
    quantity: Number,
    *,
    limit: Number | None = None,
    stop: Number | None = None,
    time_in_force: TimeInForce | str = TimeInForce.DAY,
    order_type: OrderType | str | None = None,
    id: str = "",
    venue: str = "",
    **terms: Any,
) -> OrderIntent:
    """An order: MARKET, with `limit` LIMIT, with `stop` STOP, with both STOP_LIMIT, or the type that is named.

    `terms` are further fields of `OrderIntent`, as it has them.
    """
    by_prices = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    return OrderIntent(
        id=id or new_id("i"),
        venue=venue or venue_of(symbol),
        symbol=symbol,
        side=Side(side),
        quantity=number(quantity),
        order_type=OrderType(order_type) if order_type else by_prices[limit is not None, stop is not None],
        limit_price=None if limit is None else number(limit),
        stop_price=None if stop is None else number(stop),
        time_in_force=TimeInForce(time_in_force),
        **terms,
    )


def bracket(
    side: Side | str,
    symbol: str,
    quantity: Number,
    *,
    stop: Level | None = None,
    trail: Number | None = None,
    targets: Iterable[Level | tuple[Level, Number | None]] = (),
    limit: Number | None = None,
    time_in_force: TimeInForce | str = TimeInForce.DAY,
    id: str = "",
    venue: str = "",
    **terms: Any,
) -> OrderListIntent:
    """An entry with its stop and targets; a target is a price, or a price and its share of the quantity (`"0.5"`; None
    = what the others leave). Instead of `stop`, `trail` has it follow the market so far behind (`"2.50"`, `"2%"`).

    The exits are good till cancelled. `terms` are further fields of `OrderListIntent`, as it has them.
    """
    entry = ListLeg(
        name="entry",
        side=Side(side),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        quantity=number(quantity),
        limit_price=None if limit is None else number(limit),
        time_in_force=TimeInForce(time_in_force),
    )
    venue = venue or venue_of(symbol)
    other = Side.SELL if entry.side is Side.BUY else Side.BUY
    # What rests is not taken reduce-only where that is the venue's own: there the target is touched
    kind = OrderType.MARKET_IF_TOUCHED if venue in REDUCING else OrderType.LIMIT
    if (stop is None) is (trail is None):
        raise ValueError("a bracket has a stop or a trail, one of them")
    exits = [_leg("stop", other, OrderType.STOP, stop, None) if stop is not None else _trailing(other, trail or "")]
    for place, target in enumerate(targets, 1):
        level, share = target if isinstance(target, tuple) else (target, None)
        exits.append(_leg(f"target{place}", other, kind, level, share))
    return OrderListIntent(
        id=id or new_id("b"),
        venue=venue,
        symbol=symbol,
        contingency=Contingency.BRACKET,
        legs=(entry, *exits),
        **terms,
    )


def _trailing(side: Side, trail: Number) -> ListLeg:
    """A stop that follows the market: an amount, or with % a percentage."""
    text = str(trail)
    distance = number(text.removesuffix("%"))
    return ListLeg(
        name="stop",
        side=side,
        order_type=OrderType.TRAILING_STOP,
        trail_amount=None if text.endswith("%") else distance,
        trail_percent=distance if text.endswith("%") else None,
        time_in_force=TimeInForce.GTC,
    )


def _leg(name: str, side: Side, order_type: OrderType, level: Level, share: Number | None) -> ListLeg:
    """A stop's distance is one that loses: nobody writes a sign."""
    price: Decimal | None = None
    offset: PriceOffset | None = None
    if isinstance(level, PriceOffset):
        amount = -abs(level.amount) if order_type is OrderType.STOP else level.amount
        offset = PriceOffset(amount=amount, unit=level.unit)
    else:
        price = number(level)
    rests = order_type is OrderType.LIMIT
    return ListLeg(
        name=name,
        side=side,
        order_type=order_type,
        share=None if share is None else number(share),
        limit_price=price if rests else None,
        limit_offset=offset if rests else None,
        stop_price=None if rests else price,
        stop_offset=None if rests else offset,
        time_in_force=TimeInForce.GTC,
    )
