"""An operator says that an order which others have placed is a strategy's.

Owns when that may be said, and what it makes of the order: the same one, with the strategy's name. What it has filled
before is nobody's; what it fills from then on is the strategy's. Pure, like `oms.acts`, which asks here.
"""

from __future__ import annotations

import re

from msgspec.structs import replace
from signalbox.messages import ClaimOrder, OrderClaimed
from signalbox.subjects import EXTERNAL_PREFIX

from oms.outcome import carried
from oms.state import State
from oms.transitions import next_status

STRATEGY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def why_unclaimed(state: State, act: ClaimOrder) -> str:
    """Why the order can not be claimed, and what to do; "" = it can."""
    order = state.find_order(act.venue, act.account, act.order_id)
    if not act.order_id.startswith(EXTERNAL_PREFIX):
        return (
            f"{act.order_id} is not an order placed elsewhere ({EXTERNAL_PREFIX}...): the desk's own are their intents'"
        )
    if order is None or order.order is None:
        return (
            f"{act.venue} has shown no order {act.order_id} in {act.account}: `signalbox orders --external` lists them"
        )
    if order.is_final:
        return f"the order is {order.status.value}: nothing more of it can become a strategy's"
    if not STRATEGY.fullmatch(act.strategy):
        return f"{act.strategy[:60]!r} is no name of a strategy: up to 64 letters, digits, and - _ . between them"
    if order.order.strategy:
        return f"it is the order of {order.order.strategy} already"
    return ""


def claimed(state: State, act: ClaimOrder) -> OrderClaimed:
    """The event that makes the order the strategy's. Asked only where nothing is in the way."""
    order = state.find_order(act.venue, act.account, act.order_id)
    assert order is not None
    assert order.order is not None
    status = next_status(order.order_id, order.status, OrderClaimed)
    common = carried(state, order.owner, status, act.at, act.id)
    return OrderClaimed(**common, order=replace(order.order, strategy=act.strategy), act=act)
