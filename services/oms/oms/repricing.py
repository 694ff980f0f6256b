"""An exit that was sent with its entry, at a price reckoned from an estimate, is moved to that of the actual fill.

Owns when such an exit is asked to move, and what is told where it is not moved. Until then it stands where it was
reckoned (`oms.estimates`), at the venue, whoever is dead. It is changed in place, with the quantity that is needed of
it by then: one change says both. What it is to be is asked of the folded state each time: the average price of what
the entry has filled, or, while nothing has, the estimate by the entry's present limit. So the next process after a
crash asks for just what is missing, and a fill that is corrected moves the exits again. Pure.

What a person has moved is his, and a stop that the schedule has moved is the schedule's: neither is moved here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.messages import ListAction, ListAlarmed, ListLeg, Order, OrderStatus
from signalbox.order_lists import Plan, priced
from signalbox.order_terms import WITH_LIMIT, WITH_STOP

from oms.attaching import may_be_resized, resized
from oms.changes import replace_order, why_not
from oms.estimates import estimate, is_relative
from oms.following import NO_ORDER
from oms.list_standing import Group, Standing
from oms.lists import is_told, needed, working_of
from oms.outcome import NOTHING, Outcome, Rules, carried
from oms.positions import divide
from oms.schedule import terms_of
from oms.sizes import EXIT_WINDOW, OWN
from oms.state import ListState, OrderState, State


def reprice(state: State, known: ListState, plan: Plan, now: Standing, at: datetime, rules: Rules) -> Outcome:
    """Ask for the next exit's price, and its quantity with it; NOTHING = all are where they belong, or can not be."""
    if known.is_recalled or now.entry is None:
        return NOTHING
    for group, leg, order in _reckoned(known, now):
        assert order.order is not None
        prices = _prices(known, plan, now, leg)
        if prices is None or prices == (order.order.limit_price, order.order.stop_price):
            continue
        if not may_be_resized(known, order):
            if not is_told(known, _about(order)):
                return _told(state, known, group, order, prices, at)
            continue
        wanted = _wanted(group, leg, order, prices)
        if wanted is None or why_not(order, wanted):
            continue  # its next event wakes the list
        cause = f"{OWN}{known.list_id}/{order.order_id}/{len(order.command_causes) + 1}"
        lasting = dataclasses.replace(rules, submit_window=EXIT_WINDOW)
        return replace_order(state, order, wanted, at, cause, lasting)
    return NOTHING


def _reckoned(known: ListState, now: Standing) -> Iterator[tuple[Group, ListLeg, OrderState]]:
    """The exits that work and may still be at an estimate."""
    for group in now.groups:
        if not group.is_attached or group.is_withdrawn or group.is_closing:
            continue
        for leg in group.of.legs:
            if not is_relative(leg) or known.timed.stop_of(leg.name) is not None:
                continue
            for order in working_of(group.orders.get(leg.name, ())):
                if _was_attached(order) and not _is_somebodys(order) and order.status is not OrderStatus.TRIGGERED:
                    yield group, leg, order


def _was_attached(order: OrderState) -> bool:
    return order.order is not None and order.order.part is not None and bool(order.order.part.attached_to)


def _is_somebodys(order: OrderState) -> bool:
    """Whether a person has changed it."""
    changes = (cause for cause in order.command_causes if cause not in order.cancel_causes)
    return any(not cause.startswith(OWN) for cause in changes)


def _prices(known: ListState, plan: Plan, now: Standing, leg: ListLeg) -> tuple[Decimal | None, Decimal | None] | None:
    """Limit and stop price where a leg belongs; None = nobody can say."""
    entry = now.entry
    assert entry is not None
    filled = entry.filled_quantity
    price = divide(known.entry_value, filled) if filled else estimate(known, plan, leg, entry)
    if price is None:
        return None
    limit, stop = priced(leg, plan, price, terms_of(known))
    return (limit if leg.order_type in WITH_LIMIT else None, stop if leg.order_type in WITH_STOP else None)


def _wanted(
    group: Group, leg: ListLeg, order: OrderState, prices: tuple[Decimal | None, Decimal | None]
) -> Order | None:
    """All of the order as it is to be; None = it goes, or has nothing to protect."""
    assert order.order is not None
    terms = order.order
    if not group.waits:
        quantity = needed(group, leg.name)
        if not quantity:
            return None
        terms = resized(order, quantity)
    return replace(terms, limit_price=prices[0], stop_price=prices[1])


def _about(order: OrderState) -> str:
    return f"{order.order_id}/price"


def _told(
    state: State,
    known: ListState,
    group: Group,
    order: OrderState,
    prices: tuple[Decimal | None, Decimal | None],
    at: datetime,
) -> Outcome:
    """The venue refuses to move it: told once, and it stays where it was reckoned."""
    assert order.order is not None
    before = _said(order.order.limit_price, order.order.stop_price)
    alarm = ListAlarmed(
        **carried(state, known.owner, NO_ORDER, at, known.changed_by),
        about=_about(order),
        group=group.number,
        reason=f"{order.order_id} was not moved to {_said(*prices)}, where the fill has it: it stays at {before}, "
        "where it was reckoned before the fill",
        action=ListAction.ALARM,
        symbol=known.intent.symbol,
    )
    return Outcome(events=(alarm,))


def _said(limit: Decimal | None, stop: Decimal | None) -> str:
    return " / ".join(f"{price:f}" for price in (stop, limit) if price is not None)
