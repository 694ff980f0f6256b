"""As what the chain may have an order that is kept there while it is being changed: plain data.

The chain amends no order that it keeps: another is placed, under a client id of its own, and the one before is
cancelled. Owns how far each of the two has come, and the third, which puts the order back as it was. What follows is
`moving`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from signalbox.messages import Attempt, Order

FIRST_REVISION = 1_000_000
"""Moves of the gateway's own are numbered from here: commands of the OMS never come so far."""


class Stage(StrEnum):
    """How far a version has come."""

    UNSENT = "UNSENT"
    """Surely nothing was sent for it."""
    SENT = "SENT"
    """Something was, or may have been, by a process before: only the venue can tell."""
    WORKS = "WORKS"
    """The venue has shown that it has it."""
    OVER = "OVER"
    """It has ended, and everything that it has filled is known."""
    NEVER = "NEVER"
    """It is surely not there, and never will be."""


MAY_WORK = frozenset({Stage.SENT, Stage.WORKS})


@dataclass
class Version:
    number: int
    """The client id."""
    venue_order_id: str
    stage: Stage
    transaction_hash: str = ""
    removal_reason: str = ""
    stop_price: Decimal | None = None
    """Where the venue has shown its stop."""
    refused: str = ""
    """Why it is not there."""
    attempts: int = 0
    """How often it was placed, surely in vain."""
    tried_at: int = 0
    """The height at which something was last sent for it."""

    @property
    def attempt(self) -> Attempt:
        return Attempt(attempt_id=str(self.number), venue_order_id=self.venue_order_id)


@dataclass
class Move:
    """A change of an order that is kept on the chain, from its claim until nothing but what counts can be there."""

    revision: int
    before: Order
    after: Order
    deadline: datetime
    first: Version
    """The order as it is."""
    new: Version
    back: Version
    """The order as it was, should it have to be put back."""
    signed_seconds: float
    """When something was last signed for any of them, or may have been (monotonic)."""
    resumed: bool = False
    """By a process that did not begin it: what the one before has sent, only the venue can tell."""

    @property
    def versions(self) -> tuple[Version, Version, Version]:
        return self.first, self.new, self.back

    def find(self, venue_order_id: str) -> Version | None:
        """The version that the venue calls so."""
        return next((each for each in self.versions if each.venue_order_id == venue_order_id), None)
