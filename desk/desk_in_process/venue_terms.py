"""An order of the desk as the exchange in process takes it: its terms, its group, how its stop trails.

Pure. It must not know what the exchange does with them.
"""

from __future__ import annotations

from msgspec.structs import replace
from signalbox.exchange.orders import OrderTerms, VenueOrder
from signalbox.messages import Contingency, Order, Side
from signalbox.order_support import GROUPING
from signalbox.order_terms import TRAILING


def terms_of(order: Order) -> OrderTerms:
    group, group_type = group_of(order)
    return OrderTerms(
        account=order.account,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price if order.stop_price is not None else order.trail_stop_price,
        time_in_force=order.time_in_force,
        good_till=order.good_till,
        outside_regular_hours=order.outside_regular_hours,
        post_only=order.post_only,
        all_or_none=order.all_or_none,
        display_quantity=order.display_quantity,
        not_before=order.not_before,
        trigger=order.trigger,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        limit_offset=order.limit_offset,
        activation_price=order.activation_price,
        client_reference=order.order_id,
        oca_group=group,
        oca_type=group_type,
    )


def trailing(wanted: Order, works: VenueOrder | None) -> OrderTerms | None:
    """How an order trails from its change on, never farther from the market than it has; None = it does not."""
    if wanted.order_type not in TRAILING:
        return None
    before = works.terms.stop_price if works is not None else None
    stops = [stop for stop in (before, wanted.trail_stop_price) if stop is not None]
    nearest = min if wanted.side is Side.BUY else max
    return replace(terms_of(wanted), stop_price=nearest(stops) if stops else None)


_GROUP_TYPES = {Contingency.OCO: 1, Contingency.OUO: 2}


def group_of(order: Order) -> tuple[str, int]:
    """The group in which its venue keeps it with others, and of what type; "" = none."""
    part = order.part
    if part is None or order.venue not in GROUPING or part.contingency not in _GROUP_TYPES:
        return "", 0
    return part.group_id, _GROUP_TYPES[part.contingency]
