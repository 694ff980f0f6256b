"""What an intent about a group of accounts comes to, account by account: which part of it each is for.

Owns by what a part is reckoned (what each account is worth, has free or holds, as the basis has it), what is called
what, and why nothing can be shared out. All accounts or none: one whose figures are not known lets nothing through,
since the parts of the others would be others. Pure; it must not know limits: each part is held against those of its
account like any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, structs
from signalbox.account_groups import AccountGroup
from signalbox.allocation import allocate
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    AllocationMethod,
    Basis,
    CancelIntent,
    Intent,
    MemberSeen,
    ModifyIntent,
    OrderIntent,
    Side,
)

from risk.positions import in_lots
from risk.rules import Rules
from risk.state import ONE, ZERO
from risk.wording import plain, seconds

_EQUAL, _NET_LIQ, _PCT_CHANGE = AllocationMethod.EQUAL, AllocationMethod.NET_LIQ, AllocationMethod.PCT_CHANGE
_ALL_PERCENT = Decimal(100)

OfGroup = OrderIntent | ModifyIntent | CancelIntent


class Part(Struct, frozen=True, gc=False):
    """One account's part: what it comes to there, and what was looked at of that account."""

    member: MemberSeen
    intent: OfGroup


class Shared(Struct, frozen=True, kw_only=True):
    """The parts, in the order of the group; without any, why."""

    parts: tuple[Part, ...] = ()
    why_not: str = ""


def is_of_group(intent: Intent, basis: Basis) -> bool:
    """Whether an intent names a group, or the order of one."""
    if isinstance(intent, OrderIntent):
        return bool(intent.group)
    return isinstance(intent, OfGroup) and basis.order is not None and basis.order.parts > 0


def group_of(rules: Rules, venue: str, name: str) -> AccountGroup | None:
    """The desk file's group of that name."""
    return next((each for each in rules.desk.groups if (each.venue, each.name) == (venue, name)), None)


def basis_of(basis: Basis, member: MemberSeen) -> Basis:
    """What an order in one account of the group is held against."""
    return structs.replace(
        basis,
        members=(),
        symbol_switch=member.symbol_switch,
        scope_switch=member.scope_switch,
        link=member.link,
        account=member.account,
        books=member.books,
        instrument=member.instrument or basis.instrument,
        position=member.position,
        order=member.order,
        flatten=member.flatten,
    )


def share(rules: Rules, basis: Basis, intent: OfGroup, at: datetime) -> Shared:
    """What a normalised intent comes to in each account by what the desk knew at desk time `at`."""
    if isinstance(intent, OrderIntent):
        try:
            return _share_order(rules, basis, intent, at)
        except ConfigurationError as error:
            return Shared(why_not=str(error))
    if isinstance(intent, CancelIntent):
        return Shared(parts=tuple([_renamed(intent, member) for member in basis.members]))
    return _share_change(basis, intent)


# ---------------------------------------------------------------------------------------------------------- an order


def _share_order(rules: Rules, basis: Basis, intent: OrderIntent, at: datetime) -> Shared:
    lot = basis.instrument.lot_size if basis.instrument is not None else ZERO
    if not lot.is_finite() or lot <= 0:
        return Shared(why_not=f"{intent.venue} has not said in which lots {intent.symbol} trades")
    if not basis.members:
        return Shared(why_not=f"the desk file has no group {intent.group!r} at {intent.venue}")
    if intent.method is _PCT_CHANGE:
        return _share_by_position(basis, intent, lot)
    if why_not := next(_unknown(rules, basis, intent, at), ""):
        return Shared(why_not=why_not)
    quantities = allocate(intent.quantity, lot, {each.name: _weight(intent, each) for each in basis.members})
    return _orders(basis, intent, quantities)


def _weight(intent: OrderIntent, member: MemberSeen) -> Decimal:
    """By what an account's part is reckoned."""
    if intent.method is _EQUAL:
        return ONE
    if intent.method is _NET_LIQ:
        return member.net_liquidation or ZERO
    return member.account.available_funds if member.account is not None else ZERO


def _unknown(rules: Rules, basis: Basis, intent: OrderIntent, at: datetime) -> Iterator[str]:
    """Why the parts can not be reckoned: an account's figures are missing, old, or in other money than the first's."""
    if intent.method is _EQUAL:
        return
    first = basis.members[0]
    for each in basis.members:
        if each.account is None or each.net_liquidation is None:
            yield f"{intent.venue} has not said what account {each.name} has, so that no account's part can be reckoned"
        elif at - each.account.at > _account_age_max(rules, intent, each):
            yield (
                f"what {intent.venue} has said of account {each.name} is {seconds(at - each.account.at)} s old: "
                "no account's part can be reckoned by it"
            )
        elif each.currency != first.currency:
            yield (
                f"account {each.name} is in {each.currency} and account {first.name} in {first.currency}: their "
                f"figures can not be compared, so that only {_EQUAL} and {_PCT_CHANGE} share out among them"
            )


def _account_age_max(rules: Rules, intent: OrderIntent, member: MemberSeen) -> timedelta:
    return rules.limits_for(intent.venue, member.name, intent.symbol, intent.strategy).account_age_max


def _share_by_position(basis: Basis, intent: OrderIntent, lot: Decimal) -> Shared:
    """Each trades a percentage of what it holds; whoever holds nothing has no part."""
    percent, held = intent.percent or ZERO, {each.name: each.position.quantity for each in basis.members}
    unknown = [each.name for each in basis.members if not each.books.source]
    if unknown:
        return Shared(why_not=f"what account {unknown[0]} holds is not known")
    longs, shorts = ([name for name, each in held.items() if each * sign > 0] for sign in (1, -1))
    if longs and shorts:
        return Shared(
            why_not=f"account {longs[0]} is long {intent.symbol} and account {shorts[0]} short: a percentage of both "
            "would reduce one and add to the other"
        )
    if not longs and not shorts:
        return Shared(
            why_not=f"no account of {intent.group} holds {intent.symbol}: {plain(percent)} % of it is nothing"
        )
    reduces = bool(longs) is (intent.side is Side.SELL)
    if reduces and percent > _ALL_PERCENT:
        return Shared(why_not=f"{plain(percent)} % is more than is held: at most 100 % of a position can be closed")
    quantities = {name: in_lots(abs(each) * percent / _ALL_PERCENT, lot) for name, each in held.items()}
    for each in basis.members if reduces else ():
        position = each.position
        under_way = position.selling_quantity if position.quantity > 0 else position.buying_quantity
        if quantities[each.name] > max(abs(position.quantity) - under_way, ZERO):
            return Shared(
                why_not=f"account {each.name} holds {plain(abs(position.quantity))} {intent.symbol}, of which "
                f"{plain(under_way)} are being closed already: {plain(quantities[each.name])} more would turn it round"
            )
    shared = _orders(basis, intent, quantities)
    if shared.parts:
        return shared
    return Shared(
        why_not=f"{plain(percent)} % of what each account of {intent.group} holds is less than one lot of "
        f"{plain(lot)}: there is nothing that could be ordered"
    )


def _orders(basis: Basis, intent: OrderIntent, quantities: dict[str, Decimal]) -> Shared:
    """An order for each account that gets something."""
    made = []
    for each in basis.members:
        if quantities[each.name]:
            order = structs.replace(
                intent,
                id=part_id(intent.id, each.number),
                cause=intent.id,
                account=each.name,
                quantity=quantities[each.name],
                group="",
                method=_EQUAL,
                percent=None,
            )
            made.append(Part(each, order))
    return Shared(parts=tuple(made))


def part_id(intent_id: str, number: int) -> str:
    """What the part of the group's account of that number is called: no intent that is sent may be called so."""
    return f"{intent_id}.{number}"


# -------------------------------------------------------------------------------------------- a change, and a cancel


def _share_change(basis: Basis, intent: ModifyIntent) -> Shared:
    """Prices are each part's; a quantity is shared out anew, in the proportions in which the parts are."""
    if intent.quantity is None:
        return Shared(parts=tuple([_renamed(intent, member) for member in basis.members]))
    assert basis.order is not None
    ended = basis.order.parts - len(basis.members)
    if ended:
        return Shared(
            why_not=f"{ended} of the {basis.order.parts} orders of {intent.order_id} have ended, so that a quantity "
            f"can not be shared out among all: change each that works by itself ({_names(basis)})"
        )
    totals = {}
    for each in basis.members:
        if each.order is None or each.order.terms is None:
            return Shared(
                why_not=f"the terms of {each.order_id} in account {each.name} are not known: change each alone"
            )
        totals[each.name] = each.order.terms.quantity
    lot = basis.instrument.lot_size if basis.instrument is not None else ZERO
    if not lot.is_finite() or lot <= 0:
        return Shared(why_not=f"in which lots {intent.order_id} trades is not known")
    try:
        quantities = allocate(intent.quantity, lot, totals)
    except ConfigurationError as error:
        return Shared(why_not=str(error))
    return Shared(parts=tuple([_renamed(intent, each, quantity=quantities[each.name]) for each in basis.members]))


def _names(basis: Basis) -> str:
    return ", ".join(each.order_id for each in basis.members)


def _renamed(intent: ModifyIntent | CancelIntent, member: MemberSeen, **changes: Decimal) -> Part:
    """The same, of one account's order."""
    name = part_id(intent.id, member.number)
    found = structs.replace(intent, id=name, cause=intent.id, order_id=member.order_id, account=member.name, **changes)
    return Part(member, found)
