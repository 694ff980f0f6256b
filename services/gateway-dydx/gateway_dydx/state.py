"""What only this gateway keeps of orders and the chain, beside what every gateway does (`signalbox.gateway.state`).

Owns what dYdX has that no other venue does: blocks, versions of an order, and heights up to which everything is known.
It must not know what follows from it (`decide`, `reconcile`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from signalbox.gateway import state as house
from signalbox.gateway.state import ZERO
from signalbox.messages import Fill, LedgerClaimed, OrderType, Report, VenueFill, VenueFunding, VenueSnapshot
from signalbox.order_terms import AT_ONCE

from gateway_dydx.funding_rows import Owed, note_held, note_row
from gateway_dydx.plans import QUOTE_ORDER_BLOCKS
from gateway_dydx.translate import VENUE
from gateway_dydx.versions import Move

NUMBERS_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class OwnOrder:
    """What is kept of one order."""

    good_til_block: int
    """The last block that can fill it, as far as any version of it may have been sent; 0 = it is stateful."""
    claimed_seconds: float
    """Since when it is certain that nothing new is signed for it: wall time (monotonic) of the claim, of the last
    broadcast of unknown outcome, or of the start of this process."""
    rests: bool
    """It is a short-term order that the gateway keeps alive."""
    works_until: int = 0
    """The last block of the version that is known to be at the venue; 0 = not known."""
    transaction_hash: str = ""
    """Of the transaction that placed it; "" = an earlier process's."""
    continues: bool = False
    """It has filled in part, and goes on with what is left, perhaps after a while without a version at the venue: the
    chain need not remember what it has filled."""
    tried_at: int = 0
    """The height at which a renewal was last tried."""
    shown: bool = False
    """The indexer has shown it to this process: it has been there."""
    fill_height: int = 0
    """The block of the latest fill; 0 = none, or not known since the restart."""
    cancel_seconds: float = 0.0
    """When a cancel was last signed (monotonic); 0 = by an earlier process, if at all."""
    removal_reason: str = ""
    """Why the venue says to have removed it: a hint until its end is certain."""
    said_over: bool = False
    """The indexer shows a final status."""
    not_renewed: str = ""
    """Why it is not given a later good-til-block any more."""
    move: Move | None = None
    """It is kept on the chain, and being given other terms there."""
    settled_revision: int = 0
    """Of the last change of which it is certain what of it is on the chain."""
    settled_full: bool = False
    """That was found when the order was done: nothing of it is on the chain."""
    stop_price: Decimal | None = None
    """Where the stop of a trailing order lies on the chain, as far as the venue has shown it."""
    trailed_seconds: float = 0.0
    """When it was last moved (monotonic)."""
    version_of: dict[str, str] = field(default_factory=dict)
    """As what, by the venue's id, an execution has filled it."""
    totals: dict[str, Decimal] = field(default_factory=dict)
    """The most that the venue has claimed that it has filled, as each of them."""
    watched: bool = False
    """This process has placed it, or found it working: it may be renewed."""

    @property
    def is_short_term(self) -> bool:
        """Whether it ends with a block."""
        return self.good_til_block > 0


@dataclass
class OwnState:
    """What is kept of the chain."""

    symbols: dict[int, str] = field(default_factory=dict)
    """By clob pair, of every market that the venue has."""
    height: int = 0
    """The chain's: the highest block that the node or the indexer has told of."""
    indexer_height: int = 0
    """The newest block that the indexer has processed."""
    complete_height: int = 0
    """Every fill up to this block is known."""
    complete_at: datetime | None = None
    """When it was last held against the venue as a whole; None = the account is new to the desk."""
    incomplete: bool = False
    """The stream has told of an order of somebody else, and not all that an order has."""
    funding_rows: dict[str, Owed] = field(default_factory=dict)
    """By market: which hours' payments the indexer has listed."""


Tracked = house.Tracked[OwnOrder]
State = house.State[OwnState, OwnOrder]


def state_of(account: str, own: OwnState) -> State:
    """Begin with nothing."""
    return State(VENUE, account, own, _own_order)


def _own_order(claim: LedgerClaimed, wall_seconds: float) -> OwnOrder:
    can_rest = claim.order.order_type is OrderType.LIMIT and claim.order.time_in_force not in AT_ONCE
    rests = claim.good_til_block > 0 and can_rest
    return OwnOrder(claim.good_til_block, wall_seconds, rests)


def snapshot_id(account: str, height: int) -> str:
    """The id of a snapshot: of which block it is, which the next process reads from it."""
    return house.report_id(VENUE, account, "snapshot", str(height))


def snapshot_height(snapshot: VenueSnapshot) -> int:
    """The block that a snapshot is of."""
    return int(snapshot.id.rpartition("/")[2])


def take_number(state: State, at: datetime) -> int:
    """Hand out the next client id.

    The first of an empty ledger is taken from the time: a desk that lost its streams must not take the client ids of
    its former life, whose orders and fills the indexer still shows under the same order ids.
    """
    return house.take_number(state, int((at - NUMBERS_BEGAN).total_seconds()))


def raise_height(state: State, height: int) -> None:
    """Take a height that the node or the indexer has told of; a chain's height never goes back."""
    state.own.height = max(state.own.height, height)


def fold_report(state: State, report: Report) -> None:
    """Take one stored report: also up to when everything is known by it."""
    house.fold_report(state, report)
    if isinstance(report, VenueFill) and report.fill.order_id in state.orders:
        own = state.orders[report.fill.order_id].own
        own.shown, own.version_of[report.fill.execution_id] = True, report.venue_order_id
    elif isinstance(report, VenueSnapshot):  # stored after every fill up to its height
        state.own.complete_height = max(state.own.complete_height, snapshot_height(report))
        state.own.complete_at = max(state.own.complete_at or report.at, report.at)
        note_held(state.own.funding_rows, [held.symbol for held in report.positions], report.at)
    elif isinstance(report, VenueFunding):
        note_row(state.own.funding_rows, report.symbol, report.at)


def filled_by(tracked: Tracked, venue_order_id: str) -> Decimal:
    """What the order has filled as one of its versions; as whatever it was, where that is not known."""
    fills, version_of = tracked.fills, tracked.own.version_of
    return sum((fills[key].quantity for key in fills if version_of.get(key, venue_order_id) == venue_order_id), ZERO)


def claim_filled(tracked: Tracked, venue_order_id: str, total: Decimal) -> None:
    """The venue claims that the order has filled so much, as one of its versions."""
    totals = tracked.own.totals
    totals[venue_order_id] = max(total, totals.get(venue_order_id, ZERO))
    missing = (max(ZERO, most - filled_by(tracked, key)) for key, most in totals.items())
    tracked.filled_at_venue = max(tracked.filled_at_venue, tracked.filled + sum(missing, ZERO))


def remember_fill(state: State, tracked: Tracked, fill: Fill, height: int, venue_order_id: str) -> None:
    """Keep a fill of block `height`."""
    tracked.own.shown = True
    tracked.own.version_of[fill.execution_id] = venue_order_id
    tracked.own.fill_height = max(tracked.own.fill_height, height)
    house.remember_fill(state, fill)


def assume_renewed(state: State) -> None:
    """Take for possible what the process before may have sent last; to be called once the chain's height is known.

    A renewal is not written down. None can reach further than one that is made now would, because a height only rises;
    so a resting order that is not known to be over may live as long as that.
    """
    for tracked in state.orders.values():
        if tracked.own.rests and not tracked.done and not tracked.own.watched:
            tracked.own.good_til_block = max(tracked.own.good_til_block, state.own.height + QUOTE_ORDER_BLOCKS)
