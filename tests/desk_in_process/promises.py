"""What must hold of a desk at rest, by the venues' own books, the intents and TRADE: what is not so, as sentences.

Pure. It asks the venues what they have, TRADE what was written down, and the intents what was promised; nothing that
the OMS or risk have in memory counts. It must not know what was done to the desk.

    an order              comes to its venue once at most, after its OrderCreated; it has ended at both, or at neither
    a fill                is in TRADE once, of the quantity and price that the venue has
    what was approved     began (or its list did), a change of it was answered; nothing is UNKNOWN

and of a list with an entry, with `left` = what the entry has filled less what all its exits have, by the venue:

    no orphan             of each exit leg no more works than is left (of an OTO leg: than its share of it)
    a stop                of a bracket works, with what closes in its place, for exactly what is left
    an exit that waits    at the venue does so only while its entry works, and nothing of that has filled; an entry
                          that can not be cancelled, which was told, works all the same
    more than was bought  was sold only where a `ListAlarmed` says so: two exits of one group have filled in a race

The stop is promised until a person takes it away (he has cancelled the list or an exit, or changed an exit's quantity;
all cancels and flattens are that), the list's schedule closes the position, or a `ListAlarmed` that is no RETRY says
that it can not be kept. Of a list without an entry: once a leg of OCO has filled no other works; of OUO legs no more
works than the fills have left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oms.sizes import OWN
from signalbox.messages import (
    FINAL_STATUSES,
    Contingency,
    FillCorrected,
    IntentApproved,
    ListAction,
    ListAlarmed,
    ListCreated,
    ListPendingCancel,
    ListScheduled,
    ListStepTaken,
    ModifyIntent,
    Order,
    OrderCreated,
    OrderFilled,
    OrderIntent,
    OrderListIntent,
    OrderPartiallyFilled,
    OrderPendingCancel,
    OrderPendingReplace,
    OrderReplaced,
    OrderReplaceRejected,
    OrderStatus,
    StepResult,
    TimedAction,
)
from signalbox.order_lists import FLATTEN, STOPS, WITH_ENTRY, plan_of

NONE = Decimal(0)
OF_LISTS = (ListCreated, ListPendingCancel, ListAlarmed, ListScheduled, ListStepTaken)


@dataclass(frozen=True)
class AtVenues:
    """What all venues have together. `standing` is what of each order may still fill, and whether it is held back."""

    standing: Mapping[str, tuple[Decimal, bool]]
    executions: Sequence[Any]
    """Each with its `client_reference` and `quantity`, at least."""
    placed: Mapping[str, int]


class Record:
    """TRADE, as far as promises go by it."""

    def __init__(self, stored: Sequence[Any]) -> None:
        self.orders: dict[str, Order] = {}
        self.status: dict[str, OrderStatus] = {}
        self.lists: dict[str, OrderListIntent] = {}
        self.lots: dict[str, Decimal] = {}
        self.fills: Counter[tuple[str, str]] = Counter()
        self.booked: dict[tuple[str, str], Any] = {}
        """By account and execution."""
        self.alarms: dict[str, list[ListAlarmed]] = defaultdict(list)
        self.withdrawn: set[str] = set()
        self.open_changes: set[str] = set()
        self.causes: set[str] = set()
        self.approved: list[IntentApproved] = []
        for each in stored:
            self._fold(each)

    def _fold(self, each: Any) -> None:
        if isinstance(each, IntentApproved):
            self.approved.append(each)
        if not hasattr(each, "order_id") or not hasattr(each, "status"):
            return
        self.causes.add(each.cause)
        if isinstance(each, OF_LISTS):
            self._fold_list(each)
            return
        self.status[each.order_id] = each.status
        if isinstance(each, OrderCreated):
            self.orders[each.order_id] = each.order
        elif isinstance(each, OrderPartiallyFilled | OrderFilled):
            self.fills[each.account, each.fill.execution_id] += 1
            self.booked[each.account, each.fill.execution_id] = each.fill
        elif isinstance(each, FillCorrected):
            self.booked[each.account, each.fill.execution_id] = each.fill
        elif isinstance(each, OrderPendingReplace):
            self.open_changes.add(each.order_id)
            self._taken_in_hand(each, is_of_quantity=each.order.quantity != self.orders[each.order_id].quantity)
        elif isinstance(each, OrderReplaced | OrderReplaceRejected):
            self.open_changes.discard(each.order_id)
            if isinstance(each, OrderReplaced):
                self.orders[each.order_id] = each.order
        elif isinstance(each, OrderPendingCancel):
            self._taken_in_hand(each, is_of_quantity=True)
        if each.status in FINAL_STATUSES:
            self.open_changes.discard(each.order_id)

    def _fold_list(self, each: Any) -> None:
        if isinstance(each, ListCreated):
            self.lists[each.order_id], self.lots[each.order_id] = each.intent, each.lot_size
        elif isinstance(each, ListAlarmed):
            self.alarms[each.order_id].append(each)
        elif isinstance(each, ListPendingCancel) or _closes(each):
            self.withdrawn.add(each.order_id)

    def _taken_in_hand(self, each: Any, *, is_of_quantity: bool) -> None:
        """A person has taken an exit away, or made it another size: what was promised of it is his from then on."""
        part = self.orders[each.order_id].part
        if part is not None and part.group and is_of_quantity and not each.cause.startswith(OWN):
            self.withdrawn.add(part.list_id)

    def given_up(self, list_id: str) -> bool:
        return any(alarm.action is not ListAction.RETRY for alarm in self.alarms[list_id])

    def stuck(self, list_id: str) -> set[str]:
        """The orders that can not be cancelled, which was told."""
        return {alarm.about for alarm in self.alarms[list_id] if alarm.action is not ListAction.RETRY}


def _closes(each: Any) -> bool:
    is_done = isinstance(each, ListStepTaken) and each.result is StepResult.DONE
    return is_done and each.action is TimedAction.CLOSE_POSITION


def broken(record: Record, there: AtVenues) -> list[str]:
    """Every promise that is not kept."""
    return [*_orders(record, there), *_fills(record, there), *_wishes(record), *broken_lists(record, there)]


def _orders(record: Record, there: AtVenues) -> Iterator[str]:
    for name, times in there.placed.items():
        if times > 1:
            yield f"double: {name} was placed {times} times"
        if name not in record.orders:
            yield f"{name} came to the venue, and nobody has written down that it began"
    for name, status in record.status.items():
        if name not in record.orders:
            continue
        if status in (OrderStatus.UNKNOWN, OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL):
            yield f"{name} is {status} at rest"
        if (status in FINAL_STATUSES) is (name in there.standing):
            yield f"{name} is {status}, and at the venue: {there.standing.get(name, 'nothing')}"
    for name in record.open_changes:
        yield f"nobody has said what became of a change of {name}"


def _fills(record: Record, there: AtVenues) -> Iterator[str]:
    executions = {(each.account, each.execution_id): each for each in there.executions}
    for name, times in record.fills.items():
        if times > 1:
            yield f"double: the fill {name} was booked {times} times"
        if name not in executions:
            yield f"the fill {name} was booked, and the venue has none"
    for name, each in executions.items():
        booked = record.booked.get(name)
        if booked is None:
            yield f"loss: the fill {name} of {each.client_reference} was not booked"
        elif (booked.order_id, booked.quantity, booked.price) != (each.client_reference, each.quantity, each.price):
            yield f"the fill {name} was booked otherwise: {booked}, at the venue {each}"
    filled = sold(there)
    for name, order in record.orders.items():
        if filled[name] > order.quantity:
            yield f"{name} was for {order.quantity}, and {filled[name]} have filled"


def sold(there: AtVenues) -> Counter[str]:
    """What of each order has filled, by the venue."""
    filled: Counter[str] = Counter()
    for each in there.executions:
        filled[each.client_reference] += each.quantity  # type: ignore[assignment]
    return filled


def _wishes(record: Record) -> Iterator[str]:
    for decision in record.approved:
        intent = decision.intent
        if isinstance(intent, OrderListIntent):
            if intent.id not in record.lists and intent.id not in record.status:
                yield f"the list {intent.id} was approved, and has not begun"
        elif decision.placed is not None and decision.order_id not in record.status:
            yield f"{decision.order_id} was approved, and has not begun"
        elif isinstance(intent, ModifyIntent) and decision.id not in record.causes:
            yield f"the change {intent.id} was approved, and is not in the story of {intent.order_id}"
        elif isinstance(intent, OrderIntent) and intent.id != decision.order_id:
            yield f"{intent.id} has become {decision.order_id}"


# ---------------------------------------------------------------------------------------------------------------- lists


def broken_lists(record: Record, there: AtVenues) -> Iterator[str]:
    """Every promise of a list that is not kept."""
    filled = sold(there)
    of: dict[str, list[Order]] = defaultdict(list)
    for order in record.orders.values():
        if order.part is not None:
            of[order.part.list_id].append(order)
    for name, intent in record.lists.items():
        check = _with_entry if intent.contingency in WITH_ENTRY else _without_entry
        yield from (f"{name}: {each}" for each in check(record, there, intent, of[name], filled))


def _legs(orders: Sequence[Order], of_each: Mapping[str, Decimal]) -> Counter[str]:
    """What comes to each leg of what is told of each order."""
    found: Counter[str] = Counter()
    for order in orders:
        assert order.part is not None
        found[order.part.leg] += of_each.get(order.order_id, NONE)  # type: ignore[assignment]
    return found


def _with_entry(
    record: Record, there: AtVenues, intent: OrderListIntent, orders: Sequence[Order], filled: Mapping[str, Decimal]
) -> Iterator[str]:
    plan, is_bracket = plan_of(intent), intent.contingency is Contingency.BRACKET
    assert plan.entry is not None
    entries = [order for order in orders if order.part is not None and not order.part.group]
    if not entries:
        if f"{intent.id}.{plan.entry.name}" not in record.status:  # denied: its time was over before it was sent
            yield "it has begun, and its entry has not"
        return
    list_id, entry = intent.id, plan.entry.name
    stuck = record.stuck(list_id)
    works = {name: leaves for name, (leaves, is_held) in there.standing.items() if not is_held and name not in stuck}
    done, open_ = _legs(orders, filled), _legs(orders, works)
    left = done[entry] - sum((each for leg, each in done.items() if leg != entry), NONE)
    for order in orders:
        is_held = there.standing.get(order.order_id, (NONE, False))[1]
        if is_held and (done[entry] or all(each.order_id not in there.standing for each in entries)):
            yield f"{order.order_id} waits for an entry that has filled {done[entry]} and is over, or has begun to"
    if left < 0 and not record.alarms[list_id]:
        yield f"its exits have closed {-left} more than its entry has opened, and nobody was told"
    left += _told_as_too_much(record, list_id, orders, filled)
    shares = {leg.name: each.share for each in plan.sets for leg in each.legs}
    for leg, quantity in open_.items():
        most = max(left, NONE)
        if not is_bracket:
            share = done[entry] * shares.get(leg, Decimal(1)) + record.lots[list_id]  # what is over is somebody's
            most = min(most, max(share - done[leg], NONE))
        if leg != entry and quantity > most:
            yield f"orphan: {quantity} of {leg} work, and {most} are left of what the entry has opened"
    if record.given_up(list_id) or list_id in record.withdrawn or not is_bracket:
        return
    stops = [leg.name for each in plan.sets for leg in each.legs if leg.order_type in STOPS]
    protects = sum((open_[leg] for leg in {*stops, FLATTEN}), NONE)
    if stops and protects != max(left, NONE):
        yield f"unprotected: {left} are held, and {protects} of its stop work"


def _told_as_too_much(record: Record, list_id: str, orders: Sequence[Order], filled: Mapping[str, Decimal]) -> Decimal:
    """What some group has closed more than it was for, in a race that was told: the others go on for what is theirs."""
    told, total = {alarm.about for alarm in record.alarms[list_id]}, NONE
    groups: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        if order.part is not None and order.part.group:
            groups[order.part.group_id].append(order)
    for name, members in groups.items():
        given = max(order.part.quantity for order in members if order.part is not None)
        closed = sum((filled.get(order.order_id, NONE) for order in members), NONE)
        total += max(closed - given, NONE) if name in told else NONE
    return total


def _without_entry(
    record: Record, there: AtVenues, intent: OrderListIntent, orders: Sequence[Order], filled: Mapping[str, Decimal]
) -> Iterator[str]:
    plan = plan_of(intent)
    if not orders:
        yield "it has begun, and none of its orders has"
        return
    stuck = record.stuck(intent.id)
    works = {name: leaves for name, (leaves, _) in there.standing.items() if name not in stuck}
    done, open_ = _legs(orders, filled), _legs(orders, works)
    all_done = sum(done.values(), NONE)
    for leg, quantity in open_.items():
        others = all_done - done[leg]
        if intent.contingency is Contingency.OCO and others and quantity:
            yield f"orphan: {quantity} of {leg} work, and another one of them has filled {others}"
        is_more = quantity > max(plan.quantity - all_done, NONE)
        if intent.contingency is Contingency.OUO and is_more and intent.id not in record.withdrawn:
            yield f"orphan: {quantity} of {leg} work, of {plan.quantity} of which {all_done} have filled"
