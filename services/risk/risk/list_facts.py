"""What one decision on a list is about: each of its legs as the order that it would be, where it would be one.

Owns the worst case of a list. Its entry is judged as an order by itself, as if nothing followed it. What follows is
judged where the entry has filled, at the entry's price: it closes what the entry opened, and of legs that depend on
each other one alone is counted, so that a stop and its target are not two sales. Pure; it judges nothing.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.messages import Basis, BooksSeen, InstrumentSeen, ListLeg, OrderListIntent, PositionSeen, QuoteSeen
from signalbox.order_lists import STOPS, Terms, order_intent, plan_of, share_out
from signalbox.order_terms import TRAILING, first_stop

from risk.facts import OrderFacts, gather
from risk.prices import worst_price
from risk.rates import conversion_rate
from risk.rules import Rules
from risk.state import BUY, ONE, ZERO, is_flat, values, worst_value
from risk.sums import Values, moved


class LegFacts(Struct, frozen=True, gc=False):
    """One order that a leg leads to, and what its checks look at."""

    leg: str
    facts: OrderFacts


def gather_legs(
    rules: Rules, basis: Basis, intent: OrderListIntent, symbol_error: str, by: str, at: datetime
) -> tuple[LegFacts, ...]:
    """Every order that a list which is one comes to, its entry or first leg first."""
    plan = plan_of(intent)
    terms = _terms(basis.instrument)

    def facts_of(leg: ListLeg, quantity: Decimal, found: Basis, fill_price: Decimal | None = None) -> LegFacts:
        order = order_intent(intent, plan, leg, quantity, fill_price, terms)
        return LegFacts(leg.name, gather(rules, found, order, symbol_error, by, at))

    if plan.entry is None:
        legs = plan.sets[0].legs
        return tuple(facts_of(leg, plan.quantity, _beside(basis, number)) for number, leg in enumerate(legs))
    entry = facts_of(plan.entry, plan.quantity, basis)
    price = _entry_price(plan.entry, entry.facts)
    if price is None or basis.instrument is None:
        return (entry,)  # which is denied for that, and nothing can be said of the others
    found, others, stops = _entered(rules, basis, entry.facts, price), list[LegFacts](), list[LegFacts]()
    quantities = share_out([each.share for each in plan.sets], [ZERO] * len(plan.sets), plan.quantity, terms.lot_size)
    number = 0
    for each, quantity in zip(plan.sets, quantities, strict=True):
        of_set = []
        for leg in each.legs:
            number += 1
            of_set.append(facts_of(leg, quantity, _beside(found, number), price))
        others += of_set
        stops += _stop_of(of_set)
        found = _counted(found, of_set)
    return (_with_stops(entry, price, basis.instrument, stops), *others)


def _stop_of(legs: list[LegFacts]) -> list[LegFacts]:
    """The stop of legs of which no more fills than one of them is for."""
    return [each for each in legs if each.facts.intent.order_type in STOPS][:1]


def _with_stops(entry: LegFacts, price: Decimal, instrument: InstrumentSeen, stops: list[LegFacts]) -> LegFacts:
    """The entry with what is lost if it fills at `price` and its stops at theirs; what has no stop is lost whole."""
    facts, lost, stopped = entry.facts, ZERO, ZERO
    for each in stops:
        order = each.facts.intent
        trails = order.order_type in TRAILING
        stop = order.stop_price if not trails else first_stop(order, order.side, price)
        if stop is not None:
            lost += order.quantity * (price - stop) * facts.intent.side.sign
            stopped += order.quantity
    without = max(ZERO, facts.intent.quantity - stopped)
    unit = instrument.multiplier * facts.rate if facts.rate is not None else None
    at_stop = (lost + without * price) * unit if unit is not None else None
    return LegFacts(entry.leg, structs.replace(facts, at_stop=at_stop, has_stop=not without))


def _terms(instrument: InstrumentSeen | None) -> Terms:
    if instrument is None:
        return Terms(tick_size=ONE, lot_size=ONE)
    return Terms(
        tick_size=instrument.tick_size, lot_size=instrument.lot_size, price_steps=tuple(instrument.price_steps)
    )


def _entry_price(leg: ListLeg, facts: OrderFacts) -> Decimal | None:
    """Where the entry is taken to fill."""
    return leg.limit_price or leg.stop_price or facts.market_price


def _beside(basis: Basis, legs: int) -> Basis:
    """With so many legs of the list working before this one."""
    books = structs.replace(basis.books, working_orders=basis.books.working_orders + legs)
    return structs.replace(basis, books=books)


def _entered(rules: Rules, basis: Basis, entry: OrderFacts, price: Decimal) -> Basis:
    """The account once the entry has filled at its price, and the market there."""
    instrument, before = basis.instrument, basis.position
    assert instrument is not None
    rate = conversion_rate(rules.desk, basis.books.currency, instrument.currency, instrument.rate)
    after = structs.replace(
        before,
        quantity=before.quantity + entry.intent.side.sign * entry.intent.quantity,
        mark=before.mark if before.mark is not None else price,
        multiplier=instrument.multiplier,
        rate=rate,
    )
    quote = basis.quote
    if quote is not None and (entry.intent.limit_price is not None or entry.intent.stop_price is not None):
        quote = _quote_at(quote, price)
    return structs.replace(basis, position=after, books=_worth(basis, after), quote=quote)


def _quote_at(quote: QuoteSeen, price: Decimal) -> QuoteSeen:
    oracle = price if quote.oracle_price is not None else None
    return structs.replace(quote, bid=price, ask=price, last=price, oracle_price=oracle)


def _worth(basis: Basis, after: PositionSeen) -> BooksSeen:
    """The account's worst value with the position as it is then."""
    before = basis.position
    was, becomes = _values(before), _values(after)
    change = worst_value(*becomes) - worst_value(*was)
    books = structs.replace(basis.books, worst_value=basis.books.worst_value + change)
    return moved(books, before, after, was, becomes)


def _values(position: PositionSeen) -> Values:
    found = None if is_flat(position) else values(position)
    return found if found is not None else (ZERO, ZERO, ZERO)


def _counted(basis: Basis, legs: list[LegFacts]) -> Basis:
    """With what of a set may fill: of legs that depend on each other the one that comes to most."""
    worst = max(legs, key=lambda each: _value(each.facts) or ZERO)
    order, held = worst.facts.intent, basis.position
    value = _value(worst.facts) or ZERO
    if order.side is BUY:
        after = structs.replace(
            held, buying_quantity=held.buying_quantity + order.quantity, buying_value=held.buying_value + value
        )
    else:
        after = structs.replace(
            held, selling_quantity=held.selling_quantity + order.quantity, selling_value=held.selling_value + value
        )
    return structs.replace(basis, position=after, books=_worth(basis, after))


def _value(facts: OrderFacts) -> Decimal | None:
    price = worst_price(facts.intent, facts.market_price, facts.limits.price_collar_fraction)
    return facts.intent.quantity * price if price is not None else None
