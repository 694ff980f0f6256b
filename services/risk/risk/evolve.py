"""Folds TRADE into the state; what is said beside it, `risk.observed` does. Nothing else changes the state.

Owns what an approval reserves, what an order event frees and what a fill moves. It decides nothing. Live and rebuilt
state come from this same fold; a message of TRADE that was folded before changes nothing.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal

from signalbox.messages import (
    FINAL_STATUSES,
    AccountAdopted,
    BooksActRefused,
    BooksAdjusted,
    CancelIntent,
    CommissionBooked,
    Fill,
    FillCorrected,
    FlattenEnded,
    FlattenIntent,
    FundingBooked,
    IntentApproved,
    IntentDenied,
    ListAlarmed,
    ListEvents,
    ModifyIntent,
    OrderClaimed,
    OrderCreated,
    OrderDenied,
    OrderEvent,
    OrderEvents,
    OrderFilled,
    OrderIntent,
    OrderListIntent,
    OrderPartiallyFilled,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
)
from signalbox.order_lists import Terms, order_intent, plan_of
from signalbox.subjects import EXTERNAL_PREFIX

from risk import attached, changing, elsewhere, losing
from risk.account_ages import FUNDS, said_at
from risk.adjusting import adjust, in_units_of_now
from risk.exposure import alter, books_of, end, holding_of, note_traded, revalue, settle_terms, work
from risk.flattening import begun, note_try, number_of
from risk.known import Verdict
from risk.prices import stated_price, usable_price, worst_price
from risk.state import (
    ONE,
    RATE_WINDOW,
    REFUSED_MAX,
    UNCONFIRMED_FILLS_MAX,
    ZERO,
    AccountBooks,
    Holding,
    RiskState,
    WorkingOrder,
    order_key,
)
from risk.switches import fold_alarm, fold_switch, fold_unsettled

NO_TICKS = Terms(tick_size=ONE, lot_size=ONE)
"""What is sent at once has no price that is relative to a fill."""
_APPROVED, _DENIED, _PENDING_NEW = Verdict.APPROVED, Verdict.DENIED, OrderStatus.PENDING_NEW

# ------------------------------------------------------------------------------------------------ the total order


def fold_decision(state: RiskState, decision: IntentApproved | IntentDenied) -> None:
    """Take in a decision of TRADE, once. Those that are of a flatten have its place in INTENTS, and are numbered."""
    if decision.basis is not None and decision.basis.closes:
        flatten = state.flattens.get(decision.basis.closes)
        if flatten is not None and number_of(decision) > flatten.orders:
            fold_new_decision(state, decision)
    elif not is_answered(state, decision.intent_sequence, decision.intent_stored_at):
        fold_new_decision(state, decision)


def fold_new_decision(state: RiskState, decision: IntentApproved | IntentDenied) -> None:
    """Take in a decision that was not there: the id is used up, and an approved order counts from now on."""
    sequence = decision.intent_sequence
    state.answered.add(sequence, decision.intent_stored_at)
    intent = decision.intent
    if intent is None:
        return
    losing.note_decision(state, decision)
    is_approved = isinstance(decision, IntentApproved)
    ended = state.known.decide(intent.id, _APPROVED if is_approved else _DENIED, sequence)
    if not isinstance(decision, IntentApproved):
        return
    _note_flatten(state, decision)
    placed = decision.placed
    if placed is not None:
        books = _note_approval(state, placed, decision.at, decision.by)
        if ended is None and placed.id not in state.orders:  # else its events came first: they know what is left of it
            _reserve(state, books, placed, decision)
    elif decision.parts:
        _take_parts(state, decision)
    elif isinstance(intent, OrderListIntent):
        _reserve_list(state, _note_approval(state, intent, decision.at, decision.by), intent, decision.reference_price)
    elif isinstance(intent, ModifyIntent):
        books = _note_approval(state, intent, decision.at, decision.by)
        changing.let_through(state, books, intent, decision)


def _note_flatten(state: RiskState, decision: IntentApproved) -> None:
    """One begins, or something was let through for one that is under way."""
    intent, closes = decision.intent, decision.basis.closes if decision.basis is not None else ""
    if isinstance(intent, FlattenIntent):
        state.flattens[intent.id] = begun(decision, intent)
    elif closes in state.flattens:
        note_try(state.flattens[closes], decision)


def fold_flatten_ended(state: RiskState, ended: FlattenEnded) -> None:
    """Take in that a flatten is over, once or more often."""
    state.flattens.pop(ended.cause, None)


def is_answered(state: RiskState, sequence: int, stored_at: datetime) -> bool:
    """Whether this intent of INTENTS has its decision; another one that had its sequence does not count."""
    return state.answered.has(sequence, stored_at)


def fold_order_event(state: RiskState, sequence: int, event: OrderEvents) -> None:
    """Take in an order event of TRADE, once."""
    if sequence <= state.folded_up_to:
        return
    state.folded_up_to = sequence
    if isinstance(event, OrderDenied) and not _was_in_flight(state, event):
        return  # nothing was reserved for it: it bears the id of a denied intent, maybe another's
    if isinstance(event, ListAlarmed):
        fold_alarm(state, event, f"TRADE:{sequence}")
        return
    if isinstance(event, ListEvents):
        return  # what of a list may fill is said by its orders
    if isinstance(event, CommissionBooked | FundingBooked | BooksActRefused):
        return  # none ends an order or moves a position; available funds have it from the venue
    if isinstance(event, BooksAdjusted):
        fold_switch(state, event, sequence)
        adjust(state, event)
        return
    state.in_flight.discard(event.order_id)
    books = books_of(state, (event.venue, event.account))
    if isinstance(event, AccountAdopted):
        _adopt(state, books, event, f"TRADE:{sequence}")
        return
    if isinstance(event, OrderCreated):
        _create(state, books, event)
    elif isinstance(event, OrderPartiallyFilled | OrderFilled):
        _fill(state, books, event, event.fill)
        _set_open(state, books, event, event.leaves_quantity)
    elif isinstance(event, FillCorrected):
        _fill(state, books, event, event.fill, event.replaced)
        _set_open(state, books, event, event.leaves_quantity)
    elif isinstance(event, OrderReplaced | OrderClaimed) and event.order_id.startswith(EXTERNAL_PREFIX):
        elsewhere.fold(state, books, _key(event), event)
    elif isinstance(event, OrderPendingReplace | OrderReplaced | OrderReplaceRejected):
        changing.fold(state, books, _key(event), event)
    fold_unsettled(state, _key(event), event)
    _set_status(state, books, event)


def _was_in_flight(state: RiskState, event: OrderDenied) -> bool:
    """Say whether the OMS refuses what risk had approved (it can not tell the instrument, say)."""
    order = state.orders.get(event.order_id)
    return (
        event.order_id in state.in_flight
        and order is not None
        and (order.venue, order.account) == (event.venue, event.account)
    )


def distrust_books(state: RiskState, sequence: int) -> None:
    """Note that the order event at `sequence` could not be read: no position is known any more."""
    state.unread_event = state.unread_event or f"TRADE:{sequence}"
    state.folded_up_to = max(state.folded_up_to, sequence)


def _note_approval(
    state: RiskState, intent: OrderIntent | ModifyIntent | OrderListIntent, at: datetime, by: str
) -> AccountBooks:
    """Count an approval against the limits on their rate; the books of its account."""
    books = books_of(state, (intent.venue, intent.account))
    of_name = books.approvals_by_name.get(by)
    if of_name is None:
        of_name = books.approvals_by_name[by] = deque()
    _add_approval(books.approvals, at)
    _add_approval(of_name, at)
    return books


def _add_approval(lately: deque[datetime], at: datetime) -> None:
    lately.append(at)
    while at - lately[0] >= RATE_WINDOW:
        lately.popleft()


def _take_parts(state: RiskState, decision: IntentApproved) -> None:
    """What an intent about a group comes to counts in each account like one of its own."""
    for part in decision.parts:
        intent = part.intent
        if isinstance(intent, CancelIntent):
            continue
        books = _note_approval(state, intent, decision.at, decision.by)
        if isinstance(intent, ModifyIntent):
            changing.let_through(state, books, intent, decision)
        elif state.known.finished(intent.id) is None and intent.id not in state.orders:
            _reserve(state, books, intent, decision)


def _reserve(state: RiskState, books: AccountBooks, intent: OrderIntent, decision: IntentApproved) -> None:
    """Count an approved order as if all of it could fill at its worst price, before the venue has seen it."""
    price = worst_price(intent, decision.reference_price, state.rules.collar_of(intent))
    facts = (intent.venue, intent.account, intent.symbol, intent.side, intent.quantity, price)
    parts, group_order = len(decision.parts), decision.order_id if decision.parts else ""
    order = WorkingOrder(*facts, _PENDING_NEW, intent.strategy, intent, list_id=group_order, parts=parts)
    work(state, books, intent.id, order)
    state.in_flight.add(intent.id)


def _reserve_list(state: RiskState, books: AccountBooks, intent: OrderListIntent, reference: Decimal | None) -> None:
    """Count what of a list is sent at once; what follows an entry counts from when it is sent."""
    plan = plan_of(intent)
    legs = (plan.entry,) if plan.entry is not None else plan.sets[0].legs
    for leg in legs:
        order = order_intent(intent, plan, leg, plan.quantity, None, NO_TICKS)
        if state.known.finished(order.id) is not None or order.id in state.orders:
            continue  # its events came first
        price = worst_price(order, reference, state.rules.collar_of(order))
        facts = (order.venue, order.account, order.symbol, order.side, order.quantity, price)
        group = f"{intent.id}.1" if plan.entry is None else ""
        work(
            state,
            books,
            order.id,
            WorkingOrder(*facts, _PENDING_NEW, order.strategy, order, list_id=intent.id, group_id=group),
        )
        state.in_flight.add(order.id)


def _create(state: RiskState, books: AccountBooks, event: OrderCreated) -> None:
    """An order risk has not approved itself (one found at the venue) counts all the same."""
    order = event.order
    holding = holding_of(state, books, event.venue, order.symbol)
    if not holding.currency:
        holding.currency, holding.multiplier = order.currency, order.multiplier
        settle_terms(state, books, order.symbol, holding)
    key = _key(event)
    if key in state.orders or state.known.finished(key) is not None:
        return
    is_external = elsewhere.is_elsewhere(order)
    price = stated_price(order, holding.mark)
    if is_external:
        price = elsewhere.price_of(order, holding.mark, state.rules.collar_of(order))
    facts = (event.venue, event.account, order.symbol, order.side, order.quantity, price)
    list_id = group_id = ""
    terms = None
    if order.part is not None:
        list_id, terms = order.part.list_id, changing.terms_of(order)
        group_id = attached.group_of(state, order.part)
    parts = 0
    if order.allocation is not None:
        list_id, terms, parts = order.intent_id, changing.terms_of(order), order.allocation.parts
    working = WorkingOrder(*facts, event.status, order.strategy, terms, list_id=list_id, group_id=group_id, parts=parts)
    working.external = is_external
    changing.grow_group(state, working, order.quantity)
    work(state, books, key, working)


def _key(event: OrderEvent) -> str:
    return order_key(event.venue, event.account, event.order_id)


def _set_open(state: RiskState, books: AccountBooks, event: OrderEvent, leaves_quantity: Decimal) -> None:
    """What is left of an order after a fill. One that was final and is working again counts again."""
    order = state.orders.get(_key(event))
    if order is None:
        fill: Fill = event.fill  # type: ignore[attr-defined]  # only events with a fill come here
        if event.status not in FINAL_STATUSES and leaves_quantity > 0:
            refused = state.refused.get(_key(event))
            symbol = refused.symbol if refused is not None else fill.symbol  # a venue may call it something else
            price = usable_price(fill.price) or holding_of(state, books, event.venue, symbol).mark
            facts = (event.venue, event.account, symbol, fill.side, leaves_quantity, price)
            revived = WorkingOrder(*facts, event.status)
            if refused is not None:
                for name in ("strategy", "list_id", "group_id", "parts"):
                    setattr(revived, name, getattr(refused, name))
            _revive(state, books, _key(event), revived)
        return
    before = order.open_quantity
    if order.change is None:
        alter(state, books, order, open_quantity=max(leaves_quantity, ZERO))
    else:
        changing.fill(state, books, order, event.cumulative_quantity, leaves_quantity)  # type: ignore[attr-defined]
    attached.follow_fill(state, books, order, before - order.open_quantity)


def _set_status(state: RiskState, books: AccountBooks, event: OrderEvent) -> None:
    """Follow the order's status; a final one frees what is left of it."""
    key = _key(event)
    order = state.orders.get(key)
    if event.status not in FINAL_STATUSES:
        if order is not None:
            order.status = event.status
        elif key in state.refused:
            refused = state.refused[key]
            refused.status = event.status
            _revive(state, books, key, refused)
        return
    state.known.finish(key, event.status)
    if order is None:
        return
    end(state, books, key)
    if event.status is OrderStatus.REJECTED:
        state.refused[key] = order
        if len(state.refused) > REFUSED_MAX:
            del state.refused[next(iter(state.refused))]


def _revive(state: RiskState, books: AccountBooks, key: str, order: WorkingOrder) -> None:
    """An order that had ended may work after all (a venue accepts what it had refused): it counts again."""
    state.known.unfinish(key)
    state.refused.pop(key, None)
    work(state, books, key, order)


def _fill(state: RiskState, books: AccountBooks, event: OrderEvent, fill: Fill, replaced: Fill | None = None) -> None:
    """A fill moves the position, and takes funds for what it opens until the venue's figures contain it.

    One that the account's opening figures contain has moved them already.
    """
    if fill.execution_id in books.adopted_execution_ids:
        return
    if not books.adopted_source:
        books.fills_before_adoption[fill.execution_id] = fill
    if replaced is not None:
        _move(state, books, event, replaced, -1)
    before = holding_of(state, books, event.venue, fill.symbol).quantity
    holding = _move(state, books, event, fill, 1)
    if replaced is None:
        losing.close(books, event, fill, before, state.orders.get(_key(event)))
    else:
        losing.correct(books, fill.symbol)
    opened = abs(holding.quantity) - abs(before)
    known = state.accounts.get((event.venue, event.account))
    if opened > 0 and (known is None or fill.at >= said_at(known.message, FUNDS)):
        value = opened * fill.price * holding.multiplier * (holding.rate or ONE)
        value *= holding.funds_fraction
        if holding.quantity < 0:
            value = max(value, opened * holding.short_margin)
        books.unconfirmed_fills.append((fill.at, value))
        if len(books.unconfirmed_fills) > UNCONFIRMED_FILLS_MAX:
            (first_at, first), (second_at, second) = (
                books.unconfirmed_fills.popleft(),
                books.unconfirmed_fills.popleft(),
            )
            books.unconfirmed_fills.appendleft((max(first_at, second_at), first + second))


def _move(state: RiskState, books: AccountBooks, event: OrderEvent, fill: Fill, times: int) -> Holding:
    holding = holding_of(state, books, event.venue, fill.symbol)
    quantity = fill.side.sign * times * (in_units_of_now(holding, fill) if holding.rescaled else fill.quantity)
    holding.quantity += quantity
    note_traded(holding, fill.price)
    revalue(books, fill.symbol, holding)
    losing.move(state, books, event, fill, quantity, holding)
    return holding


def _adopt(state: RiskState, books: AccountBooks, event: AccountAdopted, source: str) -> None:
    """Begin an account's books with what the venue states. Fills booked before stay, unless that contains them."""
    if books.adopted_source:
        return
    books.adopted_source, books.currency = source, event.currency
    books.adopted_execution_ids = frozenset(event.execution_ids)
    for execution_id, fill in books.fills_before_adoption.items():
        if execution_id in books.adopted_execution_ids:
            _move(state, books, event, fill, -1)
    books.fills_before_adoption.clear()
    for held in event.positions:
        holding = holding_of(state, books, event.venue, held.symbol)
        holding.quantity += held.quantity
        if not holding.currency:
            holding.currency, holding.multiplier = held.currency, held.multiplier
        note_traded(holding, held.average_price)
        losing.take_over(state, books, event.venue, held, holding)
    for symbol, holding in books.holdings.items():
        settle_terms(state, books, symbol, holding)
