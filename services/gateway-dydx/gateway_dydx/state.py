"""What the gateway remembers of its orders: plain data, rebuilt from LEDGER, REPORTS and COMMANDS at every start.

Owns the fold of those streams. It must not know what follows from the venue's words (`decide`, `reconcile`), nor the
bus (`service`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from signalbox.messages import (
    CancelOrder,
    Fill,
    LedgerClaimed,
    LedgerEntry,
    Order,
    OrderType,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueFunding,
    VenueRejected,
    VenueReport,
    VenueSnapshot,
)

from gateway_dydx.plans import QUOTE_ORDER_BLOCKS, OrderFlags
from gateway_dydx.translate import VENUE

ONCE_AN_ORDER = ("accepted", "triggered", "canceled", "expired", "rejected", "unknown")
"""Kinds of reports that are made once for each order, however long it works."""

NUMBERS_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
ZERO = Decimal(0)


class Standing(StrEnum):
    """How far an order has come, as far as the gateway has written it down."""

    CLAIMED = "CLAIMED"
    """It may be at the venue: only the venue can tell."""
    SENT = "SENT"
    """The node took it, or the venue was found to have it."""
    OVER = "OVER"
    """Rejected, canceled or expired has been reported. Fills may still come, and are reported."""


@dataclass
class Tracked:
    """One order of the ledger and everything the venue has said of it."""

    order: Order
    number: int
    """Its client id."""
    claimed_at: datetime
    claim_sequence: int
    venue_order_id: str
    """The indexer's uuid, computed before the order was sent."""
    good_til_block: int
    """The last block that can fill it, as far as any version of it may have been sent; 0 = it is stateful."""
    works_until: int = 0
    """The last block of the version that is known to be at the venue; 0 = not known."""
    transaction_hash: str = ""
    """Of the transaction that placed it; "" = an earlier process's."""
    continues: bool = False
    """It has filled in part, and goes on with what is left, perhaps after a while without a version at the venue."""
    placed_quantity: Decimal = ZERO
    """The size of the version that was placed last; set at the claim to the whole."""
    tried_at: int = 0
    """The height at which a renewal was last tried."""
    claimed_seconds: float = 0.0
    """Since when it is certain that nothing new is signed for it: wall time (monotonic) of the claim, of the last
    broadcast of unknown outcome, or of the start of this process."""
    standing: Standing = Standing.CLAIMED
    seen: bool = False
    """The node has taken it, or the indexer has shown it."""
    shown: bool = False
    """The indexer has shown it to this process: it has been there."""
    fills: dict[str, Fill] = field(default_factory=dict)
    """By the indexer's fill id."""
    fill_height: int = 0
    """The block of the latest fill; 0 = none, or not known since the restart."""
    filled_at_venue: Decimal = ZERO
    """The most that the indexer has claimed: more than the fills add up to means that a fill is missing."""
    cancel_seconds: float = 0.0
    """When a cancel was last signed (monotonic); 0 = by an earlier process, if at all."""
    cancel_command: str = ""
    """The id of the cancel command that was sent for it; "" = the desk did not cancel it."""
    removal_reason: str = ""
    """Why the venue says to have removed it: a hint until its end is certain."""
    said_over: bool = False
    """The indexer shows a final status."""
    doubt: str = ""
    """Why the venue must be asked; "" = no reason beyond what the other fields show."""
    not_renewed: str = ""
    """Why it is not given a later good-til-block any more."""
    watched: bool = False
    """This process has placed it, or found it working: it may be renewed."""
    asked: int = 0
    in_hand: bool = False
    """Claimed and about to be sent by this process: the venue can not have it, so it is not asked about."""
    presumed_lost: bool = False
    """Reported as rejected because the venue did not have it: should it turn up working, it is cancelled."""

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills.values()), ZERO)

    @property
    def is_short_term(self) -> bool:
        return self.good_til_block > 0

    @property
    def flags(self) -> OrderFlags:
        """Its kind on the chain."""
        if self.is_short_term:
            return OrderFlags.SHORT_TERM
        return OrderFlags.CONDITIONAL if self.order.order_type is OrderType.STOP else OrderFlags.LONG_TERM

    @property
    def rests(self) -> bool:
        """Whether it is a short-term order that the gateway keeps alive."""
        return self.is_short_term and self.order.order_type is OrderType.LIMIT

    @property
    def done(self) -> bool:
        """Nothing more is expected of the venue."""
        return self.standing is Standing.OVER or self.filled >= self.order.quantity


@dataclass
class State:
    """Everything, for one subaccount. `reported` has every report that was published or is queued.

    Bounded by `forget`: what is over, and older than anything that is still asked for, is dropped.
    """

    account: str
    orders: dict[str, Tracked] = field(default_factory=dict)
    order_by_venue_id: dict[str, str] = field(default_factory=dict)
    reported: dict[str, datetime] = field(default_factory=dict)
    """Its ids, and of when each is."""
    symbols: dict[int, str] = field(default_factory=dict)
    """By clob pair, of every market that the venue has."""
    highest_number: int = 0
    """The highest client id in the ledger; 0 = there is none."""
    height: int = 0
    """The chain's: the highest block that the node or the indexer has told of."""
    indexer_height: int = 0
    """The newest block that the indexer has processed."""
    complete_height: int = 0
    """Every fill up to this block is known."""
    complete_at: datetime | None = None
    """Every funding payment up to then is known; None = the account is new to the desk."""


def report_id(account: str, kind: str, key: str) -> str:
    """The id of a report: derived from what it reports, so that saying it again changes nothing."""
    return f"report/{VENUE}/{account}/{kind}/{key}"


def snapshot_id(account: str, height: int) -> str:
    """The id of a snapshot: of which block it is, which the next process reads from it."""
    return report_id(account, "snapshot", str(height))


def snapshot_height(snapshot: VenueSnapshot) -> int:
    """The block that a snapshot is of."""
    return int(snapshot.id.rpartition("/")[2])


def take_number(state: State, at: datetime) -> int:
    """Hand out the next client id. Written into the claim before use, it is never handed out again.

    The first of an empty ledger is taken from the time: a desk that lost its streams must not take the client ids of
    its former life, whose orders and fills the indexer still shows under the same order ids.
    """
    number = state.highest_number + 1 if state.highest_number else int((at - NUMBERS_BEGAN).total_seconds())
    state.highest_number = max(1, number)
    return state.highest_number


def raise_height(state: State, height: int) -> None:
    """Take a height that the node or the indexer has told of; a chain's height never goes back."""
    state.height = max(state.height, height)


def track(state: State, claim: LedgerClaimed, sequence: int, wall_seconds: float = 0.0) -> Tracked:
    """Begin to follow a claimed order."""
    tracked = Tracked(
        claim.order,
        int(claim.attempt_id),
        claim.at,
        sequence,
        claim.venue_order_id,
        claim.good_til_block,
        claimed_seconds=wall_seconds,
        placed_quantity=claim.order.quantity,
    )
    state.orders[claim.order.order_id] = tracked
    state.order_by_venue_id[claim.venue_order_id] = claim.order.order_id
    state.highest_number = max(state.highest_number, tracked.number)
    return tracked


# ----------------------------------------------------------------------------------------------- the fold at start


def fold_ledger(state: State, entry: LedgerEntry, sequence: int, wall_seconds: float = 0.0) -> None:
    """Take one stored ledger entry."""
    if isinstance(entry, LedgerClaimed):
        if entry.order.account == state.account:
            track(state, entry, sequence, wall_seconds)
        else:  # another subaccount's order: its client id is taken all the same
            state.highest_number = max(state.highest_number, int(entry.attempt_id))
        return
    tracked = state.orders.get(entry.order.order_id)
    if tracked is not None:
        mark_sent(tracked)


def mark_sent(tracked: Tracked) -> None:
    """The order is written down as sent."""
    if tracked.standing is Standing.CLAIMED:
        tracked.standing = Standing.SENT


def fold_report(state: State, report: Report) -> None:
    """Take one stored report: it is not made again, and what it says is known."""
    state.reported[report.id] = report.at
    if isinstance(report, VenueFill):
        remember_fill(state, report.fill, 0)
        return
    if isinstance(report, VenueSnapshot):  # stored after every fill up to its height
        state.complete_height = max(state.complete_height, snapshot_height(report))
        state.complete_at = max(state.complete_at or report.at, report.at)
        return
    if isinstance(report, VenueFunding | VenueCommission):
        return
    tracked = state.orders.get(report.order_id)
    if tracked is None:
        return
    if isinstance(report, VenueAccepted):
        tracked.seen = True
    elif isinstance(report, VenueCancelRejected):
        if report.cause == tracked.cancel_command:  # a later one may be on its way
            tracked.cancel_command = ""
    elif isinstance(report, VenueRejected | VenueCanceled | VenueExpired):
        tracked.standing = Standing.OVER
        tracked.presumed_lost = isinstance(report, VenueRejected) and not report.code


def fold_cancel(state: State, command: CancelOrder) -> None:
    """Take a stored cancel command: a cancellation that follows is the desk's own doing."""
    tracked = state.orders.get(command.order_id)
    if tracked is not None:
        tracked.cancel_command = command.id


def assume_renewed(state: State) -> None:
    """Take for possible what the process before may have sent last; to be called once the chain's height is known.

    A renewal is not written down. None can reach further than one that is made now would, because a height only rises;
    so a resting order that is not known to be over may live as long as that.
    """
    for tracked in state.orders.values():
        if tracked.rests and not tracked.done and not tracked.watched:
            tracked.good_til_block = max(tracked.good_til_block, state.height + QUOTE_ORDER_BLOCKS)


def remember_fill(state: State, fill: Fill, height: int) -> bool:
    """Keep a fill; False = it is known. `height` 0 = not known."""
    tracked = state.orders.get(fill.order_id)
    if tracked is None:
        return True
    tracked.seen = tracked.shown = True
    tracked.fill_height = max(tracked.fill_height, height)
    if fill.execution_id in tracked.fills:
        return False
    tracked.fills[fill.execution_id] = fill
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
        told_at = max([tracked.claimed_at, *(fill.at for fill in tracked.fills.values())])
        if tracked.done and told_at <= before and order_id not in asked_about:
            del state.orders[order_id]
    state.order_by_venue_id = {
        venue_id: order_id for venue_id, order_id in state.order_by_venue_id.items() if order_id in state.orders
    }
    kept = {report_id(state.account, kind, order_id) for order_id in state.orders for kind in ONCE_AN_ORDER}
    for tracked in state.orders.values():
        for execution_id in tracked.fills:
            kept |= {report_id(state.account, kind, f"{execution_id}.0") for kind in ("fill", "commission")}
    state.reported = {key: at for key, at in state.reported.items() if at > before or key in kept}
