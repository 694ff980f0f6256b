"""In what the desk's streams and IBKR differ: orders, their ends, fills and fees, as sentences.

Pure. It must not know how either was read, nor what has been done to them (`campaign`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from oms.state import OrderState
from signalbox.exchange.orders import DONE, VenueOrderStatus
from signalbox.messages import OrderStatus, TimeInForce
from signalbox.sessions import trading_day

from tests.chaos.differences import Executed
from tests.chaos.side import Written

ENDS = {
    VenueOrderStatus.FILLED: (OrderStatus.FILLED,),
    VenueOrderStatus.CANCELED: (OrderStatus.CANCELED,),
    VenueOrderStatus.EXPIRED: (OrderStatus.EXPIRED, OrderStatus.CANCELED),
    VenueOrderStatus.REJECTED: (OrderStatus.REJECTED,),
}
"""An order whose cancel was under way at its day's end has been cancelled, for all that TWS says."""
CALENDARS = {"SPY": "XNYS", "AAPL": "XNYS", "0700.HK": "XHKG"}
CUT_SHORT = (VenueOrderStatus.CANCELED, OrderStatus.EXPIRED)
"""TWS has one word for both: who cancels an order by hand within a minute of its end is taken for the end."""
REDUCED = (VenueOrderStatus.FILLED, OrderStatus.CANCELED)
"""All is filled that its OCA group has left it: for the desk the rest of it is cancelled."""
NEVER_WORKED = (OrderStatus.REJECTED, OrderStatus.CANCELED)
"""How an order ends that the market has never seen: refused, never sent, or cancelled while TWS held it."""


def wrong_orders(
    written: Written,
    orders: Sequence[Mapping[str, Any]],
    held: Sequence[str],
    corrected: Collection[str],
    *,
    ended: bool,
) -> list[str]:
    """Compare each intent with its one order at the venue, or with none.

    `held` are those that TWS keeps back, `corrected` those of which some was taken back: who heard of that first has
    them canceled.
    """
    references = [order["client_reference"] for order in orders if order["client_reference"]]
    wrong = [f"{each} was placed {n} times" for each, n in Counter([*references, *held]).items() if n > 1]
    claimed = {claim.order.order_id for claim in written.claims}
    wrong += [f"an order that nobody claimed: {each}" for each in (*references, *held) if each not in claimed]
    there = {order["client_reference"]: order for order in orders}
    lasting = {claim.order.order_id for claim in written.claims if claim.order.time_in_force is not TimeInForce.GTC}
    for order_id in written.sent:
        order = written.state.orders.get(order_id)
        if order is None or order.status is OrderStatus.UNKNOWN:
            continue  # told already, unless it is `stranded`
        if order_id in held:
            expected = order.status is OrderStatus.HELD or order.status is OrderStatus.PENDING_CANCEL
        elif order_id not in there:
            expected = order.status in NEVER_WORKED or (order_id in lasting and order.status is OrderStatus.EXPIRED)
        elif (status := VenueOrderStatus(there[order_id]["status"])) in DONE:
            expected = order.status in ENDS[status]
            expected = expected or (order_id in corrected and order.status is OrderStatus.CANCELED)
            expected = expected or (order_id in lasting and (status, order.status) == CUT_SHORT)
            expected = expected or (_is_reduced(order) and (status, order.status) == REDUCED)
        elif status is VenueOrderStatus.HELD:
            expected = not order.is_final
        else:
            expected = not order.is_final and order.status is not OrderStatus.HELD
        if not expected or (ended and not order.is_final):
            wrong.append(f"{order_id} is {order.status} at the desk; at the venue: {there.get(order_id)}")
    return wrong


def _is_reduced(order: OrderState) -> bool:
    """Whether another order of its group may have taken something from it."""
    return order.order is not None and order.order.part is not None and order.order.part.contingency is not None


def stranded(written: Written, orders: Sequence[Mapping[str, Any]], at: datetime) -> set[str]:
    """The orders that may well be UNKNOWN: IBKR has none, and if they were sent, it was on a day that is over."""
    there = {order["client_reference"] for order in orders}
    return {
        claim.order.order_id
        for claim in written.claims
        if claim.order.order_id not in there
        and trading_day(CALENDARS[claim.order.symbol], claim.at) != trading_day(CALENDARS[claim.order.symbol], at)
    }


def executed(told: Sequence[Mapping[str, Any]]) -> list[Executed]:
    """The venue's executions, as it tells them now."""
    return [
        Executed(
            execution_id=each["execution_id"],
            order_id=each["client_reference"],
            quantity=Decimal(each["quantity"]),
            price=Decimal(each["price"]),
            fee=Decimal(each["commission"]),
        )
        for each in told
    ]


def positions(told: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """What the executions make, by symbol."""
    held: dict[str, Decimal] = {}
    for each in told:
        signed = Decimal(each["quantity"]) * (1 if each["side"] == "BUY" else -1)
        held[each["symbol"]] = held.get(each["symbol"], Decimal(0)) + signed
    return held
