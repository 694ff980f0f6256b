"""Orders that depend on each other (FIX: NewOrderList): what people wish.

Owns the words of a list and of its legs. What each contingency asks of its legs is `signalbox.order_lists`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from signalbox.messages.offsets import PriceOffset
from signalbox.messages.timed import TimedStep
from signalbox.messages.words import NEVER, Message, OrderType, Side, TimeInForce, Utc


class Contingency(StrEnum):
    """FIX ContingencyType, and BRACKET: an entry, a stop, and targets of which each has its part of the stop."""

    OTO = "OTO"
    """One triggers the others: the first leg is the entry, the others are sent for what of it has filled."""
    OCO = "OCO"
    """One cancels the others: the first fill of one leg takes the other ones away."""
    OUO = "OUO"
    """One updates the others: what fills of one leg, the other ones are for no more."""
    BRACKET = "BRACKET"


class ExitPolicy(StrEnum):
    """What is done when a stop of a list is refused, and refused again."""

    FLATTEN = "FLATTEN"
    """What it was to protect is closed at the market."""
    ALARM = "ALARM"
    """A person is told, and the position stays."""
    HALT = "HALT"
    """As ALARM, and nothing more is opened in the symbol until an operator lets it."""


class ListLeg(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One leg: the terms of an order. Its orders are `<list>.<name>`, and `<list>.<name>-2` and so on.

    An entry and the legs of a list without one have a `quantity`, what follows an entry a `share` of its quantity (1 =
    all of it; None = what the others leave). A price is absolute or an offset; a TRAILING_STOP has none, it follows the
    market `trail_amount` or `trail_percent` behind.
    """

    name: str
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    share: Decimal | None = None
    limit_price: Decimal | None = None
    limit_offset: PriceOffset | None = None
    stop_price: Decimal | None = None
    stop_offset: PriceOffset | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    good_till: Utc | None = None
    outside_regular_hours: bool = False
    reduce_only: bool = False
    post_only: bool = False
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None


class OrderListIntent(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish for orders that depend on each other, decided as one: all legs or none."""

    at: Utc = NEVER
    venue: str
    symbol: str
    contingency: Contingency
    legs: tuple[ListLeg, ...]
    exit_policy: ExitPolicy = ExitPolicy.FLATTEN
    timed: tuple[TimedStep, ...] = ()
    account: str = ""
    valid_until: Utc | None = None
    strategy: str = ""
    note: str = ""


class ListPart(Struct, frozen=True, kw_only=True, gc=False):
    """Where an order stands in its list: of which leg, and in which group.

    A group is what depends on each other: the orders that are for the same `quantity`, of which together no more is to
    fill. `set` numbers the sets of legs of the list, each of which has a group for each part in which its entry fills.
    `contingency` None = the order depends on no other. The entry is in group 0.

    `attaches` are the legs that were sent with an entry, attached to it; `attached_to` is, of such an exit, the entry's
    order: the venue holds it until that fills (IBKR: parentId).

    `others_filled` is what the other orders of its group had filled when it was given its quantity: a gateway that
    knows of more does not send it. None = it depends on no other, or nobody has said.
    """

    list_id: str
    leg: str
    group: int = 0
    set: int = 0
    quantity: Decimal = Decimal(0)
    contingency: Contingency | None = None
    attaches: tuple[str, ...] = ()  # as their orders are called: a leg's second one is `stop-2`
    attached_to: str = ""
    others_filled: Decimal | None = None

    @property
    def group_id(self) -> str:
        """What names the group in the whole desk (IBKR: ocaGroup)."""
        return f"{self.list_id}.{self.group}"


class ListAction(StrEnum):
    """What the OMS does about a leg that was lost."""

    RETRY = "RETRY"
    FLATTEN = "FLATTEN"
    ALARM = "ALARM"
    HALT = "HALT"
