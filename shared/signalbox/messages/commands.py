"""What the OMS asks of a gateway."""

from __future__ import annotations

from signalbox.messages.orders import Order
from signalbox.messages.words import Message, Utc


class SubmitOrder(Message, frozen=True, kw_only=True):
    """Place this order; after `deadline` (desk time) it must not be sent any more.

    `attached` are exits that are sent with it, as one: the venue holds them until it fills. `reduces` = it can only
    reduce what is held, by the OMS's books, or protects it: a gateway of a desk that is halted sends no other.
    """

    order: Order
    deadline: Utc
    attached: tuple[Order, ...] = ()
    reduces: bool = False


class CancelOrder(Message, frozen=True, kw_only=True):
    """Cancel this order."""

    venue: str
    account: str
    order_id: str
    venue_order_id: str


class ModifyOrder(Message, frozen=True, kw_only=True):
    """Give this order other terms; after `deadline` (desk time) that must not be sent any more.

    `order` is the whole order as it is to be: its quantity is the total, what has filled included (FIX: OrderQty).
    `revision` is the command's place among those of the order. `reduces` as of one to submit.
    """

    venue: str
    account: str
    order_id: str
    venue_order_id: str
    order: Order
    revision: int
    deadline: Utc
    reduces: bool = False


Command = SubmitOrder | CancelOrder | ModifyOrder
