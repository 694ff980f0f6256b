"""What each trade did to its position, as `/v4/tradeHistory` tells it: pure, from the fills alone.

Owns the life of a position from flat to flat: its entry price, and what it has earned and cost so far. A trade is all
that one order filled in one block; one that turns a position over is two: what closed the old one, what opened the new
one. It must not know whose fills they are, nor pages.

Source: `indexer/services/comlink/src/lib/trade-history.ts` of dydxprotocol/v4-chain; quotients have 20 places there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from msgspec import Struct
from signalbox.messages import Side

from simulators.dydx.records import ChainFill, ChainOrder
from simulators.dydx.shapes import Json, iso, text

_ZERO = Decimal(0)
_QUOTIENT = Decimal("1e-20")
_DIGITS_MAX = 100
"""Enough for a quotient of 20 places times any size to be exact."""


class _Trade(Struct, frozen=True, kw_only=True):
    """A trade, or the part of one that closed (or opened) a position. `size` is signed: above 0 buys."""

    id: str
    size: Decimal
    price: Decimal
    fee: Decimal
    first: ChainFill


@dataclass
class _Position:
    """One position's life so far; flat, it is as new."""

    size: Decimal = _ZERO
    entry_price: Decimal = _ZERO
    pnl: Decimal = _ZERO
    fee: Decimal = _ZERO
    closed_cost: Decimal = _ZERO
    """What the part that is closed had cost, at entry prices."""


def trade_history(fills: Iterable[ChainFill], orders: Mapping[str, ChainOrder]) -> list[Json]:
    """Return every trade of `fills` (oldest first) with what it did, newest first."""
    of_position: dict[tuple[str, int, str], list[ChainFill]] = {}
    for fill in fills:
        of_position.setdefault((fill.address, fill.subaccount_number, fill.ticker), []).append(fill)
    rows = []
    with localcontext() as context:
        context.prec = _DIGITS_MAX
        for chosen in of_position.values():
            position = _Position()
            for group in _groups(chosen):
                for trade in _parts(group, position.size):
                    rows.append(_row(trade, position, orders))
                    if not position.size:
                        position = _Position()
    # In one block the new position comes before the old one's end: ":open" is after ":close" in the alphabet
    return sorted(rows, key=lambda row: (row["time"], row["id"]), reverse=True)


def _groups(fills: Iterable[ChainFill]) -> list[list[ChainFill]]:
    """Put together what one order filled in one block; a liquidation has no order, each of its fills is a trade."""
    groups: dict[tuple[str, int], list[ChainFill]] = {}
    for fill in fills:
        groups.setdefault((fill.order_id or fill.id, fill.created_at_height), []).append(fill)
    return list(groups.values())


def _parts(group: Sequence[ChainFill], before: Decimal) -> list[_Trade]:
    """Return the trade of some fills as it meets a position of signed size `before`: one, or two if it turns it."""
    first, total = group[0], sum((fill.size for fill in group), _ZERO)
    price = _quotient(sum((fill.price * fill.size for fill in group), _ZERO), total)
    fee = sum((fill.fee for fill in group), _ZERO)
    size = total if first.side is Side.BUY else -total
    id_ = f"{first.order_id}:{first.created_at_height}" if first.order_id else first.id
    if before * size >= 0 or total <= abs(before):
        return [_Trade(id=id_, size=size, price=price, fee=fee, first=first)]
    closing_fee = _quotient(fee * abs(before), total)
    return [
        _Trade(id=f"{id_}:close", size=-before, price=price, fee=closing_fee, first=first),
        _Trade(id=f"{id_}:open", size=before + size, price=price, fee=fee - closing_fee, first=first),
    ]


def _row(trade: _Trade, position: _Position, orders: Mapping[str, ChainOrder]) -> Json:
    """Let a trade change its position, and return what is told of both."""
    before = position.size
    position.size += trade.size
    position.fee += trade.fee
    if before * trade.size >= 0:
        cost = position.entry_price * abs(before) + trade.price * abs(trade.size)
        position.entry_price = _quotient(cost, abs(position.size)) if before else trade.price
    else:
        position.pnl -= (trade.price - position.entry_price) * trade.size
        position.closed_cost += position.entry_price * abs(trade.size)
    first = trade.first
    order = orders.get(first.order_id)
    return {
        "id": trade.id,
        "subaccountNumber": first.subaccount_number,
        "action": _action(before, position.size, is_liquidation=not first.order_id),
        "executionPrice": text(trade.price),
        "entryPrice": text(position.entry_price),
        "side": first.side.value,
        "positionSide": None if not position.size else "LONG" if position.size > 0 else "SHORT",
        "prevSize": text(abs(before)),
        "additionalSize": text(trade.size),
        "value": text(abs(trade.size) * trade.price),
        "orderType": None if order is None else order.type,
        "netFee": text(position.fee),
        "netRealizedPnl": text(position.pnl),
        "netRealizedPnlPercent": text(_quotient(position.pnl, position.closed_cost)) if position.closed_cost else None,
        "time": iso(first.created_at),
        "orderId": first.order_id or None,
        "marketId": first.ticker,
        "marginMode": "CROSS",
    }


def _action(before: Decimal, after: Decimal, *, is_liquidation: bool) -> str:
    if not before:
        return "OPEN"
    if abs(after) > abs(before):
        return "EXTEND"
    closed = "PARTIAL_CLOSE" if after else "CLOSE"
    return f"LIQUIDATION_{closed}" if is_liquidation else closed


def _quotient(number: Decimal, divisor: Decimal) -> Decimal:
    return (number / divisor).quantize(_QUOTIENT, rounding=ROUND_HALF_UP)
