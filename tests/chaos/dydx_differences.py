"""In what the desk's streams and the chain differ: orders, fills, fees, funding, positions and cash, as sentences.

Pure. It must not know how either was read, nor what has been done to them (`dydx_campaign`).
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from oms.state import AccountBook, State
from signalbox.messages import LedgerClaimed, OrderStatus, VenueFill
from simulators.dydx.commands import EXTERNAL_CLIENT_ID_MIN

WORKING = ("BEST_EFFORT_OPENED", "OPEN", "UNTRIGGERED")


def wrong_orders(
    sent: list[str], state: State, claims: list[LedgerClaimed], orders: list[dict[str, Any]], *, ended: bool
) -> list[str]:
    """Compare each intent with its one order on the chain; `ended`: none may work any more."""
    wrong = []
    claimed = Counter(claim.order.order_id for claim in claims)
    wrong += [f"{order_id} was claimed {count} times" for order_id, count in claimed.items() if count > 1]
    numbers = Counter(claim.attempt_id for claim in claims)
    wrong += [f"client id {number} was used {count} times" for number, count in numbers.items() if count > 1]
    by_id = {order["id"]: order for order in orders}
    wrong += [f"an order was placed twice: {len(orders)} of {len(by_id)}"] * (len(orders) != len(by_id))
    known = {claim.venue_order_id for claim in claims}
    wrong += [
        f"an order that nobody claimed: {order}"
        for order in orders
        if order["id"] not in known and order["client_id"] < EXTERNAL_CLIENT_ID_MIN
    ]
    venue_id = {claim.order.order_id: claim.venue_order_id for claim in claims}
    for order_id in sent:
        order = state.orders.get(order_id)
        if order is None:
            wrong.append(f"{order_id}: the OMS does not have it")
            continue
        there = by_id.get(venue_id.get(order_id, ""))
        works = there is not None and there["status"] in WORKING
        if order.is_final == works or (ended and not order.is_final):
            wrong.append(f"{order_id} is {order.status} at the desk and {there} at the chain")
        if order.status in (OrderStatus.UNKNOWN, OrderStatus.PENDING_NEW):
            wrong.append(f"{order_id} is {order.status}")
    return wrong


def wrong_fills(book: AccountBook, reports: list[Any], claims: list[LedgerClaimed], told: dict[str, Any]) -> list[str]:
    """Compare what was reported and booked with the chain's fills, fees and funding."""
    wrong = [f"{each} was stored twice" for each, n in Counter(each.id for each in reports).items() if n > 1]
    reported = Counter(each.fill.execution_id for each in reports if isinstance(each, VenueFill))
    there = {fill["id"]: fill for fill in told["fills"] if fill["id"] not in book.adopted_execution_ids}
    wrong += [f"a fill was reported {n} times: {each}" for each, n in reported.items() if n > 1]
    wrong += [f"a fill was not reported: {there[each]}" for each in there.keys() - reported.keys()]
    wrong += [f"a fill that the chain has not: {each}" for each in reported.keys() - there.keys()]
    for execution_id, fill in there.items():
        execution, fee = book.executions.get(execution_id), book.fees.get(execution_id)
        if execution is None or (execution.fill.quantity, execution.fill.price) != (
            Decimal(fill["size"]),
            Decimal(fill["price"]),
        ):
            wrong.append(f"booked otherwise: {fill} {execution}")
        if fee is None or fee.commission != Decimal(fill["fee"]):
            wrong.append(f"another fee: {fill} {fee}")
    for claim in claims:
        fills = [fill for fill in told["fills"] if fill["order_id"] == claim.venue_order_id]
        filled = sum((Decimal(fill["size"]) for fill in fills), Decimal(0))
        if filled > claim.order.quantity:
            wrong.append(f"{claim.order.order_id} has filled {filled} of {claim.order.quantity}")
        owners = {book.executions[fill["id"]].order_id for fill in fills if fill["id"] in book.executions}
        if owners - {claim.order.order_id}:
            wrong.append(f"the fills of {claim.order.order_id} are booked for {owners}")
    funding = {f"{each['symbol']}/{each['at']}": Decimal(each["payment"]) for each in told["funding"]}
    paid = sum(funding.values(), Decimal(0))
    booked = sum((each.amount for each in book.funding_payments.values()), Decimal(0))
    if paid != booked:
        wrong.append(f"funding: {booked} at the desk, {paid} at the chain: {funding} {book.funding_payments}")
    return wrong


def wrong_books(book: AccountBook, books: dict[str, Any]) -> list[str]:
    """Compare positions and cash."""
    ours = {name: symbol.holding.quantity for name, symbol in book.symbols.items() if symbol.holding.quantity}
    theirs = {name: Decimal(held) for name, held in books["positions"].items() if Decimal(held)}
    wrong = [f"positions: {ours} at the desk, {theirs} at the chain"] * (ours != theirs)
    cash = Decimal(str(books["cash"]["USD"]))
    if book.cash.get("USD") != cash:
        wrong.append(f"cash: {book.cash} at the desk, {cash} at the chain")
    return wrong
