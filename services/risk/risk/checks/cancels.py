"""Checks of a cancel: is there such an order, does it still work, is it the one that is meant?

A cancel takes risk away, so no limit, price, session or trading state holds it up: it works when HALTED too.
"""

from __future__ import annotations

from signalbox.messages import CancelIntent, Check

from risk.known import Verdict
from risk.state import RiskState, order_key


def order_working(state: RiskState, intent: CancelIntent) -> Check:
    """An order works from its approval on until an event has ended it."""
    key = order_key(intent.venue, intent.account, intent.order_id)
    order, finished = state.orders.get(key), state.known.finished(key)
    decided = state.known.decided(intent.order_id)
    if order is not None:
        observed, reason = str(order.status), ""
    elif finished is not None:
        observed, reason = str(finished), f"order {intent.order_id} is {finished}: there is nothing left to cancel"
    elif decided is not None and decided.verdict is Verdict.DENIED:
        observed = f"denied at TRADE:{decided.sequence}"
        reason = f"order {intent.order_id} was {observed}: there is nothing to cancel"
    else:
        observed, reason = "unknown", f"the desk has no order {intent.order_id!r}"
    return Check(
        name="order_working",
        passed=not reason,
        limit="working",
        observed=observed,
        source=f"TRADE:{state.folded_up_to}",
        reason=reason,
    )


def order_matches(state: RiskState, intent: CancelIntent) -> Check:
    """The cancel names the order's own venue, account and symbol; otherwise one of the two is a mistake."""
    order = state.orders.get(order_key(intent.venue, intent.account, intent.order_id))
    wanted = f"{intent.symbol} at {intent.venue} in {intent.account}"
    found = f"{order.symbol} at {order.venue} in {order.account}" if order is not None else wanted
    ok = found == wanted
    reason = "" if ok else f"order {intent.order_id} is for {found}, not for {wanted}"
    return Check(
        name="order_matches",
        passed=ok,
        limit=found,
        observed=wanted,
        source=f"TRADE:{state.folded_up_to}",
        reason=reason,
    )


CANCEL_CHECKS = (order_working, order_matches)
