"""The indexer's statuses and removal reasons: whether an order is over, how, and a sentence for a person.

Owns those words. A status is a hint and a fill is the truth: an order that is said to be over may still tell of fills,
and only `decide.py` knows what else must hold before its end is believed.
Source: v4-chain proto/dydxprotocol/indexer/shared/removal_reason.proto.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from signalbox.messages import TimeInForce
from signalbox.order_terms import WHY_OVER


class VenueStatus(StrEnum):
    """The indexer's order statuses. The two BEST_EFFORT ones are one node's word: both can still fill."""

    BEST_EFFORT_OPENED = "BEST_EFFORT_OPENED"
    OPEN = "OPEN"
    UNTRIGGERED = "UNTRIGGERED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    BEST_EFFORT_CANCELED = "BEST_EFFORT_CANCELED"
    ERROR = "ERROR"


FINAL_STATUSES = frozenset({VenueStatus.FILLED, VenueStatus.CANCELED})


class EndKind(StrEnum):
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class Ending(Struct, frozen=True):
    kind: EndKind
    reason: str


_REASONS: dict[str, Ending] = {
    "EXPIRED": Ending(EndKind.EXPIRED, "its good-til block or time has passed"),
    "INDEXER_EXPIRED": Ending(EndKind.EXPIRED, "its good-til block has passed"),
    "USER_CANCELED": Ending(EndKind.CANCELED, "canceled on request"),
    "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK": Ending(EndKind.CANCELED, WHY_OVER[TimeInForce.IOC]),
    "REDUCE_ONLY_RESIZE": Ending(EndKind.CANCELED, "reduce-only: the position is closed"),
    "FINAL_SETTLEMENT": Ending(EndKind.CANCELED, "the market is being settled and closed"),
    "UNDERCOLLATERALIZED": Ending(EndKind.REJECTED, "the subaccount has not enough free collateral"),
    "INTERNAL_ERROR": Ending(EndKind.REJECTED, "the chain met an internal error with this order"),
    "SELF_TRADE_ERROR": Ending(EndKind.REJECTED, "it would have traded with another order of the same subaccount"),
    "POST_ONLY_WOULD_CROSS_MAKER_ORDER": Ending(EndKind.REJECTED, "post-only: it would have been filled at once"),
    "FOK_ORDER_COULD_NOT_BE_FULLY_FULLED": Ending(EndKind.REJECTED, "fill-or-kill: it could not be filled completely"),
    "EQUITY_TIER": Ending(EndKind.REJECTED, "the subaccount's equity does not allow another resting order"),
    "VIOLATES_ISOLATED_SUBACCOUNT_CONSTRAINTS": Ending(
        EndKind.REJECTED, "an isolated market needs a subaccount of its own"
    ),
}

NO_ENDS = frozenset({"REPLACED", "FULLY_FILLED", "UNSPECIFIED", ""})
"""Reasons that end nothing: a replacement lives on, and a complete fill is told by its fills."""


def reason_word(text: str) -> str:
    """The reason without the protocol's prefix, which some messages have."""
    return text.removeprefix("ORDER_REMOVAL_REASON_")


def ending_of(removal_reason: str, total_filled: Decimal) -> Ending | None:
    """How an order ended by its removal reason ("" = REST does not tell); None = this reason is no end.

    What the venue turned away after it had filled something is cancelled, not rejected: it did work for a while.
    """
    word = reason_word(removal_reason)
    if word in NO_ENDS:
        return None
    ending = _REASONS.get(word) or Ending(EndKind.CANCELED, f"the venue removed it: {word}")
    if ending.kind is EndKind.REJECTED and total_filled > 0:
        return Ending(EndKind.CANCELED, f"the rest was removed: {ending.reason}")
    return ending
