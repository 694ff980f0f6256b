"""What a gateway knows of the fills of a group, and refuses to send for it, as every gateway does it
(`signalbox.gateway.grouped`).

Owns which order is of which group, and what each has filled. It must not know the exchange.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from signalbox.messages import (
    ModifyOrder,
    Order,
    RefusedBy,
    Report,
    SubmitOrder,
    VenueRejected,
    VenueReplaceRejected,
)

NONE = Decimal(0)


class GroupFills:
    """The groups of one account."""

    def __init__(self) -> None:
        self._group_of: dict[str, str] = {}
        self._filled: dict[str, dict[str, Decimal]] = {}
        """By group and order."""

    def note(self, order_id: str, quantity: Decimal) -> None:
        """Take a fill."""
        filled = self._filled.get(self._group_of.get(order_id, ""))
        if filled is not None:
            filled[order_id] = filled.get(order_id, NONE) + quantity

    def refusals(self, command: SubmitOrder | ModifyOrder, at: datetime) -> list[Report]:
        """What is said of a command that is not carried out: others of its group have filled more than it knows."""
        order = command.order
        if isinstance(command, SubmitOrder):
            for each in (order, *command.attached):
                self._begin(each)
        part = order.part
        if part is None or part.others_filled is None:
            return []
        of_group = self._filled.get(part.group_id, {})
        filled = sum((each for name, each in of_group.items() if name != order.order_id), NONE)
        if filled <= part.others_filled:
            return []
        why = f"others of its group have filled {filled:f}"
        name, by = f"report/{order.venue}/{order.account}", RefusedBy.GATEWAY
        if isinstance(command, ModifyOrder):
            changed = VenueReplaceRejected(
                id=f"{name}/replace_rejected/{order.order_id}.{command.revision}",
                at=at,
                venue=order.venue,
                account=order.account,
                order_id=order.order_id,
                revision=command.revision,
                code="",
                reason=why,
                refused_by=by,
                room_at=at,
            )
            return [changed]
        return [
            VenueRejected(
                id=f"{name}/rejected/{each.order_id}",
                at=at,
                venue=order.venue,
                account=order.account,
                order_id=each.order_id,
                code="",
                reason=why,
                refused_by=by,
                room_at=at,
            )
            for each in (order, *command.attached)
        ]

    def _begin(self, order: Order) -> None:
        if order.part is not None and order.part.contingency is not None:
            self._group_of[order.order_id] = order.part.group_id
            self._filled.setdefault(order.part.group_id, {})
