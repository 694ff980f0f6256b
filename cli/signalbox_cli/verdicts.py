"""Shows decisions and order events to who sent an intent, in words or as they are."""

from __future__ import annotations

import json

import msgspec
from signalbox import messages
from signalbox.messages import (
    CancelIntent,
    Decision,
    FlattenIntent,
    Intent,
    IntentApproved,
    IntentDenied,
    MassCancelIntent,
    ModifyIntent,
    OrderEvents,
    OrderIntent,
    OrderPendingReplace,
    OrderReplaced,
    PositionIntent,
    WhatIfAnswer,
    WouldBe,
    WouldPass,
)

from signalbox_cli.following import covered_orders, order_ids, orders_in_words
from signalbox_cli.output import printable, show_json

ROOTS = ("readable", "venue", "account", "instrument_allowed", "instrument_qualified")
"""Checks without which nothing is known: what fails behind one of these fails for the same reason."""


def show_decision(made: Decision, intent: Intent, as_json: bool) -> None:
    """What risk said of an intent; of a denial every check that failed, unless the first explains the others."""
    if as_json:
        show_json(json.loads(messages.encode(made)))
        return
    if isinstance(made, IntentApproved):
        what = _approved_in_words(made, intent)
        print(f"approved: {what} ({made.passed or len(made.checks)} checks passed; sent by {printable(made.by)})")
        for name, part in zip(order_ids(made), made.parts, strict=True):
            quantity = getattr(part.intent, "quantity", None)
            asked = f"  {quantity:f}" if quantity is not None else ""
            print(printable(f"  {name}  {part.intent.account}{asked}"))
        return
    print(f"denied: {printable(made.reason)}")
    print(printable(f"  intent {intent.id}, sent by {made.by}"))
    _show_failed(made)


def _show_failed(made: IntentDenied | WhatIfAnswer) -> None:
    failed = [check for check in made.checks if not check.passed]
    alone = bool(failed) and failed[0].name in ROOTS
    for check in failed[:1] if alone else failed:
        print(printable(f"  {check.name}: limit {check.limit}, observed {check.observed} ({check.source})"))
    if made.also_failed and not alone:
        print(printable(f"  failed too: {', '.join(made.also_failed)}"))
    for line in passing_in_words(made.would_pass) if made.would_pass != WouldPass() else ():
        print(f"  {line}")


def show_what_if(answer: WhatIfAnswer, intent: Intent) -> None:
    """What risk would say to an intent, in words."""
    if answer.would_be is WouldBe.WAITING:
        print(printable(f"would wait: {answer.reason}"))
    elif answer.would_be is WouldBe.DENIED:
        print(f"would be denied: {printable(answer.reason)}")
        _show_failed(answer)
    else:
        held = answer.basis.books if answer.basis is not None else None
        print(printable(f"would be approved: {_what_is_asked(answer, intent)} ({answer.passed} checks would pass)"))
        if answer.estimated_commission is not None:
            print(f"  estimated commission {answer.estimated_commission:f}")
        if held is not None and held.source:
            print(f"  beside {held.working_orders} working orders of the account")
    print("  (asked only: nothing was sent)")


def _what_is_asked(answer: WhatIfAnswer, intent: Intent) -> str:
    """The order that it would come to, or for how many orders and positions it would be."""
    order = answer.order if answer.order is not None else answer.intent
    if isinstance(order, OrderIntent):
        at = f" at {order.limit_price:f}" if order.limit_price is not None else ""
        return f"{order.side.lower()} {order.quantity:f} {order.symbol}{at}"
    if isinstance(intent, PositionIntent):
        return "nothing to do, the position is there already"
    if isinstance(intent, MassCancelIntent | FlattenIntent) and answer.basis is not None:
        held = f"{answer.basis.covered_positions} positions to close, " if isinstance(intent, FlattenIntent) else ""
        return f"{held}{answer.basis.covered_orders} orders to cancel"
    name = intent.order_id if isinstance(intent, CancelIntent | ModifyIntent) else intent.symbol
    return f"{type(intent).__name__.removesuffix('Intent').lower()} {name}"


def passing_in_words(found: WouldPass | None) -> list[str]:
    """What would pass in the place of what is denied, in lines; none where nobody has looked."""
    if found is None:
        return []
    told = [
        f"  {what} {figure:f}"
        for what, figure in (
            ("the largest quantity:", found.quantity),
            ("the nearest limit price:", found.limit_price),
            ("the nearest stop price:", found.stop_price),
        )
        if figure is not None
    ]
    if not told:
        return ["no other quantity or price would pass"]
    return ["would pass, these together:" if found.together else "would pass, this alone changed:", *told]


def is_nothing(made: IntentApproved) -> bool:
    """A position that is wanted, and there already."""
    return isinstance(made.intent, PositionIntent) and made.order is None


def _approved_in_words(made: IntentApproved, intent: Intent) -> str:
    """The order that was let through, for how many orders a cancel is, or that there is nothing to do."""
    if is_nothing(made):
        return f"{intent.id}: nothing to do, the position is there already"
    if made.order is not None:
        order = made.order
        at = f" at {order.limit_price:f}" if order.limit_price is not None else ""
        return f"{made.order_id}: {order.side.lower()} {order.quantity:f} {order.symbol}{at}"
    if isinstance(made.intent, FlattenIntent) and made.basis is not None:
        held, works = made.basis.covered_positions, made.basis.covered_orders
        plural = ["s" if count != 1 else "" for count in (held, works)]
        return f"{intent.id}: {held} position{plural[0]} to close, {works} order{plural[1]} to cancel{_spared(made)}"
    if made.parts:
        return f"{made.order_id} in {len(made.parts)} account{'s' if len(made.parts) != 1 else ''}"
    return made.order_id or f"{intent.id} for {orders_in_words(covered_orders(made))}{_spared(made)}"


def _spared(made: IntentApproved) -> str:
    """How many orders that others have placed it leaves alone."""
    spared = made.basis.spared_orders if made.basis is not None else 0
    return (
        f", and {orders_in_words(spared)} placed elsewhere left alone (--external is for those too)" if spared else ""
    )


def show_event(message: OrderEvents, as_json: bool) -> None:
    """One step of an order's life, on a line."""
    if as_json:
        show_json(json.loads(messages.encode(message)))
        return
    facts = msgspec.structs.asdict(message)
    fill = facts.get("fill")
    told = f" {fill.quantity} at {fill.price}, {facts['leaves_quantity']} left" if fill else ""
    if isinstance(message, OrderPendingReplace | OrderReplaced):
        prices = (("limit", message.order.limit_price), ("stop", message.order.stop_price))
        told = " ".join(["", str(message.order.quantity), *(f"{name} {price}" for name, price in prices if price)])
    if facts.get("commission") is not None:
        told = f" commission {facts['commission']} {facts['currency']}"
    reason = f" ({facts['reason']})" if facts.get("reason") else ""
    print(f"{message.at:%H:%M:%S} {message.order_id} {message.status}{told}{printable(reason)}", flush=True)
