"""Checks of a cancel: is there such an order, does it still work, is it the one that is meant? A change asks that too.

A cancel takes risk away, so no limit, price, session or trading state holds it up: it works when HALTED too.
"""

from __future__ import annotations

from signalbox.messages import OrderIntent

from risk.checks.rows import Row, Told
from risk.facts import CancelFacts, ChangeFacts, GroupFacts
from risk.known import Verdict


def order_working(facts: CancelFacts | ChangeFacts) -> str:
    """An order works from its approval on until an event has ended it."""
    basis, name = facts.basis, facts.intent.order_id
    if basis.order is not None:
        return ""
    if basis.ended is not None:
        return f"order {name} is {basis.ended}: there is nothing left to cancel"
    if basis.order_id_used is not None and basis.order_id_used.verdict == Verdict.DENIED:
        return f"order {name} was denied at INTENTS:{basis.order_id_used.sequence}: there is nothing to cancel"
    if basis.order_id_used is not None and basis.order_id_used.verdict == Verdict.APPROVED:
        return f"nothing of {name} works: there is nothing left to cancel"
    return f"the desk has no order {name!r}"


def tell_order_working(facts: CancelFacts | ChangeFacts) -> Told:
    basis = facts.basis
    if basis.order is not None:
        observed = str(basis.order.status)
    elif basis.ended is not None:
        observed = str(basis.ended)
    elif basis.order_id_used is not None and basis.order_id_used.verdict == Verdict.DENIED:
        observed = f"denied at INTENTS:{basis.order_id_used.sequence}"
    else:
        observed = "unknown"
    return "working", observed, f"TRADE:{basis.trade_sequence}"


def order_matches(facts: CancelFacts | ChangeFacts | GroupFacts) -> str:
    """It names the order's own venue and account, and no other symbol; otherwise one of the two is a mistake."""
    found, wanted = _found(facts), _wanted(facts)
    return "" if found == wanted else f"order {_named(facts)} is for {found}, not for {wanted}"


def tell_order_matches(facts: CancelFacts | ChangeFacts | GroupFacts) -> Told:
    return _found(facts), _wanted(facts), facts.books_source


def _named(facts: CancelFacts | ChangeFacts | GroupFacts) -> str:
    return "" if isinstance(facts.intent, OrderIntent) else facts.intent.order_id


def _wanted(facts: CancelFacts | ChangeFacts | GroupFacts) -> str:
    intent, order = facts.intent, facts.basis.order
    symbol = intent.symbol or (order.symbol if order is not None else "any symbol")
    if order is not None and order.parts:  # which has no account: another check has looked at that
        return f"{symbol} at {intent.venue} in several accounts"
    return f"{symbol} at {intent.venue} in {intent.account}"


def _found(facts: CancelFacts | ChangeFacts | GroupFacts) -> str:
    order = facts.basis.order
    if order is None:
        return _wanted(facts)
    return f"{order.symbol} at {order.venue} in {order.account if not order.parts else 'several accounts'}"


CANCEL_ROWS: tuple[Row[CancelFacts], ...] = (
    Row("order_working", order_working, tell_order_working),
    Row("order_matches", order_matches, tell_order_matches),
)
