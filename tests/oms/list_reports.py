"""What a venue says of the orders of a list, and what the OMS has told of it: for the tests of lists."""

from __future__ import annotations

from typing import Any

from signalbox.messages import (
    ListAction,
    ListAlarmed,
    Side,
    VenueCanceled,
    VenueRejected,
    VenueReplaced,
    VenueReplaceRejected,
)


def alarms(desk: Any) -> list[tuple[str, ListAction]]:
    """What was told of its orders, and what was done about it."""
    return [(event.about, event.action) for event in desk.log if isinstance(event, ListAlarmed)]


def sold(make: Any, order_id: str, quantity: str, execution_id: str = "out1", price: str = "11") -> Any:
    return make.fill(quantity, price, order_id=order_id, execution_id=execution_id, side=Side.SELL)


def canceled(make: Any, order_id: str, key: str = "") -> Any:
    return make.report(VenueCanceled, order_id, key, reason="cancelled as asked")


def rejected(make: Any, order_id: str) -> Any:
    return make.report(VenueRejected, order_id, code="201", reason="no")


def answered(make: Any, desk: Any, order_id: str, *, refused: bool = False, **fields: Any) -> None:
    """The venue makes the open change of an order, or does not; `fields` are further ones of a refusal."""
    change = desk.state.orders[order_id].change
    key, terms = f"{change.revision}", change.order
    if refused:
        kind: Any = VenueReplaceRejected
        fields = {"code": "104", "reason": "no"} | fields
    else:
        kind = VenueReplaced
        fields = {"venue_order_id": f"v-{order_id}", "quantity": terms.quantity}
        fields |= {"limit_price": terms.limit_price, "stop_price": terms.stop_price}
    desk.take(make.report(kind, order_id, key, revision=change.revision, **fields))
