"""Checks of a change: may this order be given other terms now, and is anything of it another then?

What the order would be afterwards has the checks of any order beside these (`risk.decide.OF_CHANGED_ORDERS`): prices,
size, exposure, funds, hours, the desk's switch. A change that only takes quantity away is a cancel of a part: as of a
cancel nothing of the market, the account or the switch holds it up. Both the old terms and the new may stand until the
venue has said which, so the larger of the two counts, once.
"""

from __future__ import annotations

from signalbox.change_support import change_of
from signalbox.messages import OrderStatus
from signalbox.order_terms import CHANGEABLE, WITH_STOP, Support, as_wanted

from risk.checks.cancels import order_matches, order_working, tell_order_matches, tell_order_working
from risk.checks.rows import Row, Told
from risk.facts import INTENT, ChangeFacts
from risk.wording import UNKNOWN, plain

_CHANGEABLE_IN = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
_WHY_NOT_NOW = {
    OrderStatus.PENDING_NEW: "the venue has not taken it yet: change it once it is NEW, or cancel it",
    OrderStatus.PENDING_CANCEL: "it is being cancelled",
    OrderStatus.PENDING_REPLACE: "a change of it is under way: wait for what the venue says of that, or cancel it",
    OrderStatus.TRIGGERED: "its stop price has been reached, and it is at the market: cancel it, and send another",
    OrderStatus.HELD: "the venue does not work it: cancel it, and send another",
    OrderStatus.UNKNOWN: "it is not known what became of it: the venue is being asked",
}


def order_is_there(facts: ChangeFacts) -> str:
    return order_working(facts).replace("to cancel", "to change")


def order_changeable(facts: ChangeFacts) -> str:
    """The venue has it, and nothing else is under way."""
    order, name = facts.basis.order, facts.intent.order_id
    if order is None:
        return ""  # one that does not work fails another check
    if order.is_changing:
        return f"order {name} can not be changed now: {_WHY_NOT_NOW[OrderStatus.PENDING_REPLACE]}"
    if order.status not in _CHANGEABLE_IN:
        return f"order {name} is {order.status}, and can not be changed: {_WHY_NOT_NOW[order.status]}"
    if order.terms is None:
        return f"order {name} was not placed by this desk, which does not know all of its terms: it can be cancelled"
    return ""


def tell_order_changeable(facts: ChangeFacts) -> Told:
    order = facts.basis.order
    observed = UNKNOWN if order is None else str(order.status)
    if order is not None and order.is_changing:
        observed = str(OrderStatus.PENDING_REPLACE)
    return " or ".join(sorted(_CHANGEABLE_IN)), observed, facts.books_source


def change_support(facts: ChangeFacts) -> str:
    """The venue changes such orders: what it can not is not sent there to be refused."""
    order, found = facts.basis.order, facts.basis.instrument
    if order is None or order.terms is None or found is None:
        return ""
    rule = change_of(facts.intent.venue, found.kind, order.terms)
    return rule.sentence if rule.support is Support.REFUSED else ""


def tell_change_support(facts: ChangeFacts) -> Told:
    order, found = facts.basis.order, facts.basis.instrument
    limit = f"{Support.NATIVE} or {Support.EMULATED}"
    if order is None or order.terms is None or found is None:
        return limit, UNKNOWN, INTENT
    support = change_of(facts.intent.venue, found.kind, order.terms).support
    return limit, f"change of {order.terms.order_type} {order.terms.time_in_force}: {support}", INTENT


def change_made(facts: ChangeFacts) -> str:
    """Something is another afterwards."""
    order, wanted = facts.basis.order, facts.intent
    if all(getattr(wanted, name) is None for name in CHANGEABLE):
        return f"the intent names nothing to change: say {', '.join(CHANGEABLE[:-1])} or {CHANGEABLE[-1]}"
    if order is None or order.terms is None or as_wanted(order.terms, wanted) != order.terms:
        return ""
    return f"order {wanted.order_id} is so already: {_stated(facts)}"


def tell_change_made(facts: ChangeFacts) -> Told:
    return "another quantity or price", _stated(facts) or "nothing", INTENT


def _stated(facts: ChangeFacts) -> str:
    wanted = [(name, getattr(facts.intent, name)) for name in CHANGEABLE]
    return ", ".join(f"{name} {plain(value)}" for name, value in wanted if value is not None)


def total_above_filled(facts: ChangeFacts) -> str:
    """The quantity is the total (FIX: OrderQty): what has filled is in it, and something must be left."""
    total, filled = facts.intent.quantity, facts.filled
    if total is None or total <= 0 or total > filled:  # none at all fails another check
        return ""
    return (
        f"{plain(filled)} of order {facts.intent.order_id} have filled: a total of {plain(total)} leaves nothing; "
        "cancel it instead"
    )


def tell_total_above_filled(facts: ChangeFacts) -> Told:
    total = facts.intent.quantity
    source = facts.books_source
    return f"more than {plain(facts.filled)}", plain(total) if total is not None else "as it is", source


def size_is_its_own(facts: ChangeFacts) -> str:
    """How much a leg is for follows from its list: anything else is made that again, and may fill meanwhile."""
    order, quantity = facts.basis.order, facts.intent.quantity
    if order is None or order.terms is None or not order.list_group or quantity in (None, order.terms.quantity):
        return ""
    name = order.list_group.rpartition(".")[0]
    return (
        f"order {facts.intent.order_id} is a leg of list {name}, which says how much it is for: as much as there is "
        "for it to close; change its price, or the quantity of the list's entry, or cancel it"
    )


def tell_size_is_its_own(facts: ChangeFacts) -> Told:
    order = facts.basis.order
    observed = (order.list_group if order is not None else "") or "of no list"
    return "the quantity of no leg of a list", observed, facts.books_source


def stop_waits(facts: ChangeFacts) -> str:
    """A stop that has filled something has been reached: its price says nothing any more."""
    order = facts.basis.order
    if order is None or order.terms is None or order.terms.order_type not in WITH_STOP or not facts.filled:
        return ""
    if facts.intent.stop_price in (None, order.terms.stop_price):
        return ""
    return f"order {facts.intent.order_id} has filled in part: its stop price has been reached, and can not be another"


def tell_stop_waits(facts: ChangeFacts) -> Told:
    return "an untriggered stop", f"{plain(facts.filled)} filled", facts.books_source


def only_takes_away(facts: ChangeFacts) -> bool:
    """Whether nothing but the quantity is another, and that is less: a cancel of a part."""
    order, wanted = facts.basis.order, facts.intent
    if order is None or order.terms is None or wanted.quantity is None:
        return False
    after = as_wanted(order.terms, wanted)
    prices_stay = (after.limit_price, after.stop_price) == (order.terms.limit_price, order.terms.stop_price)
    return prices_stay and after.quantity < order.terms.quantity


CHANGE_ROWS: tuple[Row[ChangeFacts], ...] = (
    Row("order_working", order_is_there, tell_order_working),
    Row("order_matches", order_matches, tell_order_matches),
    Row("order_changeable", order_changeable, tell_order_changeable),
    Row("change_support", change_support, tell_change_support),
    Row("change_made", change_made, tell_change_made),
    Row("total_above_filled", total_above_filled, tell_total_above_filled),
    Row("size_is_its_own", size_is_its_own, tell_size_is_its_own),
    Row("stop_waits", stop_waits, tell_stop_waits),
)
