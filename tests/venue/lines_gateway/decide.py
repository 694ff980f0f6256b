"""What follows from what the line broker says. Pure but for `state`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from lines_gateway.facts import VENUE, CancelRefused, Everything, ExecutionSeen, OrderSeen
from signalbox.gateway import reports
from signalbox.gateway import state as house
from signalbox.gateway.actions import Action, Ask, CancelAgain, CancelStray, RecordSent
from signalbox.gateway.state import Standing, asked_about, learn_venue_id, remember_fill, report_id
from signalbox.messages import Fill, OpenOrder, OrderType, VenueSnapshot
from signalbox.order_terms import TRIGGERED, WHY_OVER

WORKING = frozenset({"WORKING", "TRIGGERED"})
MISSING = "an execution is missing"


@dataclass
class OwnOrder:
    """`absent_seconds`: since when complete answers do not have it; `cancel_sent_seconds`: when its cancel left."""

    absent_seconds: float = math.inf
    cancel_sent_seconds: float = -math.inf


Tracked = house.Tracked[OwnOrder]
State = house.State[None, OwnOrder]


def state_of(account: str) -> State:
    return State(VENUE, account, None, lambda claim, wall_seconds: OwnOrder())


def decide(state: State, fact: OrderSeen | ExecutionSeen | CancelRefused, at: datetime) -> list[Action]:
    """Take one fact; return what follows."""
    tracked = state.orders.get(fact.reference)
    if isinstance(fact, ExecutionSeen):
        return _execution(state, tracked, fact)
    if tracked is None:
        return []
    if isinstance(fact, CancelRefused):
        command_id, tracked.cancel_command = tracked.cancel_command, ""
        over = tracked.done or not command_id
        return [] if over else [*reports.cancel_rejected(state, tracked, command_id, "refused", fact.reason, at)]
    return _order(state, tracked, fact, at)


def _execution(state: State, tracked: Tracked | None, fact: ExecutionSeen) -> list[Action]:
    order_id = tracked.order.order_id if tracked is not None else ""
    fill = Fill(
        execution_id=fact.execution_id, revision=0, order_id=order_id, symbol=fact.symbol, side=fact.side,
        quantity=fact.quantity, price=fact.price, at=fact.at,
    )  # fmt: skip
    actions: list[Action] = []
    if tracked is not None:
        actions += _shown(state, tracked, fact.number)
        if tracked.order.order_type in TRIGGERED:
            actions += reports.triggered(state, tracked, fact.at)
    remember_fill(state, fill)
    actions += reports.filled(state, fill, str(fact.number))
    actions += reports.commission(state, fact.execution_id, 0, order_id, fact.commission, fact.currency, fact.at)
    return actions


def _order(state: State, tracked: Tracked, fact: OrderSeen, at: datetime) -> list[Action]:
    tracked.filled_at_venue = max(tracked.filled_at_venue, fact.filled)
    if tracked.standing is Standing.OVER:
        stray = tracked.presumed_lost and fact.status in WORKING
        return [CancelStray(fact.reference)] if stray else []
    actions = _shown(state, tracked, fact.number)
    match fact.status:
        case "REJECTED":
            actions += reports.rejected(state, tracked, at, "refused", fact.reason)
        case "CANCELED":
            whose = WHY_OVER.get(tracked.order.time_in_force, "cancelled at the venue, not by this desk")
            actions += reports.canceled(state, tracked, at, "cancelled as asked" if tracked.cancel_command else whose)
        case "EXPIRED":
            actions += reports.expired(state, tracked, at, "its time in force is over")
        case _:
            actions += reports.accepted(state, tracked, at)
            if tracked.order.order_type in TRIGGERED and fact.status != "WORKING":
                actions += reports.triggered(state, tracked, at)
            if tracked.order.order_type is OrderType.MARKET_TO_LIMIT and fact.limit_price:
                words = f"what its first fill has left works as a limit order at {fact.limit_price.normalize():f}"
                actions += reports.noted(state, tracked, at, "", words)
    return [*actions, Ask(fact.reference, MISSING)] if tracked.filled_at_venue > tracked.filled else actions


def _shown(state: State, tracked: Tracked, number: int) -> list[Action]:
    tracked.seen, tracked.own.absent_seconds = True, math.inf
    learn_venue_id(state, tracked, str(number))
    return [RecordSent(tracked.order.order_id)] if tracked.standing is Standing.CLAIMED else []


def question(tracked: Tracked) -> str:
    """What the broker still has to be asked; "" = nothing."""
    if tracked.filled_at_venue > tracked.filled:
        return MISSING
    if tracked.done:
        return ""
    if tracked.standing is Standing.CLAIMED or not tracked.seen:
        return "no word of the order"
    return "no answer to the cancel" if tracked.cancel_command else ""


def reconcile(
    state: State, answer: Everything, about: frozenset[str], at: datetime, wall_seconds: float, visible_seconds: float
) -> list[Action]:
    """Take a complete answer. An order that is not in it twice, `visible_seconds` apart, never reached the broker."""
    actions = [action for fact in (*answer.executions, *answer.orders) for action in decide(state, fact, at)]
    there = {order.reference: order for order in answer.orders}
    for tracked in asked_about(state, about):
        order_id, own = tracked.order.order_id, tracked.own
        if tracked.done:
            continue
        if order_id in there:
            unanswered = wall_seconds - own.cancel_sent_seconds >= visible_seconds
            if tracked.cancel_is_out and unanswered and there[order_id].status in WORKING:
                actions.append(CancelAgain(order_id))
        elif own.absent_seconds == math.inf:
            own.absent_seconds = wall_seconds
            reason = "the venue does not list it; it is asked again"
            actions += [*reports.unknown(state, tracked, at, reason), Ask(order_id, reason)]
        elif wall_seconds - own.absent_seconds >= visible_seconds:
            actions += reports.lost(state, tracked, at, "it never reached the venue")
    return actions


def snapshot(state: State, answer: Everything, at: datetime, process: str) -> VenueSnapshot:
    """Make the statement of all that the broker holds for the account; one of each `process` for an instant."""
    open_orders = (
        OpenOrder(
            order_id=seen.reference if seen.reference in state.orders else "", venue_order_id=str(seen.number),
            symbol=seen.symbol, side=seen.side, quantity=seen.quantity, filled_quantity=seen.filled,
        )
        for seen in answer.orders
        if seen.status in WORKING
    )  # fmt: skip
    return VenueSnapshot(
        id=report_id(VENUE, state.account, "snapshot", f"{at.isoformat()}/{process}"),
        at=at, venue=VENUE, account=state.account,
        currency=answer.figures.currency, cash=answer.figures.cash,
        positions=tuple(held for held in answer.positions if held.quantity),
        open_orders=tuple(open_orders), execution_ids=tuple(seen.execution_id for seen in answer.executions),
    )  # fmt: skip
