"""In what the desk's streams and the chain differ: orders, fills, fees, funding, positions and cash, as sentences.

Pure. It must not know how either was read, nor what has been done to them (`campaign`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from oms.state import AccountBook
from simulators.dydx.commands import EXTERNAL_CLIENT_ID_MIN

from tests.chaos.differences import Executed
from tests.chaos.side import Written

WORKING = ("BEST_EFFORT_OPENED", "OPEN", "UNTRIGGERED")


def wrong_orders(written: Written, orders: Sequence[Mapping[str, Any]], *, ended: bool) -> list[str]:
    """Compare each intent with its one order on the chain; `ended`: none may work any more."""
    by_id = {order["id"]: order for order in orders}
    wrong = [f"an order was placed twice: {len(orders)} of {len(by_id)}"] * (len(orders) != len(by_id))
    known = {claim.venue_order_id for claim in written.claims}
    wrong += [
        f"an order that nobody claimed: {order}"
        for order in orders
        if order["id"] not in known and order["client_id"] < EXTERNAL_CLIENT_ID_MIN
    ]
    venue_id = {claim.order.order_id: claim.venue_order_id for claim in written.claims}
    for order_id in written.sent:
        order = written.state.orders.get(order_id)
        if order is None:
            continue  # told already
        there = by_id.get(venue_id.get(order_id, ""))
        works = there is not None and there["status"] in WORKING
        if order.is_final == works or (ended and not order.is_final):
            wrong.append(f"{order_id} is {order.status} at the desk and {there} at the chain")
    return wrong


def executed(written: Written, fills: Sequence[Mapping[str, Any]]) -> list[Executed]:
    """The chain's fills; whose they are is said by the desk's claims."""
    owner = {claim.venue_order_id: claim.order.order_id for claim in written.claims}
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
