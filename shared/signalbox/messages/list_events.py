"""The events that stand under a list's own id: it begins, ends, is not as was promised, goes by its schedule."""

from __future__ import annotations

from decimal import Decimal

from signalbox.messages.lists import ListAction, OrderListIntent
from signalbox.messages.market import PriceStep
from signalbox.messages.order_event import OrderEvent
from signalbox.messages.timed import StepResult, TimedAction
from signalbox.messages.words import Utc


class ListCreated(OrderEvent, frozen=True, kw_only=True):
    """An approved list begins, under its own id: its orders follow from it. It stays NEW; its orders end.

    `decision_sequence` is where TRADE has its approval; ticks and lot are the instrument's as it began.
    """

    intent: OrderListIntent
    decision_sequence: int
    tick_size: Decimal
    lot_size: Decimal
    price_steps: tuple[PriceStep, ...] = ()
    reference_price: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"
    base_currency: str = ""
    calendar: str = ""


class ListPendingCancel(OrderEvent, frozen=True, kw_only=True):
    """Somebody has asked for the end of a list: of its entry, and of all that works for what has filled by now."""


class ListAlarmed(OrderEvent, frozen=True, kw_only=True):
    """Something of a list is not as was promised. `about` is the order, `action` what is done about it: by the OMS, and
    of HALT by risk, which lets through in the list's `symbol` only what reduces from here on.
    """

    about: str
    group: int
    reason: str
    action: ListAction
    symbol: str = ""


class ListScheduled(OrderEvent, frozen=True, kw_only=True):
    """A step of a list's schedule (`step`, from 1) is the next one, and is due at `due`: a timer is set for it."""

    step: int
    action: TimedAction
    due: Utc


class ListStepTaken(OrderEvent, frozen=True, kw_only=True):
    """A step of a list's schedule was due at `due`: what was done, or why nothing was (`reason`).

    `stop_price` is where the stop of `leg` goes, and what is sent of it from now on (of TRAIL_STOP: from where it
    trails at least); `orders` are those of its orders that work, and have to follow.
    """

    step: int
    action: TimedAction
    due: Utc
    result: StepResult
    reason: str
    leg: str = ""
    stop_price: Decimal | None = None
    orders: tuple[str, ...] = ()


class ListWaits(OrderEvent, frozen=True, kw_only=True):
    """Exits of a leg are sent, or made larger, at `until`: the venue takes no more of the account before. `about` is
    the order of which that was said last. A timer is set for it.
    """

    leg: str
    about: str
    until: Utc


ListEvents = ListCreated | ListPendingCancel | ListAlarmed | ListScheduled | ListStepTaken | ListWaits
"""What stands under a list's own id: none is of an order."""
