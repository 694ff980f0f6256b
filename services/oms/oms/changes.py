"""What gives an order that works other terms: an approved change, or the OMS by itself.

Owns when a change may be asked for, and its event and command. Whether it is within the limits is risk's; what becomes
of it the venue says (`oms.reports`). Pure, like `oms.decide`.

`replace_order` is for whoever has a reason: a decision, or the OMS that has an exit follow what it protects. Of one
cause there is one change, however often it is asked.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace
from signalbox.change_support import change_of
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    Contingency,
    InstrumentKind,
    IntentApproved,
    ModifyIntent,
    ModifyOrder,
    Order,
    OrderPendingReplace,
    OrderReplaceRejected,
    RefusedBy,
)
from signalbox.order_lists import plan_of
from signalbox.order_terms import Support, as_wanted

from oms.list_standing import standing
from oms.outcome import NOTHING, Outcome, Rules, carried
from oms.positions import add
from oms.reducing import reduces
from oms.sizes import others_filled
from oms.state import Change, OrderState, State
from oms.transitions import TRANSITIONS, next_status


def change(state: State, decision: IntentApproved, intent: ModifyIntent, rules: Rules) -> Outcome:
    """An approved change: what it leaves away stays as it is."""
    order = state.find_order(intent.venue, intent.account, intent.order_id)
    if order is None or order.order is None:
        raise IllegalTransitionError(intent.order_id, "NO_ORDER", OrderPendingReplace.__name__)
    wanted = as_wanted(order.order, intent)
    if intent.quantity is None:
        wanted = replace(wanted, quantity=left_to(state, order, wanted.quantity))
    return replace_order(state, order, wanted, decision.at, decision.id, rules, decision.reference_price)


def left_to(state: State, order: OrderState, quantity: Decimal) -> Decimal:
    """The total that an exit may come to: what another one of its group has filled is not asked for again.

    Its venue has taken that from it by itself, and a change states all of the order.
    """
    part = order.order.part if order.order is not None else None
    known = state.lists.get(part.list_id) if part is not None and part.group else None
    if part is None or known is None or part.contingency is not Contingency.OUO:
        return quantity
    groups = standing(state, known, plan_of(known.intent)).groups
    left = next((group.left for group in groups if group.number == part.group), quantity)
    return min(quantity, add(order.filled_quantity, left)) if left > 0 else quantity


def replace_order(
    state: State,
    order: OrderState,
    wanted: Order,
    at: datetime,
    cause: str,
    rules: Rules,
    reference_price: Decimal | None = None,
) -> Outcome:
    """Ask for other terms of an order, once for each `cause`: the event, and the command under its next revision.

    `wanted` is all of it as it is to be: other in quantity (the total), prices, and how its stop trails. Where it can
    not be asked for now (it has ended, is being cancelled or changed, the venue has not taken it), the event says why:
    it is as it was.
    """
    if cause in order.command_causes:
        return _again(state, order, cause, rules)
    if cause in order.causes:
        return NOTHING
    if why := why_not(order, wanted):
        status = next_status(order.order_id, order.status, OrderReplaceRejected, replacing=order.change is not None)
        refused = OrderReplaceRejected(
            **carried(state, order.owner, status, at, cause), reason=why, refused_by=RefusedBy.DESK
        )
        return Outcome(events=(refused,))
    wanted = _as_known(state, order, wanted)
    revision = len(order.command_causes) + 1
    status = next_status(order.order_id, order.status, OrderPendingReplace)
    asked = OrderPendingReplace(
        **carried(state, order.owner, status, at, cause),
        order=wanted,
        revision=revision,
        reference_price=reference_price,
    )
    return Outcome(
        events=(asked,), commands=((revision, _command(state, order, Change(wanted, revision, at), cause, rules)),)
    )


def _as_known(state: State, order: OrderState, wanted: Order) -> Order:
    """With what the others of its group have filled by now: no gateway that knows of more sends it."""
    part = wanted.part
    known = state.lists.get(part.list_id) if part is not None and part.contingency is not None else None
    if part is None or known is None:
        return wanted
    filled = others_filled(state, known, part.group, order.key)
    return replace(wanted, part=replace(part, others_filled=filled))


def can_be_changed(state: State, order: OrderState) -> bool:
    """Whether its venue changes such an order, in place or by another one in its place."""
    terms = order.order
    assert terms is not None
    instrument = state.instruments.get((order.venue, terms.symbol))
    kind = instrument.kind if instrument is not None else InstrumentKind.STOCK
    return change_of(order.venue, kind, terms).support is not Support.REFUSED


def why_not(order: OrderState, wanted: Order) -> str:
    """Why an order can not be given other terms now; "" = it can."""
    if order.is_final:
        return f"the order is {order.status.value} already"
    if order.change is not None:
        return "another change of it is under way: wait for what the venue says of that"
    if (order.status, OrderPendingReplace) not in TRANSITIONS:
        return f"the order is {order.status.value}: the venue has to have it, and nothing may be under way"
    if wanted.quantity <= order.filled_quantity:
        return f"{order.filled_quantity} of it have filled already: a total of {wanted.quantity} leaves nothing"
    return ""


def _again(state: State, order: OrderState, cause: str, rules: Rules) -> Outcome:
    """What asked for it comes again: its command may be missing, and COMMANDS refuses a second one."""
    revision = order.command_causes.index(cause) + 1
    if order.change is None or order.change.revision != revision:
        return NOTHING
    return Outcome(commands=((revision, _command(state, order, order.change, cause, rules)),))


def _command(state: State, order: OrderState, asked: Change, cause: str, rules: Rules) -> ModifyOrder:
    return ModifyOrder(
        id=f"command/{order.key}/{asked.revision}",
        at=asked.at,
        cause=cause,
        venue=order.venue,
        account=order.account,
        order_id=order.order_id,
        venue_order_id=order.venue_order_id,
        order=asked.order,
        revision=asked.revision,
        deadline=asked.at + rules.submit_window,
        reduces=reduces(state, asked.order),
    )
