"""What of a gateway's memory is dropped: what is over, and older than anything the venue can still speak of.

Pure but for `state`. It must not know when that is due (a venue's link).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from signalbox.gateway import externals
from signalbox.gateway.state import ONCE_AN_ORDER, AnyState, execution_report_id, report_id


def forget(state: AnyState, before: datetime, kept: Collection[str]) -> None:
    """Drop the orders that ended before `before`, and their reports; not `kept` ones, which the venue still speaks of.

    LEDGER still has them: a command that came again would find its claim there, and not be sent.
    """
    for order_id in [*state.orders]:
        tracked = state.orders[order_id]
        told_at = max([tracked.claimed_at, *(fill.at for fill in tracked.fills.values())])
        if tracked.done and told_at <= before and order_id not in kept:
            del state.orders[order_id]
    state.order_by_venue_id = of_orders(state, state.order_by_venue_id)
    state.order_by_number = of_orders(state, state.order_by_number)
    groups = {group: [name for name in names if name in state.orders] for group, names in state.orders_by_group.items()}
    state.orders_by_group = {group: names for group, names in groups.items() if names}
    needed = {
        report_id(state.venue, state.account, kind, order_id) for order_id in state.orders for kind in ONCE_AN_ORDER
    }
    for tracked in state.orders.values():
        for fill in tracked.fills.values():
            needed |= {
                execution_report_id(state, kind, fill.execution_id, fill.revision) for kind in ("fill", "commission")
            }
    kept_fills = {execution_id for tracked in state.orders.values() for execution_id in tracked.fills}
    state.fees = {key: told for key, told in state.fees.items() if told.at > before or key in kept_fills}
    externals.forget(state, before)
    needed |= {external.found.id for external in externals.working(state)}
    state.reported = {key: at for key, at in state.reported.items() if at > before or key in needed}


K = TypeVar("K")


def of_orders(state: AnyState, index: dict[K, str]) -> dict[K, str]:
    """What is left of an index of orders: those that are remembered."""
    return {key: order_id for key, order_id in index.items() if order_id in state.orders}
