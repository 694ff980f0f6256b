"""Orders that leave with another one, attached to it: all of them, or none.

Owns who belongs together. They are claimed as one (`ledger`), under numbers that follow each other, and what is found
of one of them says that all have left. Pure; it must not know the venue's words for it.
"""

from __future__ import annotations

from signalbox.errors import TranslationError
from signalbox.gateway.state import AnyState, AnyTracked, attached_names
from signalbox.messages import SubmitOrder
from signalbox.order_support import ATTACHING


def whole(state: AnyState, tracked: AnyTracked) -> list[AnyTracked]:
    """The order, and those that left with it."""
    names = attached_names(tracked.order)
    return [tracked, *(state.orders[name] for name in names if name in state.orders)]


def claimed_with(state: AnyState, tracked: AnyTracked) -> AnyTracked | None:
    """The order whose claim is this one's as well: itself, if it was not attached; None = it is not remembered."""
    part = tracked.order.part
    if part is None or not part.attached_to:
        return tracked
    return state.orders.get(part.attached_to)


def check(venue: str, command: SubmitOrder) -> None:
    """Raise `TranslationError` where the venue attaches no orders, or others than the order says."""
    if command.attached and venue not in ATTACHING:
        raise TranslationError(f"{venue} attaches no orders to another")
    if tuple([each.order_id for each in command.attached]) != attached_names(command.order):
        raise TranslationError("what is attached to the order is not what it says")
