"""What a gateway remembers of its orders: plain data, rebuilt from LEDGER, REPORTS and COMMANDS at every start.

Owns what is the same of every order at every venue, and the fold of those streams. What only one venue keeps stands
beside it, in `own`: of an order (`Tracked.own`) and of all of them (`State.own`). It must not know the venue (its
`decide`, `reconcile`), nor the bus (`rebuilding`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from signalbox.gateway import externals
from signalbox.gateway.changed import as_changed
from signalbox.messages import (
    Attempt,
    CancelOrder,
    Fill,
    LedgerChangeClaimed,
    LedgerClaimed,
    LedgerEntry,
    LedgerSent,
    Order,
    Report,
    VenueAccepted,
    VenueCanceled,
    VenueCancelRejected,
    VenueCommission,
    VenueExpired,
    VenueFill,
    VenueHeld,
    VenueNoted,
    VenueRejected,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReport,
    VenueUnknown,
)

ONCE_AN_ORDER = ("accepted", "triggered", "canceled", "expired", "rejected", "unknown")
"""Kinds of reports that are made once for each order, however long it works."""

ZERO = Decimal(0)
OwnOrder = TypeVar("OwnOrder")
OwnState = TypeVar("OwnState")


class Standing(StrEnum):
    """How far an order has come, as far as the gateway has written it down."""

    CLAIMED = "CLAIMED"
    """It may be at the venue: only the venue can tell."""
    SENT = "SENT"
    """It left, or the venue was found to have it."""
    OVER = "OVER"
    """Rejected, canceled or expired has been reported. Fills may still come, and are reported."""


@dataclass
class OpenChange:
    """A change that was claimed, and of which it is not known yet whether the venue has made it.

    `order` is all of the order as it is to be, `revision` the command's.
    """

    order: Order
    revision: int
    in_hand: bool = False
    """About to be sent by this process: the venue can not have it, so it is not asked about."""
    own: Any = None
    """What the venue's gateway keeps of it."""


@dataclass
class Tracked(Generic[OwnOrder]):
    """One order of the ledger and everything the venue has said of it."""

    order: Order
    """As it stands: with all changes that the venue has made."""
    number: int
    """What it was placed under: no order before or after has the same."""
    claimed_at: datetime
    claim_sequence: int
    own: OwnOrder
    venue_order_id: str = ""
    standing: Standing = Standing.CLAIMED
    seen: bool = False
    """The venue has taken it, or has shown that it has it."""
    fills: dict[str, Fill] = field(default_factory=dict)
    """By execution id without revision: the latest revision."""
    filled_at_venue: Decimal = ZERO
    """The most that the venue has claimed: more than the fills add up to means that a fill is missing."""
    cancel_command: str = ""
    """The id of the cancel command that was sent for it; "" = the desk did not cancel it."""
    cancel_in_hand: bool = False
    """This command is being carried out, or will come again: another process had it in hand when it ended."""
    doubt: str = ""
    """Why the venue must be asked; "" = no reason beyond what the other fields show."""
    asked: int = 0
    """How often the venue was, in a row."""
    in_hand: bool = False
    """Claimed and about to be sent by this process: the venue can not have it, so it is not asked about."""
    words: str = ""
    """What the venue last said of it, of any kind."""
    notes: int = 0
    """How often something of that was reported."""
    held: str = ""
    """Why the venue does not work it, as was reported last; "" = it does, as far as is known."""
    holds: int = 0
    """How often it was reported as held."""
    change: OpenChange | None = None
    last_move: LedgerChangeClaimed | None = None
    """The last change that was claimed under numbers of its own: as what the venue may have the order."""
    presumed_lost: bool = False
    """Reported as rejected because the venue did not have it: should it turn up working, it is cancelled."""

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills.values()), ZERO)

    @property
    def cancel_is_out(self) -> bool:
        """A cancel was sent, and nothing more is done for its command: what the venue lists tells what became of it."""
        return bool(self.cancel_command) and not self.cancel_in_hand

    @property
    def done(self) -> bool:
        """Nothing more is expected of the venue."""
        return self.standing is Standing.OVER or self.filled >= self.quantity_max

    @property
    def quantity_max(self) -> Decimal:
        """The most that may fill, what has filled included: of either terms that may stand."""
        return self.order.quantity if self.change is None else max(self.order.quantity, self.change.order.quantity)


class FeeTold(Struct, frozen=True):
    """The fee of an execution as it was last reported; `correction` counts what was said of this revision."""

    revision: int
    correction: int
    fee: Decimal
    currency: str
    at: datetime


@dataclass
class State(Generic[OwnState, OwnOrder]):
    """Everything, for one account. `reported` has every report that was published or is queued.

    Bounded by `forgetting`: what is over, and older than anything the venue can still speak of, is dropped.
    """

    venue: str
    account: str
    own: OwnState
    own_order: Callable[[LedgerClaimed, float], OwnOrder]
    """What the venue keeps of an order, as it begins: of its claim, and when (monotonic) that was made or read."""
    orders: dict[str, Tracked[OwnOrder]] = field(default_factory=dict)
    order_by_venue_id: dict[str, str] = field(default_factory=dict)
    order_by_number: dict[int, str] = field(default_factory=dict)
    orders_by_group: dict[str, list[str]] = field(default_factory=dict)
    """By `ListPart.group_id`, of those that depend on each other."""
    reported: dict[str, datetime] = field(default_factory=dict)
    """Its ids, and of when each is."""
    fees: dict[str, FeeTold] = field(default_factory=dict)
    """By execution id: what was last told of its fee."""
    externals: dict[str, externals.External] = field(default_factory=dict)
    """Orders that others have placed in the account, by the venue's id."""
    external_cancels: dict[str, str] = field(default_factory=dict)
    """The desk's cancels of those that are under way: order id -> command."""
    highest_number: int = 0
    """The highest number of any claim in the ledger, and of any that was handed out; 0 = there is none."""


AnyTracked = Tracked[Any]
AnyState = State[Any, Any]


def report_id(venue: str, account: str, kind: str, key: str) -> str:
    """The id of a report: derived from what it reports, so that saying it again changes nothing."""
    return f"report/{venue}/{account}/{kind}/{key}"


def execution_report_id(state: AnyState, kind: str, execution_id: str, revision: int, correction: int = 0) -> str:
    """The id of a report about one revision of an execution, or of a correction of its fee."""
    more = f".{correction}" if correction else ""
    return report_id(state.venue, state.account, kind, f"{execution_id}.{revision}{more}")


def take_number(state: AnyState, first: int = 1) -> int:
    """Hand out the next number; `first` if there has been none. Claimed before use, it is never handed out again."""
    state.highest_number = state.highest_number + 1 if state.highest_number else max(1, first)
    return state.highest_number


def track(
    state: State[OwnState, OwnOrder], claim: LedgerClaimed, sequence: int, wall_seconds: float = 0.0
) -> Tracked[OwnOrder]:
    """Begin to follow a claimed order, and those that were claimed with it."""
    for number, order in enumerate(claim.attached, int(claim.attempt_id) + 1):
        _follow(state, order, number, claim, sequence, wall_seconds)
    tracked = _follow(state, claim.order, int(claim.attempt_id), claim, sequence, wall_seconds)
    learn_venue_id(state, tracked, claim.venue_order_id)
    return tracked


def _follow(
    state: State[OwnState, OwnOrder],
    order: Order,
    number: int,
    claim: LedgerClaimed,
    sequence: int,
    wall_seconds: float,
) -> Tracked[OwnOrder]:
    tracked = Tracked(order, number, claim.at, sequence, state.own_order(claim, wall_seconds))
    state.orders[order.order_id] = tracked
    state.order_by_number[number] = order.order_id
    if order.part is not None and order.part.contingency is not None:
        state.orders_by_group.setdefault(order.part.group_id, []).append(order.order_id)
    state.highest_number = max(state.highest_number, number)
    return tracked


def attached_names(order: Order) -> tuple[str, ...]:
    """The orders that leave with it, in the order of their numbers."""
    part = order.part
    return () if part is None else tuple([f"{part.list_id}.{leg}" for leg in part.attaches])


def learn_venue_id(state: AnyState, tracked: AnyTracked, venue_order_id: str) -> None:
    """Remember under which number of its own the venue has the order; of one that was moved the change says it."""
    if tracked.last_move is not None:
        return
    if venue_order_id and venue_order_id != "0" and tracked.venue_order_id != venue_order_id:
        tracked.venue_order_id = venue_order_id
        state.order_by_venue_id[venue_order_id] = tracked.order.order_id


# ----------------------------------------------------------------------------------------------- the fold at start


def fold_ledger(state: AnyState, entry: LedgerEntry, sequence: int, wall_seconds: float = 0.0) -> None:
    """Take one stored ledger entry."""
    if isinstance(entry, LedgerClaimed):
        if entry.order.account == state.account:
            track(state, entry, sequence, wall_seconds)
        else:  # another account's order: its number is taken all the same
            state.highest_number = max(state.highest_number, int(entry.attempt_id) + len(entry.attached))
        return
    tracked = state.orders.get(entry.order.order_id)
    if isinstance(entry, LedgerChangeClaimed):
        _fold_change(state, tracked, entry)
        return
    if tracked is not None:
        _mark_sent(state, tracked, entry)


def _fold_change(state: AnyState, tracked: AnyTracked | None, entry: LedgerChangeClaimed) -> None:
    for attempt in entry.attempts:  # whosever order it is: its numbers are taken
        state.highest_number = max(state.highest_number, int(attempt.attempt_id))
    if tracked is None or (tracked.change is not None and entry.revision <= tracked.change.revision):
        return
    tracked.change = OpenChange(entry.order, entry.revision)
    if not entry.attempts:
        return
    for attempt in tracked.last_move.attempts if tracked.last_move is not None else ():
        state.order_by_venue_id.pop(attempt.venue_order_id, None)  # over: a change waits until all of the last are
        state.order_by_number.pop(int(attempt.attempt_id), None)
    tracked.last_move = entry
    stand_as(tracked, entry.attempts[0])
    for attempt in entry.attempts:
        state.order_by_venue_id[attempt.venue_order_id] = tracked.order.order_id
        state.order_by_number[int(attempt.attempt_id)] = tracked.order.order_id


def stand_as(tracked: AnyTracked, attempt: Attempt) -> None:
    """The venue has the order under this number from now on."""
    tracked.number, tracked.venue_order_id = int(attempt.attempt_id), attempt.venue_order_id


def _mark_sent(state: AnyState, tracked: AnyTracked, entry: LedgerSent) -> None:
    for each in (tracked, *(state.orders[name] for name in attached_names(tracked.order) if name in state.orders)):
        if each.standing is Standing.CLAIMED:
            each.standing = Standing.SENT
    learn_venue_id(state, tracked, entry.venue_order_id)


def fold_cancel(state: AnyState, command: CancelOrder, *, comes_again: bool) -> None:
    """Take a stored cancel command: a cancellation that follows is the desk's own doing.

    `comes_again`: nobody has acknowledged it.
    """
    tracked = state.orders.get(command.order_id)
    if tracked is None and externals.is_external(command.order_id):
        state.external_cancels[command.order_id] = command.id
    if tracked is not None:
        tracked.cancel_command, tracked.cancel_in_hand = command.id, comes_again


def fold_report(state: AnyState, report: Report) -> None:
    """Take one stored report: it is not made again, and what it says is known."""
    state.reported[report.id] = report.at
    externals.fold(state, report)
    if isinstance(report, VenueFill):
        remember_fill(state, report.fill)
        if report.fill.order_id in state.orders:
            learn_venue_id(state, state.orders[report.fill.order_id], report.venue_order_id)
        return
    if isinstance(report, VenueCommission):
        remember_fee(state, report)
        return
    tracked = state.orders.get(getattr(report, "order_id", ""))
    if tracked is None:
        return
    if isinstance(report, VenueAccepted):
        tracked.seen = True
        learn_venue_id(state, tracked, report.venue_order_id)
    elif isinstance(report, VenueCancelRejected):
        if report.cause == tracked.cancel_command:  # not one that was refused before it
            tracked.cancel_command = ""
    elif isinstance(report, VenueReplaced):
        asked = tracked.change
        of_it = asked.order if asked is not None and asked.revision == report.revision else None
        tracked.order = as_changed(tracked.order, report, of_it)
        end_change(tracked, report.revision)
        for attempt in tracked.last_move.attempts if tracked.last_move is not None else ():
            if attempt.venue_order_id == report.venue_order_id:
                stand_as(tracked, attempt)
    elif isinstance(report, VenueReplaceRejected):
        end_change(tracked, report.revision)
    elif isinstance(report, VenueNoted):
        tracked.words, tracked.notes = report.reason, tracked.notes + 1
    elif isinstance(report, VenueHeld):
        tracked.seen, tracked.held, tracked.holds = True, report.reason, tracked.holds + 1
    elif isinstance(report, VenueReleased | VenueUnknown):
        tracked.held = ""
    elif isinstance(report, VenueRejected | VenueCanceled | VenueExpired):
        tracked.standing = Standing.OVER
        tracked.presumed_lost = isinstance(report, VenueRejected) and not report.code


def end_change(tracked: AnyTracked, revision: int) -> None:
    """It is known what became of the change that the command of that revision asked for."""
    if tracked.change is not None and tracked.change.revision == revision:
        tracked.change = None


# ------------------------------------------------------------------------------------------- what is made and kept


def known_fill(state: AnyState, fill: Fill) -> Fill | None:
    """The latest revision that is known of an execution of an order of the desk."""
    tracked = state.orders.get(fill.order_id)
    return tracked.fills.get(fill.execution_id) if tracked is not None else None


def remember_fill(state: AnyState, fill: Fill) -> bool:
    """Keep the latest revision of an execution; False = this one, or a later one, is known."""
    known = known_fill(state, fill)
    if known is not None and known.revision >= fill.revision:
        return False
    tracked = state.orders.get(fill.order_id)
    if tracked is not None:
        tracked.fills[fill.execution_id] = fill
        tracked.seen = True
    return True


def remember_fee(state: AnyState, report: VenueCommission) -> None:
    """Keep what was told of an execution's fee, if nothing later is."""
    told, now = state.fees.get(report.execution_id), (report.revision, report.correction)
    if told is None or now >= (told.revision, told.correction):
        state.fees[report.execution_id] = FeeTold(*now, report.commission, report.currency, report.at)


def outstanding(state: AnyState) -> frozenset[str]:
    """The orders that the venue should know of, and that are not over: to be fixed before it is asked."""
    return frozenset(order_id for order_id, tracked in state.orders.items() if not (tracked.done or tracked.in_hand))


def asked_about(state: State[OwnState, OwnOrder], order_ids: Collection[str]) -> list[Tracked[OwnOrder]]:
    """Those of them that are remembered, in the order of their claims: so reports come in the same order each time."""
    found = [state.orders[order_id] for order_id in order_ids if order_id in state.orders]
    return sorted(found, key=lambda tracked: (tracked.claim_sequence, tracked.number))


def new_to(state: AnyState, report: VenueReport) -> bool:
    """Note a report as made; False = it was made before."""
    if report.id in state.reported:
        return False
    state.reported[report.id] = report.at
    return True
