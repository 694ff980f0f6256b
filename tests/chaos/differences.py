"""What must hold of what a desk has written down, at any venue: nothing was claimed, told or booked twice or left open.

Pure. It must not know how it was read, nor what has been done to the desk (`campaign`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from oms.snapshots import decide_snapshot
from oms.state import AccountBook
from signalbox.messages import OrderStatus, VenueFill, VenueSnapshot

from tests.chaos.side import Written
from tests.venue.agreement import facts_of


@dataclass(frozen=True)
class Executed:
    """One execution as the venue has it now; `order_id` "" = of none of the desk's orders."""

    execution_id: str
    order_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal


def wrong_claims(written: Written, stranded: Collection[str] = ()) -> list[str]:
    """Each order has one claim, and each claim a number of its own; what is not known is still to be found out.

    Only of `stranded` orders nobody can: the venue has forgotten them, and a person is told.
    """
    claimed = Counter(claim.order.order_id for claim in written.claims)
    wrong = [f"{order_id} was claimed {count} times" for order_id, count in claimed.items() if count > 1]
    numbers = Counter(claim.attempt_id for claim in written.claims)
    wrong += [f"number {number} was used {count} times" for number, count in numbers.items() if count > 1]
    for order_id in written.sent:
        order = written.state.orders.get(order_id)
        if order is None:
            wrong.append(f"{order_id}: the OMS does not have it")
        elif order.status is OrderStatus.UNKNOWN and order_id in stranded:
            continue
        elif order.status in (OrderStatus.UNKNOWN, OrderStatus.PENDING_NEW):
            wrong.append(f"{order_id} is {order.status}")
    return wrong


def wrong_reports(written: Written) -> list[str]:
    """Each report was stored once, and each fact of the venue told once."""
    wrong = [f"{each} was stored twice" for each, n in Counter(each.id for each in written.reports).items() if n > 1]
    told = Counter(facts_of(written.reports))
    return wrong + [f"it was reported {n} times: {fact}" for fact, n in told.items() if n > 1]


def wrong_snapshot(written: Written) -> list[str]:
    """What the venue stated of the account, if it was the last that it said, is no drift: that would be an alarm."""
    if not written.reports or not isinstance(written.reports[-1], VenueSnapshot):
        return []
    return [f"the last snapshot: {drift}" for drift in decide_snapshot(written.state, written.reports[-1]).drift]


def wrong_fills(written: Written, book: AccountBook, executed: Iterable[Executed]) -> list[str]:
    """Every execution of the venue, with its fee, is reported and booked as it is now, for its order, and no other."""
    reported = {each.fill.execution_id for each in written.reports if isinstance(each, VenueFill)}
    there = {each.execution_id: each for each in executed if each.execution_id not in book.adopted_execution_ids}
    wrong = [f"a fill was not reported: {there[each]}" for each in there.keys() - reported]
    wrong += [f"a fill that the venue has not: {each}" for each in reported - there.keys()]
    filled: Counter[str] = Counter()
    for execution_id, fill in there.items():
        execution, fee = book.executions.get(execution_id), book.fees.get(execution_id)
        price = fill.price if fill.quantity else Decimal(0)  # what is taken back has none
        if execution is None or (execution.fill.quantity, execution.fill.price) != (fill.quantity, price):
            wrong.append(f"booked otherwise: {fill} {execution}")
        elif fill.order_id and execution.order_id != fill.order_id:
            wrong.append(f"a fill of {fill.order_id} is booked for {execution.order_id}")
        if fee is None or fee.commission != fill.fee:
            wrong.append(f"another fee: {fill} {fee}")
        filled[fill.order_id] += fill.quantity  # type: ignore[assignment]
    for order_id in written.sent:
        order = written.state.orders.get(order_id)
        if order is not None and order.filled_quantity != filled[order_id]:
            wrong.append(f"{order_id} has filled {order.filled_quantity} at the desk, {filled[order_id]} at the venue")
        if order is not None and order.order is not None and filled[order_id] > order.order.quantity:
            wrong.append(f"{order_id} has filled {filled[order_id]} of {order.order.quantity}")
    return wrong


def wrong_positions(book: AccountBook, positions: Mapping[str, Decimal]) -> list[str]:
    """What is held, by symbol."""
    ours = {name: symbol.holding.quantity for name, symbol in book.symbols.items() if symbol.holding.quantity}
    theirs = {name: quantity for name, quantity in positions.items() if quantity}
    return [f"positions: {ours} at the desk, {theirs} at the venue"] * (ours != theirs)


def wrong_cash(book: AccountBook, cash: Mapping[str, Decimal]) -> list[str]:
    """Cash, each currency by itself."""
    ours = {currency: amount for currency, amount in book.cash.items() if amount}
    theirs = {currency: amount for currency, amount in cash.items() if amount}
    return [f"cash: {ours} at the desk, {theirs} at the venue"] * (ours != theirs)
