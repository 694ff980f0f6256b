"""What follows from what the indexer says of an order: reports, and questions.

Pure but for `state`, which is the only thing that changes: no clock, no wait, no bus, no venue. Every function can be
given the same fact twice, late, or in any order: a report is made once, because its id derives from what it reports.

Fills are the truth, by their ids. Statuses are hints: BEST_EFFORT_CANCELED can still fill, a good-til-block passes
without a word, and a late message may tell of what is long over. So a status here only says that the venue has the
order, or is a reason to ask; an order's end is `reconcile`'s, which knows the heights.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask, CancelStray, RecordSent
from signalbox.gateway.reports import COMMISSION_IS_MISSING
from signalbox.gateway.state import ZERO, Standing, execution_report_id
from signalbox.messages import Fill
from signalbox.order_terms import TRIGGERED

from gateway_dydx import changing, moving, strangers
from gateway_dydx.endings import FINAL_STATUSES, VenueStatus, ending_of, reason_word
from gateway_dydx.facts import Fact, FillSeen, Height, OrderSeen, SubaccountChanged, SubaccountSnapshot
from gateway_dydx.state import State, Tracked, claim_filled, raise_height, remember_fill
from gateway_dydx.translate import CURRENCY

OPEN_STATUSES = frozenset({VenueStatus.BEST_EFFORT_OPENED, VenueStatus.OPEN, VenueStatus.UNTRIGGERED})
HAS_TRIGGERED = frozenset({VenueStatus.OPEN, VenueStatus.FILLED})
"""A conditional order is UNTRIGGERED until its trigger; cancelled it may have been before."""


def decide(state: State, fact: Fact, at: datetime) -> list[Action]:
    """Take one fact of the venue at desk time `at`; return what follows, in order. Other facts say nothing here."""
    decider = _DECIDERS.get(type(fact))
    return decider(state, fact, at) if decider is not None else []


def tracked_of(state: State, venue_order_id: str) -> Tracked | None:
    """Find the desk's order by the indexer's id; None = somebody else's."""
    return state.orders.get(state.order_by_venue_id.get(venue_order_id, ""))


# -------------------------------------------------------------------------------------------------------- the stream


def on_height(state: State, fact: Height, at: datetime) -> list[Action]:
    """The indexer has processed another block."""
    state.own.indexer_height = max(state.own.indexer_height, fact.height)
    raise_height(state, fact.height)
    return []


def on_snapshot(state: State, fact: SubaccountSnapshot, at: datetime) -> list[Action]:
    """The first contents of the subaccount's channel: hints as all others."""
    return [action for order in fact.orders for action in on_order(state, order, at)]


def on_changed(state: State, fact: SubaccountChanged, at: datetime) -> list[Action]:
    """An update: fills before the ends of orders, so that a fill does not have to follow its order's end."""
    actions = [action for fill in fact.fills for action in on_fill(state, fill, at)]
    return actions + [action for order in fact.orders for action in on_order(state, order, at)]


# ------------------------------------------------------------------------------------------------------------- orders


def on_order(state: State, fact: OrderSeen, at: datetime) -> list[Action]:
    """The indexer shows an order in some status."""
    tracked = tracked_of(state, fact.id)
    if tracked is None:
        return strangers.on_order(state, fact, at)
    order = tracked.order
    claim_filled(tracked, fact.id, fact.total_filled or ZERO)
    if fact.id == tracked.venue_order_id and fact.trigger_price is not None:
        tracked.own.stop_price = fact.trigger_price
    if tracked.own.move is not None or fact.id != tracked.venue_order_id:
        went_off = order.order_type in TRIGGERED and fact.status in HAS_TRIGGERED
        of_version: list[Action] = [*reports.triggered(state, tracked, at)] if went_off else []
        of_version += moving.on_order(tracked, fact, is_open=fact.status in OPEN_STATUSES)
        if tracked.filled_at_venue > tracked.filled:
            of_version.append(Ask(order.order_id, "a fill is missing"))
        return of_version
    if tracked.standing is Standing.OVER:
        # A late or repeated status of an order that is over changes nothing; one that we gave up must not work on
        works = fact.status in OPEN_STATUSES and not _is_past(state, fact)
        return [CancelStray(order.order_id)] if tracked.presumed_lost and works else []
    actions = _shown(tracked)
    if fact.status in OPEN_STATUSES or fact.status == VenueStatus.FILLED:
        actions += reports.accepted(state, tracked, at)
    if order.order_type in TRIGGERED and fact.status in HAS_TRIGGERED:
        actions += reports.triggered(state, tracked, at)
    if fact.status in (VenueStatus.CANCELED, VenueStatus.BEST_EFFORT_CANCELED):
        if ending_of(fact.removal_reason, ZERO) is not None:
            tracked.own.removal_reason = reason_word(fact.removal_reason)
        tracked.own.not_renewed = tracked.own.not_renewed or "the venue had removed it"
    if fact.status in FINAL_STATUSES and not tracked.done:
        tracked.own.said_over = True
        actions.append(Ask(order.order_id, f"it is said to be {fact.status}", urgent=not tracked.own.is_short_term))
    if tracked.filled_at_venue > tracked.filled:
        actions.append(Ask(order.order_id, "a fill is missing"))
    return actions


def _shown(tracked: Tracked) -> list[Action]:
    """The venue has the order: what is written down as claimed was sent."""
    tracked.seen, tracked.own.shown, tracked.doubt = True, True, ""
    return [RecordSent(tracked.order.order_id)] if tracked.standing is Standing.CLAIMED else []


def _is_past(state: State, fact: OrderSeen) -> bool:
    """Whether the order's last block has come; REST shows it as open for a while all the same."""
    return fact.good_til_block is not None and fact.good_til_block < state.own.height


# -------------------------------------------------------------------------------------------------- fills and fees


def on_fill(state: State, fact: FillSeen, at: datetime) -> list[Action]:
    """A fill is reported whatever state its order is in, the desk's or not; its fee once it is known."""
    tracked = tracked_of(state, fact.order_id)
    fill = Fill(
        execution_id=fact.id,
        revision=0,
        order_id=tracked.order.order_id if tracked is not None else "",
        symbol=fact.ticker or (tracked.order.symbol if tracked else state.own.symbols.get(fact.clob_pair_id or 0, "")),
        side=fact.side,
        quantity=fact.size,
        price=fact.price,
        at=fact.at,
        liquidity=fact.liquidity,
    )
    actions: list[Action] = []
    if tracked is not None:
        actions += _shown(tracked)
        if tracked.order.order_type in TRIGGERED:
            actions += reports.triggered(state, tracked, fill.at)  # a stop does not fill untriggered
        remember_fill(state, tracked, fill, fact.height, fact.order_id)
        actions += moving.on_fill(tracked)
    actions += reports.filled(state, fill, fact.order_id)
    if fact.fee is not None:
        actions += reports.commission(state, fill.execution_id, 0, fill.order_id, fact.fee, CURRENCY, fill.at)
    elif tracked is not None and execution_report_id(state, "commission", fill.execution_id, 0) not in state.reported:
        actions.append(Ask(tracked.order.order_id, COMMISSION_IS_MISSING))
    return actions


_DECIDERS: dict[type, Callable[[State, Any, datetime], list[Action]]] = {
    Height: on_height,
    SubaccountSnapshot: on_snapshot,
    SubaccountChanged: on_changed,
    OrderSeen: on_order,
    FillSeen: on_fill,
}

# ---------------------------------------------------------------------------------------------------------- questions


def goes_on(tracked: Tracked) -> bool:
    """Whether the end of its present version is not the order's."""
    return tracked.own.continues and not tracked.cancel_command and not tracked.own.not_renewed


def question(state: State, tracked: Tracked) -> str:
    """What the venue still has to be asked about this order; "" = nothing."""
    if tracked.filled_at_venue > tracked.filled:
        return "a fill is missing"
    if reports.commission_is_missing(state, tracked):
        return COMMISSION_IS_MISSING
    if of_move := moving.question(tracked):
        return of_move
    if tracked.done or tracked.in_hand:
        return ""
    if tracked.own.is_short_term and state.own.indexer_height > tracked.own.good_til_block and not goes_on(tracked):
        return "its last block has passed"
    if tracked.standing is Standing.CLAIMED:
        return "no word of the order"
    if about_change := changing.question(state, tracked):
        return about_change
    if tracked.own.is_short_term:
        return tracked.doubt
    if tracked.own.said_over:
        return "it is said to be over"
    if tracked.cancel_command:
        return "no answer to the cancel"
    return tracked.doubt if tracked.seen else "no word of the order"
