"""What became of a change: by the terms that the venue shows, by what it has refused, by what has filled.

Pure but for `state`, as `decide`. TWS answers a change with an openOrder that has the new terms, or with an error; an
error alone ends nothing (a 201 that answers a change does not end the order), so the venue is asked in which terms it
works:

    shown with the terms that were asked for       it was made
    filled beyond what it was                      it was made: the smaller order could not have
    works as it was, and an error has come         it was not made, with the venue's words
    works as it was, shown so twice, apart         it was not made: it was lost on its way
    filled as it was                               it was not made: it was filled before
    ended otherwise                                nothing is said of it: the order is over
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask
from signalbox.gateway.state import OpenChange
from signalbox.messages import Order, OrderType
from signalbox.order_terms import TRAILING

from gateway_ibkr.facts import OpenOrderSeen
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.translate import order_terms, price_in
from gateway_ibkr.venue_errors import Treatment, sentence

UNANSWERED = "no answer to the change"
AS_IT_WAS = "the venue works the order as it was: the change was lost on its way"
FILLED_BEFORE = "it was filled before the change could be made"
REFUSING = frozenset({Treatment.MODIFY_FAILED, Treatment.TERMINAL})


@dataclass
class OwnChange:
    """What is kept of a change: the error that has answered it, and since when the order is shown as it was."""

    refusal: tuple[int, str] | None = None
    as_it_was_seconds: float | None = None
    """Wall time (monotonic)."""


def own_of(change: OpenChange) -> OwnChange:
    """What is kept of it, from the first asking on."""
    if change.own is None:
        change.own = OwnChange()
    own: OwnChange = change.own
    return own


def shown(state: State, tracked: Tracked, fact: OpenOrderSeen, at: datetime) -> list[Action]:
    """The venue shows the order: in the terms that were asked for?"""
    change = tracked.change
    told = reports.replaced(state, tracked, at) if change is not None and _fits(fact, change.order) else ()
    return _still_held(state, tracked, [*told], at)


def _still_held(state: State, tracked: Tracked, told: list[Action], at: datetime) -> list[Action]:
    """One that the venue held before it was asked for a change is held after the answer, and that is told anew."""
    if told and tracked.held:
        why, tracked.held = tracked.held, ""
        told += reports.held(state, tracked, at, why)
    return told


def made_limit(state: State, tracked: Tracked, fact: OpenOrderSeen, at: datetime) -> list[Action]:
    """TWS shows a MTL order with the price of its first fill as soon as it rests there."""
    if tracked.order.order_type is not OrderType.MARKET_TO_LIMIT or not fact.limit_price or not tracked.filled_at_venue:
        return []
    price = price_in(fact.contract, fact.limit_price)
    words = f"what its first fill has left works as a limit order at {price:f}"
    return [*reports.noted(state, tracked, at, "", words)]


def _fits(fact: OpenOrderSeen, order: Order) -> bool:
    terms = order_terms(order)
    return (
        fact.quantity == terms.quantity
        and (fact.order_type == terms.order_type or order.order_type not in TRAILING)
        and terms.trailing_percent in (None, fact.trailing_percent)
        and terms.limit_price in (None, fact.limit_price)
        and terms.stop_price in (None, fact.stop_price)
    )


def heard(tracked: Tracked, treatment: Treatment, code: int, text: str) -> bool:
    """Whether an error answers the open change; then it is kept. One to a cancel may have the words of a change's."""
    refuses = treatment in REFUSING or (treatment is Treatment.CANCEL_FAILED and not tracked.cancel_command)
    if tracked.change is None or not refuses:
        return False
    own_of(tracked.change).refusal = (code, text)
    return True


def ended(tracked: Tracked) -> None:
    """The order is over, and nobody asked for that: what was taken for a change's answer was the order's refusal."""
    if tracked.change is not None and tracked.own.refusal is None:
        tracked.own.refusal = own_of(tracked.change).refusal


def question(tracked: Tracked) -> str:
    """What there is to ask of an open change; "" = nothing."""
    return UNANSWERED if tracked.change is not None and not tracked.change.in_hand else ""


def settle(
    state: State,
    tracked: Tracked,
    at: datetime,
    works: bool,
    is_filled: bool,
    wall_seconds: float,
    visibility_seconds: float,
) -> list[Action]:
    """Take complete answers, all of their facts taken already. `is_filled` = the venue says that it is filled."""
    change = tracked.change
    if change is None or change.in_hand:
        return []
    own, before, wanted = own_of(change), tracked.order.quantity, change.order.quantity
    if tracked.filled > before or (is_filled and tracked.filled == wanted < before):
        return [*reports.replaced(state, tracked, at)]
    if own.refusal is not None and (works or is_filled):
        code, text = own.refusal
        return [*reports.not_replaced(state, tracked, at, str(code), sentence(code, text))]
    if is_filled and tracked.filled == before:
        return [*reports.not_replaced(state, tracked, at, "", FILLED_BEFORE)]
    if not works:
        return []
    if own.as_it_was_seconds is None:
        own.as_it_was_seconds = wall_seconds
    if wall_seconds - own.as_it_was_seconds < visibility_seconds:
        return [Ask(tracked.order.order_id, UNANSWERED)]
    return [*reports.not_replaced(state, tracked, at, "", AS_IT_WAS)]
