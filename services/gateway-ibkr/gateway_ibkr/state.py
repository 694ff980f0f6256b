"""What the gateway remembers of its orders: plain data, rebuilt from LEDGER, REPORTS and COMMANDS at every start.

Owns the fold of those streams. It must not know the venue (`decide`, `reconcile`), nor the bus (`service`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from signalbox.messages import (
    CancelOrder,
    Fill,
    LedgerClaimed,
    LedgerEntry,
    LedgerSent,
    Order,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueFill,
    VenueRejected,
    VenueReport,
)

from gateway_ibkr.translate import VENUE

FIRST_ORDER_NUMBER = 1
ONCE_AN_ORDER = ("accepted", "triggered", "canceled", "expired", "rejected", "unknown")
"""Kinds of reports that are made once for each order, however long it works."""

ZERO = Decimal(0)
K = TypeVar("K")


class Standing(StrEnum):
    """How far an order has come, as far as the gateway has written it down."""

    CLAIMED = "CLAIMED"
    """It may be at the venue: only the venue can tell."""
    SENT = "SENT"
    """It left on the socket, or the venue was found to have it."""
    OVER = "OVER"
    """Rejected, canceled or expired has been reported. Fills may still come, and are reported."""


@dataclass
class Tracked:
    """One order of the ledger and everything the venue has said of it."""

    order: Order
    number: int
    """The API order id it was placed under, by our client id."""
    claimed_at: datetime
    claim_sequence: int
    standing: Standing = Standing.CLAIMED
    venue_order_id: str = ""
    seen: bool = False
    """The venue has shown that it has the order."""
    shown_at: datetime | None = None
    """When it last did (desk time): what became of the order since then is in the venue's lists of that day."""
    fills: dict[str, Fill] = field(default_factory=dict)
    """By execution id without revision: the latest revision."""
    filled_at_venue: Decimal = ZERO
    """The most that a status has claimed: more than the fills add up to means that an execution is missing."""
    cancel_command: str = ""
    """The id of the cancel command that was sent for it; "" = the desk did not cancel it."""
    cancels_sent: int = 0
    """How often this process has sent it."""
    cancel_sent_seconds: float = -math.inf
    """Wall time (monotonic) of the last of them."""
    refusal: tuple[int, str] | None = None
    cancel_refusal: tuple[int, str] | None = None
    inactive: bool = False
    doubt: str = ""
    """Why the venue must be asked; "" = no reason beyond what the other fields show."""
    absences: int = 0
    """In how many complete answers in a row the venue did not have it."""
    first_absent_seconds: float = 0.0
    """Wall time (monotonic) of the first of them."""
    asked: int = 0
    in_hand: bool = False
    """Claimed and about to be sent by this process: the venue can not have it, so it is not asked about."""
    client_id: int = -1
    """The client id that the venue shows for it; -1 = ours, as far as is known."""
    presumed_lost: bool = False
    """Reported as rejected because the venue did not have it: should it turn up working, it is cancelled."""

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills.values()), ZERO)

    @property
    def done(self) -> bool:
        """Nothing more is expected of the venue."""
        return self.standing is Standing.OVER or self.filled >= self.order.quantity


@dataclass
class State:
    """Everything, for one account. `reported` has every report that was published or is queued.

    Bounded by `forget`: what is over, and older than anything the venue can still speak of, is dropped.
    """

    account: str
    client_id: int
    orders: dict[str, Tracked] = field(default_factory=dict)
    order_by_venue_id: dict[str, str] = field(default_factory=dict)
    order_by_number: dict[int, str] = field(default_factory=dict)
    order_by_execution: dict[str, str] = field(default_factory=dict)
    """Execution id without revision -> order id ("" = not an order of the desk)."""
    reported: dict[str, datetime] = field(default_factory=dict)
    """Its ids, and of when each is."""
    next_number: int = FIRST_ORDER_NUMBER
    symbols: dict[int, str] = field(default_factory=dict)
    calendars: dict[str, str] = field(default_factory=dict)
    """By symbol, of the instruments that the venue has."""
    positions: dict[str, Decimal] = field(default_factory=dict)
    """What the account must hold: the last snapshot, and every execution since."""
    venue_time: datetime | None = None
    """The latest time the venue itself has stated (executions, bars)."""
    stranded: set[str] = field(default_factory=set)
    """Orders whose end the venue has forgotten: only an operator can tell what became of them."""
    said_over: frozenset[str] = frozenset()
    """Orders that an operator has said to be over."""


def report_id(account: str, kind: str, key: str) -> str:
    """The id of a report: derived from what it reports, so that saying it again changes nothing."""
    return f"report/{VENUE}/{account}/{kind}/{key}"


def take_number(state: State) -> int:
    """Hand out the next API order id. Written into the claim before use, it is never handed out again."""
    number = state.next_number
    state.next_number += 1
    return number


def raise_number(state: State, next_valid_id: int) -> None:
    """Take the venue's `nextValidId`: never downwards, because it is rolled back in the field (Lean IB #242)."""
    state.next_number = max(state.next_number, next_valid_id)


def track(state: State, claim: LedgerClaimed, sequence: int) -> Tracked:
    """Begin to follow a claimed order."""
    tracked = Tracked(claim.order, int(claim.attempt_id), claim.at, sequence)
    state.orders[claim.order.order_id] = tracked
    state.order_by_number[tracked.number] = claim.order.order_id
    state.next_number = max(state.next_number, tracked.number + 1)
    return tracked


def learn_venue_id(state: State, tracked: Tracked, venue_order_id: str) -> None:
    """Remember under which number of its own the venue has the order."""
    if venue_order_id and venue_order_id != "0" and tracked.venue_order_id != venue_order_id:
        tracked.venue_order_id = venue_order_id
        state.order_by_venue_id[venue_order_id] = tracked.order.order_id


# ----------------------------------------------------------------------------------------------- the fold at start


def fold_ledger(state: State, entry: LedgerEntry, sequence: int) -> None:
    """Take one stored ledger entry."""
    if isinstance(entry, LedgerClaimed):
        if entry.order.account == state.account:
            track(state, entry, sequence)
        else:  # another account's order used this number all the same
            state.next_number = max(state.next_number, int(entry.attempt_id) + 1)
        return
    tracked = state.orders.get(entry.order.order_id)
    if tracked is not None:
        mark_sent(state, tracked, entry)


def mark_sent(state: State, tracked: Tracked, entry: LedgerSent) -> None:
    """The order is written down as sent."""
    if tracked.standing is Standing.CLAIMED:
        tracked.standing = Standing.SENT
    learn_venue_id(state, tracked, entry.venue_order_id)


def fold_report(state: State, report: Report) -> None:
    """Take one stored report: it is not made again, and what it says is known."""
    state.reported[report.id] = report.at
    if isinstance(report, VenueFill):
        remember_fill(state, report.fill)
        if report.fill.order_id in state.orders:
            learn_venue_id(state, state.orders[report.fill.order_id], report.venue_order_id)
        return
    tracked = state.orders.get(getattr(report, "order_id", ""))
    if tracked is None:
        return
    if isinstance(report, VenueAccepted):
        tracked.seen, tracked.shown_at = True, report.at
        learn_venue_id(state, tracked, report.venue_order_id)
    elif isinstance(report, VenueCancelRejected):
        if report.cause == tracked.cancel_command:  # not one that was refused before it
            tracked.cancel_command = ""
    elif isinstance(report, VenueRejected | VenueCanceled | VenueExpired):
        tracked.standing = Standing.OVER
        tracked.presumed_lost = isinstance(report, VenueRejected) and not report.code


def fold_cancel(state: State, command: CancelOrder) -> None:
    """Take a stored cancel command: a cancellation that follows is the desk's own doing."""
    tracked = state.orders.get(command.order_id)
    if tracked is not None:
        tracked.cancel_command = command.id


def remember_fill(state: State, fill: Fill) -> bool:
    """Keep the latest revision of an execution; False = this one, or a later one, is known."""
    state.order_by_execution[fill.execution_id] = fill.order_id
    tracked = state.orders.get(fill.order_id)
    known = tracked.fills.get(fill.execution_id) if tracked is not None else None
    if known is not None and known.revision >= fill.revision:
        return False
    before = known.quantity if known is not None else ZERO
    held = state.positions.get(fill.symbol, ZERO)
    state.positions[fill.symbol] = held + fill.side.sign * (fill.quantity - before)
    if tracked is not None:
        tracked.fills[fill.execution_id] = fill
        tracked.seen = True
    return True


def new_to(state: State, report: VenueReport) -> bool:
    """Note a report as made; False = it was made before."""
    if report.id in state.reported:
        return False
    state.reported[report.id] = report.at
    return True


def forget(state: State, before: datetime, asked_about: Collection[str]) -> None:
    """Drop the orders that ended before `before`, unless the venue is being asked about them, and their reports.

    LEDGER still has them: a command that came again would find its claim there, and not be sent.
    """
    for order_id in [*state.orders]:
        tracked = state.orders[order_id]
        told_at = max([tracked.claimed_at, tracked.shown_at or before, *(fill.at for fill in tracked.fills.values())])
        if tracked.done and told_at <= before and order_id not in asked_about:
            del state.orders[order_id]
    state.order_by_venue_id = _of_orders(state, state.order_by_venue_id)
    state.order_by_number = _of_orders(state, state.order_by_number)
    state.order_by_execution = _of_orders(state, state.order_by_execution)
    kept = {report_id(state.account, kind, order_id) for order_id in state.orders for kind in ONCE_AN_ORDER}
    for tracked in state.orders.values():
        for fill in tracked.fills.values():
            key = f"{fill.execution_id}.{fill.revision}"
            kept |= {report_id(state.account, kind, key) for kind in ("fill", "commission")}
    state.reported = {key: at for key, at in state.reported.items() if at > before or key in kept}


def _of_orders(state: State, index: dict[K, str]) -> dict[K, str]:
    return {key: order_id for key, order_id in index.items() if order_id in state.orders}
