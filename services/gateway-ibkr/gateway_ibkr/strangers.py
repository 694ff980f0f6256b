"""Orders that others have placed in the account, as TWS shows them: by hand in its window, or another API client.

Owns what such an order is in the desk's words, as far as there are any, and which of the venue's words show or end it.
Live this client is told of its own alone (client 0: also of those by hand), so complete answers are what tells: they
are asked for every while (`Settings.external_orders_seconds`). Pure but for `state`, as `decide`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct
from signalbox.errors import TranslationError
from signalbox.gateway import externals
from signalbox.gateway.actions import Action, Ask
from signalbox.messages import OrderType, TimeInForce, VenueOrderFound
from signalbox.order_terms import AT_OPEN, WITH_LIMIT, WITH_STOP

from gateway_ibkr import sense
from gateway_ibkr.facts import CompletedOrderSeen, OpenOrderSeen, OrderStatusSeen
from gateway_ibkr.state import State
from gateway_ibkr.translate import (
    AT_THE_OPENING,
    ORDER_TYPES,
    UNSET_DOUBLE,
    VENUE,
    base_currency_of,
    decimal_of,
    multiplier_of,
    name_of,
    price_in,
    side_of,
)

if TYPE_CHECKING:
    from gateway_ibkr.reconcile import Answers

OPEN = frozenset({"PendingSubmit", "ApiPending", "PreSubmitted", "Submitted", "PendingCancel"})
ENDED = frozenset({"Cancelled", "ApiCancelled"})
FILLED_STATUS = "Filled"
BY_HAND = "by hand"
"""What client 0 is: TWS itself. A program may be that too, and is not told apart."""
INACTIVE, FILLED = "the venue has made it inactive", "the venue has filled it"


_TYPES = {word: kind for kind, word in ORDER_TYPES.items() if kind not in AT_OPEN}
_TYPES_AT_OPEN = {word: kind for kind, word in ORDER_TYPES.items() if kind in AT_OPEN}
_TIMES_IN_FORCE = {each.value: each for each in TimeInForce}


class Place(Struct, frozen=True):
    """Under which number which client has it: what cancels it."""

    client_id: int
    order_number: int


def on_open_order(state: State, fact: OpenOrderSeen, at: datetime, *, listed: bool = False) -> list[Action]:
    """An openOrder of none of the desk's orders. `listed`: it stands in complete answers."""
    if not fact.perm_id or fact.account != state.account:
        return []  # it has no name of its own yet, or is another account's
    known = state.externals.get(str(fact.perm_id))
    if fact.status in OPEN:
        try:
            found = _found(state, fact, at)
        except TranslationError as error:
            return [sense.park(fact, error, state.own)]
        return [*externals.shown(state, found, Place(fact.client_id, fact.order_number), listed=listed)]
    if known is None:
        return []
    if fact.status in ENDED:
        return [*externals.ended(state, known, at)]
    if fact.status == "Inactive":
        return [*externals.ended(state, known, at, INACTIVE)]
    return _filled(state, str(fact.perm_id)) if fact.status == FILLED_STATUS else []


def on_status(state: State, fact: OrderStatusSeen, at: datetime) -> list[Action]:
    """An orderStatus of none of the desk's orders: it may be the end of one that is known."""
    known = state.externals.get(str(fact.perm_id))
    if known is None or known.ended_at is not None:
        return []
    if fact.status in ENDED:
        return [*externals.ended(state, known, at)]
    return _filled(state, str(fact.perm_id)) if fact.status == FILLED_STATUS else []


def listed(state: State, answers: Answers, unread: Collection[str], at: datetime) -> list[Action]:
    """What complete answers say of them. Those of which a row makes no sense (`unread`) have not ended."""
    actions: list[Action] = []
    there = {str(seen.perm_id) for seen in answers.open_orders} | set(unread)
    for seen in answers.open_orders:
        if str(seen.perm_id) not in state.order_by_venue_id and seen.reference not in state.orders:
            actions += on_open_order(state, seen, at, listed=True)
    if answers.hides:
        return actions
    over = {str(seen.perm_id): seen for seen in answers.completed}
    for name, completed in over.items():
        known = state.externals.get(name)
        if known is not None and name not in there:
            actions += externals.ended(state, known, at, _reason(completed))
    actions += externals.not_listed(state, there, at)
    if externals.question(state):
        actions.append(Ask(externals.QUESTION, externals.question(state)))
    return actions


def _filled(state: State, name: str) -> list[Action]:
    """Its executions are not told to this client: they are asked for, and stand before its end."""
    known = state.externals.get(name)
    if known is None or known.ended_at is not None:
        return []
    known.doubt = FILLED
    return [Ask(externals.QUESTION, FILLED, urgent=True)]


def _reason(seen: CompletedOrderSeen) -> str:
    if seen.status == FILLED_STATUS:
        return FILLED
    said = seen.completed_status.strip()
    return f"{externals.BY_OTHERS}: {said}" if said else externals.BY_OTHERS


def _found(state: State, fact: OpenOrderSeen, at: datetime) -> VenueOrderFound:
    contract = fact.contract
    kind = _type_of(fact)
    quantity = decimal_of(fact.quantity)
    if quantity <= 0:
        raise TranslationError(f"an order for {quantity}")
    return VenueOrderFound(
        id="",
        at=max(at, state.own.venue_time or at),
        venue=VENUE,
        account=state.account,
        venue_order_id=str(fact.perm_id),
        symbol=name_of(contract, state.own.symbols, state.own.untold),
        side=side_of(fact.action),
        quantity=quantity,
        venue_type=fact.order_type,
        order_type=kind,
        limit_price=_price(fact, fact.limit_price) if kind is None or kind in WITH_LIMIT else None,
        stop_price=_price(fact, fact.stop_price) if kind is None or kind in WITH_STOP else None,
        venue_time_in_force=fact.time_in_force,
        time_in_force=_TIMES_IN_FORCE.get(fact.time_in_force),
        placed_by=BY_HAND if fact.client_id <= 0 else f"client {fact.client_id}",
        reference=fact.reference,
        currency=contract.currency,
        multiplier=multiplier_of(contract),
        base_currency=base_currency_of(contract),
    )


def _type_of(fact: OpenOrderSeen) -> OrderType | None:
    """The desk's word for a type of the venue's; None = it has none."""
    return (_TYPES_AT_OPEN if fact.time_in_force == AT_THE_OPENING else _TYPES).get(fact.order_type)


def _price(fact: OpenOrderSeen, value: float) -> Decimal | None:
    """A price that an order of this contract can have; None = it has none, or one that bounds nothing."""
    if value in (0.0, UNSET_DOUBLE):
        return None
    try:
        return price_in(fact.contract, value)
    except TranslationError:
        return None
