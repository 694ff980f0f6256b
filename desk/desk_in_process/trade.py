"""TRADE in memory: decisions and order events in the desk's total order.

Owns sequences, and whose events stand where. It must not know what a message says.
"""

from __future__ import annotations

from typing import cast

from signalbox.messages import (
    FlattenEnded,
    IntentApproved,
    IntentDenied,
    LimitsRefused,
    LimitsSet,
    OrderEvent,
    OrderEvents,
    Ruling,
    TradingSwitched,
)

_RULINGS = (IntentApproved, IntentDenied, FlattenEnded, LimitsSet, LimitsRefused, TradingSwitched)

Owner = tuple[str, str, str]
"""(venue, account, order id): whose event it is."""


class Trade:
    """The log, from sequence 1 on. What is in it is never changed."""

    def __init__(self) -> None:
        self.stored: list[Ruling | OrderEvent] = []
        self._places: dict[Owner, list[int]] = {}
        self._decisions: dict[str, int] = {}

    def append(self, message: Ruling | OrderEvent) -> int:
        """Store a message behind all others; its sequence."""
        self.stored.append(message)
        sequence = len(self.stored)
        if isinstance(message, _RULINGS):
            self._decisions[message.id] = sequence
        else:
            owner = (message.venue, message.account, message.order_id)
            self._places.setdefault(owner, []).append(sequence)
        return sequence

    def place_of(self, decision_id: str) -> int:
        """Where a decision stands; 0 = it does not."""
        return self._decisions.get(decision_id, 0)

    def event_at(self, sequence: int) -> OrderEvents | None:
        """The order event that stands there; None = risk's word does."""
        message = self.stored[sequence - 1]
        return None if isinstance(message, _RULINGS) else cast(OrderEvents, message)

    def events_of(self, owner: Owner) -> list[tuple[int, OrderEvents]]:
        """All events of an order, in order, each with its sequence."""
        return [(place, cast(OrderEvents, self.stored[place - 1])) for place in self._places.get(owner, ())]

    def events_of_account(self, account: tuple[str, str], from_sequence: int) -> list[tuple[int, OrderEvents]]:
        """All events of a (venue, account) from a sequence on."""
        events = ((place, self.event_at(place)) for place in range(from_sequence, len(self.stored) + 1))
        return [(place, event) for place, event in events if event and (event.venue, event.account) == account]
