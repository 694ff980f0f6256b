"""What only this gateway keeps of orders and their account, beside what every gateway does (`signalbox.gateway.state`).

Owns what IBKR says that no other venue does: revisions of executions that move positions, refusals by error, absences.
It must not know what follows from it (`decide`, `reconcile`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from signalbox.gateway import forgetting
from signalbox.gateway import state as house
from signalbox.gateway.state import ZERO, known_fill
from signalbox.messages import Fill, Report, VenueAccepted, VenueFill, VenueNoted, VenueSnapshot

from gateway_ibkr.facts import CommissionSeen
from gateway_ibkr.translate import VENUE

PRESET = "10349"
"""The code with which TWS says that an order preset has changed the time in force."""


@dataclass
class OwnOrder:
    """What is kept of one order."""

    shown_at: datetime | None = None
    """When the venue last showed it (desk time): what became of it since then is in the venue's lists of that day."""
    cancels_sent: int = 0
    """How often this process has sent its cancel."""
    cancel_sent_seconds: float = -math.inf
    """Wall time (monotonic) of the last of them."""
    refusal: tuple[int, str] | None = None
    cancel_refusal: tuple[int, str] | None = None
    inactive: bool = False
    doubted: bool = False
    """It may have been refused since the venue was last asked."""
    said: tuple[int, str] | None = None
    """The last error about it of which it is not known what it means for a new order."""
    canceling: bool = False
    """The venue has taken the desk's cancel (PendingCancel): what ends it now is that."""
    canceled_with: str = ""
    """What the venue says of a cancellation (202)."""
    made_day: bool = False
    """An order preset of TWS has made it an order for the day (10349)."""
    absences: int = 0
    """In how many complete answers in a row the venue did not have it."""
    first_absent_seconds: float = 0.0
    """Wall time (monotonic) of the first of them."""
    client_id: int = -1
    """The client id that the venue shows for it; -1 = ours, as far as is known."""
    taken_back: Decimal = ZERO
    """Of what the venue has said was filled (`taken_back`)."""
    whole: bool = False
    """The venue has said that it is filled: what of it is not, another order of its group has taken."""
    trail_stop_price: Decimal | None = None
    """Where TWS has shown its stop last, if it trails (`trailing`)."""
    heard: int = 0
    """How often this process has heard its status."""


@dataclass
class OwnState:
    """What is kept of the account, and of all orders."""

    client_id: int
    order_by_execution: dict[str, str] = field(default_factory=dict)
    """Execution id without revision -> order id ("" = not an order of the desk)."""
    fees_awaited: dict[str, datetime] = field(default_factory=dict)
    """Executions whose commission the venue has not reckoned yet, by id, and since when."""
    symbols: dict[int, str] = field(default_factory=dict)
    """By contract id, of the instruments that the venue has."""
    untold: set[str] = field(default_factory=set)
    """The desk's symbols whose contracts the venue has not told yet."""
    calendars: dict[str, str] = field(default_factory=dict)
    """By symbol, of the same."""
    marks: dict[str, Decimal] = field(default_factory=dict)
    """By symbol, what a unit is worth by the last quote that was told."""
    positions: dict[str, Decimal] = field(default_factory=dict)
    """What the account must hold: the last snapshot, and every execution since."""
    knows_positions: bool = False
    """There has been a snapshot: what the venue states now can be held against it."""
    settled: list[Fill] = field(default_factory=list)
    """The last fills that only positions have told (`settling`)."""
    settled_as: dict[str, str] = field(default_factory=dict)
    """Executions that came after all: their ids, and under which the same was booked."""
    venue_time: datetime | None = None
    """The latest time the venue itself has stated (executions, bars)."""
    is_shared: bool = False
    """The login has other accounts beside this one: what bears no account may be theirs."""
    early_fees: dict[str, CommissionSeen] = field(default_factory=dict)
    """By execution: fees of which it is not known whose they are."""
    served_seconds: float = -math.inf
    """Wall time (monotonic) of the last word that only IBKR's servers can have said, not TWS by itself."""
    stranded: set[str] = field(default_factory=set)
    """Orders whose end the venue has forgotten: only an operator can tell what became of them."""
    said_over: frozenset[str] = frozenset()
    """Orders that an operator has said to be over."""


SETTLED = "settled-"
"""How the execution ids begin that this gateway gives to what only positions have told."""
SETTLED_MAX = 1_000
EARLY_FEES_MAX = 1_000

Tracked = house.Tracked[OwnOrder]
State = house.State[OwnState, OwnOrder]


def state_of(account: str, own: OwnState) -> State:
    """Begin with nothing."""
    return State(VENUE, account, own, lambda claim, wall_seconds: OwnOrder())


def raise_number(state: State, next_valid_id: int) -> None:
    """Take the venue's `nextValidId`: never downwards, because it is rolled back in the field (Lean IB #242)."""
    state.highest_number = max(state.highest_number, next_valid_id - 1)


def fold_report(state: State, report: Report) -> None:
    """Take one stored report: also what the account holds by it, and when the venue last spoke of an order."""
    if isinstance(report, VenueFill):
        _hold(state, report.fill)
    if isinstance(report, VenueSnapshot):
        state.own.positions = {held.symbol: held.quantity for held in report.positions}
        state.own.knows_positions = True
    house.fold_report(state, report)
    if isinstance(report, VenueNoted) and report.order_id in state.orders:
        hear(state.orders[report.order_id], report.code, report.reason)
    if isinstance(report, VenueAccepted) and report.order_id in state.orders:
        state.orders[report.order_id].own.shown_at = report.at


def hear(tracked: Tracked, code: str, words: str) -> None:
    """Keep what the venue's words change of an order that goes on."""
    if code == PRESET and "DAY" in words:
        tracked.own.made_day = True


def remember_fill(state: State, fill: Fill) -> bool:
    """Keep the latest revision of an execution, and what the account holds; False = this one, or a later, is known."""
    _hold(state, fill)
    return house.remember_fill(state, fill)


def _hold(state: State, fill: Fill) -> None:
    """Move the position by what this revision changes, before it is kept."""
    state.own.order_by_execution[fill.execution_id] = fill.order_id
    if fill.execution_id.startswith(SETTLED):
        state.own.settled = [*state.own.settled, fill][-SETTLED_MAX:]
    known = known_fill(state, fill)
    if known is not None and known.revision >= fill.revision:
        return
    before = known.quantity if known is not None else ZERO
    held = state.own.positions.get(fill.symbol, ZERO)
    state.own.positions[fill.symbol] = held + fill.side.sign * (fill.quantity - before)


def forget(state: State, before: datetime, kept: Collection[str]) -> None:
    """Drop what ended before `before`, as the venue last showed it, and is not `kept`."""
    shown = {key for key, tracked in state.orders.items() if tracked.own.shown_at and tracked.own.shown_at > before}
    forgetting.forget(state, before, shown.union(kept))
    state.own.fees_awaited = {key: at for key, at in state.own.fees_awaited.items() if at > before}
    state.own.order_by_execution = forgetting.of_orders(state, state.own.order_by_execution)
