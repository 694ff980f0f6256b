"""For how long a list has been without the stop that it was promised, by the OMS's own fold of its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signalbox import messages
from signalbox.messages import OrderEvent, OrderEvents


@dataclass(frozen=True, slots=True)
class Unprotected:
    """`seconds` are of the desk's clock and before `since`, from when on it goes on; None = it is not."""

    seconds: float
    since: datetime | None


def unprotected(list_id: str, stored: Iterable[tuple[Any, ...]]) -> Unprotected | None:
    """Fold what TRADE has of a list and its orders, each with its sequence; None = it is no list."""
    from oms.evolve import evolve
    from oms.state import State

    state = State()
    for sequence, payload in stored:
        event: OrderEvent = messages.decode(str(payload).encode(), OrderEvents)
        evolve(state, event, int(sequence))
    known = state.lists.get(list_id)
    return Unprotected(known.unprotected_seconds, known.unprotected_since) if known is not None else None
