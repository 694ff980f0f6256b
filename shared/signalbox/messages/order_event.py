"""What every event of an order, or of a list, carries."""

from __future__ import annotations

from signalbox.messages.words import Message, OrderStatus


class OrderEvent(Message, frozen=True, kw_only=True):
    """What every event of an order's life carries. `status` is the order's status after the event."""

    venue: str
    account: str
    order_id: str
    status: OrderStatus
