"""In what the desk's streams and the chain differ: orders, fills, fees, funding, positions and cash, as sentences.

Pure. It must not know how either was read, nor what has been done to them (`campaign`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from oms.state import AccountBook
from simulators.dydx.commands import EXTERNAL_CLIENT_ID_MIN

from tests.chaos.differences import Executed
from tests.chaos.side import Written

WORKING = ("BEST_EFFORT_OPENED", "OPEN", "UNTRIGGERED")


def owners(written: Written) -> dict[str, str]:
    """Whose each order of the chain is: a change of one that is kept there gives it another number (decision 78)."""
    numbers = {claim.venue_order_id: claim.order.order_id for claim in written.claims}
    changed = {each.venue_order_id: change.order.order_id for change in written.changes for each in change.attempts}
    return {number: order_id for number, order_id in (numbers | changed).items() if number}


def wrong_orders(written: Written, orders: Sequence[Mapping[str, Any]], *, ended: bool) -> list[str]:
    """Compare each intent with what it has on the chain; `ended`: none may work any more."""
    by_id = {order["id"]: order for order in orders}
    wrong = [f"an order was placed twice: {len(orders)} of {len(by_id)}"] * (len(orders) != len(by_id))
    owner = owners(written)
    wrong += [
        f"an order that nobody claimed: {order}"
        for order in orders
        if order["id"] not in owner and order["client_id"] < EXTERNAL_CLIENT_ID_MIN
    ]
    works = Counter(owner[name] for name, each in by_id.items() if each["status"] in WORKING and name in owner)
    for order_id in written.sent:
        order = written.state.orders.get(order_id)
        if order is None:
            continue  # told already
        if works[order_id] != (not order.is_final) or (ended and not order.is_final):
            there = [each for name, each in by_id.items() if owner.get(name) == order_id]
            wrong.append(f"{order_id} is {order.status} at the desk and {there} at the chain")
    return wrong


def working(written: Written, orders: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """What of each of the desk's orders works on the chain."""
    owner = owners(written)
    return {
        owner[order["id"]]: Decimal(order["size"]) - Decimal(order["filled"])
        for order in orders
        if order["status"] in WORKING and order["id"] in owner
    }


def executed(written: Written, fills: Sequence[Mapping[str, Any]]) -> list[Executed]:
    """The chain's fills; whose they are is said by the desk's claims."""
    owner = owners(written)
    return [
        Executed(
            execution_id=fill["id"],
            order_id=owner.get(fill["order_id"], ""),
            quantity=Decimal(fill["size"]),
            price=Decimal(fill["price"]),
            fee=Decimal(fill["fee"]),
        )
        for fill in fills
    ]


def wrong_funding(book: AccountBook, payments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare what was paid, in all."""
    paid = sum((Decimal(each["payment"]) for each in payments), Decimal(0))
    booked = sum((each.amount for each in book.funding_payments.values()), Decimal(0))
    return [f"funding: {booked} at the desk, {paid} at the chain: {payments} {book.funding_payments}"] * (
        paid != booked
    )
